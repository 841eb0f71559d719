"""How predictions move with targets."""

from typing import Any

from tahr import config, ops
from tahr.losses.loss import pair
from tahr.metrics.reduction import MeanMetricWrapper

__all__ = ["ConcordanceCorrelation", "PearsonCorrelation", "concordance_correlation", "pearson_correlation"]


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Return Pearson's correlation along `axis`: the covariance over the product of the standard deviations.

    Raises:
        ValueError: if the shapes differ.

    >>> metrics.pearson_correlation([[0.0, 1.0, 2.0]], [[0.0, 10.0, 20.0]])
    [1.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "pearson_correlation")
    a = y_true - ops.mean(y_true, axis=axis, keepdims=True)
    b = y_pred - ops.mean(y_pred, axis=axis, keepdims=True)
    spread = ops.sqrt(ops.mean(ops.square(a), axis=axis) * ops.mean(ops.square(b), axis=axis))
    return ops.mean(a * b, axis=axis) / (spread + config.epsilon())


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Return Lin's concordance along `axis`: 2 cov / (var + var + (difference of the means)²), 1 only for equal values.

    Source: L. Lin, "A concordance correlation coefficient to evaluate reproducibility", 1989.

    Raises:
        ValueError: if the shapes differ.

    >>> metrics.concordance_correlation([[0.0, 1.0, 2.0]], [[0.0, 1.0, 2.0]])
    [1.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "concordance_correlation")
    means = ops.mean(y_true, axis=axis, keepdims=True), ops.mean(y_pred, axis=axis, keepdims=True)
    a, b = y_true - means[0], y_pred - means[1]
    spread = ops.mean(ops.square(a), axis=axis) + ops.mean(ops.square(b), axis=axis)
    distance = ops.squeeze(ops.square(means[0] - means[1]), axis=axis)
    return 2.0 * ops.mean(a * b, axis=axis) / (spread + distance + config.epsilon())


class PearsonCorrelation(MeanMetricWrapper):
    """The mean of `pearson_correlation` over samples.

    Args:
        name, dtype: see `Metric`.
        axis: axis along which values are compared.

    >>> metric = metrics.PearsonCorrelation()
    >>> metric.update_state([[0.0, 1.0, 2.0]], [[0.0, 10.0, 20.0]])
    >>> float(metric.result())
    1.0
    """

    def __init__(self, name: str | None = "pearson_correlation", dtype: Any = None, axis: int = -1):
        super().__init__(pearson_correlation, name, dtype, axis=axis)


class ConcordanceCorrelation(MeanMetricWrapper):
    """The mean of `concordance_correlation` over samples.

    Args:
        name, dtype: see `Metric`.
        axis: axis along which values are compared.

    >>> metric = metrics.ConcordanceCorrelation()
    >>> metric.update_state([[0.0, 1.0, 2.0]], [[0.0, 1.0, 2.0]])
    >>> float(metric.result())
    1.0
    """

    def __init__(self, name: str | None = "concordance_correlation", dtype: Any = None, axis: int = -1):
        super().__init__(concordance_correlation, name, dtype, axis=axis)
