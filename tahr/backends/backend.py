"""The duties of a backend. Each has a default, or a refusal that says what to do."""

import contextlib
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from tahr import config, dtypes


class Backend:
    """A framework: namespaces to look operations up in, a few renames, and what it must do its own way.

    Attributes:
        name: what people call it.
        spaces: modules searched for a function with the operation's name.
        names: the framework's name of an operation where it differs.
        argument_names: the framework's name of a parameter where it differs.
        avoid: operations whose namesake in the framework does something else, with the reason.
        numbers: operations whose native function takes Python numbers beside arrays, `"all"` for every one.
        trains: whether it computes gradients.
    """

    name = "abstract"
    spaces: tuple[Any, ...] = ()
    names: dict[str, str] = {}
    argument_names: dict[str, str] = {}
    avoid: dict[str, str] = {}
    numbers: frozenset[str] | str = frozenset()
    trains = False

    def __init__(self) -> None:
        self.own: dict[str, Callable[..., Any]] = {}

    # ---- operations ---------------------------------------------------------------------------------------------

    def implements(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Register this backend's own version of the operation with the function's name (less a trailing `_`)."""
        self.own[fn.__name__.rstrip("_")] = fn
        return fn

    def explain(self, op: Any) -> tuple[str, Callable[..., Any]]:
        """Return who runs an operation here, in words, and the function itself."""
        if op.name in self.own:
            return f"own function in backends/{self.name}", self.own[op.name]
        found = self.native(op)
        if found is not None:
            return found
        if op.compose is not None:
            why = f" ({self.avoid[op.name]})" if op.name in self.avoid else ""
            return f"composition of other operations{why}", op.compose
        raise NotImplementedError(
            f"The {self.name} backend has no {op.name}, which has no composition either. "
            f"Write it in backends/{self.name} under `@backend.implements`."
        )

    def native(self, op: Any) -> tuple[str, Callable[..., Any]] | None:
        """Return the framework's function of that name, taking the operation's arguments by position."""
        if op.name in self.avoid or not op.native:
            return None
        name = self.names.get(op.name, op.name)
        for space in self.spaces:
            fn = getattr(space, name, None)
            if callable(fn) and not isinstance(fn, type):
                return f"{space.__name__}.{name}", self._take_positional(op, fn)
        return None

    def _take_positional(self, op: Any, fn: Callable[..., Any]) -> Callable[..., Any]:
        lead = next((i for i, name in enumerate(op.parameters) if name in op.defaults), len(op.parameters))
        extras = [(self.argument_names.get(n, n), op.defaults[n]) for n in op.parameters[lead:]]
        if not extras:
            return fn
        names = [name for name, _ in extras]
        preset = {name: value for name, value in extras if value is not None}

        def call(*args: Any) -> Any:
            given = {name: value for name, value in zip(names, args[lead:], strict=False)}
            return fn(*args[:lead], **{k: v for k, v in {**preset, **given}.items() if v is not None})

        return call

    def resolve(self, op: Any) -> Callable[..., Any]:
        """Return the function that runs `op` here, with its inputs and result cast by the operation's type rule."""
        run = self.explain(op)[1]
        promoted, places = op.promoted, (*op.promoted, *op.tensors)
        weak = self.numbers == "all" or op.name in self.numbers
        first = places[0] if places else 0
        cast, plans, fill = self.cast, {}, _filler(op)

        def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs or len(args) > len(op.parameters):
                args = fill(args, kwargs)
            count = len(args)
            key = tuple([(type(args[i]), getattr(args[i], "dtype", None)) for i in places if i < count])
            plan = plans.get(key)
            if plan is None:
                plan, args = self._plan(op, args, places, promoted, weak, first)
                if not any(kind in (list, tuple) for kind, _ in key):
                    plans[key] = plan
                out = run(*args)
            elif plan[0]:
                common, changes = plan[1], plan[0]
                values = list(args)
                for i in changes:
                    values[i] = self.enter(values[i], common if i in promoted else None)
                out = run(*values)
            else:
                out = run(*args)
            leave = plan[2]
            return out if leave is None or type(out) in (tuple, list) else cast(out, leave)

        return call

    def _plan(
        self, op: Any, args: tuple[Any, ...], places: Any, promoted: Any, weak: bool, first: int
    ) -> tuple[tuple[Any, ...], list[Any]]:
        """Return which arguments must change and to which type, and the arguments changed."""
        values = list(args)
        members = [m for i in promoted if i < len(values) for m in members_of(values[i])]
        common = op.rule.enter(dtypes.common(members)) if members and op.rule.enter is not None else None
        changes = []
        for i in places:
            if i >= len(values) or values[i] is None:
                continue
            if weak and i in promoted and type(values[i]) in (bool, int, float) and (i != first or self.numbers == "all"):
                continue
            new = self.enter(values[i], common if i in promoted else None)
            if new is not values[i]:
                changes.append(i)
                values[i] = new
        return (tuple(changes), common, op.rule.leave(common) if common is not None else None), values

    def enter(self, value: Any, dtype: str | None) -> Any:
        """Return an argument as this backend's array, cast to `dtype` if given; lists of arrays member by member."""
        if value is None:
            return None
        if isinstance(value, (list, tuple)) and any(hasattr(v, "dtype") for v in value):
            return [self.enter(v, dtype) for v in value]
        return self.tensor(value, dtype)

    # ---- arrays -------------------------------------------------------------------------------------------------

    def tensor(self, x: Any, dtype: str | None = None) -> Any:
        """Return `x` (array of any kind, variable, number, nested lists) as this backend's array; no copy if it is one."""
        raise NotImplementedError

    def to_numpy(self, x: Any) -> np.ndarray:
        """Return `x` as a NumPy array on the host."""
        return np.asarray(x)

    def cast(self, x: Any, dtype: str) -> Any:
        """Return the array `x` as `dtype`; itself if it is of that type."""
        raise NotImplementedError

    def is_tensor(self, x: Any) -> bool:
        """Return whether `x` is this backend's own array."""
        raise NotImplementedError

    # ---- variables ----------------------------------------------------------------------------------------------

    def new_variable(self, value: Any, dtype: str, trainable: bool) -> Any:
        """Return an array of its own memory for a variable."""
        raise NotImplementedError

    def assign(self, old: Any, new: Any) -> Any:
        """Return the array that a variable holding `old` holds after being assigned `new`."""
        return new

    def set_trainable(self, value: Any, trainable: bool) -> None:
        """Note on a variable's array whether gradients are wanted for it."""

    # ---- functions ----------------------------------------------------------------------------------------------

    def refuse(self, what: str) -> NoReturn:
        """Raise the error of a duty that this backend does not have."""
        raise NotImplementedError(
            f"The {self.name} backend cannot {what}. Choose another with the environment variable TAHR_BACKEND, "
            "for example TAHR_BACKEND=jax."
        )

    def value_and_grad(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of (list of arrays, *rest) giving ((value, extra), gradients) of `fn -> (value, extra)`."""
        self.refuse("compute gradients")

    def compile(self, fn: Callable[..., Any], donate: tuple[int, ...] = ()) -> Callable[..., Any]:
        """Return `fn` compiled; the arguments at `donate` may be overwritten."""
        return fn

    def repeat(self, step: Callable[..., Any], state: Any, batches: Any) -> Any:
        """Return `(state, last extra)` after `state, extra = step(state, batch)` for each batch along axis 0."""
        self.refuse("train")

    def stop_gradient(self, x: Any) -> Any:
        """Return `x` as a constant for gradients."""
        return x

    def abstract(self, fn: Callable[..., Any], specs: Any) -> Any:
        """Return (shape, dtype) pairs for what `fn` returns for arrays of the given fully known (shape, dtype) pairs."""
        self.refuse("find the shape of code that calls a framework directly")

    def no_grad(self) -> contextlib.AbstractContextManager[Any]:
        """Return a scope in which nothing is recorded for gradients."""
        return contextlib.nullcontext()

    def synchronize(self, x: Any) -> Any:
        """Wait until `x` has been computed and return it."""
        return x

    def devices(self) -> list[str]:
        """Return the names of the devices, fastest first."""
        return ["cpu"]

    def device(self, name: str | None) -> contextlib.AbstractContextManager[Any]:
        """Return a scope in which new arrays are made on the device called `name`."""
        if name in (None, "cpu", "cpu:0"):
            return contextlib.nullcontext()
        raise ValueError(f"device: the {self.name} backend has {', '.join(self.devices())}; received {name!r}.")

    def seed_all(self, seed: int) -> None:
        """Seed the framework's own global generators, for the sake of native code."""


def members_of(value: Any) -> list[Any]:
    """Return the arrays and numbers that an array argument brings: none, itself, or those of a list."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)) and any(hasattr(v, "dtype") for v in value):
        return list(value)
    return [value]


def to_host(x: Any, dtype: str | None = None) -> np.ndarray:
    """Return numbers, nested lists, or an array of any library as a NumPy array of `dtype`.

    Python floats become `floatx`, ints int32; with `dtype` None 64-bit types become 32-bit ones as everywhere.
    """
    if isinstance(x, (list, tuple)) and any(hasattr(v, "dtype") or isinstance(v, (list, tuple)) for v in x):
        parts = [to_host(v) for v in x]
        kinds = [p.dtype for p in parts]
        shapes = {p.shape for p in parts}
        if len(shapes) > 1:
            raise ValueError(f"Expected nested lists of equal lengths; received parts of shapes {sorted(shapes)}.")
        target = dtype or (dtypes.result_type(*kinds) if kinds else config.floatx())
        return np.stack([p.astype(numpy_dtype(target), copy=False) for p in parts])
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        x = x.float() if "bfloat16" in str(x.dtype) else x
    array = np.asarray(x)
    if array.dtype.kind in "OSU":
        if array.dtype.kind == "O" and array.size and not isinstance(array.flat[0], (str, bytes)):
            try:
                array = np.asarray(array.tolist())
            except ValueError as error:
                raise ValueError(f"Expected nested lists of equal lengths; received {x!r:.80}.") from error
        if array.dtype.kind in "OSU":
            if dtype in (None, "string"):
                raise TypeError(
                    f"Expected numbers; received text or objects: {str(x)[:80]}. Turn text into numbers first, for "
                    "example with StringLookup or TextVectorization."
                )
            raise TypeError(f"Expected numbers to make an array of {dtype}; received {str(x)[:80]}.")
    if dtype is None:
        found = dtypes.standardize_dtype(array.dtype)
        dtype = config.floatx() if found == "float64" and not hasattr(x, "dtype") else dtypes.canonical(found)
    return array.astype(numpy_dtype(dtypes.canonical(dtype)), copy=False)


def numpy_dtype(name: str) -> Any:
    """Return NumPy's type object for a data type name, with ml_dtypes for the short floats."""
    if name == "bfloat16" or name.startswith("float8") or name == "int4":
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(name)


def _filler(op: Any) -> Callable[..., list[Any]]:
    """Return a function that turns positional and keyword arguments into one full positional list."""
    parameters, defaults = op.parameters, op.defaults

    def fill(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        values = list(args)
        used = 0
        for name in parameters[len(args) :]:
            if name in kwargs:
                values.append(kwargs[name])
                used += 1
            elif name in defaults:
                values.append(defaults[name])
            else:
                break
        if used != len(kwargs) or len(values) != len(parameters):
            return op.bind(args, kwargs)  # finds what is wrong and says so
        return values

    return fill
