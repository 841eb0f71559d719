"""Reading, writing, sorting and searching elements by index."""

from typing import Any

from tahr import dtypes, shapes
from tahr.dtypes import boolean, free, index, moved
from tahr.ops.comparison import greater, isfinite, less, less_equal, logical_and, where
from tahr.ops.declare import op
from tahr.ops.elementwise import floor_divide, mod
from tahr.ops.reduction import sum
from tahr.ops.shaping import expand_dims, reshape
from tahr.symbolic import KerasTensor, any_symbolic


def _spec(shape: Any, dtype: str) -> KerasTensor:
    return KerasTensor(tuple(shape), dtypes.canonical(dtype), record_history=False)


# ---- reading ------------------------------------------------------------------------------------------------------


def _slice_size(key: slice, size: int | None) -> int | None:
    """Return how many elements a slice takes from an axis."""
    if any_symbolic((key.start, key.stop, key.step)):
        return None
    parts = [None if part is None else int(part) for part in (key.start, key.stop, key.step)]
    if parts[2] == 0:
        raise ValueError("get_item: expected a slice with a step other than 0.")
    if size is not None:
        return len(range(*slice(*parts).indices(size)))
    if parts == [None, None, None] or None in (parts[0], parts[1]) or min(parts[0], parts[1]) < 0:  # type: ignore[type-var]
        return None
    return 0 if parts[0] >= parts[1] else None  # type: ignore[operator]


def _index_shape(part: Any) -> Any:
    """Return the shape of an index that is an array (True and lists count), or None for another kind of index."""
    if isinstance(part, (list, tuple)) or (
        hasattr(part, "shape") and (part.shape != () or not hasattr(part, "__index__"))
    ):
        return shapes.of(part)
    return () if hasattr(part, "shape") else None


def _expand_key(key: Any, rank: int) -> list[Any]:
    """Return one index for each axis (and None for new ones), with `...` written out."""
    parts = list(key) if isinstance(key, tuple) else [key]
    used = 0
    for part in parts:
        mask = hasattr(part, "dtype") and dtypes.of(part) == "bool"
        used += 0 if part is None or part is Ellipsis else len(part.shape) if mask else 1
    if used > rank:
        raise IndexError(f"get_item: {used} indices are too many for an array of {rank} dimensions.")
    holes = [i for i, part in enumerate(parts) if part is Ellipsis]
    if len(holes) > 1:
        raise IndexError("get_item: an index can have only one `...`.")
    place = holes[0] if holes else len(parts)
    return [*parts[:place], *[slice(None)] * (rank - used), *parts[place + 1 :]]


def _item_shape(x: Any, key: Any) -> Any:
    given = shapes.of(x)
    sizes: list[Any] = []
    arrays: list[Any] = []
    places: list[int] = []
    axis, gap = 0, False
    for position, part in enumerate(_expand_key(key, len(given))):
        if part is None:
            sizes.append(1)
        elif isinstance(part, slice):
            sizes.append(_slice_size(part, given[axis]))
            axis += 1
        else:
            shape, width = _index_shape(part), 1
            if shape is None:
                if not hasattr(part, "__index__"):
                    raise TypeError(
                        f"get_item: expected whole numbers, slices, None, `...` or arrays; received {part!r}."
                    )
                size = given[axis]
                if size is not None and not -size <= part.__index__() < size:
                    raise IndexError(f"get_item: index {part} is out of bounds for axis {axis} of size {size}.")
                shape = ()
            elif hasattr(part, "dtype") and dtypes.of(part) == "bool":
                width, shape = len(shape), (None,)
            gap = gap or bool(places and places[-1] != position - 1)
            places.append(position)
            arrays.append(shape)
            axis += width
    if not arrays:
        return tuple(sizes)
    at = 0 if gap else _before(places[0], key, len(given))
    return (*sizes[:at], *shapes.broadcast(*arrays), *sizes[at:])


def _before(place: int, key: Any, rank: int) -> int:
    """Return how many axes of the result come before the index at `place`."""
    return len([part for part in _expand_key(key, rank)[:place] if part is None or isinstance(part, slice)])


@op(moved("x"), shape=_item_shape, native=False)
def get_item(x: Any, key: Any) -> Any:
    """Return `x[key]`: elements by numbers, slices, None (a new axis), `...`, and arrays of indices or truth values.

    Raises:
        IndexError: if there are too many indices, or one is out of bounds.

    >>> ops.get_item([[1, 2], [3, 4]], (slice(None), 0))
    [1, 3]
    """
    ...


def _taken(x: Any, indices: Any, axis: int | None = None) -> Any:
    given = shapes.of(x)
    if axis is None:
        return shapes.of(indices)
    place = shapes.axis_index(axis, len(given))
    return (*given[:place], *shapes.of(indices), *given[place + 1 :])


@op(moved("x"), arrays=("indices",), shape=_taken, native=False, integers=("indices",))
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Return the elements of `x` at `indices` along `axis` (of the flattened array if None); -1 is the last.

    >>> ops.take([10, 20, 30], [2, 0])
    [30, 10]
    """
    ...


def _taken_along(x: Any, indices: Any, axis: int | None = None) -> Any:
    given, wanted = shapes.of(x), shapes.of(indices)
    if axis is None:
        if len(wanted) != 1:
            raise ValueError(
                f"take_along_axis: without an axis, expected indices of one dimension; received shape {wanted}."
            )
        return wanted
    place = shapes.axis_index(axis, len(given))
    if len(given) != len(wanted):
        raise ValueError(f"take_along_axis: expected indices of {len(given)} dimensions; received shape {wanted}.")
    others = shapes.broadcast((*given[:place], 1, *given[place + 1 :]), (*wanted[:place], 1, *wanted[place + 1 :]))
    return (*others[:place], wanted[place], *others[place + 1 :])


@op(moved("x"), arrays=("indices",), shape=_taken_along, native=False, integers=("indices",))
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Return elements of `x` by indices along `axis` that may differ from place to place; the flattened array if None.

    >>> ops.take_along_axis([[10, 20], [30, 40]], [[1], [0]], axis=1)
    [[20], [30]]
    """
    ...


def _sliced(inputs: Any, start_indices: Any, shape: Any) -> Any:
    given, wanted = shapes.of(inputs), tuple(int(n) for n in shape)
    count = shapes.of(start_indices)[0]
    if len(wanted) != len(given) or count not in (None, len(given)):
        raise ValueError(
            f"slice: expected a start and a size for each of {len(given)} axes; received {start_indices} and {shape}."
        )
    if any(n is not None and not 0 <= m <= n for n, m in zip(given, wanted, strict=True)):
        raise ValueError(f"slice: a slice of shape {wanted} does not fit in an array of shape {given}.")
    return wanted


@op(moved("inputs"), shape=_sliced, native=False)
def slice_(inputs: Any, start_indices: Any, shape: Any) -> Any:
    """Return the part of `inputs` that begins at `start_indices` and has `shape`; starts may be computed numbers.

    >>> ops.slice([[1, 2, 3], [4, 5, 6]], (0, 1), (2, 2))
    [[2, 3], [5, 6]]
    """
    ...


# ---- writing ------------------------------------------------------------------------------------------------------


def _slice_updated(inputs: Any, start_indices: Any, updates: Any) -> Any:
    given, part = shapes.of(inputs), shapes.of(updates)
    if len(given) != len(part) or any(None not in (n, m) and m > n for n, m in zip(given, part, strict=True)):  # type: ignore[operator]
        raise ValueError(f"slice_update: updates of shape {part} do not fit in an array of shape {given}.")
    return given


@op(moved("inputs", "updates"), shape=_slice_updated, native=False)
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """Return `inputs` with the part that begins at `start_indices` replaced by `updates`.

    >>> ops.slice_update([1, 2, 3, 4], (1,), [8, 9])
    [1, 8, 9, 4]
    """
    ...


REDUCTIONS = (None, "add", "max", "min", "mul")


def _scatter_updated(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    given, places, parts = shapes.of(inputs), shapes.of(indices), shapes.of(updates)
    if reduction not in REDUCTIONS:
        raise ValueError(f"scatter_update: expected reduction to be one of {REDUCTIONS}; received {reduction!r}.")
    depth = places[-1] if places else None
    if depth is not None and depth > len(given):
        raise ValueError(f"scatter_update: indices of {depth} numbers are too long for an array of shape {given}.")
    if depth is not None:
        shapes.broadcast((*places[:-1], *given[depth:]), parts)
    return given


@op(moved("inputs", "updates"), arrays=("indices",), shape=_scatter_updated, native=False, integers=("indices",))
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """Return `inputs` with `updates` written at `indices`.

    Args:
        inputs: array to start from.
        indices: whole numbers of shape (..., depth): each row names an element, or a part if it is short.
        updates: values of shape (..., *rest of the shape of `inputs`).
        reduction: None replaces; `"add"`, `"max"`, `"min"` and `"mul"` combine with what is there.

    >>> ops.scatter_update([1, 2, 3], [[0], [2]], [8, 9])
    [8, 2, 9]
    """
    ...


def _scattered(indices: Any, values: Any, shape: Any) -> Any:
    return tuple(int(n) for n in shape)


@op(moved("values"), arrays=("indices",), shape=_scattered, native=False, integers=("indices",))
def scatter(indices: Any, values: Any, shape: Any) -> Any:
    """Return zeros of `shape` with `values` added at `indices`, whose rows name elements or parts.

    >>> ops.scatter([[0], [2]], [8, 9], (4,))
    [8, 0, 9, 0]
    """
    from tahr.ops.creation import zeros

    return scatter_update(zeros(shape, dtypes.of(values)), indices, values, "add")


# ---- sorting and searching ----------------------------------------------------------------------------------------


def _sorted_shape(x: Any, axis: int | None = -1) -> Any:
    given = shapes.of(x)
    if axis is None:
        return (shapes.known_size(given),)
    shapes.axis_index(axis, len(given))
    return given


@op(moved("x"), shape=_sorted_shape)
def sort(x: Any, axis: int | None = -1) -> Any:
    """Return `x` with elements in rising order along `axis` (of the flattened array if None), NaNs last.

    >>> ops.sort([3, 1, 2])
    [1, 2, 3]
    """
    ...


@op(index("x"), shape=_sorted_shape, native=False)
def argsort(x: Any, axis: int | None = -1) -> Any:
    """Return the indices that sort `x` along `axis` (the flattened array if None); equals keep their order.

    >>> ops.argsort([3, 1, 2])
    [1, 2, 0]
    """
    ...


def _partitioned(x: Any, kth: int, axis: int | None = -1) -> Any:
    given = _sorted_shape(x, axis)
    shapes.axis_index(kth, given[axis or 0] or abs(kth) + 1, "kth")
    return given


@op(index("x"), shape=_partitioned, native=False)
def argpartition(x: Any, kth: int, axis: int | None = -1) -> Any:
    """Return indices that put the element of rank `kth` in its place, smaller ones before and larger ones after it.

    >>> ops.argpartition([3, 1, 2], 0)[0]
    1
    """
    _partitioned(x, kth, axis)
    return argsort(x, axis)  # a sorted array is partitioned at every place


def _top(x: Any, k: int, sorted: bool = True) -> Any:
    given = shapes.of(x)
    if not given:
        raise ValueError("top_k: expected an array of at least one dimension; received a scalar.")
    if not hasattr(k, "__index__") or k < 0 or (given[-1] is not None and k > given[-1]):
        raise ValueError(f"top_k: expected 0 <= k <= {given[-1]}, the size of the last axis; received {k!r}.")
    shape = (*given[:-1], int(k))
    return _spec(shape, dtypes.of(x)), _spec(shape, "int32")


@op(moved("x"), shape=_top, native=False)
def top_k(x: Any, k: int, sorted: bool = True) -> Any:
    """Return the `k` largest elements along the last axis and their indices.

    Args:
        x: array.
        k: how many.
        sorted: whether they have to come in falling order.

    Raises:
        ValueError: if the last axis has fewer elements.

    >>> ops.top_k([1, 5, 3], 2)
    ([5, 3], [1, 2])
    """
    ...


def _top_shape(targets: Any, predictions: Any, k: int) -> Any:
    given = shapes.of(predictions)
    rows = shapes.of(targets)
    if len(given) != 2 or len(rows) != 1 or (None not in (given[0], rows[0]) and given[0] != rows[0]):
        raise ValueError(
            f"in_top_k: expected predictions (batch, classes) and targets (batch,); received shapes {given} "
            f"and {shapes.of(targets)}."
        )
    return shapes.of(targets)


@op(boolean("predictions"), arrays=("targets",), shape=_top_shape, native=False, integers=("targets",))
def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Return for each row whether its target is among the `k` highest predictions; never where that is not finite.

    Args:
        targets: class indices, shape (batch,).
        predictions: scores, shape (batch, classes).
        k: how many count.

    >>> ops.in_top_k([1, 0], [[0.1, 0.9], [0.2, 0.8]], k=1)
    [True, False]
    """
    _top_shape(targets, predictions, k)
    valid = logical_and(less_equal(0, targets), greater(predictions.shape[-1], targets))
    score = take_along_axis(predictions, expand_dims(where(valid, targets, 0), 1), 1)
    better = sum(greater(predictions, score), axis=1)
    return logical_and(logical_and(greater(k, better), isfinite(reshape(score, (-1,)))), valid)


def _searched(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: expected side 'left' or 'right'; received {side!r}.")
    if len(shapes.of(sorted_sequence)) != 1:
        raise ValueError(
            f"searchsorted: expected a sequence of one dimension; received shape {shapes.of(sorted_sequence)}."
        )
    return shapes.of(values)


@op(index, shape=_searched)
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    """Return where `values` would have to be put into `sorted_sequence` to keep it in order.

    Args:
        sorted_sequence: numbers in rising order, one dimension.
        values: numbers.
        side: whether to the `"left"` or `"right"` of equal numbers.

    >>> ops.searchsorted([1, 3, 5], [3, 4]), ops.searchsorted([1, 3], [3], side="right")
    ([1, 2], [2])
    """
    ...


def _digitized(x: Any, bins: Any) -> Any:
    if len(shapes.of(bins)) != 1:
        raise ValueError(f"digitize: expected bins of one dimension; received shape {shapes.of(bins)}.")
    return shapes.of(x)


@op(index, shape=_digitized, native=False)
def digitize(x: Any, bins: Any) -> Any:
    """Return for each element how many of the rising `bins` are not above it: the number of its bin.

    >>> ops.digitize([0.5, 1.0, 2.5], [1.0, 2.0])
    [0, 1, 2]
    """
    return searchsorted(bins, x, side="right")


def _nonzero_shape(x: Any) -> Any:
    return tuple(_spec((None,), "int32") for _ in range(max(1, len(shapes.of(x)))))


@op(free, shape=_nonzero_shape, native=False)
def nonzero(x: Any) -> Any:
    """Return the indices of the elements that are not zero, one array an axis.

    >>> ops.nonzero([0, 3, 4])
    ([1, 2],)
    """
    ...


def _unique_shape(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    given, kind = shapes.of(x), dtypes.of(x)
    if axis is None:
        values, inverse = (size,), given
    else:
        place = shapes.axis_index(axis, len(given))
        values, inverse = (*given[:place], size, *given[place + 1 :]), (given[place],)
    wanted = (
        (True, values, kind),
        (return_index, (size,), "int32"),
        (return_inverse, inverse, "int32"),
        (return_counts, (size,), "int32"),
    )
    found = [_spec(shape, dtype) for asked, shape, dtype in wanted if asked]
    return tuple(found) if len(found) > 1 else found[0]


@op(moved("x"), shape=_unique_shape, native=False)
def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """Return the different elements of `x`, or its different parts along `axis`, in rising order.

    Args:
        x: array.
        sorted: kept for NumPy's sake; the result is always sorted.
        return_index: whether to return where each first occurs.
        return_inverse: whether to return which of them each element of `x` is.
        return_counts: whether to return how often each occurs.
        axis: axis whose parts are compared; None compares the elements.
        size: how many to return, cut or filled up, which makes the shape of the result known.
        fill_value: what to fill up with; None takes the smallest element.

    >>> ops.unique([3, 1, 3]), ops.unique([3, 1, 3], return_counts=True)
    ([1, 3], ([1, 3], [1, 2]))
    """
    ...


@op(free, arrays=("indices",), native=False, integers=("indices",))
def unravel_index(indices: Any, shape: Any) -> Any:
    """Return the places in an array of `shape` of indices into its flattened form, one array an axis.

    >>> ops.unravel_index([4, 5], (2, 3))
    ([1, 1], [1, 2])
    """
    sizes = tuple(int(n) for n in shape)
    places: list[Any] = []
    total = 1
    for size in sizes:
        total *= size
    rest = where(less(indices, 0), indices + total, indices)
    for size in reversed(sizes):
        places.append(mod(rest, size))
        rest = floor_divide(rest, size)
    return tuple(reversed(places))
