"""Class numbers as arrays of zeros and ones, and numbers in other arrangements."""

from typing import Any

import numpy as np

from tahr import backends, dtypes, shapes
from tahr.arithmetic import OPERATIONS
from tahr.dtypes import free, moved
from tahr.ops.core import convert_to_tensor
from tahr.ops.declare import op
from tahr.ops.elementwise import cos, sin
from tahr.symbolic import KerasTensor


def _one_hot_shape(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> KerasTensor:
    if num_classes < 0:
        raise ValueError(f"Expected num_classes >= 0; received {num_classes}.")
    sizes = list(shapes.of(x))
    sizes.insert(shapes.axis_index(axis, len(sizes) + 1), num_classes)
    name = dtypes.canonical(dtypes.standardize_dtype(dtype))
    return KerasTensor(sizes, name, sparse=sparse, record_history=False)


@op(free, arrays=("x",), shape=_one_hot_shape, native=False, integers=("x",))
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """Return an array with an axis of size `num_classes` more, which is 1 at the number that `x` has, and 0 elsewhere.

    Args:
        x: class numbers; a number that is no class gives zeros only.
        num_classes: how many classes there are.
        axis: where the new axis comes.
        dtype: type of the result, by default `floatx`.
        sparse: whether to return a sparse array, on backends that have them.

    Raises:
        TypeError: if `x` holds no integers.

    >>> ops.one_hot([1, 0], 3)
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    _one_hot_shape(x, num_classes, axis, dtype)
    if sparse:
        return _sparse_hot(x, num_classes, axis, dtype)
    run = OPERATIONS
    axis = shapes.axis_index(axis, len(x.shape) + 1)
    wide = "int64" if dtypes.of(x) == "int64" else "int32"
    classes = run["reshape"](run["arange"](num_classes, dtype=wide), (-1, *(1,) * (len(x.shape) - axis)))
    found = run["expand_dims"](run["cast"](x, wide), axis) == classes
    return run["cast"](found, dtypes.standardize_dtype(dtype))


def _sparse_hot(x: Any, num_classes: int, axis: int, dtype: Any, reduced: int | None = None) -> Any:
    """Return the sparse form of `one_hot`, summed over an axis if `reduced`."""
    run, sizes = OPERATIONS, tuple(x.shape)
    axis = shapes.axis_index(axis, len(sizes) + 1)
    flat = run["reshape"](x, (-1,))
    inside = run["logical_and"](flat >= 0, flat < num_classes)
    places = [convert_to_tensor(grid.ravel(), "int32") for grid in np.indices(sizes, dtype="int32")]
    places.insert(axis, run["where"](inside, run["cast"](flat, "int32"), 0))
    shape = [*sizes[:axis], num_classes, *sizes[axis:]]
    if reduced is not None:
        del places[reduced], shape[reduced]
    values = run["cast"](inside, dtypes.standardize_dtype(dtype))
    return backends.current().sparse(values, run["stack"](places, axis=1), tuple(shape))


def _multi_hot_shape(
    inputs: Any, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> KerasTensor:
    found = _one_hot_shape(inputs, num_classes or 0, axis, dtype, sparse)
    reduced = 1 if len(shapes.of(inputs)) > 1 else 0
    return KerasTensor(
        found.shape[:reduced] + found.shape[reduced + 1 :], found.dtype, sparse=sparse, record_history=False
    )


@op(free, arrays=("inputs",), shape=_multi_hot_shape, native=False, integers=("inputs",))
def multi_hot(
    inputs: Any, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Any:
    """Return 1 for every class whose number is in a row of `inputs`, and 0 for the others.

    Args:
        inputs: class numbers of shape (batch, length) or (length,).
        num_classes: how many classes there are.
        axis: where `one_hot` puts the axis of the classes, before the second axis (or the only one) is reduced.
        dtype: type of the result, by default `floatx`.
        sparse: whether to return a sparse array, on backends that have them.

    Raises:
        ValueError: if `num_classes` is None.

    >>> ops.multi_hot([[0, 2], [1, 1]], 3)
    [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    if num_classes is None:
        raise ValueError("multi_hot: expected num_classes, the number of classes; received None.")
    reduced = 1 if len(inputs.shape) > 1 else 0
    if sparse:
        counts = _sparse_hot(inputs, num_classes, axis, dtype, reduced)
        return OPERATIONS["sign"](counts)
    hot = one_hot(inputs, num_classes, axis=axis, dtype="int32")
    found = OPERATIONS["max"](hot, axis=reduced)
    return OPERATIONS["cast"](found, dtypes.standardize_dtype(dtype))


def _polar_shape(abs_: Any, angle: Any) -> KerasTensor:
    dtype = dtypes.result_type(dtypes.of(abs_), dtypes.of(angle), float)
    name = "complex128" if dtype == "float64" else "complex64"
    return KerasTensor(shapes.broadcast(shapes.of(abs_), shapes.of(angle)), name, record_history=False)


@op(free, shape=_polar_shape, native=False)
def polar(abs_: Any, angle: Any) -> Any:
    """Return complex numbers of the given absolute values and angles (in radians).

    >>> ops.real(ops.polar([1.0, 2.0], [0.0, 0.0]))
    [1.0, 2.0]
    """
    dtype = dtypes.result_type(dtypes.of(abs_), dtypes.of(angle), float)
    run = OPERATIONS
    length, turn = run["cast"](abs_, dtype), run["cast"](angle, dtype)
    return run["view_as_complex"](run["stack"]([length * cos(turn), length * sin(turn)], axis=-1))


def _check_blocks(x: Any, block_size: int, data_format: str, what: str) -> tuple[shapes.Shape, bool]:
    from tahr.ops import spatial

    shape = shapes.of(x)
    if len(shape) != 4:
        raise ValueError(f"{what}: expected a batch of images, an array of 4 dimensions; received shape {shape}.")
    if not hasattr(block_size, "__index__") or block_size < 1:
        raise ValueError(f"{what}: expected a positive whole number as block_size; received {block_size!r}.")
    return shape, spatial.channels_last(data_format)


def _depth_shape(x: Any, block_size: int, data_format: str = "channels_last") -> shapes.Shape:
    shape, last = _check_blocks(x, block_size, data_format, "depth_to_space")
    n, h, w, c = shape if last else (shape[0], shape[2], shape[3], shape[1])
    if c is not None and c % block_size**2:
        raise ValueError(
            f"depth_to_space: expected a number of channels that block_size**2 = {block_size**2} divides; "
            f"received {shape}."
        )
    h, w, c = (h and h * block_size), (w and w * block_size), (c and c // block_size**2)
    return (n, h, w, c) if last else (n, c, h, w)


@op(moved("x"), shape=_depth_shape, native=False)
def depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Return images with blocks of `block_size` by `block_size` pixels in place of every `block_size**2` channels.

    Raises:
        ValueError: if the number of channels is no multiple of `block_size**2`.

    >>> ops.depth_to_space([[[[1.0, 2.0, 3.0, 4.0]]]], 2)
    [[[[1.0], [2.0]], [[3.0], [4.0]]]]
    """
    n, *found = _depth_shape(x, block_size, data_format)
    run, b = OPERATIONS, block_size
    if data_format == "channels_last":
        _, h, w, _ = x.shape
        parts = run["transpose"](run["reshape"](x, (n, h, w, b, b, -1)), (0, 1, 3, 2, 4, 5))
    else:
        _, _, h, w = x.shape
        parts = run["transpose"](run["reshape"](x, (n, -1, b, b, h, w)), (0, 1, 4, 2, 5, 3))
    return run["reshape"](parts, (n, *found))


def _space_shape(x: Any, block_size: int, data_format: str = "channels_last") -> shapes.Shape:
    shape, last = _check_blocks(x, block_size, data_format, "space_to_depth")
    n, h, w, c = shape if last else (shape[0], shape[2], shape[3], shape[1])
    if any(size is not None and size % block_size for size in (h, w)):
        raise ValueError(f"space_to_depth: expected sizes that block_size {block_size} divides; received {shape}.")
    h, w, c = (h and h // block_size), (w and w // block_size), (c and c * block_size**2)
    return (n, h, w, c) if last else (n, c, h, w)


@op(moved("x"), shape=_space_shape, native=False)
def space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Return images with `block_size**2` times as many channels in place of blocks of pixels.

    Raises:
        ValueError: if `block_size` does not divide height and width.

    >>> ops.space_to_depth([[[[1.0], [2.0]], [[3.0], [4.0]]]], 2)
    [[[[1.0, 2.0, 3.0, 4.0]]]]
    """
    n, *found = _space_shape(x, block_size, data_format)
    run, b = OPERATIONS, block_size
    if data_format == "channels_last":
        _, h, w, c = x.shape
        parts = run["transpose"](run["reshape"](x, (n, h // b, b, w // b, b, c)), (0, 1, 3, 2, 4, 5))
    else:
        _, c, h, w = x.shape
        parts = run["transpose"](run["reshape"](x, (n, c, h // b, b, w // b, b)), (0, 1, 3, 5, 2, 4))
    return run["reshape"](parts, (n, *found))
