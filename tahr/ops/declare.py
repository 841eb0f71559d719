"""`@op`: one declaration an operation.

The signature, the docstring and the type rule say what the operation is. The body says it in terms of other operations
(a composition), or is `...` with a shape rule (a primitive, which every backend has to bring).
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from tahr import backends, dtypes, shapes, symbolic
from tahr.arithmetic import OPERATIONS
from tahr.backends.backend import LACKS, members_of
from tahr.ops import sparse
from tahr.ops.work import counting
from tahr.symbolic import KerasTensor, Operation, any_symbolic

F = TypeVar("F", bound=Callable[..., Any])


# What frameworks raise for arguments of a wrong size or value, and of a wrong type
_VALUE_ERRORS = (
    *("RuntimeError", "_LinAlgError", "LinAlgError", "XlaRuntimeError", "JaxRuntimeError"),
    "InvalidArgumentError",
)
_TYPE_ERRORS = (
    *("NotImplementedError", "UFuncTypeError", "_UFuncNoLoopError", "UFuncNoLoopError"),
    *("NotFoundError", "UnimplementedError"),
)


class Op:
    """A declared operation: callable on arrays of the current backend, on numbers, and on symbols."""

    def __init__(
        self,
        fn: Callable[..., Any],
        rule: dtypes.Rule,
        shape: Any,
        arrays: tuple[str, ...] | None,
        native: bool,
        lists: tuple[str, ...] = (),
        integers: tuple[str, ...] = (),
    ):
        self.name = fn.__name__.removesuffix("_")  # slice_ is the operation "slice"
        self.__name__ = fn.__name__
        self.__doc__, self.__module__, self.__wrapped__ = fn.__doc__, fn.__module__, fn
        self.__qualname__ = fn.__qualname__
        self.rule, self.shape, self.native = rule, shape, native
        self.signature = self.__signature__ = inspect.signature(fn)
        self.parameters = tuple(self.signature.parameters)
        self.compose = None if _is_primitive(fn) else fn
        if self.compose is None and shape is None:
            raise TypeError(f"op {self.name}: a primitive (body `...`) needs a shape rule.")
        required = [
            n for n, p in self.signature.parameters.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD
        ]
        promoted = () if rule.enter is None else rule.only or tuple(required)
        self.promoted = tuple(self.parameters.index(n) for n in promoted)
        if arrays is None:
            arrays = tuple(required * (rule.enter is None))
        self.tensors = tuple(self.parameters.index(n) for n in arrays)
        self.lists = frozenset(self.parameters.index(n) for n in lists)
        self.integers = tuple(self.parameters.index(n) for n in integers)
        # a parameter called dtype asks for a type to compute in, beside what the arguments have in common
        self.asked = self.parameters.index("dtype") if rule.enter is not None and "dtype" in self.parameters else None
        self.defaults = {n: p.default for n, p in self.signature.parameters.items() if p.default is not p.empty}
        self._backend: Any = None
        self._run: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._backend is None or self._backend is not backends._current:
            self._backend = backends.current()
            self._run = self._backend.resolve(self)
        return self._run(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tahr operation {self.name}>"

    def __reduce__(self) -> str:
        return self.__name__

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """Return one value for each parameter, defaults filled in."""
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}{self.signature}: {error}.") from None
        bound.apply_defaults()
        return list(bound.arguments.values())

    def sees_symbols(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Return whether a symbol is among the arguments."""
        return any_symbolic(args) or (bool(kwargs) and any_symbolic(kwargs.values()))

    def diagnose(self, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception) -> Exception:
        """Return the error to raise where the backend's function raised `error`: the same class on every backend."""
        try:
            self.infer(*args, **kwargs)
        except (ValueError, TypeError, IndexError) as clear:
            return clear
        except Exception:  # the shape rule cannot judge these arguments, so the framework's own words stand
            return error
        if type(error).__name__ in _VALUE_ERRORS and not any(words in str(error) for words in LACKS):
            return ValueError(f"{self.name}: {error}")
        if type(error).__name__ in (*_VALUE_ERRORS, *_TYPE_ERRORS):
            return TypeError(f"{self.name}: {error}")
        return error

    def symbolic_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return symbols for the result and record the call in their history."""
        outputs = self.infer(*args, **kwargs)
        if any(x.record_history for x in symbolic.tree.flatten([args, kwargs]) if isinstance(x, KerasTensor)):
            from tahr.ops.keras_specs import SPECS

            if self.name in SPECS:
                outputs = SPECS[self.name](outputs, **dict(zip(self.parameters, self.bind(args, kwargs), strict=True)))
            return symbolic.record(OpCall(self), args, kwargs, outputs)
        return outputs

    def common_type(self, values: Any) -> str | None:
        """Return the type that the promoted arguments get, None if there are none.

        Raises:
            TypeError: if this operation is not for arguments of these types.
        """
        for i in self.integers:
            if i < len(values) and values[i] is not None and dtypes.is_inexact(found := dtypes.common([values[i]])):
                raise TypeError(
                    f"{self.name}: expected whole numbers for {self.parameters[i]}; received {found}. "
                    "Use ops.cast(x, 'int32') first."
                )
        members = [m for i in self.promoted if i < len(values) for m in members_of(values[i], i in self.lists)]
        if not members or self.rule.enter is None:
            return None
        try:
            return self.rule.enter(dtypes.common(members))
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}") from None

    def sparse_kind(self) -> str:
        """Return what this operation does with sparse arrays, see `tahr.ops.sparse`, or refuse them."""
        return sparse.kind(self.name)

    def infer(self, *args: Any, **kwargs: Any) -> Any:
        """Return symbols with the shape and type that the same call on arrays gives."""
        values = [symbolic.forget(v) for v in self.bind(args, kwargs)]
        if not any(isinstance(x, KerasTensor) and x.sparse for v in values for x in members_of(v)):
            return self._infer(values)
        places = (*self.promoted, *self.tensors)
        flag = sparse.stays_sparse(self.name, [m for i in places for m in members_of(values[i])])
        found = self._infer([_as_dense(v) for v in values])
        return KerasTensor(found.shape, found.dtype, sparse=True, record_history=False) if flag else found

    def _infer(self, values: list[Any]) -> Any:
        common = self.common_type(values)
        if self.rule.enter is not None and self.promoted:
            if self.asked is not None and values[self.asked] is not None:
                common = dtypes.canonical(dtypes.standardize_dtype(values[self.asked]))
            if common is not None:
                for i in self.promoted:
                    values[i] = _retype(values[i], common, self.shape is None)
        if self.shape is None:
            assert self.compose is not None
            found = self.compose(**dict(zip(self.parameters, values, strict=True)))
            return found if common is None else _leave(found, self.rule.leave(common))
        arguments, counter = dict(zip(self.parameters, values, strict=True)), counting()
        found = self.shape(**arguments) if counter is None else counter.infer(self.name, self.shape, arguments)
        if isinstance(found, tuple) and all(size is None or isinstance(size, int) for size in found):
            return KerasTensor(found, self.rule.leave(common) if common else _first_dtype(values), record_history=False)
        return found


def _as_dense(value: Any) -> Any:
    if isinstance(value, KerasTensor):
        return KerasTensor(value.shape, value.dtype, record_history=False) if value.sparse else value
    return type(value)(_as_dense(v) for v in value) if type(value) in (list, tuple) else value


def _first_dtype(values: list[Any]) -> str:
    return next(dtypes.of(v) for v in values if hasattr(v, "dtype"))


def _retype(value: Any, dtype: str, composed: bool) -> Any:
    """Return symbols of the type; numbers and arrays, too, where a composition is to run on them."""
    if isinstance(value, KerasTensor):
        return value if value.dtype == dtype else KerasTensor(value.shape, dtype, value.sparse, record_history=False)
    if isinstance(value, (list, tuple)) and any(hasattr(v, "dtype") for v in value):
        return type(value)(_retype(v, dtype, composed) for v in value)
    return KerasTensor(shapes.of(value), dtype, record_history=False) if composed and value is not None else value


def _leave(found: Any, dtype: str) -> Any:
    if isinstance(found, KerasTensor) and found.dtype != dtype:
        return KerasTensor(found.shape, dtype, found.sparse, record_history=False)
    return found


class OpCall(Operation):
    """An operation as a node of a functional model's graph; each call is one of its own, with its own name.

    `arguments` are keyword arguments that every call gets, as files written by Keras keep them.
    """

    def __init__(self, op: Op, name: str | None = None, **arguments: Any):
        super().__init__(name or symbolic.naming.auto_name(op.name.lstrip("_")))
        self.op, self.arguments = op, arguments

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self.op(**self._bound(args, kwargs))

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        call, bound = self.op.infer, self._bound(args, kwargs)
        return call(**bound) if (counter := counting()) is None else counter.run(self, call, **bound)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return all arguments by name; positional ones fill the parameters that `arguments` leaves."""
        free = [name for name in self.op.parameters if name not in self.arguments]
        if len(args) > len(free):
            raise TypeError(f"{self.op.name}: expected at most {len(free)} positional arguments; received {len(args)}.")
        return {**self.arguments, **dict(zip(free, args, strict=False)), **kwargs}

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        return symbolic.record(self, args, kwargs, self.compute_output_spec(*args, **kwargs))


def op(
    rule: dtypes.Rule,
    shape: Any = None,
    arrays: tuple[str, ...] | None = None,
    native: bool = True,
    lists: tuple[str, ...] = (),
    integers: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Declare the decorated function as an operation.

    Args:
        rule: what types array arguments get and what type comes out, from `dtypes`.
        shape: shape rule: called with all arguments by name, returns the shape of the result, or symbols for several
            results. A composition needs none.
        arrays: names of further parameters that are arrays of a type of their own; for the rule `free`, all required
            parameters are unless names are given.
        native: whether a function of this name in the framework may be used.
        lists: names of parameters that take several arrays, which may differ in shape.
        integers: names of array parameters that must hold whole numbers.
    """

    def declare(fn: F) -> F:
        made = Op(fn, rule, shape, arrays, native, lists, integers)
        OPERATIONS[made.name] = made
        return made  # type: ignore[return-value]

    return declare


def alias(name: str, of: Any) -> Any:
    """Offer an operation under a second name."""
    OPERATIONS[name] = of
    return of


def _stub() -> None:
    """Stand for any function whose body is `...`."""
    ...


def _is_primitive(fn: Callable[..., Any]) -> bool:
    return fn.__doc__ is not None and fn.__code__.co_code == _stub.__code__.co_code


__all__ = ["OPERATIONS", "Op", "OpCall", "alias", "op"]
