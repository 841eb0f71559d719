"""Reading, writing, sorting and searching elements by index."""

import functools
import math
from typing import Any

from tahr.backends.tensorflow.axes import moved
from tahr.backends.tensorflow.engine import backend
from tahr.backends.tensorflow.loading import tf

implements = backend.implements


def from_front(indices: Any, size: Any) -> Any:
    """Return indices as int32 with those below zero counted from the front."""
    indices = tf.cast(indices, tf.int32)
    return tf.where(indices < 0, indices + size, indices)


def flat(x: Any) -> Any:
    """Return the elements of `x` along one axis."""
    return tf.reshape(x, [-1])


def numeric(x: Any) -> Any:
    """Return truth values as numbers, which can be compared."""
    return tf.cast(x, tf.uint8) if x.dtype == tf.bool else x


def bits(x: Any) -> Any:
    """Return the bits of numbers as whole numbers of their size."""
    return tf.bitcast(x, {2: tf.int16, 4: tf.int32, 8: tf.int64}[x.dtype.size])


@implements
def get_item(x: Any, key: Any) -> Any:
    key = backend.index_key(key)
    parts = list(key) if isinstance(key, tuple) else [key]
    rank, known = len(x.shape), x.shape.as_list()
    used = sum(_axes_of(p) for p in parts)
    if used > rank:
        raise IndexError(f"get_item: {used} indices are too many for an array of {rank} dimensions.")
    place = next((i for i, p in enumerate(parts) if p is Ellipsis), len(parts))
    parts = [*parts[:place], *[slice(None)] * (rank - used), *parts[place + 1 :]]
    basic: list[Any] = []
    arrays: dict[int, Any] = {}  # index by the axis, after the basic ones have been applied, that it is for
    axis = target = 0
    numbers = any(isinstance(p, tf.Tensor) and (p.shape.rank or p.dtype == tf.bool) for p in parts)
    for p in parts:
        size = known[axis] if axis < rank else None
        if p is None:
            basic.append(tf.newaxis)
        elif isinstance(p, slice):
            basic.append(p)
            axis += 1
        elif isinstance(p, tf.Tensor) and p.dtype == tf.bool:
            for k in range(len(p.shape)):
                arrays[target + k] = tf.cast(tf.where(p)[:, k], tf.int32)
            basic += [slice(None)] * len(p.shape)
            axis += len(p.shape)
            target += len(p.shape) - 1
        elif isinstance(p, tf.Tensor) and (numbers or p.shape.rank):
            arrays[target] = from_front(p, size if size is not None else tf.shape(x)[axis])
            basic.append(slice(None))
            axis += 1
        else:
            if not isinstance(p, tf.Tensor):
                p = p.__index__()
                if size is not None and not -size <= p < size:
                    raise IndexError(f"get_item: index {p} is out of bounds for axis {axis} of size {size}.")
            axis += 1
            if numbers:  # a number beside arrays is an array, too
                arrays[target] = from_front(p, size)
                basic.append(slice(None))
            else:
                basic.append(from_front(p, size) if isinstance(p, tf.Tensor) else p)
                target -= 1
        target += 1
    x = x[tuple(basic)] if any(not isinstance(b, slice) or b != slice(None) for b in basic) else x
    return _gathered(x, arrays) if arrays else x


def _axes_of(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    return len(part.shape) if isinstance(part, tf.Tensor) and part.dtype == tf.bool else 1


def _gathered(x: Any, arrays: dict[int, Any]) -> Any:
    axes = list(arrays)
    if len(axes) == 1:
        return tf.gather(x, arrays[axes[0]], axis=axes[0])
    others = [i for i in range(len(x.shape)) if i not in arrays]
    indices = tf.stack(broadcast(*arrays.values()), -1)
    found = tf.gather_nd(tf.transpose(x, [*axes, *others]), indices)
    together = axes == list(range(axes[0], axes[-1] + 1))
    depth = len(indices.shape) - 1
    if not together or axes[0] == 0:
        return found
    rank = len(found.shape)
    return tf.transpose(found, [*range(depth, depth + axes[0]), *range(depth), *range(depth + axes[0], rank)])


def broadcast(*arrays: Any) -> list[Any]:
    """Return arrays broadcast against each other."""
    shape = functools.reduce(tf.broadcast_static_shape, [x.shape for x in arrays])
    if shape.is_fully_defined():
        return [x if x.shape == shape else tf.broadcast_to(x, shape) for x in arrays]
    sizes = tf.shape(sum(tf.zeros_like(x, tf.int32) for x in arrays))
    return [tf.broadcast_to(x, sizes) for x in arrays]


@implements
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    if axis is None:
        return take(flat(x), indices, 0)
    size = x.shape[axis]  # refuses an axis that is not there
    indices = from_front(indices, size)
    if tf.executing_eagerly() and indices.shape.num_elements() and size is not None:
        tf.debugging.assert_less(indices, size)
    return tf.gather(x, indices, axis=axis)


@implements
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    if axis is None:
        x, axis = flat(x), 0
    rank = len(x.shape)
    axis %= rank
    ones = tuple(slice(0, 1) if i == axis else slice(None) for i in range(rank))
    wide = tf.broadcast_static_shape(x[ones].shape, indices[ones].shape).as_list()
    x, indices = (
        tf.broadcast_to(a, [*wide[:axis], a.shape[axis], *wide[axis + 1 :]])
        for a in (x, from_front(indices, x.shape[axis]))
    )
    return moved(tf.gather(moved(x, axis, -1), moved(indices, axis, -1), batch_dims=rank - 1), -1, axis)


def _starts(start_indices: Any, sizes: Any, parts: Any) -> list[Any]:
    """Return where a part begins, moved so that it fits, as XLA does."""
    if any(int(m) > n for n, m in zip(sizes, parts, strict=True)):
        raise ValueError("the part is larger than the whole")
    starts = start_indices if isinstance(start_indices, (list, tuple)) else tf.unstack(start_indices)
    return [tf.clip_by_value(tf.cast(s, tf.int32), 0, n - int(m)) for s, n, m in zip(starts, sizes, parts, strict=True)]


@implements
def slice_(inputs: Any, start_indices: Any, shape: Any) -> Any:
    sizes = tuple(int(n) for n in shape)
    return backend.part(inputs, _starts(start_indices, inputs.shape, sizes), sizes)


@implements
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    starts = _starts(start_indices, inputs.shape, updates.shape)
    places: Any = True
    for axis, (start, n, m) in enumerate(zip(starts, inputs.shape, updates.shape, strict=True)):
        shift = tf.range(n) - start
        inside = tf.reshape((shift >= 0) & (shift < m), [-1 if i == axis else 1 for i in range(len(starts))])
        places = inside & places
        updates = tf.gather(updates, tf.clip_by_value(shift, 0, m - 1), axis=axis) if m else inputs
    return tf.where(places, updates, inputs)


@implements
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    depth = indices.shape[-1]
    indices = from_front(indices, tf.constant(inputs.shape.as_list()[:depth], tf.int32))
    updates = tf.broadcast_to(updates, (*indices.shape[:-1], *inputs.shape[depth:]))
    if reduction == "mul":
        return _scatter_product(inputs, indices, updates)
    names = {None: "update", "add": "add", "max": "max", "min": "min"}
    kind = inputs.dtype
    if kind == tf.bool:
        inputs, updates = tf.cast(inputs, tf.int32), tf.cast(updates, tf.int32)
    return tf.cast(getattr(tf, f"tensor_scatter_nd_{names[reduction]}")(inputs, indices, updates), kind)


def _scatter_product(inputs: Any, indices: Any, updates: Any) -> Any:
    """TensorFlow scatters no products, so those of one place are made as a product of a segment first."""
    depth = indices.shape[-1]
    sizes = inputs.shape.as_list()[:depth]
    steps = tf.constant([math.prod(sizes[i + 1 :]) for i in range(depth)], tf.int32)
    places = flat(tf.reduce_sum(indices * steps, -1))
    rest = inputs.shape.as_list()[depth:]
    rows = tf.reshape(updates, (-1, *rest))
    products = tf.math.unsorted_segment_prod(rows, places, math.prod(sizes))
    return inputs * tf.reshape(products, inputs.shape)


@implements
def sort(x: Any, axis: int | None = -1) -> Any:
    if axis is None:
        x, axis = flat(x), 0
    if not len(x.shape):
        return x
    return take_along_axis(x, argsort(x, axis), axis)


@implements
def argsort(x: Any, axis: int | None = -1) -> Any:
    if axis is None:
        x, axis = flat(x), 0
    if not len(x.shape):
        return tf.zeros([], tf.int32)
    x = numeric(x)
    if x.dtype.is_complex:
        inner = argsort(tf.math.imag(x), axis)
        outer = argsort(take_along_axis(tf.math.real(x), inner, axis), axis)
        return take_along_axis(inner, outer, axis)
    if x.dtype.is_floating:  # by the bits, among which NaN comes last; TensorFlow puts it anywhere
        size = bits(tf.abs(x))
        x = tf.where(x < 0, -size, size)
    return tf.argsort(x, axis, stable=True)


@implements
def top_k(x: Any, k: int, sorted: bool = True) -> Any:
    found = tf.math.top_k(numeric(x), int(k), sorted=sorted)
    return tf.cast(found.values, x.dtype), found.indices


@implements
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    found = tf.searchsorted(sorted_sequence, flat(values), side)
    return tf.ensure_shape(tf.reshape(found, tf.shape(values)), values.shape)


@implements
def nonzero(x: Any) -> Any:
    x = flat(x) if not len(x.shape) else x
    found = tf.cast(tf.where(x), tf.int32)
    return tuple(found[:, i] for i in range(len(x.shape)))


@implements
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    return nonzero(condition) if x1 is None else tf.where(tf.cast(condition, tf.bool), x1, x2)


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
    place = axis or 0
    along = flat(x) if axis is None else x
    rows = tf.reshape(moved(numeric(along), place, 0), (along.shape[place], -1))
    order = _row_order(rows)
    ordered = tf.gather(rows, order)
    begins = tf.concat([[True], tf.reduce_any(ordered[1:] != ordered[:-1], -1)], 0)[: along.shape[place]]
    number = tf.cumsum(tf.cast(begins, tf.int32)) - 1
    inverse = tf.scatter_nd(order[:, None], number, [along.shape[place]])
    first = tf.boolean_mask(order, begins)
    counts = tf.math.bincount(number, dtype=tf.int32)
    if size is not None:
        have = tf.minimum(tf.shape(first)[0], size)
        first = tf.concat([first[:size], tf.repeat(first[:1], size - have)], 0)
        counts = tf.concat([counts[:size], tf.zeros([size - have], tf.int32)], 0)
        first, counts = tf.ensure_shape(first, [size]), tf.ensure_shape(counts, [size])
    values = tf.gather(along, first, axis=place)
    if size is not None and fill_value is not None:
        real = tf.reshape(tf.range(size) < have, [-1 if i == place else 1 for i in range(len(along.shape))])
        values = tf.where(real, values, tf.cast(fill_value, values.dtype))
    inverse = tf.reshape(inverse, x.shape) if axis is None else inverse
    wanted = ((first, return_index), (inverse, return_inverse), (counts, return_counts))
    out = (values, *(part for part, asked in wanted if asked))
    return out if len(out) > 1 else out[0]


def _row_order(rows: Any) -> Any:
    """Return the order that sorts rows by their first element, equal ones by their second, and so on."""
    order = tf.range(rows.shape[0])
    for column in reversed(range(rows.shape[1])):
        order = tf.gather(order, argsort(tf.gather(rows[:, column], order), 0))
    return order
