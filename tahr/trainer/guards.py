"""Checks of data against a model before its weights change: each says where, what was expected and what came."""

from typing import Any

import numpy as np

from tahr import tree
from tahr.models.function import match_structure
from tahr.trainer.graph_guards import check_endings, check_shapes, warn_of_unused_inputs
from tahr.trainer.sources import Source

__all__ = ["check_data"]

_SPARSE = ("SparseCategoricalCrossentropy",)
_PROBABILITY = ("BinaryCrossentropy", "BinaryFocalCrossentropy")


def check_data(
    model: Any, source: Source | None, batch: tuple[Any, Any, Any], outputs: Any, training: bool = False
) -> None:
    """Check all data of a source in memory, or else its first batch, and before training how the model ends.

    Raises:
        ValueError: for NaN or infinite values, labels outside the classes, ids outside an embedding, missing targets,
            targets of another shape than the outputs, logits for a loss of probabilities and the other way round.
    """
    data = source.host_arrays() if source is not None else None
    whole = data if data is not None else batch
    x, y, _ = (*whole, None, None)[:3] if isinstance(whole, tuple) else (whole, None, None)
    for name, part in (("x", x), ("y", y)):
        for path, array in tree.flatten_with_path(part):
            if array is not None:
                _check_finite(f"{name}{''.join(f'[{p!r}]' for p in path)}", array)
    _check_ids(model, x)
    compiled = model._compiled
    if compiled is None or not compiled.built or outputs is None:
        return
    if y is None:
        if compiled._terms:
            raise ValueError(
                f"{model.name}: the loss {compiled.loss!r} needs targets, but there is no y. Pass y, or batches (x, y)."
            )
        return
    targets = compiled._align(y, outputs)
    flat = tree.flatten(outputs)
    if training:
        warn_of_unused_inputs(model)
        check_endings(model, compiled._terms, compiled._names)
    for term in compiled._terms:
        name = compiled._names[term.index]
        _check_labels(term.loss, targets[term.index], flat[term.index], name)
        check_shapes(term, targets[term.index], flat[term.index], name)


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


def _check_ids(model: Any, x: Any) -> None:
    """Let layers that stand right behind an input and know what they can take (an Embedding) look at the data."""
    function = getattr(model, "_function", None)
    if function is not None and x is not None:
        _look(function, match_structure(function._inputs_struct, function.inputs, x, model.name))


def _look(function: Any, arrays: list[Any]) -> None:
    """Do so in a graph, and in the graphs inside of it, for the inputs whose arrays are known."""
    by_symbol = dict(zip(map(id, function.inputs), arrays, strict=True))
    for node in function._plan:
        given = [by_symbol.get(id(symbol)) for symbol in node.inputs]
        check, inner = getattr(node.operation, "check_inputs", None), getattr(node.operation, "_function", None)
        if check is not None and given and isinstance(given[0], np.ndarray):
            check(given[0])
        elif inner is not None and len(inner.inputs) == len(given):
            _look(inner, given)
