"""Intersection over union of predicted and true regions."""

import math
from typing import Any

from tahr import config, ops, shapes
from tahr.losses.loss import pair, weigh
from tahr.metrics.metric import Metric
from tahr.metrics.reduction import masked_weights

__all__ = ["BinaryIoU", "IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"]


class IoU(Metric):
    """The mean, over some classes, of what targets and predictions share over what either covers.

    Args:
        num_classes: number of classes.
        target_class_ids: the classes to average over.
        name: see `Metric`.
        dtype: type of the counts; None means int32, which drops the fractions of sample weights.
        ignore_class: class number whose targets do not count, such as -1 for "unknown".
        sparse_y_true: whether targets are class numbers rather than one-hot.
        sparse_y_pred: whether predictions are class numbers rather than scores.
        axis: axis of one-hot classes.

    Raises:
        ValueError: if a target class is no class.

    >>> metric = metrics.IoU(num_classes=2, target_class_ids=[0])
    >>> metric.update_state([0, 0, 1, 1], [0, 1, 0, 1])
    >>> float(metric.result())
    0.3333333
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Any,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(name=name, dtype=dtype or "int32")
        self.target_class_ids = list(target_class_ids)
        wrong = [i for i in self.target_class_ids if not 0 <= i < num_classes]
        if wrong:
            raise ValueError(
                f"{type(self).__name__}: expected target_class_ids from 0 to {num_classes - 1}; received {wrong}."
            )
        self.num_classes, self.ignore_class, self.axis = num_classes, ignore_class, axis
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        self.total_confusion_matrix = self.add_variable(
            (num_classes, num_classes), "zeros", name="total_confusion_matrix"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: targets and predictions as said by `sparse_y_true` and `sparse_y_pred`, and weights.

        Raises:
            ValueError: if there is neither a weight for each target nor one for each sample.
        """
        weights = masked_weights(y_pred, sample_weight, config.floatx())
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        if not self.sparse_y_true:
            y_true = ops.argmax(y_true, axis=self.axis)
        if not self.sparse_y_pred:
            y_pred = ops.argmax(y_pred, axis=self.axis)
        if weights is not None:
            weights = _weight_each(ops.cast(ops.convert_to_tensor(weights), self.dtype), y_true)
        y_true, y_pred = ops.reshape(ops.cast(y_true, "int32"), (-1,)), ops.reshape(ops.cast(y_pred, "int32"), (-1,))
        counted = ops.ones_like(y_true)
        if self.ignore_class is not None:
            counted = ops.cast(ops.not_equal(y_true, self.ignore_class), "int32")
            y_true, y_pred = y_true * counted, y_pred * counted  # a class that exists, with weight 0
        counted = ops.cast(counted, self.dtype)
        weights = counted if weights is None else weights * counted
        cells = ops.segment_sum(weights, y_true * self.num_classes + y_pred, num_segments=self.num_classes**2)
        self.total_confusion_matrix.assign_add(
            ops.cast(ops.reshape(cells, (self.num_classes, self.num_classes)), self.dtype)
        )

    def result(self) -> Any:
        matrix = ops.cast(self.total_confusion_matrix, config.floatx())
        shared = ops.diagonal(matrix)
        covered = ops.sum(matrix, axis=0) + ops.sum(matrix, axis=1) - shared
        shared, covered = ops.take(shared, self.target_class_ids), ops.take(covered, self.target_class_ids)
        known = ops.cast(covered > 0, config.floatx())
        return ops.divide_no_nan(ops.sum(ops.divide_no_nan(shared, covered)), ops.sum(known))


def _weight_each(weights: Any, labels: Any) -> Any:
    """Return a flat array with the weight of each label, given one for each or one for each sample."""
    sizes = shapes.of(weights), shapes.of(labels)
    if None in sizes[0] + sizes[1] or math.prod(sizes[0]) != math.prod(sizes[1]):
        ones, weights = weigh(ops.ones_like(labels, dtype=ops.dtype(weights)), weights)
        weights = ones * weights
    return ops.reshape(weights, (-1,))


class BinaryIoU(IoU):
    """`IoU` of the two classes that a threshold makes of predictions, for targets 0 and 1.

    Args:
        target_class_ids: (0,), (1,) or both.
        threshold: predictions from it on are of class 1.
        name, dtype: see `IoU`.

    >>> metric = metrics.BinaryIoU(threshold=0.3)
    >>> metric.update_state([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7])
    >>> float(metric.result())
    0.3333333
    """

    def __init__(
        self, target_class_ids: Any = (0, 1), threshold: float = 0.5, name: str | None = None, dtype: Any = None
    ):
        super().__init__(num_classes=2, target_class_ids=target_class_ids, name=name, dtype=dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        weights = masked_weights(y_pred, sample_weight, config.floatx())
        y_true, y_pred = pair(y_true, y_pred, "BinaryIoU")
        super().update_state(y_true, ops.cast(y_pred >= self.threshold, "int32"), weights)


class MeanIoU(IoU):
    """`IoU` averaged over all classes that occur.

    Args:
        num_classes: number of classes.
        name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis: see `IoU`.

    >>> metric = metrics.MeanIoU(num_classes=2)
    >>> metric.update_state([0, 0, 1, 1], [0, 1, 0, 1])
    >>> float(metric.result())
    0.3333333
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)


class OneHotIoU(IoU):
    """`IoU` of one-hot targets.

    Args:
        num_classes, target_class_ids, name, dtype, ignore_class: see `IoU`.
        sparse_y_pred: whether predictions are class numbers rather than scores.
        axis: axis of the classes.

    >>> metric = metrics.OneHotIoU(num_classes=2, target_class_ids=[0])
    >>> metric.update_state([[1, 0], [1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8], [0.1, 0.9]])
    >>> float(metric.result())
    0.5
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Any,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)


class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` of one-hot targets.

    Args:
        num_classes, name, dtype, ignore_class: see `IoU`.
        sparse_y_pred: whether predictions are class numbers rather than scores.
        axis: axis of the classes.

    >>> metric = metrics.OneHotMeanIoU(num_classes=2)
    >>> metric.update_state([[1, 0], [1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8], [0.1, 0.9]])
    >>> float(metric.result())
    0.5
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
