"""Reshaping, joining, splitting, padding and moving axes: the elements stay what they are."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tahr import shapes
from tahr.dtypes import free, moved
from tahr.ops.declare import op
from tahr.symbolic import KerasTensor

# ---- shape and order of axes --------------------------------------------------------------------------------------


def _reshape_shape(x: Any, newshape: Any) -> Any:
    given, wanted = shapes.of(x), newshape if hasattr(newshape, "__iter__") else (newshape,)
    sizes = [None if n is None else int(n) for n in wanted]
    if sizes.count(-1) > 1 or any(n is not None and n < -1 for n in sizes):
        raise ValueError(f"reshape: expected sizes >= 0 and at most one -1; received {tuple(sizes)}.")
    total = shapes.known_size(given)
    if total is None or None in sizes:
        return tuple(None if n == -1 else n for n in sizes)
    rest = math.prod([n for n in sizes if n != -1])  # type: ignore[misc]
    if -1 in sizes and rest and total % rest == 0:
        sizes[sizes.index(-1)] = total // rest
    elif total != rest or -1 in sizes:
        raise ValueError(f"reshape: an array of shape {given} has {total} elements, which do not fill {tuple(sizes)}.")
    return tuple(sizes)


@op(moved("x"), shape=_reshape_shape)
def reshape(x: Any, newshape: Any) -> Any:
    """Return the elements of `x` in the shape `newshape`, in which one size may be -1: what is left.

    Raises:
        ValueError: if the numbers of elements differ.

    >>> ops.reshape([1, 2, 3, 4], (2, -1))
    [[1, 2], [3, 4]]
    """
    ...


@op(moved)
def ravel(x: Any) -> Any:
    """Return the elements of `x` in one dimension.

    >>> ops.ravel([[1, 2], [3, 4]])
    [1, 2, 3, 4]
    """
    return reshape(x, (-1,)) if len(x.shape) else reshape(x, (1,))


def _transpose_shape(x: Any, axes: Any = None) -> Any:
    given = shapes.of(x)
    if axes is None:
        return given[::-1]
    order = shapes.axes_indices(axes, len(given))
    if len(order) != len(given):
        raise ValueError(f"transpose: expected an order of {len(given)} axes; received axes={tuple(axes)}.")
    return tuple(given[i] for i in order)


@op(moved("x"), shape=_transpose_shape)
def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """Return `x` with its axes in the order `axes`, reversed if None.

    Raises:
        ValueError: if `axes` does not name every axis once.

    >>> ops.transpose([[1, 2], [3, 4]])
    [[1, 3], [2, 4]]
    """
    ...


@op(moved("x"))
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Return `x` with two axes exchanged.

    >>> ops.swapaxes([[1, 2], [3, 4]], 0, 1)
    [[1, 3], [2, 4]]
    """
    order = list(range(len(x.shape)))
    i, j = shapes.axis_index(axis1, len(order), "axis1"), shapes.axis_index(axis2, len(order), "axis2")
    order[i], order[j] = j, i
    return transpose(x, order)


@op(moved("x"))
def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Return `x` with the axes `source` moved to the places `destination`, the others in their order.

    >>> ops.shape(ops.moveaxis(ops.ones((2, 3, 4)), 0, -1))
    (3, 4, 2)
    """
    rank = len(x.shape)
    taken, places = shapes.axes_indices(source, rank), shapes.axes_indices(destination, rank)
    if len(taken) != len(places):
        raise ValueError(f"moveaxis: expected as many sources as destinations; received {source} and {destination}.")
    order = [i for i in range(rank) if i not in taken]
    for place, axis in sorted(zip(places, taken, strict=True)):
        order.insert(place, axis)
    return transpose(x, order)


def _expanded(x: Any, axis: Any) -> Any:
    given = shapes.of(x)
    count = len(axis) if hasattr(axis, "__iter__") else 1
    places = shapes.axes_indices(axis, len(given) + count)
    sizes = iter(given)
    return tuple(1 if i in places else next(sizes) for i in range(len(given) + count))


@op(moved("x"), shape=_expanded)
def expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    """Return `x` with axes of size 1 put in so that they stand at `axis`.

    >>> ops.expand_dims([1, 2], 0)
    [[1, 2]]
    """
    ...


def _squeezed(x: Any, axis: Any = None) -> Any:
    given = shapes.of(x)
    if axis is None:
        return tuple(n for n in given if n != 1)
    gone = shapes.axes_indices(axis, len(given))
    wrong = [i for i in gone if given[i] not in (1, None)]
    if wrong:
        raise ValueError(f"squeeze: expected size 1 along axis {wrong[0]}; received an array of shape {given}.")
    return tuple(n for i, n in enumerate(given) if i not in gone)


@op(moved("x"), shape=_squeezed)
def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Return `x` without the axes `axis`, which have size 1; without all such axes if None.

    Raises:
        ValueError: if a size is not 1.

    >>> ops.squeeze([[[1], [2]]])
    [1, 2]
    """
    ...


def _broadcast_shape(x: Any, shape: Any) -> Any:
    given, wanted = shapes.of(x), tuple(shape) if hasattr(shape, "__iter__") else (shape,)
    if shapes.broadcast(given, wanted) != wanted and None not in given:
        raise ValueError(f"broadcast_to: an array of shape {given} cannot be broadcast to {wanted}.")
    return wanted


@op(moved("x"), shape=_broadcast_shape)
def broadcast_to(x: Any, shape: Any) -> Any:
    """Return `x` repeated along axes of size 1 and new leading axes until it has `shape`.

    Raises:
        ValueError: if it cannot.

    >>> ops.broadcast_to([1, 2], (2, 2))
    [[1, 2], [1, 2]]
    """
    ...


# ---- order of elements --------------------------------------------------------------------------------------------


def _same_with_axes(x: Any, axis: Any = None) -> Any:
    shapes.axes_indices(axis, len(shapes.of(x)))
    return shapes.of(x)


@op(moved("x"), shape=_same_with_axes)
def flip(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Return `x` with the order along `axis` (all axes if None) reversed.

    >>> ops.flip([1, 2, 3])
    [3, 2, 1]
    """
    ...


@op(moved)
def fliplr(x: Any) -> Any:
    """Return `x` with the order along its second axis reversed.

    >>> ops.fliplr([[1, 2], [3, 4]])
    [[2, 1], [4, 3]]
    """
    return flip(x, 1)


@op(moved)
def flipud(x: Any) -> Any:
    """Return `x` with the order along its first axis reversed.

    >>> ops.flipud([[1, 2], [3, 4]])
    [[3, 4], [1, 2]]
    """
    return flip(x, 0)


@op(moved("array"))
def rot90(array: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Return `array` turned `k` quarter turns in the plane of two axes, from the first towards the second.

    Raises:
        ValueError: if `axes` are not two different axes of an array with two or more.

    >>> ops.rot90([[1, 2], [3, 4]])
    [[2, 4], [1, 3]]
    """
    first, second = _plane(len(array.shape), axes)
    turns = k % 4
    if turns == 0:
        return array
    if turns == 2:
        return flip(array, (first, second))
    if turns == 1:
        return swapaxes(flip(array, second), first, second)
    return flip(swapaxes(array, first, second), second)


def _plane(rank: int, axes: Any) -> tuple[int, int]:
    if rank < 2 or len(axes) != 2 or axes[0] % rank == axes[1] % rank:
        raise ValueError(
            f"rot90: expected two different axes of an array with at least two; received {axes}, rank {rank}."
        )
    return shapes.axis_index(axes[0], rank), shapes.axis_index(axes[1], rank)


def _rolled(x: Any, shift: Any, axis: Any = None) -> Any:
    return _same_with_axes(x, axis)


@op(moved("x"), shape=_rolled)
def roll(x: Any, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Any:
    """Return `x` with elements moved `shift` places along `axis`, from the end to the front; flattened if None.

    >>> ops.roll([1, 2, 3], 1)
    [3, 1, 2]
    """
    ...


def _repeated(x: Any, repeats: Any, axis: Any = None) -> Any:
    given = shapes.of(x)
    if axis is None:
        given, axis = (shapes.known_size(given),), 0
    place = shapes.axis_index(axis, len(given))
    if isinstance(repeats, KerasTensor):
        size = None
    else:
        counts = np.asarray(repeats)
        if counts.size and counts.min() < 0:
            raise ValueError(f"repeat: expected repeats >= 0; received {repeats}.")
        size = given[place]
        size = (
            None
            if size is None and counts.size < 2
            else int(np.broadcast_to(counts.ravel(), size or counts.size).sum())
        )
    return (*given[:place], size, *given[place + 1 :])


@op(moved("x"), shape=_repeated)
def repeat(x: Any, repeats: int | Sequence[int], axis: int | None = None) -> Any:
    """Return `x` with each element along `axis` (of the flattened array if None) repeated.

    Args:
        x: array.
        repeats: how often, one number or one for each element.
        axis: axis, or None.

    >>> ops.repeat([1, 2], 2)
    [1, 1, 2, 2]
    """
    ...


def _tiled(x: Any, repeats: Any) -> Any:
    given, counts = shapes.of(x), tuple(repeats) if hasattr(repeats, "__iter__") else (repeats,)
    rank = max(len(given), len(counts))
    given, counts = (1,) * (rank - len(given)) + given, (1,) * (rank - len(counts)) + counts
    return tuple(None if n is None else int(n * c) for n, c in zip(given, counts, strict=True))


@op(moved("x"), shape=_tiled)
def tile(x: Any, repeats: int | Sequence[int]) -> Any:
    """Return `x` laid out `repeats` times along each axis, the last axes if there are fewer numbers.

    >>> ops.tile([1, 2], 2)
    [1, 2, 1, 2]
    """
    ...


# ---- joining ------------------------------------------------------------------------------------------------------


def _joined(xs: Any, axis: int = 0) -> Any:
    parts = [shapes.of(x) for x in xs]
    if not parts:
        raise ValueError("concatenate: expected at least one array; received none.")
    place = shapes.axis_index(axis, len(parts[0]))
    if any(len(p) != len(parts[0]) for p in parts):
        raise ValueError(f"concatenate: expected arrays of one rank; received shapes {', '.join(map(str, parts))}.")
    sizes: list[int | None] = []
    for i, column in enumerate(zip(*parts, strict=True)):
        known = {n for n in column if n is not None}
        if i == place:
            sizes.append(None if None in column else sum(column))
        elif len(known) > 1:
            raise ValueError(
                f"concatenate: sizes may differ along axis {place} only; received shapes {', '.join(map(str, parts))}."
            )
        else:
            sizes.append(known.pop() if known else None)
    return tuple(sizes)


@op(moved("xs"), shape=_joined, lists=("xs",))
def concatenate(xs: Sequence[Any], axis: int = 0) -> Any:
    """Return arrays joined along an axis they have.

    Raises:
        ValueError: if other sizes differ.

    >>> ops.concatenate([[1, 2], [3]])
    [1, 2, 3]
    """
    ...


def _stacked(x: Any, axis: int = 0) -> Any:
    parts = [shapes.of(part) for part in x]
    if not parts:
        raise ValueError("stack: expected at least one array; received none.")
    if any(
        len(p) != len(parts[0]) or any(a != b and None not in (a, b) for a, b in zip(p, parts[0], strict=True))
        for p in parts
    ):
        raise ValueError(f"stack: expected arrays of one shape; received shapes {', '.join(map(str, parts))}.")
    first = tuple(next((n for n in column if n is not None), None) for column in zip(*parts, strict=True))
    place = shapes.axis_index(axis, len(first) + 1)
    return (*first[:place], len(parts), *first[place:])


@op(moved("x"), shape=_stacked, lists=("x",))
def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Return arrays of one shape joined along a new axis.

    Raises:
        ValueError: if the shapes differ.

    >>> ops.stack([[1, 2], [3, 4]], axis=1)
    [[1, 3], [2, 4]]
    """
    ...


@op(moved("x1", "x2"))
def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    """Return `x2` joined to the end of `x1` along `axis`, both flattened if None.

    >>> ops.append([1, 2], [[3], [4]])
    [1, 2, 3, 4]
    """
    if axis is None:
        x1, x2, axis = ravel(x1), ravel(x2), 0
    return concatenate([x1, x2], axis)


@op(moved("xs"), lists=("xs",))
def hstack(xs: Sequence[Any]) -> Any:
    """Return arrays joined side by side: along the second axis, the first of one-dimensional arrays.

    >>> ops.hstack([[1, 2], [3]])
    [1, 2, 3]
    """
    parts = [reshape(x, (1,)) if len(x.shape) == 0 else x for x in xs]
    return concatenate(parts, 0 if len(parts[0].shape) == 1 else 1)


@op(moved("xs"), lists=("xs",))
def vstack(xs: Sequence[Any]) -> Any:
    """Return arrays joined one below the other: along the first axis, with one-dimensional arrays as rows.

    >>> ops.vstack([[1, 2], [3, 4]])
    [[1, 2], [3, 4]]
    """
    rows = [reshape(x, (1, 1)) if len(x.shape) == 0 else expand_dims(x, 0) if len(x.shape) == 1 else x for x in xs]
    return concatenate(rows, 0)


@op(moved("xs"), lists=("xs",))
def dstack(xs: Sequence[Any]) -> Any:
    """Return arrays joined along the third axis, which is added if need be.

    >>> ops.dstack([[1, 2], [3, 4]])
    [[[1, 3], [2, 4]]]
    """
    deep = []
    for x in xs:
        x = reshape(x, (1, 1, 1)) if len(x.shape) == 0 else expand_dims(x, (0, 2)) if len(x.shape) == 1 else x
        deep.append(expand_dims(x, 2) if len(x.shape) == 2 else x)
    return concatenate(deep, 2)


def meshgrid(*x: Any, indexing: str = "xy") -> list[Any]:
    """Return the coordinates of a grid as one array for each axis.

    Args:
        *x: coordinates along the axes, one-dimensional.
        indexing: `"xy"` puts the first axis second, as in pictures; `"ij"` keeps the order.

    Raises:
        ValueError: if `indexing` is neither.

    >>> ops.meshgrid([1, 2], [3, 4, 5])
    [[[1, 2], [1, 2], [1, 2]], [[3, 3], [4, 4], [5, 5]]]
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: expected indexing 'xy' or 'ij'; received {indexing!r}.")
    from tahr.ops.core import convert_to_tensor

    return _meshgrid([convert_to_tensor(v) for v in x], indexing) if x else []


def _mesh_shape(xs: Any, indexing: str) -> Any:
    sizes = [shapes.known_size(shapes.of(x)) for x in xs]
    if indexing == "xy" and len(sizes) > 1:
        sizes[:2] = sizes[1::-1]
    from tahr import dtypes

    kinds = [dtypes.of(x) if hasattr(x, "dtype") else dtypes.common([x]) for x in xs]
    return [KerasTensor(tuple(sizes), dtypes.canonical(kind), record_history=False) for kind in kinds]


@op(free, arrays=(), shape=_mesh_shape, native=False)
def _meshgrid(xs: list[Any], indexing: str) -> list[Any]:
    """Return the grid of a list of coordinates."""
    parts = [reshape(x, (-1,)) for x in xs]
    order = list(range(len(parts)))
    if indexing == "xy" and len(parts) > 1:
        order[:2] = [1, 0]
    sizes = [parts[i].shape[0] for i in order]
    places = [order.index(i) for i in range(len(parts))]
    rows = [
        reshape(p, [-1 if j == place else 1 for j in range(len(parts))]) for p, place in zip(parts, places, strict=True)
    ]
    return [broadcast_to(row, tuple(sizes)) for row in rows]


# ---- splitting ----------------------------------------------------------------------------------------------------


def _cut(x: Any, cuts: Sequence[int], axis: int) -> list[Any]:
    """Return the pieces of `x` between the given places along an axis."""
    lead = (slice(None),) * axis
    ends = [*cuts, None]
    return [x[(*lead, slice(start, end), ...)] for start, end in zip([0, *cuts], ends, strict=True)]


def _unknown_pieces(x: Any, count: int, axis: int) -> list[Any]:
    made = (*shapes.of(x)[:axis], None, *shapes.of(x)[axis + 1 :])
    return [KerasTensor(made, x.dtype, record_history=False) for _ in range(count)]


def _promised_pieces(x: Any, cuts: list[int], axis: int) -> list[Any]:
    """Return symbols for pieces of an axis of unknown size, which is taken to reach the last cut."""
    sizes = [end - start for start, end in zip([0, *cuts], cuts, strict=False)]
    made = [(*shapes.of(x)[:axis], size, *shapes.of(x)[axis + 1 :]) for size in [*sizes, None]]
    return [KerasTensor(shape, x.dtype, record_history=False) for shape in made]


def _sections(x: Any, indices_or_sections: Any, axis: int, even: bool) -> list[Any]:
    place = shapes.axis_index(axis, len(x.shape))
    if hasattr(indices_or_sections, "__iter__") or getattr(indices_or_sections, "shape", ()) != ():
        cuts = [int(i) for i in indices_or_sections]
        if x.shape[place] is None and cuts == sorted(cuts) and all(i >= 0 for i in cuts):
            return _promised_pieces(x, cuts, place)
        return _cut(x, cuts, place)
    count, size = int(indices_or_sections), x.shape[place]
    if count < 1:
        raise ValueError(f"split: expected at least one section; received {count}.")
    if size is None:
        return _unknown_pieces(x, count, place)
    if even and size % count:
        raise ValueError(f"split: size {size} of axis {place} is no multiple of {count}; array_split allows that.")
    small, extra = divmod(size, count)
    ends = np.cumsum([small + 1] * extra + [small] * (count - extra)).tolist()
    return _cut(x, ends[:-1], place)


@op(moved("x"), native=False)
def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Return the pieces of `x` along an axis: so many of equal size, or those between the given indices.

    Raises:
        ValueError: if the size is no multiple of the number of pieces.

    >>> ops.split([1, 2, 3, 4], 2), ops.split([1, 2, 3], [1])
    ([[1, 2], [3, 4]], [[1], [2, 3]])
    """
    return _sections(x, indices_or_sections, axis, even=True)


@op(moved("x"), native=False)
def array_split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Return the pieces of `x` along an axis, the first ones larger by one if the size is no multiple of their number.

    >>> ops.array_split([1, 2, 3], 2)
    [[1, 2], [3]]
    """
    return _sections(x, indices_or_sections, axis, even=False)


def _split_deep(name: str, x: Any, indices_or_sections: Any, axis: int, rank: int) -> list[Any]:
    if len(x.shape) < rank:
        raise ValueError(f"{name}: expected an array of at least {rank} dimensions; received shape {shapes.of(x)}.")
    return split(x, indices_or_sections, axis)


@op(moved("x"), native=False)
def hsplit(x: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Return the pieces of `x` along its second axis, the first if it has one only; see `split`.

    >>> ops.hsplit([[1, 2], [3, 4]], 2)
    [[[1], [3]], [[2], [4]]]
    """
    return _split_deep("hsplit", x, indices_or_sections, 1 if len(x.shape) > 1 else 0, 1)


@op(moved("x"), native=False)
def vsplit(x: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Return the pieces of `x` along its first axis; see `split`.

    >>> ops.vsplit([[1, 2], [3, 4]], 2)
    [[[1, 2]], [[3, 4]]]
    """
    return _split_deep("vsplit", x, indices_or_sections, 0, 2)


@op(moved("x"), native=False)
def dsplit(x: Any, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Return the pieces of `x` along its third axis; see `split`.

    >>> ops.dsplit([[[1, 2]]], 2)
    [[[[1]]], [[[2]]]]
    """
    return _split_deep("dsplit", x, indices_or_sections, 2, 3)


@op(moved("x"), native=False)
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """Return the parts of `x` along an axis, which they have no more.

    Args:
        x: array.
        num: how many parts, needed only where the size is unknown.
        axis: axis to take apart.

    Raises:
        ValueError: if the number is unknown, or is not `num`.

    >>> ops.unstack([[1, 2], [3, 4]])
    [[1, 2], [3, 4]]
    """
    place = shapes.axis_index(axis, len(x.shape))
    size: Any = x.shape[place]
    if size is None and num is None:
        raise ValueError(f"unstack: the size of axis {axis} of {x!r} is unknown. Give `num`.")
    if None not in (size, num) and size != num:
        raise ValueError(f"unstack: expected num={size}, the size of axis {axis}; received num={num}.")
    return [x[(*(slice(None),) * place, i, ...)] for i in range(size or num or 0)]


# ---- padding ------------------------------------------------------------------------------------------------------

PAD_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def pad_pairs(pad_width: Any, rank: int) -> list[tuple[int, int]]:
    """Return `pad_width` (one number, one pair, or a pair an axis) as a pair of ints for each axis.

    Raises:
        ValueError: if it does not fit `rank` axes, or a number is negative.
    """
    rows = pad_width.tolist() if hasattr(pad_width, "tolist") else pad_width
    rows = [rows] if not isinstance(rows, (list, tuple)) else list(rows)
    if all(hasattr(n, "__index__") for n in rows) and len(rows) in (1, 2):
        rows = [(rows[0], rows[-1])] * rank
    pairs: list[Any] = [tuple(row) if isinstance(row, (list, tuple)) else () for row in rows]
    pairs = [(pair[0], pair[-1]) if len(pair) in (1, 2) else () for pair in pairs]
    pairs = pairs * rank if len(pairs) == 1 else pairs
    if len(pairs) != rank or not all(pair and all(hasattr(n, "__index__") for n in pair) for pair in pairs):
        raise ValueError(
            f"pad_width: expected a whole number, a pair, or a pair for each of {rank} axes; received {pad_width!r}."
        )
    found = [(int(a), int(b)) for a, b in pairs]
    if any(n < 0 for pair in found for n in pair):
        raise ValueError(f"pad_width: expected numbers >= 0; received {pad_width!r}.")
    return found


def _mirrored(place: int, size: int, mode: str) -> int:
    """Return which element stands at a place outside of an axis."""
    if mode == "edge":
        return min(max(place, 0), size - 1)
    if mode == "wrap":
        return place % size
    if mode == "symmetric":
        place %= 2 * size
        return place if place < size else 2 * size - 1 - place
    period = max(2 * (size - 1), 1)
    place %= period
    return place if place < size else period - place


def _padded(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    given = shapes.of(x)
    pairs = pad_pairs(pad_width, len(given))
    if mode not in PAD_MODES:
        raise ValueError(f"pad: expected mode to be one of {', '.join(PAD_MODES)}; received {mode!r}.")
    if constant_values is not None and mode != "constant":
        raise ValueError(f"pad: constant_values go with mode='constant' only; received mode={mode!r}.")
    return tuple(None if n is None else n + a + b for n, (a, b) in zip(given, pairs, strict=True))


@op(moved("x"), shape=_padded, native=False)
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """Return `x` with elements added at both ends of its axes.

    Args:
        x: array.
        pad_width: how many: one number for all ends, a pair (before, after) for all axes, or a pair for each axis.
        mode: `"constant"` adds `constant_values` (0 if None), `"edge"` the outermost element, `"reflect"` and
            `"symmetric"` what a mirror at the outermost element, or behind it, shows, `"wrap"` the other end.
        constant_values: a number.

    Raises:
        ValueError: if an argument does not fit.

    >>> ops.pad([1, 2, 3], (1, 2), mode="reflect"), ops.pad([1, 2], 1)
    ([2, 1, 2, 3, 2, 1], [0, 1, 2, 0])
    """
    from tahr.ops.indexing import take

    _padded(x, pad_width, mode, constant_values)
    pairs = pad_pairs(pad_width, len(x.shape))
    if mode == "constant":
        return _pad_constant(x, pairs, 0 if constant_values is None else constant_values)
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            size = x.shape[axis]
            if size == 0:
                raise ValueError(
                    f"pad: an empty axis has no elements for mode={mode!r}; received shape {shapes.of(x)}."
                )
            x = take(x, [_mirrored(place, size, mode) for place in range(-before, size + after)], axis)
    return x


def _padded_constant(x: Any, pad_width: Any, value: Any) -> Any:
    return _padded(x, pad_width)


@op(moved("x"), shape=_padded_constant, native=False)
def _pad_constant(x: Any, pad_width: Any, value: Any) -> Any:
    """Return `x` with `value` added at both ends of its axes."""
    ...
