"""Compiled functions over what variables hold, loops of steps that assign it, and updates that overwrite it."""

import functools
import operator
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import optree

from tahr.backends.tensorflow.loading import tf


class _Held(threading.local):
    variables: dict[int, tuple[Any, Any]] = {}  # by the `id` of a tensor that is what one holds: the tensor, and it


_held = _Held()


@contextmanager
def _holding(pairs: Iterable[tuple[Any, Any]]) -> Iterator[None]:
    """A scope of a function that may assign variables, given with the tensors that were read from them in it."""
    outer, _held.variables = _held.variables, {id(x): (x, variable) for x, variable in pairs}
    try:
        yield
    finally:
        _held.variables = outer


def _holder(x: Any) -> Any:
    """Return the variable that holds a tensor in the graph that is being made, or None."""
    found = _held.variables.get(id(x))
    return None if found is None or x.graph is not tf.compat.v1.get_default_graph() else found[1]


def _changed(variable: Any) -> Any:
    """Return what a variable holds after an operation has overwritten it."""
    value = variable.value()
    _held.variables[id(value)] = value, variable
    return value


def _assign(variables: list[Any], old: list[Any], new: list[Any]) -> None:
    for variable, before, value in zip(variables, old, new, strict=True):
        if value is not before and _holder(value) is not variable:
            variable.assign(value, read_value=False)


class Stateful:
    """The duties of the TensorFlow backend that have to do with compiled functions and with changing variables."""

    def compile(self, fn: Callable[..., Any], donate: tuple[int, ...] = ()) -> Callable[..., Any]:
        held: list[Any] = []
        compiled = stateful = function(fn)

        def run(*args: Any) -> Any:
            nonlocal stateful
            if not (args and type(args[0]) is list and args[0] and isinstance(args[0][0], tf.Variable)):
                return compiled(*args)
            state, *rest = args
            if len(held) != len(state) or not all(map(operator.is_, held, state)):
                held[:] = state
                stateful = function(_over_variables(fn, state, 0 in donate))
            found = stateful(*rest)
            return found if 0 not in donate else state if found is None else (state, *found)

        return run

    def fuse(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return function(fn, jit_compile=True)

    def repeat(self, step: Callable[..., Any], state: Any, start: Any, stop: Any) -> Any:
        if isinstance(start, int) and isinstance(stop, int):  # run eagerly
            return super().repeat(step, state, start, stop)  # type: ignore[misc]
        start = tf.cast(start, tf.int32)
        leaves, structure = optree.tree_flatten(state)
        variables = [_holder(x) for x in leaves]
        assigned = bool(leaves) and all(v is not None for v in variables)  # by each step: nothing is carried along
        last: dict[str, Any] = {}

        def body(i: Any, carried: Any, found: Any) -> Any:
            values = [v.value() for v in variables] if assigned else carried
            with _holding(zip(values, variables, strict=True) if assigned else ()):
                new, extra = step(i, structure.unflatten(values))
                new = optree.tree_leaves(new)
                if assigned:
                    _assign(variables, values, new)
            found, last["structure"] = optree.tree_flatten(extra)
            last["specs"] = [(v.shape, v.dtype) for v in found]
            return i + 1, carried if assigned else new, found

        def loop(found: list[Any]) -> Any:
            first = [] if assigned else leaves
            shapes = [x.shape for x in first], [x.shape for x in found]
            return tf.while_loop(
                lambda i, *_: i < stop, body, (start, first, found), (start.shape, *shapes), parallel_iterations=1
            )

        try:
            _, carried, found = loop([])
        except (ValueError, TypeError):
            if not last.get("specs"):  # what a step returns beside the state is known once it has been traced
                raise
            _, carried, found = loop([tf.zeros(*spec) for spec in last["specs"]])
        return structure.unflatten(leaves if assigned else carried), last["structure"].unflatten(found)

    def update_in_place(
        self, optimizer: Any, gradients: list[Any], values: list[Any], slots: list[Any], rate: Any, t: Any
    ) -> bool:
        """Make the update of Adam by a kernel for each variable, where a step may assign them."""
        kind = type(optimizer)
        if kind.__name__ not in ("Adam", "AdamW") or not kind.__module__.startswith("tahr.optimizers."):
            return False
        groups = [[_holder(x) for x in (value, *own)] for value, own in zip(values, slots, strict=True)]
        if optimizer.amsgrad or any(v is None or v.dtype != tf.float32 for group in groups for v in group):
            return False
        powers = {f"beta{i}_power": tf.pow(getattr(optimizer, f"beta_{i}"), t) for i in (1, 2)}
        shared = {"beta1": optimizer.beta_1, "beta2": optimizer.beta_2, "epsilon": optimizer.epsilon, "lr": rate}
        for place, ((variable, momentum, velocity), gradient) in enumerate(zip(groups, gradients, strict=True)):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle, m=momentum.handle, v=velocity.handle, grad=gradient, **powers, **shared
            )
            values[place] = _changed(variable)
        return True

    def put_rows(self, x: Any, ids: Any, rows: Any, donated: bool) -> Any:
        rows, variable = tf.cast(rows, x.dtype), _holder(x) if donated else None
        if variable is None:
            return tf.tensor_scatter_nd_update(x, ids[:, None], rows)
        tf.raw_ops.ResourceScatterUpdate(resource=variable.handle, indices=ids, updates=rows)
        return _changed(variable)


def function(fn: Callable[..., Any], **options: Any) -> Any:
    """Return `fn` as a `tf.function`."""
    made = tf.function(fn, autograph=False, **options)
    made._omit_frequent_tracing_warning = True  # a new shape is a new function, as everywhere
    return made


def one_kernel(fn: Callable[..., Any], slopes: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Return `fn` compiled by XLA, which cannot keep what gradients need, with its gradient or with that of `fn`."""
    made = function(fn, jit_compile=True)

    @tf.custom_gradient
    def run(*given: Any) -> Any:
        return made(*map(tf.stop_gradient, given)), functools.partial(slopes or functools.partial(slopes_of, fn), given)

    return run


def slopes_of(fn: Callable[..., Any], given: Any, *upstream: Any) -> Any:
    """Return the gradients of what `fn` is given, for which it runs once more."""
    with tf.GradientTape() as tape:
        tape.watch(given)
        found = fn(*given)
    return tape.gradient(found, given, upstream, tf.UnconnectedGradients.ZERO)


def _over_variables(fn: Callable[..., Any], variables: list[Any], donated: bool) -> Callable[..., Any]:
    """Return `fn` without its first argument, the values of variables, which it reads, and assigns if `donated`."""

    def run(*rest: Any) -> Any:
        values = [v.value() if isinstance(v, tf.Variable) else v for v in variables]
        if not donated:
            return fn(values, *rest)
        with _holding(zip(values, variables, strict=True)):
            found = fn(values, *rest)
            _assign(variables, values, found if isinstance(found, list) else found[0])
        return None if isinstance(found, list) else tuple(found[1:])

    return run
