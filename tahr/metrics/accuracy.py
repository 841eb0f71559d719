"""How often predictions are right."""

from typing import Any

from tahr import config, dtypes, ops, shapes
from tahr.losses.loss import pair, same_shape
from tahr.metrics.reduction import MeanMetricWrapper

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """Return 1 where a prediction equals the target, else 0.

    Raises:
        ValueError: if the shapes differ.

    >>> from tahr.metrics.accuracy import accuracy
    >>> accuracy([[1, 2]], [[1, 3]])
    [[1.0, 0.0]]
    """
    y_true, y_pred = pair(y_true, y_pred, "accuracy")
    return ops.cast(ops.equal(y_true, y_pred), config.floatx())


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """Return 1 where a prediction is on the right side of `threshold`, else 0, for targets 0 and 1.

    Raises:
        ValueError: if the shapes differ.

    >>> metrics.binary_accuracy([[1.0, 0.0]], [[0.7, 0.6]])
    [[1.0, 0.0]]
    """
    y_true, y_pred = pair(y_true, y_pred, "binary_accuracy")
    return ops.cast(ops.equal(y_true, ops.cast(y_pred > threshold, dtypes.of(y_true))), config.floatx())


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Return 1 where the class of the largest prediction is that of the one-hot target, else 0.

    Raises:
        ValueError: if the shapes differ.

    >>> metrics.categorical_accuracy([[0, 0, 1], [0, 1, 0]], [[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])
    [1.0, 0.0]
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    same_shape(y_true, y_pred, "categorical_accuracy")
    return sparse_categorical_accuracy(ops.argmax(y_true, axis=-1), y_pred)


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Return 1 where the class of the largest prediction is the target, a class number, else 0.

    Raises:
        ValueError: if the shapes do not fit.

    >>> metrics.sparse_categorical_accuracy([2, 1], [[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])
    [1.0, 0.0]
    """
    y_true, y_pred = _class_numbers(y_true, y_pred, "sparse_categorical_accuracy")
    return ops.cast(ops.equal(y_true, ops.cast(ops.argmax(y_pred, axis=-1), "int32")), config.floatx())


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """Return 1 where the class of the one-hot target is among the `k` largest predictions, else 0.

    Raises:
        ValueError: if the shapes differ.

    >>> metrics.top_k_categorical_accuracy([[0, 0, 1], [0, 1, 0]], [[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]], k=2)
    [1.0, 1.0]
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    same_shape(y_true, y_pred, "top_k_categorical_accuracy")
    return sparse_top_k_categorical_accuracy(ops.argmax(y_true, axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Any:
    """Return 1 where the target, a class number, is among the `k` largest predictions, else 0.

    Args:
        y_true: class numbers, of the shape of `y_pred` without its last axis.
        y_pred: scores of the classes, or class numbers from best to worst if `from_sorted_ids`.
        k: how many predictions count.
        from_sorted_ids: whether `y_pred` holds class numbers instead of scores.

    Raises:
        ValueError: if the shapes do not fit.

    >>> metrics.sparse_top_k_categorical_accuracy([2, 1], [[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]], k=1)
    [1.0, 0.0]
    """
    y_true, y_pred = _class_numbers(y_true, y_pred, "sparse_top_k_categorical_accuracy")
    if from_sorted_ids:
        best = ops.cast(y_pred[..., :k], "int32")
        return ops.cast(ops.any(ops.equal(best, ops.expand_dims(y_true, -1)), axis=-1), config.floatx())
    classes = shapes.of(y_pred)[-1]
    found = ops.in_top_k(ops.reshape(y_true, (-1,)), ops.reshape(y_pred, (-1, classes)), k)
    if len(shapes.of(y_true)) != 1:
        found = ops.reshape(found, ops.shape(y_true))
    return ops.cast(found, config.floatx())


def _class_numbers(y_true: Any, y_pred: Any, what: str) -> tuple[Any, Any]:
    """Return class numbers as int32 without a last axis of size 1, and predictions.

    Raises:
        ValueError: if there is not one class number for each row of predictions.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    a, b = shapes.of(y_true), shapes.of(y_pred)
    if len(a) == len(b) and a and a[-1] == 1:
        y_true, a = ops.squeeze(y_true, axis=-1), a[:-1]
    if len(a) != len(b) - 1 or any(None not in (x, y) and x != y for x, y in zip(a, b[:-1], strict=True)):
        raise ValueError(
            f"{what}: expected class numbers y_true of shape {b[:-1]} for y_pred of shape {b}; received shape "
            f"{a}. If the targets are one-hot, use {what.removeprefix('sparse_')}."
        )
    return ops.cast(y_true, "int32"), y_pred


class Accuracy(MeanMetricWrapper):
    """The share of predictions that equal the target, such as class numbers.

    Args:
        name, dtype: see `Metric`.

    >>> metric = metrics.Accuracy()
    >>> metric.update_state([[1], [2]], [[1], [3]])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, name: str | None = "accuracy", dtype: Any = None):
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """The share of predictions on the right side of `threshold`, for targets 0 and 1.

    Args:
        name, dtype: see `Metric`.
        threshold: between 0 and 1.

    Raises:
        ValueError: if `threshold` is not between 0 and 1.

    >>> metric = metrics.BinaryAccuracy()
    >>> metric.update_state([[1], [1], [0], [0]], [[0.98], [1], [0], [0.6]])
    >>> float(metric.result())
    0.75
    """

    def __init__(self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5):
        if threshold is not None and not 0 < threshold < 1:
            raise ValueError(f"BinaryAccuracy: expected 0 < threshold < 1; received {threshold!r}.")
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


class CategoricalAccuracy(MeanMetricWrapper):
    """The share of samples whose largest prediction is the class of the one-hot target.

    Args:
        name, dtype: see `Metric`.

    >>> metric = metrics.CategoricalAccuracy()
    >>> metric.update_state([[0, 1], [1, 0]], [[0.2, 0.8], [0.3, 0.7]])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, name: str | None = "categorical_accuracy", dtype: Any = None):
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """The share of samples whose largest prediction is the class that the target numbers.

    Args:
        name, dtype: see `Metric`.

    >>> metric = metrics.SparseCategoricalAccuracy()
    >>> metric.update_state([[1], [0]], [[0.2, 0.8], [0.3, 0.7]])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: Any = None):
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """The share of samples whose one-hot target's class is among the `k` largest predictions.

    Args:
        k: how many predictions count.
        name, dtype: see `Metric`.

    >>> metric = metrics.TopKCategoricalAccuracy(k=1)
    >>> metric.update_state([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None):
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """The share of samples whose target, a class number, is among the `k` largest predictions.

    Args:
        k: how many predictions count.
        name, dtype: see `Metric`.
        from_sorted_ids: whether predictions are class numbers from best to worst instead of scores.

    >>> metric = metrics.SparseTopKCategoricalAccuracy(k=1)
    >>> metric.update_state([2, 1], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]])
    >>> float(metric.result())
    0.5
    """

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ):
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)
