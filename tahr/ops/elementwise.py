"""Arithmetic, rounding, powers, logarithms and trigonometry, element by element."""

import math
from typing import Any

from tahr.dtypes import arithmetic, floating, number, real_floating, same, whole
from tahr.dtypes import real as to_real
from tahr.ops.comparison import equal, isnan, where
from tahr.ops.declare import alias, op
from tahr.shapes import elementwise, unary

# ---- arithmetic ---------------------------------------------------------------------------------------------------


@op(same, shape=elementwise)
def add(x1: Any, x2: Any) -> Any:
    """Return `x1 + x2`, element by element, with broadcasting.

    >>> ops.add([1, 2], [3, 4])
    [4, 6]
    """
    ...


@op(arithmetic, shape=elementwise)
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


@op(floating)
def divide_no_nan(x1: Any, x2: Any) -> Any:
    """Return `x1 / x2`, element by element, and 0 where `x2` is 0.

    >>> ops.divide_no_nan([1.0, 2.0], [0.0, 4.0])
    [0.0, 0.5]
    """
    zero = equal(x2, 0)
    return where(zero, 0, divide(x1, where(zero, 1, x2)))


@op(number.real_only, shape=elementwise)
def floor_divide(x1: Any, x2: Any) -> Any:
    """Return `x1 / x2` rounded down, element by element.

    >>> ops.floor_divide([7, -7], 2)
    [3, -4]
    """
    ...


@op(number.real_only, shape=elementwise)
def mod(x1: Any, x2: Any) -> Any:
    """Return the remainder of `x1 / x2` with the sign of `x2`, element by element.

    >>> ops.mod([7, -7], 3)
    [1, 2]
    """
    ...


@op(number.real_only, shape=elementwise)
def fmod(x1: Any, x2: Any) -> Any:
    """Return the remainder of `x1 / x2` with the sign of `x1`, element by element.

    >>> ops.fmod([7, -7], 3)
    [1, -1]
    """
    ...


@op(number, shape=elementwise)
def power(x1: Any, x2: Any) -> Any:
    """Return `x1` to the power `x2`, element by element.

    >>> ops.power([1.0, 2.0, 3.0], 2)
    [1.0, 4.0, 9.0]
    """
    ...


@op(arithmetic, shape=unary)
def negative(x: Any) -> Any:
    """Return `-x`.

    >>> ops.negative([1, -2])
    [-1, 2]
    """
    ...


@op(to_real, shape=unary)
def absolute(x: Any) -> Any:
    """Return the absolute value of each element; of complex numbers, the magnitude.

    >>> ops.absolute([-1.5, 2.0])
    [1.5, 2.0]
    """
    ...


abs = alias("abs", absolute)


@op(real_floating)
def fabs(x: Any) -> Any:
    """Return the absolute value of each element as a float.

    >>> ops.fabs([-1, 2])
    [1.0, 2.0]
    """
    return absolute(x)


@op(same, shape=unary)
def sign(x: Any) -> Any:
    """Return -1, 0 or 1 for negative, zero and positive elements.

    >>> ops.sign([-3.0, 0.0, 2.0])
    [-1.0, 0.0, 1.0]
    """
    ...


@op(floating, shape=unary)
def reciprocal(x: Any) -> Any:
    """Return `1 / x`, element by element.

    >>> ops.reciprocal([2.0, 4.0])
    [0.5, 0.25]
    """
    ...


@op(same, shape=elementwise)
def maximum(x1: Any, x2: Any) -> Any:
    """Return the larger of `x1` and `x2`, element by element; NaN if either is.

    >>> ops.maximum([1, 5], [3, 2])
    [3, 5]
    """
    ...


@op(same, shape=elementwise)
def minimum(x1: Any, x2: Any) -> Any:
    """Return the smaller of `x1` and `x2`, element by element; NaN if either is.

    >>> ops.minimum([1, 5], [3, 2])
    [1, 2]
    """
    ...


@op(same)
def fmax(x1: Any, x2: Any) -> Any:
    """Return the larger of `x1` and `x2`, element by element; a NaN loses against a number.

    >>> ops.fmax([1.0, float("nan")], [3.0, 2.0])
    [3.0, 2.0]
    """
    return where(isnan(x1), x2, where(isnan(x2), x1, maximum(x1, x2)))


@op(same)
def fmin(x1: Any, x2: Any) -> Any:
    """Return the smaller of `x1` and `x2`, element by element; a NaN loses against a number.

    >>> ops.fmin([1.0, float("nan")], [3.0, 2.0])
    [1.0, 2.0]
    """
    return where(isnan(x1), x2, where(isnan(x2), x1, minimum(x1, x2)))


@op(number("x", "x_min", "x_max"))
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """Return `x` with elements below `x_min` raised to it and elements above `x_max` lowered to it.

    Either bound may be None.

    >>> ops.clip([-2.0, 0.5, 3.0], -1, 1)
    [-1.0, 0.5, 1.0]
    """
    if x_min is not None:
        x = maximum(x, x_min)
    return x if x_max is None else minimum(x, x_max)


@op(floating.real_only, shape=elementwise)
def heaviside(x1: Any, x2: Any) -> Any:
    """Return the step function of `x1`: 0 below zero, `x2` at zero, 1 above.

    >>> ops.heaviside([-1.0, 0.0, 2.0], 0.5)
    [0.0, 0.5, 1.0]
    """
    ...


@op(floating.real_only, shape=elementwise)
def nextafter(x1: Any, x2: Any) -> Any:
    """Return the next number that the type can hold after `x1` towards `x2`, element by element.

    >>> ops.nextafter([1.0], [2.0])
    [1.0000001]
    """
    ...


@op(floating.real_only("x1"), arrays=("x2",), shape=elementwise)
def ldexp(x1: Any, x2: Any) -> Any:
    """Return `x1 * 2**x2`, element by element; `x2` is whole.

    >>> ops.ldexp([1.0, 3.0], [2, 1])
    [4.0, 6.0]
    """
    ...


@op(whole, shape=elementwise)
def gcd(x1: Any, x2: Any) -> Any:
    """Return the greatest common divisor of whole numbers, element by element.

    >>> ops.gcd([12, 7], 8)
    [4, 1]
    """
    ...


@op(whole, shape=elementwise)
def lcm(x1: Any, x2: Any) -> Any:
    """Return the least common multiple of whole numbers, element by element.

    >>> ops.lcm([4, 7], 6)
    [12, 42]
    """
    ...


# ---- rounding -----------------------------------------------------------------------------------------------------


@op(floating.real_only, shape=unary)
def ceil(x: Any) -> Any:
    """Return each element rounded up.

    >>> ops.ceil([1.2, -1.2])
    [2.0, -1.0]
    """
    ...


@op(floating.real_only, shape=unary)
def floor(x: Any) -> Any:
    """Return each element rounded down.

    >>> ops.floor([1.2, -1.2])
    [1.0, -2.0]
    """
    ...


@op(same.real_only, shape=unary)
def trunc(x: Any) -> Any:
    """Return each element rounded towards zero.

    >>> ops.trunc([1.7, -1.7])
    [1.0, -1.0]
    """
    ...


@op(number("x"), shape=unary)
def round(x: Any, decimals: int = 0) -> Any:
    """Return each element rounded to `decimals` places after the point, halves to the even neighbour.

    >>> ops.round([1.26, 2.5], decimals=1), ops.round([1.5, 2.5])
    ([1.3, 2.5], [2.0, 2.0])
    """
    ...


@op(same("x"), shape=unary)
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """Return `x` with NaN and the infinities replaced; None means the largest and smallest number of the type.

    >>> ops.nan_to_num([float("nan"), 1.0, float("inf")], posinf=9.0)
    [0.0, 1.0, 9.0]
    """
    ...


# ---- powers and logarithms ----------------------------------------------------------------------------------------


@op(number)
def square(x: Any) -> Any:
    """Return `x * x`.

    >>> ops.square([2.0, -3.0])
    [4.0, 9.0]
    """
    return multiply(x, x)


@op(floating, shape=unary)
def sqrt(x: Any) -> Any:
    """Return the square root of each element; NaN for negative ones.

    >>> ops.sqrt([4.0, 2.0])
    [2.0, 1.4142135]
    """
    ...


@op(floating)
def rsqrt(x: Any) -> Any:
    """Return one over the square root of each element.

    >>> ops.rsqrt([4.0, 1.0])
    [0.5, 1.0]
    """
    return reciprocal(sqrt(x))


@op(floating.real_only)
def cbrt(x: Any) -> Any:
    """Return the real cube root of each element.

    >>> ops.cbrt([8.0, -27.0])
    [2.0, -3.0]
    """
    return multiply(sign(x), power(absolute(x), 1 / 3))


@op(floating.real_only)
def hypot(x1: Any, x2: Any) -> Any:
    """Return `sqrt(x1**2 + x2**2)` without overflow on the way.

    >>> ops.hypot([3.0], [4.0])
    [5.0]
    """
    x1, x2 = absolute(x1), absolute(x2)
    large, small = maximum(x1, x2), minimum(x1, x2)
    trivial = equal(large, 0) | equal(large, math.inf)
    ratio = where(trivial, 0, small / where(trivial, 1, large))
    return where(equal(small, math.inf), math.inf, large * sqrt(1 + ratio * ratio))


@op(floating, shape=unary)
def exp(x: Any) -> Any:
    """Return e to the power of each element.

    >>> ops.exp([0.0, 1.0])
    [1.0, 2.7182817]
    """
    ...


@op(floating)
def exp2(x: Any) -> Any:
    """Return 2 to the power of each element.

    >>> ops.exp2([0.0, 3.0])
    [1.0, 8.0]
    """
    return power(2.0, x)


@op(floating, shape=unary)
def expm1(x: Any) -> Any:
    """Return `exp(x) - 1`, exact also near zero.

    >>> ops.expm1([0.0, 1.0])
    [0.0, 1.7182817]
    """
    ...


@op(floating, shape=unary)
def log(x: Any) -> Any:
    """Return the natural logarithm of each element.

    >>> ops.log([1.0, 2.7182817])
    [0.0, 1.0]
    """
    ...


@op(floating, shape=unary)
def log10(x: Any) -> Any:
    """Return the logarithm of each element to base 10.

    >>> ops.log10([1.0, 100.0])
    [0.0, 2.0]
    """
    ...


@op(floating, shape=unary)
def log2(x: Any) -> Any:
    """Return the logarithm of each element to base 2.

    >>> ops.log2([1.0, 8.0])
    [0.0, 3.0]
    """
    ...


@op(floating, shape=unary)
def log1p(x: Any) -> Any:
    """Return `log(1 + x)`, exact also near zero.

    >>> ops.log1p([0.0, 1.0])
    [0.0, 0.6931472]
    """
    ...


@op(floating)
def logaddexp(x1: Any, x2: Any) -> Any:
    """Return `log(exp(x1) + exp(x2))` without overflow.

    >>> ops.logaddexp([0.0], [0.0])
    [0.6931472]
    """
    large, difference = maximum(x1, x2), subtract(x1, x2)
    same_infinity = isnan(difference)  # inf - inf; where an argument is NaN, `large` is NaN too
    spread = where(same_infinity, 0, difference)
    return where(same_infinity, large, large + log1p(exp(-absolute(spread))))


@op(floating)
def logaddexp2(x1: Any, x2: Any) -> Any:
    """Return `log2(2**x1 + 2**x2)` without overflow.

    >>> ops.logaddexp2([1.0], [1.0])
    [2.0]
    """
    return logaddexp(x1 * math.log(2), x2 * math.log(2)) / math.log(2)


# ---- trigonometry -------------------------------------------------------------------------------------------------


@op(floating, shape=unary)
def sin(x: Any) -> Any:
    """Return the sine of each element, an angle in radians.

    >>> ops.sin([0.0, 1.0])
    [0.0, 0.84147096]
    """
    ...


@op(floating, shape=unary)
def cos(x: Any) -> Any:
    """Return the cosine of each element, an angle in radians.

    >>> ops.cos([0.0, 1.0])
    [1.0, 0.5403023]
    """
    ...


@op(floating, shape=unary)
def tan(x: Any) -> Any:
    """Return the tangent of each element, an angle in radians.

    >>> ops.tan([0.0, 1.0])
    [0.0, 1.5574077]
    """
    ...


@op(floating, shape=unary)
def arcsin(x: Any) -> Any:
    """Return the angle in [-pi/2, pi/2] whose sine is `x`; NaN outside [-1, 1].

    >>> ops.arcsin([0.0, 1.0])
    [0.0, 1.5707964]
    """
    ...


@op(floating, shape=unary)
def arccos(x: Any) -> Any:
    """Return the angle in [0, pi] whose cosine is `x`; NaN outside [-1, 1].

    >>> ops.arccos([1.0, 0.0])
    [0.0, 1.5707964]
    """
    ...


@op(floating, shape=unary)
def arctan(x: Any) -> Any:
    """Return the angle in (-pi/2, pi/2) whose tangent is `x`.

    >>> ops.arctan([0.0, 1.0])
    [0.0, 0.7853982]
    """
    ...


@op(floating.real_only, shape=elementwise)
def arctan2(x1: Any, x2: Any) -> Any:
    """Return the angle in [-pi, pi] of the point with ordinate `x1` and abscissa `x2`.

    >>> ops.arctan2([1.0, 1.0], [1.0, -1.0])
    [0.7853982, 2.3561945]
    """
    ...


@op(floating, shape=unary)
def sinh(x: Any) -> Any:
    """Return the hyperbolic sine of each element.

    >>> ops.sinh([0.0, 1.0])
    [0.0, 1.1752012]
    """
    ...


@op(floating, shape=unary)
def cosh(x: Any) -> Any:
    """Return the hyperbolic cosine of each element.

    >>> ops.cosh([0.0, 1.0])
    [1.0, 1.5430807]
    """
    ...


@op(floating, shape=unary)
def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent of each element.

    >>> ops.tanh([0.0, 1.0])
    [0.0, 0.7615942]
    """
    ...


@op(floating, shape=unary)
def arcsinh(x: Any) -> Any:
    """Return the number whose hyperbolic sine is `x`.

    >>> ops.arcsinh([0.0, 1.0])
    [0.0, 0.8813736]
    """
    ...


@op(floating, shape=unary)
def arccosh(x: Any) -> Any:
    """Return the non-negative number whose hyperbolic cosine is `x`; NaN below 1.

    >>> ops.arccosh([1.0, 2.0])
    [0.0, 1.3169579]
    """
    ...


@op(floating, shape=unary)
def arctanh(x: Any) -> Any:
    """Return the number whose hyperbolic tangent is `x`; NaN outside [-1, 1].

    >>> ops.arctanh([0.0, 0.5])
    [0.0, 0.54930615]
    """
    ...


@op(floating.real_only)
def deg2rad(x: Any) -> Any:
    """Return degrees as radians.

    >>> ops.deg2rad([180.0, 90.0])
    [3.1415927, 1.5707964]
    """
    return x * (math.pi / 180)


@op(floating.real_only)
def rad2deg(x: Any) -> Any:
    """Return radians as degrees.

    >>> ops.rad2deg([3.1415927])
    [180.0]
    """
    return x * (180 / math.pi)


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


# ---- special functions --------------------------------------------------------------------------------------------


@op(floating.real_only, shape=unary)
def erf(x: Any) -> Any:
    """Return the error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to `x`.

    >>> ops.erf([0.0, 1.0])
    [0.0, 0.8427008]
    """
    ...


@op(floating.real_only, shape=unary)
def erfc(x: Any) -> Any:
    """Return `1 - erf(x)`, exact also for large `x`.

    >>> ops.erfc([0.0, 2.0])
    [1.0, 0.004677735]
    """
    ...


@op(floating.real_only, shape=unary)
def erfinv(x: Any) -> Any:
    """Return the number whose error function is `x`; NaN outside [-1, 1].

    >>> ops.erfinv([0.0, 0.5])
    [0.0, 0.47693628]
    """
    ...


@op(floating.real_only, shape=unary)
def i0(x: Any) -> Any:
    """Return the modified Bessel function of the first kind and order 0.

    >>> ops.i0([0.0, 1.0])
    [1.0, 1.2660658]
    """
    ...


# ---- complex numbers ----------------------------------------------------------------------------------------------


@op(to_real, shape=unary)
def real(x: Any) -> Any:
    """Return the real part of each element.

    >>> ops.real(ops.view_as_complex([[1.0, 2.0]]))
    [1.0]
    """
    ...


@op(to_real, shape=unary)
def imag(x: Any) -> Any:
    """Return the imaginary part of each element; zeros for real numbers.

    >>> ops.imag(ops.view_as_complex([[1.0, 2.0]]))
    [2.0]
    """
    ...


@op(same, shape=unary)
def conjugate(x: Any) -> Any:
    """Return the complex conjugate of each element; real numbers as they are.

    >>> ops.conjugate([1.0, 2.0])
    [1.0, 2.0]
    """
    ...


conj = alias("conj", conjugate)


@op(real_floating, shape=unary)
def angle(x: Any) -> Any:
    """Return the angle of each complex number in radians, in (-pi, pi]; 0 or pi for real numbers.

    >>> ops.angle([1.0, -1.0])
    [0.0, 3.1415927]
    """
    ...
