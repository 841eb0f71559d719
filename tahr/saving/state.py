"""Where every part of a model keeps its values in a file, as Keras lays them out: `layers/dense/vars/0`..."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tahr import naming
from tahr.layers.layer import Layer
from tahr.models.functional import Functional
from tahr.models.model import Model
from tahr.models.sequential import Sequential
from tahr.optimizers import Optimizer

__all__ = ["walk_state"]

_BASES = (Layer, Model, Functional, Sequential, Optimizer)
_CONTAINERS = (list, tuple, dict, set, frozenset)
# What tahr's own models keep for themselves; their layers are walked as `layers`.
_INTERNAL = {"_stack", "_function", "_compiled", "_session", "_own", "_recorded", "_losses", "_nodes", "history"}


def walk_state(root: Any) -> Iterator[tuple[str, Any]]:
    """Yield `(path, part)` for `root` and every layer and optimizer inside, each once, in the order of Keras.

    A part goes by the attribute that holds it: public attributes in alphabetical order, then private ones. Members of
    lists and dicts go by their class, numbered; the layers of a model are the list `layers`.
    """
    yield from _walk("", root, set())


def _walk(path: str, part: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if id(part) in seen:
        return
    seen.add(id(part))
    yield path, part
    for name, value in _attributes(part):
        place = f"{path}/{name}" if path else name
        if isinstance(value, (Layer, Optimizer)):
            yield from _walk(place, value, seen)
        else:
            yield from _members(place, value, seen)


def _members(path: str, container: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    used: Counter[str] = Counter()
    for value in _values(container):
        inside = isinstance(value, _CONTAINERS)
        if not inside and not isinstance(value, (Layer, Optimizer)):
            continue
        kind = "container" if inside else naming.snake_case(_class_name(value))
        name = f"{kind}_{used[kind]}" if used[kind] else kind
        used[kind] += 1
        if not inside:
            yield from _walk(f"{path}/{name}", value, seen)
        elif id(value) not in seen:
            seen.add(id(value))
            yield from _members(f"{path}/{name}", value, seen)


def _class_name(part: Any) -> str:
    """Return the name of a part's class; a placeholder has that of what it stands for."""
    described = getattr(part, "described_in_file", None)
    return described["class_name"] if described else type(part).__name__


def _values(container: Any) -> list[Any]:
    if isinstance(container, dict):
        return list(container.values())
    if isinstance(container, (set, frozenset)):  # they have no order of their own
        return sorted(container, key=lambda value: getattr(value, "name", ""))
    return list(container)


def _attributes(part: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes that may hold parts; `layers` of a graph or stack comes before all others."""
    found = {n: v for n, v in vars(part).items() if n not in _INTERNAL and _may_hold(v)}
    for name, value in _properties(part):
        found.setdefault(name, value)
    graph = isinstance(part, (Functional, Sequential))
    if isinstance(part, Functional):
        yield "layers", [o for o in part.operations if isinstance(o, Layer)]
    elif graph:
        yield "layers", part.layers
    elif isinstance(part, Model):
        found.setdefault("layers", part.layers)
    for name in sorted(found, key=lambda n: (n.startswith("_"), n)):
        yield name, found[name]


def _properties(part: Any) -> Iterator[tuple[str, Any]]:
    """Yield what properties give: they name parts like attributes do."""
    for cls in type(part).__mro__:
        if cls in _BASES or issubclass(Layer, cls):  # what all layers have, such as the views of PyTorch's modules
            continue
        for name, member in vars(cls).items():
            if isinstance(member, property):
                with contextlib.suppress(Exception):  # a property that is not ready yet holds no parts
                    value = getattr(part, name)
                    if _may_hold(value):
                        yield name, value


def _may_hold(value: Any) -> bool:
    return isinstance(value, (Layer, Optimizer, *_CONTAINERS))
