"""Losses with a margin."""

from typing import Any

from tahr import ops
from tahr.losses.loss import FunctionLoss, pair

__all__ = ["CategoricalHinge", "Hinge", "SquaredHinge", "categorical_hinge", "hinge", "squared_hinge"]


def _as_signs(y_true: Any) -> Any:
    """Return targets of 0 and 1 as -1 and 1, and others as they are."""
    binary = ops.all(ops.logical_or(y_true == 0, y_true == 1))
    return ops.where(binary, 2.0 * y_true - 1.0, y_true)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """Return the mean over the last axis of max(1 - y_true y_pred, 0), for targets -1 and 1 (or 0 and 1).

    Raises:
        ValueError: if the shapes differ.

    >>> losses.hinge([[1.0, -1.0]], [[0.5, 0.5]])
    [1.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "hinge")
    return ops.mean(ops.maximum(1.0 - _as_signs(y_true) * y_pred, 0.0), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """Return the mean over the last axis of max(1 - y_true y_pred, 0)², for targets -1 and 1 (or 0 and 1).

    Raises:
        ValueError: if the shapes differ.

    >>> losses.squared_hinge([[1.0, -1.0]], [[0.5, 0.5]])
    [1.25]
    """
    y_true, y_pred = pair(y_true, y_pred, "squared_hinge")
    return ops.mean(ops.square(ops.maximum(1.0 - _as_signs(y_true) * y_pred, 0.0)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """Return max(1 + n - p, 0): p is the score of the true class, n the best of the others; targets are one-hot.

    Raises:
        ValueError: if the shapes differ.

    >>> losses.categorical_hinge([[0.0, 1.0]], [[0.5, 0.75]])
    [0.75]
    """
    y_true, y_pred = pair(y_true, y_pred, "categorical_hinge")
    positive = ops.sum(y_true * y_pred, axis=-1)
    negative = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.maximum(negative - positive + 1.0, 0.0)


class Hinge(FunctionLoss):
    """`hinge`, reduced to one number.

    >>> losses.Hinge()([[1.0, -1.0]], [[0.5, 0.5]])
    1.0
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "hinge", dtype: Any = None):
        super().__init__(hinge, reduction, name, dtype)


class SquaredHinge(FunctionLoss):
    """`squared_hinge`, reduced to one number.

    >>> losses.SquaredHinge()([[1.0, -1.0]], [[0.5, 0.5]])
    1.25
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "squared_hinge", dtype: Any = None
    ):
        super().__init__(squared_hinge, reduction, name, dtype)


class CategoricalHinge(FunctionLoss):
    """`categorical_hinge`, reduced to one number.

    >>> losses.CategoricalHinge()([[0.0, 1.0]], [[0.5, 0.75]])
    0.75
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "categorical_hinge", dtype: Any = None
    ):
        super().__init__(categorical_hinge, reduction, name, dtype)
