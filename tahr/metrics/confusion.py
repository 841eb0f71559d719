"""True and false positives and negatives, and what is counted from them at given thresholds."""

from typing import Any

import numpy as np

from tahr import config, dtypes, ops, shapes
from tahr.losses.loss import pair, weigh
from tahr.metrics.metric import Metric
from tahr.metrics.reduction import masked_weights

__all__ = [
    "FalseNegatives",
    "FalsePositives",
    "Precision",
    "Recall",
    "TrueNegatives",
    "TruePositives",
    "confusion_counts",
    "keep_top_k",
    "thresholds_list",
]


def thresholds_list(thresholds: Any, default: float = 0.5) -> list[float]:
    """Return thresholds given as None, a number or numbers, as a list.

    Raises:
        ValueError: if one is not between 0 and 1.
    """
    found = [default] if thresholds is None else list(np.atleast_1d(thresholds).astype(float).tolist())
    wrong = [t for t in found if not 0 <= t <= 1] if thresholds is not None else []
    if wrong:
        raise ValueError(f"thresholds: expected numbers between 0 and 1; received {wrong}.")
    return found


def confusion_counts(
    y_true: Any, y_pred: Any, thresholds: list[float], sample_weight: Any = None, per_label: bool = False
) -> dict[str, Any]:
    """Return the weighted counts of true and false positives and negatives at each threshold.

    A prediction is positive where it is above the threshold, a target where it is above 0. Predictions are counted into
    the gaps between thresholds, so the cost hardly depends on how many thresholds there are.

    Args:
        y_true: targets 0 and 1.
        y_pred: predictions, of the same shape.
        thresholds: any number of them, in any order.
        sample_weight: a weight for each prediction or sample, or None.
        per_label: whether to count for each position along the last axis by itself.

    Returns:
        arrays of shape (thresholds,), or (thresholds, labels) if `per_label`, by the names `true_positives`,
        `false_positives`, `true_negatives` and `false_negatives`.
    """
    y_true, y_pred = pair(y_true, y_pred, "confusion_counts")
    dtype = dtypes.of(y_pred)
    weights = ops.ones_like(y_pred)
    if sample_weight is not None:
        wanted, given = weigh(y_pred, ops.cast(ops.convert_to_tensor(sample_weight), dtype))
        weights = ops.reshape(given * ops.ones_like(wanted), ops.shape(y_pred))
    labels = (shapes.of(y_pred)[-1] or 1) if per_label and shapes.of(y_pred) else 1
    order = np.argsort(np.asarray(thresholds, "float64"), kind="stable")
    edges = ops.convert_to_tensor(np.asarray(thresholds, "float64")[order], dtype=dtype)
    gaps = len(thresholds) + 1
    place = ops.searchsorted(edges, ops.reshape(y_pred, (-1,)), side="left")  # how many thresholds are below
    if labels > 1:
        place = ops.cast(place, "int32") + gaps * ops.tile(ops.arange(labels), ops.size(y_pred) // labels)
    positive = ops.reshape(ops.cast(y_true > 0, dtype) * weights, (-1,))
    negative = ops.reshape(weights, (-1,)) - positive
    back = ops.convert_to_tensor(np.argsort(order), dtype="int32")
    counts = {}
    for name, part in (("positives", positive), ("negatives", negative)):
        inside = ops.reshape(ops.segment_sum(part, place, num_segments=gaps * labels), (labels, gaps))
        total = ops.sum(inside, axis=1, keepdims=True)
        below = ops.cumsum(inside, axis=1)[:, :-1]  # at or below each threshold
        below = ops.transpose(ops.take(below, back, axis=1))
        above = ops.transpose(total) - below
        counts[name] = (above, below) if per_label else (above[:, 0], below[:, 0])
    return {
        "true_positives": counts["positives"][0],
        "false_negatives": counts["positives"][1],
        "false_positives": counts["negatives"][0],
        "true_negatives": counts["negatives"][1],
    }


def keep_top_k(y_pred: Any, k: int, low: float) -> Any:
    """Return predictions with all but the `k` largest along the last axis set to `low`."""
    best = ops.top_k(y_pred, k, sorted=False)[1]
    kept = ops.max(ops.one_hot(best, shapes.of(y_pred)[-1], dtype=dtypes.of(y_pred)), axis=-2)
    return ops.where(kept > 0, y_pred, low)


class _Counter(Metric):
    """Keeps counts of the confusion matrix in variables called like them."""

    counted: tuple[str, ...] = ()

    def __init__(
        self, thresholds: Any, name: str | None, dtype: Any, top_k: int | None = None, class_id: int | None = None
    ):
        super().__init__(name=name, dtype=dtype)
        self.thresholds, self.top_k, self.class_id = thresholds, top_k, class_id
        self._thresholds = [-1e9] if thresholds is None and top_k is not None else thresholds_list(thresholds)
        for variable in self.counted:
            setattr(
                self,
                variable,
                self.add_variable((len(self._thresholds),), "zeros", config.floatx(), name=self._label(variable)),
            )

    def _label(self, variable: str) -> str:
        return variable

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: targets 0 and 1, predictions of the same shape, and a weight a sample or prediction."""
        weights = masked_weights(y_pred, sample_weight, config.floatx())
        y_true, y_pred = (
            ops.cast(ops.convert_to_tensor(y_true), config.floatx()),
            ops.cast(ops.convert_to_tensor(y_pred), config.floatx()),
        )
        if self.top_k is not None:
            y_pred = keep_top_k(y_pred, self.top_k, -2e9)
        if self.class_id is not None:
            y_true, y_pred = y_true[..., self.class_id], y_pred[..., self.class_id]
        counts = confusion_counts(y_true, y_pred, self._thresholds, weights)
        for variable in self.counted:
            getattr(self, variable).assign_add(counts[variable])

    def _shown(self, values: Any) -> Any:
        return values[0] if len(self._thresholds) == 1 else ops.convert_to_tensor(values)


class _Count(_Counter):
    """One of the four counts."""

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None):
        super().__init__(thresholds, name, dtype)

    def _label(self, variable: str) -> str:
        return "accumulator"

    def result(self) -> Any:
        return self._shown(getattr(self, self.counted[0]))


class TruePositives(_Count):
    """The number of predictions above the threshold whose target is 1.

    Args:
        thresholds: a number or numbers between 0 and 1; None means 0.5.
        name, dtype: see `Metric`.

    >>> metric = metrics.TruePositives()
    >>> metric.update_state([0, 1, 1, 1], [1, 0, 1, 1])
    >>> float(metric.result())
    2.0
    """

    counted = ("true_positives",)


class TrueNegatives(_Count):
    """The number of predictions not above the threshold whose target is 0.

    Args:
        thresholds: a number or numbers between 0 and 1; None means 0.5.
        name, dtype: see `Metric`.

    >>> metric = metrics.TrueNegatives()
    >>> metric.update_state([0, 1, 0, 0], [1, 1, 0, 0])
    >>> float(metric.result())
    2.0
    """

    counted = ("true_negatives",)


class FalsePositives(_Count):
    """The number of predictions above the threshold whose target is 0.

    Args:
        thresholds: a number or numbers between 0 and 1; None means 0.5.
        name, dtype: see `Metric`.

    >>> metric = metrics.FalsePositives()
    >>> metric.update_state([0, 1, 0, 0], [0, 0, 1, 1])
    >>> float(metric.result())
    2.0
    """

    counted = ("false_positives",)


class FalseNegatives(_Count):
    """The number of predictions not above the threshold whose target is 1.

    Args:
        thresholds: a number or numbers between 0 and 1; None means 0.5.
        name, dtype: see `Metric`.

    >>> metric = metrics.FalseNegatives()
    >>> metric.update_state([0, 1, 1, 1], [0, 1, 0, 0])
    >>> float(metric.result())
    2.0
    """

    counted = ("false_negatives",)


class _Share(_Counter):
    """The share of true positives in something."""

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(thresholds, name, dtype, top_k, class_id)

    def result(self) -> Any:
        right, wrong = (getattr(self, name) for name in self.counted)
        return self._shown(ops.divide_no_nan(right, right + wrong))


class Precision(_Share):
    """The share of positive predictions that are right: true positives over all predicted positives.

    Args:
        thresholds: a number or numbers between 0 and 1; None means 0.5, or none at all with `top_k`.
        top_k: how many of the largest predictions of a sample can be positive; None means all.
        class_id: position along the last axis that counts; None means all.
        name, dtype: see `Metric`.

    >>> metric = metrics.Precision()
    >>> metric.update_state([0, 1, 1, 1], [1, 0, 1, 1])
    >>> float(metric.result())
    0.6666667
    """

    counted = ("true_positives", "false_positives")


class Recall(_Share):
    """The share of positive targets that are found: true positives over all targets of 1.

    Args:
        thresholds: a number or numbers between 0 and 1; None means 0.5, or none at all with `top_k`.
        top_k: how many of the largest predictions of a sample can be positive; None means all.
        class_id: position along the last axis that counts; None means all.
        name, dtype: see `Metric`.

    >>> metric = metrics.Recall()
    >>> metric.update_state([0, 1, 1, 1], [1, 0, 1, 1])
    >>> float(metric.result())
    0.6666667
    """

    counted = ("true_positives", "false_negatives")
