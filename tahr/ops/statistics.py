"""Quantiles, counts, correlations and integrals."""

from typing import Any

import numpy as np

from tahr import backends, dtypes, shapes
from tahr.dtypes import floating, free, same
from tahr.ops.comparison import equal, greater_equal, isnan, logical_and, logical_not, not_equal, where
from tahr.ops.core import cast, convert_to_tensor
from tahr.ops.creation import arange, linspace, ones, ones_like
from tahr.ops.declare import op
from tahr.ops.elementwise import ceil, clip, conjugate, floor, maximum, round, sqrt
from tahr.ops.indexing import get_item, searchsorted, sort, take_along_axis
from tahr.ops.products import matmul
from tahr.ops.reduction import Axis, any, max, mean, min, sum
from tahr.ops.shaping import expand_dims, flip, moveaxis, reshape, stack, transpose
from tahr.symbolic import KerasTensor

METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile_shape(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    if method not in METHODS:
        raise ValueError(f"quantile: expected method to be one of {', '.join(METHODS)}; received {method!r}.")
    if len(shapes.of(q)) > 1:
        raise ValueError(f"quantile: expected one quantile or a list of them; received shape {shapes.of(q)}.")
    return (*shapes.of(q), *shapes.reduction(x, axis, keepdims))


def _last_axis(x: Any, axis: Axis) -> Any:
    """Return `x` with the given axes moved to the end and made one."""
    axes = shapes.axes_indices(axis, len(x.shape))
    if not len(x.shape):
        return reshape(x, (1,))
    kept = [i for i in range(len(x.shape)) if i not in axes]
    return reshape(transpose(x, [*kept, *axes]), (*(x.shape[i] for i in kept), -1))


def _between(ordered: Any, place: Any, method: str) -> Any:
    """Return elements of the last axis at places that may lie between two; `place` has that axis with size 1."""
    if method == "nearest":
        place = round(place)
    low, high = floor(place), ceil(place)
    lower = take_along_axis(ordered, cast(low, "int32"), -1)
    upper = take_along_axis(ordered, cast(high, "int32"), -1)
    if method == "lower":
        return lower
    if method == "higher":
        return upper
    share = (place - low) * 0 + 0.5 if method == "midpoint" else place - low
    # equal neighbours are taken as they are: inf - inf would be NaN
    mixed = lower + (where(equal(lower, upper), 0, upper) - where(equal(lower, upper), 0, lower)) * share
    return where(equal(low, high), lower, mixed)


def _quantiles(x: Any, q: Any, axis: Axis, method: str, keepdims: bool, skip_nan: bool) -> Any:
    _quantile_shape(x, q, axis, method, keepdims)
    kept = shapes.reduction(x, axis, keepdims)
    flat = _last_axis(x, axis)
    missing = isnan(flat)
    precise = "float64" if dtypes.of(x) == "float64" else "float32"  # float16 cannot count far enough
    ordered = cast(sort(flat, -1), precise)  # NaNs come last
    count = sum(cast(logical_not(missing), precise), -1, True) if skip_nan else float(flat.shape[-1])
    bad = equal(count, 0) if skip_nan else any(missing, -1, True)
    results = []
    for one in [q] if len(q.shape) == 0 else [q[i] for i in range(q.shape[0])]:
        share = clip(cast(one, precise), 0, 1)
        place = maximum(share * (count - 1), 0) + 0 * cast(ordered[..., :1] * 0 == 1, precise)
        found = cast(_between(ordered, place, method), dtypes.of(x))
        results.append(reshape(where(bad, float("nan"), found), [-1 if n is None else n for n in kept]))
    return results[0] if len(q.shape) == 0 else stack(results)


@op(floating("x"), arrays=("q",), shape=_quantile_shape, native=False)
def quantile(x: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Any:
    """Return what the share `q` of the elements over `axis` (all if None) is not above.

    Args:
        x: array.
        q: share from 0 to 1, or several, which make the first axis of the result.
        axis: axis or axes.
        method: what to return between two elements: `"linear"`, `"lower"`, `"higher"`, `"midpoint"` or `"nearest"`.
        keepdims: whether axes stay with size 1.

    Raises:
        ValueError: if the method is none of these.

    >>> ops.quantile([1.0, 2.0, 4.0], 0.75)
    3.0
    """
    return _quantiles(x, q, axis, method, keepdims, skip_nan=False)


@op(floating("x"), arrays=("q",), shape=_quantile_shape, native=False)
def nanquantile(x: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Any:
    """Return quantiles of the elements that are not NaN; see `quantile`.

    >>> ops.nanquantile([1.0, float("nan"), 3.0], 0.5)
    2.0
    """
    return _quantiles(x, q, axis, method, keepdims, skip_nan=True)


@op(floating("x"), arrays=("q",), shape=_quantile_shape, native=False)
def percentile(x: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Any:
    """Return what `q` per cent of the elements over `axis` (all if None) are not above; see `quantile`.

    >>> ops.percentile([1.0, 2.0, 4.0], 75)
    3.0
    """
    return quantile(x, q / 100, axis, method, keepdims)


@op(floating("x"), arrays=("q",), shape=_quantile_shape, native=False)
def nanpercentile(x: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Any:
    """Return percentiles of the elements that are not NaN; see `percentile`.

    >>> ops.nanpercentile([1.0, float("nan"), 3.0], 50)
    2.0
    """
    return nanquantile(x, q / 100, axis, method, keepdims)


@op(floating("x"), native=False)
def median(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the middle element over `axis` (all if None), the mean of the middle two if their number is even.

    >>> ops.median([1.0, 2.0, 4.0, 9.0])
    3.0
    """
    return quantile(x, 0.5, axis, "linear", keepdims)


@op(floating("x"), native=False)
def nanmedian(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the median of the elements that are not NaN; NaN if all are.

    >>> ops.nanmedian([1.0, float("nan"), 3.0])
    2.0
    """
    return nanquantile(x, 0.5, axis, "linear", keepdims)


# ---- counting -----------------------------------------------------------------------------------------------------


def _bincount_spec(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    given = shapes.of(x)
    if len(given) not in (1, 2):
        raise ValueError(f"bincount: expected an array of one or two dimensions; received shape {given}.")
    kind = "int32" if weights is None else dtypes.canonical(dtypes.of(weights))
    return KerasTensor((*given[:-1], None), kind, sparse=sparse, record_history=False)


@op(free, arrays=("x", "weights"), shape=_bincount_spec, native=False)
def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    """Return how often each number from 0 on occurs in `x`, along the last axis.

    Args:
        x: whole numbers >= 0, one or two dimensions.
        weights: what each occurrence counts, of the shape of `x`; 1 if None.
        minlength: length that the result has at least.
        sparse: whether to return a sparse array, on backends that have them.

    Raises:
        ValueError: if `x` has more dimensions.

    >>> ops.bincount([1, 1, 3])
    [0, 2, 0, 1]
    """
    _bincount_spec(x, weights)
    longest = int(convert_to_tensor(max(x, initial=-1))) + 1
    length = longest if longest > minlength else minlength
    kind = "int32" if weights is None else dtypes.of(weights)
    if sparse:
        values = ones(x.shape, kind) if weights is None else weights
        rows = expand_dims(arange(x.shape[0]), 1) * ones_like(x) if len(x.shape) > 1 else None
        places = stack([cast(reshape(i, (-1,)), "int32") for i in (rows, x) if i is not None], 1)
        return backends.current().sparse(reshape(values, (-1,)), places, (*x.shape[:-1], length))
    hits = cast(equal(expand_dims(x, -1), arange(length)), kind)
    return cast(sum(hits if weights is None else hits * expand_dims(weights, -1), -2), kind)


def _histogram_spec(x: Any, bins: int = 10, range: Any = None) -> Any:
    if not hasattr(bins, "__index__") or bins < 1:
        raise ValueError(f"histogram: expected bins to be a whole number >= 1; received {bins!r}.")
    if range is not None and (len(range) != 2 or range[0] > range[1]):
        raise ValueError(f"histogram: expected range to be a pair (low, high); received {range!r}.")
    kind = dtypes.of(x) if dtypes.is_inexact(dtypes.of(x)) else "float32"
    return KerasTensor((bins,), kind, record_history=False), KerasTensor((bins + 1,), kind, record_history=False)


@op(floating("x"), shape=_histogram_spec, native=False)
def histogram(x: Any, bins: int = 10, range: tuple[float, float] | None = None) -> Any:
    """Return how many elements fall into each of `bins` intervals of equal width, and the ends of these.

    Args:
        x: array.
        bins: number of intervals.
        range: lowest and highest end; None takes the smallest and largest element.

    Raises:
        ValueError: if `bins` or `range` is none.

    >>> ops.histogram([1.0, 2.0, 2.5, 4.0], bins=3)
    ([1.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0])
    """
    _histogram_spec(x, bins, range)
    flat = reshape(x, (-1,))
    low, high = (min(flat), max(flat)) if range is None else (convert_to_tensor(float(v)) for v in range)
    level = equal(low, high)
    low, high = where(level, low - 0.5, low), where(level, high + 0.5, high)
    edges = cast(linspace(low, high, bins + 1), dtypes.of(x))
    places = clip(searchsorted(edges, flat, side="right") - 1, 0, bins - 1)
    inside = logical_and(greater_equal(flat, low), greater_equal(high, flat))
    hits = logical_and(equal(expand_dims(places, 0), expand_dims(arange(bins), 1)), expand_dims(inside, 0))
    return sum(cast(hits, dtypes.of(x)), -1), edges


# ---- sequences ----------------------------------------------------------------------------------------------------


@op(same("a"))
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """Return the differences of neighbours along `axis`, taken `n` times; of truth values, whether they differ.

    Raises:
        ValueError: if `n` is negative.

    >>> ops.diff([1, 4, 9])
    [3, 5]
    """
    if n < 0:
        raise ValueError(f"diff: expected n >= 0; received {n}.")
    place = shapes.axis_index(axis, len(a.shape))
    lead = (slice(None),) * place
    for _ in range(n):
        after, before = a[(*lead, slice(1, None))], a[(*lead, slice(None, -1))]
        a = not_equal(after, before) if dtypes.of(a) == "bool" else after - before
    return a


@op(floating("y", "x"))
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """Return the integral of `y` along `axis` by the trapezoidal rule, over places `x` or steps of `dx`.

    >>> ops.trapezoid([1.0, 2.0, 3.0])
    4.0
    """
    place = shapes.axis_index(axis, len(y.shape))
    y = moveaxis(y, place, -1)
    if x is None:
        width: Any = dx
    else:
        x = moveaxis(x, place, -1) if len(x.shape) > 1 else x
        width = x[..., 1:] - x[..., :-1]
    return sum((y[..., 1:] + y[..., :-1]) * width / 2, -1)


def _correlate_shape(x1: Any, x2: Any, mode: str = "valid") -> Any:
    if mode not in ("valid", "same", "full"):
        raise ValueError(f"correlate: expected mode 'valid', 'same' or 'full'; received {mode!r}.")
    a, b = shapes.of(x1), shapes.of(x2)
    if len(a) != 1 or len(b) != 1:
        raise ValueError(f"correlate: expected arrays of one dimension; received shapes {a} and {b}.")
    if a[0] is None or b[0] is None:
        return (None,)
    long, short = (a[0], b[0]) if a[0] >= b[0] else (b[0], a[0])
    return ({"valid": long - short + 1, "same": long, "full": long + short - 1}[mode],)


@op(floating("x1", "x2"), shape=_correlate_shape, native=False)
def correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    """Return the sums of products of `x1` with `x2` shifted along it (cross-correlation of sequences).

    Args:
        x1: sequence.
        x2: sequence.
        mode: `"valid"` for shifts with full overlap, `"full"` for any overlap, `"same"` for the middle ones of these.

    Raises:
        ValueError: if an argument has not one dimension.

    >>> ops.correlate([1.0, 2.0, 3.0], [0.0, 1.0, 0.5])
    [3.5]
    """
    _correlate_shape(x1, x2, mode)
    if x1.shape[0] < x2.shape[0]:  # shifting the other sequence gives the same sums in the opposite order
        return flip(conjugate(correlate(x2, x1, mode)), 0)
    long, short = x1.shape[0], x2.shape[0]
    from tahr.ops.shaping import pad

    before = {"valid": 0, "same": short // 2, "full": short - 1}[mode]
    after = {"valid": 0, "same": short - 1 - short // 2, "full": short - 1}[mode]
    count = long + before + after - short + 1
    places = np.arange(count, dtype="int32")[:, None] + np.arange(short, dtype="int32")
    return matmul(get_item(pad(x1, (before, after)), convert_to_tensor(places)), conjugate(x2))


@op(floating)
def corrcoef(x: Any) -> Any:
    """Return the correlation coefficients of the rows of `x`, shape (rows, rows); 1 of a single row.

    >>> ops.corrcoef([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    if len(x.shape) > 2:
        raise ValueError(f"corrcoef: expected an array of at most two dimensions; received shape {shapes.of(x)}.")
    rows = x if len(x.shape) == 2 else reshape(x, (1, -1))
    centred = rows - mean(rows, 1, True)
    products = matmul(centred, conjugate(transpose(centred)))
    scale = sqrt(sum(centred * conjugate(centred), 1))
    found = products / (expand_dims(scale, 1) * expand_dims(scale, 0))
    return found if len(x.shape) == 2 else reshape(found, ())
