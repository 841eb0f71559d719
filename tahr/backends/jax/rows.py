"""Gradients of tables by rows: each lookup gets zeros added, and the gradient by these is that of the rows."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from tahr.backends.rows import RowGradient


class _Looking(threading.local):
    """What happens to lookups in the function that a gradient is taken of, by the `id` of the table's array."""

    tables: dict[int, Callable[[Any], Any]] = {}


_looking = _Looking()


@contextmanager
def _watching(tables: dict[int, Callable[[Any], Any]]) -> Iterator[None]:
    outer, _looking.tables = _looking.tables, tables
    try:
        yield
    finally:
        _looking.tables = outer


class Rows:
    """The duties of the JAX backend that have to do with rows of tables."""

    def look_up(self, table: Any, ids: Any) -> Any:
        watch = _looking.tables.get(id(table))
        return None if watch is None else watch(jnp.where(ids < 0, ids + table.shape[0], ids))

    def gradient_by_rows(self, fn: Callable[..., Any], arrays: list[Any], tables: list[int]) -> Any:
        found = self._lookups(fn, arrays, tables) if self.compiling() else {}  # type: ignore[attr-defined]
        rest = [a for i, a in enumerate(arrays) if i not in found]
        zeros = {i: [jnp.zeros(shape, arrays[i].dtype) for shape in shapes] for i, shapes in found.items()}

        def run(rest: list[Any], zeros: dict[int, list[Any]]) -> Any:
            left, ids = iter(rest), {i: [] for i in found}

            def rows(i: int) -> Callable[[Any], Any]:
                def watch(wanted: Any) -> Any:
                    ids[i].append(wanted)
                    return jax.lax.stop_gradient(arrays[i])[wanted] + zeros[i][len(ids[i]) - 1]

                return watch

            given = [arrays[i] if i in found else next(left) for i in range(len(arrays))]
            with _watching({id(arrays[i]): rows(i) for i in found}):
                value, extra = fn(given)
            return value, (extra, ids)

        (value, (extra, ids)), (slopes, by_rows) = jax.value_and_grad(run, argnums=(0, 1), has_aux=True)(rest, zeros)
        left = iter(slopes)
        gradients = [
            RowGradient(
                jnp.concatenate([x.reshape(-1) for x in ids[i]]),
                jnp.concatenate([x.reshape(-1, *a.shape[1:]) for x in by_rows[i]]),
            )
            if i in found
            else next(left)
            for i, a in enumerate(arrays)
        ]
        return (value, extra), gradients

    def _lookups(
        self, fn: Callable[..., Any], arrays: list[Any], tables: list[int]
    ) -> dict[int, list[tuple[int, ...]]]:
        """Return the shapes of what is looked up in those tables that are not read in any other way.

        None are where ids are made inside of a loop or a `vmap`, for there one lookup stands for many.
        """
        shapes: dict[int, list[tuple[int, ...]]] = {i: [] for i in tables}
        seen: list[Any] = []

        def run(*given: Any) -> Any:
            def note(i: int) -> Callable[[Any], Any]:
                def watch(ids: Any) -> Any:
                    seen.append(ids)
                    shapes[i].append((*ids.shape, *given[i].shape[1:]))
                    return jnp.zeros(shapes[i][-1], given[i].dtype)

                return watch

            with _watching({id(given[i]): note(i) for i in tables}):
                return fn(list(given))[0], seen

        try:
            traced = jax.make_jaxpr(run)(*arrays).jaxpr
        except jax.errors.UnexpectedTracerError:  # ids that do not exist out here
            return {}
        used = {id(x) for equation in traced.eqns for x in equation.invars} | {id(x) for x in traced.outvars}
        return {i: found for i, found in shapes.items() if found and id(traced.invars[i]) not in used}

    def sum_rows(self, gradient: RowGradient, count: int) -> RowGradient:
        size = gradient.ids.shape[0]
        ids, places = jnp.unique(gradient.ids, size=size, fill_value=count, return_inverse=True)
        return RowGradient(ids, jax.ops.segment_sum(gradient.values, places.reshape(-1), size))

    def take_rows(self, x: Any, ids: Any) -> Any:
        return x.at[ids].get(mode="clip")  # the ids that `sum_rows` filled up with are behind the end

    def put_rows(self, x: Any, ids: Any, rows: Any, donated: bool) -> Any:
        return x.at[ids].set(rows.astype(x.dtype), mode="drop")
