"""Derivatives on TensorFlow: tapes for gradients, `ForwardAccumulator` for directions, `vectorized_map` for axes."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import optree

from tahr.backends.forward import forward_mode
from tahr.backends.rows import RowGradient
from tahr.backends.tensorflow.axes import moved
from tahr.backends.tensorflow.loading import tf

_ZERO = tf.UnconnectedGradients.ZERO


def _dense(gradients: Any) -> list[Any]:
    return [tf.convert_to_tensor(g) for g in gradients]


class _Looking(threading.local):
    tables: frozenset[int] | None = None  # `id`s of the leaves whose gradient may be that of rows, in a gradient


_looking = _Looking()


def is_differentiated() -> bool:
    """Return whether a function runs of which a gradient is wanted."""
    return _looking.tables is not None


def _gradients(fn: Callable[..., Any], arrays: list[Any], rest: Any, tables: Any = ()) -> Any:
    leaves = [tf.identity(a) for a in arrays]  # `fn` may know the arrays themselves, too
    outer, _looking.tables = _looking.tables, frozenset(id(leaves[i]) for i in tables)
    try:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(leaves)
            value, extra = fn(leaves, *rest)
    finally:
        _looking.tables = outer
    return (value, extra), tape.gradient(value, leaves, unconnected_gradients=_ZERO)


class Autodiff:
    """The duties of the TensorFlow backend that have to do with derivatives."""

    def value_and_grad(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        def run(arrays: list[Any], *rest: Any) -> Any:
            found, gradients = _gradients(fn, arrays, rest)
            return found, _dense(gradients)

        return run

    def look_up(self, table: Any, ids: Any) -> Any:
        if id(table) not in (_looking.tables or ()):
            return None
        return tf.gather(table, tf.where(ids < 0, ids + table.shape[0], ids))

    def gradient_by_rows(self, fn: Callable[..., Any], arrays: list[Any], tables: list[int]) -> Any:
        found, gradients = _gradients(fn, arrays, (), tables)
        by_rows = {i for i in tables if isinstance(gradients[i], tf.IndexedSlices)}
        return found, [
            RowGradient(g.indices, g.values) if i in by_rows else tf.convert_to_tensor(g)
            for i, g in enumerate(gradients)
        ]

    def sum_rows(self, gradient: RowGradient, count: int) -> RowGradient:
        ids, places = tf.unique(gradient.ids)
        return RowGradient(ids, tf.math.unsorted_segment_sum(gradient.values, places, tf.size(ids)))

    def take_rows(self, x: Any, ids: Any) -> Any:
        return tf.gather(x, ids)

    def jvp(self, fn: Callable[..., Any], primals: Any, tangents: Any) -> Any:
        leaves = [tf.identity(a) for a in primals]
        with forward_mode(), tf.autodiff.ForwardAccumulator(leaves, list(tangents)) as accumulator:
            results, extra = fn(*leaves)
        return results, [accumulator.jvp(y, _ZERO) for y in results], extra

    def vjp(self, fn: Callable[..., Any], primals: Any) -> Any:
        leaves = [tf.identity(a) for a in primals]
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(leaves)
            results, extra = fn(*leaves)
            results = [tf.identity(y) for y in results]

        def back(given: Any) -> list[Any]:
            return _dense(tape.gradient(results, leaves, list(given), unconnected_gradients=_ZERO))

        return results, back, extra

    def vmap(self, fn: Callable[..., Any], in_axes: list[int | None], out_axis: int) -> Callable[..., Any]:
        def run(*arrays: Any) -> Any:
            along = [moved(x, axis, 0) for x, axis in zip(arrays, in_axes, strict=True) if axis is not None]

            def one(parts: Any) -> Any:
                mapped = iter(parts)
                return fn(*(x if axis is None else next(mapped) for x, axis in zip(arrays, in_axes, strict=True)))

            results, values = tf.vectorized_map(one, along)
            if tf.executing_eagerly() and any(not np.array_equal(v, np.broadcast_to(v[0], v.shape)) for v in values):
                raise ValueError("vmap: a value differs from one element to another.")
            return [moved(y, 0, out_axis) for y in results], [v[0] for v in values]

        return run

    def custom_gradient(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        def both(*arrays: Any) -> Any:
            value, back = fn(*arrays)

            def backwards(*upstream: Any) -> Any:
                found = back(*upstream)
                return list(found) if isinstance(found, (tuple, list)) else found

            return value, backwards

        return tf.custom_gradient(both)

    def rematerialize(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arrays: Any) -> Any:
            specs = [tf.TensorSpec(x.shape, x.dtype) for x in arrays]
            traced = tf.function(fn, autograph=False).get_concrete_function(*specs)
            if tf.inside_function() and any(x.dtype == tf.resource for x in traced.captured_inputs):
                return tf.recompute_grad(fn)(*arrays)  # a step of the user's own, whose tape watches variables
            form: list[Any] = []

            def outputs(given: Any) -> list[Any]:  # what `fn` knows beside its arguments is given as well
                leaves, structure = optree.tree_flatten(
                    traced._call_flat(list(given[: len(arrays)]), captured_inputs=list(given[len(arrays) :]))
                )
                form[:] = [structure]
                return leaves

            def both(*given: Any) -> Any:
                def backwards(*upstream: Any, variables: Any = None) -> Any:
                    with tf.control_dependencies(upstream), tf.GradientTape() as tape:  # else both runs become one
                        tape.watch([x for x in given if x.dtype.is_floating])
                        pairs = [p for p in zip(outputs(given), upstream, strict=True) if p[0].dtype.is_floating]
                    own = list(variables or ())  # that a user's tape watches; in a step of `fit` all are arrays
                    sources = [x for x in given if x.dtype != tf.resource or not own]
                    found = tape.gradient([y for y, _ in pairs], [*sources, *own], [d for _, d in pairs])
                    if not own:
                        return found
                    rest = iter(found[: len(sources)])
                    by_place = [None if x.dtype == tf.resource else next(rest) for x in given]
                    return by_place, found[len(sources) :]

                return outputs(given), backwards

            leaves = tf.custom_gradient(both)(*arrays, *traced.captured_inputs)
            return form[0].unflatten(leaves)

        return run

    def stop_gradient(self, x: Any) -> Any:
        return tf.stop_gradient(x)
