"""Convolutions and poolings.

On GPU and TPU they are XLA's own. On CPU, XLA's convolution is slow inside of loops, for groups and for windows of size
1, and the gradient of its largest-of-a-window operation is slow everywhere, so there they are made of slices, products
of matrices and element-wise operations. The workload `cnn` of `make bench` has both.
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
_MOST_SLICES = 64
_FEW_CHANNELS = 16
_MOST_PATCH_BYTES = 2**29
_COLUMNS = 64  # of a product of matrices from which on it is fast
_MOST_BAND = 4  # places beside each other that one product computes


def _fits(x: Any, taps: int) -> bool:
    """Return whether all slices of an array fit in memory at once; of a size that an export leaves open, none do."""
    return isinstance(x.size, int) and taps * x.size * x.dtype.itemsize <= _MOST_PATCH_BYTES


def on_cpu() -> bool:
    """Return whether code made now runs on a CPU."""
    device = jax.config.jax_default_device  # type: ignore[attr-defined]
    return getattr(device, "platform", device or jax.default_backend()) == "cpu"


def _numbers(rank: int, last: bool) -> tuple[str, str, str]:
    sizes = "DHW"[-rank:]
    data = f"N{sizes}C" if last else f"NC{sizes}"
    return data, f"{sizes}IO", data


def _slices(x: Any, widths: Numbers, strides: Numbers, dilation: Numbers) -> Iterator[Any]:
    """Yield, for each element of the window, what it meets in `x` (padded, channels last)."""
    counts = [
        (n - d * (w - 1) - 1) // s + 1 for n, w, s, d in zip(x.shape[1:-1], widths, strides, dilation, strict=True)
    ]
    for offsets in itertools.product(*map(range, widths)):
        starts = [o * d for o, d in zip(offsets, dilation, strict=True)]
        stops = [start + (c - 1) * s + 1 for start, c, s in zip(starts, counts, strides, strict=True)]
        yield lax.slice(x, (0, *starts, 0), (x.shape[0], *stops, x.shape[-1]), (1, *strides, 1))


def _patches(x: Any, widths: Numbers, strides: Numbers, dilation: Numbers) -> Any:
    """Return what each window sees of `x` (padded, channels last) as one last axis, in the order of a kernel's."""
    if x.shape[-1] >= _FEW_CHANNELS:
        slices = list(_slices(x, widths, strides, dilation))
        return slices[0] if len(slices) == 1 else jnp.concatenate(slices, axis=-1)
    ones = (1,) * len(widths)
    for at in reversed(range(len(widths))):  # an axis after the other copies longer pieces
        along = [*_slices(x, *((*ones[:at], n[at], *ones[at + 1 :]) for n in (widths, strides, dilation)))]
        x = along[0] if len(along) == 1 else jnp.concatenate(along, axis=-1)
    return x


def _padded(x: Any, edges: Edges, value: Any = 0) -> Any:
    if not any(before or after for before, after in edges):
        return x
    return lax.pad(x, jnp.asarray(value, x.dtype), ((0, 0, 0), *((b, a, 0) for b, a in edges), (0, 0, 0)))


@partial(jax.jit, static_argnames=("strides", "dilation", "groups", "edges", "band"))
def _conv_by_slices(
    x: Any, kernel: Any, strides: Numbers, dilation: Numbers, groups: int, edges: Edges, band: int = 1
) -> Any:
    """Convolve channels-last `x`, with `band` places by one product."""
    x = _padded(x, edges)
    *widths, into, filters = kernel.shape
    taps = kernel.reshape(-1, into, filters)
    if band > 1:
        return _conv_by_bands(x, kernel, strides, band)
    if groups == 1:
        patches = _patches(x, tuple(widths), strides, dilation)
        return (patches.reshape(-1, patches.shape[-1]) @ taps.reshape(-1, filters)).reshape(
            *patches.shape[:-1], filters
        )
    slices = list(_slices(x, tuple(widths), strides, dilation))
    shape = slices[0].shape[:-1]
    if into == 1 and groups > 1:  # depthwise: products of elements, no matrix
        each = filters // groups
        parts = [s[..., None] * tap.reshape(groups, each) for s, tap in zip(slices, taps, strict=True)]
        return _sum(parts).reshape(*shape, filters)
    patches = jnp.stack([s.reshape(-1, groups, into) for s in slices], axis=1)
    kernels = taps.reshape(len(slices), into, groups, filters // groups)
    return jnp.einsum("ntgc,tcgf->ngf", patches, kernels).reshape(*shape, filters)


def _suits_bands(widths: Numbers, strides: Numbers, dilation: Numbers, groups: int, band: int) -> bool:
    """Return whether places can be computed together: the window of a band must be no longer than two bands."""
    plain = groups == 1 and band > 1 and math.prod(widths) > 1 and set(dilation) == {1}
    return plain and 0 <= widths[-1] - strides[-1] <= band * strides[-1]


def _conv_by_bands(x: Any, kernel: Any, strides: Numbers, band: int) -> Any:
    """Convolve padded channels-last `x` with few filters: `band` places of the last axis are computed together.

    Their common window meets a kernel that holds a shifted copy for each of them. That multiplies by zeros, but the
    products have more columns, and a place of `x` is copied (window / stride / band) times instead of window times.
    """
    *widths, width, into, filters = kernel.shape
    *_, stride = strides
    places = (x.shape[-2] - width) // stride + 1
    bands, step = -(-places // band), band * stride
    beyond = width - stride  # what a band's window sees of the next one
    before = [(0, 0, 0)] * (x.ndim - 2)
    x = lax.pad(x, np.zeros((), x.dtype), (*before, (0, (bands + 1) * step - x.shape[-2], 0), (0, 0, 0)))
    own, following = (
        lax.slice_in_dim(x, start, start + bands * step, axis=x.ndim - 2).reshape(*x.shape[:-2], bands, step * into)
        for start in (0, step)
    )
    windows = jnp.concatenate([own, following[..., : beyond * into]], axis=-1)
    none = [(0, 0)] * len(widths)
    shifted = [jnp.pad(kernel, (*none, (at * stride, step - (at + 1) * stride), (0, 0), (0, 0))) for at in range(band)]
    wide = jnp.stack(shifted, axis=-2).reshape(-1, (step + beyond) * into, band * filters)
    ones = (1,) * (len(widths) + 1)
    seen = _slices(windows, (*widths, 1), (*strides[:-1], 1), ones)
    found: Any = None
    for part, taps in zip(seen, wide, strict=True):
        shape = part.shape
        product = part.reshape(-1, shape[-1]) @ taps
        found = product if found is None else found + product
    found = found.reshape(*shape[:-2], bands * band, filters)
    return lax.slice_in_dim(found, 0, places, axis=found.ndim - 2)


class Windows:
    """The duties behind convolutions and poolings of the JAX backend."""

    def conv(
        self, x: Any, kernel: Any, strides: Numbers, edges: Edges, last: bool, dilation: Numbers, groups: int
    ) -> Any:
        widths, filters = kernel.shape[:-2], kernel.shape[-1]
        band = min(_MOST_BAND, _COLUMNS // filters)
        sliced = self._sliced(x, math.prod(widths))
        joint = sliced and _suits_bands(widths, strides, dilation, groups, band)
        way = choose(
            "convolution",
            ("bands", joint, f"{filters} filters alone make narrow products, so {band} places share one"),
            ("patches", sliced, "XLA's own is slow in loops and for groups on a CPU"),
            ("native", True, "no CPU, or a window of too many places"),
        )
        if way != "native":
            moved = x if last else jnp.moveaxis(x, 1, -1)
            found = _conv_by_slices(moved, kernel, strides, dilation, groups, edges, band if way == "bands" else 1)
            return found if last else jnp.moveaxis(found, -1, 1)
        return lax.conv_general_dilated(
            x,
            kernel,
            strides,
            edges,
            rhs_dilation=dilation,
            dimension_numbers=_numbers(len(widths), last),
            feature_group_count=groups,
        )

    def conv_transpose(
        self, x: Any, kernel: Any, strides: Numbers, starts: Numbers, sizes: Numbers, last: bool, dilation: Numbers
    ) -> Any:
        widths = kernel.shape[:-2]
        way = choose(
            "convolution",
            ("patches", self._sliced(x, math.prod(widths)), "XLA's own multiplies the zeros between the places"),
            ("native", True, "no CPU, or a window of too many places"),
        )
        if way == "patches":
            moved = x if last else jnp.moveaxis(x, 1, -1)
            found = _spread(moved, kernel, strides, starts, sizes, dilation)
            return found if last else jnp.moveaxis(found, -1, 1)
        given = x.shape[1:-1] if last else x.shape[2:]
        edges = []
        for n, w, s, d, start, size in zip(given, widths, strides, dilation, starts, sizes, strict=True):
            before = d * (w - 1) - start
            edges.append((before, size + d * (w - 1) - before - ((n - 1) * s + 1)))
        return lax.conv_general_dilated(
            x,
            jnp.swapaxes(jnp.flip(kernel, tuple(range(len(widths)))), -1, -2),
            (1,) * len(widths),
            edges,
            lhs_dilation=strides,
            rhs_dilation=dilation,
            dimension_numbers=_numbers(len(widths), last),
        )

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

    def _sliced(self, x: Any, taps: int) -> bool:
        return on_cpu() and taps <= _MOST_SLICES and _fits(x, taps)

    def _pools_by_slices(self, widths: Numbers) -> bool:
        few = on_cpu() and math.prod(widths) <= _MOST_SLICES
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
    x = _padded(x, edges, _lowest(x.dtype))
    if widths == strides:
        return _max_of_blocks(_blocks(x, widths))
    return _first_largest(_slices(x, widths, strides, (1,) * len(widths)))[0]


@partial(jax.jit, static_argnames=("widths", "strides", "edges"))
def _sum_of_slices(x: Any, widths: Numbers, strides: Numbers, edges: Edges) -> Any:
    x = _padded(x, edges)
    parts = list(
        _of_blocks(_blocks(x, widths)) if widths == strides else _slices(x, widths, strides, (1,) * len(widths))
    )
    return _sum(parts)


def _sum(parts: list[Any]) -> Any:
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


@partial(jax.jit, static_argnames=("strides", "starts", "sizes", "dilation"))
def _spread(x: Any, kernel: Any, strides: Numbers, starts: Numbers, sizes: Numbers, dilation: Numbers) -> Any:
    """Add up every element of channels-last `x` times the kernel, `strides` apart."""
    *widths, filters, into = kernel.shape
    products = x.reshape(-1, into) @ kernel.reshape(-1, into).T
    products = products.reshape(*x.shape[:-1], math.prod(widths), filters)
    total: Any = None
    for tap, offsets in enumerate(itertools.product(*map(range, widths))):
        edges = []
        for o, n, s, d, start, size in zip(offsets, x.shape[1:-1], strides, dilation, starts, sizes, strict=True):
            before = o * d - start
            edges.append((before, size - before - ((n - 1) * s + 1), s - 1))
        part = lax.pad(products[..., tap, :], np.zeros((), x.dtype), ((0, 0, 0), *edges, (0, 0, 0)))
        total = part if total is None else total + part
    return total
