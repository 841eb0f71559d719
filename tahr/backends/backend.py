"""The duties of a backend. Each has a default, or a refusal that says what to do."""

import contextlib
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from tahr import config, dtypes
from tahr.backends.rows import RowGradient

# What frameworks say of types that a function is not made for
LACKS = (
    "not implemented for",
    "Low precision dtypes",
    "not inexact",
    "not supported",
    "not support",
    "array type float16",
    "not in the list of allowed values",
    "Could not find device for node",
    "No OpKernel was registered",
)


class Unavailable(NotImplementedError):
    """Raised where a backend lacks what others have."""


class Backend:
    """A framework: namespaces to look operations up in, a few renames, and what it must do its own way.

    Attributes:
        name: what people call it.
        spaces: modules searched for a function with the operation's name.
        names: the framework's name of an operation where it differs.
        argument_names: the framework's name of a parameter where it differs.
        avoid: operations whose namesake in the framework does something else, with the reason.
        numbers: operations whose native function takes Python numbers beside arrays, `"all"` for every one.
        compute_as: the type to compute in instead of one that the framework has few functions for.
        wider: the type to compute in where the framework has no function for a type.
        trains: whether it computes gradients.
        has_sparse: whether it has sparse arrays.
        layer_base: a class for layers to be derived from, which makes them what the framework's own models are.
        exports: the modules that write and read the formats which models are exported to.
        branches: whether a branch in a compiled function may run any code; else both are computed, where that is cheap.
        fuses: whether `fuse` may make faster what `compile` leaves as it is.
        gathers: whether picking elements by their indices costs less, with its gradient, than comparing and adding up,
            which a compiler fuses into what comes before.
        reads: whether a variable holds an object of the framework that is read, and assigned also in a compiled
            function, rather than an array.
    """

    name = "abstract"
    spaces: tuple[Any, ...] = ()
    names: dict[str, str] = {}
    argument_names: dict[str, str] = {}
    avoid: dict[str, str] = {}
    numbers: frozenset[str] | str = frozenset()
    compute_as: dict[Any, str] = {}
    wider: dict[Any, str] = {}
    trains = False
    has_sparse = False
    layer_base: type | None = None
    exports: dict[str, str] = {}
    branches = True
    fuses = gathers = reads = False

    def __init__(self) -> None:
        self.own: dict[str, Callable[..., Any]] = {}

    def __reduce__(self) -> Any:
        """Return what a pickle or a copy holds: the name, since a process has each backend once."""
        from tahr import backends

        return backends.load, (self.name,)

    def rest(self, instead: str) -> None:
        """Let variables of this backend be read no more, since the process left it; `instead` says what to do."""

        def refuse(held: Any) -> NoReturn:
            raise RuntimeError(f"This variable is one of {self.name}, which the process has left. Use {instead} first.")

        self.reads, self.read = True, refuse  # type: ignore[method-assign]

    def wake(self) -> None:
        """Undo `rest`."""
        for name in ("reads", "read"):
            self.__dict__.pop(name, None)

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
        name = str(self.names.get(op.name, op.name))
        for space in self.spaces:
            fn = getattr(space, name, None)
            if callable(fn) and not isinstance(fn, type):
                return f"{space.__name__}.{name}", self._take_positional(op, fn)
        return None

    def _take_positional(self, op: Any, fn: Callable[..., Any]) -> Callable[..., Any]:
        lead = next((i for i, name in enumerate(op.parameters) if name in op.defaults), len(op.parameters))
        extras = [(str(self.argument_names.get(n, n)), op.defaults[n]) for n in op.parameters[lead:]]
        if not extras:
            return fn
        names = [name for name, _ in extras]
        preset = {name: value for name, value in extras if value is not None}

        def call(*args: Any) -> Any:
            given = dict(zip(names, args[lead:], strict=False))
            return fn(*args[:lead], **{k: v for k, v in {**preset, **given}.items() if v is not None})

        return call

    def resolve(self, op: Any) -> Callable[..., Any]:
        """Return the function that runs `op` here, with its inputs and result cast by the operation's type rule.

        What the types of the arguments ask for is found once and kept as a plan: which arguments to change, and how to
        bring the result to its type. Nothing is kept for symbols and lists, so a kept plan means neither is there.
        """
        run, composed = self.explain(op)[1], op.compose
        places = (*op.promoted, *op.tensors)
        ours = run is composed or op.name in self.own
        numbers = op.name in self.numbers if self.numbers != "all" else not ours
        plans: dict[Any, Any] = {}
        widened: set[str] = set()  # types that the framework's function has refused
        config.on_floatx_change(plans.clear)
        fill, key_of, asked = _filler(op), _key_function(places, op), op.asked
        enter = self.enter
        settled = not op.defaults and len(op.promoted) == len(op.parameters)  # types in decide the type that comes out

        def first(args: Any, kwargs: Any, full: Any, key: Any) -> Any:
            """Run a call of a kind that has not been seen, or that no plan is kept for."""
            if op.sees_symbols(args, kwargs):
                return op.symbolic_call(args, kwargs)
            (changes, settle), keep = self._plan(op, full, places, run is composed, numbers, widened)
            special = self.sparse_run(op, full, run)
            keep = keep and special is None
            try:
                raw = (special or run)(*_changed(full, changes, enter))
            except Exception as error:
                return recover(args, kwargs, error)
            out = raw if settle is None else settle(raw)
            if keep:
                plans[key] = (changes, None if settled and out is raw else settle)
            return out

        def recover(args: Any, kwargs: Any, error: Exception) -> Any:
            """Raise an error that says what is wrong, or describe the result if a symbol was hidden in an argument."""
            if op.sees_symbols(args, kwargs):
                return op.symbolic_call(args, kwargs)
            if self._widens(op, fill(args, kwargs) if kwargs else args, error, widened):
                plans.clear()
                return call(*args, **kwargs)
            ours = run is composed and isinstance(error, (ValueError, TypeError, IndexError, Unavailable))
            clear = error if ours else op.diagnose(args, kwargs, error)
            if clear is error:
                raise error
            raise clear from error

        def call(*args: Any, **kwargs: Any) -> Any:
            full = fill(args, kwargs) if kwargs else args
            key = key_of(full)
            if asked is not None and len(full) > asked:
                key = (key, full[asked])
            plan = plans.get(key)
            if plan is None:
                return first(args, kwargs, full, key)
            changes, settle = plan
            try:
                out = run(*_changed(full, changes, enter)) if changes else run(*full)
            except Exception as error:
                return recover(args, kwargs, error)
            return out if settle is None else settle(out)

        return call

    def _widens(self, op: Any, args: Any, error: Exception, widened: set[str]) -> bool:
        """Note that the framework's function refused a type, and return whether a wider one may do."""
        if not self.wider or not any(words in str(error) for words in LACKS):
            return False
        enter = op.common_type(args)
        if enter not in self.wider or enter in widened:
            return False
        widened.add(enter)
        return True

    def _plan(
        self, op: Any, args: Any, places: tuple[int, ...], composed: bool, numbers: bool, widened: Any = ()
    ) -> tuple[Any, bool]:
        """Return ((argument, type) pairs to change, what brings the result to its type), and whether to keep it."""
        if len(args) < len(op.parameters) - len(op.defaults):
            op.bind(args, {})  # says what is missing
        enter: Any = op.common_type(args)
        if op.asked is not None and len(args) > op.asked and args[op.asked] is not None:
            enter = dtypes.canonical(dtypes.standardize_dtype(args[op.asked]))
        inner = enter
        if enter is not None and enter in widened:
            inner = self.wider[enter]
        elif enter is not None and not composed and op.rule.name != "moved":
            inner = self.compute_as.get(enter, enter)
        changes = []
        for i in places:
            if i >= len(args) or args[i] is None:
                continue
            promoted = i in op.promoted
            number = numbers and promoted and inner == enter and type(args[i]) in (bool, int, float)
            if number and (i != places[0] or self.numbers == "all"):
                continue
            dtype = inner if promoted else None
            if hasattr(type(args[i]), "handle") and args[i].dtype == (dtype or dtypes.canonical(args[i].dtype)):
                changes.append((i, _AS_READ, False))
            elif not self._enters_unchanged(args[i], dtype, i in op.lists):
                changes.append((i, dtype, i in op.lists))
        settle = None if enter is None else self.settler(op.rule.leave(enter))
        if inner is not None and inner != enter and settle is not None:
            settle = self._settle_each(settle, inner)
        keep = all(_has_key(args[i], i in op.lists) for i in places if i < len(args)) and bool(places)
        return (tuple(changes), settle), keep

    def _enters_unchanged(self, value: Any, dtype: str | None, several: bool) -> bool:
        if not several:
            return self.enter(value, dtype) is value
        return type(value) in (list, tuple) and all(self.tensor(m, dtype) is m for m in value)

    def _settle_each(self, settle: Callable[[Any], Any], wide: str) -> Callable[[Any], Any]:
        """Return a function that settles the results that came out in a wider type, also of several."""

        def each(out: Any) -> Any:
            if isinstance(out, (tuple, list)):
                return type(out)(
                    settle(x) if dtypes.of(x) == wide and (dtypes.is_float(wide) or not i) else x  # others are places
                    for i, x in enumerate(out)
                )
            return settle(out)

        return each

    def settler(self, dtype: str) -> Callable[[Any], Any]:
        """Return a function that casts one result to `dtype` and leaves several as they are."""
        cast = self.cast
        return lambda out: out if type(out) in (tuple, list) else cast(out, dtype)

    def enter(self, value: Any, dtype: str | None, several: bool = False) -> Any:
        """Return an argument as this backend's array, cast to `dtype` if given; lists of arrays member by member."""
        if value is None:
            return None
        if several:
            parts = value if isinstance(value, (list, tuple)) else [value[i, ...] for i in range(value.shape[0])]
            return [self.tensor(v, dtype) for v in parts]
        if isinstance(value, (list, tuple)) and any(hasattr(v, "dtype") for v in value):
            return [self.enter(v, dtype) for v in value]
        return self.tensor(value, dtype)

    # ---- arrays -------------------------------------------------------------------------------------------------

    def tensor(self, x: Any, dtype: str | None = None) -> Any:
        """Return `x` (array of any kind, variable, number, nested lists) as this backend's array, uncopied if it is."""
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

    def is_plain(self, x: Any, dtype: str) -> bool:
        """Return whether `x` is sure to stay as it is where floats become `dtype`, and that can be told at once."""
        return False

    def kept(self, plan: Callable[..., Any], *key: Any) -> Any:
        """Return `plan(*key)`, which a backend that runs operations one by one may keep for the next call like it."""
        return plan(*key)

    def index_key(self, key: Any) -> Any:
        """Return an index as the framework takes it: lists and variables in it become arrays."""
        parts = key if isinstance(key, tuple) else (key,)
        if all(type(p) in (int, slice, type(None), type(Ellipsis)) for p in parts):
            return key
        plain = (int, slice, type(None), type(Ellipsis))
        made = tuple(
            p if type(p) in plain or not (isinstance(p, list) or hasattr(p, "shape")) else self.tensor(p) for p in parts
        )
        return made if isinstance(key, tuple) else made[0]

    # ---- sparse arrays ------------------------------------------------------------------------------------------

    def sparse_run(self, op: Any, args: Any, run: Callable[..., Any]) -> Callable[..., Any] | None:
        """Return what runs an operation on these arguments in place of `run` if one is sparse, else None."""
        return None

    def sparse(self, values: Any, indices: Any, shape: tuple[int, ...]) -> Any:
        """Return a sparse array of `values` (n,) at `indices` (n, axes), those of one place summed."""
        self.refuse("make sparse arrays")

    def dense(self, x: Any) -> Any:
        """Return an array that is not sparse."""
        return x

    # ---- variables ----------------------------------------------------------------------------------------------

    def know_layers(self, kind: type) -> None:
        """Let the class of all layers be one of the framework's own, by deriving it from `layer_base` last of all."""
        Backend.know_keepers(self, kind)
        if self.layer_base is not None:
            kind.__bases__ = (*kind.__bases__, self.layer_base)

    def know_keepers(self, kind: type) -> None:
        """Let the framework take objects of a class for what keeps variables: optimizers, metrics."""
        own = tuple(base for base in kind.__bases__ if not base.__module__.startswith("tahr.backends."))
        if own != kind.__bases__:
            kind.__bases__ = own

    def catch_up(self, keeper: Any) -> None:
        """Give variables that a layer or an optimizer has just made values that wait for them."""

    def know_variables(self, kind: type) -> None:
        """Let the framework's own functions take objects of a class of variables for their values."""

    def new_variable(self, value: Any, dtype: str, trainable: bool) -> Any:
        """Return an array of its own memory for a variable."""
        raise NotImplementedError

    def blank(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Return an array to read only, of zeros that take no memory, for a variable that waits for its value."""
        return np.broadcast_to(np.zeros((), numpy_dtype(dtype)), shape)

    def resident(self, x: Any) -> Any:
        """Return an array for data that stay for a while and may be large, whose memory is then given back at once."""
        return self.tensor(x)

    def adopt(self, array: np.ndarray, dtype: str, trainable: bool) -> Any:
        """Return an array for a variable that may keep the memory of `array`, which is in C order and nobody else's."""
        return self.new_variable(array, dtype, trainable)

    def read(self, held: Any) -> Any:
        """Return the array of what a variable holds; arrays are their own."""
        return held

    def handle(self, held: Any) -> Any:
        """Return what stands for a variable in the framework's own functions."""
        return held

    def assign(self, old: Any, new: Any) -> Any:
        """Return the array that a variable holding `old` holds after being assigned `new`."""
        return new

    def set_trainable(self, value: Any, trainable: bool) -> None:
        """Note on a variable's array whether gradients are wanted for it."""

    # ---- functions ----------------------------------------------------------------------------------------------

    def refuse(self, what: str) -> NoReturn:
        """Raise the error of a duty that this backend does not have."""
        raise Unavailable(
            f"The {self.name} backend cannot {what}. Choose another with the environment variable TAHR_BACKEND, "
            "for example TAHR_BACKEND=jax."
        )

    def value_and_grad(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of (list of arrays, *rest) giving ((value, extra), gradients) of `fn -> (value, extra)`."""
        self.refuse("compute gradients")

    def jvp(self, fn: Callable[..., Any], primals: Any, tangents: Any) -> Any:
        """Return (results, derivatives in the direction `tangents`, extra) of `fn(*primals) -> (results, extra)`."""
        self.refuse("compute gradients")

    def vjp(self, fn: Callable[..., Any], primals: Any) -> Any:
        """Return (results, function from their gradients to those of the primals, extra), `fn` as for `jvp`."""
        self.refuse("compute gradients")

    def vmap(self, fn: Callable[..., Any], in_axes: list[int | None], out_axis: int) -> Callable[..., Any]:
        """Return `fn -> (results, values)` over an axis of each array; `values` must not depend on the element."""

        def run(*arrays: Any) -> Any:
            size = next(x.shape[axis] for x, axis in zip(arrays, in_axes, strict=True) if axis is not None)
            if not size:
                raise ValueError("vmap: expected at least one element; received none.")
            found = [
                fn(*(x if axis is None else np.take(x, i, axis) for x, axis in zip(arrays, in_axes, strict=True)))
                for i in range(size)
            ]
            (_, values), *others = found
            if any(not np.array_equal(a, b) for _, more in others for a, b in zip(values, more, strict=True)):
                raise ValueError("vmap: a value differs from one element to another.")
            return [np.stack(parts, out_axis) for parts in zip(*(results for results, _ in found), strict=True)], values

        return run

    def custom_gradient(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Return `fn -> (value, function from its gradient to those of the arguments)` made to use the latter."""
        return lambda *arrays: fn(*arrays)[0]

    def rematerialize(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Return `fn` made to compute its inner values again for the gradient instead of keeping them."""
        return fn

    def compile(self, fn: Callable[..., Any], donate: tuple[int, ...] = ()) -> Callable[..., Any]:
        """Return `fn` compiled; the arguments at `donate` may be overwritten.

        A first argument that is a list may be one of what variables hold. If it is donated, what `fn` returns in its
        place, as a list or the first part of a tuple, is what they hold afterwards.
        """
        return fn

    def fuse(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Return `fn` compiled because the user asked for it, where `compile` leaves functions as they are."""
        return fn

    def repeat(self, step: Callable[..., Any], state: Any, start: Any, stop: Any) -> Any:
        """Return `(state, last extra)` after `state, extra = step(i, state)` for every i from `start` up to `stop`."""
        extra = None
        for i in range(int(start), int(stop)):
            state, extra = step(i, state)
        return state, extra

    def scalars(self, numbers: tuple[int, ...]) -> tuple[Any, ...]:
        """Return whole numbers in the form that compiled functions take as arguments of changing value."""
        return numbers

    def rows(self, array: Any, order: Any, start: Any, size: int) -> Any:
        """Return `array[order[start : start + size]]`, or `array[start : start + size]` if `order` is None."""
        part = slice(int(start), int(start) + size)
        return array[part if order is None else order[part]]

    def reorder(self, arrays: Any, order: Any) -> Any:
        """Return nested arrays (or None) with their rows in the order of the given row numbers."""
        if isinstance(arrays, dict):
            return {key: self.reorder(value, order) for key, value in arrays.items()}
        if isinstance(arrays, (list, tuple)):
            return type(arrays)([self.reorder(value, order) for value in arrays])
        return None if arrays is None else arrays[order]

    def copies(self, values: list[Any]) -> list[Any]:
        """Return arrays that a function may overwrite while these stay, where functions do so before their end."""
        return values

    def publish(self, variables: Any, values: Any) -> None:
        """Let variables take the values that a dispatch returned."""
        for variable, value in zip(variables, values, strict=True):
            variable.publish(value)

    def scale_and_shift(self, x: Any, factor: Any, shift: Any) -> Any:
        """Return `x * factor + shift` for arrays of one type, the latter two of which broadcast to the first."""
        return x * factor + shift

    def stop_gradient(self, x: Any) -> Any:
        """Return `x` as a constant for gradients."""
        return x

    def abstract(self, fn: Callable[..., Any], specs: Any) -> Any:
        """Return (shape, dtype) pairs for what `fn` returns for arrays of the given known (shape, dtype) pairs."""
        self.refuse("find the shape of code that calls a framework directly")

    def concrete(self) -> contextlib.AbstractContextManager[Any]:
        """Return a scope whose operations on known numbers run at once, also while a function is traced."""
        return contextlib.nullcontext()

    def no_grad(self) -> contextlib.AbstractContextManager[Any]:
        """Return a scope in which nothing is recorded for gradients."""
        return contextlib.nullcontext()

    def enable_grad(self) -> contextlib.AbstractContextManager[Any]:
        """Return a scope in which computations are recorded for gradients, also inside of `no_grad`."""
        return contextlib.nullcontext()

    def leaf(self, x: Any, like: Any = None) -> Any:
        """Return `x` without a record of what made it, and ready for gradients if `like` is."""
        return x

    def synchronize(self, x: Any) -> Any:
        """Wait until `x` has been computed and return it."""
        return x

    def busy_share(self, run: Callable[[], Any]) -> float | None:
        """Return the share of the time of `run()` in which operations ran, None where they run as one program."""
        return None

    def devices(self) -> list[str]:
        """Return the names of the devices, fastest first."""
        return ["cpu"]

    def device(self, name: str | None) -> contextlib.AbstractContextManager[Any]:
        """Return a scope in which new arrays are made on the device called `name`."""
        if name in (None, "cpu", "cpu:0"):
            return contextlib.nullcontext()
        raise ValueError(f"device: the {self.name} backend has {', '.join(self.devices())}; received {name!r}.")

    def profiling(self, folder: str) -> contextlib.AbstractContextManager[Any]:
        """Return a scope of which a trace is written into a folder that TensorBoard looks at."""
        self.refuse("write profiles")

    def constant(self, make: Callable[..., Any], *numbers: Any) -> Any:
        """Return what `make(*numbers)`, a function of Python's own values, computes with NumPy, a part of any graph."""
        return self.tensor(make(*numbers))

    def compiling(self) -> bool:
        """Return whether code runs to be compiled, so that what it takes from outside becomes a constant."""
        return False

    # ---- random draws; `state` is an array of two uint32 ----------------------------------------------------------

    def random_uniform(self, state: Any, shape: tuple[int, ...], dtype: str) -> Any:
        """Return floats from 0 up to, but not including, 1."""
        self.refuse("draw random numbers")

    def random_normal(self, state: Any, shape: tuple[int, ...], dtype: str) -> Any:
        """Return draws from the standard normal distribution."""
        self.refuse("draw random numbers")

    def random_integers(self, state: Any, shape: tuple[int, ...], minval: Any, maxval: Any, dtype: str) -> Any:
        """Return integers from `minval` up to, but not including, `maxval`."""
        self.refuse("draw random numbers")

    def random_gamma(self, state: Any, alpha: Any) -> Any:
        """Return a draw from the gamma distribution of scale 1 for each shape parameter in `alpha`."""
        self.refuse("draw random numbers")

    def random_binomial(self, state: Any, counts: Any, probabilities: Any) -> Any:
        """Return numbers of successes, as floats, for arrays of equal shape."""
        self.refuse("draw random numbers")

    def random_permutation(self, state: Any, count: int) -> Any:
        """Return the numbers 0 to `count - 1` in random order."""
        self.refuse("draw random numbers")

    def random_mask(self, state: Any, shape: tuple[int, ...], probability: Any) -> Any:
        """Return booleans that hold with the given probability."""
        self.refuse("draw random numbers")

    def split_seed(self, state: Any) -> tuple[Any, Any]:
        """Return a seed state to use now, and the one that comes after it."""
        return state, state + np.array([0, 1], np.uint32)

    # ---- windows; numbers are one an axis, `edges` are zeros before and after, `last` is where the channels are -----

    def conv(self, x: Any, kernel: Any, strides: Any, edges: Any, last: bool, dilation: Any, groups: int) -> Any:
        """Return a convolution by a kernel of shape (widths..., channels / groups, filters)."""
        self.refuse("convolve")

    def conv_transpose(
        self, x: Any, kernel: Any, strides: Any, starts: Any, sizes: Any, last: bool, dilation: Any
    ) -> Any:
        """Return a transposed convolution by a kernel of shape (widths..., filters, channels), cut to `sizes`."""
        self.refuse("convolve")

    def fourier(self, kind: str, x: Any, **options: Any) -> Any:
        """Return the Fourier transform called `kind` (fft, fft2, ifft2, rfft, irfft) over the last axis or two."""
        self.refuse("compute Fourier transforms")

    def max_pool(self, x: Any, widths: Any, strides: Any, edges: Any, last: bool) -> Any:
        """Return the largest value of each window; of equal ones the first gets the gradient."""
        self.refuse("pool")

    def sum_pool(self, x: Any, widths: Any, strides: Any, edges: Any, last: bool) -> Any:
        """Return the sum of each window."""
        self.refuse("pool")

    def lstm(self, x: Any, kernel: Any, recurrent: Any, bias: Any, states: Any, mask: Any) -> Any:
        """Return (outputs of all steps, [h, c]) of an LSTM with tanh and sigmoid, or None to leave it to the cell.

        `x` is (batch, steps, features), `mask` None or (batch, steps); steps that it leaves out keep the states.
        """
        return None

    def gru(self, x: Any, kernel: Any, recurrent: Any, bias: Any, states: Any, mask: Any) -> Any:
        """Return (outputs of all steps, [h]) of a GRU with the reset gate after the product, or None as for `lstm`."""
        return None

    def attend(
        self, query: Any, key: Any, value: Any, bias: Any, mask: Any, scale: Any, causal: bool, asked: bool
    ) -> Any:
        """Return attention by a fused kernel, or None to leave it to the composition of `dot_product_attention`.

        Arguments are that operation's, with heads in the third place; `asked` is whether the caller asked for flash
        attention rather than left it open.
        """
        return None

    def look_up(self, table: Any, ids: Any) -> Any:
        """Return rows of a table inside of `gradient_by_rows`, or None to take them as ever."""
        return None

    def gradient_by_rows(self, fn: Callable[..., Any], arrays: list[Any], tables: list[int]) -> Any:
        """Return what `value_and_grad(fn)(arrays)` does, if possible with a `RowGradient` for each of some arrays.

        `tables` are the places of these arrays; it is possible where they are only read by `look_up`.
        """
        return self.value_and_grad(fn)(arrays)

    def sizes(self, x: Any) -> tuple[Any, ...]:
        """Return the sizes of an array; those that its graph leaves open are integer scalars of the graph."""
        return tuple(x.shape)

    def sum_rows(self, gradient: RowGradient, count: int) -> RowGradient:
        """Return the gradient of a table of `count` rows with each id once; ids of `count` fill it up, and are none."""
        self.refuse("add up rows of a gradient")

    def take_rows(self, x: Any, ids: Any) -> Any:
        """Return the rows of the ids that `sum_rows` gave."""
        self.refuse("take rows")

    def put_rows(self, x: Any, ids: Any, rows: Any, donated: bool) -> Any:
        """Return `x` with other rows at these ids; `donated` is whether it may be overwritten."""
        self.refuse("put rows")

    def multiply_in_place(self, values: list[Any], factor: Any) -> bool:
        """Multiply arrays by a scalar, overwriting them, and return whether there is a way to."""
        return False

    def update_in_place(
        self, optimizer: Any, gradients: list[Any], values: list[Any], slots: list[Any], rate: Any, t: Any
    ) -> bool:
        """Make an optimizer's update on all arrays at once, overwriting them, and return whether there is a way to."""
        return False

    def reader(self, data: Any) -> Callable[[], Any] | None:
        """Return what begins a pass over a data set of the framework's own, or None for one that is read on the host.

        A pass has `take(most)`, which gives the next batches as a block (see `backends/tensorflow/datasets.py`).
        """
        return None

    def seed_all(self, seed: int) -> None:
        """Seed the framework's own global generators, for the sake of native code."""


_AS_READ = "as it is read"  # in a plan, in the place of a type: of a variable that reads as the type it shall have


def _changed(args: Any, changes: Any, enter: Any) -> Any:
    """Return the arguments with those that a plan names brought to their types."""
    values = list(args)
    for i, dtype, several in changes:
        values[i] = values[i].value if dtype is _AS_READ else enter(values[i], dtype, several)
    return values


def members_of(value: Any, several: bool = False) -> list[Any]:
    """Return the arrays and numbers that an array argument brings: none, itself, or those of a list."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)) and (several or any(hasattr(v, "dtype") for v in value)):
        return list(value)
    return [value]


def to_host(x: Any, dtype: str | None = None) -> np.ndarray:
    """Return numbers, nested lists, or an array of any library as a NumPy array of `dtype`.

    Python floats become `floatx`, ints int32; with `dtype` None 64-bit types become 32-bit ones as everywhere.
    """
    if type(x) is np.ndarray and x.dtype.kind in "biuf":
        return x.astype(numpy_dtype(dtypes.canonical(dtype or dtypes.of(x))), copy=False)
    if isinstance(x, (list, tuple)) and any(hasattr(v, "dtype") or isinstance(v, (list, tuple)) for v in x):
        parts = [to_host(v) for v in x]
        kinds = [p.dtype for p in parts]
        shapes = {p.shape for p in parts}
        if len(shapes) > 1:
            raise ValueError(f"Expected nested lists of equal lengths; received parts of shapes {sorted(shapes)}.")
        target = dtype or (dtypes.result_type(*kinds) if kinds else config.floatx())
        return np.stack([p.astype(numpy_dtype(target), copy=False) for p in parts])
    if hasattr(x, "tocoo") or hasattr(x, "todense"):
        raise TypeError(
            f"Expected a dense array; received the sparse {type(x).__name__}, which only JAX takes. Make it "
            "dense first (x.toarray() or x.todense()), or choose JAX with TAHR_BACKEND=jax."
        )
    if hasattr(x, "detach"):
        tensor: Any = x
        tensor = tensor.detach().cpu()
        x = tensor.float() if "bfloat16" in str(tensor.dtype) else tensor
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


def _key_function(places: tuple[int, ...], op: Any) -> Callable[[Any], Any]:
    """Return a function from positional arguments to a key of the classes and data types of those at `places`."""

    def many(args: Any) -> Any:
        return tuple([(type(args[i]), getattr(args[i], "dtype", None)) for i in places if i < len(args)])

    def one(args: Any) -> Any:
        if not args:
            return None
        x = args[0]
        return type(x), getattr(x, "dtype", None)

    def two(args: Any) -> Any:
        if len(args) < 2:
            return None
        x, y = args[0], args[1]
        return type(x), getattr(x, "dtype", None), type(y), getattr(y, "dtype", None)

    def three(args: Any) -> Any:
        if len(args) < 3:
            return many(args)
        x, y, z = args[0], args[1], args[2]
        return (
            *(type(x), getattr(x, "dtype", None), type(y), getattr(y, "dtype", None)),
            *(type(z), getattr(z, "dtype", None)),
        )

    def members(args: Any) -> Any:
        if not args or type(args[0]) not in (list, tuple):
            return many(args)
        return list, *[(type(x), getattr(x, "dtype", None)) for x in args[0]]

    if op.lists == {0} and places == (0,):
        return members
    if places == (0, 1, 2):
        return three
    if any(op.parameters[i] in op.defaults for i in places):
        return many
    return {(0,): one, (0, 1): two}.get(places, many)


def _has_key(value: Any, several: bool) -> bool:
    """Return whether classes and data types tell all that a plan needs to know of an argument."""
    if type(value) not in (list, tuple):
        return True
    return several and bool(value) and all(type(m) not in (list, tuple) for m in value)


_NOTHING = object()


def _filler(op: Any) -> Callable[..., list[Any]]:
    """Return a function that turns positional and keyword arguments into one full positional list."""
    places = {name: i for i, name in enumerate(op.parameters)}
    presets = [op.defaults.get(name, _NOTHING) for name in op.parameters]
    required = [i for i, value in enumerate(presets) if value is _NOTHING]

    def fill(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        count = len(args)
        values = [*args, *presets[count:]]
        for name, value in kwargs.items():
            i = places.get(name, -1)
            if i < count:
                return op.bind(args, kwargs)  # finds what is wrong and says so
            values[i] = value
        for i in required:
            if values[i] is _NOTHING:
                return op.bind(args, kwargs)
        return values

    return fill
