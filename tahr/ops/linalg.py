"""Linear algebra on the matrices in the last two axes: factors, inverses, solutions, norms."""

import math
from typing import Any

from tahr import dtypes, shapes
from tahr.dtypes import floating, index, real_floating
from tahr.ops.comparison import greater, not_equal, where
from tahr.ops.control import jvp
from tahr.ops.core import cast
from tahr.ops.creation import tril, triu
from tahr.ops.declare import op
from tahr.ops.elementwise import absolute, conjugate, log, power, real, sqrt, square
from tahr.ops.products import matmul
from tahr.ops.reduction import max, min, sum
from tahr.ops.shaping import expand_dims, moveaxis, reshape, swapaxes
from tahr.symbolic import KerasTensor

__all__ = [
    "cholesky",
    "cholesky_inverse",
    "det",
    "eig",
    "eigh",
    "inv",
    "jvp",
    "logdet",
    "lstsq",
    "lu_factor",
    "matrix_rank",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
]


def _spec(shape: Any, like: Any, dtype: str | None = None) -> KerasTensor:
    return KerasTensor(tuple(shape), dtype or dtypes.of(like), record_history=False)


def _matrix(name: str, x: Any) -> shapes.Shape:
    given = shapes.of(x)
    if len(given) < 2:
        raise ValueError(f"{name}: expected an array of at least two dimensions; received shape {given}.")
    return given


def _square(name: str, x: Any) -> shapes.Shape:
    given = _matrix(name, x)
    if None not in given[-2:] and given[-1] != given[-2]:
        raise ValueError(f"{name}: expected square matrices; received shape {given}.")
    return given


def _squares(name: str) -> Any:
    return lambda x, **_: _square(name, x)


def _numbers(name: str) -> Any:
    return lambda x, **_: _square(name, x)[:-2]


# ---- factors ------------------------------------------------------------------------------------------------------


@op(floating("x"), shape=_squares("cholesky"), native=False)
def cholesky(x: Any, upper: bool = False) -> Any:
    """Return the triangular matrix L with `x = L L^H` (or U with `x = U^H U`) of positive definite matrices.

    Raises:
        ValueError: if matrices are not square.

    >>> ops.cholesky([[4.0, 2.0], [2.0, 5.0]])
    [[2.0, 0.0], [1.0, 2.0]]
    """
    ...


@op(floating("x"), shape=_squares("cholesky_inverse"), native=False)
def cholesky_inverse(x: Any, upper: bool = False) -> Any:
    """Return the inverse of the positive definite matrix whose Cholesky factor is `x`.

    >>> ops.cholesky_inverse([[2.0, 0.0], [1.0, 2.0]])
    [[0.3125, -0.125], [-0.125, 0.25]]
    """
    from tahr.ops.creation import eye

    _square("cholesky_inverse", x)
    factor = triu(x) if upper else tril(x)
    inverse = solve_triangular(factor, eye(x.shape[-1], dtype=dtypes.of(x)) + 0 * factor, lower=not upper)
    other = conjugate(swapaxes(inverse, -1, -2))
    return matmul(inverse, other) if upper else matmul(other, inverse)


def _eigh_spec(x: Any) -> Any:
    given = _square("eigh", x)
    kind = {"complex64": "float32", "complex128": "float64"}.get(dtypes.of(x), dtypes.of(x))
    return _spec(given[:-1], x, kind), _spec(given, x)


@op(floating, shape=_eigh_spec, native=False)
def eigh(x: Any) -> Any:
    """Return the eigenvalues, rising, and eigenvectors (columns) of symmetric or Hermitian matrices.

    >>> ops.eigh([[2.0, 0.0], [0.0, 1.0]])[0]
    [1.0, 2.0]
    """
    ...


def _eig_spec(x: Any) -> Any:
    given = _square("eig", x)
    kind = "complex128" if dtypes.of(x) in ("float64", "complex128") else "complex64"
    return _spec(given[:-1], x, kind), _spec(given, x, kind)


@op(floating, shape=_eig_spec, native=False)
def eig(x: Any) -> Any:
    """Return the eigenvalues and eigenvectors (columns) of square matrices, complex numbers in no special order.

    >>> ops.real(ops.eig([[2.0]])[0])
    [2.0]
    """
    ...


def _lu_spec(x: Any) -> Any:
    given = _matrix("lu_factor", x)
    size = None if None in given[-2:] else sorted(given[-2:])[0]  # type: ignore[type-var]
    return _spec(given, x), _spec((*given[:-2], size), x, "int32")


@op(floating, shape=_lu_spec, native=False)
def lu_factor(x: Any) -> Any:
    """Return the LU factors of `x` in one matrix, and for each row with which row (from 0) it was exchanged.

    >>> ops.lu_factor([[1.0, 2.0], [2.0, 2.0]])
    ([[2.0, 2.0], [0.5, 1.0]], [1, 1])
    """
    ...


def _qr_spec(x: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: expected mode 'reduced' or 'complete'; received {mode!r}.")
    *batch, rows, columns = _matrix("qr", x)
    if mode == "complete":
        inner = rows
    else:
        inner = None if rows is None or columns is None else sorted((rows, columns))[0]
    return _spec((*batch, rows, inner), x), _spec((*batch, inner, columns), x)


@op(floating("x"), shape=_qr_spec, native=False)
def qr(x: Any, mode: str = "reduced") -> Any:
    """Return an orthogonal matrix Q and an upper triangular matrix R with `x = Q R`.

    Args:
        x: matrices.
        mode: `"complete"` for square Q, `"reduced"` for no more columns than `x` has.

    >>> ops.absolute(ops.qr([[3.0], [4.0]])[1])
    [[5.0]]
    """
    ...


def _svd_spec(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    *batch, rows, columns = _matrix("svd", x)
    inner = None if rows is None or columns is None else sorted((rows, columns))[0]
    kind = {"complex64": "float32", "complex128": "float64"}.get(dtypes.of(x), dtypes.of(x))
    values = _spec((*batch, inner), x, kind)
    if not compute_uv:
        return values
    left, right = (rows, columns) if full_matrices else (inner, inner)
    return _spec((*batch, rows, left), x), values, _spec((*batch, right, columns), x)


@op(floating("x"), shape=_svd_spec, native=False)
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Return U, the singular values s (falling) and V^H with `x = U diag(s) V^H`.

    Args:
        x: matrices.
        full_matrices: whether U and V^H are square, else no larger than needed.
        compute_uv: False returns s alone.

    >>> ops.svd([[3.0, 0.0], [0.0, 4.0]], compute_uv=False)
    [4.0, 3.0]
    """
    ...


# ---- inverses and solutions ---------------------------------------------------------------------------------------


@op(floating, shape=_squares("inv"), native=False)
def inv(x: Any) -> Any:
    """Return the inverse of square matrices.

    Raises:
        ValueError: if matrices are not square, or singular on a backend that notices.

    >>> ops.inv([[2.0, 0.0], [0.0, 4.0]])
    [[0.5, 0.0], [0.0, 0.25]]
    """
    ...


def _solved(a: Any, b: Any, **_: Any) -> Any:
    left, right = _square("solve", a), shapes.of(b)
    if len(right) == 1 or len(right) == len(left) - 1:
        if None not in (left[-1], right[-1]) and left[-1] != right[-1]:
            raise ValueError(f"solve: matrices of shape {left} and right-hand sides of shape {right} do not fit.")
        return right if len(right) > 1 or len(left) == 2 else (*left[:-2], *right)
    if len(right) < 2 or (None not in (left[-1], right[-2]) and left[-1] != right[-2]):
        raise ValueError(f"solve: matrices of shape {left} and right-hand sides of shape {right} do not fit.")
    return (*shapes.broadcast(left[:-2], right[:-2]), *right[-2:])


@op(floating("a", "b"), shape=_solved, native=False)
def solve(a: Any, b: Any) -> Any:
    """Return x with `a x = b`.

    Args:
        a: square matrices (..., n, n).
        b: right-hand sides (..., n, k), or vectors with one dimension less than `a`.

    Raises:
        ValueError: if shapes do not fit.

    >>> ops.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 4.0])
    [1.0, 1.0]
    """
    ...


@op(floating("a", "b"), shape=_solved, native=False)
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    """Return x with `a x = b` for triangular `a`, of which only the upper (or lower) triangle is read.

    >>> ops.solve_triangular([[2.0, 1.0], [0.0, 4.0]], [4.0, 4.0])
    [1.5, 1.0]
    """
    ...


def _lstsq_shape(a: Any, b: Any, rcond: float | None = None) -> Any:
    left, right = shapes.of(a), shapes.of(b)
    if len(left) != 2 or len(right) not in (1, 2) or (None not in (left[0], right[0]) and left[0] != right[0]):
        raise ValueError(
            f"lstsq: expected a of shape (m, n) and b of shape (m,) or (m, k); received {left} and {right}."
        )
    return (left[1], *right[1:])


@op(floating("a", "b"), shape=_lstsq_shape, native=False)
def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    """Return x for which `a x` is nearest to `b` in the sum of squares; the shortest such x.

    Args:
        a: matrix (m, n).
        b: vector (m,) or columns (m, k).
        rcond: singular values below this share of the largest count as zero; None takes epsilon times max(m, n).

    Raises:
        ValueError: if shapes do not fit.

    >>> ops.lstsq([[1.0], [1.0]], [1.0, 3.0])
    [2.0]
    """
    _lstsq_shape(a, b)
    columns = b if len(b.shape) == 2 else expand_dims(b, 1)
    found = matmul(pinv(a, _cutoff_of(a, a.shape) if rcond is None else rcond), columns)
    return found if len(b.shape) == 2 else reshape(found, (-1,))


@op(
    floating("x"),
    shape=lambda x, rcond=None: (*_matrix("pinv", x)[:-2], shapes.of(x)[-1], shapes.of(x)[-2]),
    native=False,
)
def pinv(x: Any, rcond: float | None = None) -> Any:
    """Return the pseudo-inverse (Moore and Penrose) of matrices.

    Args:
        x: matrices.
        rcond: singular values below this share of the largest count as zero; None takes 10 times epsilon times the
            larger size.

    >>> ops.pinv([[2.0], [0.0]])
    [[0.5, 0.0]]
    """
    u, s, vh = svd(x, full_matrices=False)
    share = 10 * _cutoff_of(x, x.shape) if rcond is None else rcond
    large = greater(s, share * max(s, -1, True, initial=0))
    inverse = where(large, 1 / where(large, s, 1), 0)
    scaled = conjugate(swapaxes(vh, -1, -2)) * cast(expand_dims(inverse, -2), dtypes.of(x))
    return matmul(scaled, conjugate(swapaxes(u, -1, -2)))


# ---- numbers of a matrix ------------------------------------------------------------------------------------------


@op(floating, shape=_numbers("det"), native=False)
def det(x: Any) -> Any:
    """Return the determinants of square matrices.

    >>> ops.det([[1.0, 2.0], [3.0, 4.0]])
    -2.0
    """
    ...


def _slogdet_spec(x: Any) -> Any:
    given = _square("slogdet", x)[:-2]
    kind = {"complex64": "float32", "complex128": "float64"}.get(dtypes.of(x), dtypes.of(x))
    return _spec(given, x), _spec(given, x, kind)


@op(floating, shape=_slogdet_spec, native=False)
def slogdet(x: Any) -> Any:
    """Return the signs of the determinants of square matrices, and the logarithms of their absolute values.

    >>> ops.slogdet([[1.0, 2.0], [3.0, 4.0]])
    (-1.0, 0.6931472)
    """
    ...


@op(floating, shape=_numbers("logdet"), native=False)
def logdet(x: Any) -> Any:
    """Return the logarithms of the determinants of positive definite matrices.

    >>> ops.logdet([[2.0, 0.0], [0.0, 4.0]])
    2.0794415
    """
    from tahr.ops.creation import diagonal

    return 2 * sum(log(real(diagonal(cholesky(x), 0, -2, -1))), -1)


@op(index("x"), shape=lambda x, tol=None: _matrix("matrix_rank", x)[:-2], native=False)
def matrix_rank(x: Any, tol: float | None = None) -> Any:
    """Return the numbers of singular values of matrices above `tol`; None takes epsilon times size times the largest.

    >>> ops.matrix_rank([[1.0, 2.0], [2.0, 4.0]])
    1
    """
    s = svd(x, compute_uv=False)
    floating_x = x if dtypes.is_inexact(dtypes.of(x)) else s
    bound = max(s, -1, True) * _cutoff_of(floating_x, x.shape) if tol is None else tol
    return sum(greater(s, bound), -1)


def _cutoff_of(x: Any, shape: Any) -> float:
    return dtypes.EPSILON[dtypes.of(x)] * sorted(shape[-2:])[-1]


# ---- norms --------------------------------------------------------------------------------------------------------


@op(real_floating("x"), native=False)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Return norms of vectors (one axis) or matrices (two axes).

    Args:
        x: array.
        ord: of vectors, a number p for `sum(abs(x)**p)**(1/p)`, 0 for the number of elements that are not zero, or
            infinities for the largest and smallest; of matrices `"fro"`, `"nuc"`, 1, -1, 2, -2 or infinities. None is
            the root of the sum of squares.
        axis: one axis, a pair of axes, or None for all.
        keepdims: whether axes stay with size 1.

    Raises:
        ValueError: if `ord` is no norm of vectors or matrices.

    >>> ops.norm([3.0, 4.0]), ops.norm([[3.0, 4.0]], ord=1, axis=1)
    (5.0, [7.0])
    """
    rank = len(x.shape)
    if axis is None and ord is None:
        return _root_of_squares(x, tuple(range(rank)), keepdims)
    axes = shapes.axes_indices(axis, rank)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, ord, axes, keepdims)
    raise ValueError(f"norm: expected one axis or two; received axis={axis} for an array of shape {shapes.of(x)}.")


def _root_of_squares(x: Any, axes: Any, keepdims: bool) -> Any:
    total = sum(square(absolute(x)), axes, keepdims)
    positive = greater(total, 0)
    return where(
        positive, sqrt(where(positive, total, 1)), total
    )  # keeps the gradient at zero finite, NaNs as they are


def _vector_norm(x: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    if ord in (None, 2):
        return _root_of_squares(x, axis, keepdims)
    if isinstance(ord, str):
        raise ValueError(f"norm: expected a number as ord of vectors; received {ord!r}.")
    size = absolute(x)
    if ord == math.inf:
        return max(size, axis, keepdims)
    if ord == -math.inf:
        return min(size, axis, keepdims)
    if ord == 0:
        return cast(sum(not_equal(x, 0), axis, keepdims), dtypes.of(size))
    if ord == 1:
        return sum(size, axis, keepdims)
    return power(sum(power(size, ord), axis, keepdims), 1 / ord)


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    rows, columns = axes
    if ord in (None, "fro"):
        return _root_of_squares(x, axes, keepdims)
    if ord in (1, -1, math.inf, -math.inf):
        over, along = (rows, columns) if abs(ord) == 1 else (columns, rows)
        totals = sum(absolute(x), over, True)
        found = (max if ord > 0 else min)(totals, along, True)
    elif ord in (2, -2, "nuc"):
        s = svd(moveaxis(x, axes, (-2, -1)), compute_uv=False)
        found = sum(s, -1) if ord == "nuc" else (max if ord == 2 else min)(s, -1)
        for axis in sorted(axes):
            found = expand_dims(found, axis)
    else:
        raise ValueError(
            f"norm: expected ord of matrices to be None, 'fro', 'nuc', 1, 2, inf or negatives; received {ord!r}."
        )
    from tahr.ops.shaping import squeeze

    return found if keepdims else squeeze(found, axes)
