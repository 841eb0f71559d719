"""Means and sums over batches, and metrics that are the mean of a function."""

from collections.abc import Callable
from typing import Any

from tahr import dtypes, ops, shapes
from tahr.losses.loss import by_sample, multiply_weights, weigh
from tahr.masks import get_mask
from tahr.metrics.metric import Metric
from tahr.ops.core import as_type

__all__ = ["Mean", "MeanMetricWrapper", "Sum", "masked_weights"]


def masked_weights(y_pred: Any, sample_weight: Any, dtype: str) -> Any:
    """Return the sample weights, zero where the mask that predictions carry says that they do not count."""
    mask = get_mask(y_pred)
    if mask is None:
        return sample_weight
    mask = ops.cast(ops.convert_to_tensor(mask), dtype)
    if sample_weight is None:
        return mask
    return multiply_weights(ops.cast(ops.convert_to_tensor(sample_weight), dtype), mask)


def _per_sample(values: Any, weights: Any, reduce: Callable[..., Any], dtype: str) -> tuple[Any, Any]:
    """Return weighted values and weights reduced to one a sample; weights are None if none were given."""
    values = as_type(ops.convert_to_tensor(values), dtype)
    if weights is not None:
        weights = as_type(ops.convert_to_tensor(weights), dtype)
        rank = len(shapes.of(weights))
        if 0 < rank < len(shapes.of(values)):  # first what one weight stands for
            values = reduce(values, axis=tuple(range(rank, len(shapes.of(values)))))
        values, weights = weigh(values, weights)
        weights = weights * ops.ones_like(values)
        values = values * weights
        if len(shapes.of(weights)) > 1:
            weights = reduce(weights, axis=tuple(range(1, len(shapes.of(weights)))))
    if len(shapes.of(values)) > 1:
        values = reduce(values, axis=tuple(range(1, len(shapes.of(values)))))
    return values, weights


class Mean(Metric):
    """The mean of all values, weighted by sample; a sample's values of more than one axis are averaged first.

    Args:
        name, dtype: see `Metric`.

    >>> metric = metrics.Mean()
    >>> metric.update_state([1.0, 3.0])
    >>> metric.update_state([8.0], sample_weight=[2.0])
    >>> float(metric.result())
    5.0
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        if isinstance(sample_weight, (int, float)) and not shapes.of(values):  # a batch's loss: nothing to spread
            self.total.assign_add(as_type(ops.convert_to_tensor(values), self.total.dtype) * sample_weight)
            self.count.assign_add(sample_weight)
            return
        values, weights = _per_sample(values, sample_weight, ops.mean, self.total.dtype)
        self.total.assign_add(ops.sum(values))
        if weights is not None:
            self.count.assign_add(ops.sum(weights))
        elif shapes.of(values):
            rows = ops.shape(values)[0]  # a number, or an integer of the graph that leaves it open
            self.count.assign_add(rows if isinstance(rows, int) else ops.cast(rows, self.count.dtype))
        else:
            self.count.assign_add(1)

    def result(self) -> Any:
        return ops.cast(ops.divide_no_nan(self.total, self.count), self.dtype)


class Sum(Metric):
    """The sum of all values, weighted by sample.

    Args:
        name, dtype: see `Metric`.

    >>> metric = metrics.Sum()
    >>> metric.update_state([1.0, 3.0])
    >>> float(metric.result())
    4.0
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values, _ = _per_sample(values, sample_weight, ops.sum, self.total.dtype)
        self.total.assign_add(ops.sum(values))

    def result(self) -> Any:
        return ops.cast(self.total, self.dtype)


class MeanMetricWrapper(Mean):
    """The mean of a function of `(y_true, y_pred)` that gives one value a sample.

    Args:
        fn: the function, called with `(y_true, y_pred, **kwargs)`.
        name, dtype: see `Metric`.
        kwargs: further arguments of `fn`.

    >>> metric = metrics.MeanMetricWrapper(losses.mean_squared_error, name="mse")
    >>> metric.update_state([[0.0], [1.0]], [[1.0], [1.0]])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any):
        super().__init__(name=name or getattr(fn, "__name__", None), dtype=dtype)
        self.fn, self._arguments = fn, kwargs
        self.__dict__.update(kwargs)  # read by `get_config` under the constructor's names

    def _config_defaults(self) -> dict[str, Any]:
        return {**self._arguments, **super()._config_defaults()}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        weights = masked_weights(y_pred, sample_weight, self.dtype)
        y_true, y_pred = by_sample(self._target(y_true), as_type(ops.convert_to_tensor(y_pred), self.dtype))
        values = self.fn(y_true, y_pred, **self._arguments)
        super().update_state(values, sample_weight=weights)

    def _target(self, y_true: Any) -> Any:
        y_true = ops.convert_to_tensor(y_true)
        return y_true if dtypes.is_int(dtypes.of(y_true)) else as_type(y_true, self.dtype)
