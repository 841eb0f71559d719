"""Small helpers for labels and vectors."""

from typing import Any

import numpy as np

__all__ = ["normalize", "to_categorical"]


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """Return class numbers as rows with a 1 at the place of the class and 0 elsewhere.

    Args:
        x: integers from 0 to `num_classes - 1`, of any shape; a last axis of size 1 is dropped. Lists and NumPy arrays
            give a NumPy array of float64, backend tensors a tensor of `floatx`.
        num_classes: number of classes; the largest number plus 1 by default.

    Returns:
        An array of the shape of `x` with an axis of size `num_classes` added at the end.

    Raises:
        ValueError: if a number is negative or not below `num_classes`.

    >>> keras.utils.to_categorical([0, 2, 1])
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    if _is_tensor(x):
        from tahr import ops

        shape = tuple(x.shape)
        x = ops.reshape(x, shape[:-1]) if len(shape) > 1 and shape[-1] == 1 else x
        count = num_classes if num_classes is not None else int(ops.max(x)) + 1
        return ops.one_hot(ops.cast(x, "int32"), count)
    labels = np.asarray(x)
    if labels.dtype.kind not in "iub" and not (labels.dtype.kind == "f" and np.array_equal(labels, np.floor(labels))):
        raise ValueError(
            f"to_categorical needs whole numbers; received {labels.dtype} values such as {labels.ravel()[:3]}."
        )
    labels = labels.astype("int64")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    count = num_classes if num_classes is not None else int(labels.max(initial=-1)) + 1
    wrong = labels[(labels < 0) | (labels >= count)]
    if wrong.size:
        raise ValueError(
            f"to_categorical: class numbers must be from 0 to {count - 1} (num_classes={num_classes}); received "
            f"{int(wrong[0])}. Raise num_classes, or shift the labels so that they begin at 0."
        )
    return np.eye(count)[labels]


def normalize(x: Any, axis: int = -1, order: float | None = 2) -> Any:
    """Return `x` divided by its norm along `axis`; zeros stay zeros.

    Args:
        x: numbers. A NumPy array gives a NumPy array, of one row if it has one dimension; anything else a tensor.
        axis: the axis along which the norm is taken.
        order: the power of the norm: 1 for sums of absolute values, 2 or None for Euclidean length. NumPy arrays may
            have any order of `numpy.linalg.norm` for vectors, as `numpy.inf` for the largest size; tensors whole ones.

    Raises:
        ValueError: if `order` is no number, or `x` is no NumPy array and `order` no whole number of at least 1.

    >>> keras.utils.normalize(np.array([[3.0, 4.0]]))
    [[0.6, 0.8]]
    """
    if not isinstance(x, np.ndarray):
        if not isinstance(order, int) or order < 1:
            raise ValueError(f"normalize: order must be a whole number of at least 1 for tensors; received {order!r}.")
        from tahr import ops

        return ops.normalize(x, axis=axis, order=order)
    if not (order is None or isinstance(order, (int, float))):
        raise ValueError(f"normalize: order must be a number; received {order!r}.")
    values = x if x.dtype.kind == "f" else x.astype("float64")
    values, axis = (values[None], -1) if values.ndim < 2 else (values, axis)
    with np.errstate(divide="ignore"):  # a zero to a negative power
        norms = np.linalg.norm(values, order, axis, keepdims=True).astype(values.dtype)
    return values / np.where(norms == 0, 1, norms)


def _is_tensor(x: Any) -> bool:
    """Return whether `x` is a symbol or a tensor of the current backend other than a NumPy array."""
    if isinstance(x, (np.ndarray, np.generic, list, tuple, int, float)):
        return False
    from tahr import backends, symbolic

    return symbolic.is_keras_tensor(x) or backends.current().is_tensor(x)
