"""Crossentropies: losses of classes against probabilities or logits."""

from typing import Any

from tahr import config, dtypes, ops, shapes
from tahr.losses.loss import FunctionLoss, pair

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "sparse_categorical_crossentropy",
]


def _smooth(y_true: Any, label_smoothing: float, num_classes: int) -> Any:
    """Return targets moved by the share `label_smoothing` towards the uniform distribution."""
    if not label_smoothing:
        return y_true
    return y_true * (1.0 - label_smoothing) + label_smoothing / num_classes


def _classes(y_true: Any, y_pred: Any, axis: int, what: str) -> tuple[Any, Any]:
    """Return one-hot targets and predictions as `pair` does, refusing the targets of a sparse loss."""
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=dtypes.of(y_pred) if dtypes.is_float(dtypes.of(y_pred)) else None)
    a, b = shapes.of(y_true), shapes.of(y_pred)
    if a != b and (len(a) == len(b) - 1 or (len(a) == len(b) and a[axis] == 1)):
        raise ValueError(
            f"{what}: expected one-hot y_true of the shape of y_pred; received y_true of shape {a} and y_pred of shape "
            f"{b}. If the targets are class numbers, use sparse_categorical_crossentropy."
        )
    return pair(y_true, y_pred, what)


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """Return the mean over `axis` of -y log p - (1 - y) log(1 - p), for targets y between 0 and 1.

    Args:
        y_true: targets, of the shape of `y_pred`.
        y_pred: probabilities, or logits if `from_logits`.
        from_logits: whether `y_pred` went through no sigmoid.
        label_smoothing: share by which targets move towards 1/2.
        axis: axis of the mean.

    Raises:
        ValueError: if the shapes differ.

    >>> losses.binary_crossentropy([[1.0, 0.0]], [[0.5, 0.5]])
    [0.6931472]
    """
    y_true, y_pred = pair(y_true, y_pred, "binary_crossentropy")
    y_true = _smooth(y_true, label_smoothing, 2)
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=axis)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """Return minus the sum over classes of y log p, for one-hot targets y.

    Args:
        y_true: targets, of the shape of `y_pred`.
        y_pred: probabilities, or logits if `from_logits`.
        from_logits: whether `y_pred` went through no softmax.
        label_smoothing: share by which targets move towards the uniform distribution.
        axis: axis of the classes.

    Raises:
        ValueError: if the shapes differ.

    >>> losses.categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
    [0.6931472]
    """
    y_true, y_pred = _classes(y_true, y_pred, axis, "categorical_crossentropy")
    if label_smoothing:
        y_true = _smooth(y_true, label_smoothing, shapes.of(y_true)[axis] or 1)
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Any:
    """Return -log p of the true class, for targets that are class numbers.

    Args:
        y_true: class numbers, of the shape of `y_pred` without `axis` (or with size 1 there).
        y_pred: probabilities, or logits if `from_logits`.
        from_logits: whether `y_pred` went through no softmax.
        ignore_class: class number whose targets count 0, such as -1 for "unknown".
        axis: axis of the classes.

    Raises:
        ValueError: if the shapes do not fit.

    >>> losses.sparse_categorical_crossentropy([1], [[0.5, 0.5]])
    [0.6931472]
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(ops.convert_to_tensor(y_true), "int32")
    rank = len(shapes.of(y_pred))
    place = shapes.axis_index(axis, rank, "sparse_categorical_crossentropy: axis")
    if len(shapes.of(y_true)) == rank and shapes.of(y_true)[place] == 1:
        y_true = ops.squeeze(y_true, axis=place)
    wanted = tuple(size for i, size in enumerate(shapes.of(y_pred)) if i != place)
    given = shapes.of(y_true)
    if len(given) != len(wanted) or any(None not in (a, b) and a != b for a, b in zip(given, wanted, strict=True)):
        raise ValueError(
            f"sparse_categorical_crossentropy: expected class numbers y_true of shape {wanted} for y_pred of shape "
            f"{shapes.of(y_pred)}; received y_true of shape {given}. If the targets are one-hot, use "
            "categorical_crossentropy."
        )
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    counts = ops.not_equal(y_true, ignore_class)
    y_true = ops.where(counts, y_true, 0)
    found = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    return ops.where(counts, found, 0.0)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Return `binary_crossentropy` times (1 - q)^gamma, where q is the probability given to the target.

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017.

    Args:
        y_true: targets, of the shape of `y_pred`.
        y_pred: probabilities, or logits if `from_logits`.
        apply_class_balancing: whether class 1 is weighted by `alpha` and class 0 by 1 - `alpha`.
        alpha: weight of class 1.
        gamma: how much what is already right counts less.
        from_logits: whether `y_pred` went through no sigmoid.
        label_smoothing: share by which targets move towards 1/2.
        axis: axis of the mean.

    Raises:
        ValueError: if the shapes differ.

    >>> losses.binary_focal_crossentropy([[1.0, 0.0]], [[0.5, 0.5]])
    [0.1732868]
    """
    y_true, y_pred = pair(y_true, y_pred, "binary_focal_crossentropy")
    y_true = _smooth(y_true, label_smoothing, 2)
    p = ops.sigmoid(y_pred) if from_logits else y_pred
    found = ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits)
    found = found * ops.power(1.0 - (y_true * p + (1.0 - y_true) * (1.0 - p)), gamma)
    if apply_class_balancing:
        found = found * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return ops.mean(found, axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Return minus the sum over classes of alpha (1 - p)^gamma y log p, for one-hot targets y.

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017.

    Args:
        y_true: targets, of the shape of `y_pred`.
        y_pred: probabilities, or logits if `from_logits`.
        alpha: weight, one number or one a class.
        gamma: how much what is already right counts less.
        from_logits: whether `y_pred` went through no softmax.
        label_smoothing: share by which targets move towards the uniform distribution.
        axis: axis of the classes.

    Raises:
        ValueError: if the shapes differ.

    >>> losses.categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
    [0.0433217]
    """
    y_true, y_pred = _classes(y_true, y_pred, axis, "categorical_focal_crossentropy")
    if label_smoothing:
        y_true = _smooth(y_true, label_smoothing, shapes.of(y_true)[axis] or 1)
    if from_logits:
        y_pred = ops.softmax(y_pred, axis=axis)
    p = y_pred / ops.sum(y_pred, axis=axis, keepdims=True)
    p = ops.clip(p, config.epsilon(), 1.0 - config.epsilon())
    weight = ops.convert_to_tensor(alpha, dtype=dtypes.of(p)) if isinstance(alpha, (list, tuple)) else alpha
    return -ops.sum(weight * ops.power(1.0 - p, gamma) * y_true * ops.log(p), axis=axis)


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Any:
    """Return (1 - p^q) / q with p the probability of the true class: between crossentropy (q to 0) and 1 - p (q = 1).

    Source: Zhang & Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels", 2018.

    Args:
        y_true: class numbers, or one-hot targets of the shape of `y_pred`.
        y_pred: probabilities.
        q: 0 < q <= 1; larger values mind wrong labels less.

    Raises:
        ValueError: if the shapes do not fit.

    >>> losses.categorical_generalized_cross_entropy([1], [[0.75, 0.25]], q=0.5)
    [1.0]
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true)
    if len(shapes.of(y_true)) < len(shapes.of(y_pred)) or shapes.of(y_true)[-1] == 1:
        if len(shapes.of(y_true)) == len(shapes.of(y_pred)):
            y_true = ops.squeeze(y_true, axis=-1)
        y_true = ops.one_hot(ops.cast(y_true, "int32"), shapes.of(y_pred)[-1], dtype=dtypes.of(y_pred))
    y_true, y_pred = pair(y_true, y_pred, "categorical_generalized_cross_entropy")
    p = ops.sum(y_true * ops.clip(y_pred, config.epsilon(), 1.0 - config.epsilon()), axis=-1)
    return (1.0 - ops.power(p, q)) / q


class BinaryCrossentropy(FunctionLoss):
    """`binary_crossentropy`, reduced to one number.

    Args:
        from_logits, label_smoothing, axis: see `binary_crossentropy`.
        reduction, name, dtype: see `Loss`.

    >>> losses.BinaryCrossentropy()([[1.0, 0.0]], [[0.5, 0.5]])
    0.6931472
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            binary_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalCrossentropy(FunctionLoss):
    """`categorical_crossentropy`, reduced to one number.

    Args:
        from_logits, label_smoothing, axis: see `categorical_crossentropy`.
        reduction, name, dtype: see `Loss`.

    >>> losses.CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])
    0.6931472
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(FunctionLoss):
    """`sparse_categorical_crossentropy`, reduced to one number; what `ignore_class` leaves out is not counted.

    Args:
        from_logits, ignore_class, axis: see `sparse_categorical_crossentropy`.
        reduction, name, dtype: see `Loss`.

    >>> losses.SparseCategoricalCrossentropy()([1, 0], [[0.5, 0.5], [0.25, 0.75]])
    1.0397207
    """

    integer_targets = True

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            sparse_categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
        self.ignore_class, self.axis = ignore_class, axis

    def counted(self, y_true: Any, y_pred: Any) -> Any:
        if self.ignore_class is None:
            return None
        if len(shapes.of(y_true)) == len(shapes.of(y_pred)):
            y_true = ops.squeeze(y_true, axis=self.axis)
        return ops.not_equal(y_true, self.ignore_class)


class BinaryFocalCrossentropy(FunctionLoss):
    """`binary_focal_crossentropy`, reduced to one number.

    Args:
        apply_class_balancing, alpha, gamma, from_logits, label_smoothing, axis: see `binary_focal_crossentropy`.
        reduction, name, dtype: see `Loss`.

    >>> losses.BinaryFocalCrossentropy(gamma=0.0)([[1.0, 0.0]], [[0.5, 0.5]])
    0.6931472
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            binary_focal_crossentropy,
            reduction,
            name,
            dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalFocalCrossentropy(FunctionLoss):
    """`categorical_focal_crossentropy`, reduced to one number.

    Args:
        alpha, gamma, from_logits, label_smoothing, axis: see `categorical_focal_crossentropy`.
        reduction, name, dtype: see `Loss`.

    >>> losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=0.0)([[0.0, 1.0]], [[0.5, 0.5]])
    0.6931472
    """

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            categorical_focal_crossentropy,
            reduction,
            name,
            dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalGeneralizedCrossEntropy(FunctionLoss):
    """`categorical_generalized_cross_entropy`, reduced to one number: a crossentropy that minds wrong labels less.

    Args:
        q: see `categorical_generalized_cross_entropy`.
        reduction, name, dtype: see `Loss`.

    Raises:
        ValueError: if q is not between 0 and 1.

    >>> losses.CategoricalGeneralizedCrossEntropy()([1], [[0.75, 0.25]])
    1.0
    """

    integer_targets = True

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ):
        if not 0 < q < 1:
            raise ValueError(f"CategoricalGeneralizedCrossEntropy: expected 0 < q < 1; received {q!r}.")
        super().__init__(categorical_generalized_cross_entropy, reduction, name, dtype, q=q)
