"""F-scores and the coefficient of determination: figures that keep sums for each output."""

import math
from typing import Any

from tahr import ops, shapes
from tahr.losses.loss import same_shape
from tahr.metrics.metric import Metric
from tahr.metrics.reduction import masked_weights
from tahr.variables import Variable

__all__ = ["F1Score", "FBetaScore", "R2Score"]


class FBetaScore(Metric):
    """The harmonic mean of precision and recall, in which recall counts `beta` times as much, by class or averaged.

    Args:
        average: None (one score a class), `"micro"` (all counts together), `"macro"` (mean of the scores) or
            `"weighted"` (mean weighted by how often a class occurs).
        beta: weight of recall, > 0.
        threshold: predictions above it are positive; None means only the largest of a sample is.
        name, dtype: see `Metric`.

    Raises:
        ValueError: for other values, and for batches that are not of shape (batch, classes).

    >>> metric = metrics.FBetaScore(beta=2.0, threshold=0.5)
    >>> metric.update_state([[1, 1, 1], [1, 0, 0], [1, 1, 0]], [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]])
    >>> metric.result()
    [0.3846154, 0.9090909, 0.8333333]
    """

    true_positives: Variable
    false_positives: Variable
    false_negatives: Variable
    intermediate_weights: Variable

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                f"FBetaScore: expected average to be one of (None, 'micro', 'macro', 'weighted'); received {average!r}."
            )
        if not isinstance(beta, float) or beta <= 0:
            raise ValueError(f"FBetaScore: expected beta to be a float > 0; received {beta!r}.")
        if threshold is not None and (not isinstance(threshold, float) or not 0 < threshold <= 1):
            raise ValueError(f"FBetaScore: expected threshold to be None or a float in (0, 1]; received {threshold!r}.")
        self.average, self.beta, self.threshold = average, beta, threshold
        self.built = False

    def _build(self, shape: shapes.Shape) -> None:
        if len(shape) != 2 or shape[1] is None:
            raise ValueError(
                f"{type(self).__name__}: expected predictions of shape (batch, classes); received shape {shape}."
            )
        for name in ("true_positives", "false_positives", "false_negatives", "intermediate_weights"):
            size = () if self.average == "micro" else (shape[1],)
            setattr(self, name, self.add_variable(size, "zeros", name=name))
        self.built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: targets 0 and 1 and predictions, both of shape (batch, classes), and a weight a sample."""
        weights = masked_weights(y_pred, sample_weight, self.dtype)
        y_true, y_pred = (
            ops.cast(ops.convert_to_tensor(y_true), self.dtype),
            ops.cast(ops.convert_to_tensor(y_pred), self.dtype),
        )
        same_shape(y_true, y_pred, type(self).__name__)
        if not self.built:
            self._build(shapes.of(y_pred))
        if self.threshold is None:  # the largest of each sample, unless all are zero
            best = ops.max(y_pred, axis=-1, keepdims=True)
            positive = ops.logical_and(y_pred >= best, ops.absolute(y_pred) > 1e-9)
        else:
            positive = y_pred > self.threshold
        predicted = ops.cast(positive, self.dtype)
        scale: Any = 1.0
        if weights is not None:
            scale = ops.expand_dims(ops.reshape(ops.cast(ops.convert_to_tensor(weights), self.dtype), (-1,)), 1)
        axis = None if self.average == "micro" else 0
        self.true_positives.assign_add(ops.sum(predicted * y_true * scale, axis=axis))
        self.false_positives.assign_add(ops.sum(predicted * (1.0 - y_true) * scale, axis=axis))
        self.false_negatives.assign_add(ops.sum((1.0 - predicted) * y_true * scale, axis=axis))
        self.intermediate_weights.assign_add(ops.sum(y_true * scale, axis=axis))

    def result(self) -> Any:
        if not self.built:
            return ops.zeros((), dtype=self.dtype)
        right = (1.0 + self.beta**2) * self.true_positives
        score = ops.divide_no_nan(right, right + self.beta**2 * self.false_negatives + self.false_positives)
        if self.average == "weighted":
            share = ops.divide_no_nan(self.intermediate_weights, ops.sum(self.intermediate_weights))
            score = ops.sum(score * share)
        return ops.cast(ops.mean(score) if self.average == "macro" else score, self.dtype)


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall, for each class or averaged.

    Args:
        average, threshold: see `FBetaScore`.
        name, dtype: see `Metric`.

    >>> metric = metrics.F1Score(threshold=0.5)
    >>> metric.update_state([[1, 1, 1], [1, 0, 0], [1, 1, 0]], [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]])
    >>> metric.result()
    [0.5, 0.8, 0.6666667]
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ):
        super().__init__(average=average, beta=1.0, threshold=threshold, name=name, dtype=dtype)


class R2Score(Metric):
    """The coefficient of determination: 1 minus the squared errors over the squared deviations of the targets.

    Args:
        class_aggregation: None (one score an output), `"uniform_average"` or `"variance_weighted_average"`.
        num_regressors: number of inputs, to adjust the score for them; 0 does not.
        name, dtype: see `Metric`.

    >>> metric = metrics.R2Score()
    >>> metric.update_state([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]])
    >>> float(metric.result())
    0.5714286
    """

    squared_sum: Variable
    sum: Variable
    total_mse: Variable
    count: Variable

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        known = (None, "uniform_average", "variance_weighted_average")
        if class_aggregation not in known:
            raise ValueError(
                f"R2Score: expected class_aggregation to be one of {known}; received {class_aggregation!r}."
            )
        if num_regressors < 0:
            raise ValueError(f"R2Score: expected num_regressors >= 0; received {num_regressors!r}.")
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors
        self.num_samples = self.add_variable((), "zeros", name="num_samples")
        self.built = False

    def _build(self, shape: shapes.Shape) -> None:
        if len(shape) != 2 or shape[1] is None:
            raise ValueError(f"R2Score: expected predictions of shape (batch, outputs); received shape {shape}.")
        for attribute, name in (
            ("squared_sum", "squared_sum"),
            ("sum", "sum"),
            ("total_mse", "residual"),
            ("count", "count"),
        ):
            setattr(self, attribute, self.add_variable((shape[1],), "zeros", name=name))
        self.built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch: targets and predictions of shape (batch, outputs), and a weight a sample."""
        weights = masked_weights(y_pred, sample_weight, self.dtype)
        y_true, y_pred = (
            ops.cast(ops.convert_to_tensor(y_true), self.dtype),
            ops.cast(ops.convert_to_tensor(y_pred), self.dtype),
        )
        same_shape(y_true, y_pred, "R2Score")
        if not self.built:
            self._build(shapes.of(y_pred))
        scale = ops.ones((1, 1), dtype=self.dtype)
        if weights is not None:
            scale = ops.cast(ops.convert_to_tensor(weights), self.dtype)
            scale = ops.expand_dims(scale, 1) if len(shapes.of(scale)) == 1 else scale
        scale = scale * ops.ones_like(y_true)
        self.sum.assign_add(ops.sum(y_true * scale, axis=0))
        self.squared_sum.assign_add(ops.sum(y_true * y_true * scale, axis=0))
        self.total_mse.assign_add(ops.sum(ops.square(y_true - y_pred) * scale, axis=0))
        self.count.assign_add(ops.sum(scale, axis=0))
        self.num_samples.assign_add(ops.cast(ops.size(y_true), self.dtype))

    def result(self) -> Any:
        if not self.built:
            return ops.zeros((), dtype=self.dtype)
        mean = ops.divide_no_nan(self.sum, self.count)
        spread = self.squared_sum - self.sum * mean
        raw = 1.0 - ops.divide_no_nan(self.total_mse, spread)
        raw = ops.where(spread == 0, ops.where(self.total_mse == 0, 1.0, 0.0), raw)  # constant targets
        if self.class_aggregation == "uniform_average":
            score = ops.mean(raw)
        elif self.class_aggregation == "variance_weighted_average":
            score = ops.divide_no_nan(ops.sum(spread * raw), ops.sum(spread))
        else:
            score = raw
        if self.num_regressors:
            freedom = self.num_samples - self.num_regressors - 1.0
            adjusted = 1.0 - ops.divide_no_nan((1.0 - score) * (self.num_samples - 1.0), freedom)
            score = ops.where(freedom > 0, adjusted, score)
        return ops.where(self.num_samples > 0, score, math.nan)
