"""Gradients of plain functions, the same code on every backend that trains."""

import contextlib
from collections.abc import Callable
from typing import Any

from tahr import backends, tree
from tahr.variables import StatelessScope, Variable

__all__ = ["device", "grad", "value_and_grad"]


def value_and_grad(fun: Callable[..., Any], variables: Any = None, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that computes `fun(...)` and its gradient.

    Without `variables`, the gradient is with respect to the first argument (an array or a nested structure of arrays).
    With `variables` (a list of `Variable`), it is with respect to them, at their current values, as a list.

    Args:
        fun: returns a scalar, or `(scalar, aux)` if `has_aux`. What it assigns to variables (metrics, moving
            statistics) is kept.
        variables: variables to differentiate by, or None for the first argument.
        has_aux: whether `fun` returns further results.

    Returns:
        a function giving `(value, gradient)`, or `((value, aux), gradient)` if `has_aux`.

    Raises:
        NotImplementedError: on a backend that computes no gradients (NumPy).

    >>> value, gradient = keras.value_and_grad(lambda x: ops.sum(x * x))(ops.array([1.0, 2.0]))
    >>> gradient
    [2.0, 4.0]
    """

    def run(*args: Any, **kwargs: Any) -> Any:
        engine = backends.current()
        by_argument = variables is None
        structure = args[0] if by_argument else list(variables)
        leaves = [v.value if isinstance(v, Variable) else engine.tensor(v) for v in tree.flatten(structure)]
        updates: dict[int, Variable] = {}

        def pure(arrays: list[Any]) -> Any:
            inner = _scope_inside()
            if not by_argument:
                for variable, array in zip(structure, arrays, strict=True):
                    inner.values[id(variable)] = array
            first = (tree.pack_sequence_as(structure, arrays), *args[1:]) if by_argument else args
            with inner:
                found = fun(*first, **kwargs)
            value, aux = found if has_aux else (found, None)
            updates.update(inner.updated)
            return value, (aux, [inner.values[key] for key in inner.updated])

        (value, (aux, values)), gradients = engine.value_and_grad(pure)(leaves)
        for variable, new in zip(updates.values(), values, strict=True):
            variable.assign(new)
        packed = tree.pack_sequence_as(structure, list(gradients))
        return ((value, aux) if has_aux else value), packed

    return run


def _scope_inside() -> StatelessScope:
    """Return a scope that continues the open one, if any, and keeps its own updates."""
    from tahr.variables import stateless_scope

    outer = stateless_scope()
    inner = StatelessScope(collect_losses=True)
    if outer is not None:
        inner.values.update(outer.values)
        inner.losses = list(outer.losses)
    return inner


def grad(fun: Callable[..., Any], variables: Any = None) -> Callable[..., Any]:
    """Return a function that computes the gradient of the scalar `fun(...)`; see `value_and_grad`.

    >>> keras.grad(lambda x: ops.sum(x * x))(ops.array([1.0, 2.0]))
    [2.0, 4.0]
    """
    both = value_and_grad(fun, variables)

    def run(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return run


def device(device_name: str | None) -> contextlib.AbstractContextManager[Any]:
    """Return a scope in which new arrays are made on a device such as `"cpu:0"` or `"gpu:0"`; None changes nothing.

    Raises:
        ValueError: if there is no such device.

    >>> with keras.device("cpu:0"):
    ...     x = ops.zeros((2,))
    """
    return backends.current().device(device_name)
