"""Derivatives of functions, layers and models: the same code on every backend that trains, and each may be nested.

What a function assigns to variables (moving statistics, seeds, metrics) is kept, once, after it has run.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tahr import backends, dtypes, tree
from tahr.variables import StatelessScope, Variable

__all__ = ["device", "grad", "hessian", "jacobian", "jvp", "value_and_grad", "vjp", "vmap"]


class _Pure:
    """`fun` as a function of arrays alone, giving (its results as a list, (aux, new values of variables)).

    Attributes:
        where: name of the public function, for errors.
        structure: what the arrays are the leaves of: the positional arguments of `fun`, or a list of variables.
        value: the structure of the results, known after a run.
        updated: the variables that a run assigned.
    """

    def __init__(self, where: str, fun: Callable[..., Any], args: Any, kwargs: Any, variables: Any, has_aux: bool):
        self.where, self.fun, self.args, self.kwargs, self.has_aux = where, fun, args, kwargs, has_aux
        self.by_variables = variables is not None
        self.structure = list(variables) if self.by_variables else args
        self.value: Any = None
        self.updated: list[Variable] = []
        engine = backends.current()
        leaves = tree.flatten(self.structure)
        self.arrays = [v.value if isinstance(v, Variable) else engine.tensor(v) for v in leaves]

    def __call__(self, *arrays: Any) -> Any:
        inner, args = scope_inside(), self.args
        if self.by_variables:
            for variable, array in zip(self.structure, arrays, strict=True):
                inner.values[id(variable)] = array
        else:
            args = tree.pack_sequence_as(self.structure, list(arrays))
        with inner:
            found = self.fun(*args, **self.kwargs)
        if self.has_aux and not (isinstance(found, tuple) and len(found) == 2):
            raise ValueError(f"{self.where}: with has_aux=True, expected fun to return (value, aux); received {found}.")
        self.value, aux = found if self.has_aux else (found, None)
        self.updated = list(inner.updated.values())
        tensor = backends.current().tensor
        results = [tensor(y) for y in tree.flatten(self.value)]
        return results, (aux, [inner.values[key] for key in inner.updated])

    def scalar(self, arrays: Any) -> Any:
        """Return what a gradient is taken of: ((one number), (aux, new values of variables))."""
        results, extra = self(*arrays)
        if len(results) != 1 or len(results[0].shape):
            shapes = ", ".join(str(tuple(y.shape)) for y in results)
            raise ValueError(
                f"{self.where}: expected fun to return one scalar; received {len(results)} results of shape {shapes}. "
                "Sum over it first, or use jacobian."
            )
        return results[0], extra

    def check(self) -> None:
        """Refuse to differentiate by whole numbers.

        Raises:
            TypeError: if an array is neither floating-point nor complex.
        """
        for x in self.arrays:
            if not dtypes.is_inexact(dtypes.of(x)):
                raise TypeError(
                    f"{self.where}: expected floating-point arrays to differentiate by; received {dtypes.of(x)}. "
                    "Cast it first, or take it as an argument from outside (lambda x: fun(x, indices))."
                )

    def keep(self, extra: Any) -> Any:
        """Let variables take the values that a run gave them, and return aux."""
        aux, values = extra
        for variable, new in zip(self.updated, values, strict=True):
            variable.assign(new)
        return aux

    def pack(self, arrays: Any) -> Any:
        """Return arrays in the structure of those that `fun` is differentiated by."""
        return tree.pack_sequence_as(self.structure, list(arrays))


def _function(where: str, fun: Any) -> Any:
    if not callable(fun):
        raise TypeError(f"{where}: expected a function; received {fun!r}.")
    return fun


def scope_inside() -> StatelessScope:
    """Return a scope that continues the open one, if any, and keeps its own updates."""
    from tahr.variables import stateless_scope

    outer = stateless_scope()
    inner = StatelessScope(collect_losses=True)
    if outer is not None:
        inner.values.update(outer.values)
        inner.losses = list(outer.losses)
    return inner


def _by_first(where: str, fun: Callable[..., Any], args: Any, kwargs: Any, variables: Any, has_aux: bool) -> _Pure:
    """Return `fun` as a function of its first argument, or of `variables` if there are any."""
    if variables is not None:
        return _Pure(where, fun, args, kwargs, variables, has_aux)
    if not args:
        raise TypeError(f"{where}: expected an argument to differentiate by, or `variables`; received neither.")
    rest = args[1:]
    return _Pure(where, lambda first, **named: fun(first, *rest, **named), args[:1], kwargs, None, has_aux)


def _first(pure: _Pure, arrays: Any) -> Any:
    packed = pure.pack(arrays)
    return packed if pure.by_variables else packed[0]


def value_and_grad(
    fun: Callable[..., Any], variables: Any = None, has_aux: bool = False, tables: Sequence[Variable] = ()
) -> Callable[..., Any]:
    """Return a function that computes `fun(...)` and its gradient.

    Without `variables`, the gradient is with respect to the first argument (an array or a nested structure of arrays).
    With `variables` (a list of `Variable`), it is with respect to them, at their current values, as a list.

    Args:
        fun: returns a scalar, or `(scalar, aux)` if `has_aux`. What it assigns to variables (metrics, moving
            statistics) is kept.
        variables: variables to differentiate by, or None for the first argument.
        has_aux: whether `fun` returns further results.
        tables: those of `variables` whose gradient may be a `RowGradient`, for optimizers that take one.

    Returns:
        a function giving `(value, gradient)`, or `((value, aux), gradient)` if `has_aux`.

    Raises:
        NotImplementedError: on a backend that computes no gradients (NumPy).
        TypeError: when called with whole numbers to differentiate by.
        ValueError: when `fun` returns anything but a scalar.

    >>> value, gradient = keras.value_and_grad(lambda x: ops.sum(x * x))(ops.array([1.0, 2.0]))
    >>> gradient
    [2.0, 4.0]
    """

    _function("value_and_grad", fun)

    def run(*args: Any, **kwargs: Any) -> Any:
        pure = _by_first("value_and_grad", fun, args, kwargs, variables, has_aux)
        pure.check()
        engine = backends.current()
        if tables:
            wanted = {id(v) for v in tables}
            places = [i for i, v in enumerate(pure.structure) if id(v) in wanted]
            (value, extra), gradients = engine.gradient_by_rows(pure.scalar, pure.arrays, places)
        else:
            (value, extra), gradients = engine.value_and_grad(pure.scalar)(pure.arrays)
        aux = pure.keep(extra)
        return ((value, aux) if has_aux else value), _first(pure, gradients)

    return run


def grad(fun: Callable[..., Any], variables: Any = None) -> Callable[..., Any]:
    """Return a function that computes the gradient of the scalar `fun(...)`; see `value_and_grad`.

    >>> keras.grad(lambda x: ops.sum(x * x))(ops.array([1.0, 2.0]))
    [2.0, 4.0]
    >>> keras.grad(keras.grad(lambda x: x**3))(ops.array(2.0))
    12.0
    """
    both = value_and_grad(fun, variables)

    def run(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return run


def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """Return `fun(*primals)` and its derivative in the direction `tangents`, and aux if `has_aux`; see `ops.jvp`.

    >>> keras.jvp(lambda x: x * x, (ops.array(3.0),), (ops.array(1.0),))
    (9.0, 6.0)
    """
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: expected a tangent for each primal; received {len(primals)} and {len(tangents)}.")
    pure = _Pure("jvp", _function("jvp", fun), tuple(primals), {}, None, has_aux)
    pure.check()
    engine = backends.current()
    directions = [
        engine.tensor(t, dtypes.of(x)) for t, x in zip(tree.flatten(tuple(tangents)), pure.arrays, strict=True)
    ]
    for t, x in zip(directions, pure.arrays, strict=True):
        if tuple(t.shape) != tuple(x.shape):
            raise ValueError(
                f"jvp: expected tangents of the shapes of the primals; received {tuple(t.shape)} for {tuple(x.shape)}."
            )
    values, slopes, extra = engine.jvp(pure, pure.arrays, directions)
    aux = pure.keep(extra)
    packed = tuple(tree.pack_sequence_as(pure.value, list(found)) for found in (values, slopes))
    return (*packed, aux) if has_aux else packed


def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return `fun(*primals)` and a function from a gradient of the result to those of the primals.

    Args:
        fun: function of arrays or nested structures of arrays; returns `(result, aux)` if `has_aux`.
        *primals: its arguments, the place.
        has_aux: whether `fun` returns something besides, which comes last.

    Returns:
        `(result, pull)`, where `pull(gradient of the result)` is a tuple with a gradient for each primal; or
        `(result, pull, aux)`.

    Raises:
        NotImplementedError: on a backend that computes no gradients (NumPy).
        TypeError: if a primal holds whole numbers.

    >>> value, pull = keras.vjp(lambda x, y: x * y, ops.array(3.0), ops.array(5.0))
    >>> pull(ops.array(1.0))
    (5.0, 3.0)
    """
    pure = _Pure("vjp", _function("vjp", fun), primals, {}, None, has_aux)
    pure.check()
    engine = backends.current()
    results, back, extra = engine.vjp(pure, pure.arrays)
    aux = pure.keep(extra)
    value = pure.value

    def pull(cotangent: Any) -> Any:
        tree.assert_same_structure(value, cotangent)
        given = [engine.tensor(c, dtypes.of(y)) for c, y in zip(tree.flatten(cotangent), results, strict=True)]
        for c, y in zip(given, results, strict=True):
            if tuple(c.shape) != tuple(y.shape):
                raise ValueError(
                    f"vjp: expected a gradient of the result's shape {tuple(y.shape)}; received {tuple(c.shape)}."
                )
        return pure.pack(back(given))

    packed = tree.pack_sequence_as(value, list(results))
    return (packed, pull, aux) if has_aux else (packed, pull)


def vmap(fun: Callable[..., Any], in_axes: Any = 0, out_axes: int = 0) -> Callable[..., Any]:
    """Return `fun`, written for one element, made to run over an axis of its arguments at once.

    Args:
        fun: function of arrays or nested structures of arrays. What it assigns to variables must be the same for all
            elements; random draws are made once and shared.
        in_axes: the axis of every argument to go along, or a tuple with one for each; None leaves an argument whole.
        out_axes: where the axis comes in the results.

    Raises:
        ValueError: when called with arguments that differ in size along the axis, or that all stay whole.

    NumPy runs one element after the other.

    >>> keras.vmap(lambda x, y: ops.sum(x) * y, in_axes=(0, None))(ops.array([[1.0, 2.0], [3.0, 4.0]]), 10.0)
    [30.0, 70.0]
    """

    _function("vmap", fun)

    def run(*args: Any, **kwargs: Any) -> Any:
        pure = _Pure("vmap", fun, args, kwargs, None, False)
        axes = _axes_of_leaves(in_axes, args)
        _check_sizes(pure.arrays, axes)
        try:
            results, values = backends.current().vmap(lambda *xs: _without_aux(pure(*xs)), axes, out_axes)(*pure.arrays)
        except ValueError as error:
            if pure.updated:
                names = ", ".join(v.path for v in pure.updated)
                raise ValueError(
                    f"vmap: fun must assign the same value for all elements to a variable; it assigns {names}. "
                    "Return the values instead, and assign what they have in common."
                ) from error
            raise
        pure.keep((None, values))
        return tree.pack_sequence_as(pure.value, list(results))

    return run


def _without_aux(found: Any) -> Any:
    results, (_, values) = found
    return results, values


def _axes_of_leaves(in_axes: Any, args: Sequence[Any]) -> list[int | None]:
    """Return the axis to go along for each leaf of the arguments."""
    each = in_axes if isinstance(in_axes, (tuple, list)) else [in_axes] * len(args)
    if len(each) != len(args) or not all(axis is None or isinstance(axis, int) for axis in each):
        raise ValueError(
            f"vmap: expected in_axes to be an int, None, or one of these for each of {len(args)} arguments; "
            f"received {in_axes!r}."
        )
    return [axis for axis, arg in zip(each, args, strict=True) for _ in tree.flatten(arg)]


def _check_sizes(arrays: Any, axes: list[int | None]) -> None:
    sizes = set()
    for x, axis in zip(arrays, axes, strict=True):
        if axis is not None:
            if not -len(x.shape) <= axis < len(x.shape):
                raise ValueError(f"vmap: axis {axis} is out of bounds for an argument of shape {tuple(x.shape)}.")
            sizes.add(x.shape[axis])
    if len(sizes) != 1:
        raise ValueError(f"vmap: expected one size along the axes {axes}; received {sorted(sizes)}.")


def jacobian(fun: Callable[..., Any], variables: Any = None) -> Callable[..., Any]:
    """Return a function that computes all derivatives of the results of `fun` by its first argument, or by `variables`.

    Args:
        fun: function of arrays that returns an array or a nested structure of arrays of any shape.
        variables: variables to differentiate by (at their current values), or None for the first argument.

    Returns:
        a function giving, in the structure of the results, for each result the structure of what it is differentiated
        by, with arrays of shape `(*result shape, *argument shape)`.

    Raises:
        NotImplementedError: on a backend that computes no gradients (NumPy).
        TypeError: when called with whole numbers to differentiate by.

    >>> keras.jacobian(lambda x: x * x)(ops.array([1.0, 2.0]))
    [[2.0, 0.0], [0.0, 4.0]]
    """

    _function("jacobian", fun)

    def run(*args: Any, **kwargs: Any) -> Any:
        pure = _by_first("jacobian", fun, args, kwargs, variables, False)
        pure.check()
        results, back, extra = backends.current().vjp(pure, pure.arrays)
        pure.keep(extra)
        rows = [_first(pure, _rows(k, results, back, pure.arrays)) for k in range(len(results))]
        return tree.pack_sequence_as(pure.value, rows)

    return run


def _rows(k: int, results: Any, back: Callable[..., Any], arrays: Any) -> list[Any]:
    """Return the derivatives of result `k` by each array, by pulling back one unit vector after the other at once."""
    from tahr import ops

    y = results[k]
    sizes = tuple(y.shape)
    count = int(np.prod(sizes))
    if count == 0:
        return [ops.zeros((*sizes, *x.shape), dtypes.of(x)) for x in arrays]
    units = ops.reshape(ops.eye(count, dtype=dtypes.of(y)), (count, *sizes))

    def one(unit: Any) -> Any:
        given = [unit if i == k else ops.zeros_like(other) for i, other in enumerate(results)]
        return list(back(given)), []

    found = backends.current().vmap(one, [0], 0)(units)[0]
    return [ops.reshape(g, (*sizes, *x.shape)) for g, x in zip(found, arrays, strict=True)]


def hessian(fun: Callable[..., Any], variables: Any = None) -> Callable[..., Any]:
    """Return a function that computes the second derivatives of the scalar `fun(...)`; see `jacobian` and `grad`.

    >>> keras.hessian(lambda x: x[0] * x[0] * x[1])(ops.array([2.0, 3.0]))
    [[6.0, 4.0], [4.0, 0.0]]
    """
    return jacobian(grad(fun, variables), variables)


def device(device_name: str | None) -> contextlib.AbstractContextManager[Any]:
    """Return a scope in which new arrays are made on a device such as `"cpu:0"` or `"gpu:0"`; None changes nothing.

    Raises:
        ValueError: if there is no such device.

    >>> with keras.device("cpu:0"):
    ...     x = ops.zeros((2,))
    """
    return backends.current().device(device_name)
