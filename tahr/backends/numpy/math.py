"""NumPy's own versions of operations that its functions do otherwise, or that it lacks."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr.backends.backend import numpy_dtype
from tahr.backends.numpy import backend
from tahr.dtypes import canonical, standardize_dtype

implements = backend.implements


# ---- element by element -------------------------------------------------------------------------------------------


def _per_element(fn: Callable[[float], float]) -> Callable[[Any], Any]:
    apply = np.frompyfunc(fn, 1, 1)
    return lambda x: np.asarray(apply(x), dtype="float64").astype(x.dtype)


@implements
def erf(x: Any) -> Any:
    return _per_element(math.erf)(x)


@implements
def erfc(x: Any) -> Any:
    return _per_element(math.erfc)(x)


@implements
def erfinv(x: Any) -> Any:
    """Newton's method on erf from Giles's single-precision approximation (GPU Computing Gems, 2011)."""
    y = x.astype("float64")
    with np.errstate(all="ignore"):
        w = -np.log((1 - y) * (1 + y))
        near, far = w - 2.5, np.sqrt(w) - 3
        central = np.polyval(_CENTRAL, near)
        tail = np.polyval(_TAIL, far)
        found = np.where(w < 5, central, tail) * y
        for _ in range(2):
            error = _per_element(math.erf)(found) - y
            found = found - error / (2 / math.sqrt(math.pi) * np.exp(-found * found))
    found = np.where(np.abs(y) == 1, np.copysign(np.inf, y), np.where(np.abs(y) < 1, found, np.nan))
    return found.astype(x.dtype)


_CENTRAL = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
    -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
    -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip


@implements
def round_(x: Any, decimals: int = 0) -> Any:
    return np.round(x, decimals)


# ---- making and shaping -------------------------------------------------------------------------------------------


@implements
def _full(shape: Any, fill_value: Any, dtype: str) -> Any:
    return np.full(shape, backend.tensor(fill_value), numpy_dtype(dtype))


@implements
def _arange(start: Any, stop: Any, step: Any, dtype: str) -> Any:
    return np.arange(start, stop, step).astype(numpy_dtype(dtype))


@implements
def reshape(x: Any, newshape: Any) -> Any:
    if min(newshape if hasattr(newshape, "__iter__") else (newshape,), default=0) < -1:
        raise ValueError("sizes below -1")  # NumPy takes every negative size for "what is left"
    return np.reshape(x, newshape)


@implements
def concatenate(xs: Any, axis: int = 0) -> Any:
    return np.concatenate(list(xs), axis)


@implements
def stack(x: Any, axis: int = 0) -> Any:
    return np.stack(list(x), axis)


@implements
def _pad_constant(x: Any, pad_width: Any, value: Any) -> Any:
    return np.pad(x, pad_width, constant_values=value)


# ---- indexing -----------------------------------------------------------------------------------------------------


@implements
def get_item(x: Any, key: Any) -> Any:
    return np.asarray(x[backend.index_key(key)])


@implements
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    return np.take(x, indices.astype("int64"), axis)


@implements
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    if axis is not None:
        ones = [1] * x.ndim
        ones[axis] = 0
        wide = np.broadcast_shapes(
            *(tuple(n if k else 1 for n, k in zip(a.shape, ones, strict=True)) for a in (x, indices))
        )
        x, indices = (np.broadcast_to(a, _with(wide, axis, a.shape[axis])) for a in (x, indices))
    return np.take_along_axis(x, indices.astype("int64"), axis)


def _with(shape: Any, axis: int, size: int) -> tuple[int, ...]:
    sizes = list(shape)
    sizes[axis] = size
    return tuple(sizes)


def _window(start: Any, sizes: Any) -> tuple[slice, ...]:
    return tuple(slice(int(s), int(s) + int(n)) for s, n in zip(start, sizes, strict=True))


def _starts(start_indices: Any, sizes: Any, parts: Any) -> list[int]:
    """Return where a part begins, moved so that it fits, as XLA does."""
    if any(int(m) > n for n, m in zip(sizes, parts, strict=True)):
        raise ValueError("the part is larger than the whole")
    return [min(max(int(s), 0), n - int(m)) for s, n, m in zip(start_indices, sizes, parts, strict=True)]


@implements
def slice_(inputs: Any, start_indices: Any, shape: Any) -> Any:
    return inputs[_window(_starts(start_indices, inputs.shape, shape), shape)]


@implements
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    out = inputs.copy()
    out[_window(_starts(start_indices, inputs.shape, updates.shape), updates.shape)] = updates
    return out


_AT = {"add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}


@implements
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    out = inputs.copy()
    key = tuple(np.moveaxis(indices, -1, 0).astype("int64"))
    if reduction is None:
        out[key] = updates
    else:
        _AT[reduction].at(out, key, updates)
    return out


@implements
def argsort(x: Any, axis: int | None = -1) -> Any:
    return np.argsort(x, axis, kind="stable")


@implements
def top_k(x: Any, k: int, sorted: bool = True) -> Any:
    if not 0 <= k <= x.shape[-1]:
        raise ValueError("k out of range")
    places = x.shape[-1] - 1 - np.argsort(x[..., ::-1], -1, kind="stable")[..., ::-1][..., :k]
    return np.take_along_axis(x, places, -1), places.astype("int32")


@implements
def nonzero(x: Any) -> Any:
    return tuple(i.astype("int32") for i in np.nonzero(np.atleast_1d(x)))


@implements
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    if x1 is None and x2 is None:
        return nonzero(condition)
    if x1 is None or x2 is None:
        raise ValueError("expected both or neither")
    return np.where(condition, x1, x2)


@implements
def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    found = np.unique(x, True, True, True, axis=axis)
    values, first, inverse, counts = (np.asarray(f) for f in found)
    inverse = inverse.reshape(x.shape if axis is None else (x.shape[axis],))
    place = axis or 0
    if size is not None:
        values, missing = values.take(range(min(size, values.shape[place])), place), max(0, size - values.shape[place])
        pad = values.take([0], place) if fill_value is None else np.full_like(values.take([0], place), fill_value)
        values = np.concatenate([values, *[pad] * missing], place)
        first = np.concatenate([first[:size], np.full(missing, first[0])])
        counts = np.concatenate([counts[:size], np.zeros(missing, counts.dtype)])
    wanted = ((first, return_index), (inverse, return_inverse), (counts, return_counts))
    out = (values, *(part.astype("int32") for part, asked in wanted if asked))
    return out if len(out) > 1 else out[0]


# ---- products -----------------------------------------------------------------------------------------------------


@implements
def _einsum(operands: Any, subscripts: str) -> Any:
    return np.einsum(subscripts, *operands)


@implements
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    return np.tensordot(x1, x2, axes)


@implements
def allclose(x1: Any, x2: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    return np.asarray(np.allclose(x1, x2, rtol, atol, equal_nan))


@implements
def sort(x: Any, axis: int | None = -1) -> Any:
    return np.sort(x, axis)


# ---- other views --------------------------------------------------------------------------------------------------


@implements
def view(x: Any, dtype: Any = None) -> Any:
    return np.ascontiguousarray(x).view(x.dtype if dtype is None else numpy_dtype(canonical(standardize_dtype(dtype))))


@implements
def view_as_complex(x: Any) -> Any:
    return (x[..., 0] + 1j * x[..., 1]).astype("complex128" if x.dtype == "float64" else "complex64")


@implements
def power(x1: Any, x2: Any) -> Any:
    whole = np.result_type(x1, x2).kind in "iu"
    if not whole or not np.any(np.less(x2, 0)):
        return np.power(x1, x2)
    inverse = np.where(np.equal(x1, 1), 1, np.where(np.equal(x1, -1), 1 - 2 * np.mod(x2, 2), 0))  # towards zero
    return np.where(np.less(x2, 0), inverse, np.power(x1, np.maximum(x2, 0)))


# ---- linear algebra -----------------------------------------------------------------------------------------------


@implements
def cholesky(x: Any, upper: bool = False) -> Any:
    return np.linalg.cholesky(x, upper=upper)


@implements
def eigh(x: Any) -> Any:
    return tuple(np.linalg.eigh(x))


@implements
def eig(x: Any) -> Any:
    kind = "complex128" if x.dtype in ("float64", "complex128") else "complex64"
    return tuple(part.astype(kind) for part in np.linalg.eig(x))


@implements
def lu_factor(x: Any) -> Any:
    """Gaussian elimination with the largest element of each column as pivot."""
    lu = x.copy()
    rows, columns = lu.shape[-2:]
    steps = min(rows, columns)
    pivots = np.zeros((*lu.shape[:-2], steps), "int32")
    for index in np.ndindex(*lu.shape[:-2]):
        m = lu[index]
        for k in range(steps):
            best = k + int(np.argmax(np.abs(m[k:, k])))
            pivots[(*index, k)] = best
            m[[k, best]] = m[[best, k]]
            if m[k, k] != 0:
                m[k + 1 :, k] /= m[k, k]
                m[k + 1 :, k + 1 :] -= np.outer(m[k + 1 :, k], m[k, k + 1 :])
    return lu, pivots


@implements
def qr(x: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "complete"):
        raise ValueError(f"mode {mode!r} is unknown")
    return tuple(np.linalg.qr(x, mode))


@implements
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    found = np.linalg.svd(x, full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


@implements
def inv(x: Any) -> Any:
    return np.linalg.inv(x)


@implements
def det(x: Any) -> Any:
    return np.asarray(np.linalg.det(x))


@implements
def slogdet(x: Any) -> Any:
    return tuple(np.asarray(part) for part in np.linalg.slogdet(x))


@implements
def solve(a: Any, b: Any) -> Any:
    return np.linalg.solve(a, b) if b.ndim > 1 and b.ndim >= a.ndim else np.linalg.solve(a, b[..., None])[..., 0]


@implements
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    return solve(np.tril(a) if lower else np.triu(a), b)
