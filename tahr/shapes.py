"""Which shape comes out: named rules over sizes that may be unknown (None)."""

import math
import operator
from collections.abc import Sequence
from typing import Any

Shape = tuple[Any, ...]  # sizes are ints, or None where unknown


def of(x: Any) -> Shape:
    """Return the shape of an array, a symbol, a number or nested lists, as a tuple with None for unknown sizes."""
    shape = getattr(x, "shape", None)
    if shape is not None:
        return tuple(shape)
    if isinstance(x, (list, tuple)):
        return (len(x), *(of(x[0]) if x else ()))
    return ()


def standardize_shape(shape: Any, where: str = "shape") -> Shape:
    """Return `shape` as a tuple of non-negative ints and None.

    Raises:
        ValueError: if a size is negative.
        TypeError: if a size is no whole number.
    """
    if isinstance(shape, int) or not hasattr(shape, "__iter__"):
        raise TypeError(f"{where}: expected a tuple of sizes; received {shape!r}.")
    sizes = []
    for size in shape:
        if size is not None:
            if not hasattr(size, "__index__"):
                raise TypeError(f"{where}: expected whole numbers or None; received {size!r} in {tuple(shape)}.")
            size = size.__index__()
            if size < 0:
                raise ValueError(f"{where}: expected sizes >= 0; received {size} in {tuple(shape)}.")
        sizes.append(size)
    return tuple(sizes)


def axis_index(axis: int, ndim: int, where: str = "axis") -> int:
    """Return `axis` counted from the front.

    Raises:
        ValueError: if an array of `ndim` dimensions has no such axis.
    """
    if not -ndim <= axis < ndim:
        raise ValueError(f"{where}={axis} is out of bounds for an array with {ndim} dimensions.")
    return axis % ndim


def axes_indices(axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """Return the axes counted from the front; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    if hasattr(axis, "__iter__"):
        found = tuple(axis_index(operator.index(a), ndim) for a in axis)  # type: ignore[union-attr]
        if len(set(found)) != len(found):
            raise ValueError(f"axis={axis} names an axis twice.")
        return found
    return (axis_index(operator.index(axis), ndim),)  # type: ignore[arg-type]


def known_size(shape: Shape) -> int | None:
    """Return the number of elements, or None if a size is unknown."""
    return None if None in shape else math.prod(shape)  # type: ignore[arg-type]


def broadcast(*shapes: Shape) -> Shape:
    """Return the shape that arrays of the given shapes broadcast to.

    Raises:
        ValueError: if two known sizes differ and neither is 1.
    """
    result: list[int | None] = []
    rank = max(map(len, shapes), default=0)
    for position in range(-rank, 0):
        sizes = [shape[position] for shape in shapes if len(shape) >= -position]
        wide = {size for size in sizes if size is not None and size != 1}
        if len(wide) > 1:
            raise ValueError(f"Shapes {' and '.join(map(str, shapes))} cannot be broadcast together.")
        result.append(wide.pop() if wide else None if None in sizes else 1)
    return tuple(result)


def elementwise(*args: Any, **arguments: Any) -> Shape:
    """Shape rule: all array arguments broadcast together.

    Raises:
        TypeError: if one of two operands is None.
        ValueError: if they do not fit together.
    """
    for name in ("x1", "x2"):
        if name in arguments and arguments[name] is None:
            raise TypeError(f"Expected an array or a number for {name}; received None.")
    return broadcast(
        *(of(a) for a in (*args, *arguments.values()) if hasattr(a, "shape") or isinstance(a, (list, tuple)))
    )


def unary(x: Any, **_: Any) -> Shape:
    """Shape rule: the shape of `x`."""
    return of(x)


def along(x: Any, axis: Any = -1, **_: Any) -> Shape:
    """Shape rule: the shape of `x`, which has the axis or axes.

    Raises:
        ValueError: if it does not have them.
    """
    axes_indices(axis, len(of(x)))
    return of(x)


def reduction(x: Any, axis: Any = None, keepdims: bool = False, **_: Any) -> Shape:
    """Shape rule: `axis` (all if None) is removed, or kept with size 1."""
    shape = of(x)
    axes = axes_indices(axis, len(shape))
    return tuple(1 if i in axes else n for i, n in enumerate(shape) if keepdims or i not in axes)


def matmul(x1: Any, x2: Any, **_: Any) -> Shape:
    """Shape rule: matrix product over the last two axes, with broadcasting over the others.

    Raises:
        ValueError: if the inner sizes differ or an argument is a scalar.
    """
    a, b = of(x1), of(x2)
    if not a or not b:
        raise ValueError(f"matmul: expected arrays of at least one dimension; received shapes {a} and {b}.")
    inner = a[-1:] + b[-2:][:1]
    if None not in inner and inner[0] != inner[1]:
        raise ValueError(f"matmul: the inner sizes {inner[0]} and {inner[1]} of shapes {a} and {b} differ.")
    if len(a) == 1:
        return b[:-2] + b[-1:] if len(b) > 1 else ()
    if len(b) == 1:
        return a[:-1]
    return (*broadcast(a[:-2], b[:-2]), a[-2], b[-1])


def window(size: int | None, width: int, stride: int, padding: str, dilation: int = 1) -> int | None:
    """Return how many windows of `width` fit along an axis of `size`; padding is valid, same or causal."""
    if size is None:
        return None
    span = dilation * (width - 1) + 1
    if padding == "valid":
        return max(0, (size - span) // stride + 1)
    return -(-size // stride)


def same_padding(size: int | None, width: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Return the zeros put before and after an axis so that `ceil(size / stride)` windows fit."""
    span = dilation * (width - 1) + 1
    if size is None:
        if stride > 1:
            raise ValueError(
                'padding="same" with strides greater than 1 depends on the size of the inputs, which is open here. Say '
                'the size in the Input or the input signature, or use padding="valid" behind ops.pad.'
            )
        size = 1  # all of them need the same
    total = max(0, (-(-size // stride) - 1) * stride + span - size)
    return total // 2, total - total // 2
