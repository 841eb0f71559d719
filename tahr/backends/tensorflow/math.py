"""TensorFlow's own versions of operations that it calls or does otherwise, or that it lacks."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr.backends.tensorflow.engine import DTYPES, backend
from tahr.backends.tensorflow.indexing import bits, broadcast, flat, numeric
from tahr.backends.tensorflow.loading import tf
from tahr.backends.tensorflow.windows import padded
from tahr.dtypes import canonical, standardize_dtype

implements = backend.implements


def _axes(axis: Any, rank: int) -> list[int]:
    if axis is None:
        return list(range(rank))
    return [a % rank if -rank <= a < rank else a for a in (axis if isinstance(axis, (tuple, list)) else (axis,))]


# ---- element by element -------------------------------------------------------------------------------------------


def _of_truth(logical: Callable[..., Any], usual: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is `logical` for truth values, which TensorFlow has no arithmetic and no order for."""

    def run(x1: Any, x2: Any) -> Any:
        truth = getattr(x1, "dtype", None) == tf.bool
        return logical(x1, backend.tensor(x2, "bool")) if truth else usual(x1, x2)

    return run


def _shared(choose: Callable[..., Any]) -> Callable[..., Any]:
    """Return a choice of one of two numbers that, where they are equal, halves the gradient between them."""

    def run(x1: Any, x2: Any) -> Any:
        found = choose(x1, x2)
        if not (isinstance(x2, tf.Tensor) and found.dtype.is_floating):
            return found
        return tf.where(x1 == x2, x1 * 0.5 + x2 * 0.5, found)

    return run


numpy = tf.experimental.numpy
backend.own.update(  # TensorFlow's functions of other names, of which some are NumPy's
    **{name: getattr(tf, f"reduce_{name}") for name in ("sum", "mean", "all", "any")},
    **{name: getattr(numpy, name) for name in ("cumprod", "cumsum", "diagonal", "gcd", "lcm")},
    **{name: getattr(tf.linalg, name) for name in ("det", "eig", "eigh", "inv")},
    **{name: getattr(tf.bitwise, name) for name in ("left_shift", "right_shift")},
    copy=tf.identity,
    floor_divide=tf.math.floordiv,
    fmod=tf.truncatemod,
    log10=lambda x: tf.math.log(x) / math.log(10),
    log2=lambda x: tf.math.log(x) / math.log(2),
    var=tf.math.reduce_variance,
    broadcast_to=lambda x, shape: tf.broadcast_to(x, tuple(shape)),
    bitwise_not=lambda x: ~x,
    add=_of_truth(tf.logical_or, tf.add),
    multiply=_of_truth(tf.logical_and, tf.multiply),
    maximum=_of_truth(tf.logical_or, _shared(tf.maximum)),
    minimum=_of_truth(tf.logical_and, _shared(tf.minimum)),
    less=_of_truth(lambda a, b: ~a & b, tf.less),
    less_equal=_of_truth(lambda a, b: ~a | b, tf.less_equal),
    greater=_of_truth(lambda a, b: a & ~b, tf.greater),
    greater_equal=_of_truth(lambda a, b: a | ~b, tf.greater_equal),
    bitwise_and=_of_truth(tf.logical_and, tf.bitwise.bitwise_and),
    bitwise_or=_of_truth(tf.logical_or, tf.bitwise.bitwise_or),
    bitwise_xor=_of_truth(tf.not_equal, tf.bitwise.bitwise_xor),
)


@implements
def absolute(x: Any) -> Any:
    return x if x.dtype == tf.bool or x.dtype.is_unsigned else tf.abs(x)


@implements
def sign(x: Any) -> Any:
    return x if x.dtype == tf.bool else tf.cast(x > 0, x.dtype) if x.dtype.is_unsigned else tf.sign(x)


@implements
def power(x1: Any, x2: Any) -> Any:
    if x1.dtype.is_floating or x1.dtype.is_complex:
        return tf.pow(x1, x2)
    x2 = tf.cast(x2, x1.dtype)
    found = tf.pow(x1, tf.maximum(x2, 0))
    inverse = tf.where(x1 == 1, 1, tf.where(x1 == -1, 1 - 2 * tf.math.floormod(x2, 2), 0))  # rounded towards zero
    return tf.where(x2 < 0, tf.cast(inverse, x1.dtype), found)


@implements
def trunc(x: Any) -> Any:
    return tf.where(x < 0, tf.math.ceil(x), tf.math.floor(x)) if x.dtype.is_floating else x


@implements
def round_(x: Any, decimals: int = 0) -> Any:
    if x.dtype.is_complex:
        return tf.complex(round_(tf.math.real(x), decimals), round_(tf.math.imag(x), decimals))
    if x.dtype.is_floating:
        if not decimals:
            return tf.round(x)
        scale = tf.cast(10.0 ** abs(decimals), x.dtype)
        return tf.round(x * scale) / scale if decimals > 0 else tf.round(x / scale) * scale
    if decimals >= 0:
        return x
    unit = 10**-decimals
    return tf.cast(tf.round(tf.cast(x, tf.float64) / unit) * unit, x.dtype)


@implements
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    if x.dtype.is_complex:
        return tf.complex(*(nan_to_num(part, nan, posinf, neginf) for part in (tf.math.real(x), tf.math.imag(x))))
    if not x.dtype.is_floating:
        return x
    high, low = (x.dtype.max if posinf is None else posinf), (x.dtype.min if neginf is None else neginf)
    for place, value in ((tf.math.is_nan(x), nan), (x == np.inf, high), (x == -np.inf, low)):
        x = tf.where(place, tf.cast(value, x.dtype), x)
    return x


def _is(number: float) -> Callable[[Any], Any]:
    return lambda x: x == number if x.dtype.is_floating else tf.zeros_like(x, tf.bool)


backend.own["isposinf"], backend.own["isneginf"] = _is(np.inf), _is(-np.inf)


def _of_parts(name: str, whole: bool, combine: Callable[..., Any]) -> None:
    """Register a test that has an answer for whole numbers, and one for the parts of complex numbers."""
    test = getattr(tf.math, f"is_{name}")

    def run(x: Any) -> Any:
        if x.dtype.is_complex:
            return combine(test(tf.math.real(x)), test(tf.math.imag(x)))
        return test(x) if x.dtype.is_floating else tf.fill(tf.shape(x), whole)

    backend.own[f"is{name}"] = run


_of_parts("finite", True, tf.logical_and)
_of_parts("inf", False, tf.logical_or)
_of_parts("nan", False, tf.logical_or)


@implements
def signbit(x: Any) -> Any:
    if x.dtype.is_floating:
        return bits(x) < 0
    return tf.zeros_like(x, tf.bool) if x.dtype == tf.bool or x.dtype.is_unsigned else x < 0


@implements
def nextafter(x1: Any, x2: Any) -> Any:
    if x1.dtype in (tf.float32, tf.float64):
        return tf.math.nextafter(x1, x2)
    x1, x2 = broadcast(x1, x2)
    now, away = tf.cast(bits(x1), tf.int32), (x2 > x1) == (x1 > 0)
    tiny = tf.where(x2 > 0, 1, -32767)
    moved = tf.where(x1 == 0, tiny, tf.where(away, now + 1, now - 1))
    found = tf.bitcast(tf.cast(moved, tf.int16), x1.dtype)
    return tf.where(tf.math.is_nan(x1) | tf.math.is_nan(x2), x1 + x2, tf.where(x1 == x2, x2, found))


@implements
def ldexp(x1: Any, x2: Any) -> Any:
    x2 = tf.cast(x2, x1.dtype)
    half = tf.math.floordiv(x2, 2)  # in two steps, so that 2**x2 overflows only where the result does
    two = tf.constant(2, x1.dtype)
    return x1 * tf.pow(two, half) * tf.pow(two, x2 - half)


@implements
def heaviside(x1: Any, x2: Any) -> Any:
    x1, x2 = broadcast(x1, x2)
    return tf.where(x1 == 0, x2, tf.where(tf.math.is_nan(x1), x1, tf.cast(x1 > 0, x1.dtype)))


backend.own.update(
    real=lambda x: tf.math.real(x) if x.dtype.is_complex else x,
    conjugate=lambda x: tf.math.conj(x) if x.dtype.is_complex else x,
    imag=lambda x: tf.math.imag(x) if x.dtype.is_complex else tf.zeros_like(x),
    angle=lambda x: tf.math.atan2(backend.own["imag"](x), tf.math.real(x)),
    isreal=lambda x: ~tf.cast(backend.own["imag"](x), tf.bool),
)


# ---- reductions ---------------------------------------------------------------------------------------------------


def _extremum(reduce: Callable[..., Any], combine: str, truth: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
        if initial is None and 0 in [x.shape[i] for i in _axes(axis, len(x.shape))]:
            raise ValueError("expected at least one element to choose from; received none. Pass `initial`.")
        out = (truth if x.dtype == tf.bool else reduce)(x, axis, keepdims)
        return out if initial is None else backend.own[combine](out, backend.tensor(initial, out.dtype.name))

    return run


backend.own["max"] = _extremum(tf.reduce_max, "maximum", tf.reduce_any)
backend.own["min"] = _extremum(tf.reduce_min, "minimum", tf.reduce_all)


@implements
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    return tf.reduce_prod(x, axis, keepdims)


def _argument(choose: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        x, rank = numeric(x), len(x.shape)
        if axis is None:
            found = choose(flat(x), 0, tf.int32)
            return tf.reshape(found, [1] * rank) if keepdims else found
        found = choose(x, axis, tf.int32)
        return tf.expand_dims(found, axis) if keepdims else found

    return run


def _first_nan(choose: Callable[..., Any]) -> Callable[..., Any]:
    """Return `choose` with NaN, if there is one, as the extreme."""

    def run(x: Any, axis: int, kind: Any) -> Any:
        found = choose(x, axis, kind)
        if not x.dtype.is_floating:
            return found
        nan = tf.math.is_nan(x)
        return tf.where(tf.reduce_any(nan, axis), tf.argmax(tf.cast(nan, tf.uint8), axis, kind), found)

    return run


backend.own["argmax"], backend.own["argmin"] = _argument(_first_nan(tf.argmax)), _argument(_first_nan(tf.argmin))


# ---- making and shaping -------------------------------------------------------------------------------------------


@implements
def _full(shape: Any, fill_value: Any, dtype: str) -> Any:
    return tf.broadcast_to(backend.tensor(fill_value, dtype), tuple(shape))


def _like(fill: Any) -> Any:
    return lambda x, dtype=None: fill(x, None if dtype is None else DTYPES[canonical(standardize_dtype(dtype))])


backend.own["zeros_like"], backend.own["ones_like"] = _like(tf.zeros_like), _like(tf.ones_like)  # of open sizes, too


@implements
def _arange(start: Any, stop: Any, step: Any, dtype: str) -> Any:
    if any(isinstance(n, tf.Tensor) for n in (start, stop, step)):
        return tf.cast(tf.range(start, stop, step), DTYPES[dtype])
    return tf.constant(np.arange(start, stop, step), DTYPES[dtype])


@implements
def reshape(x: Any, newshape: Any) -> Any:
    sizes = tuple(newshape) if hasattr(newshape, "__iter__") else (newshape,)
    if any(isinstance(n, int) and n < -1 for n in sizes):
        raise ValueError("sizes below -1")
    return tf.reshape(x, [-1 if n is None else n for n in sizes])


@implements
def transpose(x: Any, axes: Any = None) -> Any:
    return tf.transpose(x, axes if axes is None else [a % len(x.shape) for a in axes])


@implements
def expand_dims(x: Any, axis: Any) -> Any:
    if isinstance(axis, int):
        return tf.expand_dims(x, axis)
    places = sorted(i % (len(x.shape) + len(axis)) for i in axis)
    if len(set(places)) < len(places):
        raise ValueError(f"axis={axis} names an axis twice.")
    return x[tuple(tf.newaxis if i in places else slice(None) for i in range(len(x.shape) + len(axis)))]


@implements
def squeeze(x: Any, axis: Any = None) -> Any:
    return x if axis is not None and not hasattr(axis, "__index__") and not len(axis) else tf.squeeze(x, axis)


@implements
def flip(x: Any, axis: Any = None) -> Any:
    axes = _axes(axis, len(x.shape))
    if len(x.shape) <= 8:
        return tf.reverse(x, axes) if axes else x
    for i in axes:
        x = tf.gather(x, tf.range(x.shape[i] - 1, -1, -1), axis=i)
    return x


@implements
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return tf.reshape(tf.roll(flat(x), shift if isinstance(shift, int) else sum(shift), 0), x.shape)
    if isinstance(axis, (tuple, list)) and isinstance(shift, int):
        shift = [shift] * len(axis)
    return tf.roll(x, shift, axis)


@implements
def tile(x: Any, repeats: Any) -> Any:
    counts = list(repeats) if hasattr(repeats, "__iter__") else [repeats]
    missing = len(counts) - len(x.shape)
    if missing > 0:
        x = tf.reshape(x, [1] * missing + x.shape.as_list())
    return tf.tile(x, [1] * -missing + counts)


@implements
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    return tf.repeat(flat(x), repeats, 0) if axis is None else tf.repeat(x, repeats, axis)


@implements
def concatenate(xs: Any, axis: int = 0) -> Any:
    return tf.concat(list(xs), axis)


@implements
def stack(x: Any, axis: int = 0) -> Any:
    if not x:
        raise ValueError("expected at least one array to stack; received none.")
    return tf.stack(list(x), axis)


@implements
def _pad_constant(x: Any, pad_width: Any, value: Any) -> Any:
    return padded(x, pad_width, value) if len(x.shape) else x


# ---- products -----------------------------------------------------------------------------------------------------


def _product(run: Callable[..., Any], *arrays: Any) -> Any:
    """Return `run` of arrays, of types that TensorFlow has no products of, too."""
    kind = arrays[0].dtype
    if kind.is_floating or kind.is_complex or kind in (tf.int32, tf.int64):
        return run(*arrays)
    found = run(*(tf.cast(x, tf.int32) for x in arrays))
    return found != 0 if kind == tf.bool else tf.cast(found, kind)


@implements
def matmul(x1: Any, x2: Any) -> Any:
    row, column = len(x1.shape) == 1, len(x2.shape) == 1
    found = _product(tf.matmul, x1[None] if row else x1, x2[:, None] if column else x2)
    found = found[..., 0] if column else found
    return (found[..., 0] if column else found[..., 0, :]) if row else found


@implements
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    if not isinstance(axes, int):
        axes = [list(a) if isinstance(a, (tuple, list)) else [a] for a in axes]
    return _product(lambda a, b: tf.tensordot(a, b, axes), x1, x2)


@implements
def _einsum(operands: Any, subscripts: str) -> Any:
    if "->" not in subscripts:  # TensorFlow's own rule forgets the axes behind dots
        letters = sorted(c for c in set(subscripts) if c.isalpha() and subscripts.count(c) == 1)
        subscripts = "".join([subscripts, "->", "..." * ("..." in subscripts), *letters])
    return _product(functools.partial(tf.einsum, subscripts), *operands)


# ---- other views --------------------------------------------------------------------------------------------------


@implements
def view(x: Any, dtype: Any = None) -> Any:
    wanted = x.dtype if dtype is None else DTYPES[canonical(standardize_dtype(dtype))]
    if x.dtype == tf.bool:
        x = tf.cast(x, tf.uint8)
    if wanted == tf.bool:
        return tf.bitcast(x, tf.uint8) != 0
    if wanted.size > x.dtype.size:
        ratio = wanted.size // x.dtype.size
        return tf.bitcast(tf.reshape(x, (*x.shape[:-1], x.shape[-1] // ratio, ratio)), wanted)
    found = tf.bitcast(x, wanted)
    return found if wanted.size == x.dtype.size else tf.reshape(found, (*x.shape[:-1], -1))


@implements
def view_as_complex(x: Any) -> Any:
    x = x if x.dtype == tf.float64 else tf.cast(x, tf.float32)
    return tf.complex(x[..., 0], x[..., 1])


# ---- neural networks ----------------------------------------------------------------------------------------------


@implements
def softmax(x: Any, axis: Any = -1) -> Any:
    return tf.nn.softmax(x, axis) if isinstance(axis, int) and len(x.shape) else tf.exp(log_softmax(x, axis))


@implements
def log_softmax(x: Any, axis: Any = -1) -> Any:
    if isinstance(axis, int) and len(x.shape):
        return tf.nn.log_softmax(x, axis)
    return x - tf.reduce_logsumexp(x, axis if len(x.shape) else None, True)


# ---- linear algebra -----------------------------------------------------------------------------------------------


@implements
def cholesky(x: Any, upper: bool = False) -> Any:
    found = tf.linalg.cholesky(x)
    return tf.linalg.adjoint(found) if upper else found


@implements
def lu_factor(x: Any) -> Any:
    lu, order = tf.linalg.lu(x)
    return lu, _swaps(order)


def _swaps(order: Any) -> Any:
    """Return, for rows in their new order, the row that each step of elimination swapped its own with."""
    columns = tf.range(order.shape[-1])
    now, found = tf.broadcast_to(columns, order.shape), []
    for k in range(order.shape[-1]):
        place = tf.argmax(tf.cast(now == order[..., k : k + 1], tf.int32), -1, tf.int32)
        found.append(place)
        moved = tf.where(columns == place[..., None], now[..., k : k + 1], now)
        now = tf.where(columns == k, order[..., k : k + 1], moved)
    return tf.stack(found, -1)


@implements
def qr(x: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "complete"):
        raise ValueError(f"mode {mode!r} is unknown")
    return tuple(tf.linalg.qr(x, full_matrices=mode == "complete"))


@implements
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    if not compute_uv:
        return tf.linalg.svd(x, compute_uv=False)
    s, u, v = tf.linalg.svd(x, full_matrices)
    return u, s, tf.linalg.adjoint(v)


@implements
def slogdet(x: Any) -> Any:
    sign, size = tf.linalg.slogdet(x)
    return sign, tf.math.real(size)


def _as_columns(a: Any, b: Any, run: Callable[..., Any]) -> Any:
    """Return `run(a, b)` for vectors b, too: those with one dimension less than a."""
    if not (len(b.shape) > 1 and len(b.shape) >= len(a.shape)):
        return _as_columns(a, b[..., None], run)[..., 0]
    batch = tf.broadcast_static_shape(a.shape[:-2], b.shape[:-2])
    return run(*(tf.broadcast_to(m, (*batch, *m.shape[-2:])) for m in (a, b)))


@implements
def solve(a: Any, b: Any) -> Any:
    return _as_columns(a, b, tf.linalg.solve)


@implements
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    return _as_columns(a, b, lambda a, b: tf.linalg.triangular_solve(a, b, lower))
