"""Symbols that stand for arrays (`KerasTensor`), what made them (`Node`), and the walk over a graph of them."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from tahr import dtypes, naming, shapes, tree
from tahr.arithmetic import Arithmetic

__all__ = ["KerasTensor", "Node", "Operation", "any_symbolic", "is_keras_tensor", "walk"]


class KerasTensor(Arithmetic):
    """A stand-in for an array: a shape with None for unknown sizes, a data type, and how it was made.

    Args:
        shape: sizes, None where unknown.
        dtype: data type name.
        sparse: whether the array it stands for is sparse.
        ragged: whether the array it stands for has rows of unequal length.
        record_history: whether operations on it are recorded for a functional model.
        name: name shown to people.

    >>> x = keras.KerasTensor((None, 3))
    >>> ops.exp(x).shape
    (None, 3)
    """

    ragged_rank: int | None = None
    row_splits_dtype: str | None = None

    def __init__(
        self,
        shape: Any,
        dtype: Any = "float32",
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ):
        self._shape = shapes.standardize_shape(shape, "KerasTensor shape")
        self._dtype = dtypes.standardize_dtype(dtype)
        self._sparse, self._ragged = bool(sparse), bool(ragged)
        for key in ("ragged_rank", "row_splits_dtype"):
            if key in kwargs:
                setattr(self, key, kwargs.pop(key))
        if kwargs:
            raise TypeError(f"KerasTensor: unexpected arguments {sorted(kwargs)}.")
        self.record_history = record_history
        self.name = name or (naming.auto_name("keras_tensor") if record_history else "keras_tensor")
        self.history: tuple[Node, int] | None = None

    @property
    def shape(self) -> shapes.Shape:
        return self._shape

    @property
    def dtype(self) -> str:
        return self._dtype

    @property
    def sparse(self) -> bool:
        return self._sparse

    @property
    def ragged(self) -> bool:
        return self._ragged

    @property
    def ndim(self) -> int:
        return len(self._shape)

    @property
    def size(self) -> int | None:
        return shapes.known_size(self._shape)

    @property
    def T(self) -> Any:
        from tahr.arithmetic import OPERATIONS

        return OPERATIONS["transpose"](self)

    def reshape(self, *newshape: Any) -> Any:
        """Return a symbol of the same elements in another shape."""
        from tahr.arithmetic import OPERATIONS

        sizes = newshape[0] if len(newshape) == 1 and isinstance(newshape[0], (tuple, list)) else newshape
        return OPERATIONS["reshape"](self, sizes)

    def squeeze(self, axis: int | None = None) -> Any:
        """Return a symbol without axes of size 1."""
        from tahr.arithmetic import OPERATIONS

        return OPERATIONS["squeeze"](self, axis)

    def __repr__(self) -> str:
        extra = f", sparse={self._sparse}" if self._sparse else ""
        return f"<KerasTensor shape={self._shape}, dtype={self._dtype}{extra}, name={self.name}>"

    def __len__(self) -> int:
        if not self._shape or self._shape[0] is None:
            raise TypeError(f"{self!r} has no known length.")
        return self._shape[0]

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise SymbolicValueError(
            f"{self!r} is a symbol: it has a shape and a type, but no values yet. Use `tahr.ops` on it, or put "
            "code that needs values into the `call` of a layer."
        )

    # not __jax_array__: without it JAX leaves `array + symbol` to the symbol
    __array__ = __float__ = __int__ = __index__ = __tf_tensor__ = _refuse

    def __bool__(self) -> bool:
        raise SymbolicValueError(
            f"{self!r} is a symbol, so it cannot be tested. Use `ops.cond`, `ops.where` or `ops.while_loop`."
        )

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        first = next(x for x in tree.flatten([args, kwargs or {}]) if isinstance(x, KerasTensor))
        return first._refuse()


class SymbolicValueError(TypeError, ValueError):
    """Raised where code asks a symbol for values."""


def is_keras_tensor(x: Any) -> bool:
    """Return whether `x` is a symbol rather than an array.

    >>> backend.is_keras_tensor(keras.KerasTensor((2,))), backend.is_keras_tensor([1.0])
    (True, False)
    """
    return isinstance(x, KerasTensor)


def any_symbolic(args: Iterable[Any]) -> bool:
    """Return whether a symbol is among `args`, or in a list or tuple or dict there."""
    for a in args:
        kind = type(a)
        if kind is KerasTensor:
            return True
        if kind in (list, tuple):
            if any_symbolic(a):
                return True
        elif kind is dict and any_symbolic(a.values()):
            return True
    return False


class Node:
    """One call of an operation: its arguments, and which symbols came out.

    A node holds its operation and its inputs; symbols hold their node. Nothing points the other way but weakly, so a
    graph goes when its outputs go.
    """

    __slots__ = ("__weakref__", "_outputs", "args", "index", "kwargs", "operation")

    def __init__(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any):
        self.operation, self.args, self.kwargs = operation, args, kwargs
        found = [x for x in tree.flatten(outputs) if isinstance(x, KerasTensor)]
        for i, x in enumerate(found):
            x.history = (self, i)
        self._outputs = [weakref.ref(x) for x in found]
        self.index = operation.remember(self)

    @property
    def inputs(self) -> list[KerasTensor]:
        return [x for x in tree.flatten([list(self.args), self.kwargs]) if isinstance(x, KerasTensor)]

    @property
    def outputs(self) -> list[KerasTensor | None]:
        return [ref() for ref in self._outputs]

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: getattr(self, name) for name in ("args", "index", "kwargs", "operation")}
        return {**kept, "outputs": self.outputs}

    def __setstate__(self, state: dict[str, Any]) -> None:
        outputs = state.pop("outputs")
        for name, value in state.items():
            setattr(self, name, value)
        gone = KerasTensor((), record_history=False)  # in the place of an output that nothing has used
        self._outputs = [weakref.ref(gone if x is None else x) for x in outputs]
        self.operation.remember(self)

    def substitute(self, value_of: Callable[[KerasTensor], Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments with every symbol replaced by `value_of(symbol)`."""

        def replace(x: Any) -> Any:
            return value_of(x) if isinstance(x, KerasTensor) else x

        args = [tree.map_structure(replace, a) if isinstance(a, (list, tuple, dict)) else replace(a) for a in self.args]
        kwargs = {k: tree.map_structure(replace, v) for k, v in self.kwargs.items()}
        return args, kwargs


class Operation:
    """Something that can be called on arrays, or on symbols to be recorded in a graph.

    Subclasses define `call` and, unless `call` is made of `tahr.ops`, `compute_output_spec`.

    >>> class Double(keras.Operation):
    ...     def call(self, x):
    ...         return 2 * x
    >>> Double()(keras.KerasTensor((None, 2))).shape
    (None, 2)
    """

    def __init__(self, name: str | None = None):
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise ValueError(f"name: expected a non-empty string without '/'; received {name!r}.")
        self.name = name or naming.auto_name(naming.snake_case(type(self).__name__))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any_symbolic(args) or any_symbolic(kwargs.values()):
            return self.symbolic_call(*args, **kwargs)
        return self.call(*args, **kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs from arrays."""
        raise NotImplementedError(f"{type(self).__name__} defines no `call`.")

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Return symbols with the shapes and types of the outputs; by default those that `call` gives for symbols."""
        return self.call(*forget(args), **forget(kwargs))

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """Return symbols for the outputs and record the call in their history."""
        return record(self, args, kwargs, self.compute_output_spec(*args, **kwargs))

    def quantized_call(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs with quantized weights; operations without weights have none."""
        return self.call(*args, **kwargs)

    def rematerialized_call(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return `fn` made to compute its inner values again for the gradient instead of keeping them."""
        from tahr.rematerialization import remat

        return remat(fn)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments as plain data."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return a new object made from what `get_config` gave."""
        return cls(**config)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: all but the calls on symbols, which are part of this process's graphs."""
        return {name: value for name, value in self.__dict__.items() if name != "_nodes"}

    def remember(self, node: Node) -> int:
        """Note a call of this operation and return how many were noted before."""
        nodes: list[Any] = self.__dict__.setdefault("_nodes", [])
        nodes.append(weakref.ref(node))
        return len(nodes) - 1

    def _first_node(self) -> Node:
        for ref in self.__dict__.get("_nodes", ()):
            if (node := ref()) is not None:
                return node
        raise AttributeError(f"{self.name!r} has not been called on a symbol yet, so it has no input or output.")

    @property
    def input(self) -> Any:
        """The symbol, or structure of symbols, of the first recorded call."""
        found = self._first_node().inputs
        return found[0] if len(found) == 1 else found

    @property
    def output(self) -> Any:
        """The symbol, or list of symbols, that came out of the first recorded call."""
        found = self._first_node().outputs
        return found[0] if len(found) == 1 else found


def record(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> Any:
    """Note in the history of `outputs` that `operation` made them, if an argument is a symbol that records."""
    inputs = [x for x in tree.flatten([list(args), kwargs]) if isinstance(x, KerasTensor)]
    if not any(x.record_history for x in inputs):
        return outputs
    fresh = tree.map_structure(_fresh, outputs)
    Node(operation, args, kwargs, fresh)
    return fresh


def _fresh(x: Any) -> Any:
    if not isinstance(x, KerasTensor):
        return x
    made = KerasTensor(x.shape, x.dtype, sparse=x.sparse, ragged=x.ragged)
    mask = getattr(x, "_keras_mask", None)
    if mask is not None:
        made._keras_mask = mask  # type: ignore[attr-defined]
    return made


def forget(structure: Any) -> Any:
    """Return `structure` with its symbols replaced by ones that record nothing."""

    def strip(x: Any) -> Any:
        if not isinstance(x, KerasTensor) or not x.record_history:
            return x
        bare = KerasTensor(x.shape, x.dtype, sparse=x.sparse, ragged=x.ragged, record_history=False, name=x.name)
        if (mask := getattr(x, "_keras_mask", None)) is not None:
            bare._keras_mask = mask  # type: ignore[attr-defined]
        return bare

    return tree.map_structure(strip, structure)


def walk(outputs: Iterable[KerasTensor], stop: Iterable[KerasTensor] = ()) -> list[Node]:
    """Return the nodes that `outputs` depend on, each after the nodes of its inputs, not looking behind `stop`.

    Nodes of the same depth come in the order in which they were reached from the outputs.
    """
    ends = {id(x) for x in stop}
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = []

    def push(symbols: Iterable[KerasTensor]) -> None:
        stack.extend((x.history[0], False) for x in reversed(list(symbols)) if id(x) not in ends and x.history)

    push(outputs)
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            push(node.inputs)
    return order
