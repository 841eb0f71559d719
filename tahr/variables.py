"""`Variable`, the state of layers, metrics and optimizers, and the scopes that change what reading it means."""

import math
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import numpy as np

from tahr import backends, dtypes, naming, shapes
from tahr.arithmetic import Arithmetic
from tahr.symbolic import KerasTensor

__all__ = ["AutocastScope", "DirectScope", "LoadingScope", "StatelessScope", "SymbolicScope", "Variable"]

LARGE = 10_000  # numbers, from which on drawing first values that a file replaces is worth leaving out
_AGGREGATIONS = ("none", "mean", "sum", "only_first_replica")


class _Scopes(threading.local):
    stateless: "StatelessScope | None" = None
    autocast: str | None = None
    symbolic: int = 0


_scopes = _Scopes()


class StatelessScope:
    """Inside this scope, reading and assigning variables goes to a mapping instead of the variables.

    It is what turns a model into a pure function: values come in through `state_mapping`, updates are read back with
    `get_current_value`, and the variables themselves stay as they were.

    Args:
        state_mapping: pairs of a variable and the value that it has inside.
        collect_losses: whether losses that layers add are kept in `losses`.
        initialize_variables: whether variables made inside get their value at once.

    Attributes:
        donated: whether the values may be overwritten by those that take their places.

    >>> v = keras.Variable(1.0)
    >>> with keras.StatelessScope(state_mapping=[(v, ops.array(5.0))]) as scope:
    ...     _ = v.assign(v + 1.0)
    >>> float(scope.get_current_value(v)), float(v)
    (6.0, 1.0)
    """

    direct = False  # whether assignments change the variables after all

    def __init__(
        self,
        state_mapping: Iterable[tuple["Variable", Any]] | None = None,
        collect_losses: bool = False,
        initialize_variables: bool = True,
    ):
        self.collect_losses, self.initialize_variables = collect_losses, initialize_variables
        self.donated = False
        self.losses: list[Any] = []
        self.values: dict[int, Any] = {}
        self.updated: dict[int, Variable] = {}
        for variable, value in state_mapping or ():
            if not isinstance(variable, Variable):
                raise ValueError(f"StatelessScope: expected pairs of a Variable and a value; received {variable!r}.")
            self.values[id(variable)] = variable.convert(value)

    @property
    def state_mapping(self) -> dict[int, Any]:
        return self.values

    def may_overwrite(self) -> bool:
        """Return whether the values may be overwritten from now on; optimizers ask once all else is computed."""
        return self.donated

    def add_loss(self, loss: Any) -> None:
        """Keep a loss that a layer added."""
        self.losses.append(loss)

    def add_update(self, update: tuple["Variable", Any]) -> None:
        """Note the new value of a variable."""
        variable, value = update
        self.values[id(variable)] = value
        self.updated[id(variable)] = variable

    def get_current_value(self, variable: "Variable") -> Any:
        """Return the value of a variable inside the scope, or None if it is neither mapped nor assigned."""
        return self.values.get(id(variable))

    def __enter__(self) -> "StatelessScope":
        self._outer, _scopes.stateless = _scopes.stateless, self
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _scopes.stateless = self._outer


class DirectScope(StatelessScope):
    """Inside this scope, only losses are kept: assignments change the variables themselves, until `undo`."""

    direct = True

    def __init__(self) -> None:
        super().__init__(collect_losses=True)
        self._before: dict[int, tuple[Variable, Any]] = {}

    def add_update(self, update: tuple["Variable", Any]) -> None:
        """Note the value that a variable had before the first assignment."""
        self._before.setdefault(id(update[0]), (update[0], update[0].value))

    def undo(self) -> None:
        """Give the variables back the values that they had."""
        for variable, value in self._before.values():
            variable.assign(value)


def stateless_scope() -> StatelessScope | None:
    """Return the innermost open `StatelessScope` of this thread, or None."""
    return _scopes.stateless


class SymbolicScope:
    """Inside this scope, only shapes and types are computed, as when a functional model is built.

    >>> with keras.SymbolicScope():
    ...     pass
    """

    def __enter__(self) -> "SymbolicScope":
        _scopes.symbolic += 1
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _scopes.symbolic -= 1


def autocast_dtype() -> str | None:
    """Return the type that floating-point variables read as in this thread, or None for their own."""
    return _scopes.autocast


def in_symbolic_scope() -> bool:
    """Return whether a `SymbolicScope` is open in this thread."""
    return _scopes.symbolic > 0


def read_as(dtype: str | None) -> str | None:
    """Let floating-point variables of this thread read as `dtype` from here on; return what they read as before."""
    outer, _scopes.autocast = _scopes.autocast, dtype
    return outer


class AutocastScope:
    """Inside this scope, floating-point variables that allow it read as `dtype` (None: as they are)."""

    __slots__ = ("_outer", "dtype")

    def __init__(self, dtype: str | None):
        self.dtype = dtype

    def __enter__(self) -> "AutocastScope":
        self._outer = read_as(self.dtype)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        read_as(self._outer)


class Loaded(np.ndarray):
    """An array read from a file that nobody else holds: the first variable that takes it may keep its memory.

    Views of it are taken already, since they share that memory.
    """

    taken = False

    def __array_finalize__(self, obj: Any) -> None:
        if isinstance(obj, Loaded):
            self.taken = True


class LoadingScope:
    """Inside this scope, variables are made whose values come from a file, so large ones are not drawn first.

    What a file declares is not believed: together, they may take only so many bytes, at four a number.

    Args:
        left: number of bytes.
        error: makes the exception from a message.
    """

    _open = threading.local()

    def __init__(self, left: int, error: Callable[[str], Exception]):
        self.left, self.error = left, error
        self._waiting: list[tuple[Variable, Callable[..., Any]]] = []

    def __enter__(self) -> "LoadingScope":
        self._outer = getattr(LoadingScope._open, "scope", None)
        LoadingScope._open.scope = self
        return self

    def __exit__(self, *error: Any) -> None:
        LoadingScope._open.scope = self._outer

    @staticmethod
    def current() -> "LoadingScope | None":
        """Return the scope around, if there is one."""
        return getattr(LoadingScope._open, "scope", None)

    def count(self, path: str, shape: tuple[int, ...]) -> None:
        """Count a variable about to be made, and raise if it is too large."""
        self.left -= 4 * math.prod(shape)
        if self.left < 0:
            raise self.error(f"the weight {path} of shape {shape} is far larger than all that is stored")

    def wait(self, variable: "Variable", initializer: Callable[..., Any]) -> None:
        """Remember a variable that waits for its values."""
        self._waiting.append((variable, initializer))

    def finish(self) -> None:
        """Give variables that the file has no values for those that they would have begun with."""
        for variable, initializer in self._waiting:
            if variable._waits:
                variable.assign(initializer(variable.shape, dtype=variable.dtype))
        self._waiting = []


class Variable(Arithmetic):
    """An array that layers, metrics and optimizers keep and change.

    Args:
        initializer: the first value, or a function of `(shape, dtype)` that gives it.
        shape: needed if `initializer` is a function.
        dtype: data type name; None takes that of the value, or `floatx` for a function.
        trainable: whether training changes it.
        autocast: whether it reads as the compute type of the layer that reads it.
        aggregation: how replicas combine: `"none"`, `"mean"`, `"sum"` or `"only_first_replica"`.
        synchronization: kept for Keras's sake.
        name: last part of its path.
        layout: how it is laid out over devices, or None.

    >>> v = keras.Variable([1.0, 2.0], name="scale")
    >>> v.assign_add([1.0, 1.0])
    [2. 3.]
    """

    name: str = ""
    path: str = ""
    aggregation: str = "none"
    synchronization: str = "auto"
    regularizer: Callable[..., Any] | None = None
    constraint: Callable[..., Any] | None = None
    overwrite_with_gradient: bool = False  # whether an update is the gradient itself
    is_table = False  # whether mostly rows of it are read
    _waits = False  # whether a file will give the value

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = "none",
        synchronization: str = "auto",
        name: str | None = None,
        layout: Any = None,
        **kwargs: Any,
    ):
        if kwargs:
            raise TypeError(f"Variable: unexpected arguments {sorted(kwargs)}.")
        if aggregation not in (None, *_AGGREGATIONS):
            raise ValueError(f"Variable: expected aggregation to be one of {_AGGREGATIONS}; received {aggregation!r}.")
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"Variable: expected a name without '/'; received {name!r}.")
        self.name = name or naming.auto_name(naming.snake_case(type(self).__name__))
        scope = naming.current_path()
        self.path = f"{scope}/{self.name}" if scope else self.name
        self._trainable = self.learnable = bool(trainable)  # learnable: trainable unless its layer is frozen
        self.autocast = bool(autocast)
        self.aggregation = aggregation or "none"
        self.synchronization = synchronization
        self.layout = layout
        self.backend = backends.current()
        self.backend.know_variables(type(self))
        self._start(initializer, shape, dtype)

    def _start(self, initializer: Any, shape: Any, dtype: Any) -> None:
        adopts = False
        if callable(initializer) and not hasattr(initializer, "shape"):
            if shape is None:
                raise ValueError(f"Variable {self.path}: an initializer function needs `shape`, but shape is None.")
            self._dtype = dtypes.canonical(dtypes.standardize_dtype(dtype))
            wanted = shapes.standardize_shape(shape, f"Variable {self.path} shape")
            if None in wanted:
                raise ValueError(f"Variable {self.path}: expected a fully known shape; received {wanted}.")
            loading = LoadingScope.current()
            if loading is not None:
                loading.count(self.path, wanted)
            if loading is not None and math.prod(wanted) >= LARGE and self._dtype != "string":
                self._waits, self._shape = True, wanted
                self._value = self.backend.blank(wanted, self._dtype)
                return loading.wait(self, initializer)
            value = initializer.on_host(wanted, self._dtype) if hasattr(initializer, "on_host") else None
            if value is None:
                with self.backend.concrete():  # a variable made while a step is traced outlives the trace
                    value = initializer(wanted, dtype=self._dtype)
            elif math.prod(wanted) >= LARGE and self._dtype != "string":
                adopts = True
        else:
            if isinstance(initializer, KerasTensor):
                raise ValueError(f"Variable {self.path}: expected an array; received the symbol {initializer!r}.")
            value = initializer.value if isinstance(initializer, Variable) else initializer
            self._dtype = dtypes.canonical(dtypes.standardize_dtype(dtype) if dtype else dtypes.common([value]))
            wanted = shapes.standardize_shape(shape, "shape") if shape is not None else None
        make = self.backend.adopt if adopts else self.backend.new_variable
        self._value = make(value, self._dtype, self._trainable)
        self._shape = tuple(self._value.shape)
        if wanted is not None and self._shape != wanted:
            raise ValueError(f"Variable {self.path}: expected a first value of shape {wanted}; received {self._shape}.")

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle or a copy holds: the value as a NumPy array."""
        return {**self.__dict__, "_value": self.backend.to_numpy(self._value)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.backend.know_variables(type(self))
        self._value = self.backend.new_variable(state["_value"], self._dtype, self._trainable)

    @property
    def value(self) -> Any:
        """The backend's own array: inside a `StatelessScope` the mapped one, and in the compute type of the layer."""
        scope = _scopes.stateless
        value = self._value if scope is None else scope.values.get(id(self), self._value)
        if self.backend.reads:
            value = self.backend.read(value)
        autocast = _scopes.autocast
        if autocast is not None and self.autocast and self._dtype != autocast and dtypes.is_float(self._dtype):
            return self.backend.cast(value, autocast)
        return value

    def convert(self, value: Any) -> Any:
        """Return `value` as an array of this variable's type, after a check of its shape."""
        if isinstance(value, Variable):
            value = value.value
        value = self.backend.cast(self.backend.tensor(value), self._dtype)
        if tuple(value.shape) != self._shape:
            raise ValueError(
                f"Variable {self.path}: expected a value of shape {self._shape}; received shape {tuple(value.shape)}."
            )
        return value

    def assign(self, value: Any) -> Any:
        """Replace the value by one of the same shape and return it.

        Raises:
            ValueError: if the shapes differ.
        """
        if isinstance(value, KerasTensor):  # only shapes are computed, so there is nothing to keep
            self._check_symbol(value)
            return value
        if self._waits and _scopes.stateless is None:
            return self._begin(value)
        value = self.convert(value)
        scope = _scopes.stateless
        if scope is not None:
            scope.add_update((self, value))
            if not scope.direct:
                return value
        self._value = self.backend.assign(self._value, value)
        return value if self.backend.reads else self._value

    def _begin(self, value: Any) -> Any:
        """Take the first value that a file gives; what was read for this variable alone becomes its memory."""
        own = isinstance(value, Loaded) and not value.taken and value.shape == self._shape
        if own:
            value.taken, value = True, value.view(np.ndarray)
            self._value = self.backend.adopt(value, self._dtype, self._trainable)
        else:
            self._value = self.backend.new_variable(self.convert(value), self._dtype, self._trainable)
        self._waits = False
        return self._value

    def _check_symbol(self, value: KerasTensor) -> None:
        fits = len(value.shape) == len(self._shape)
        if not fits or any(n not in (None, m) for n, m in zip(value.shape, self._shape, strict=True)):
            raise ValueError(f"Variable {self.path}: expected a value of shape {self._shape}; received {value.shape}.")

    def assign_add(self, value: Any) -> Any:
        """Add to the value and return the sum."""
        return self.assign(self + value)

    def assign_sub(self, value: Any) -> Any:
        """Subtract from the value and return the difference."""
        return self.assign(self - value)

    def publish(self, value: Any) -> None:
        """Take `value`, known to have the right shape and type, as this variable's array."""
        self._value = value

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        if not self._waits:
            self.backend.set_trainable(self._value, self._trainable)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def ndim(self) -> int:
        return len(self._shape)

    @property
    def size(self) -> int:
        return int(np.prod(self._shape))

    @property
    def dtype(self) -> str:
        autocast = _scopes.autocast
        if autocast is not None and self.autocast and dtypes.is_float(self._dtype):
            return autocast
        return self._dtype

    @property
    def handle(self) -> Any:
        """What stands for this variable where a framework looks for one of its own."""
        scope = _scopes.stateless
        return self.backend.handle(self._value if scope is None else scope.values.get(id(self), self._value))

    def numpy(self) -> np.ndarray:
        """Return the value as a NumPy array."""
        return self.backend.to_numpy(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        found = np.asarray(self.numpy(), dtype=dtype)
        return found.copy() if copy else found

    def __float__(self) -> float:
        return float(self.numpy())

    def __int__(self) -> int:
        return int(self.numpy())

    def __bool__(self) -> bool:
        raise TypeError(f"Variable {self.path} has no truth value; read it with `.numpy()` first.")

    def __jax_array__(self) -> Any:
        return self.value

    def __len__(self) -> int:
        if not self._shape:
            raise TypeError(f"Variable {self.path} is a scalar and has no length.")
        return self._shape[0]

    def __iter__(self) -> Any:
        return iter(self.value)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        def read(x: Any) -> Any:
            if isinstance(x, Variable):
                return x.value
            return type(x)(read(y) for y in x) if type(x) in (list, tuple) else x

        return func(*(read(a) for a in args), **{k: read(v) for k, v in (kwargs or {}).items()})

    def __repr__(self) -> str:
        if _scopes.stateless is not None or self.backend.compiling():
            return f"<Variable path={self.path}, shape={self._shape}, dtype={self._dtype}>"
        return f"<Variable path={self.path}, shape={self._shape}, dtype={self._dtype}, value={self.numpy()}>"
