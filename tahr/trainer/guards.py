"""Checks of data against a model before its weights change: each says where, what was expected and what came."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tahr import tree
from tahr.layers.watching import watching
from tahr.models.function import match_structure
from tahr.trainer.graph_guards import check_endings, check_shapes, name_of, warn_of_unused_inputs
from tahr.trainer.sources import Source
from tahr.trainer.step import unpack

__all__ = ["Guard", "check_data", "watched_ids"]

_SPARSE = {"SparseCategoricalCrossentropy", "sparse_categorical_crossentropy"}
_PROBABILITY = {
    "BinaryCrossentropy", "BinaryFocalCrossentropy", "binary_crossentropy", "binary_focal_crossentropy",
}  # fmt: skip


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
        self.terms = [] if self.compiled is None else [t for t in self.compiled._terms if _kind(t.loss)]
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
            if not all(map(_is_finite, [part] if isinstance(part, np.ndarray) else tree.flatten(part))):
                for path, array in tree.flatten_with_path(part):
                    _check_finite(f"{name}{''.join(f'[{p!r}]' for p in path)}", array)
        self.check_ids(x)
        if self.compiled is not None and self.terms and y is not None:
            targets, flat = self.compiled._align(y, self.outputs), tree.flatten(self.outputs)
            for term in self.terms:
                _check_labels(term.loss, targets[term.index], flat[term.index], self.compiled._names[term.index])

    def check_ids(self, x: Any) -> None:
        """Check the ids in inputs.

        Raises:
            ValueError: for ids outside an embedding.
        """
        inputs = self._inputs(x) if self.ids and x is not None else []
        for place, check in self.ids:
            if place < len(inputs) and isinstance(inputs[place], np.ndarray):
                check(inputs[place])

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


def _is_finite(array: Any) -> bool:
    """Return whether all is finite, and sometimes False for what is but large: in one pass without a new array."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fc":
        return True
    with np.errstate(all="ignore"):
        if array.dtype.kind == "f" and array.dtype.itemsize >= 4 and array.flags.c_contiguous:
            flat = array.reshape(-1)
            return bool(np.isfinite(np.dot(flat, flat)))  # several times as fast as a sum
        return bool(np.isfinite(array.sum(dtype=array.dtype if array.dtype.itemsize >= 4 else "float32")))


def _check_finite(name: str, array: Any) -> None:
    if _is_finite(array):
        return
    for start in range(0, len(array), 4096):
        wrong = ~np.isfinite(array[start : start + 4096])
        if wrong.any():
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            place = (place[0] + start, *place[1:])
            raise ValueError(
                f"{name} holds {array[place]} at index {place if len(place) > 1 else place[0]}. Training on it turns "
                "every weight into NaN. Fill or drop such rows, for example with np.nan_to_num or DataFrame.dropna."
            )


def _kind(loss: Any) -> str:
    """Return which labels a loss expects: `"sparse"`, `"probability"`, or nothing for those that nobody checks."""
    names = {type(loss).__name__, getattr(getattr(loss, "fn", None), "__name__", "")}
    return "sparse" if names & _SPARSE else "probability" if names & _PROBABILITY else ""


def _check_labels(loss: Any, labels: Any, output: Any, name: str) -> None:
    if not isinstance(labels, np.ndarray) or labels.size == 0 or labels.dtype.kind not in "iufb":
        return
    if _kind(loss) == "sparse":
        classes = output.shape[getattr(loss, "axis", -1) or -1]
        if classes is not None:
            wrong = _first_outside(labels, classes - 1, getattr(loss, "ignore_class", None))
            if wrong is not None:
                raise ValueError(
                    f"Output {name!r}: expected class labels from 0 to {classes - 1}, as the output has {classes} "
                    f"values; row {wrong[0]} of y holds {wrong[1]}. Give the last layer more units, or recode the "
                    "labels."
                )
        return
    wrong = _first_outside(labels, 1)
    if wrong is not None:
        raise ValueError(
            f"Output {name!r}: the loss {name_of(loss) or type(loss).__name__} expects targets between 0 and 1; row "
            f"{wrong[0]} of y holds {wrong[1]}. Recode the labels to 0 and 1, or use another loss."
        )


def _first_outside(labels: np.ndarray, last: int, ignored: Any = None) -> tuple[int, Any] | None:
    """Return the row and the value of the first label outside 0 to `last` that is not ignored, None if none is."""
    if labels.min() >= 0 and labels.max() <= last:
        return None
    wrong = (labels < 0) | (labels > last)
    if ignored is not None:
        wrong &= labels != ignored
    places = np.flatnonzero(wrong)
    if not len(places):
        return None
    return int(places[0]) // (labels.size // len(labels)), labels.flat[places[0]]


@contextmanager
def watched_ids(symbols: Any) -> Iterator[list[tuple[int, Callable[[np.ndarray], None]]]]:
    """A scope in which a model is run on symbols; gives what layers that got one of them say about ids in it."""
    flat, found = tree.flatten(symbols), []

    def look(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> None:
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
