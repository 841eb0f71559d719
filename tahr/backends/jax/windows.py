"""Poolings, and the slices that windows see.

On GPU and TPU they are XLA's own. On CPU, the gradient of XLA's largest-of-a-window operation is slow, so there they
are made of slices and element-wise operations. The workload `cnn` of `make bench` has them.
"""

import functools
import itertools
import math
import operator
from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tahr.backends.choices import choose

Numbers = tuple[int, ...]
Edges = tuple[tuple[int, int], ...]
MOST_SLICES = 64


def on_cpu() -> bool:
    """Return whether code made now runs on a CPU."""
    device = jax.config.jax_default_device  # type: ignore[attr-defined]
    return getattr(device, "platform", device or jax.default_backend()) == "cpu"


def undivided_on_cpu(x: Any) -> bool:
    """Return whether code made now runs on a CPU, on an array of a known size that no mesh of the program divides."""
    return on_cpu() and isinstance(x.size, int) and jax.sharding.get_abstract_mesh().empty


def slices(x: Any, widths: Numbers, strides: Numbers, dilation: Numbers) -> Iterator[Any]:
    """Yield, for each element of the window, what it meets in `x` (padded, channels last)."""
    counts = [
        (n - d * (w - 1) - 1) // s + 1 for n, w, s, d in zip(x.shape[1:-1], widths, strides, dilation, strict=True)
    ]
    for offsets in itertools.product(*map(range, widths)):
        starts = [o * d for o, d in zip(offsets, dilation, strict=True)]
        stops = [start + (c - 1) * s + 1 for start, c, s in zip(starts, counts, strides, strict=True)]
        yield lax.slice(x, (0, *starts, 0), (x.shape[0], *stops, x.shape[-1]), (1, *strides, 1))


def padded(x: Any, edges: Edges, value: Any = 0) -> Any:
    if not any(before or after for before, after in edges):
        return x
    return lax.pad(x, jnp.asarray(value, x.dtype), ((0, 0, 0), *((b, a, 0) for b, a in edges), (0, 0, 0)))


class Windows:
    """The duties behind poolings and Fourier transforms of the JAX backend."""

    def fourier(self, kind: str, x: Any, **options: Any) -> Any:
        return getattr(jnp.fft, kind)(x, **options)

    def max_pool(self, x: Any, widths: Numbers, strides: Numbers, edges: Edges, last: bool) -> Any:
        if self._pools_by_slices(widths):
            moved = _max_of_slices(x if last else jnp.moveaxis(x, 1, -1), widths, strides, edges)
            return moved if last else jnp.moveaxis(moved, -1, 1)
        return self._reduce(x, _lowest(x.dtype), lax.max, widths, strides, edges, last)

    def sum_pool(self, x: Any, widths: Numbers, strides: Numbers, edges: Edges, last: bool) -> Any:
        if self._pools_by_slices(widths):
            moved = _sum_of_slices(x if last else jnp.moveaxis(x, 1, -1), widths, strides, edges)
            return moved if last else jnp.moveaxis(moved, -1, 1)
        return self._reduce(x, np.zeros((), x.dtype), lax.add, widths, strides, edges, last)

    def _pools_by_slices(self, widths: Numbers) -> bool:
        few = on_cpu() and math.prod(widths) <= MOST_SLICES
        ways = (
            ("slices", few, "the gradient of XLA's own is slow on a CPU"),
            ("native", True, "no CPU, or large windows"),
        )
        return choose("pooling", *ways) == "slices"

    def _reduce(self, x: Any, start: Any, fn: Any, widths: Numbers, strides: Numbers, edges: Edges, last: bool) -> Any:
        none: Edges = ((0, 0),)
        if last:
            return lax.reduce_window(x, start, fn, (1, *widths, 1), (1, *strides, 1), (*none, *edges, *none))
        return lax.reduce_window(x, start, fn, (1, 1, *widths), (1, 1, *strides), (*none, *none, *edges))


@partial(jax.jit, static_argnames=("widths", "strides", "edges"))
def _max_of_slices(x: Any, widths: Numbers, strides: Numbers, edges: Edges) -> Any:
    x = padded(x, edges, _lowest(x.dtype))
    if widths == strides:
        return _max_of_blocks(_blocks(x, widths))
    return _first_largest(slices(x, widths, strides, (1,) * len(widths)))[0]


@partial(jax.jit, static_argnames=("widths", "strides", "edges"))
def _sum_of_slices(x: Any, widths: Numbers, strides: Numbers, edges: Edges) -> Any:
    x = padded(x, edges)
    parts = list(
        _of_blocks(_blocks(x, widths)) if widths == strides else slices(x, widths, strides, (1,) * len(widths))
    )
    return sum_of(parts)


def sum_of(parts: list[Any]) -> Any:
    return functools.reduce(operator.add, parts)


def _blocks(x: Any, widths: Numbers) -> Any:
    """Return `x` with two axes for each of space: which window, and where in it."""
    counts = [n // w for n, w in zip(x.shape[1:-1], widths, strict=True)]
    x = lax.slice(x, (0,) * x.ndim, (x.shape[0], *(c * w for c, w in zip(counts, widths, strict=True)), x.shape[-1]))
    return x.reshape(x.shape[0], *itertools.chain(*zip(counts, widths, strict=True)), x.shape[-1])


def _of_blocks(blocks: Any) -> Iterator[Any]:
    """Yield what each element of the window meets."""
    for offsets in itertools.product(*map(range, blocks.shape[2:-1:2])):
        yield blocks[(slice(None), *itertools.chain(*((slice(None), o) for o in offsets)))]


def _first_largest(parts: Iterator[Any]) -> tuple[Any, Any]:
    """Return the largest of the arrays, element by element, and the number of the first array that has it."""
    largest = next(parts)
    number = jnp.zeros(largest.shape, "int32")
    for at, part in enumerate(parts, 1):
        keep = (largest >= part) | (largest != largest)  # NaN stays NaN
        largest, number = jnp.where(keep, largest, part), jnp.where(keep, number, at)
    return largest, number


@jax.custom_jvp
def _max_of_blocks(blocks: Any) -> Any:
    return _first_largest(_of_blocks(blocks))[0]


@_max_of_blocks.defjvp
def _max_of_blocks_jvp(primals: Any, tangents: Any) -> Any:
    """Take the tangent of the first of equals; its transpose needs each gradient once, so XLA can fuse what made it."""
    (blocks,), (tangent,) = primals, tangents
    largest, number = _first_largest(_of_blocks(blocks))
    rank = blocks.ndim // 2 - 1
    inner = tuple(range(2, 2 * rank + 1, 2))
    places = np.arange(math.prod(blocks.shape[2:-1:2]), dtype="int32")
    places = places.reshape(1, *itertools.chain(*((1, w) for w in blocks.shape[2:-1:2])), 1)
    chosen = jnp.expand_dims(number, inner) == places
    return largest, jnp.sum(jnp.where(chosen, tangent, jnp.zeros((), tangent.dtype)), axis=inner)


def _lowest(dtype: Any) -> Any:
    if jnp.issubdtype(dtype, jnp.floating):
        return np.asarray(-np.inf, dtype)
    return np.asarray(False if dtype == np.dtype("bool") else jnp.iinfo(dtype).min, dtype)
