"""JAX's own versions of operations that `jax.numpy` does otherwise, or that it lacks."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from tahr.backends.backend import numpy_dtype
from tahr.backends.jax import backend
from tahr.backends.jax.windows import undivided_on_cpu
from tahr.backends.subscripts import summed_over
from tahr.dtypes import canonical, standardize_dtype

implements = backend.implements


# ---- making and shaping -------------------------------------------------------------------------------------------


@implements
def _full(shape: Any, fill_value: Any, dtype: str) -> Any:
    return jnp.full(
        shape, fill_value if isinstance(fill_value, (bool, int, float)) else backend.tensor(fill_value), dtype
    )


@implements
def _arange(start: Any, stop: Any, step: Any, dtype: str) -> Any:
    return jnp.arange(start, stop, step, dtype)


@implements
def concatenate(xs: Any, axis: int = 0) -> Any:
    return jnp.concatenate(list(xs), axis)


@implements
def stack(x: Any, axis: int = 0) -> Any:
    return jnp.stack(list(x), axis)


@implements
def expand_dims(x: Any, axis: Any) -> Any:
    return jnp.expand_dims(x, tuple(axis) if isinstance(axis, list) else axis)


@implements
def _pad_constant(x: Any, pad_width: Any, value: Any) -> Any:
    return jnp.pad(x, pad_width, constant_values=value)


# ---- indexing -----------------------------------------------------------------------------------------------------


@implements
def get_item(x: Any, key: Any) -> Any:
    key = backend.index_key(key)
    for part, size in zip(key if isinstance(key, tuple) else (key,), x.shape, strict=False):
        if not isinstance(part, (int, slice)) or isinstance(part, bool):
            break
        if isinstance(part, int) and not -size <= part < size:  # JAX itself would take the nearest element
            raise IndexError(f"get_item: index {part} is out of bounds for size {size}.")
    return x[key]


@implements
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    return jnp.take(x, indices, axis)


@implements
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    return jnp.take_along_axis(x, indices, axis)


@implements
def slice_(inputs: Any, start_indices: Any, shape: Any) -> Any:
    return lax.dynamic_slice(inputs, list(start_indices), [int(n) for n in shape])


@implements
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    return lax.dynamic_update_slice(inputs, updates, list(start_indices))


@implements
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    key = tuple(jnp.moveaxis(indices, -1, 0))
    if reduction == "mul":
        return _scatter_product(inputs, key, updates)
    return getattr(inputs.at[key], reduction or "set")(updates)


def _scatter_product(inputs: Any, key: tuple[Any, ...], updates: Any) -> Any:
    """JAX differentiates scattered products of distinct places only, so products of one place are made first."""
    depth = len(key)
    rows = inputs.reshape(math.prod(inputs.shape[:depth]), -1)
    sizes = inputs.shape[:depth]
    place = jnp.ravel_multi_index(
        [jnp.where(k < 0, k + n, k).ravel() for k, n in zip(key, sizes, strict=True)], sizes, mode="clip"
    )
    values = jnp.broadcast_to(updates, (*key[0].shape, *inputs.shape[depth:])).reshape(place.size, -1)
    order = jnp.argsort(place)
    place, values = place[order], values[order]
    begins = jnp.concatenate([jnp.ones(1, bool), place[1:] != place[:-1]])[: place.size]

    def combine(a: Any, b: Any) -> Any:
        return a[0] | b[0], jnp.where(b[0][:, None], b[1], a[1] * b[1])

    products = lax.associative_scan(combine, (begins, values))[1]
    ends = jnp.concatenate([begins[1:], jnp.ones(1, bool)])[: place.size]
    target = jnp.where(ends, place, len(rows) + jnp.arange(place.size))  # those out of bounds are dropped
    found = rows.at[target].multiply(products, mode="drop", unique_indices=True)
    return found.reshape(inputs.shape)


@implements
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    return jnp.repeat(x, np.asarray(repeats) if isinstance(repeats, (list, tuple)) else repeats, axis)


@implements
def argsort(x: Any, axis: int | None = -1) -> Any:
    return jnp.argsort(x, axis)


@implements
def top_k(x: Any, k: int, sorted: bool = True) -> Any:
    values, places = lax.top_k(x, k)
    return values, places


@implements
def nonzero(x: Any) -> Any:
    return tuple(i.astype("int32") for i in jnp.nonzero(jnp.atleast_1d(x)))


@implements
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    return nonzero(condition) if x1 is None else jnp.where(condition, x1, x2)


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
    found = jnp.unique(x, return_index, return_inverse, return_counts, axis, size=size, fill_value=fill_value)
    return (
        found
        if not isinstance(found, tuple)
        else tuple(f if i == 0 else f.astype("int32") for i, f in enumerate(found))
    )


# ---- products -----------------------------------------------------------------------------------------------------


@implements
def matmul(x1: Any, x2: Any) -> Any:
    if x1.ndim > 2 and x2.ndim == 2 and _as_rows(x1):
        return _product_of_rows(x1, x2, 1)
    return jnp.matmul(x1, x2)


@implements
def _einsum(operands: Any, subscripts: str) -> Any:
    if len(operands) == 2 and (axes := summed_over(subscripts)) and all(map(_as_rows, operands)):
        first, second = operands
        if first.ndim > 2 and first.shape[first.ndim - axes :] == second.shape[:axes]:
            return _product_of_rows(first, second, axes)
    return jnp.einsum(subscripts, *operands)


def _as_rows(x: Any) -> bool:
    """Return whether leading axes are made one for a product: XLA's gradient on a CPU transposes large arrays else."""
    return undivided_on_cpu(x) and x.size > 0


def _product_of_rows(first: Any, second: Any, axes: int) -> Any:
    """Return the product of matrices over the last `axes` of the first and as many leading ones of the second."""
    size = math.prod(second.shape[:axes])
    found = jnp.matmul(first.reshape(-1, size), second.reshape(size, -1))
    return found.reshape(*first.shape[: first.ndim - axes], *second.shape[axes:])


# ---- control flow -------------------------------------------------------------------------------------------------


def _traced(x: Any) -> bool:
    return isinstance(x, Tracer)


@implements
def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    if not _traced(pred):
        return true_fn() if bool(pred) else false_fn()
    return lax.cond(jnp.reshape(pred, ()).astype(bool), true_fn, false_fn)


@implements
def _switch(index: Any, branches: Any, operands: Any) -> Any:
    if not _traced(index):
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)
    return lax.switch(index, branches, *operands)


def _arrays(structure: Any) -> Any:
    return jax.tree.map(lambda x: backend.tensor(x), structure, is_leaf=lambda x: hasattr(x, "handle"))


def _typed(new: Any, old: Any) -> Any:
    """Return `new` with the types of `old`, so that a loop's values keep theirs."""
    return jax.tree.map(lambda n, o: jnp.asarray(n).astype(o.dtype), new, old)


@implements
def while_loop(cond: Any, body: Any, loop_vars: Any, maximum_iterations: int | None = None) -> Any:
    several = isinstance(loop_vars, (list, tuple))
    start = _arrays(tuple(loop_vars) if several else (loop_vars,))

    def go_on(state: Any) -> Any:
        rounds, values = state
        wanted = jnp.reshape(cond(*values), ()).astype(bool)
        return wanted if maximum_iterations is None else wanted & (rounds < maximum_iterations)

    def step(state: Any) -> Any:
        rounds, values = state
        found = body(*values)
        found = tuple(found) if isinstance(found, (list, tuple)) and several else (found,)
        return rounds + 1, _typed(found, values)

    values = lax.while_loop(go_on, step, (jnp.int32(0), start))[1]
    return type(loop_vars)(values) if several else values[0]


@implements
def fori_loop(lower: Any, upper: Any, body_fun: Any, init_val: Any) -> Any:
    start = _arrays(init_val)
    return lax.fori_loop(lower, upper, lambda i, value: _typed(body_fun(i, value), value), start)


@implements
def scan(f: Any, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, unroll: Any = 1) -> Any:
    def step(carry: Any, x: Any) -> Any:
        new, y = f(carry, x)
        return _typed(new, carry), y

    return lax.scan(step, _arrays(init), None if xs is None else _arrays(xs), length, reverse, unroll)


@implements
def associative_scan(f: Any, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    return lax.associative_scan(f, _arrays(elems), reverse, axis)


@implements
def map_(f: Any, xs: Any) -> Any:
    return lax.map(f, _arrays(xs))


# ---- other views --------------------------------------------------------------------------------------------------


@implements
def view(x: Any, dtype: Any = None) -> Any:
    wanted = numpy_dtype(canonical(standardize_dtype(dtype or x.dtype)))
    return x.view(wanted)


@implements
def view_as_complex(x: Any) -> Any:
    return (
        lax.complex(x[..., 0], x[..., 1])
        if x.dtype == "float64"
        else lax.complex(*(x[..., i].astype("float32") for i in (0, 1)))
    )


@implements
def round_(x: Any, decimals: int = 0) -> Any:
    if decimals >= 0 or not jnp.issubdtype(x.dtype, jnp.integer):
        return jnp.round(x, decimals)
    unit = 10**-decimals
    half = jnp.abs(x) % unit * 2
    low = jnp.abs(x) // unit
    up = (half > unit) | ((half == unit) & (low % 2 == 1))
    return (jnp.sign(x) * (low + up) * unit).astype(x.dtype)


@implements
def sort(x: Any, axis: int | None = -1) -> Any:
    return jnp.sort(x, axis)


# ---- linear algebra -----------------------------------------------------------------------------------------------


@implements
def cholesky(x: Any, upper: bool = False) -> Any:
    return jnp.linalg.cholesky(x, upper=upper)


@implements
def eigh(x: Any) -> Any:
    return tuple(jnp.linalg.eigh(x))


@implements
def eig(x: Any) -> Any:
    return tuple(jnp.linalg.eig(x))


@implements
def lu_factor(x: Any) -> Any:
    return tuple(jax.scipy.linalg.lu_factor(x))


@implements
def qr(x: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "complete"):
        raise ValueError(f"mode {mode!r} is unknown")
    return tuple(jnp.linalg.qr(x, mode))


@implements
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    found = jnp.linalg.svd(x, full_matrices=full_matrices, compute_uv=compute_uv)
    return tuple(found) if compute_uv else found


@implements
def inv(x: Any) -> Any:
    return jnp.linalg.inv(x)


@implements
def det(x: Any) -> Any:
    return jnp.linalg.det(x)


@implements
def slogdet(x: Any) -> Any:
    return tuple(jnp.linalg.slogdet(x))


def _as_columns(a: Any, b: Any, run: Any) -> Any:
    """Return `run(a, b)` for vectors b, too: those with one dimension less than a."""
    return run(a, b) if b.ndim > 1 and b.ndim >= a.ndim else run(a, b[..., None])[..., 0]


@implements
def solve(a: Any, b: Any) -> Any:
    return _as_columns(a, b, jnp.linalg.solve)


@implements
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    def run(a: Any, b: Any) -> Any:
        batch = jnp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = (jnp.broadcast_to(m, (*batch, *m.shape[-2:])) for m in (a, b))
        return lax.linalg.triangular_solve(a, b, left_side=True, lower=lower)

    return _as_columns(a, b, run)
