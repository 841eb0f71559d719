"""Negative logarithms of the probability of the truth."""

from typing import Any

from tahr import backends, config, shapes
from tahr.arithmetic import OPERATIONS
from tahr.dtypes import floating
from tahr.ops.activation import log_softmax
from tahr.ops.declare import op
from tahr.ops.elementwise import absolute, clip, exp, log, log1p, maximum


def _equal_shapes(what: str, target: Any, output: Any) -> shapes.Shape:
    a, b = shapes.of(target), shapes.of(output)
    if len(a) != len(b) or any(None not in (m, n) and m != n for m, n in zip(a, b, strict=True)):
        raise ValueError(f"{what}: expected target and output of equal shape; received {a} and {b}.")
    return b


def _binary_shape(target: Any, output: Any, from_logits: bool = False) -> shapes.Shape:
    return _equal_shapes("binary_crossentropy", target, output)


@op(floating("target", "output"), shape=_binary_shape, native=False)
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Return `-target * log(output) - (1 - target) * log(1 - output)`, element by element.

    Args:
        target: probabilities that are true.
        output: probabilities, kept `config.epsilon()` away from 0 and 1, or logits.
        from_logits: whether `output` are logits, of which the sigmoid is the probability.

    Raises:
        ValueError: if the shapes differ.

    >>> ops.binary_crossentropy([0.0, 1.0], [0.5, 0.5])
    [0.6931472, 0.6931472]
    """
    _binary_shape(target, output)
    if from_logits:
        return maximum(output, 0) - output * target + log1p(exp(-absolute(output)))
    output = clip(output, config.epsilon(), 1.0 - config.epsilon())
    return -(target * log(output) + (1.0 - target) * log(1.0 - output))


def _logarithms(output: Any, from_logits: bool, axis: int) -> Any:
    """Return the logarithms of probabilities that are brought to sum 1 and kept away from 0 and 1."""
    if from_logits:
        return log_softmax(output, axis=axis)
    output = output / OPERATIONS["sum"](output, axis=axis, keepdims=True)
    return log(clip(output, config.epsilon(), 1.0 - config.epsilon()))


def _categorical_shape(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> shapes.Shape:
    shape = _equal_shapes("categorical_crossentropy", target, output)
    if not shape:
        raise ValueError("categorical_crossentropy: expected at least one dimension; received scalars.")
    axis = shapes.axis_index(axis, len(shape))
    return shape[:axis] + shape[axis + 1 :]


@op(floating("target", "output"), shape=_categorical_shape, native=False)
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """Return `-sum(target * log(output))` over the classes along `axis`.

    Args:
        target: probabilities that are true, such as `one_hot` gives.
        output: probabilities, which are brought to sum 1, or logits.
        from_logits: whether `output` are logits, of which the softmax is the probability.
        axis: axis of the classes.

    Raises:
        ValueError: if the shapes differ.

    >>> ops.categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
    [0.6931472]
    """
    _categorical_shape(target, output, from_logits, axis)
    return -OPERATIONS["sum"](target * _logarithms(output, from_logits, axis), axis=axis)


def _sparse_shape(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> shapes.Shape:
    given, shape = shapes.of(target), shapes.of(output)
    if not shape:
        raise ValueError(
            "sparse_categorical_crossentropy: expected output of at least one dimension; received a scalar."
        )
    axis = shapes.axis_index(axis, len(shape))
    wanted = shape[:axis] + shape[axis + 1 :]
    plain = given[:-1] if len(given) == len(shape) and given[-1] == 1 else given
    if len(plain) != len(wanted) or any(None not in (m, n) and m != n for m, n in zip(plain, wanted, strict=True)):
        raise ValueError(
            f"sparse_categorical_crossentropy: outputs of shape {shape} need class numbers of shape {wanted}; received "
            f"{given}. For targets that are one-hot, use categorical_crossentropy."
        )
    return wanted


@op(floating("output"), arrays=("target",), shape=_sparse_shape, native=False)
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """Return `-log(output)` of the class that is true.

    Args:
        target: class numbers, of the shape of `output` without `axis` (a last axis of size 1 may stay).
        output: probabilities, which are brought to sum 1, or logits.
        from_logits: whether `output` are logits, of which the softmax is the probability.
        axis: axis of the classes.

    Raises:
        ValueError: if the shapes do not fit together.

    >>> ops.sparse_categorical_crossentropy([1], [[0.25, 0.75]])
    [0.28768203]
    """
    wanted = _sparse_shape(target, output, from_logits, axis)
    run = OPERATIONS
    axis = shapes.axis_index(axis, len(output.shape))
    if len(target.shape) > len(wanted):
        target = run["squeeze"](target, -1)
    target = run["cast"](target, "int32")
    if from_logits:
        logarithms = _true_ones(log_softmax(output, axis=axis), target, axis)
    else:  # the one that counts, so that all others need no logarithm
        share = _true_ones(output, target, axis) / run["sum"](output, axis=axis)
        logarithms = log(clip(share, config.epsilon(), 1.0 - config.epsilon()))
    there = run["logical_and"](target >= 0, target < output.shape[axis])
    return run["where"](there, -logarithms, 0)


def _true_ones(values: Any, target: Any, axis: int) -> Any:
    """Return the value of the class that is true; what there is for one out of range is no matter."""
    run = OPERATIONS
    target = run["expand_dims"](target, axis)
    if backends.current().gathers:
        last = values.shape[axis] - 1
        return run["squeeze"](run["take_along_axis"](values, clip(target, 0, last), axis=axis), axis)
    classes = run["reshape"](run["arange"](values.shape[axis], dtype="int32"), _vector(len(values.shape), axis))
    return run["sum"](run["where"](target == classes, values, 0), axis=axis)


def _vector(ndim: int, axis: int) -> tuple[int, ...]:
    return tuple(-1 if i == axis else 1 for i in range(ndim))
