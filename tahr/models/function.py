"""`Function`: a graph of operations between input and output symbols, run on arrays or on other symbols."""

import copy
from typing import Any, NamedTuple

from tahr import backends, dtypes, shapes, tree
from tahr.masks import get_mask, set_mask
from tahr.saving.errors import count_graph
from tahr.symbolic import KerasTensor, Node, Operation, any_symbolic, forget, walk

__all__ = ["Function", "order_operations"]


class Function(Operation):
    """The computation between symbols that were made from each other.

    Args:
        inputs: symbol, or nested structure of symbols.
        outputs: symbols computed from the inputs, in any structure.
        name: name.

    Raises:
        ValueError: if an output depends on a symbol that is not among the inputs.

    >>> x = keras.KerasTensor((None, 2))
    >>> double = keras.Function(x, 2 * x)
    >>> double(ops.array([[1.0, 2.0]]))
    [[2.0, 4.0]]
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None):
        super().__init__(name)
        self._inputs_struct, self._outputs_struct = inputs, outputs
        self._inputs, self._outputs = tree.flatten(inputs), tree.flatten(outputs)
        for x in (*self._inputs, *self._outputs):
            if not isinstance(x, KerasTensor):
                raise ValueError(
                    f"{type(self).__name__}: expected symbols (KerasTensor) as inputs and outputs; received {x!r:.80}. "
                    "Start from keras.Input(...)."
                )
        self._plan = walk(self._outputs, stop=self._inputs)
        self._check_connected()
        self._steps = _steps(self._plan, self._outputs)
        self._operations = order_operations(self._inputs, self._outputs, self._plan)

    def _check_connected(self) -> None:
        known = {id(x) for x in self._inputs}
        for node in self._plan:
            for x in node.inputs:
                if id(x) not in known:
                    raise ValueError(
                        f"{self.name}: {x!r}, which {node.operation.name!r} uses, does not come from the given inputs "
                        f"{[i.name for i in self._inputs]}. Add it to the inputs, or connect it to them."
                    )
            if not node.inputs:
                raise ValueError(
                    f"{self.name}: the outputs depend on the input {node.operation.name!r}, which is not among the "
                    f"given inputs {[i.name for i in self._inputs]}."
                )
            known |= {id(x) for x in node.outputs}
        for x in self._outputs:
            if id(x) not in known:
                raise ValueError(f"{self.name}: the output {x!r} does not come from the given inputs.")

    def __getstate__(self) -> dict[str, Any]:
        """Return the graph as a table of symbols and a list of calls, flat however deep the graph is."""
        made = [x for node in self._plan for x in node.outputs if x is not None]
        symbols = [*self._inputs, *made]
        places = {id(x): place for place, x in enumerate(symbols)}

        def place(x: Any) -> Any:
            return _Place(places[id(x)]) if isinstance(x, KerasTensor) else x

        return {
            **{name: value for name, value in super().__getstate__().items() if name not in _OF_SYMBOLS},
            "symbols": [x if _is_start(x) else _without_history(x) for x in symbols],
            "calls": [
                (n.operation, *n.substitute(place), [None if x is None else places[id(x)] for x in n.outputs])
                for n in self._plan
            ],
            "structs": [tree.map_structure(place, x) for x in (self._inputs_struct, self._outputs_struct)],
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        symbols, calls, structs = (state.pop(name) for name in ("symbols", "calls", "structs"))

        def symbol(x: Any) -> Any:
            return symbols[x.number] if isinstance(x, _Place) else x

        for operation, args, kwargs, outputs in calls:
            gone = KerasTensor((), record_history=False)  # in the place of an output that nothing has used
            args, kwargs = tree.map_structure(symbol, (tuple(args), kwargs))
            Node(operation, args, kwargs, [gone if place is None else symbols[place] for place in outputs])
        self.__dict__.update(state)
        self._inputs_struct, self._outputs_struct = (tree.map_structure(symbol, struct) for struct in structs)
        self._inputs, self._outputs = tree.flatten(self._inputs_struct), tree.flatten(self._outputs_struct)
        self._plan = walk(self._outputs, stop=self._inputs)
        self._steps = _steps(self._plan, self._outputs)

    @property
    def operations(self) -> list[Any]:
        """The operations of the graph, each once, inputs first."""
        return list(self._operations)

    @property
    def inputs(self) -> list[KerasTensor]:
        return list(self._inputs)

    @property
    def outputs(self) -> list[KerasTensor]:
        return list(self._outputs)

    def call(self, inputs: Any) -> Any:
        """Run the graph on a structure of arrays (or symbols) like the inputs."""
        return self.run(tree.flatten(inputs))

    def run(self, values: list[Any]) -> Any:
        """Run the graph on a flat list of inputs; what is not needed any more is let go."""
        if len(values) != len(self._inputs):
            raise ValueError(f"{self.name}: expected {len(self._inputs)} inputs; received {len(values)}.")
        found: dict[int, Any] = {id(x): value for x, value in zip(self._inputs, values, strict=True)}
        for step in self._steps:
            node = step.node
            if step.only is not None:
                results = node.operation(found[step.only])
            else:
                args, kwargs = node.substitute(lambda x: found[id(x)])
                results = node.operation(*args, **kwargs)
                del args, kwargs
            flat = [results] if hasattr(results, "shape") else tree.flatten(results)
            found.update(zip(step.outputs, flat, strict=True))
            for key in step.done:
                del found[key]
        return tree.pack_sequence_as(self._outputs_struct, [found[id(x)] for x in self._outputs])

    def compute_output_spec(self, inputs: Any) -> Any:
        """Return symbols for the outputs of the graph run on symbols."""
        flat = forget(tree.flatten(inputs))
        if all(shapes.of(x) == y.shape for x, y in zip(flat, self._inputs, strict=True)):
            return forget(self._outputs_struct)
        count_graph()
        return self.run(flat)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shapes of the outputs for shapes of the inputs."""
        given = tree.map_shape_structure(tuple, input_shape)
        flat = [given] if tree.is_shape(given) else _flat_shapes(given)
        symbols = [KerasTensor(s, x.dtype, record_history=False) for s, x in zip(flat, self._inputs, strict=True)]
        return tree.map_structure(lambda x: tuple(x.shape), self.compute_output_spec(symbols))


_OF_SYMBOLS = ("_inputs_struct", "_outputs_struct", "_inputs", "_outputs", "_plan", "_steps")


class _Step(NamedTuple):
    """One call of a graph; values go by the `id` of their symbols, those that nobody holds by negative numbers."""

    node: Node
    only: int | None  # the sole argument, where that is a symbol
    outputs: tuple[int, ...]
    done: tuple[int, ...]  # what no later call and no output of the graph needs


def _steps(plan: list[Node], outputs: list[KerasTensor]) -> list[_Step]:
    last = {id(x): node for node in plan for x in node.inputs}
    kept = {id(x) for x in outputs}
    steps = []
    for node in plan:
        made = tuple(-1 - i if x is None else id(x) for i, x in enumerate(node.outputs))
        used = {id(x) for x in node.inputs if last[id(x)] is node} | {key for key in made if key not in last}
        single = len(node.args) == 1 and not node.kwargs and isinstance(node.args[0], KerasTensor)
        steps.append(_Step(node, id(node.args[0]) if single else None, made, tuple(used - kept)))
    return steps


class _Place:
    """A symbol of a graph in a pickle: its number in the table."""

    def __init__(self, number: int):
        self.number = number


def _is_start(x: KerasTensor) -> bool:
    return x.history is not None and not x.history[0].inputs


def _without_history(x: KerasTensor) -> KerasTensor:
    found = copy.copy(x)
    found.history = None
    return found


def _flat_shapes(structure: Any) -> list[Any]:
    if tree.is_shape(structure):
        return [structure]
    values = [structure[k] for k in sorted(structure)] if isinstance(structure, dict) else structure
    return [shape for value in values for shape in _flat_shapes(value)]


def order_operations(inputs: list[KerasTensor], outputs: list[KerasTensor], plan: list[Node]) -> list[Any]:
    """Return the operations from the inputs on: the farther from the outputs the earlier, then as first reached."""
    found: dict[int, int] = {}
    starts = [x.history[0] for x in inputs if x.history is not None]
    ends = {id(x) for x in inputs}

    def discover(symbols: Any) -> None:
        stack = [x.history[0] for x in reversed(list(symbols)) if x.history is not None]
        while stack:
            node = stack.pop()
            if id(node.operation) not in found:
                found[id(node.operation)] = len(found)
            if any(id(x) in ends for x in node.outputs if x is not None) or id(node) in visited:
                continue
            visited.add(id(node))
            stack += [x.history[0] for x in reversed(node.inputs) if x.history is not None]

    visited: set[int] = set()
    discover(outputs)
    depth: dict[int, int] = {}
    depth_of_operation: dict[int, int] = {}
    nodes = [*starts, *plan]
    for node in reversed(nodes):
        mine = max(depth.get(id(node), 0), depth_of_operation.get(id(node.operation), 0))
        depth[id(node)] = depth_of_operation[id(node.operation)] = mine
        for x in node.inputs:
            if x.history is not None:
                parent = id(x.history[0])
                depth[parent] = max(depth.get(parent, 0), mine + 1)
    operations = {id(node.operation): node.operation for node in nodes}
    return sorted(operations.values(), key=lambda o: (-depth_of_operation[id(o)], found.get(id(o), len(found))))


def match_structure(struct: Any, symbols: list[KerasTensor], given: Any, where: str) -> list[Any]:
    """Return the inputs given to a model as a flat list in the order of its symbols.

    Dicts are matched by the model's keys or by the names of its inputs, sequences by position.

    Raises:
        ValueError: if an input is missing or their number differs.
    """
    if len(symbols) == 1 and not isinstance(given, (list, tuple, dict)):
        return [given]
    if isinstance(given, dict):
        names = sorted(struct) if isinstance(struct, dict) else [x.name for x in symbols]
        if not isinstance(struct, dict) or not all(isinstance(struct[k], KerasTensor) for k in struct):
            names = [x.name for x in symbols] if not isinstance(struct, dict) else names
        if isinstance(struct, dict) and any(not isinstance(struct[k], KerasTensor) for k in struct):
            return tree.flatten({k: given[k] for k in struct})
        missing = [n for n in names if n not in given]
        if missing:
            raise ValueError(
                f"{where}: the inputs lack {missing}; expected {names}, received {sorted(map(str, given))}."
            )
        return [given[n] for n in names]
    flat = tree.flatten(given)
    if isinstance(struct, dict):
        flat = _reorder_positional(struct, flat) if isinstance(given, (list, tuple)) else flat
    if len(flat) != len(symbols):
        raise ValueError(f"{where}: expected {len(symbols)} inputs {[x.name for x in symbols]}; received {len(flat)}.")
    return flat


def _reorder_positional(struct: dict[str, Any], flat: list[Any]) -> list[Any]:
    """Return inputs given in the order of the dict's keys in the (sorted) order of its leaves."""
    if len(flat) != len(struct):
        return flat
    by_key = dict(zip(struct, flat, strict=True))
    return [by_key[k] for k in sorted(struct)]


def fit_input(x: Any, symbol: KerasTensor) -> Any:
    """Return one input in the type of its symbol, with a last axis of size 1 added or removed if only that differs."""
    if x is None:
        return None
    mask = get_mask(x)
    if not any_symbolic((x,)):
        engine = backends.current()
        wanted = dtypes.canonical(symbol.dtype) if symbol.dtype != "string" else None
        made = engine.tensor(x, None if wanted is None or _same_kind(x, wanted) else wanted) if wanted else x
    else:
        made = x
    rank = len(shapes.of(made))
    if rank == symbol.ndim - 1 and symbol.shape[-1] == 1:
        made = made[..., None]
    elif rank == symbol.ndim + 1 and shapes.of(made)[-1] == 1:
        made = made[..., 0]
    if mask is not None and made is not x:
        set_mask(made, mask)
    return made


def _same_kind(x: Any, wanted: str) -> bool:
    """Whether `x` may keep its own type: a float of another width, which the first layer casts as its policy says."""
    return hasattr(x, "dtype") and dtypes.is_float(dtypes.of(x)) and dtypes.is_float(wanted)
