"""One step on one batch, said once for every backend: the bodies of `train_step`, `test_step` and `predict_step`."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from tahr import ops, tree
from tahr.autodiff import value_and_grad
from tahr.losses.loss import both_masks
from tahr.masks import get_mask, set_mask

__all__ = [
    "compute_loss",
    "compute_metrics",
    "counting",
    "metrics_result",
    "pack",
    "predict_step",
    "quiet",
    "rows_of",
    "test_step",
    "train_step",
    "unpack",
]


class _Now(threading.local):
    def __init__(self) -> None:
        self.quiet = False  # of the object, not of the class: torch.compile notes where it finds things
        self.counts: Any = None


_now = _Now()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """A scope in which steps return no metric values, because the loop reads them itself now and then."""
    outer, _now.quiet = _now.quiet, True
    try:
        yield
    finally:
        _now.quiet = outer


@contextlib.contextmanager
def counting(rows: Any) -> Iterator[None]:
    """A scope in which only those rows of a batch count where the mask `rows` is True; None means all."""
    outer, _now.counts = _now.counts, rows
    try:
        yield
    finally:
        _now.counts = outer


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """Return `(x, y, sample_weight)` for a batch: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

    Raises:
        ValueError: for tuples of other lengths.
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(f"A batch is x, (x, y) or (x, y, sample_weight); received a tuple of length {len(data)}.")
    return (*data, None, None)[:3]  # type: ignore[return-value]


def pack(x: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, ...]:
    """Return `(x, y, sample_weight)` without the missing parts at its end: what `train_step` gets as `data`."""
    parts = (x, y, sample_weight)
    count = 3 if sample_weight is not None else 2 if y is not None else 1
    return parts[:count]


def train_step(model: Any, data: Any) -> dict[str, Any]:
    """Forward pass, gradients, update, metrics."""
    x, y, sample_weight = unpack(data)

    def objective() -> Any:
        y_pred = _masked(model(x, training=True))
        loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
        return model.optimizer.scale_loss(loss), (loss, y_pred, [get_mask(x) for x in tree.flatten(y_pred)])

    trainable = model.trainable_variables
    (_, (loss, y_pred, masks)), gradients = value_and_grad(
        objective, trainable, has_aux=True, tables=model.optimizer.by_rows(trainable)
    )()
    for x, mask in zip(tree.flatten(y_pred), masks, strict=True):  # which did not come out with the arrays
        if mask is not None:
            set_mask(x, mask)
    model._compiled.loss_tracker.update_state(loss, sample_weight=rows_of(x))
    logs = model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)
    model.optimizer.apply(gradients, trainable)  # last: if anything before fails, the weights are as they were
    return logs


def test_step(model: Any, data: Any) -> dict[str, Any]:
    """Forward pass and metrics."""
    x, y, sample_weight = unpack(data)
    y_pred = _masked(model(x, training=False))
    loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)
    model._compiled.loss_tracker.update_state(loss, sample_weight=rows_of(x))
    return model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)


def predict_step(model: Any, data: Any) -> Any:
    """Forward pass."""
    x, _, _ = unpack(data)
    return model(x, training=False)


def compute_loss(model: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    """Return the compiled losses plus those that layers and regularizers added."""
    compiled = model._compiled
    if not compiled.built:
        compiled.build(y, y_pred, getattr(model, "output_names", None))
    total = compiled.compute_loss(y, y_pred, sample_weight)
    for extra in model.losses:
        extra = ops.sum(ops.cast(extra, "float32"))
        total = extra if total is None else total + ops.cast(extra, total.dtype)
    if total is None:
        raise ValueError(
            f"{model.name}: there is nothing to minimise. Give `compile` a loss, or add one with `add_loss` in a layer."
        )
    return total


def compute_metrics(model: Any, y: Any, y_pred: Any, sample_weight: Any) -> dict[str, Any]:
    """Update the compiled metrics and return all values."""
    if model._compiled is not None:
        model._compiled.update_metrics(y, y_pred, sample_weight)
    return {} if _now.quiet else model.get_metrics_result()


def metrics_result(model: Any) -> dict[str, Any]:
    """Return the value of every metric by name: loss, trackers, compiled metrics, then those kept as attributes."""
    compiled = model._compiled
    found: dict[str, Any] = {}
    handled: set[int] = set()
    if compiled is not None:
        found["loss"] = compiled.loss_tracker.result()
        found.update(compiled.results())
        handled = {id(m) for m in compiled.all_metrics()}
    for metric in model.metrics:
        if id(metric) not in handled:
            value = metric.result()
            found.update(value if isinstance(value, dict) else {metric.name: value})
    return found


def rows_of(x: Any) -> Any:
    """Return how many rows of a nested structure of arrays count."""
    if _now.counts is not None:
        return ops.sum(ops.cast(_now.counts, "float32"))
    first = tree.flatten(x)[0]
    return first.shape[0] if len(first.shape) else 1


def _masked(y_pred: Any) -> Any:
    """Return outputs that carry which of their rows count."""
    if _now.counts is not None:
        for x in tree.flatten(y_pred):
            set_mask(x, both_masks(get_mask(x), _now.counts))
    return y_pred
