"""Finding the parts of layers, and finding them just once while the structure stays."""

import functools
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["known_structure", "note_swap", "search", "search_once", "swaps", "unique"]


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
