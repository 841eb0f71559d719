"""Losses of distributions and counts."""

from typing import Any

from tahr import config, ops
from tahr.losses.loss import FunctionLoss, pair

__all__ = ["KLDivergence", "Poisson", "kl_divergence", "poisson"]


def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """Return the Kullback-Leibler divergence, the sum over the last axis of y_true log(y_true / y_pred).

    Raises:
        ValueError: if the shapes differ.

    >>> losses.kl_divergence([[0.5, 0.5]], [[0.25, 0.75]])
    [0.1438410]
    """
    y_true, y_pred = pair(y_true, y_pred, "kl_divergence")
    p, q = ops.clip(y_true, config.epsilon(), 1.0), ops.clip(y_pred, config.epsilon(), 1.0)
    return ops.sum(p * ops.log(p / q), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """Return the mean over the last axis of y_pred - y_true log(y_pred), for counts and their predicted rates.

    Raises:
        ValueError: if the shapes differ.

    >>> losses.poisson([[1.0, 2.0]], [[1.0, 1.0]])
    [1.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "poisson")
    return ops.mean(y_pred - y_true * ops.log(y_pred + config.epsilon()), axis=-1)


class KLDivergence(FunctionLoss):
    """`kl_divergence`, reduced to one number.

    >>> losses.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]])
    0.1438410
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "kl_divergence", dtype: Any = None
    ):
        super().__init__(kl_divergence, reduction, name, dtype)


class Poisson(FunctionLoss):
    """`poisson`, reduced to one number.

    >>> losses.Poisson()([[1.0, 2.0]], [[1.0, 1.0]])
    1.0
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "poisson", dtype: Any = None):
        super().__init__(poisson, reduction, name, dtype)
