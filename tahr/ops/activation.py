"""Activation functions."""

import math
from typing import Any

from tahr import shapes
from tahr.arithmetic import OPERATIONS
from tahr.dtypes import floating, number
from tahr.ops.declare import alias, op
from tahr.ops.elementwise import absolute, erf, exp, expm1, log, log1p, maximum, minimum, sqrt, tanh, where
from tahr.shapes import along, unary


@op(number, shape=unary)
def relu(x: Any) -> Any:
    """Return `max(x, 0)`; its gradient at 0 is 0.

    >>> ops.relu([-1.0, 2.0])
    [0.0, 2.0]
    """
    return where(x <= 0, 0, x)  # NaN stays NaN


@op(number, shape=unary)
def relu6(x: Any) -> Any:
    """Return `min(max(x, 0), 6)`.

    >>> ops.relu6([-1.0, 2.0, 8.0])
    [0.0, 2.0, 6.0]
    """
    return minimum(maximum(x, 0), 6)


@op(floating, shape=unary)
def sigmoid(x: Any) -> Any:
    """Return `1 / (1 + exp(-x))`.

    >>> ops.sigmoid([0.0, 1.0])
    [0.5, 0.7310586]
    """
    return 0.5 + 0.5 * tanh(x * 0.5)  # exp(-x) would overflow


@op(floating, shape=unary)
def softplus(x: Any) -> Any:
    """Return `log(exp(x) + 1)`, computed so that nothing overflows.

    >>> ops.softplus([0.0, 100.0])
    [0.6931472, 100.0]
    """
    return maximum(x, 0) + log1p(exp(-absolute(x)))


@op(floating, shape=unary)
def softsign(x: Any) -> Any:
    """Return `x / (|x| + 1)`.

    >>> ops.softsign([-1.0, 3.0])
    [-0.5, 0.75]
    """
    return x / (absolute(x) + 1)


@op(floating, shape=unary)
def silu(x: Any) -> Any:
    """Return `x * sigmoid(x)` (Elfwing, Uchibe and Doya 2017), also called swish.

    >>> ops.silu([0.0, 1.0])
    [0.0, 0.7310586]
    """
    return x * sigmoid(x)


swish = alias("swish", silu)


@op(floating, shape=unary)
def log_sigmoid(x: Any) -> Any:
    """Return `log(sigmoid(x))`.

    >>> ops.log_sigmoid([0.0])
    [-0.6931472]
    """
    return -softplus(-x)


@op(floating, shape=unary)
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """Return `x` where it is positive and `negative_slope * x` elsewhere.

    >>> ops.leaky_relu([-1.0, 2.0])
    [-0.2, 2.0]
    """
    return where(x >= 0, x, negative_slope * x)


@op(floating, shape=unary)
def hard_sigmoid(x: Any) -> Any:
    """Return `relu6(x + 3) / 6`, straight lines close to the sigmoid.

    >>> ops.hard_sigmoid([-4.0, 0.0, 1.5])
    [0.0, 0.5, 0.75]
    """
    return relu6(x + 3) / 6


@op(floating, shape=unary)
def hard_silu(x: Any) -> Any:
    """Return `x * hard_sigmoid(x)` (Howard et al. 2019), also called hard swish.

    >>> ops.hard_silu([-4.0, 1.5])
    [0.0, 1.125]
    """
    return x * hard_sigmoid(x)


hard_swish = alias("hard_swish", hard_silu)


@op(floating, shape=unary)
def elu(x: Any, alpha: float = 1.0) -> Any:
    """Return `x` where it is positive and `alpha * (exp(x) - 1)` elsewhere (Clevert et al. 2015).

    >>> ops.elu([-1.0, 2.0])
    [-0.63212055, 2.0]
    """
    return where(x > 0, x, alpha * expm1(minimum(x, 0)))


@op(floating, shape=unary)
def selu(x: Any) -> Any:
    """Return `scale * elu(x, alpha)` with the constants of self-normalizing networks (Klambauer et al. 2017).

    >>> ops.selu([-1.0, 1.0])
    [-1.1113307, 1.050701]
    """
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * elu(x, alpha)


@op(floating, shape=unary)
def celu(x: Any, alpha: float = 1.0) -> Any:
    """Return `max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))` (Barron 2017).

    >>> ops.celu([-1.0, 2.0])
    [-0.63212055, 2.0]
    """
    return where(x > 0, x, alpha * expm1(minimum(x, 0) / alpha))


@op(floating, shape=unary)
def gelu(x: Any, approximate: bool = True) -> Any:
    """Return `x * P(X <= x)` for a standard normal X (Hendrycks and Gimpel 2016), by a tanh formula if `approximate`.

    >>> ops.gelu([1.0]), ops.gelu([1.0], approximate=False)
    ([0.841192], [0.8413447])
    """
    if approximate:
        return 0.5 * x * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


@op(floating, shape=unary)
def mish(x: Any) -> Any:
    """Return `x * tanh(softplus(x))` (Misra 2019).

    >>> activations.mish([1.0])
    [0.8650984]
    """
    return x * tanh(softplus(x))


def _glu_shape(x: Any, axis: int = -1) -> shapes.Shape:
    sizes = list(shapes.of(x))
    axis = shapes.axis_index(axis, len(sizes))
    size = sizes[axis]
    if size is not None and size % 2:
        raise ValueError(f"glu: expected an even size along axis {axis}; received shape {tuple(sizes)}.")
    sizes[axis] = None if size is None else size // 2
    return tuple(sizes)


@op(floating, shape=_glu_shape, native=False)
def glu(x: Any, axis: int = -1) -> Any:
    """Return the first half along `axis` times the sigmoid of the second half (Dauphin et al. 2016).

    Raises:
        ValueError: if the size along `axis` is odd.

    >>> ops.glu([1.0, 0.0])
    [0.5]
    """
    _glu_shape(x, axis)
    first, second = OPERATIONS["split"](x, 2, axis=axis)
    return first * sigmoid(second)


@op(number, shape=unary)
def hard_tanh(x: Any) -> Any:
    """Return `x` limited to -1 ... 1.

    >>> ops.hard_tanh([-3.0, 0.5])
    [-1.0, 0.5]
    """
    return minimum(maximum(x, -1), 1)


@op(floating, shape=unary)
def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """Return `x` where `|x| > threshold` and 0 elsewhere.

    >>> ops.hard_shrink([-1.0, 0.2])
    [-1.0, 0.0]
    """
    return where(absolute(x) > threshold, x, 0)


@op(floating, shape=unary)
def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """Return `x` moved by `threshold` towards 0, and 0 where `|x| <= threshold`.

    >>> ops.soft_shrink([-1.0, 0.2, 3.0])
    [-0.5, 0.0, 2.5]
    """
    return where(x > threshold, x - threshold, where(x < -threshold, x + threshold, 0))


@op(floating, shape=unary)
def tanh_shrink(x: Any) -> Any:
    """Return `x - tanh(x)`.

    >>> ops.tanh_shrink([1.0])
    [0.23840584]
    """
    return x - tanh(x)


@op(floating, shape=unary)
def sparse_plus(x: Any) -> Any:
    """Return 0 up to -1, `x` from 1 on, and the parabola `(x + 1)**2 / 4` between.

    >>> ops.sparse_plus([-2.0, 0.0, 3.0])
    [0.0, 0.25, 3.0]
    """
    return where(x <= -1, 0, where(x >= 1, x, (x + 1) * (x + 1) / 4))


@op(floating, shape=unary)
def sparse_sigmoid(x: Any) -> Any:
    """Return `(x + 1) / 2` limited to 0 ... 1.

    >>> ops.sparse_sigmoid([-2.0, 0.0, 3.0])
    [0.0, 0.5, 1.0]
    """
    return where(x <= -1, 0, where(x >= 1, 1, (x + 1) * 0.5))


@op(floating, shape=unary)
def squareplus(x: Any, b: float = 4) -> Any:
    """Return `(x + sqrt(x**2 + b)) / 2` (Barron 2021), a smooth `relu`.

    >>> ops.squareplus([0.0])
    [1.0]
    """
    return (x + sqrt(x * x + b)) / 2


@op(number("x"), shape=unary)
def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """Return `x` where it is greater than `threshold`, and `default_value` elsewhere.

    >>> ops.threshold([-1.0, 2.0], 0.0, 9.0)
    [9.0, 2.0]
    """
    return where(x > threshold, x, default_value)


def _shift(x: Any, axis: Any) -> Any:
    return x - OPERATIONS["stop_gradient"](OPERATIONS["max"](x, axis=axis, keepdims=True))


@op(floating, shape=along)
def softmax(x: Any, axis: Any = -1) -> Any:
    """Return `exp(x) / sum(exp(x))` over `axis`, one axis, several, or all for None.

    >>> ops.softmax([0.0, 0.0])
    [0.5, 0.5]
    """
    powers = exp(_shift(x, axis))
    return powers / OPERATIONS["sum"](powers, axis=axis, keepdims=True)


@op(floating, shape=along)
def log_softmax(x: Any, axis: Any = -1) -> Any:
    """Return `log(softmax(x))` over `axis`, without taking the logarithm of a small number.

    >>> ops.log_softmax([0.0, 0.0])
    [-0.6931472, -0.6931472]
    """
    shifted = _shift(x, axis)
    return shifted - log(OPERATIONS["sum"](exp(shifted), axis=axis, keepdims=True))


@op(floating, shape=unary)
def sparsemax(x: Any, axis: int = -1) -> Any:
    """Return `max(x - t, 0)` along `axis`, with t so large that small elements give 0, as Keras 3 computes it.

    Where one element stands out this is the sparsemax of Martins and Astudillo (2016). Where k > 1 elements count,
    Keras takes t = (sum of the sums of the largest 1 ... k elements - 1) / k, so the result does not sum to 1; models
    trained with it depend on that.

    >>> ops.sparsemax([3.0, 1.0, -1.0])
    [1.0, 0.0, 0.0]
    """
    run = OPERATIONS
    moved = run["moveaxis"](x, axis, -1)
    ordered = run["flip"](run["sort"](moved, axis=-1), axis=-1)
    sums = run["cumsum"](ordered, axis=-1)
    count = run["cumsum"](run["ones_like"](ordered), axis=-1)
    inside = 1 + count * ordered > sums
    size = run["sum"](run["cast"](inside, x.dtype), axis=-1, keepdims=True)
    limit = (run["sum"](where(inside, sums, 0), axis=-1, keepdims=True) - 1) / size
    return run["moveaxis"](maximum(moved - limit, 0), -1, axis)
