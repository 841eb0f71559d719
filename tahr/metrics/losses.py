"""The means of losses as metrics."""

from typing import Any

from tahr import losses, ops
from tahr.losses.loss import multiply_weights
from tahr.metrics.reduction import MeanMetricWrapper

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "RootMeanSquaredError",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
]


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Return the cosine of the angle between vectors: 1 where they point the same way.

    >>> from tahr.metrics.losses import cosine_similarity
    >>> cosine_similarity([[0.0, 1.0]], [[0.0, 2.0]])
    [1.0]
    """
    return -losses.cosine_similarity(y_true, y_pred, axis=axis)


class MeanSquaredError(MeanMetricWrapper):
    """The mean of `losses.mean_squared_error`.

    >>> metric = metrics.MeanSquaredError()
    >>> metric.update_state([[0.0, 2.0]], [[1.0, 2.0]])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, name: str | None = "mean_squared_error", dtype: Any = None):
        super().__init__(losses.mean_squared_error, name, dtype)


class RootMeanSquaredError(MeanMetricWrapper):
    """The square root of the mean squared difference.

    >>> metric = metrics.RootMeanSquaredError()
    >>> metric.update_state([[0.0, 0.0]], [[1.0, 1.0]])
    >>> float(metric.result())
    1.0
    """

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None):
        super().__init__(losses.mean_squared_error, name, dtype)

    def result(self) -> Any:
        return ops.sqrt(super().result())


class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of `losses.mean_absolute_error`.

    >>> metric = metrics.MeanAbsoluteError()
    >>> metric.update_state([[0.0, 2.0]], [[1.0, 2.0]])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, name: str | None = "mean_absolute_error", dtype: Any = None):
        super().__init__(losses.mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(MeanMetricWrapper):
    """The mean of `losses.mean_absolute_percentage_error`.

    >>> metric = metrics.MeanAbsolutePercentageError()
    >>> metric.update_state([[2.0, 4.0]], [[1.0, 4.0]])
    >>> float(metric.result())
    25.0
    """

    def __init__(self, name: str | None = "mean_absolute_percentage_error", dtype: Any = None):
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """The mean of `losses.mean_squared_logarithmic_error`.

    >>> metric = metrics.MeanSquaredLogarithmicError()
    >>> metric.update_state([[0.0]], [[1.7182818]])
    >>> float(metric.result())
    1.0
    """

    def __init__(self, name: str | None = "mean_squared_logarithmic_error", dtype: Any = None):
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


class LogCoshError(MeanMetricWrapper):
    """The mean of `losses.log_cosh`.

    >>> metric = metrics.LogCoshError()
    >>> metric.update_state([[0.0, 0.0]], [[1.0, 0.0]])
    >>> float(metric.result())
    0.216890
    """

    def __init__(self, name: str | None = "logcosh", dtype: Any = None):
        super().__init__(losses.log_cosh, name, dtype)


class CosineSimilarity(MeanMetricWrapper):
    """The mean cosine of the angle between targets and predictions: 1 where they point the same way.

    Args:
        name, dtype: see `Metric`.
        axis: axis of the vectors.

    >>> metric = metrics.CosineSimilarity()
    >>> metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[0.0, 2.0], [0.0, 1.0]])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, name: str | None = "cosine_similarity", dtype: Any = None, axis: int = -1):
        super().__init__(cosine_similarity, name, dtype, axis=axis)


class KLDivergence(MeanMetricWrapper):
    """The mean of `losses.kl_divergence`.

    >>> metric = metrics.KLDivergence()
    >>> metric.update_state([[0.5, 0.5]], [[0.25, 0.75]])
    >>> float(metric.result())
    0.1438410
    """

    def __init__(self, name: str | None = "kl_divergence", dtype: Any = None):
        super().__init__(losses.kl_divergence, name, dtype)


class Poisson(MeanMetricWrapper):
    """The mean of `losses.poisson`.

    >>> metric = metrics.Poisson()
    >>> metric.update_state([[1.0, 2.0]], [[1.0, 1.0]])
    >>> float(metric.result())
    1.0
    """

    def __init__(self, name: str | None = "poisson", dtype: Any = None):
        super().__init__(losses.poisson, name, dtype)


class Hinge(MeanMetricWrapper):
    """The mean of `losses.hinge`.

    >>> metric = metrics.Hinge()
    >>> metric.update_state([[1.0, -1.0]], [[0.5, 0.5]])
    >>> float(metric.result())
    1.0
    """

    def __init__(self, name: str | None = "hinge", dtype: Any = None):
        super().__init__(losses.hinge, name, dtype)


class SquaredHinge(MeanMetricWrapper):
    """The mean of `losses.squared_hinge`.

    >>> metric = metrics.SquaredHinge()
    >>> metric.update_state([[1.0, -1.0]], [[0.5, 0.5]])
    >>> float(metric.result())
    1.25
    """

    def __init__(self, name: str | None = "squared_hinge", dtype: Any = None):
        super().__init__(losses.squared_hinge, name, dtype)


class CategoricalHinge(MeanMetricWrapper):
    """The mean of `losses.categorical_hinge`.

    >>> metric = metrics.CategoricalHinge()
    >>> metric.update_state([[0.0, 1.0]], [[0.5, 0.75]])
    >>> float(metric.result())
    0.75
    """

    def __init__(self, name: str | None = "categorical_hinge", dtype: Any = None):
        super().__init__(losses.categorical_hinge, name, dtype)


class BinaryCrossentropy(MeanMetricWrapper):
    """The mean of `losses.binary_crossentropy`.

    Args:
        name, dtype: see `Metric`.
        from_logits, label_smoothing: see `losses.binary_crossentropy`.

    >>> metric = metrics.BinaryCrossentropy()
    >>> metric.update_state([[1.0, 0.0]], [[0.5, 0.5]])
    >>> float(metric.result())
    0.6931472
    """

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ):
        super().__init__(
            losses.binary_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing
        )


class CategoricalCrossentropy(MeanMetricWrapper):
    """The mean of `losses.categorical_crossentropy`.

    Args:
        name, dtype: see `Metric`.
        from_logits, label_smoothing, axis: see `losses.categorical_crossentropy`.

    >>> metric = metrics.CategoricalCrossentropy()
    >>> metric.update_state([[0.0, 1.0]], [[0.5, 0.5]])
    >>> float(metric.result())
    0.6931472
    """

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ):
        super().__init__(
            losses.categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The mean of `losses.sparse_categorical_crossentropy`.

    As in Keras, targets of `ignore_class` count as 0 in the mean, or are left out of it if there are sample weights.

    Args:
        name, dtype: see `Metric`.
        from_logits, ignore_class, axis: see `losses.sparse_categorical_crossentropy`.

    >>> metric = metrics.SparseCategoricalCrossentropy()
    >>> metric.update_state([1], [[0.5, 0.5]])
    >>> float(metric.result())
    0.6931472
    """

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ):
        super().__init__(
            losses.sparse_categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
        self.ignore_class = ignore_class

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if self.ignore_class is not None and sample_weight is not None:
            counts = ops.cast(ops.not_equal(ops.convert_to_tensor(y_true), self.ignore_class), self.dtype)
            sample_weight = multiply_weights(ops.cast(ops.convert_to_tensor(sample_weight), self.dtype), counts)
        super().update_state(y_true, y_pred, sample_weight)
