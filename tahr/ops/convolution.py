"""Convolutions over one to three axes, plain, transposed, depthwise and separable."""

from typing import Any

from tahr import backends, shapes
from tahr.arithmetic import OPERATIONS
from tahr.dtypes import same
from tahr.ops import spatial
from tahr.ops.core import shape
from tahr.ops.declare import op


def _plan(
    shape: shapes.Shape, kernel_shape: shapes.Shape, strides: Any, dilation_rate: Any, last: bool, what: str
) -> Any:
    """Return spatial sizes, channels, kernel widths, strides and dilation, one number an axis each."""
    sizes, channels = spatial.split_shape(shape, last, what)
    rank = len(sizes)
    if len(kernel_shape) != rank + 2:
        raise ValueError(
            f"{what}: inputs of shape {shape} need a kernel of {rank + 2} dimensions; received {kernel_shape}."
        )
    strides = spatial.per_axis(strides, rank, f"{what} strides")
    dilation = spatial.per_axis(dilation_rate, rank, f"{what} dilation_rate")
    if max(strides) > 1 and max(dilation) > 1:
        raise ValueError(f"{what}: strides {strides} and dilation_rate {dilation} cannot both be greater than 1.")
    return sizes, channels, kernel_shape[:rank], strides, dilation


def _checked(
    shape: shapes.Shape, kernel_shape: shapes.Shape, strides: Any, padding: str, dilation_rate: Any, last: bool
) -> tuple[tuple[Any, ...], shapes.Shape]:
    """Return `_plan` with the padding behind it, once all is found to fit together, and the shape of the result."""
    sizes, channels, widths, strides, dilation = _plan(shape, kernel_shape, strides, dilation_rate, last, "conv")
    padding = spatial.check_padding(padding, "conv", causal=True)
    into, filters = kernel_shape[-2:]
    if channels is not None and into is not None and (into == 0 or channels % into):
        raise ValueError(
            f"conv: the number of channels of the inputs, {channels}, must be a multiple of the kernel's {into}; "
            f"received inputs {shape} and kernel {kernel_shape}."
        )
    if channels is not None and into and filters is not None and filters % (channels // into):
        raise ValueError(f"conv: {filters} filters cannot be divided among {channels // into} groups.")
    found = spatial.window_sizes(sizes, widths, strides, padding, dilation, "conv")
    plan = sizes, channels, widths, strides, dilation, padding
    return plan, spatial.join_shape(shape[0], found, filters, last)


def _conv_shape(
    inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", data_format: Any = None, dilation_rate: Any = 1
) -> shapes.Shape:
    last = spatial.channels_last(data_format)
    return _checked(shapes.of(inputs), shapes.of(kernel), strides, padding, dilation_rate, last)[1]


def _windows(
    shape: shapes.Shape, kernel_shape: Any, strides: Any, padding: str, dilation_rate: Any, last: bool
) -> tuple[Any, ...]:
    """Return strides, edges, dilation and the number of groups for inputs and a kernel that fit together."""
    plan, _ = _checked(shape, kernel_shape, strides, padding, dilation_rate, last)
    sizes, channels, widths, strides, dilation, padding = plan
    edges = spatial.edges(sizes, widths, strides, padding, dilation)
    return strides, edges, dilation, max(1, channels // kernel_shape[-2])


@op(same("inputs", "kernel"), shape=_conv_shape, native=False)
def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Return the sums of products of `kernel` with the windows of `inputs`, over one to three spatial axes.

    Args:
        inputs: array of shape (batch, sizes..., channels), or (batch, channels, sizes...) for `channels_first`.
        kernel: array of shape (widths..., channels / groups, filters); fewer channels than the inputs' mean groups.
        strides: distance between windows, one number or one an axis.
        padding: `"valid"` for windows inside of the inputs, `"same"` for zeros around them evenly so that there are
            `ceil(size / stride)` windows, `"causal"` for zeros before them only.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        dilation_rate: distance between the elements of a window, one number or one an axis.

    Raises:
        ValueError: if shapes do not fit together, or strides and dilation are both greater than 1.

    >>> ops.conv([[[1.0], [2.0], [3.0]]], [[[1.0]], [[10.0]]])
    [[[21.0], [32.0]]]
    """
    last = spatial.channels_last(data_format)
    backend = backends.current()
    given = shapes.of(inputs), shapes.of(kernel), strides, padding, dilation_rate, last
    strides, edges, dilation, groups = backend.kept(_windows, *given)
    return backend.conv(inputs, kernel, strides, edges, last, dilation, groups)


def _depthwise_shape(
    inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", data_format: Any = None, dilation_rate: Any = 1
) -> shapes.Shape:
    last = spatial.channels_last(data_format)
    what = "depthwise_conv"
    sizes, channels, widths, strides, dilation = _plan(
        shapes.of(inputs), shapes.of(kernel), strides, dilation_rate, last, what
    )
    into, multiplier = shapes.of(kernel)[-2:]
    if None not in (channels, into) and channels != into:
        raise ValueError(
            f"depthwise_conv: inputs {shapes.of(inputs)} have {channels} channels, but the kernel {shapes.of(kernel)} "
            f"is for {into}."
        )
    padding = spatial.check_padding(padding, what)
    found = spatial.window_sizes(sizes, widths, strides, padding, dilation, what)
    filters = None if into is None or multiplier is None else into * multiplier
    return spatial.join_shape(shapes.of(inputs)[0], found, filters, last)


@op(same("inputs", "kernel"), shape=_depthwise_shape, native=False)
def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Return the convolution of every channel with filters of its own.

    Args:
        inputs: array of shape (batch, sizes..., channels), or (batch, channels, sizes...) for `channels_first`.
        kernel: array of shape (widths..., channels, filters a channel).
        strides: distance between windows, one number or one an axis.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        dilation_rate: distance between the elements of a window, one number or one an axis.

    Raises:
        ValueError: if shapes do not fit together.

    >>> ops.depthwise_conv([[[1.0, 2.0], [3.0, 4.0]]], [[[1.0], [10.0]]])
    [[[1.0, 20.0], [3.0, 40.0]]]
    """
    _depthwise_shape(inputs, kernel, strides, padding, data_format, dilation_rate)
    *widths, channels, multiplier = kernel.shape
    kernel = OPERATIONS["reshape"](kernel, (*widths, 1, channels * multiplier))
    return conv(inputs, kernel, strides, padding, data_format, dilation_rate)


def _separable_shape(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = 1,
) -> shapes.Shape:
    found = list(_depthwise_shape(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate))
    found[-1 if spatial.channels_last(data_format) else 1] = shapes.of(pointwise_kernel)[-1]
    return tuple(found)


@op(same("inputs", "depthwise_kernel", "pointwise_kernel"), shape=_separable_shape, native=False)
def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Return a depthwise convolution followed by one with windows of size 1.

    Args:
        inputs: array of shape (batch, sizes..., channels), or (batch, channels, sizes...) for `channels_first`.
        depthwise_kernel: array of shape (widths..., channels, filters a channel).
        pointwise_kernel: array of shape (1..., channels * filters a channel, filters).
        strides: distance between windows, one number or one an axis.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        dilation_rate: distance between the elements of a window, one number or one an axis.

    Raises:
        ValueError: if shapes do not fit together.

    >>> ops.separable_conv([[[1.0, 2.0]]], [[[1.0], [10.0]]], [[[1.0], [1.0]]])
    [[[21.0]]]
    """
    found = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(found, pointwise_kernel, 1, "valid", data_format)


def _transposed(
    sizes: shapes.Shape,
    widths: tuple[int, ...],
    strides: tuple[int, ...],
    padding: str,
    dilation: tuple[int, ...],
    output_padding: Any,
) -> tuple[tuple[int, ...], shapes.Shape]:
    """Return, for each axis, how much of the full result is cut off in front, and the size of what is kept."""
    rank = len(sizes)
    extra: Any = (None,) * rank if output_padding is None else output_padding
    extra = tuple(extra) if hasattr(extra, "__iter__") else (extra,) * rank
    if len(extra) != rank:
        raise ValueError(f"conv_transpose: expected {rank} numbers in output_padding; received {output_padding!r}.")
    starts, found = [], []
    for size, width, stride, dilated, more in zip(sizes, widths, strides, dilation, extra, strict=True):
        if more is not None and (not hasattr(more, "__index__") or more < 0):
            raise ValueError(f"conv_transpose: expected output_padding >= 0, whole; received {output_padding!r}.")
        if width is None:
            starts.append(0)
            found.append(None if size is None or padding == "valid" or more is not None else size * stride)
            continue
        span = dilated * (width - 1) + 1
        if more is not None:
            surplus = (2 * (span // 2) if padding == "same" else 0) - more
        else:
            surplus = span - stride if padding == "same" else min(0, span - stride)
        starts.append(max(0, surplus) // 2 if padding == "same" else 0)
        found.append(None if size is None else (size - 1) * stride + span - surplus)
    return tuple(starts), tuple(found)


def _transpose_shape(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: Any = None,
    dilation_rate: Any = 1,
) -> shapes.Shape:
    last = spatial.channels_last(data_format)
    what = "conv_transpose"
    sizes, channels, widths, strides, dilation = _plan(
        shapes.of(inputs), shapes.of(kernel), strides, dilation_rate, last, what
    )
    filters, into = shapes.of(kernel)[-2:]
    if None not in (channels, into) and channels != into:
        raise ValueError(
            f"conv_transpose: inputs {shapes.of(inputs)} have {channels} channels, but the kernel {shapes.of(kernel)} "
            f"is for {into}."
        )
    padding = spatial.check_padding(padding, what)
    _, found = _transposed(sizes, widths, strides, padding, dilation, output_padding)
    return spatial.join_shape(shapes.of(inputs)[0], found, filters, last)


@op(same("inputs", "kernel"), shape=_transpose_shape, native=False)
def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Return the transpose of a convolution: every element of `inputs` adds the kernel, times itself, to the result.

    Args:
        inputs: array of shape (batch, sizes..., channels), or (batch, channels, sizes...) for `channels_first`.
        kernel: array of shape (widths..., filters, channels).
        strides: distance in the result between neighbours in the inputs, one number or one an axis.
        padding: `"valid"` keeps everything, `"same"` keeps `size * stride`.
        output_padding: with it sizes are `(size - 1) * stride + width - 2 * pad + output_padding`.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        dilation_rate: distance between the elements of the kernel, one number or one an axis.

    Raises:
        ValueError: if shapes do not fit together, or `output_padding` is out of range.

    >>> ops.conv_transpose([[[1.0], [2.0]]], [[[1.0]], [[10.0]]], strides=2)
    [[[1.0], [10.0], [2.0], [20.0]]]
    """
    _transpose_shape(inputs, kernel, strides, padding, output_padding, data_format, dilation_rate)
    last = spatial.channels_last(data_format)
    what = "conv_transpose"
    _, _, widths, strides, dilation = _plan(shapes.of(inputs), shapes.of(kernel), strides, dilation_rate, last, what)
    sizes = shape(inputs)[1:-1] if last else shape(inputs)[2:]  # with those that a graph leaves open
    starts, found = _transposed(sizes, widths, strides, padding.lower(), dilation, output_padding)
    return backends.current().conv_transpose(inputs, kernel, strides, starts, found, last, dilation)
