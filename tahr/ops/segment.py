"""Sums, products and extrema of the parts of an array that carry the same number."""

from typing import Any

from tahr import dtypes, shapes
from tahr.dtypes import moved
from tahr.ops.core import convert_to_tensor
from tahr.ops.creation import full
from tahr.ops.declare import op
from tahr.ops.indexing import scatter_update
from tahr.ops.reduction import max
from tahr.ops.shaping import expand_dims


def _segments(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    given, ids = shapes.of(data), shapes.of(segment_ids)
    if len(ids) != 1 or not given or None not in (ids[0], given[0]) and ids[0] != given[0]:
        raise ValueError(
            f"Expected one segment id for each part of the data along its first axis; received ids of shape {ids} "
            f"for data of shape {given}."
        )
    if num_segments is not None and num_segments < 0:
        raise ValueError(f"Expected num_segments >= 0; received {num_segments}.")
    return (num_segments, *given[1:])


def _combine(data: Any, segment_ids: Any, num_segments: int | None, reduction: str, start: float) -> Any:
    _segments(data, segment_ids, num_segments)
    if num_segments is None:
        num_segments = int(convert_to_tensor(max(segment_ids, initial=-1))) + 1
    empty = full((num_segments + 1, *data.shape[1:]), start, dtypes.of(data))
    # ids out of range go to a row of their own, which is dropped
    from tahr.ops.comparison import greater_equal, less, logical_and, where

    inside = logical_and(greater_equal(segment_ids, 0), less(segment_ids, num_segments))
    places = where(inside, segment_ids, num_segments)
    return scatter_update(empty, expand_dims(places, 1), data, reduction)[:num_segments]


def _ends(dtype: str) -> tuple[float, float]:
    """Return the smallest and the largest number of a type, infinities where it has them."""
    if dtypes.is_float(dtype):
        return -float("inf"), float("inf")
    return (False, True) if dtype == "bool" else dtypes.limits(dtype)


@op(moved("data"), arrays=("segment_ids",), shape=_segments, native=False, integers=("segment_ids",))
def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """Return the sums of the parts of `data` along the first axis that have the same id.

    Args:
        data: array.
        segment_ids: id of each part, whole numbers from 0 on; parts with other ids count nowhere.
        num_segments: number of ids; None takes the largest id plus one.
        sorted: whether the ids are known to rise.

    Raises:
        ValueError: if there is not one id for each part.

    >>> ops.segment_sum([1, 2, 3], [0, 0, 1])
    [3, 3]
    """
    return _combine(data, segment_ids, num_segments, "add", 0)


@op(moved("data"), arrays=("segment_ids",), shape=_segments, native=False, integers=("segment_ids",))
def segment_prod(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """Return the products of the parts of `data` that have the same id; see `segment_sum`.

    >>> ops.segment_prod([2, 3, 4], [0, 0, 1])
    [6, 4]
    """
    return _combine(data, segment_ids, num_segments, "mul", 1)


@op(moved("data"), arrays=("segment_ids",), shape=_segments, native=False, integers=("segment_ids",))
def segment_max(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """Return the largest elements of the parts of `data` that have the same id; see `segment_sum`.

    An id without parts gives the lowest number of the type.

    >>> ops.segment_max([2, 3, 4], [0, 0, 1])
    [3, 4]
    """
    return _combine(data, segment_ids, num_segments, "max", _ends(dtypes.of(data))[0])


@op(moved("data"), arrays=("segment_ids",), shape=_segments, native=False, integers=("segment_ids",))
def segment_min(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """Return the smallest elements of the parts of `data` that have the same id; see `segment_sum`.

    An id without parts gives the highest number of the type.

    >>> ops.segment_min([2, 3, 4], [0, 0, 1])
    [2, 4]
    """
    return _combine(data, segment_ids, num_segments, "min", _ends(dtypes.of(data))[1])
