"""Finding the parts of layers, and finding them just once while the structure stays."""

import functools
import itertools
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Any

from tahr import naming

__all__ = [
    "Snapshot",
    "known_structure",
    "named_layers",
    "named_variables",
    "note_swap",
    "parts",
    "search",
    "search_once",
    "swaps",
    "unique",
]


class _Scope(threading.local):
    known: dict[Any, Any] | None = None


_scope = _Scope()
_swaps = itertools.count(1)
_last_swap = 0


def note_swap() -> None:
    """Say that a layer's weights were replaced by others, so that nothing compiled with the old ones is used."""
    global _last_swap
    _last_swap = next(_swaps)


def swaps() -> int:
    """Return a number that changes whenever weights of any layer are replaced by others."""
    return _last_swap


class known_structure:
    """A scope in which layers are taken to keep the parts they have, so that each is searched for once.

    Args:
        found: where what was found is kept; pass the same dict again as long as the structure stays.
    """

    __slots__ = ("_outer", "found")

    def __init__(self, found: dict[Any, Any]):
        self.found = found

    def __enter__(self) -> None:
        self._outer, _scope.known = _scope.known, self.found

    def __exit__(self, *error: Any) -> None:
        _scope.known = self._outer


class Snapshot:
    """What objects hold and which of their variables are trained, to tell soon whether that is still so.

    Args:
        roots: layers, metrics, optimizers.
        kinds: classes of the parts that matter.

    >>> from tahr.layers.structure import Snapshot
    >>> layer = layers.Layer()
    >>> before = Snapshot([layer], (layers.Layer,))
    >>> layer.inner = layers.Dense(2)
    >>> before.holds()
    False
    """

    def __init__(self, roots: Iterable[Any], kinds: tuple[type, ...]):
        self.kinds = kinds
        self._attributes: list[tuple[weakref.ref[Any], int, Any, tuple[int, ...]]] = []
        self._containers: list[tuple[Any, tuple[int, ...]]] = []
        self._variables: list[Any] = []
        self._seen: set[int] = set()
        stack = list(roots)
        while stack:
            part = stack.pop()
            if id(part) not in self._seen:
                self._seen.add(id(part))
                stack += self._note(part)
        self._trained = [v.trainable for v in self._variables]

    def _note(self, part: Any) -> list[Any]:
        """Note what a part holds, and return the parts in it."""
        if hasattr(part, "learnable"):
            self._variables.append(part)
            return []
        held = vars(part)
        left_out = getattr(part, "_untracked", frozenset()) | {"_nodes"}
        names = [name for name, value in held.items() if name not in left_out and type(value) not in _PLAIN]
        if names:
            values = itemgetter(*names, names[0])  # of two names at least it gives a tuple
            self._attributes.append((weakref.ref(part), len(held), values, tuple(map(id, values(held)))))
        found: list[Any] = []
        for name in names:
            self._look(held[name], found)
        return found

    def _look(self, value: Any, found: list[Any]) -> None:
        if isinstance(value, self.kinds):
            found.append(value)
        elif isinstance(value, (list, tuple, set, frozenset, dict)):
            items = value.values() if isinstance(value, dict) else value
            self._containers.append((value, tuple(map(id, items))))
            for item in items:
                self._look(item, found)

    def holds(self) -> bool:
        """Return whether nothing has changed; numbers and text as attributes do not matter."""
        for ref, size, values, ids in self._attributes:
            part = ref()
            if part is None or len(held := vars(part)) != size:
                return False
            try:
                if tuple(map(id, values(held))) != ids:
                    return False
            except KeyError:
                return False
        for container, ids in self._containers:
            if tuple(map(id, container.values() if type(container) is dict else container)) != ids:
                return False
        return [v.trainable for v in self._variables] == self._trained


_PLAIN = (int, float, str)  # but not None, True and False, which stand for what is absent, and for `trainable`


def search_once(method: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
    """Keep what a method without arguments found, inside `known_structure`."""

    @functools.wraps(method)
    def run(self: Any) -> list[Any]:
        known = _scope.known
        if known is None:
            return method(self)
        key = id(self), method
        found = known.get(key)
        if found is None:
            found = known[key] = method(self)
        return found

    return run


def unique(items: Any) -> list[Any]:
    """Return items in order, each once."""
    return list({id(x): x for x in items}.values())


def search(value: Any, kinds: tuple[type, ...]) -> Iterator[Any]:
    """Yield what is of the given kinds in a value, also inside containers."""
    if isinstance(value, kinds):
        yield value
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from search(item, kinds)
    elif isinstance(value, dict):
        for item in value.values():
            yield from search(item, kinds)


def parts(layer: Any, *kinds: type) -> Iterator[Any]:
    """Yield the attributes of the given kinds, also inside lists, tuples, sets and dicts, in order."""
    for name, value in vars(layer).items():
        if name not in layer._untracked:
            yield from search(value, kinds)


def named_layers(layer: Any) -> dict[str, Any]:
    """Return the layers directly inside by the attribute that holds each, or by class, numbered as in files."""
    attributes = {id(value): name for name, value in reversed(vars(layer).items()) if name != "_nodes"}
    return _numbered((attributes.get(id(x)) or naming.snake_case(type(x).__name__), x) for x in layer._layers)


def named_variables(layer: Any) -> dict[str, Any]:
    """Return a layer's own weights, then the state of its random generators, by name."""
    return _numbered((v.name, v) for v in [*layer._own_variables(), *layer._state_variables()])


def _numbered(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        numbers = (f"{name}_{i}" if i else name for i in itertools.count())
        found[next(free for free in numbers if free not in found)] = value
    return found
