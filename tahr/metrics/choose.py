"""Which metric "accuracy" and "crossentropy" mean, by the shapes of targets and predictions."""

from typing import Any

from tahr import shapes
from tahr.metrics import accuracy, losses
from tahr.metrics.metric import Metric

__all__ = ["SHAPE_DEPENDENT", "choose_by_shape"]

_FAMILIES: dict[str, tuple[type[Metric], type[Metric], type[Metric]]] = {
    "accuracy": (accuracy.BinaryAccuracy, accuracy.SparseCategoricalAccuracy, accuracy.CategoricalAccuracy),
    "crossentropy": (losses.BinaryCrossentropy, losses.SparseCategoricalCrossentropy, losses.CategoricalCrossentropy),
}
SHAPE_DEPENDENT = {"acc": "accuracy", "accuracy": "accuracy", "ce": "crossentropy", "crossentropy": "crossentropy"}


def choose_by_shape(name: str, y_true_shape: Any, y_pred_shape: Any) -> Metric:
    """Return the metric that `name` means for targets and predictions of these shapes, called `name`.

    One output a sample is binary. Several are classes, numbered by targets of one number a sample, else one-hot.

    Args:
        name: `"accuracy"`, `"acc"`, `"crossentropy"` or `"ce"`.
        y_true_shape: shape of the targets, with the batch axis.
        y_pred_shape: shape of the predictions, with the batch axis.

    Raises:
        ValueError: for another name.

    >>> from tahr.metrics.choose import choose_by_shape
    >>> choose_by_shape("acc", (None,), (None, 10))
    <SparseCategoricalAccuracy name=acc>
    """
    if name not in SHAPE_DEPENDENT:
        raise ValueError(f"choose_by_shape: expected one of {', '.join(SHAPE_DEPENDENT)}; received {name!r}.")
    binary, sparse, one_hot = _FAMILIES[SHAPE_DEPENDENT[name]]
    y_true = shapes.standardize_shape(y_true_shape, "y_true_shape")
    y_pred = shapes.standardize_shape(y_pred_shape, "y_pred_shape")
    if len(y_pred) < 2 or y_pred[-1] == 1:
        return binary(name=name)
    if len(y_true) < len(y_pred) or y_true[-1] == 1:
        return sparse(name=name)
    return one_hot(name=name)
