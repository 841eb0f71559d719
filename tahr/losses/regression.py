"""Losses of numbers against numbers."""

import math
from typing import Any

from tahr import config, ops
from tahr.losses.loss import FunctionLoss, pair

__all__ = [
    "CosineSimilarity",
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "cosine_similarity",
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
]


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Return the mean over the last axis of the squared differences.

    Raises:
        ValueError: if the shapes differ.

    >>> losses.mean_squared_error([[0.0, 2.0]], [[1.0, 2.0]])
    [0.5]
    """
    y_true, y_pred = pair(y_true, y_pred, "mean_squared_error")
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Return the mean over the last axis of the absolute differences.

    Raises:
        ValueError: if the shapes differ.

    >>> losses.mean_absolute_error([[0.0, 2.0]], [[1.0, 2.0]])
    [0.5]
    """
    y_true, y_pred = pair(y_true, y_pred, "mean_absolute_error")
    return ops.mean(ops.absolute(y_true - y_pred), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """Return the mean over the last axis of the absolute differences in percent of the target.

    Raises:
        ValueError: if the shapes differ.

    >>> losses.mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 4.0]])
    [25.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "mean_absolute_percentage_error")
    scale = ops.maximum(ops.absolute(y_true), config.epsilon())
    return 100.0 * ops.mean(ops.absolute((y_true - y_pred) / scale), axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """Return the mean over the last axis of the squared differences of log(1 + y), for y >= 0.

    Raises:
        ValueError: if the shapes differ.

    >>> losses.mean_squared_logarithmic_error([[0.0]], [[1.7182818]])
    [1.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "mean_squared_logarithmic_error")
    low = config.epsilon()
    return ops.mean(ops.square(ops.log1p(ops.maximum(y_pred, low)) - ops.log1p(ops.maximum(y_true, low))), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Return minus the cosine of the angle between vectors: -1 where they point the same way, 1 the opposite way.

    Raises:
        ValueError: if the shapes differ.

    >>> losses.cosine_similarity([[0.0, 1.0], [1.0, 0.0]], [[0.0, 2.0], [0.0, 1.0]])
    [-1.0, 0.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "cosine_similarity")
    return -ops.sum(ops.normalize(y_true, axis=axis) * ops.normalize(y_pred, axis=axis), axis=axis)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """Return the mean over the last axis of d²/2 for differences d up to `delta`, and delta (|d| - delta/2) beyond.

    Source: P. J. Huber, "Robust Estimation of a Location Parameter", 1964.

    Raises:
        ValueError: if the shapes differ.

    >>> losses.huber([[0.0, 0.0]], [[1.0, 3.0]])
    [1.5]
    """
    y_true, y_pred = pair(y_true, y_pred, "huber")
    distance = ops.absolute(y_true - y_pred)
    inside = 0.5 * ops.square(distance)
    return ops.mean(ops.where(distance <= delta, inside, delta * distance - 0.5 * delta**2), axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """Return the mean over the last axis of log(cosh(d)): about d²/2 for small differences and |d| for large ones.

    Raises:
        ValueError: if the shapes differ.

    >>> losses.log_cosh([[0.0, 0.0]], [[1.0, 0.0]])
    [0.216890]
    """
    y_true, y_pred = pair(y_true, y_pred, "log_cosh")
    d = y_pred - y_true
    return ops.mean(d + ops.softplus(-2.0 * d) - math.log(2.0), axis=-1)


class MeanSquaredError(FunctionLoss):
    """`mean_squared_error`, reduced to one number.

    >>> losses.MeanSquaredError()([[0.0, 2.0]], [[1.0, 2.0]])
    0.5
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "mean_squared_error", dtype: Any = None
    ):
        super().__init__(mean_squared_error, reduction, name, dtype)


class MeanAbsoluteError(FunctionLoss):
    """`mean_absolute_error`, reduced to one number.

    >>> losses.MeanAbsoluteError()([[0.0, 2.0]], [[1.0, 2.0]])
    0.5
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "mean_absolute_error", dtype: Any = None
    ):
        super().__init__(mean_absolute_error, reduction, name, dtype)


class MeanAbsolutePercentageError(FunctionLoss):
    """`mean_absolute_percentage_error`, reduced to one number.

    >>> losses.MeanAbsolutePercentageError()([[2.0, 4.0]], [[1.0, 4.0]])
    25.0
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_percentage_error",
        dtype: Any = None,
    ):
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


class MeanSquaredLogarithmicError(FunctionLoss):
    """`mean_squared_logarithmic_error`, reduced to one number.

    >>> losses.MeanSquaredLogarithmicError()([[0.0]], [[1.7182818]])
    1.0
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ):
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


class CosineSimilarity(FunctionLoss):
    """`cosine_similarity`, reduced to one number: making it small makes vectors point the same way.

    Args:
        axis: axis of the vectors.
        reduction, name, dtype: see `Loss`.

    >>> losses.CosineSimilarity()([[0.0, 1.0], [1.0, 0.0]], [[0.0, 2.0], [0.0, 1.0]])
    -0.5
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: Any = None,
    ):
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)


class Huber(FunctionLoss):
    """`huber`, reduced to one number: squares for small differences, straight lines for large ones.

    As in Keras, a config, and so a file, holds no `delta`; a loaded loss has the default.

    Args:
        delta: the difference at which the line starts.
        reduction, name, dtype: see `Loss`.

    >>> losses.Huber(delta=2.0)([[0.0, 0.0]], [[1.0, 3.0]])
    2.25
    """

    unrecorded = FunctionLoss.unrecorded | {"delta"}

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: Any = None,
    ):
        super().__init__(huber, reduction, name, dtype, delta=delta)


class LogCosh(FunctionLoss):
    """`log_cosh`, reduced to one number.

    >>> losses.LogCosh()([[0.0, 0.0]], [[1.0, 0.0]])
    0.216890
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "log_cosh", dtype: Any = None):
        super().__init__(log_cosh, reduction, name, dtype)
