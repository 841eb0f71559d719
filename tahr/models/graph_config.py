"""The graph of a functional model as data, and back: layers and operations with the calls that connect them."""

from collections.abc import Callable, Iterator
from typing import Any

from tahr import tree
from tahr.layers.input_layer import InputLayer
from tahr.layers.layer import Layer
from tahr.ops.declare import OpCall
from tahr.symbolic import KerasTensor, Node

__all__ = ["first_call_index", "graph_config", "graph_names", "model_from_graph", "read_structure", "run_graph"]


# ---- writing --------------------------------------------------------------------------------------------------------


def graph_config(model: Any) -> dict[str, Any]:
    """Return name, layers, and the inputs and outputs of a functional model, as Keras writes them."""
    function = model._function
    nodes = _nodes_by_operation(function)
    names = graph_names(function.operations)
    refs = _References(names, nodes)
    layers = [_written_operation(o, names[id(o)], nodes[id(o)], refs) for o in function.operations]
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": refs.structure(function._inputs_struct),
        "output_layers": refs.structure(function._outputs_struct),
    }


def _nodes_by_operation(function: Any) -> dict[int, list[Node]]:
    starts = [x.history[0] for x in function.inputs if x.history is not None]
    found: dict[int, list[Node]] = {id(o): [] for o in function.operations}
    for node in [*starts, *function._plan]:
        found[id(node.operation)].append(node)
    return {key: sorted(nodes, key=lambda node: node.index) for key, nodes in found.items()}


def graph_names(operations: list[Any]) -> dict[int, str]:
    """Return a name for each operation; those of layers stay, an operation of a taken name gets a number."""
    names = {id(o): o.name for o in operations if isinstance(o, Layer)}
    taken = set(names.values())
    for o in operations:
        if id(o) not in names:
            name, count = o.name, 0
            while name in taken:
                count += 1
                name = f"{o.name}_{count}"
            names[id(o)] = name
            taken.add(name)
    return names


def first_call_index(operation: Any) -> int:
    """Return the number of an operation's first call; Keras counts the making of a functional model as its call 0."""
    from tahr.models.functional import Functional

    return 1 if isinstance(operation, Functional) else 0


class _References:
    """Symbols as `[operation, call, output]`."""

    def __init__(self, names: dict[int, str], nodes: dict[int, list[Node]]):
        self._names = names
        self._calls = {
            id(n): i + first_call_index(n.operation) for group in nodes.values() for i, n in enumerate(group)
        }

    def of(self, x: KerasTensor) -> list[Any]:
        assert x.history is not None
        node, output = x.history
        return [self._names[id(node.operation)], self._calls[id(node)], output]

    def structure(self, structure: Any) -> Any:
        if isinstance(structure, KerasTensor):
            return self.of(structure)
        if isinstance(structure, dict):
            return {key: self.structure(value) for key, value in structure.items()}
        return [self.structure(value) for value in structure]

    def written(self, value: Any) -> Any:
        """Return an argument of a call as data."""
        from tahr.saving import serialize_keras_object

        if isinstance(value, KerasTensor):
            return {
                "class_name": "__keras_tensor__",
                "config": {"shape": list(value.shape), "dtype": value.dtype, "keras_history": self.of(value)},
            }
        if isinstance(value, (list, tuple)):
            return [self.written(member) for member in value]
        if isinstance(value, dict):
            return {key: self.written(member) for key, member in value.items()}
        return serialize_keras_object(value)


def _written_operation(operation: Any, name: str, nodes: list[Node], refs: _References) -> dict[str, Any]:
    from tahr.saving import serialize_keras_object
    from tahr.saving.operations import write_operation

    if isinstance(operation, OpCall):
        written, args, kwargs = write_operation(operation, nodes[0])
        written["config"] = {**refs.written(written["config"]), "name": name}
        calls = [(args, kwargs)]
    else:
        written = serialize_keras_object(operation)
        calls = [(list(node.args), node.kwargs) for node in nodes if node.inputs]
    written["name"] = name
    written["inbound_nodes"] = [{"args": refs.written(a), "kwargs": refs.written(k)} for a, k in calls]
    return written


# ---- reading --------------------------------------------------------------------------------------------------------


def model_from_graph(cls: type, config: dict[str, Any], custom_objects: Any = None) -> Any:
    """Return a new functional model made from what `graph_config` gave.

    Raises:
        ValueError: if the calls cannot be connected.
    """
    from tahr.saving.registry import CustomObjectScope

    with CustomObjectScope(custom_objects):
        outputs_of = run_graph(config["layers"], config["output_layers"], str(config.get("name")))
    inputs = read_structure(config["input_layers"], outputs_of)
    outputs = read_structure(config["output_layers"], outputs_of)
    extra = {key: config[key] for key in ("name", "trainable") if config.get(key) is not None}
    return cls(inputs, outputs, **extra)


def run_graph(layers: list[dict[str, Any]], output_layers: Any, where: str) -> Callable[[str, int, int], KerasTensor]:
    """Make all layers, call them as their `inbound_nodes` say, and return a function from reference to symbol."""
    made: dict[str, Any] = {}
    for described in layers:
        if described["name"] in made:
            raise ValueError(f"Model {where!r}: two of its layers have the name {described['name']!r}.")
        made[described["name"]] = _read_operation(described)
    waiting = {described["name"]: list(described["inbound_nodes"]) for described in layers}
    results: dict[str, list[list[Any]]] = {name: [] for name in made}
    offsets = _call_offsets(layers, output_layers)
    for name, operation in made.items():
        if isinstance(operation, InputLayer):
            results[name].append([operation.output])

    def is_ready(reference: list[Any]) -> bool:
        name, call, _ = reference
        if name not in results:
            raise ValueError(f"Model {where!r}: the layer {name!r} is used, but not listed.")
        return call - offsets.get(name, 0) < len(results[name])

    def output_of(name: str, call: int, output: int) -> KerasTensor:
        if not is_ready([name, call, output]):
            raise ValueError(f"Model {where!r}: call {call} of the layer {name!r} is used, but not listed.")
        return results[name][call - offsets.get(name, 0)][output]

    while any(waiting.values()):
        before = sum(map(len, waiting.values()))
        for name, calls in waiting.items():
            while calls and all(is_ready(reference) for reference in _references(calls[0])):
                args, kwargs = (_read_argument(calls[0][part], output_of) for part in ("args", "kwargs"))
                del calls[0]
                outputs = made[name](*args, **kwargs)
                results[name].append([outputs] if isinstance(outputs, KerasTensor) else tree.flatten(outputs))
        if sum(map(len, waiting.values())) == before:
            stuck = [name for name, calls in waiting.items() if calls]
            raise ValueError(f"Model {where!r}: the layers {stuck[:8]} wait for inputs that nothing makes.")
    return output_of


def _read_operation(described: dict[str, Any]) -> Any:
    from tahr.saving import deserialize_keras_object
    from tahr.saving.operations import find_operation, make_operation

    found = find_operation(described.get("module"), described["class_name"])
    if found is not None:
        return make_operation(found, {**deserialize_keras_object(described["config"]), "name": described["name"]})
    return deserialize_keras_object({k: v for k, v in described.items() if k not in ("name", "inbound_nodes")})


def _call_offsets(layers: list[dict[str, Any]], output_layers: Any) -> dict[str, int]:
    """Return for some layers the number that their first call has; see `first_call_index`."""
    highest: dict[str, int] = {}
    used = [reference for described in layers for reference in _references(described["inbound_nodes"])]

    def note(name: str, call: int, output: int) -> Any:
        used.append([name, call, output])

    read_structure(output_layers, note)
    for name, call, _ in used:
        highest[name] = max(call, highest.get(name, 0))
    count = {described["name"]: max(1, len(described["inbound_nodes"])) for described in layers}
    return {name: call - count[name] + 1 for name, call in highest.items() if call >= count.get(name, call + 1)}


def _references(value: Any) -> Iterator[list[Any]]:
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]["keras_history"]
        else:
            for member in value.values():
                yield from _references(member)
    elif isinstance(value, (list, tuple)):
        for member in value:
            yield from _references(member)


def _read_argument(value: Any, output_of: Callable[[str, int, int], KerasTensor]) -> Any:
    from tahr.saving import deserialize_keras_object

    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return output_of(*value["config"]["keras_history"])
        if "class_name" in value:
            return deserialize_keras_object(value)
        return {key: _read_argument(member, output_of) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_read_argument(member, output_of) for member in value]
    return value


def read_structure(structure: Any, output_of: Callable[[str, int, int], Any]) -> Any:
    """Return a structure of references as one of symbols."""
    if isinstance(structure, dict):
        return {key: read_structure(value, output_of) for key, value in structure.items()}
    if len(structure) == 3 and isinstance(structure[0], str):
        return output_of(*structure)
    return [read_structure(value, output_of) for value in structure]
