"""Checks of data against a model before its weights change: each says where, what was expected and what came."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tahr import tree
from tahr.layers.watching import watching
from tahr.models.function import match_structure
from tahr.trainer.graph_guards import check_endings, check_shapes, warn_of_unused_inputs
from tahr.trainer.sources import Source
from tahr.trainer.step import unpack

__all__ = ["Guard", "check_data", "watched_ids"]

_SPARSE = ("SparseCategoricalCrossentropy",)
_PROBABILITY = ("BinaryCrossentropy", "BinaryFocalCrossentropy")


class Guard:
    """Looks at data on the host, at all of them or batch by batch: finite, ids and labels in range.

    Args:
        model: the model that is to get the data.
        outputs: symbols for its outputs, None if labels are not to be compared with them.
        ids: functions that check ids, with the number of the input, counted in flat order, that they are for.
    """

    def __init__(self, model: Any, outputs: Any, ids: list[tuple[int, Callable[[np.ndarray], None]]]):
        compiled = model._compiled
        self.compiled = compiled if compiled is not None and compiled.built and outputs is not None else None
        self.name, self.function, self.outputs = model.name, model._function, outputs
        self.ids = (
            ids if self.function is None else list(_ids_in_graph(self.function, range(len(self.function.inputs))))
        )

    def __call__(self, data: Any) -> None:
        """Check data `x`, `(x, y)` or `(x, y, sample_weight)`.

        Raises:
            ValueError: for NaN or infinite values, labels outside the classes, and ids outside an embedding.
        """
        x, y, _ = unpack(data)
        for name, part in (("x", x), ("y", y)):
            for path, array in tree.flatten_with_path(part):
                if array is not None:
                    _check_finite(f"{name}{''.join(f'[{p!r}]' for p in path)}", array)
        inputs = self._inputs(x) if self.ids and x is not None else []
        for place, check in self.ids:
            if place < len(inputs) and isinstance(inputs[place], np.ndarray):
                check(inputs[place])
        if self.compiled is not None and y is not None:
            targets, flat = self.compiled._align(y, self.outputs), tree.flatten(self.outputs)
            for term in self.compiled._terms:
                _check_labels(term.loss, targets[term.index], flat[term.index], self.compiled._names[term.index])

    def _inputs(self, x: Any) -> list[Any]:
        function = self.function
        return tree.flatten(x) if function is None else match_structure(
            function._inputs_struct, function.inputs, x, self.name
        )  # fmt: skip


def check_data(
    model: Any,
    source: Source | None,
    batch: tuple[Any, Any, Any],
    outputs: Any,
    training: bool = False,
    ids: Any = (),
) -> None:
    """Check all data of a source in memory, or else its first batch, and before training how the model ends.

    A source that reads its data later checks every batch when it is read.

    Raises:
        ValueError: for NaN or infinite values, labels outside the classes, ids outside an embedding, missing targets,
            targets of another shape than the outputs, logits for a loss of probabilities and the other way round.
    """
    data = source.host_arrays() if source is not None else None
    whole = data if data is not None else batch
    guard = Guard(model, outputs, list(ids))
    guard(whole)
    if source is not None:
        source.guard = guard
    compiled = guard.compiled
    if compiled is None:
        return
    _, y, _ = unpack(whole)
    if y is None:
        if compiled._terms:
            raise ValueError(
                f"{model.name}: the loss {compiled.loss!r} needs targets, but there is no y. Pass y, or batches (x, y)."
            )
        return
    if training:
        warn_of_unused_inputs(model)
        check_endings(model, compiled._terms, compiled._names)
    targets, flat = compiled._align(y, outputs), tree.flatten(outputs)
    for term in compiled._terms:
        check_shapes(term, targets[term.index], flat[term.index], compiled._names[term.index])


def _check_finite(name: str, array: Any) -> None:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fc":
        return
    if np.isfinite(array.sum(dtype=array.dtype if array.dtype.itemsize >= 4 else "float32")):
        return  # a sum is finite only if every value is: one pass, no temporary array
    for start in range(0, len(array), 4096):
        wrong = ~np.isfinite(array[start : start + 4096])
        if wrong.any():
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            place = (place[0] + start, *place[1:])
            raise ValueError(
                f"{name} holds {array[place]} at index {place if len(place) > 1 else place[0]}. Training on it turns "
                "every weight into NaN. Fill or drop such rows, for example with np.nan_to_num or DataFrame.dropna."
            )


def _check_labels(loss: Any, y: Any, output: Any, name: str) -> None:
    if y is None:
        return
    kind = type(loss).__name__
    fn = getattr(getattr(loss, "fn", None), "__name__", "")
    labels = np.asarray(y) if isinstance(y, np.ndarray) else None
    if labels is None or labels.size == 0 or labels.dtype.kind not in "iufb":
        return
    if kind in _SPARSE or fn == "sparse_categorical_crossentropy":
        classes = output.shape[getattr(loss, "axis", -1) or -1]
        ignored = getattr(loss, "ignore_class", None)
        if ignored is not None:
            labels = labels[labels != ignored]
        _check_range(labels, classes, name)
    elif kind in _PROBABILITY or fn in ("binary_crossentropy", "binary_focal_crossentropy"):
        low, high = labels.min(), labels.max()
        if low < 0 or high > 1:
            index = int(np.argmax((labels < 0) | (labels > 1)) // max(1, labels[0].size if labels.ndim > 1 else 1))
            raise ValueError(
                f"Output {name!r}: {kind} expects targets between 0 and 1; row {index} of y holds "
                f"{low if low < 0 else high}. Recode the labels to 0 and 1, or use another loss."
            )


def _check_range(labels: np.ndarray, classes: int | None, name: str) -> None:
    if classes is None or labels.size == 0:
        return
    low, high = labels.min(), labels.max()
    if low < 0 or high >= classes:
        row = int(np.argmax(((labels < 0) | (labels >= classes)).reshape(len(labels), -1).any(axis=1)))
        raise ValueError(
            f"Output {name!r}: expected class labels from 0 to {classes - 1}, as the output has {classes} values; row "
            f"{row} of y holds {low if low < 0 else high}. Give the last layer more units, or recode the labels."
        )


@contextmanager
def watched_ids(symbols: Any) -> Iterator[list[tuple[int, Callable[[np.ndarray], None]]]]:
    """A scope in which a model is run on symbols; gives what layers that got one of them say about ids in it."""
    flat, found = tree.flatten(symbols), []

    def look(layer: Any, args: tuple[Any, ...], outputs: Any) -> None:
        given = [next((i for i, s in enumerate(flat) if s is x), None) for x in tree.flatten(list(args))]
        found.extend(_ids_of(layer, given))

    with watching(look):
        yield found


def _ids_in_graph(function: Any, places: Iterable[int | None]) -> Iterator[tuple[int, Any]]:
    """Yield what layers right behind the inputs of a graph say about ids, with what the inputs are numbered."""
    by_symbol = dict(zip(map(id, function.inputs), places, strict=True))
    for node in function._plan:
        yield from _ids_of(node.operation, [by_symbol.get(id(symbol)) for symbol in node.inputs])


def _ids_of(layer: Any, given: list[int | None]) -> Iterator[tuple[int, Any]]:
    """Yield what a layer, or those inside a graph, say about ids (an Embedding does) in their inputs by number."""
    check, inner = getattr(layer, "check_inputs", None), getattr(layer, "_function", None)
    if check is not None and given and given[0] is not None:
        yield given[0], check
    elif inner is not None and len(inner.inputs) == len(given):
        yield from _ids_in_graph(inner, given)
