"""Convolutions.

On GPU and TPU they are XLA's own. On CPU, XLA's convolution is fast on channels-last arrays that meet a kernel of the
usual order of axes; in loops, where `fit` runs its steps, all others are slow, among them the gradients that JAX makes,
and so are groups, windows of size 1 and few channels. So gradients are given as convolutions of the fast form here, and
the rest is made of slices and products. The workloads `cnn`, `resnet20` and `unet` of `make bench` have it.
"""

import itertools
import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from tahr.backends.choices import choose
from tahr.backends.jax.windows import MOST_SLICES, Edges, Numbers, on_cpu, padded, slices, sum_of, undivided_on_cpu

_FEW_CHANNELS = 16
_NARROW = 8  # channels, below which patches meet the kernel faster than XLA's own
_MOST_PATCH_BYTES = 2**29
_CACHED_PATCH_BYTES = 12 * 2**20  # up to which the product with all patches is the fastest gradient of a kernel
_CACHED_SAMPLE_BYTES = 2**19  # of samples that meet their gradients tap by tap


def _numbers(rank: int, last: bool) -> tuple[str, str, str]:
    sizes = "DHW"[-rank:]
    data = f"N{sizes}C" if last else f"NC{sizes}"
    return data, f"{sizes}IO", data


def _narrow(kernel: Any) -> bool:
    return kernel.shape[-2] < _NARROW or math.prod(kernel.shape[:-2]) == 1


def _fits(x: Any, widths: Numbers) -> bool:
    """Return whether all slices of an array are few and fit in memory; of a size that an export leaves open, none."""
    taps = math.prod(widths)
    return taps <= MOST_SLICES and isinstance(x.size, int) and taps * x.size * x.dtype.itemsize <= _MOST_PATCH_BYTES


class Convolution:
    """The duties behind convolutions of the JAX backend."""

    def conv(
        self, x: Any, kernel: Any, strides: Numbers, edges: Edges, last: bool, dilation: Numbers, groups: int
    ) -> Any:
        widths, filters = kernel.shape[:-2], kernel.shape[-1]
        moved = x if last else jnp.moveaxis(x, 1, -1)
        depthwise = groups > 1 and groups == filters == moved.shape[-1]
        sliced = on_cpu() and _fits(x, widths)
        direct = self._direct(x, widths) and (groups == 1 or (depthwise and sliced))
        way = choose(
            "convolution",
            ("patches", sliced and direct and not depthwise and _narrow(kernel), "XLA's own is slow for few channels"),
            ("direct", direct, "with gradients of the same form; those that JAX makes are slow in loops on a CPU"),
            ("patches", sliced, "XLA's own is slow in loops, for groups and for three dimensions on a CPU"),
            ("native", True, "no CPU, or a window of too many places"),
        )
        if way == "native":
            options: dict[str, Any] = {"rhs_dilation": dilation, "feature_group_count": groups}
            return lax.conv_general_dilated(
                x, kernel, strides, edges, dimension_numbers=_numbers(len(widths), last), **options
            )
        if way == "direct":
            inner = moved.shape[1:-1]
            outer = [
                (n + sum(e) - d * (w - 1) - 1) // s + 1
                for n, e, d, w, s in zip(inner, edges, dilation, widths, strides, strict=True)
            ]
            form = _Form(widths, strides, dilation, tuple(a for a, _ in edges), inner, tuple(outer), groups)
            found = _bilinear.bind(moved, kernel, kind="outputs", form=form)
        else:
            found = _conv_by_slices(moved, kernel, strides, dilation, groups, edges)
        return found if last else jnp.moveaxis(found, -1, 1)

    def conv_transpose(
        self, x: Any, kernel: Any, strides: Numbers, starts: Numbers, sizes: Numbers, last: bool, dilation: Numbers
    ) -> Any:
        widths = kernel.shape[:-2]
        way = choose(
            "convolution",
            ("direct", self._direct(x, widths), "XLA's own, without the zeros between the places"),
            ("patches", on_cpu() and _fits(x, widths), "XLA's own multiplies the zeros between the places"),
            ("native", True, "no CPU, or a window of too many places"),
        )
        given = x.shape[1:-1] if last else x.shape[2:]
        form = _Form(widths, strides, dilation, starts, sizes, given)
        if way == "native":
            return _scattered(form, x, kernel, last)
        moved = x if last else jnp.moveaxis(x, 1, -1)
        if way == "direct":
            found = _bilinear.bind(moved, kernel, kind="inputs", form=form)
        else:
            found = _by_products("inputs", form, moved, kernel)
        return found if last else jnp.moveaxis(found, -1, 1)

    def _direct(self, x: Any, widths: Numbers) -> bool:
        """Return whether the maps below serve."""
        return undivided_on_cpu(x) and len(widths) <= 2 and jnp.issubdtype(x.dtype, jnp.floating)


# ---- slices and products of matrices ---------------------------------------------------------------------------------


def _patches(x: Any, widths: Numbers, strides: Numbers, dilation: Numbers) -> Any:
    """Return what each window sees of `x` (padded, channels last) as one last axis, in the order of a kernel's."""
    if x.shape[-1] >= _FEW_CHANNELS:
        parts = list(slices(x, widths, strides, dilation))
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)
    ones = (1,) * len(widths)
    for at in reversed(range(len(widths))):  # an axis after the other copies longer pieces
        along = [*slices(x, *((*ones[:at], n[at], *ones[at + 1 :]) for n in (widths, strides, dilation)))]
        x = along[0] if len(along) == 1 else jnp.concatenate(along, axis=-1)
    return x


@partial(jax.jit, static_argnames=("strides", "dilation", "groups", "edges"))
def _conv_by_slices(x: Any, kernel: Any, strides: Numbers, dilation: Numbers, groups: int, edges: Edges) -> Any:
    """Convolve channels-last `x`."""
    x = padded(x, edges)
    *widths, into, filters = kernel.shape
    taps = kernel.reshape(-1, into, filters)
    if groups == 1:
        patches = _patches(x, tuple(widths), strides, dilation)
        return (patches.reshape(-1, patches.shape[-1]) @ taps.reshape(-1, filters)).reshape(
            *patches.shape[:-1], filters
        )
    parts = list(slices(x, tuple(widths), strides, dilation))
    shape = parts[0].shape[:-1]
    if into == 1:  # depthwise: products of elements, no matrix
        each = filters // groups
        products = [s[..., None] * tap.reshape(groups, each) for s, tap in zip(parts, taps, strict=True)]
        return sum_of(products).reshape(*shape, filters)
    patches = jnp.stack([s.reshape(-1, groups, into) for s in parts], axis=1)
    kernels = taps.reshape(len(parts), into, groups, filters // groups)
    return jnp.einsum("ntgc,tcgf->ngf", patches, kernels).reshape(*shape, filters)


# ---- XLA's own, in the form that is fast -----------------------------------------------------------------------------


class _Form(NamedTuple):
    """What a convolution does beside its arrays; `starts` are zeros before `inner`, the sizes of what is convolved."""

    widths: Numbers
    strides: Numbers
    dilation: Numbers
    starts: Numbers
    inner: Numbers
    outer: Numbers
    groups: int = 1  # or as many as there are channels and filters

    def axes(self) -> Any:
        """Return the six numbers for each axis."""
        return zip(*self[:6], strict=True)

    @property
    def edges(self) -> Edges:
        ends = ((m - 1) * s + (w - 1) * d + 1 - n - a for w, s, d, a, n, m in self.axes())
        return tuple(zip(self.starts, ends, strict=True))


def _convolved(x: Any, kernel: Any, edges: Any, strides: Numbers | None = None, **options: Any) -> Any:
    rank = kernel.ndim - 2
    return lax.conv_general_dilated(
        x, kernel, strides or (1,) * rank, edges, dimension_numbers=_numbers(rank, True), **options
    )


def _outputs(form: _Form, x: Any, kernel: Any) -> Any:
    if form.groups > 1 or (_narrow(kernel) and _fits(x, form.widths)):
        return _by_products("outputs", form, x, kernel)
    return _convolved(x, kernel, form.edges, strides=form.strides, rhs_dilation=form.dilation)


def _inputs(form: _Form, g: Any, kernel: Any) -> Any:
    """Add up every element of `g` times the kernel, `strides` apart.

    What falls on the places of one remainder by the strides is a convolution by the part of the kernel that has this
    remainder. All of these are computed as more filters of one convolution, and their places are interleaved then.
    """
    if form.groups > 1:
        return _depthwise_inputs(form, g, kernel)
    if any(d > 1 for d in form.dilation):
        return _scattered(form, g, kernel, True)
    widths, strides, _, starts, inner, outer, _ = form
    rank, into, filters = len(widths), *kernel.shape[-2:]
    steps = [-(-w // s) for w, s in zip(widths, strides, strict=True)]
    room = [(0, t * s - w) for t, s, w in zip(steps, strides, widths, strict=True)]
    kernel = jnp.pad(kernel, [*room, (0, 0), (0, 0)])
    kernel = kernel.reshape(*itertools.chain(*zip(steps, strides, strict=True)), into, filters)
    even, odd = tuple(range(0, 2 * rank, 2)), tuple(range(1, 2 * rank, 2))
    kernel = jnp.flip(kernel, even).transpose(*even, 2 * rank + 1, *odd, 2 * rank).reshape(*steps, filters, -1)
    edges = [
        (t - 1 - a // s, -(-(a + n) // s) - m)
        for t, s, a, n, m in zip(steps, strides, starts, inner, outer, strict=True)
    ]
    if math.prod(steps) == 1:
        found = _conv_by_slices(g, kernel, (1,) * rank, (1,) * rank, 1, tuple(edges))
    else:
        found = _convolved(g, kernel, edges)
    sizes = found.shape[1:-1]
    pairs = itertools.chain(*((i + 1, rank + i + 1) for i in range(rank)))
    found = found.reshape(-1, *sizes, *strides, into).transpose(0, *pairs, 2 * rank + 1)
    found = found.reshape(-1, *(m * s for m, s in zip(sizes, strides, strict=True)), into)
    begins = [a % s for a, s in zip(starts, strides, strict=True)]
    ends = [b + n for b, n in zip(begins, inner, strict=True)]
    return lax.slice(found, (0, *begins, 0), (found.shape[0], *ends, into))


def _kernels(form: _Form, x: Any, g: Any) -> Any:
    """Return the kernel's gradient: a convolution of `x` by `g`, whose channels and samples change places."""
    if form.groups > 1:
        return _depthwise_kernels(form, x, g)
    size = math.prod(g.shape[:-1]) * math.prod(form.widths) * x.shape[-1] * x.dtype.itemsize
    if size <= _CACHED_PATCH_BYTES and _fits(x, form.widths):
        return _by_products("kernels", form, x, g)
    turned = jnp.moveaxis(x, (0, -1), (-1, 0)), jnp.moveaxis(g, 0, -2)
    return jnp.moveaxis(_convolved(*turned, form.edges, strides=form.dilation, rhs_dilation=form.strides), 0, -2)


def _depthwise_inputs(form: _Form, g: Any, kernel: Any) -> Any:
    """Do the work of `_inputs` for a kernel of each channel: without strides, a convolution by the turned kernel."""
    if any(s > 1 for s in form.strides):
        return _by_products("inputs", form, g, kernel)
    starts = tuple(d * (w - 1) - a for w, _, d, a, *_ in form.axes())
    turned = form._replace(starts=starts, inner=form.outer, outer=form.inner)
    return _by_products("outputs", turned, g, jnp.flip(kernel, tuple(range(len(form.widths)))))


def _depthwise_kernels(form: _Form, x: Any, g: Any) -> Any:
    """Do the work of `_kernels` for a kernel of each channel, over as many samples at a time as the cache holds."""
    x, axes = padded(x, form.edges), tuple(range(g.ndim - 1))
    count = x.shape[0]
    most = max(1, _CACHED_SAMPLE_BYTES * count // max(1, x.size * x.dtype.itemsize))
    each = max((n for n in range(1, min(most, count) + 1) if count % n == 0), default=1)

    def add(total: Any, parts: Any) -> Any:
        seen = slices(parts[0], form.widths, form.strides, form.dilation)
        return total + jnp.stack([jnp.sum((part * parts[1]).astype(total.dtype), axes) for part in seen]), None

    total = jnp.zeros((math.prod(form.widths), g.shape[-1]), jnp.promote_types(x.dtype, "float32"))
    groups = tuple(a.reshape(count // each, each, *a.shape[1:]) for a in (x, g))
    return lax.scan(add, total, groups)[0].astype(x.dtype).reshape(*form.widths, 1, -1)


def _scattered(form: _Form, g: Any, kernel: Any, last: bool) -> Any:
    """Do the work of `_inputs` by zeros between the places."""
    edges = []
    for w, s, d, a, n, m in form.axes():
        before = d * (w - 1) - a
        edges.append((before, n + d * (w - 1) - before - ((m - 1) * s + 1)))
    rank = len(form.widths)
    turned = jnp.swapaxes(jnp.flip(kernel, tuple(range(rank))), -1, -2)
    options: dict[str, Any] = {"lhs_dilation": form.strides, "rhs_dilation": form.dilation}
    return lax.conv_general_dilated(g, turned, (1,) * rank, edges, dimension_numbers=_numbers(rank, last), **options)


@partial(jax.jit, static_argnames=("kind", "form"))
def _by_products(kind: str, form: _Form, first: Any, second: Any) -> Any:
    """Do the work of `_outputs`, `_inputs` or `_kernels` by patches and products of matrices."""

    def outputs(x: Any, kernel: Any) -> Any:
        return _conv_by_slices(x, kernel, form.strides, form.dilation, form.groups, form.edges)

    if kind == "outputs":
        return outputs(first, second)
    shape = _shape(kind, form, first, second)
    if kind == "inputs":
        (found,) = jax.linear_transpose(lambda x: outputs(x, second), jax.ShapeDtypeStruct(shape, first.dtype))(first)
    else:
        (found,) = jax.linear_transpose(lambda k: outputs(first, k), jax.ShapeDtypeStruct(shape, first.dtype))(second)
    return found


# ---- the primitive: three maps, linear in both arguments, each the transpose of the others ---------------------------

_MAPS = {"outputs": _outputs, "inputs": _inputs, "kernels": _kernels}
_TRANSPOSES = {  # for either argument: the map, and whether the cotangent comes first
    "outputs": (("inputs", True), ("kernels", False)),
    "inputs": (("outputs", True), ("kernels", True)),
    "kernels": (("inputs", False), ("outputs", False)),
}
_bilinear = Primitive("convolution")


def _shape(kind: str, form: _Form, first: Any, second: Any) -> Numbers:
    if kind == "outputs":
        return (first.shape[0], *form.outer, second.shape[-1])
    if kind == "inputs":
        return (first.shape[0], *form.inner, second.shape[-2] * form.groups)
    return (*form.widths, first.shape[-1] // form.groups, second.shape[-1])


@_bilinear.def_abstract_eval
def _abstract(first: Any, second: Any, *, kind: str, form: _Form) -> Any:
    return ShapedArray(_shape(kind, form, first, second), first.dtype)


def _computed(first: Any, second: Any, *, kind: str, form: _Form) -> Any:
    return _MAPS[kind](form, first, second)


def _transpose(at: int, cotangent: Any, first: Any, second: Any, *, kind: str, form: _Form) -> Any:
    other, leads = _TRANSPOSES[kind][at]
    known = second if at == 0 else first
    return _bilinear.bind(*((cotangent, known) if leads else (known, cotangent)), kind=other, form=form)


def _batched(arrays: Any, axes: Any, *, kind: str, form: _Form) -> Any:
    """Take the mapped axis of samples for more of them; a kernel for each makes products of matrices for each."""
    (first, second), (at, other) = arrays, axes
    if kind != "kernels" and other is None:
        moved = jnp.moveaxis(first, at, 0)
        found = _bilinear.bind(moved.reshape(-1, *moved.shape[2:]), second, kind=kind, form=form)
        return found.reshape(*moved.shape[:2], *found.shape[1:]), 0
    return jax.vmap(partial(_by_products, kind, form), axes)(first, second), 0


_bilinear.def_impl(jax.jit(_computed, static_argnames=("kind", "form")))
mlir.register_lowering(_bilinear, mlir.lower_fun(_computed, multiple_results=False))
ad.defbilinear(_bilinear, partial(_transpose, 0), partial(_transpose, 1))
batching.primitive_batchers[_bilinear] = _batched
