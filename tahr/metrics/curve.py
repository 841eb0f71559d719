"""Figures of curves over many thresholds: areas, and one rate where another is good enough."""

from typing import Any

import numpy as np

from tahr import config, ops, shapes
from tahr.metrics.confusion import confusion_counts, thresholds_list
from tahr.metrics.metric import Metric
from tahr.metrics.reduction import masked_weights
from tahr.variables import Variable

__all__ = ["AUC", "PrecisionAtRecall", "RecallAtPrecision", "SensitivityAtSpecificity", "SpecificityAtSensitivity"]

_COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


class AUC(Metric):
    """The area under the ROC curve (true over false positive rate) or the precision-recall curve.

    The curve is known at `num_thresholds` points; the sum over them is exact for predictions that lie further apart.

    Source: for the precision-recall curve between points, Davis & Goadrich, "The Relationship Between Precision-Recall
    and ROC Curves", 2006.

    Args:
        num_thresholds: how many thresholds, evenly spaced over 0 to 1.
        curve: `"ROC"` or `"PR"`, in capitals or not, as `summation_method`.
        summation_method: `"interpolation"`, `"minoring"` (below the curve) or `"majoring"` (above it).
        name, dtype: see `Metric`.
        thresholds: thresholds of one's own, between 0 and 1; both ends are added.
        multi_label: whether the last axis holds labels, whose areas are averaged.
        num_labels: how many labels; None means as many as the first batch has.
        label_weights: weights of the labels in the average, or None.
        from_logits: whether predictions went through no sigmoid.

    >>> metric = metrics.AUC(num_thresholds=3)
    >>> metric.update_state([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    >>> float(metric.result())
    0.75
    """

    true_positives: Variable
    false_positives: Variable
    true_negatives: Variable
    false_negatives: Variable

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ):
        super().__init__(name=name, dtype=dtype)
        curve, summation_method = str(curve).upper(), str(summation_method).lower()
        for what, value, known in (
            ("curve", curve, ("ROC", "PR")),
            ("summation_method", summation_method, ("interpolation", "minoring", "majoring")),
        ):
            if value not in known:
                raise ValueError(f"AUC: expected {what} to be one of {known}; received {value!r}.")
        if thresholds is None and num_thresholds <= 1:
            raise ValueError(f"AUC: expected num_thresholds > 1; received {num_thresholds!r}.")
        if num_labels is not None and not multi_label:
            raise ValueError("AUC: num_labels is only for multi_label=True.")
        inner = _inner_thresholds(num_thresholds) if thresholds is None else sorted(thresholds_list(thresholds))
        self._thresholds = [-config.epsilon(), *inner, 1.0 + config.epsilon()]
        self.num_thresholds, self.curve, self.summation_method = len(self._thresholds), curve, summation_method
        self.multi_label, self.num_labels, self.from_logits = multi_label, num_labels, from_logits
        self.label_weights = None if label_weights is None else np.ravel(label_weights).tolist()
        self._own_thresholds = None if thresholds is None else inner
        self.built = False
        if not multi_label:
            self._build(())
        elif num_labels is not None:
            self._build((num_labels,))

    @property
    def thresholds(self) -> list[float]:
        """All thresholds, from just below 0 to just above 1."""
        return self._thresholds

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as data, with thresholds only if they were given."""
        written = {**super().get_config(), "thresholds": self._own_thresholds}
        return written if self._own_thresholds else {k: v for k, v in written.items() if k != "thresholds"}

    def _build(self, labels: tuple[int, ...]) -> None:
        if self.label_weights is not None and labels != (len(self.label_weights),):
            raise ValueError(
                f"AUC: expected label_weights to hold a weight for each of the labels, shape {labels}; received "
                f"{len(self.label_weights)} weights."
            )
        for name in _COUNTS:
            setattr(self, name, self.add_variable((self.num_thresholds, *labels), "zeros", config.floatx(), name=name))
        self.built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: targets 0 and 1, predictions of the same shape, and a weight a sample or prediction."""
        weights = masked_weights(y_pred, sample_weight, config.floatx())
        y_true, y_pred = (
            ops.cast(ops.convert_to_tensor(y_true), config.floatx()),
            ops.cast(ops.convert_to_tensor(y_pred), config.floatx()),
        )
        if not self.built:
            self._build((shapes.of(y_pred)[-1] or 1,))
        if self.from_logits:
            y_pred = ops.sigmoid(y_pred)
        counts = confusion_counts(y_true, y_pred, self._thresholds, weights, per_label=self.multi_label)
        for name in _COUNTS:
            getattr(self, name).assign_add(counts[name])

    def interpolate_pr_auc(self) -> Any:
        """Return the area under the precision-recall curve, for each label if there are labels.

        Between two points, true and false positives grow in proportion, which bends the curve.
        """
        found, predicted = self.true_positives, self.true_positives + self.false_positives
        d_found = found[:-1] - found[1:]
        d_predicted = ops.maximum(predicted[:-1] - predicted[1:], 0)
        slope = ops.divide_no_nan(d_found, d_predicted)
        offset = found[1:] - slope * predicted[1:]
        both = ops.logical_and(predicted[:-1] > 0, predicted[1:] > 0)
        ratio = ops.where(both, ops.divide_no_nan(predicted[:-1], ops.maximum(predicted[1:], 0)), 1.0)
        positives = ops.maximum(found[1:] + self.false_negatives[1:], 0)
        return ops.sum(ops.divide_no_nan(slope * (d_found + offset * ops.log(ratio)), positives), axis=0)

    def result(self) -> Any:
        if not self.built:
            return ops.zeros((), dtype=config.floatx())
        areas = self.interpolate_pr_auc() if self._bends() else self._sum_of_strips()
        if not self.multi_label:
            return areas
        if self.label_weights is None:
            return ops.mean(areas)
        weights = ops.convert_to_tensor(self.label_weights, dtype=config.floatx())
        return ops.divide_no_nan(ops.sum(areas * weights), ops.sum(weights))

    def _bends(self) -> bool:
        return self.curve == "PR" and self.summation_method == "interpolation"

    def _sum_of_strips(self) -> Any:
        recall = ops.divide_no_nan(self.true_positives, self.true_positives + self.false_negatives)
        if self.curve == "ROC":
            x, y = ops.divide_no_nan(self.false_positives, self.false_positives + self.true_negatives), recall
        else:
            x, y = recall, ops.divide_no_nan(self.true_positives, self.true_positives + self.false_positives)
        heights = {
            "interpolation": lambda: (y[:-1] + y[1:]) / 2.0,
            "minoring": lambda: ops.minimum(y[:-1], y[1:]),
            "majoring": lambda: ops.maximum(y[:-1], y[1:]),
        }[self.summation_method]()
        return ops.sum((x[:-1] - x[1:]) * heights, axis=0)


def _inner_thresholds(num_thresholds: int) -> list[float]:
    return [(i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)]


class _RateWhere(Metric):
    """The best of one rate over the thresholds at which another reaches a value."""

    true_positives: Variable
    false_positives: Variable
    true_negatives: Variable
    false_negatives: Variable

    def __init__(
        self, value: float, what: str, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any
    ):
        super().__init__(name=name, dtype=dtype)
        if not 0 <= value <= 1:
            raise ValueError(f"{type(self).__name__}: expected {what} between 0 and 1; received {value!r}.")
        if num_thresholds <= 0:
            raise ValueError(f"{type(self).__name__}: expected num_thresholds > 0; received {num_thresholds!r}.")
        self._value, self.num_thresholds, self.class_id = value, num_thresholds, class_id
        setattr(self, what, value)
        self._thresholds = [0.5] if num_thresholds == 1 else [0.0, *_inner_thresholds(num_thresholds), 1.0]
        for count in _COUNTS:
            setattr(self, count, self.add_variable((len(self._thresholds),), "zeros", config.floatx(), name=count))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: targets 0 and 1, predictions of the same shape, and a weight a sample or prediction."""
        weights = masked_weights(y_pred, sample_weight, config.floatx())
        y_true, y_pred = (
            ops.cast(ops.convert_to_tensor(y_true), config.floatx()),
            ops.cast(ops.convert_to_tensor(y_pred), config.floatx()),
        )
        if self.class_id is not None:
            y_true, y_pred = y_true[..., self.class_id], y_pred[..., self.class_id]
        counts = confusion_counts(y_true, y_pred, self._thresholds, weights)
        for count in _COUNTS:
            getattr(self, count).assign_add(counts[count])

    @property
    def _sensitivities(self) -> Any:
        return ops.divide_no_nan(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def _specificities(self) -> Any:
        return ops.divide_no_nan(self.true_negatives, self.true_negatives + self.false_positives)

    @property
    def _precisions(self) -> Any:
        return ops.divide_no_nan(self.true_positives, self.true_positives + self.false_positives)

    def _best(self, rate: Any, condition: Any) -> Any:
        return ops.max(ops.where(condition >= self._value, rate, 0.0))


class SensitivityAtSpecificity(_RateWhere):
    """The highest sensitivity (share of positives found) where specificity (share of negatives kept) is high enough.

    Args:
        specificity: how high, between 0 and 1.
        num_thresholds: how many thresholds are tried.
        class_id: position along the last axis that counts; None means all.
        name, dtype: see `Metric`.

    >>> metric = metrics.SensitivityAtSpecificity(0.5)
    >>> metric.update_state([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
    >>> float(metric.result())
    0.5
    """

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(specificity, "specificity", num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._sensitivities, self._specificities)


class SpecificityAtSensitivity(_RateWhere):
    """The highest specificity (share of negatives kept) where sensitivity (share of positives found) is high enough.

    Args:
        sensitivity: how high, between 0 and 1.
        num_thresholds: how many thresholds are tried.
        class_id: position along the last axis that counts; None means all.
        name, dtype: see `Metric`.

    >>> metric = metrics.SpecificityAtSensitivity(0.5)
    >>> metric.update_state([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
    >>> float(metric.result())
    0.6666667
    """

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(sensitivity, "sensitivity", num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._specificities, self._sensitivities)


class PrecisionAtRecall(_RateWhere):
    """The highest precision (share of positive predictions that are right) where recall is high enough.

    Args:
        recall: how high, between 0 and 1.
        num_thresholds: how many thresholds are tried.
        class_id: position along the last axis that counts; None means all.
        name, dtype: see `Metric`.

    >>> metric = metrics.PrecisionAtRecall(0.5)
    >>> metric.update_state([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
    >>> float(metric.result())
    0.5
    """

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(recall, "recall", num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._precisions, self._sensitivities)


class RecallAtPrecision(_RateWhere):
    """The highest recall (share of positives found) where precision is high enough.

    Args:
        precision: how high, between 0 and 1.
        num_thresholds: how many thresholds are tried.
        class_id: position along the last axis that counts; None means all.
        name, dtype: see `Metric`.

    >>> metric = metrics.RecallAtPrecision(0.8)
    >>> metric.update_state([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    >>> float(metric.result())
    0.5
    """

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(precision, "precision", num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._sensitivities, self._precisions)
