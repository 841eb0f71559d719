"""Means and variances, and arrays brought to given ones."""

from typing import Any

from tahr import backends, config, dtypes, shapes
from tahr.arithmetic import OPERATIONS
from tahr.dtypes import floating
from tahr.ops.core import as_type
from tahr.ops.declare import op
from tahr.ops.elementwise import absolute, maximum, power, rsqrt, square
from tahr.symbolic import KerasTensor


def wide(x: Any) -> Any:
    """Return 16-bit floats as float32, in which sums of many of them are taken."""
    return OPERATIONS["cast"](x, "float32") if dtypes.of(x) in ("float16", "bfloat16") else x


def _axes(axis: Any) -> Any:
    return tuple(axis) if hasattr(axis, "__iter__") else axis


def _moments_shape(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    found = shapes.reduction(x, axes, keepdims)
    return tuple(KerasTensor(found, dtypes.of(x), record_history=False) for _ in range(2))


@op(floating("x"), shape=_moments_shape, native=False)
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """Return the mean and the variance of `x` over `axes`.

    Args:
        x: array.
        axes: one axis or several.
        keepdims: whether the axes stay, with size 1.
        synchronized: kept for Keras's sake; statistics over a global batch are taken over all of it.

    >>> ops.moments([1.0, 3.0], axes=0)
    (2.0, 1.0)
    """
    run, dtype = OPERATIONS, dtypes.of(x)
    axes = _axes(axes)
    values = wide(x)
    mean = run["mean"](values, axis=axes, keepdims=True)
    variance = run["mean"](square(values - mean), axis=axes, keepdims=True)
    if not keepdims:
        mean, variance = run["squeeze"](mean, axes), run["squeeze"](variance, axes)
    return run["saturate_cast"](mean, dtype), run["saturate_cast"](variance, dtype)


def _along(value: Any, ndim: int, axis: int) -> Any:
    """Return a vector in the shape that broadcasts along `axis`."""
    if axis == ndim - 1:
        return value
    return OPERATIONS["reshape"](value, (1,) * axis + (-1,) + (1,) * (ndim - axis - 1))


def _batch_shape(x: Any, mean: Any, variance: Any, axis: int, **others: Any) -> shapes.Shape:
    shape = shapes.of(x)
    size = shape[shapes.axis_index(axis, len(shape))]
    for name, value in (("mean", mean), ("variance", variance), *others.items()):
        if name in ("mean", "variance", "offset", "scale") and value is not None:
            given = shapes.of(value)
            if given != (size,) and (len(given) != 1 or None not in (size, given[0])):
                raise ValueError(
                    f"batch_normalization: expected {name} of shape ({size},) for axis {axis} of {shape}; "
                    f"received {given}."
                )
    return shape


@op(floating("x", "mean", "variance"), arrays=("offset", "scale"), shape=_batch_shape, native=False)
def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    """Return `(x - mean) / sqrt(variance + epsilon) * scale + offset`, with vectors along `axis`.

    Raises:
        ValueError: if a vector's size is not that of `axis`.

    >>> ops.batch_normalization([[1.0, 4.0]], [1.0, 2.0], [1.0, 4.0], axis=-1, epsilon=0.0)
    [[0.0, 1.0]]
    """
    _batch_shape(x, mean, variance, axis, offset=offset, scale=scale)
    ndim = len(x.shape)
    axis = shapes.axis_index(axis, ndim)
    dtype = dtypes.of(x)
    values, mean, variance = wide(x), wide(mean), wide(variance)
    factor = rsqrt(variance + epsilon)
    if scale is not None:
        factor = factor * wide(scale)
    moved = mean * factor
    shift = -moved if offset is None else wide(offset) - moved
    found = backends.current().scale_and_shift(values, _along(factor, ndim, axis), _along(shift, ndim, axis))
    return as_type(found, dtype)


def _own_batch_shape(x: Any, axis: int, **_: Any) -> Any:
    vector = (shapes.of(x)[axis],)
    return tuple(KerasTensor(shape, dtypes.of(x), record_history=False) for shape in (shapes.of(x), vector, vector))


@op(floating("x"), arrays=("offset", "scale"), shape=_own_batch_shape, native=False)
def normalize_batch(x: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3) -> Any:
    """Return `x` normalised by its own mean and variance along `axis`, and these two."""
    axis = shapes.axis_index(axis, len(x.shape))
    mean, variance = moments(x, [i for i in range(len(x.shape)) if i != axis])
    return batch_normalization(x, mean, variance, axis, offset, scale, epsilon), mean, variance


def _fit(value: Any, x: Any, axis: Any) -> Any:
    """Return `gamma` or `beta`, of the shape of the normalised axes, in a shape that broadcasts to `x`."""
    axes = sorted(shapes.axes_indices(axis, len(x.shape)))
    if len(value.shape) == len(x.shape) or axes == list(range(len(x.shape) - len(axes), len(x.shape))):
        return value
    return OPERATIONS["reshape"](value, [n if i in axes else 1 for i, n in enumerate(x.shape)])


@op(floating("x"), arrays=("gamma", "beta"), shape=shapes.along, native=False)
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None, rms_scaling: bool = False
) -> Any:
    """Return `x` with mean 0 and variance 1 over `axis`, times `gamma` plus `beta` (Ba et al. 2016).

    Args:
        x: array.
        gamma: factor of the shape of the normalised axes, or None.
        beta: what is added, of the same shape, or None.
        axis: one axis or several.
        epsilon: added to the variance; None takes `config.epsilon()`.
        rms_scaling: whether to divide by the root of the variance without subtracting the mean.

    >>> ops.layer_normalization([1.0, 3.0], epsilon=0.0)
    [-1.0, 1.0]
    """
    dtype, axis = dtypes.of(x), _axes(axis)
    epsilon = config.epsilon() if epsilon is None else epsilon
    values = wide(x)
    mean = OPERATIONS["mean"](values, axis=axis, keepdims=True)
    centred = values - mean
    factor = rsqrt(OPERATIONS["mean"](square(centred), axis=axis, keepdims=True) + epsilon)
    found = (values if rms_scaling else centred) * factor
    if gamma is not None:
        found = found * wide(_fit(gamma, x, axis))
    if beta is not None and not rms_scaling:
        found = found + wide(_fit(beta, x, axis))
    return OPERATIONS["cast"](found, dtype)


@op(floating("x"), arrays=("scale",), shape=shapes.along, native=False)
def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Any:
    """Return `x / sqrt(mean(x**2) + epsilon) * scale` with the mean over `axis` (Zhang and Sennrich 2019).

    Args:
        x: array.
        scale: factor of the shape of the normalised axes, or None.
        axis: one axis or several.
        epsilon: added to the mean; None takes `config.epsilon()`.

    >>> ops.rms_normalization([3.0, 4.0], epsilon=0.0)
    [0.84852815, 1.1313709]
    """
    dtype, axis = dtypes.of(x), _axes(axis)
    epsilon = config.epsilon() if epsilon is None else epsilon
    values = wide(x)
    found = values * rsqrt(OPERATIONS["mean"](square(values), axis=axis, keepdims=True) + epsilon)
    if scale is not None:
        found = found * wide(_fit(scale, x, axis))
    return OPERATIONS["cast"](found, dtype)


def _normalized(x: Any, axis: Any = -1, order: float = 2, epsilon: float | None = None) -> shapes.Shape:
    if not order >= 1:
        raise ValueError(f"normalize: expected an order of at least 1; received {order!r}.")
    return shapes.along(x, axis)


@op(floating("x"), shape=_normalized, native=False)
def normalize(x: Any, axis: Any = -1, order: float = 2, epsilon: float | None = None) -> Any:
    """Return `x` divided by its norm over `axis`.

    Args:
        x: array.
        axis: one axis or several.
        order: order of the norm, at least 1; infinity takes the largest absolute value.
        epsilon: least norm to divide by; None takes `config.epsilon()`.

    Raises:
        ValueError: if `order` is less than 1.

    >>> ops.normalize([3.0, 4.0])
    [0.6, 0.8]
    """
    _normalized(x, axis, order)
    axis = _axes(axis)
    epsilon = config.epsilon() if epsilon is None else epsilon
    values = wide(x)
    if order == 2:  # the root of the limit, not the limit of the root, keeps the gradient at 0 finite
        squares = OPERATIONS["sum"](square(values), axis=axis, keepdims=True)
        found = values * rsqrt(maximum(squares, epsilon**2))
    elif order == float("inf"):
        found = values / maximum(OPERATIONS["max"](absolute(values), axis=axis, keepdims=True), epsilon)
    else:
        sums = OPERATIONS["sum"](power(absolute(values), order), axis=axis, keepdims=True)
        found = values / maximum(power(sums, 1 / order), epsilon)
    return OPERATIONS["cast"](found, dtypes.of(x))


def _psnr_shape(x1: Any, x2: Any, max_val: float) -> shapes.Shape:
    a, b = shapes.of(x1), shapes.of(x2)
    if len(a) != len(b) or any(None not in (n, m) and n != m for n, m in zip(a, b, strict=True)):
        raise ValueError(f"psnr: expected arrays of equal shape; received {a} and {b}.")
    return ()


@op(floating("x1", "x2"), shape=_psnr_shape, native=False)
def psnr(x1: Any, x2: Any, max_val: float) -> Any:
    """Return the peak signal-to-noise ratio in decibels, `20 log10(max_val) - 10 log10(mean((x1 - x2)**2))`.

    Raises:
        ValueError: if the shapes differ.

    >>> ops.psnr([0.0, 1.0], [0.0, 0.9], max_val=1.0)
    23.0103
    """
    _psnr_shape(x1, x2, max_val)
    import math

    error = OPERATIONS["mean"](square(x1 - x2))
    return 20 * math.log10(max_val) - 10 * OPERATIONS["log10"](error)
