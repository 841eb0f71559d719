"""The graph of a model as boxes with lines of text, and the arrows between them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tahr import tree
from tahr.layers.layer import Layer
from tahr.models import Model
from tahr.models.graph_config import graph_names
from tahr.models.summary import class_of
from tahr.symbolic import KerasTensor, walk

__all__ = ["Box", "Group", "Show", "get_source_inputs", "graph_of"]


@dataclass(frozen=True)
class Show:
    """What is said of a layer, see `plot_model`."""

    shapes: bool = False
    dtype: bool = False
    names: bool = False
    activations: bool = False
    trainable: bool = False
    nested: bool = False


@dataclass
class Box:
    """A layer or an operation: its title, and further lines."""

    key: str
    title: str
    lines: list[str]
    trainable: bool | None


@dataclass
class Group:
    """Boxes, the groups of inner models, and the arrows between boxes (of this and of inner groups) by their keys."""

    name: str
    key: str
    boxes: list[Box] = field(default_factory=list)
    groups: list["Group"] = field(default_factory=list)
    arrows: list[tuple[str, str]] = field(default_factory=list)

    def all_boxes(self) -> Iterator[Box]:
        """Yield the boxes of this group and of those inside."""
        yield from self.boxes
        for group in self.groups:
            yield from group.all_boxes()

    def all_arrows(self) -> Iterator[tuple[str, str]]:
        """Yield the arrows of this group and of those inside, each once."""
        found = dict.fromkeys(self.arrows)
        for group in self.groups:
            found.update(dict.fromkeys(group.all_arrows()))
        yield from found


def get_source_inputs(tensor: KerasTensor) -> list[KerasTensor]:
    """Return the symbols that a symbol is computed from at first, each once; the symbol itself if it is from none.

    >>> x = keras.Input((3,), name="x")
    >>> [source.name for source in keras.utils.get_source_inputs(keras.layers.Dense(2)(x))]
    ['x']
    """
    if not isinstance(tensor, KerasTensor):
        raise TypeError(f"get_source_inputs: expected a symbol (KerasTensor); received {type(tensor).__name__}.")
    if tensor.history is None:
        return [tensor]
    nodes = walk([tensor])
    given = [x for node in nodes for x in (node.inputs or node.outputs) if x is not None]
    return list({id(x): x for x in given if x.history is None or not x.history[0].inputs}.values())


def graph_of(model: Any, show: Show, layer_range: Any = None) -> Group:
    """Return the boxes and arrows of a model.

    Raises:
        ValueError: if the model is not built, or `layer_range` names layers that it does not have.
    """
    if not model.built:
        raise ValueError(
            f"{model.name}: there is no graph yet. Call the model on data, or `model.build(shape)`, before."
        )
    return _Maker(show, _range_of(model, layer_range)).group(model, "m", model.name)


def _range_of(model: Any, layer_range: Any) -> set[int] | None:
    """Return the ids of the operations from one name to another, which may be regular expressions."""
    if layer_range is None:
        return None
    if not isinstance(layer_range, (list, tuple)) or len(layer_range) != 2:
        raise ValueError(f"layer_range: expected two names, first and last; received {layer_range!r}.")
    parts = _parts(model)
    places = []
    for name in layer_range:
        found = [i for i, part in enumerate(parts) if part.name == name or re.fullmatch(name, part.name)]
        if not found:
            raise ValueError(f"layer_range names {name!r}, but the layers are {[part.name for part in parts]}.")
        places += found
    return {id(part) for part in parts[min(places) : max(places) + 1]}


def _function_of(model: Any) -> Any:
    return getattr(model, "_function", None)


def _parts(model: Any) -> list[Any]:
    function = _function_of(model)
    return function.operations if function is not None else model.layers


class _Maker:
    """Makes boxes, and knows where arrows into and out of an operation begin and end."""

    def __init__(self, show: Show, wanted: set[int] | None):
        self.show, self.wanted = show, wanted

    def group(self, model: Any, key: str, name: str) -> Group:
        found = Group(name, key)
        function = _function_of(model)
        entries: dict[int, list[str]] = {}
        exits: dict[int, list[str]] = {}
        parts = _parts(model)
        names = graph_names(parts)
        for i, part in enumerate(parts):
            if self.wanted is not None and key == "m" and id(part) not in self.wanted:
                continue
            own = f"{key}_{i}"
            if self.show.nested and isinstance(part, Model) and _parts(part):
                inner = self.group(part, own, part.name)
                found.groups.append(inner)
                entries[id(part)], exits[id(part)] = _ends(part, inner)
            else:
                found.boxes.append(self.box(part, own, names[id(part)]))
                entries[id(part)] = exits[id(part)] = [own]
        if function is not None:
            found.arrows = list(dict.fromkeys(_arrows(function, entries, exits)))
        return found

    def box(self, part: Any, key: str, name: str) -> Box:
        show, layer = self.show, isinstance(part, Layer)
        kind = type(part).__name__ if layer else class_of(part)
        title = f"{name} ({kind})" if show.names else kind
        lines = []
        activation = getattr(part, "activation", None)
        if show.activations and callable(activation):
            lines.append(f"Activation: {getattr(activation, '__name__', type(activation).__name__)}")
        if show.dtype:
            lines.append(f"Output dtype: {_said([x.dtype for x in _symbols(part, 'output')])}")
        if show.shapes:
            sides = {side: [x.shape for x in _symbols(part, side)] for side in ("input", "output")}
            lines += [f"{side.capitalize()} shape: {_said(found)}" for side, found in sides.items()]
        trainable = part.trainable if show.trainable and layer and part.weights else None
        return Box(key, title, lines, trainable)


def _symbols(part: Any, side: str) -> list[Any]:
    try:
        return tree.flatten(getattr(part, side))
    except (AttributeError, NotImplementedError):  # it has run on arrays only
        return []


def _said(values: list[Any]) -> str:
    return ", ".join(map(str, values)) if values else "?"


def _arrows(function: Any, entries: dict[int, list[str]], exits: dict[int, list[str]]) -> Iterator[tuple[str, str]]:
    for node in function._plan:
        into = entries.get(id(node.operation))
        for i, x in enumerate(node.inputs):
            if x.history is None:
                continue
            source, output = x.history
            out = exits.get(id(source.operation))
            if into and out:
                yield out[output if len(out) > 1 else 0], into[min(i, len(into) - 1)]


def _ends(model: Any, group: Group) -> tuple[list[str], list[str]]:
    """Return the boxes at which arrows into an inner model end, one an input, and at which those out of it begin."""
    function = _function_of(model)
    keys = [box.key for box in group.all_boxes()]
    if function is None:
        return keys[:1], keys[-1:]
    first = {id(part): f"{group.key}_{i}" for i, part in enumerate(function.operations)}

    def box_of(x: KerasTensor, last: bool) -> str:
        if x.history is None:  # a symbol that no layer has made
            return keys[-1 if last else 0]
        own = first[id(x.history[0].operation)]
        inside = [key for key in keys if key == own or key.startswith(f"{own}_")]
        return inside[-1 if last else 0]

    return [box_of(x, False) for x in function.inputs], [box_of(x, True) for x in function.outputs]
