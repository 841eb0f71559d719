"""Sums, means, extrema and the like over axes, running sums, and the same with NaNs left out."""

from typing import Any

from tahr import dtypes, shapes
from tahr.dtypes import accumulate, floating, index, is_inexact, logical, number, real_floating, same
from tahr.ops.comparison import isfinite, isnan, logical_not, not_equal, where
from tahr.ops.core import cast, stop_gradient
from tahr.ops.declare import alias, op
from tahr.ops.elementwise import absolute, exp, log, sqrt, square
from tahr.ops.shaping import reshape
from tahr.shapes import reduction

Axis = int | tuple[int, ...] | list[int] | None


def _extremum(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    shape = shapes.of(x)
    if initial is None and 0 in [shape[i] for i in shapes.axes_indices(axis, len(shape))]:
        raise ValueError(
            f"An empty axis has no largest or smallest element: shape {shape}, axis {axis}. Give `initial`."
        )
    return reduction(x, axis, keepdims)


def _one_axis(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if axis is not None and not hasattr(axis, "__index__"):
        raise TypeError(f"axis: expected one whole number or None; received {axis!r}.")
    _extremum(x, axis)
    return reduction(x, axis, keepdims)


def _running(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    shape = shapes.of(x)
    if axis is None:
        return (shapes.known_size(shape),)
    shapes.axis_index(axis, len(shape))
    return shape


@op(accumulate("x"), shape=reduction)
def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the sum of elements over `axis` (all if None); booleans and short integers are summed as 32-bit ones.

    >>> ops.sum([[1, 2], [3, 4]], axis=0)
    [4, 6]
    """
    ...


@op(floating("x"), shape=reduction)
def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the mean of elements over `axis` (all if None); NaN if there are none.

    >>> ops.mean([[1.0, 2.0], [3.0, 4.0]], axis=1)
    [1.5, 3.5]
    """
    ...


@op(same("x"), shape=_extremum)
def max(x: Any, axis: Axis = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Return the largest element over `axis` (all if None), at least `initial`.

    Raises:
        ValueError: if there are no elements and no `initial`.

    >>> ops.max([[1, 5], [3, 4]], axis=0)
    [3, 5]
    """
    ...


@op(same("x"), shape=_extremum)
def min(x: Any, axis: Axis = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Return the smallest element over `axis` (all if None), at most `initial`.

    Raises:
        ValueError: if there are no elements and no `initial`.

    >>> ops.min([[1, 5], [3, 4]], axis=0)
    [1, 4]
    """
    ...


amax, amin = alias("amax", max), alias("amin", min)


@op(accumulate("x"), shape=reduction)
def prod(x: Any, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """Return the product of elements over `axis` (all if None), computed as `dtype` if given.

    >>> ops.prod([[1, 2], [3, 4]], axis=0)
    [3, 8]
    """
    ...


@op(logical("x"), shape=reduction)
def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return whether all elements over `axis` (all if None) are true or not zero.

    >>> ops.all([[True, False], [True, True]], axis=0)
    [True, False]
    """
    ...


@op(logical("x"), shape=reduction)
def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return whether any element over `axis` (all if None) is true or not zero.

    >>> ops.any([[True, False], [False, False]], axis=1)
    [True, False]
    """
    ...


@op(real_floating("x"))
def var(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the variance over `axis` (all if None): the mean squared distance from the mean.

    >>> ops.var([1.0, 3.0])
    1.0
    """
    return mean(square(absolute(x - mean(x, axis, True))), axis, keepdims)


@op(real_floating("x"))
def std(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the standard deviation over `axis` (all if None), the square root of the variance.

    >>> ops.std([1.0, 3.0])
    1.0
    """
    return sqrt(var(x, axis, keepdims))


@op(same("x"))
def ptp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the largest minus the smallest element over `axis` (all if None).

    >>> ops.ptp([[1, 5], [3, 4]], axis=1)
    [4, 1]
    """
    return max(x, axis, keepdims) - min(x, axis, keepdims)


@op(floating("x"))
def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return `log(sum(exp(x)))` over `axis` (all if None) without overflow.

    >>> ops.logsumexp([0.0, 0.0])
    0.6931472
    """
    top = max(x, axis, True, initial=-float("inf"))
    top = stop_gradient(where(isfinite(top), top, 0))
    found = log(sum(exp(x - top), axis, True)) + top
    return found if keepdims else reshape_without(found, axis)


def reshape_without(x: Any, axis: Axis) -> Any:
    """Return `x` without the axes (of size 1) named by `axis`."""
    from tahr.ops.shaping import squeeze

    return squeeze(x, axis=shapes.axes_indices(axis, len(x.shape))) if len(x.shape) else x


@op(index("x"))
def count_nonzero(x: Any, axis: Axis = None) -> Any:
    """Return the number of elements that are not zero over `axis` (all if None).

    >>> ops.count_nonzero([[0, 2], [3, 4]], axis=0)
    [1, 2]
    """
    return sum(not_equal(x, 0), axis)


@op(index("x"), shape=_one_axis)
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the index of the largest element along `axis`, the first of equals; of the flattened array if None.

    >>> ops.argmax([[1, 5], [3, 4]], axis=1)
    [1, 1]
    """
    ...


@op(index("x"), shape=_one_axis)
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the index of the smallest element along `axis`, the first of equals; of the flattened array if None.

    >>> ops.argmin([[1, 5], [3, 4]], axis=1)
    [0, 0]
    """
    ...


@op(number("x"), shape=_running)
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Return the running sum along `axis` (of the flattened array if None), computed as `dtype` if given.

    >>> ops.cumsum([1, 2, 3])
    [1, 3, 6]
    """
    ...


@op(number("x"), shape=_running)
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Return the running product along `axis` (of the flattened array if None), computed as `dtype` if given.

    >>> ops.cumprod([1, 2, 3])
    [1, 2, 6]
    """
    ...


@op(floating("x", "weights"))
def average(x: Any, axis: Axis = None, weights: Any = None) -> Any:
    """Return the mean over `axis` (all if None) with weights of the shape of `x` or, for one axis, of its length.

    Raises:
        ValueError: if the weights do not fit.

    >>> ops.average([1.0, 2.0], weights=[3.0, 1.0])
    1.25
    """
    if weights is None:
        return mean(x, axis)
    if len(weights.shape) != len(x.shape):
        if len(weights.shape) != 1 or not isinstance(axis, int):
            raise ValueError(
                f"average: expected weights of shape {shapes.of(x)}, or of one dimension with one axis; "
                f"received shape {shapes.of(weights)} and axis {axis}."
            )
        place = shapes.axis_index(axis, len(x.shape))
        weights = reshape(weights, [-1 if i == place else 1 for i in range(len(x.shape))])
    total = sum(weights + 0 * x, axis)
    return sum(x * weights, axis) / total


# ---- without NaNs -------------------------------------------------------------------------------------------------


def _replace_nan(x: Any, value: float) -> Any:
    return where(isnan(x), value, x) if is_inexact(dtypes.of(x)) else x


@op(accumulate("x"), native=False)
def nansum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the sum over `axis` (all if None) of the elements that are not NaN.

    >>> ops.nansum([1.0, float("nan"), 3.0])
    4.0
    """
    return sum(_replace_nan(x, 0), axis, keepdims)


@op(floating("x"), native=False)
def nanmean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the mean over `axis` (all if None) of the elements that are not NaN.

    >>> ops.nanmean([1.0, float("nan"), 3.0])
    2.0
    """
    return nansum(x, axis, keepdims) / sum(cast(logical_not(isnan(x)), dtypes.of(x)), axis, keepdims)


@op(same("x"), native=False)
def nanmax(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the largest over `axis` (all if None) of the elements that are not NaN; NaN if all are.

    >>> ops.nanmax([1.0, float("nan"), 3.0])
    3.0
    """
    if not is_inexact(dtypes.of(x)):
        return max(x, axis, keepdims)
    return where(all(isnan(x), axis, keepdims), float("nan"), max(_replace_nan(x, -float("inf")), axis, keepdims))


@op(same("x"), native=False)
def nanmin(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the smallest over `axis` (all if None) of the elements that are not NaN; NaN if all are.

    >>> ops.nanmin([1.0, float("nan"), 3.0])
    1.0
    """
    if not is_inexact(dtypes.of(x)):
        return min(x, axis, keepdims)
    return where(all(isnan(x), axis, keepdims), float("nan"), min(_replace_nan(x, float("inf")), axis, keepdims))


@op(accumulate("x"), native=False)
def nanprod(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the product over `axis` (all if None) of the elements that are not NaN.

    >>> ops.nanprod([2.0, float("nan"), 3.0])
    6.0
    """
    return prod(_replace_nan(x, 1), axis, keepdims)


@op(real_floating("x"), native=False)
def nanvar(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the variance over `axis` (all if None) of the elements that are not NaN.

    >>> ops.nanvar([1.0, float("nan"), 3.0])
    1.0
    """
    return nanmean(square(absolute(x - nanmean(x, axis, True))), axis, keepdims)


@op(real_floating("x"), native=False)
def nanstd(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the standard deviation over `axis` (all if None) of the elements that are not NaN.

    >>> ops.nanstd([1.0, float("nan"), 3.0])
    1.0
    """
    return sqrt(nanvar(x, axis, keepdims))


@op(index("x"), native=False)
def nanargmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the index of the largest element that is not NaN along `axis`; -1 where all are NaN.

    >>> ops.nanargmax([1.0, float("nan"), 3.0])
    2
    """
    if not is_inexact(dtypes.of(x)):
        return argmax(x, axis, keepdims)
    found = argmax(_replace_nan(x, -float("inf")), axis, keepdims)
    return where(all(isnan(x), axis, keepdims), -1, found)


@op(index("x"), native=False)
def nanargmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the index of the smallest element that is not NaN along `axis`; -1 where all are NaN.

    >>> ops.nanargmin([1.0, float("nan"), 3.0])
    0
    """
    if not is_inexact(dtypes.of(x)):
        return argmin(x, axis, keepdims)
    found = argmin(_replace_nan(x, float("inf")), axis, keepdims)
    return where(all(isnan(x), axis, keepdims), -1, found)


@op(number("x"), native=False)
def nancumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Return the running sum along `axis` (of the flattened array if None) with NaN counted as 0.

    >>> ops.nancumsum([1.0, float("nan"), 3.0])
    [1.0, 1.0, 4.0]
    """
    return cumsum(_replace_nan(x, 0), axis)


@op(number("x"), native=False)
def nancumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Return the running product along `axis` (of the flattened array if None) with NaN counted as 1.

    >>> ops.nancumprod([2.0, float("nan"), 3.0])
    [2.0, 2.0, 6.0]
    """
    return cumprod(_replace_nan(x, 1), axis)
