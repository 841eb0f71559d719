"""New arrays: filled, counted out, on a diagonal."""

from typing import Any

import numpy as np

from tahr import config, dtypes, shapes
from tahr.dtypes import floating, free, moved
from tahr.ops.comparison import equal, greater_equal, where
from tahr.ops.core import cast, convert_to_tensor
from tahr.ops.declare import op
from tahr.ops.elementwise import divide, floor, log, power, subtract
from tahr.ops.shaping import expand_dims, moveaxis, reshape
from tahr.symbolic import KerasTensor


def _type(dtype: Any, default: str | None = None) -> str:
    if dtype is None:
        return default or config.floatx()
    return dtypes.canonical(dtypes.standardize_dtype(dtype))


def _sizes(shape: Any, where: str) -> tuple[Any, ...]:
    if hasattr(shape, "__index__"):
        return (shape,)
    return tuple(shape) if hasattr(shape, "__iter__") else shapes.standardize_shape(shape, where)  # type: ignore[return-value]


def _full_spec(shape: Any, fill_value: Any, dtype: Any) -> Any:
    if any(size is not None and int(size) < 0 for size in shape):
        raise ValueError(f"shape: expected sizes >= 0; received {tuple(shape)}.")
    if shapes.broadcast(shapes.of(fill_value), tuple(shape)) != tuple(shape):
        raise ValueError(f"fill_value of shape {shapes.of(fill_value)} does not broadcast to {tuple(shape)}.")
    return KerasTensor(tuple(shape), dtype, record_history=False)


@op(free, arrays=(), shape=_full_spec, native=False)
def _full(shape: Any, fill_value: Any, dtype: str) -> Any:
    """Return an array of `shape` filled with `fill_value`."""
    ...


@op(
    free,
    arrays=(),
    shape=lambda start, stop, step, dtype: KerasTensor((None,), dtype, record_history=False),
    native=False,
)
def _arange(start: Any, stop: Any, step: Any, dtype: str) -> Any:
    """Return the numbers from `start` to before `stop` in steps."""
    ...


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """Return an array of `shape` filled with `fill_value` (a number, or an array that broadcasts).

    >>> ops.full((2, 2), 3)
    [[3.0, 3.0], [3.0, 3.0]]
    """
    return _full(_sizes(shape, "full"), fill_value, _type(dtype))


def zeros(shape: Any, dtype: Any = None) -> Any:
    """Return an array of zeros.

    Raises:
        ValueError: if a size is negative.

    >>> ops.zeros((2,))
    [0.0, 0.0]
    """
    return _full(_sizes(shape, "zeros"), 0, _type(dtype))


def ones(shape: Any, dtype: Any = None) -> Any:
    """Return an array of ones.

    >>> ops.ones((2,), dtype="int32")
    [1, 1]
    """
    return _full(_sizes(shape, "ones"), 1, _type(dtype))


def empty(shape: Any, dtype: Any = None) -> Any:
    """Return an array whose values have no meaning yet; here zeros.

    >>> ops.shape(ops.empty((2, 3)))
    (2, 3)
    """
    return zeros(shape, dtype)


def _like(x: Any, dtype: Any = None) -> Any:
    return KerasTensor(shapes.of(x), _type(dtype, dtypes.canonical(dtypes.of(x))), record_history=False)


@op(free, shape=_like, native=False)
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Return zeros of the shape of `x`, and of its type unless `dtype` is given.

    >>> ops.zeros_like([1, 2])
    [0, 0]
    """
    return _full(tuple(x.shape), 0, _type(dtype, dtypes.of(x)))


@op(free, shape=_like, native=False)
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Return ones of the shape of `x`, and of its type unless `dtype` is given.

    >>> ops.ones_like([5, 2])
    [1, 1]
    """
    return _full(tuple(x.shape), 1, _type(dtype, dtypes.of(x)))


@op(free, shape=_like, native=False)
def empty_like(x: Any, dtype: Any = None) -> Any:
    """Return an array of the shape of `x` whose values have no meaning yet; here zeros.

    >>> ops.shape(ops.empty_like([[5, 2]]))
    (1, 2)
    """
    return _full(tuple(x.shape), 0, _type(dtype, dtypes.of(x)))


def _like_filled(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    return _like(x, dtype)


@op(free, arrays=("x",), shape=_like_filled, native=False)
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """Return an array of the shape of `x`, and of its type unless `dtype` is given, filled with `fill_value`.

    >>> ops.full_like([1.0, 2.0], 7)
    [7.0, 7.0]
    """
    return _full(tuple(x.shape), fill_value, _type(dtype, dtypes.of(x)))


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """Return the numbers from `start` (0 if `stop` is not given) to before `stop` in steps of `step`.

    >>> ops.arange(3), ops.arange(1, 2, 0.5)
    ([0, 1, 2], [1.0, 1.5])
    """
    if dtype is None:
        dtype = dtypes.common([v for v in (start, stop, step) if v is not None])
    if stop is None:
        start, stop = 0, start
    step = 1 if step is None else step
    if isinstance(step, (int, float)) and step == 0:
        raise ValueError("arange: expected a step other than 0.")
    return _arange(start, stop, step, _type(dtype))


def _spread(start: Any, stop: Any, num: int, endpoint: bool, axis: int) -> shapes.Shape:
    sizes = shapes.broadcast(shapes.of(start), shapes.of(stop))
    at = shapes.axis_index(axis, len(sizes) + 1)
    return (*sizes[:at], num, *sizes[at:])


@op(floating("start", "stop"), shape=_spread, native=False)
def _linspace(start: Any, stop: Any, num: int, endpoint: bool, axis: int) -> Any:
    steps = num - 1 if endpoint else num
    start, stop = expand_dims(start, 0) * 1, expand_dims(stop, 0) * 1
    rank = max(len(start.shape), len(stop.shape))
    fraction = np.arange(num, dtype="float64").reshape((num,) + (1,) * (rank - 1)) / max(steps, 1)
    fraction = convert_to_tensor(fraction, dtypes.of(start))
    found = start * (1 - fraction) + stop * fraction if num else start * fraction
    return moveaxis(found, 0, axis) if axis else found


def _check_num(name: str, num: Any) -> int:
    if not hasattr(num, "__index__") or num < 0:
        raise ValueError(f"{name}: expected num to be a whole number >= 0; received {num!r}.")
    return num.__index__()


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Return `num` numbers from `start` to `stop` in even steps.

    Args:
        start: first number, or an array of them.
        stop: last number, or the one after it.
        num: how many.
        endpoint: whether `stop` is the last one.
        retstep: whether to return the step, too.
        dtype: data type; None takes that of the arguments.
        axis: where the new axis stands in the result.

    >>> ops.linspace(0, 1, num=3)
    [0.0, 0.5, 1.0]
    """
    num = _check_num("linspace", num)
    found = _linspace(start, stop, num, endpoint, axis)
    if dtype is not None:
        wanted = _type(dtype)
        found = cast(floor(found) if dtypes.is_int(wanted) else found, wanted)
    if not retstep:
        return found
    steps = num - 1 if endpoint else num
    return found, divide(subtract(stop, start), steps or float("nan"))


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10, dtype: Any = None, axis: int = 0
) -> Any:
    """Return `num` numbers from `base**start` to `base**stop` whose exponents are in even steps.

    >>> ops.logspace(0, 2, num=3)
    [1.0, 10.0, 100.0]
    """
    found = power(base, linspace(start, stop, num, endpoint, axis=axis))
    return found if dtype is None else cast(found, _type(dtype))


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """Return `num` numbers from `start` to `stop`, each the same multiple of the one before.

    Raises:
        ValueError: if `start` or `stop` is the number 0.

    >>> ops.geomspace(1, 100, num=3)
    [1.0, 10.0, 100.0]
    """
    if any(isinstance(v, (int, float)) and v == 0 for v in (start, stop)):
        raise ValueError("geomspace: expected start and stop other than 0.")
    found = _geomspace(start, stop, _check_num("geomspace", num), endpoint, axis)
    return found if dtype is None else cast(found, _type(dtype))


@op(floating("start", "stop"), shape=_spread, native=False)
def _geomspace(start: Any, stop: Any, num: int, endpoint: bool, axis: int) -> Any:
    from tahr.ops.elementwise import absolute, exp, sign

    logs = _linspace(log(absolute(start)), log(absolute(stop)), num, endpoint, 0)
    found = exp(logs) * sign(start)
    return moveaxis(found, 0, axis) if axis else found


def _offsets(rows: int, columns: int, k: Any) -> tuple[Any, Any]:
    shapes.standardize_shape((rows, columns), "matrix shape")
    return expand_dims(arange(rows), 1) + k, expand_dims(arange(columns), 0)


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """Return an `N` by `M` matrix (square if None) with ones on diagonal `k` and zeros elsewhere.

    >>> ops.eye(2)
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return cast(equal(*_offsets(N, N if M is None else M, k)), _type(dtype))


def identity(n: int, dtype: Any = None) -> Any:
    """Return the square matrix of size `n` with ones on its diagonal and zeros elsewhere.

    >>> ops.identity(2)
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """Return an `N` by `M` matrix (square if None) with ones on and below diagonal `k`, and zeros above.

    >>> ops.tri(2)
    [[1.0, 0.0], [1.0, 1.0]]
    """
    return cast(greater_equal(*_offsets(N, N if M is None else M, k)), _type(dtype))


# ---- diagonals ----------------------------------------------------------------------------------------------------


def _triangle_shape(x: Any, k: Any = 0) -> Any:
    if len(shapes.of(x)) < 2:
        raise ValueError(f"Expected an array of at least two dimensions; received shape {shapes.of(x)}.")
    return shapes.of(x)


@op(moved("x"), shape=_triangle_shape)
def tril(x: Any, k: int = 0) -> Any:
    """Return the matrices in the last two axes of `x` with zeros above diagonal `k`.

    >>> ops.tril([[1, 2], [3, 4]])
    [[1, 0], [3, 4]]
    """
    rows, columns = _triangle_shape(x)[-2:]
    return where(tri(rows, columns, k, "bool"), x, 0)  # type: ignore[arg-type]


@op(moved("x"), shape=_triangle_shape)
def triu(x: Any, k: int = 0) -> Any:
    """Return the matrices in the last two axes of `x` with zeros below diagonal `k`.

    >>> ops.triu([[1, 2], [3, 4]])
    [[1, 2], [0, 4]]
    """
    rows, columns = _triangle_shape(x)[-2:]
    return where(tri(rows, columns, k - 1, "bool"), 0, x)  # type: ignore[arg-type]


def _diagonal_shape(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    given = shapes.of(x)
    if len(given) < 2:
        raise ValueError(f"diagonal: expected an array of at least two dimensions; received shape {given}.")
    i, j = shapes.axis_index(axis1, len(given), "axis1"), shapes.axis_index(axis2, len(given), "axis2")
    if i == j:
        raise ValueError(f"diagonal: expected two different axes; received {axis1} and {axis2}.")
    rows, columns = given[i], given[j]
    if rows is None or columns is None:
        size = None
    else:
        size = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    return (*(n for place, n in enumerate(given) if place not in (i, j)), size)


@op(moved("x"), shape=_diagonal_shape)
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the diagonal `offset` of the matrices in two axes of `x`, as the last axis of the result.

    >>> ops.diagonal([[1, 2], [3, 4]])
    [1, 4]
    """
    ...


@op(dtypes.accumulate("x"))
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the sum along diagonal `offset` of the matrices in two axes of `x`.

    >>> ops.trace([[1, 2], [3, 4]])
    5
    """
    from tahr.ops.reduction import sum

    return sum(diagonal(x, offset, axis1, axis2), -1)


def _diag_shape(x: Any, k: int = 0) -> Any:
    given = shapes.of(x)
    if len(given) == 2:
        return _diagonal_shape(x, k)
    if len(given) != 1:
        raise ValueError(f"diag: expected an array of one or two dimensions; received shape {given}.")
    size = None if given[0] is None else given[0] + abs(k)
    return size, size


@op(moved("x"), shape=_diag_shape)
def diag(x: Any, k: int = 0) -> Any:
    """Return a matrix with `x` on diagonal `k`, or diagonal `k` of the matrix `x`.

    Raises:
        ValueError: if `x` has neither one nor two dimensions.

    >>> ops.diag([1, 2]), ops.diag([[1, 2], [3, 4]])
    ([[1, 0], [0, 2]], [1, 4])
    """
    if len(_diag_shape(x, k)) == 1:
        return diagonal(x, k)
    rows = _pad_rows(x, k)
    count = rows.shape[0]
    return where(eye(count, count, k, "bool"), expand_dims(rows, 1), 0)


def _pad_rows(x: Any, k: int) -> Any:
    """Return `x` with zeros so that its element i stands in the row of diagonal `k` that it belongs to."""
    from tahr.ops.shaping import pad

    return pad(x, ((0, k),) if k > 0 else ((-k, 0),))


def _flat_diag(x: Any, k: int = 0) -> Any:
    total = shapes.known_size(shapes.of(x))
    return (None, None) if total is None else (total + abs(k),) * 2


@op(moved("x"), shape=_flat_diag)
def diagflat(x: Any, k: int = 0) -> Any:
    """Return a matrix with the elements of `x` on diagonal `k`.

    >>> ops.diagflat([[1], [2]])
    [[1, 0], [0, 2]]
    """
    return diag(reshape(x, (-1,)), k)


def _vander_shape(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    given = shapes.of(x)
    if len(given) != 1:
        raise ValueError(f"vander: expected an array of one dimension; received shape {given}.")
    return given[0], given[0] if N is None else N


@op(dtypes.number("x"), shape=_vander_shape, native=False)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Return the matrix of the powers of `x`, one column a power, `N` columns (as many as elements if None).

    >>> ops.vander([2, 3], 3)
    [[4, 2, 1], [9, 3, 1]]
    """
    columns = _vander_shape(x, N)[1]
    powers = np.arange(columns, dtype="int32") if increasing else np.arange(columns - 1, -1, -1, dtype="int32")
    return power(expand_dims(x, 1), convert_to_tensor(powers))


# ---- windows ------------------------------------------------------------------------------------------------------


def _window(name: str, x: Any, fn: Any) -> Any:
    """Return a window of `x` points, where `fn` gives its weights for the places in it from 0 to 1 on the host."""
    size = _check_num(name, int(x))
    if size <= 1:
        return ones((size,))
    return convert_to_tensor(fn(np.arange(size) / (size - 1)), config.floatx())


def bartlett(x: int) -> Any:
    """Return the triangular window of `x` points.

    >>> ops.bartlett(3)
    [0.0, 1.0, 0.0]
    """
    return _window("bartlett", x, lambda t: 1 - np.abs(2 * t - 1))


def hanning(x: int) -> Any:
    """Return the Hann window of `x` points, `0.5 - 0.5 cos(2 pi t)`.

    >>> ops.hanning(3)
    [0.0, 1.0, 0.0]
    """
    return _window("hanning", x, lambda t: 0.5 - 0.5 * np.cos(2 * np.pi * t))


def hamming(x: int) -> Any:
    """Return the Hamming window of `x` points, `0.54 - 0.46 cos(2 pi t)`.

    >>> ops.hamming(3)
    [0.08, 1.0, 0.08]
    """
    return _window("hamming", x, lambda t: 0.54 - 0.46 * np.cos(2 * np.pi * t))


def blackman(x: int) -> Any:
    """Return the Blackman window of `x` points, `0.42 - 0.5 cos(2 pi t) + 0.08 cos(4 pi t)`.

    >>> ops.blackman(3)
    [0.0, 1.0, 0.0]
    """
    return _window("blackman", x, lambda t: 0.42 - 0.5 * np.cos(2 * np.pi * t) + 0.08 * np.cos(4 * np.pi * t))


def kaiser(x: int, beta: float) -> Any:
    """Return the Kaiser window of `x` points with shape parameter `beta`.

    >>> ops.kaiser(3, 0.0)
    [1.0, 1.0, 1.0]
    """
    return _window("kaiser", x, lambda t: np.i0(float(beta) * np.sqrt(1 - (2 * t - 1) ** 2)) / np.i0(float(beta)))
