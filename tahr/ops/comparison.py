"""Comparisons, logic and bits, element by element, and the choice between two arrays."""

from typing import Any

from tahr import dtypes
from tahr.dtypes import boolean, logical, same, whole
from tahr.ops.declare import alias, op
from tahr.shapes import elementwise, unary


@op(boolean, shape=elementwise)
def equal(x1: Any, x2: Any) -> Any:
    """Return whether `x1 == x2`, element by element.

    >>> ops.equal([1, 2], 1)
    [True, False]
    """
    ...


@op(boolean, shape=elementwise)
def not_equal(x1: Any, x2: Any) -> Any:
    """Return whether `x1 != x2`, element by element.

    >>> ops.not_equal([1, 2], 1)
    [False, True]
    """
    ...


@op(boolean, shape=elementwise)
def less(x1: Any, x2: Any) -> Any:
    """Return whether `x1 < x2`, element by element.

    >>> ops.less([1, 2], 1)
    [False, False]
    """
    ...


@op(boolean, shape=elementwise)
def less_equal(x1: Any, x2: Any) -> Any:
    """Return whether `x1 <= x2`, element by element.

    >>> ops.less_equal([1, 2], 1)
    [True, False]
    """
    ...


@op(boolean, shape=elementwise)
def greater(x1: Any, x2: Any) -> Any:
    """Return whether `x1 > x2`, element by element.

    >>> ops.greater([1, 2], 1)
    [False, True]
    """
    ...


@op(boolean, shape=elementwise)
def greater_equal(x1: Any, x2: Any) -> Any:
    """Return whether `x1 >= x2`, element by element.

    >>> ops.greater_equal([1, 2], 1)
    [True, True]
    """
    ...


@op(boolean)
def isclose(x1: Any, x2: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Return whether `abs(x1 - x2) <= atol + rtol * abs(x2)`, element by element; NaNs are equal if `equal_nan`.

    >>> ops.isclose([1.0, 2.0], [1.0, 2.1])
    [True, False]
    """
    from tahr.ops.elementwise import absolute, multiply

    if not dtypes.is_inexact(dtypes.of(x1)):
        x1, x2 = multiply(x1, 1.0), multiply(x2, 1.0)
    finite = logical_and(isfinite(x1), isfinite(x2))
    near = less_equal(absolute(x1 - x2), atol + rtol * absolute(x2))
    close = where(finite, near, equal(x1, x2))
    return logical_or(close, logical_and(isnan(x1), isnan(x2))) if equal_nan else close


@op(boolean)
def allclose(x1: Any, x2: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Return whether all elements of `x1` and `x2` are close, as `isclose` says.

    >>> bool(ops.allclose([1.0, 2.0], [1.0, 2.0]))
    True
    """
    from tahr.ops.reduction import all

    return all(isclose(x1, x2, rtol, atol, equal_nan))


@op(boolean("x1", "x2"))
def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    """Return for each element of `x1` whether it is among the elements of `x2`, or is not if `invert`.

    >>> ops.isin([1, 2, 3], [3, 1])
    [True, False, True]
    """
    from tahr.ops.reduction import any
    from tahr.ops.shaping import expand_dims, reshape

    found = any(equal(expand_dims(x1, -1), reshape(x2, (-1,))), axis=-1)
    return logical_not(found) if invert else found


@op(boolean, shape=unary)
def isfinite(x: Any) -> Any:
    """Return whether each element is neither infinite nor NaN.

    >>> ops.isfinite([1.0, float("inf"), float("nan")])
    [True, False, False]
    """
    ...


@op(boolean, shape=unary)
def isinf(x: Any) -> Any:
    """Return whether each element is infinite.

    >>> ops.isinf([1.0, float("inf"), float("nan")])
    [False, True, False]
    """
    ...


@op(boolean, shape=unary)
def isnan(x: Any) -> Any:
    """Return whether each element is NaN.

    >>> ops.isnan([1.0, float("inf"), float("nan")])
    [False, False, True]
    """
    ...


@op(boolean.real_only, shape=unary)
def isposinf(x: Any) -> Any:
    """Return whether each element is positive infinity.

    >>> ops.isposinf([1.0, float("inf"), float("-inf")])
    [False, True, False]
    """
    ...


@op(boolean.real_only, shape=unary)
def isneginf(x: Any) -> Any:
    """Return whether each element is negative infinity.

    >>> ops.isneginf([1.0, float("inf"), float("-inf")])
    [False, False, True]
    """
    ...


@op(boolean, shape=unary)
def isreal(x: Any) -> Any:
    """Return whether each element is a real number or has no imaginary part.

    >>> ops.isreal([1.0, -2.0])
    [True, True]
    """
    ...


@op(boolean.real_only, shape=unary)
def signbit(x: Any) -> Any:
    """Return whether each element has its sign bit set, as negative numbers and -0.0 have.

    >>> ops.signbit([-1.0, 0.0, -0.0])
    [True, False, True]
    """
    ...


@op(logical, shape=unary)
def logical_not(x: Any) -> Any:
    """Return whether each element is zero or False.

    >>> ops.logical_not([True, False])
    [False, True]
    """
    ...


@op(logical, shape=elementwise)
def logical_and(x1: Any, x2: Any) -> Any:
    """Return whether both elements are true (not zero).

    >>> ops.logical_and([True, True, False], [True, False, False])
    [True, False, False]
    """
    ...


@op(logical, shape=elementwise)
def logical_or(x1: Any, x2: Any) -> Any:
    """Return whether at least one of two elements is true (not zero).

    >>> ops.logical_or([True, True, False], [True, False, False])
    [True, True, False]
    """
    ...


@op(logical, shape=elementwise)
def logical_xor(x1: Any, x2: Any) -> Any:
    """Return whether exactly one of two elements is true (not zero).

    >>> ops.logical_xor([True, True, False], [True, False, False])
    [False, True, False]
    """
    ...


@op(whole, shape=elementwise)
def bitwise_and(x: Any, y: Any) -> Any:
    """Return whole numbers whose bits are those set in both.

    >>> ops.bitwise_and([6, 8], [5, 3])
    [4, 0]
    """
    ...


@op(whole, shape=elementwise)
def bitwise_or(x: Any, y: Any) -> Any:
    """Return whole numbers whose bits are those set in at least one of both.

    >>> ops.bitwise_or([6, 8], [5, 3])
    [7, 11]
    """
    ...


@op(whole, shape=elementwise)
def bitwise_xor(x: Any, y: Any) -> Any:
    """Return whole numbers whose bits are those set in exactly one of both.

    >>> ops.bitwise_xor([6, 8], [5, 3])
    [3, 11]
    """
    ...


@op(whole, shape=unary)
def bitwise_not(x: Any) -> Any:
    """Return whole numbers with every bit flipped; booleans negated.

    >>> ops.bitwise_not([0, 5])
    [-1, -6]
    """
    ...


bitwise_invert = alias("bitwise_invert", bitwise_not)


@op(whole, shape=elementwise)
def left_shift(x: Any, y: Any) -> Any:
    """Return `x` with its bits shifted left by `y` places.

    >>> ops.left_shift([1, 3], 2)
    [4, 12]
    """
    ...


bitwise_left_shift = alias("bitwise_left_shift", left_shift)


@op(whole, shape=elementwise)
def right_shift(x: Any, y: Any) -> Any:
    """Return `x` with its bits shifted right by `y` places, keeping the sign.

    >>> ops.right_shift([8, -8], 2)
    [2, -2]
    """
    ...


bitwise_right_shift = alias("bitwise_right_shift", right_shift)


def _where_shape(condition: Any, x1: Any, x2: Any) -> Any:
    if (x1 is None) != (x2 is None):
        raise ValueError("where: give both x1 and x2, or neither; received one of them.")
    if x1 is None:
        from tahr.ops.indexing import nonzero

        return nonzero.infer(condition)
    return elementwise(condition, x1, x2)


@op(same("x1", "x2"), arrays=("condition",), shape=_where_shape)
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """Return `x1` where `condition` holds and `x2` elsewhere, with broadcasting.

    With `condition` alone, return the indices of its true elements, one array an axis, as `nonzero` does.

    Raises:
        ValueError: if only one of `x1` and `x2` is given.

    >>> ops.where([True, False], [1, 2], 0)
    [1, 0]
    """
    ...


@op(same("choicelist", "default"), arrays=("condlist",))
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """Return elements from the first array of `choicelist` whose condition holds there, `default` where none does.

    Raises:
        ValueError: if the lists differ in length or are empty.

    >>> ops.select([[True, False, False], [True, True, False]], [[1, 2, 3], [4, 5, 6]], default=9)
    [1, 5, 9]
    """
    if len(condlist) != len(choicelist) or len(condlist) == 0:
        raise ValueError(
            f"select: expected as many conditions as choices, at least one; received {len(condlist)} "
            f"and {len(choicelist)}."
        )
    found = default
    for i in range(len(condlist) - 1, -1, -1):
        found = where(condlist[i], choicelist[i], found)
    return found
