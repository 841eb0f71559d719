"""Arithmetic, comparisons, rounding, powers, trigonometry and bits, element by element."""

import math
from typing import Any

from tahr.dtypes import boolean, floating, logical, real, same
from tahr.ops.declare import alias, op
from tahr.shapes import elementwise, unary


@op(same, shape=elementwise)
def add(x1: Any, x2: Any) -> Any:
    """Return `x1 + x2`, element by element, with broadcasting.

    >>> ops.add([1, 2], [3, 4])
    [4, 6]
    """
    ...


@op(same, shape=elementwise)
def subtract(x1: Any, x2: Any) -> Any:
    """Return `x1 - x2`, element by element, with broadcasting.

    >>> ops.subtract([3, 4], 1)
    [2, 3]
    """
    ...


@op(same, shape=elementwise)
def multiply(x1: Any, x2: Any) -> Any:
    """Return `x1 * x2`, element by element, with broadcasting.

    >>> ops.multiply([1, 2], [3, 4])
    [3, 8]
    """
    ...


@op(floating, shape=elementwise)
def divide(x1: Any, x2: Any) -> Any:
    """Return `x1 / x2`, element by element; integers are divided as floats.

    >>> ops.divide([1, 2], 2)
    [0.5, 1.0]
    """
    ...


true_divide = alias("true_divide", divide)


@op(same, shape=unary)
def negative(x: Any) -> Any:
    """Return `-x`.

    >>> ops.negative([1, -2])
    [-1, 2]
    """
    ...


@op(boolean, shape=elementwise)
def equal(x1: Any, x2: Any) -> Any:
    """Return whether `x1 == x2`, element by element.

    >>> ops.equal([1, 2], 2)
    [False, True]
    """
    ...


@op(floating, shape=unary)
def exp(x: Any) -> Any:
    """Return e to the power of each element.

    >>> ops.exp([0.0, 1.0])
    [1.0, 2.7182817]
    """
    ...


@op(floating, shape=unary)
def sin(x: Any) -> Any:
    """Return the sine of each element, an angle in radians.

    >>> ops.sin([0.0, 1.0])
    [0.0, 0.84147096]
    """
    ...


@op(same("x1", "x2"), arrays=("condition",), shape=elementwise)
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """Return `x1` where `condition` holds and `x2` elsewhere.

    >>> ops.where([True, False], [1, 2], 0)
    [1, 0]
    """
    ...


@op(floating)
def sinc(x: Any) -> Any:
    """Return sin(pi x) / (pi x), continued smoothly through 1 at x = 0.

    >>> ops.sinc([0.0, 0.5])
    [1.0, 0.63661975]
    """
    angle = math.pi * x
    zero = equal(angle, 0)
    safe = where(zero, 1, angle)  # keeps value and gradient finite at 0, also in float16
    return where(zero, 1, sin(safe) / safe)


@op(floating)
def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)).

    >>> ops.sigmoid([0.0])
    [0.5]
    """
    return 1 / (1 + exp(-x))
