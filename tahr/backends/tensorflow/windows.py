"""Convolutions and poolings.

TensorFlow's own on the CPU want channels last, take no groups where a gradient is asked for, and dilate in no gradient;
what they lack is made of strided slices and products of matrices.
"""

import itertools
import math
from typing import Any

from tahr.backends.tensorflow.axes import moved
from tahr.backends.tensorflow.loading import tf

Numbers = tuple[int, ...]
Edges = tuple[tuple[int, int], ...]


def _last(x: Any, last: bool) -> Any:
    return x if last else moved(x, 1, -1)


def _back(x: Any, last: bool) -> Any:
    return x if last else moved(x, -1, 1)


def _padded(x: Any, edges: Edges, value: float = 0.0) -> Any:
    if not any(before or after for before, after in edges):
        return x
    return padded(x, ((0, 0), *edges, (0, 0)), value)


def padded(x: Any, edges: Any, value: Any) -> Any:
    """Return `x` with `value` around it."""
    found = tf.pad(x, edges)
    if isinstance(value, (bool, int, float)) and value == 0:
        return found
    inside = tf.pad(tf.ones(x.shape, tf.bool), edges)  # a padding other than 0 would become 0 in `vectorized_map`
    return tf.where(inside, found, tf.cast(value, x.dtype))


def _whole(run: Any, x: Any, *rest: Any) -> Any:
    """Run on integers as float64, which holds those of 32 bits and their sums exactly."""
    if x.dtype.is_floating:
        return run(x, *rest)
    return tf.cast(run(tf.cast(x, tf.float64), *(tf.cast(r, tf.float64) for r in rest)), x.dtype)


def _slices(x: Any, widths: Numbers, strides: Numbers, dilation: Numbers) -> list[Any]:
    """Return, for each element of the window, what it meets in `x` (padded, channels last)."""
    found = []
    for offsets in itertools.product(*map(range, widths)):
        axes = zip(offsets, widths, strides, dilation, strict=True)
        found.append(x[(slice(None), *(slice(o * d, (o - w + 1) * d or None, s) for o, w, s, d in axes))])
    return found


def _conv_by_slices(x: Any, kernel: Any, strides: Numbers, dilation: Numbers, groups: int) -> Any:
    *widths, into, filters = kernel.shape
    slices = _slices(x, tuple(widths), strides, dilation)
    if groups == 1:
        return tf.tensordot(tf.concat(slices, -1), tf.reshape(kernel, (-1, filters)), 1)
    kernels, shape = tf.reshape(kernel, (-1, into, groups, filters // groups)), tf.shape(slices[0])[:-1]
    if into == 1:  # depthwise: products of elements, no matrix
        found = tf.add_n([s[..., None] * kernels[i, 0] for i, s in enumerate(slices)])
    else:
        parts = [tf.reshape(s, tf.concat([shape, [groups, into]], 0)) for s in slices]
        found = tf.einsum("...gtc,tcgf->...gf", tf.stack(parts, -2), kernels)
    return tf.reshape(found, tf.concat([shape, [filters]], 0))


def _dilated(kernel: Any, dilation: Numbers) -> Any:
    """Return the kernel with zeros between its elements."""
    for axis, (width, step) in enumerate(zip(kernel.shape, dilation, strict=False)):
        if step > 1:
            shape = kernel.shape.as_list()
            pads = [[0, 0]] * (axis + 1) + [[0, step - 1]] + [[0, 0]] * (len(shape) - axis - 1)
            kernel = tf.pad(tf.expand_dims(kernel, axis + 1), pads)
            kernel = tf.reshape(kernel, (*shape[:axis], width * step, *shape[axis + 1 :]))
            kernel = tf.gather(kernel, tf.range((width - 1) * step + 1), axis=axis)
    return kernel


class Windows:
    """The duties behind convolutions and poolings of the TensorFlow backend."""

    def conv(
        self, x: Any, kernel: Any, strides: Numbers, edges: Edges, last: bool, dilation: Numbers, groups: int
    ) -> Any:
        x, floating = _last(x, last), x.dtype.is_floating
        if not floating or groups > 1 or any(d > 1 for d in dilation):
            found = self._other_conv(_padded(x, edges), kernel, strides, dilation, groups)
        else:
            x, padding = _edged(x, kernel.shape[:-2], strides, edges)
            layout = ("NWC", "NHWC", "NDHWC")[len(strides) - 1]  # the gradient in three dimensions asks for its name
            found = tf.nn.convolution(x, kernel, strides, padding, layout)
        return _back(found, last)

    def _other_conv(self, x: Any, kernel: Any, strides: Numbers, dilation: Numbers, groups: int) -> Any:
        plain = x.dtype.is_floating and all(d == 1 for d in dilation) and len(set(strides)) == 1
        if plain and groups > 1 and kernel.shape[-2] == 1 and len(strides) == 2:
            kernel = tf.reshape(kernel, (*kernel.shape[:2], groups, -1))
            return tf.nn.depthwise_conv2d(x, kernel, (1, *strides, 1), "VALID")
        return _conv_by_slices(x, kernel, strides, dilation, groups)

    def conv_transpose(
        self, x: Any, kernel: Any, strides: Numbers, starts: Numbers, sizes: Numbers, last: bool, dilation: Numbers
    ) -> Any:
        x, kernel = _last(x, last), _dilated(kernel, dilation)
        known, inner = None not in x.shape[1:-1], self.sizes(x)[1:-1]  # type: ignore[attr-defined]
        full = tuple((n - 1) * s + w for n, s, w in zip(inner, strides, kernel.shape, strict=False))
        edges = tuple((b, whole - b - n) for b, n, whole in zip(starts, sizes, full, strict=True))
        same = known and edges == _same(sizes, kernel.shape[:-2], strides)

        def run(x: Any, kernel: Any) -> Any:
            shape = tf.stack([tf.shape(x)[0], *(sizes if same else full), kernel.shape[-2]])
            return tf.nn.conv_transpose(x, kernel, shape, strides, "SAME" if same else "VALID")

        found = _whole(run, x, kernel)
        if same:
            return _back(found, last)
        if not known or min(after for _, after in edges) < 0:
            found = tf.pad(found, [[0, 0], *([0, tf.maximum(-after, 0)] for _, after in edges), [0, 0]])
        return _back(found[(slice(None), *(slice(b, b + n) for b, n in zip(starts, sizes, strict=True)))], last)

    def fourier(self, kind: str, x: Any, **options: Any) -> Any:
        length = options.get("n")
        if kind in ("rfft", "irfft"):
            return getattr(tf.signal, kind)(x, None if length is None else [length])
        return getattr(tf.signal, f"{kind}d" if kind.endswith("2") else kind)(x)

    def max_pool(self, x: Any, widths: Numbers, strides: Numbers, edges: Edges, last: bool) -> Any:
        same = any(map(any, edges)) and edges == _same(_last(x, last).shape[1:-1], widths, strides)

        def run(x: Any) -> Any:
            return _pooled("max_pool", x if same else _padded(x, edges, -math.inf), widths, strides, same)

        return _back(_whole(run, _last(x, last)), last)

    def sum_pool(self, x: Any, widths: Numbers, strides: Numbers, edges: Edges, last: bool) -> Any:
        def run(x: Any) -> Any:
            return _pooled("avg_pool", _padded(x, edges), widths, strides) * math.prod(widths)

        return _back(_whole(run, _last(x, last)), last)


def _same(sizes: Any, widths: Numbers, strides: Numbers) -> Edges:
    """Return the edges that TensorFlow's padding "SAME" makes."""
    known = [n or s for n, s in zip(sizes, strides, strict=True)]  # an open size of stride 1, where any will do
    whole = [max(0, (-(-n // s) - 1) * s + w - n) for n, w, s in zip(known, widths, strides, strict=True)]
    return tuple((n // 2, n - n // 2) for n in whole)


def _edged(x: Any, widths: Any, strides: Numbers, edges: Edges) -> tuple[Any, str]:
    """Return `x` and the padding that make these edges: not explicit, for which oneDNN has no gradients."""
    if any(map(any, edges)) and edges == _same(x.shape[1:-1], widths, strides):
        return x, "SAME"
    return _padded(x, edges), "VALID"


def _pooled(kind: str, x: Any, widths: Numbers, strides: Numbers, same: bool = False) -> Any:
    narrow = len(widths) == 3 and x.dtype in (tf.float16, tf.bfloat16)  # there is no 16-bit form on the CPU
    given = tf.cast(x, tf.float32) if narrow else x
    return tf.cast(getattr(tf.nn, kind)(given, widths, strides, "SAME" if same else "VALID"), x.dtype)
