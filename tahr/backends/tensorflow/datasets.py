"""Data sets of `tf.data`, read several batches at a time without Python between them.

The batches of a block stay what the data set made: tensors in lists, which a compiled loop takes them from one by one.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import optree

from tahr import dtypes
from tahr.backends.tensorflow.engine import DTYPES, backend
from tahr.backends.tensorflow.loading import tf

__all__ = ["Block", "Reader", "reader"]

_OPTIONS: dict[str, Any] = {"none_is_leaf": True, "namespace": "tahr"}
GOES_ON, IS_OVER, CHANGES = 0, 1, 2  # why reading a block stopped


class Block:
    """Some batches of one form.

    Attributes:
        count: how many.
        form: hashable, what `fetch` depends on.
        lists: a list of tensors for each leaf of a batch.
        rows: number of rows of a batch.
        bytes: size of a batch.
    """

    def __init__(self, count: int, lists: list[Any], structure: Any, specs: tuple[Any, ...]):
        self.count, self.lists, self.form = count, lists, (structure, specs)
        self.rows = specs[0][0][0]
        self.bytes = sum(int(np.prod(shape)) * dtype.size for shape, dtype in specs)

    def fetch(self) -> Callable[..., Any]:
        """Return a function from the lists, an index and an unused number to the batch of that index; it is traced."""
        structure, specs = self.form

        def fetch(lists: Any, index: Any, offset: Any) -> Any:
            return structure.unflatten([_element(x, index, *spec) for x, spec in zip(lists, specs, strict=True)])

        return fetch

    def on_host(self) -> Any:
        """Return the rows of all batches, nested as a batch, as arrays of one copy."""
        structure, specs = self.form
        found = [
            np.asarray(tf.raw_ops.TensorListStack(input_handle=x, element_shape=shape, element_dtype=dtype))
            for x, (shape, dtype) in zip(self.lists, specs, strict=True)
        ]
        return structure.unflatten([a.reshape(-1, *a.shape[2:]) for a in found])

    def changed(self, old: Any, new: Any) -> "Block":
        """Return the block in which what `on_host` gave is replaced by `new`; arrays that are in both stay."""
        kept = {id(a): place for place, a in enumerate(optree.tree_leaves(old, **_OPTIONS))}
        leaves, structure = optree.tree_flatten(new, **_OPTIONS)
        lists, specs = [], []
        for leaf in leaves:
            place = kept.get(id(leaf))
            if place is not None:
                lists.append(self.lists[place])
                specs.append(self.form[1][place])
                continue
            made = backend.tensor(np.reshape(leaf, (self.count, len(leaf) // self.count, *np.shape(leaf)[1:])))
            specs.append((tuple(made.shape[1:]), made.dtype))
            lists.append(tf.raw_ops.TensorListFromTensor(tensor=made, element_shape=made.shape[1:]))
        return Block(self.count, lists, structure, tuple(specs))


class Reader:
    """One pass over a data set."""

    def __init__(self, data: Any):
        specs, self.structure = optree.tree_flatten(data.element_spec, **_OPTIONS)
        self.pull = _puller(tuple(specs))
        self.iterator = iter(data)
        self.over, self.pending = False, None
        self.nothing = [tf.zeros([0] * len(s.shape), _kind(s)) for s in specs]

    def take(self, most: int) -> Block | None:
        """Return the next batches of one form, at most so many, or None at the end."""
        if self.over and self.pending is None:
            return None
        count, state, lists, kept, sizes = self.pull(
            self.iterator, tf.constant(most), tf.constant(self.pending is not None), self.pending or self.nothing
        )
        state, count, sizes = int(state), int(count), iter(sizes.numpy().tolist())
        self.over = self.over or state == IS_OVER
        self.pending = kept if state == CHANGES else None
        if not count:
            return None
        specs = tuple((tuple([next(sizes) for _ in x.shape]), x.dtype) for x in self.nothing)
        return Block(count, lists, self.structure, specs)


def reader(data: Any) -> Callable[[], Reader] | None:
    """Return what begins a pass over a data set of dense numbers whose ranks are known, else None."""
    if not isinstance(data, tf.data.Dataset):
        return None
    specs, _ = optree.tree_flatten(data.element_spec, **_OPTIONS)
    dense = all(isinstance(s, tf.TensorSpec) and s.shape.rank and s.dtype.name in DTYPES for s in specs)
    return functools.partial(Reader, data) if specs and dense else None


def _kind(spec: Any) -> Any:
    return DTYPES[dtypes.canonical(spec.dtype.name)]


def _element(items: Any, index: Any, shape: Any, dtype: Any) -> Any:
    found = tf.raw_ops.TensorListGetItem(input_handle=items, index=index, element_shape=shape, element_dtype=dtype)
    return tf.ensure_shape(found, shape)


@functools.lru_cache(maxsize=32)
def _puller(specs: tuple[Any, ...]) -> Any:
    """Return a function that reads batches from an iterator until there are enough, or one has another shape.

    It takes the iterator, how many, whether there is a batch from before, and that batch, and returns how many were
    found, why it stopped, a list for each leaf, the batch of another shape, and the sizes of those found.
    """
    kinds, open_ = [_kind(s) for s in specs], [tf.TensorShape([None] * len(s.shape)) for s in specs]

    def sizes_of(leaves: list[Any]) -> Any:
        return tf.concat([tf.shape(x) for x in leaves], 0)

    def push(lists: list[Any], leaves: list[Any]) -> list[Any]:
        return [tf.raw_ops.TensorListPushBack(input_handle=a, tensor=x) for a, x in zip(lists, leaves, strict=True)]

    def pull(iterator: Any, most: Any, has: Any, kept: list[Any]) -> Any:
        empty = [
            tf.raw_ops.EmptyTensorList(element_shape=tf.constant(-1), max_num_elements=-1, element_dtype=k)
            for k in kinds
        ]
        lists = tf.cond(has, lambda: push(empty, kept), lambda: empty)

        def body(count: Any, state: Any, lists: Any, kept: Any, sizes: Any) -> Any:
            found = iterator.get_next_as_optional()

            def look() -> Any:
                leaves = [tf.cast(x, k) for x, k in zip(optree.tree_leaves(found.get_value()), kinds, strict=True)]
                new = sizes_of(leaves)
                alike = tf.logical_or(count == 0, tf.reduce_all(new == sizes))
                return tf.cond(
                    alike,
                    lambda: (count + 1, GOES_ON, push(lists, leaves), kept, new),
                    lambda: (count, CHANGES, lists, leaves, sizes),
                )

            return tf.cond(found.has_value(), look, lambda: (count, IS_OVER, lists, kept, sizes))

        return tf.while_loop(
            lambda count, state, *_: tf.logical_and(count < most, state == GOES_ON),
            body,
            (tf.cast(has, tf.int32), GOES_ON, lists, kept, sizes_of(kept)),
            (tf.TensorShape([]), tf.TensorShape([]), [tf.TensorShape([])] * len(kinds), open_, tf.TensorShape([None])),
            parallel_iterations=1,
        )

    made = tf.function(pull, autograph=False)
    relaxed = [tf.TensorSpec(shape, k) for shape, k in zip(open_, kinds, strict=True)]
    traced: dict[Any, Any] = {}

    def run(iterator: Any, most: Any, has: Any, kept: list[Any]) -> Any:
        spec = tf.type_spec_from_value(iterator)
        if spec not in traced:
            numbers = tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.bool)
            traced[spec] = made.get_concrete_function(spec, *numbers, relaxed)
        return traced[spec](iterator, most, has, kept)

    return run
