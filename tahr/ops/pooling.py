"""Largest values and means of windows."""

from typing import Any

import numpy as np

from tahr import backends, shapes
from tahr.arithmetic import OPERATIONS
from tahr.dtypes import floating, same
from tahr.ops import spatial
from tahr.ops.declare import op


def _plan(
    shape: shapes.Shape, pool_size: Any, strides: Any, padding: str, last: bool, what: str
) -> tuple[tuple[Any, ...], shapes.Shape]:
    """Return the sizes, widths and strides, one number an axis, and the padding; and the shape of the result."""
    sizes, channels = spatial.split_shape(shape, last, what)
    widths = spatial.per_axis(pool_size, len(sizes), f"{what} pool_size")
    strides = widths if strides is None else spatial.per_axis(strides, len(sizes), f"{what} strides")
    padding = spatial.check_padding(padding, what)
    found = spatial.window_sizes(sizes, widths, strides, padding, None, what)
    return (sizes, widths, strides, padding), spatial.join_shape(shape[0], found, channels, last)


def _windows(shape: shapes.Shape, pool_size: Any, strides: Any, padding: str, last: bool, what: str) -> tuple[Any, ...]:
    """Return sizes, widths, strides and edges for inputs that the windows fit into."""
    (sizes, widths, strides, padding), _ = _plan(shape, pool_size, strides, padding, last, what)
    return sizes, widths, strides, spatial.edges(sizes, widths, strides, padding)


def _pool_shape(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: Any = None
) -> shapes.Shape:
    return _plan(shapes.of(inputs), pool_size, strides, padding, spatial.channels_last(data_format), "pool")[1]


@op(same("inputs"), shape=_pool_shape, native=False)
def max_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """Return the largest value of every window of one to three spatial axes.

    Args:
        inputs: array of shape (batch, sizes..., channels), or (batch, channels, sizes...) for `channels_first`.
        pool_size: widths of the window, one number or one an axis.
        strides: distance between windows; None takes `pool_size`.
        padding: `"valid"` for windows inside of the inputs, `"same"` for `ceil(size / stride)` windows.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Raises:
        ValueError: if a window does not fit into the inputs.

    >>> ops.max_pool([[[1.0], [3.0], [2.0], [0.0]]], 2)
    [[[3.0], [2.0]]]
    """
    last = spatial.channels_last(data_format)
    backend = backends.current()
    given = shapes.of(inputs), pool_size, strides, padding, last
    _, widths, strides, edges = backend.kept(_windows, *given, "max_pool")
    return backend.max_pool(inputs, widths, strides, edges, last)


@op(floating("inputs"), shape=_pool_shape, native=False)
def average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """Return the mean of every window of one to three spatial axes, of what lies inside of the inputs.

    Args:
        inputs: array of shape (batch, sizes..., channels), or (batch, channels, sizes...) for `channels_first`.
        pool_size: widths of the window, one number or one an axis.
        strides: distance between windows; None takes `pool_size`.
        padding: `"valid"` for windows inside of the inputs, `"same"` for `ceil(size / stride)` windows.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Raises:
        ValueError: if a window does not fit into the inputs.

    >>> ops.average_pool([[[1.0], [3.0], [2.0], [0.0]]], 2)
    [[[2.0], [1.0]]]
    """
    last = spatial.channels_last(data_format)
    backend = backends.current()
    given = shapes.of(inputs), pool_size, strides, padding, last
    sizes, widths, strides, edges = backend.kept(_windows, *given, "average_pool")
    sums = backend.sum_pool(inputs, widths, strides, edges, last)
    if not any(before or after for before, after in edges):
        return sums / _product(widths)
    return sums / OPERATIONS["cast"](_counts(sizes, widths, strides, edges, last), inputs.dtype)


def _product(numbers: Any) -> int:
    found = 1
    for number in numbers:
        found *= number
    return found


def _counts(sizes: Any, widths: Any, strides: Any, edges: Any, last: bool) -> Any:
    """Return how many elements of the inputs each window holds, in a shape that broadcasts to the result."""
    import numpy as np

    found = np.ones((), "float32")
    for size, width, stride, (before, after) in zip(sizes, widths, strides, edges, strict=True):
        starts = np.arange(0, size + before + after - width + 1, stride) - before
        inside = np.minimum(starts + width, size) - np.maximum(starts, 0)
        found = np.multiply.outer(found, inside.astype("float32"))
    return found[None, ..., None] if last else found[None, None]


def _adaptive_shape(inputs: Any, output_size: Any, data_format: Any = None) -> shapes.Shape:
    last = spatial.channels_last(data_format)
    sizes, channels = spatial.split_shape(shapes.of(inputs), last, "adaptive pool")
    wanted = spatial.per_axis(output_size, len(sizes), "adaptive pool output_size")
    return spatial.join_shape(shapes.of(inputs)[0], wanted, channels, last)


def _places(starts: list[int], widths: list[int], widest: int) -> np.ndarray:
    """Return the places of windows of equal width, in which the last element of a narrower one is repeated."""
    found = [start + min(k, width - 1) for start, width in zip(starts, widths, strict=True) for k in range(widest)]
    return np.array(found, "int32")


def _shares(widths: list[int], widest: int, axes: int) -> np.ndarray:
    """Return the weights of these elements in a mean: none for repeats."""
    found = (np.arange(widest) < np.array(widths)[:, None]) / np.array(widths)[:, None]
    return found.astype("float32").reshape(*found.shape, *(1,) * axes)


def _adaptive(inputs: Any, output_size: Any, data_format: Any, what: str, reduce: str) -> Any:
    """Pool each axis in turn over windows from `floor(i * n / m)` up to `ceil((i + 1) * n / m)`."""
    run, engine = OPERATIONS, backends.current()
    last = spatial.channels_last(data_format)
    sizes, _ = spatial.split_shape(tuple(inputs.shape), last, what)
    wanted = spatial.per_axis(output_size, len(sizes), f"{what} output_size")
    for i, (size, count) in enumerate(zip(sizes, wanted, strict=True)):
        axis = i + (1 if last else 2)
        starts = [k * size // count for k in range(count)]
        widths = [-(-(k + 1) * size // count) - start for k, start in enumerate(starts)]
        widest = max(widths)
        places = engine.constant(_places, starts, widths, widest)
        taken = run["take"](inputs, places, axis=axis)
        taken = run["reshape"](taken, (*inputs.shape[:axis], count, widest, *inputs.shape[axis + 1 :]))
        if reduce == "max":
            inputs = run["max"](taken, axis=axis + 1)
        else:
            share = engine.constant(_shares, widths, widest, len(inputs.shape) - axis - 1)
            inputs = run["sum"](taken * run["cast"](share, inputs.dtype), axis=axis + 1)
    return inputs


@op(floating("inputs"), shape=_adaptive_shape, native=False)
def adaptive_average_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """Return the means of as many windows as `output_size` says, spread evenly over the inputs.

    Window i of m over n elements goes from `floor(i * n / m)` up to `ceil((i + 1) * n / m)`.

    Args:
        inputs: array of shape (batch, sizes..., channels), or (batch, channels, sizes...) for `channels_first`.
        output_size: number of windows, one number or one an axis.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Raises:
        ValueError: if `output_size` has a number of sizes that the inputs do not have.

    >>> ops.adaptive_average_pool([[[1.0], [2.0], [3.0]]], 2)
    [[[1.5], [2.5]]]
    """
    return _adaptive(inputs, output_size, data_format, "adaptive_average_pool", "mean")


@op(same("inputs"), shape=_adaptive_shape, native=False)
def adaptive_max_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """Return the largest values of as many windows as `output_size` says, spread evenly over the inputs.

    Window i of m over n elements goes from `floor(i * n / m)` up to `ceil((i + 1) * n / m)`.

    Args:
        inputs: array of shape (batch, sizes..., channels), or (batch, channels, sizes...) for `channels_first`.
        output_size: number of windows, one number or one an axis.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Raises:
        ValueError: if `output_size` has a number of sizes that the inputs do not have.

    >>> ops.adaptive_max_pool([[[1.0], [2.0], [3.0]]], 2)
    [[[2.0], [3.0]]]
    """
    return _adaptive(inputs, output_size, data_format, "adaptive_max_pool", "max")
