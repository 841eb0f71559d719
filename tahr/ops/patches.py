"""Blocks of images as columns, and columns added up to images."""

from typing import Any

import numpy as np

from tahr import shapes
from tahr.arithmetic import OPERATIONS
from tahr.dtypes import moved, same
from tahr.ops import spatial
from tahr.ops.declare import op


def _pairs(what: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> tuple[tuple[int, ...], ...]:
    edges = tuple(padding) if hasattr(padding, "__iter__") else (padding, padding)
    if len(edges) != 2 or any(not hasattr(p, "__index__") or p < 0 for p in edges):
        raise ValueError(f"{what} padding: expected a whole number >= 0 or two of them; received {padding!r}.")
    return (
        spatial.per_axis(kernel_size, 2, f"{what} kernel_size"),
        spatial.per_axis(dilation, 2, f"{what} dilation"),
        edges,
        spatial.per_axis(stride, 2, f"{what} stride"),
    )


def _counts(what: str, sizes: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> shapes.Shape:
    padded = tuple(None if n is None else n + 2 * p for n, p in zip(sizes, padding, strict=True))
    return spatial.window_sizes(padded, kernel, stride, "valid", dilation, what)


def _unfold_shape(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> shapes.Shape:
    shape = shapes.of(x)
    if len(shape) != 4:
        raise ValueError(f"unfold: expected images of shape (batch, channels, height, width); received {shape}.")
    kernel, dilation, padding, stride = _pairs("unfold", kernel_size, dilation, padding, stride)
    counts = _counts("unfold", shape[2:], kernel, dilation, padding, stride)
    columns = None if None in counts else counts[0] * counts[1]  # type: ignore[operator]
    return (shape[0], None if shape[1] is None else shape[1] * kernel[0] * kernel[1], columns)


@op(moved("x"), shape=_unfold_shape)
def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Return the blocks of images as columns.

    Args:
        x: images of shape (batch, channels, height, width).
        kernel_size: height and width of a block, one number or two.
        dilation: distance between the elements of a block.
        padding: zeros around the images.
        stride: distance between blocks.

    Returns:
        Array of shape (batch, channels * height of a block * width of a block, blocks).

    Raises:
        ValueError: if a block does not fit into the images.

    >>> ops.unfold([[[[1.0, 2.0, 3.0]]]], (1, 2))
    [[[1.0, 2.0], [2.0, 3.0]]]
    """
    found = _unfold_shape(x, kernel_size, dilation, padding, stride)
    kernel, dilation, padding, stride = _pairs("unfold", kernel_size, dilation, padding, stride)
    counts = _counts("unfold", x.shape[2:], kernel, dilation, padding, stride)
    run = OPERATIONS
    x = run["pad"](x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    blocks = []
    for offsets in np.ndindex(*kernel):
        places = [
            slice(o * d, o * d + (n - 1) * s + 1, s)
            for o, d, n, s in zip(offsets, dilation, counts, stride, strict=True)
        ]
        blocks.append(x[:, :, places[0], places[1]])
    return run["reshape"](run["stack"](blocks, axis=2), found)


def _fold_shape(
    x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> shapes.Shape:
    shape = shapes.of(x)
    if len(shape) != 3:
        raise ValueError(f"fold: expected columns of shape (batch, channels * block, blocks); received {shape}.")
    sizes = spatial.per_axis(output_size, 2, "fold output_size")
    kernel, dilation, padding, stride = _pairs("fold", kernel_size, dilation, padding, stride)
    counts = _counts("fold", sizes, kernel, dilation, padding, stride)
    block, columns = kernel[0] * kernel[1], counts[0] * counts[1]  # type: ignore[operator]
    if shape[1] is not None and shape[1] % block or shape[2] not in (None, columns):
        raise ValueError(
            f"fold: blocks of {kernel} in images of {sizes} need columns of shape (batch, a multiple of {block}, "
            f"{columns}); received {shape}."
        )
    return (shape[0], None if shape[1] is None else shape[1] // block, *sizes)


@op(same("x"), shape=_fold_shape)
def fold(x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Return images whose blocks are the columns of `x`, added where they overlap.

    Args:
        x: columns of shape (batch, channels * height of a block * width of a block, blocks).
        output_size: height and width of the images, one number or two.
        kernel_size: height and width of a block, one number or two.
        dilation: distance between the elements of a block.
        padding: how much is cut off around the images.
        stride: distance between blocks.

    Returns:
        Images of shape (batch, channels, height, width).

    Raises:
        ValueError: if the number of columns is not that of the blocks.

    >>> ops.fold([[[1.0, 2.0], [2.0, 3.0]]], (1, 3), (1, 2))
    [[[[1.0, 4.0, 3.0]]]]
    """
    n, c, h, w = _fold_shape(x, output_size, kernel_size, dilation, padding, stride)
    kernel, dilation, padding, stride = _pairs("fold", kernel_size, dilation, padding, stride)
    counts = _counts("fold", (h, w), kernel, dilation, padding, stride)
    height, width = h + 2 * padding[0], w + 2 * padding[1]  # type: ignore[operator]
    rows, columns = (
        np.arange(k)[:, None] * d + np.arange(m) * s
        for k, d, m, s in zip(kernel, dilation, counts, stride, strict=True)
    )
    places = rows[:, None, :, None] * width + columns[None, :, None, :]
    run = OPERATIONS
    values = run["transpose"](run["reshape"](x, (n * c, places.size)))  # type: ignore[operator]
    sums = run["segment_sum"](values, places.reshape(-1).astype("int32"), height * width)
    images = run["reshape"](run["transpose"](sums), (n, c, height, width))
    return images[:, :, padding[0] : padding[0] + h, padding[1] : padding[1] + w]  # type: ignore[operator]
