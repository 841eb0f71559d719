"""Sparse arrays on JAX: `BCOO`, lists of places and values. What each operation does with them `Op.sparse` says."""

import sys
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from tahr.backends.backend import members_of


class Sparse:
    """The duties of the JAX backend that have to do with sparse arrays."""

    has_sparse = True

    def is_sparse(self, x: Any) -> bool:
        """Return whether `x` is a sparse array of JAX or of SciPy."""
        module = sys.modules.get("jax.experimental.sparse")  # without it there are none
        return (module is not None and isinstance(x, module.JAXSparse)) or hasattr(x, "tocoo")

    def sparse_tensor(self, x: Any, dtype: str | None) -> Any:
        """Return a sparse array as BCOO without batch axes, of a type if given."""
        from jax.experimental import sparse

        if not isinstance(x, sparse.JAXSparse):
            x = sparse.BCOO.from_scipy_sparse(x)
        if not isinstance(x, sparse.BCOO):
            x = sparse.BCOO.fromdense(x.todense())
        if x.n_batch or x.n_dense:
            x = sparse.bcoo_update_layout(x, n_batch=0, n_dense=0)
        return x if dtype is None or x.dtype == dtype else _with_data(x, x.data.astype(dtype))

    def sparse(self, values: Any, indices: Any, shape: tuple[int, ...]) -> Any:
        return _with_places(values, indices, tuple(shape))

    def dense(self, x: Any) -> Any:
        return self.sparse_tensor(x, None).todense() if self.is_sparse(x) else x

    def sparse_run(self, op: Any, args: Any, run: Callable[..., Any]) -> Callable[..., Any] | None:
        if not any(self.is_sparse(m) for a in args for m in members_of(a)):
            return None
        kind: str = op.sparse_kind()
        if kind == "keep":
            return lambda x, *rest: _with_data(x, run(x.data, *rest))
        if kind == "any":
            return _union(run, self.dense)
        return {
            "product": lambda x1, x2: _product(x1, x2, self.dense),
            "quotient": lambda x1, x2: _quotient(run, x1, x2, self.dense),
            "matmul": lambda x1, x2, *bias: sum(bias, x1 @ x2),
            "indices": lambda x, *rest: run(x, *map(self.dense, rest)),
            "dense": lambda *given: run(*[self._all_dense(x) for x in given]),
            **MOVES,
        }[op.name if kind == "move" else kind]

    def _all_dense(self, x: Any) -> Any:
        return [self.dense(part) for part in x] if isinstance(x, (list, tuple)) else self.dense(x)


def _with_data(x: Any, data: Any) -> Any:
    from jax.experimental import sparse

    made = sparse.BCOO((data, x.indices), shape=x.shape)
    made.indices_sorted, made.unique_indices = x.indices_sorted, x.unique_indices
    return made


def _is_sparse(x: Any) -> bool:
    return hasattr(x, "todense")


def _union(run: Callable[..., Any], dense: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return `run`, which gives 0 for two zeros, on the places where either array has a value."""

    def call(x1: Any, x2: Any) -> Any:
        if not (_is_sparse(x1) and _is_sparse(x2) and x1.shape == x2.shape):
            return run(dense(x1), dense(x2))
        places = jnp.concatenate([x1.indices, x2.indices])
        parts = []
        for x, before, after in ((x1, 0, x2.nse), (x2, x1.nse, 0)):
            data = jnp.pad(x.data, (before, after))
            parts.append(_with_places(data, places, x1.shape))  # the same places in the same order for both
        return _with_data(parts[0], run(parts[0].data, parts[1].data))

    return call


def _with_places(data: Any, places: Any, shape: Any) -> Any:
    from jax.experimental import sparse

    return sparse.BCOO((data, places), shape=shape).sum_duplicates(nse=data.shape[0], remove_zeros=False)


def _product(x1: Any, x2: Any, dense: Callable[[Any], Any]) -> Any:
    x1, x2 = (x1, x2) if _is_sparse(x1) else (x2, x1)
    if not np.ndim(x2) and not _is_sparse(x2):
        return _with_data(x1, x1.data * x2)
    if _is_sparse(x2):
        return x1 * x2
    return x1 * jnp.broadcast_to(x2, x1.shape) if _fits(x2, x1) else dense(x1) * x2


def _fits(x: Any, into: Any) -> bool:
    """Return whether a dense array broadcasts to the shape of a sparse one, so that its places can stay."""
    return np.broadcast_shapes(x.shape, into.shape) == into.shape


def _quotient(run: Callable[..., Any], x1: Any, x2: Any, dense: Callable[[Any], Any]) -> Any:
    if not _is_sparse(x1) or _is_sparse(x2):
        return run(dense(x1), dense(x2))
    if not np.ndim(x2):
        return _with_data(x1, run(x1.data, x2))
    if not _fits(x2, x1):
        return run(dense(x1), x2)
    x1 = x1.sum_duplicates(nse=x1.nse, remove_zeros=False)
    return _with_data(x1, run(x1.data, jnp.broadcast_to(x2, x1.shape)[tuple(x1.indices.T)]))


# ---- moving and summing -------------------------------------------------------------------------------------------


def _axes(axis: Any, rank: int) -> tuple[int, ...]:
    each = range(rank) if axis is None else (axis if isinstance(axis, (tuple, list)) else (axis,))
    return tuple(sorted(i % rank for i in each))


def _sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    from jax.experimental import sparse

    axes = _axes(axis, x.ndim)
    found = sparse.bcoo_reduce_sum(x, axes=axes)
    return _reshape(found, [1 if i in axes else n for i, n in enumerate(x.shape)]) if keepdims else found


def _mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    found = _sum(x, axis, keepdims)
    return _with_data(found, found.data / np.prod([x.shape[i] for i in _axes(axis, x.ndim)]).astype(found.dtype))


def _reshape(x: Any, newshape: Any) -> Any:
    from jax.experimental import sparse

    sizes = list(newshape) if hasattr(newshape, "__iter__") else [newshape]
    if -1 in sizes:
        rest = int(np.prod([n for n in sizes if n != -1]))
        sizes[sizes.index(-1)] = int(np.prod(x.shape)) // max(rest, 1)
    return sparse.bcoo_reshape(x, new_sizes=tuple(sizes))


def _transpose(x: Any, axes: Any = None) -> Any:
    from jax.experimental import sparse

    return sparse.bcoo_transpose(
        x, permutation=tuple(range(x.ndim)[::-1] if axes is None else [i % x.ndim for i in axes])
    )


def _squeeze(x: Any, axis: Any = None) -> Any:
    gone = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else _axes(axis, x.ndim)
    if any(x.shape[i] != 1 for i in gone):
        raise ValueError(f"squeeze: expected size 1 along axis {axis}; received an array of shape {x.shape}.")
    return _reshape(x, [n for i, n in enumerate(x.shape) if i not in gone])


def _expand_dims(x: Any, axis: Any) -> Any:
    each = axis if isinstance(axis, (tuple, list)) else (axis,)
    places = {i % (x.ndim + len(each)) for i in each}
    sizes = iter(x.shape)
    return _reshape(x, [1 if i in places else next(sizes) for i in range(x.ndim + len(each))])


def _concatenate(xs: Any, axis: int = 0) -> Any:
    from jax.experimental import sparse

    if all(map(_is_sparse, xs)):
        return sparse.bcoo_concatenate(list(xs), dimension=axis % xs[0].ndim)
    return jnp.concatenate([x.todense() if _is_sparse(x) else x for x in xs], axis)


def _get_item(x: Any, key: Any) -> Any:
    return x[key]


MOVES: dict[str, Callable[..., Any]] = {
    "sum": _sum,
    "mean": _mean,
    "reshape": _reshape,
    "transpose": _transpose,
    "squeeze": _squeeze,
    "expand_dims": _expand_dims,
    "concatenate": _concatenate,
    "get_item": _get_item,
}
