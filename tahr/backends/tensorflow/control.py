"""Branches and loops: Python's own while code runs at once, TensorFlow's inside of a compiled function."""

from collections.abc import Callable
from typing import Any

import optree

from tahr.backends.tensorflow.engine import backend, is_symbol
from tahr.backends.tensorflow.loading import tf
from tahr.backends.tensorflow.recurrent import scan_from

implements = backend.implements


def _flat(structure: Any) -> tuple[list[Any], Any]:
    leaves, form = optree.tree_flatten(structure)
    return [backend.tensor(x) for x in leaves], form


def _typed(new: Any, old: list[Any]) -> list[Any]:
    """Return the leaves of `new` with the types of `old`, so that a loop's values keep theirs."""
    leaves = optree.tree_leaves(new)
    return [tf.cast(backend.tensor(n), o.dtype) for n, o in zip(leaves, old, strict=True)]


@implements
def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    if not is_symbol(pred):
        return true_fn() if bool(pred) else false_fn()
    return tf.cond(tf.cast(tf.reshape(pred, ()), tf.bool), true_fn, false_fn)


@implements
def _switch(index: Any, branches: Any, operands: Any) -> Any:
    if not is_symbol(index):
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)
    number = tf.clip_by_value(tf.cast(index, tf.int32), 0, len(branches) - 1)
    return tf.switch_case(number, [lambda branch=branch: branch(*operands) for branch in branches])


@implements
def while_loop(cond: Any, body: Any, loop_vars: Any, maximum_iterations: int | None = None) -> Any:
    several = isinstance(loop_vars, (list, tuple))
    start, form = _flat(tuple(loop_vars) if several else (loop_vars,))

    def step(*state: Any) -> Any:
        found = body(*form.unflatten(state))
        return _typed(tuple(found) if isinstance(found, (list, tuple)) and several else (found,), start)

    def go_on(*state: Any) -> Any:
        return tf.cast(tf.reshape(cond(*form.unflatten(state)), ()), tf.bool)

    values = form.unflatten(tf.while_loop(go_on, step, start, maximum_iterations=maximum_iterations))
    return type(loop_vars)(values) if several else values[0]


@implements
def fori_loop(lower: Any, upper: Any, body_fun: Any, init_val: Any) -> Any:
    lower, upper = (backend.tensor(n, "int32") for n in (lower, upper))
    found = while_loop(lambda i, _: i < upper, lambda i, value: (i + 1, body_fun(i, value)), (lower, init_val))
    return found[1]


@implements
def scan(f: Any, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, unroll: Any = 1) -> Any:
    carry, form = _flat(init)
    along, along_form = _flat(xs)
    sizes: set[Any] = {length, *(x.shape[0] if len(x.shape) else -1 for x in along)} - {None}
    if -1 in sizes:
        raise ValueError("scan: expected arrays of at least one dimension to go along; received a scalar.")
    if len(sizes) != 1 and (sizes or not along):
        raise ValueError(f"scan: expected one length along the first axis; received {sorted(sizes)}.")
    count = sizes.pop() if sizes else tf.shape(along[0])[0]  # open in this graph
    if isinstance(count, int) and not count:
        raise ValueError("scan: expected at least one step; received none.")

    def step(carry: list[Any], parts: list[Any]) -> tuple[list[Any], list[Any], Any]:
        new, y = f(form.unflatten(carry), along_form.unflatten(parts))
        ys, y_form = _flat(y)
        return _typed(new, carry), ys, y_form

    run = _scan_eagerly if tf.executing_eagerly() or unroll is True else _scan_graph
    carry, ys, y_form = run(step, carry, along, count, reverse)
    return form.unflatten(carry), y_form.unflatten(ys)


def _scan_eagerly(step: Any, carry: list[Any], along: list[Any], count: int, reverse: bool) -> Any:
    steps = [tf.unstack(x) for x in along]
    found, y_form = [], None
    for i in reversed(range(count)) if reverse else range(count):
        carry, ys, y_form = step(carry, [x[i] for x in steps])
        found.append(ys)
    columns = zip(*(found[::-1] if reverse else found), strict=True)
    return carry, [tf.stack(column) for column in columns], y_form


def _scan_graph(step: Any, carry: list[Any], along: list[Any], count: Any, reverse: bool) -> Any:
    first = count - 1 if reverse else 0
    carry, ys, y_form = step(carry, [x[first] for x in along])  # which also tells what comes out
    made = [tf.TensorArray(y.dtype, count, element_shape=y.shape).write(first, y) for y in ys]
    return *scan_from(1, step, carry, along, made, count, reverse), y_form


@implements
def map_(f: Any, xs: Any) -> Any:
    return scan(lambda carry, x: (carry, f(x)), (), xs)[1]
