"""The graph of a functional model as data, and back: layers and operations with the calls that connect them."""

from collections.abc import Callable, Iterator
from typing import Any

from tahr import tree
from tahr.layers.input_layer import InputLayer
from tahr.layers.layer import Layer
from tahr.layers.signature import call_info
from tahr.ops.declare import OpCall
from tahr.symbolic import KerasTensor, Node

__all__ = ["graph_config", "graph_names", "model_from_graph", "read_structure", "run_graph"]


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


def _first_output_call(operation: Any) -> int:
    """Return the number of an operation's first call where a model's outputs name it.

    There, and only there, Keras counts the making of a functional model as its call 0.
    """
    from tahr.models.functional import Functional

    return 1 if isinstance(operation, Functional) else 0


class _References:
    """Symbols as `[operation, call, output]`."""

    def __init__(self, names: dict[int, str], nodes: dict[int, list[Node]]):
        self._names = names
        self._calls = {id(n): i for group in nodes.values() for i, n in enumerate(group)}

    def of(self, x: KerasTensor) -> list[Any]:
        assert x.history is not None
        node, output = x.history
        return [self._names[id(node.operation)], self._calls[id(node)], output]

    def structure(self, structure: Any) -> Any:
        if isinstance(structure, KerasTensor):
            name, call, output = self.of(structure)
            return [name, call + _first_output_call(structure.history[0].operation), output]  # type: ignore[index]
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
        output_of = run_graph(config["layers"], str(config.get("name")))
    inputs = read_structure(config["input_layers"], output_of)
    outputs = read_structure(config["output_layers"], output_of.at_outputs(config["output_layers"]))
    extra = {key: config[key] for key in ("name", "trainable") if config.get(key) is not None}
    return cls(inputs, outputs, **extra)


class _Graph:
    """The operations of a model by name, and the symbols that came out of each of their calls."""

    def __init__(self, layers: list[dict[str, Any]], where: str):
        self.where = where
        self.made: dict[str, Any] = {}
        for described in layers:
            if described["name"] in self.made:
                raise ValueError(f"Model {where!r}: two of its layers have the name {described['name']!r}.")
            self.made[described["name"]] = _read_operation(described)
        self.results: dict[str, list[list[Any]]] = {name: [] for name in self.made}
        for name, operation in self.made.items():
            if isinstance(operation, InputLayer):
                self.results[name].append([operation.output])
        self.counts = {described["name"]: max(1, len(described["inbound_nodes"])) for described in layers}
        used = [reference for described in layers for reference in _references(described["inbound_nodes"])]
        self.offsets = self._offsets(used)

    def _offsets(self, used: list[list[Any]]) -> dict[str, int]:
        """Return for some names the number of their first call: older files count calls outside of the model, too."""
        highest: dict[str, int] = {}
        for name, call, _ in used:
            highest[name] = max(call, highest.get(name, 0))
        return {n: call - self.counts[n] + 1 for n, call in highest.items() if call >= self.counts.get(n, call + 1)}

    def is_ready(self, name: str, call: int) -> bool:
        if name not in self.results:
            raise ValueError(f"Model {self.where!r}: the layer {name!r} is used, but not listed.")
        return 0 <= call - self.offsets.get(name, 0) < len(self.results[name])

    def __call__(self, name: str, call: int, output: int) -> KerasTensor:
        if not self.is_ready(name, call):
            raise ValueError(f"Model {self.where!r}: call {call} of the layer {name!r} is used, but not listed.")
        return self.results[name][call - self.offsets.get(name, 0)][output]

    def at_outputs(self, output_layers: Any) -> "_Graph":
        """Count calls from here on as a model's outputs do; see `_first_output_call`."""
        used: list[list[Any]] = []
        read_structure(output_layers, lambda *reference: used.append(list(reference)))
        self.offsets = {
            name: _first_output_call(operation)
            for name, operation in self.made.items()
            if all(call for other, call, _ in used if other == name)
        } | self._offsets(used)
        return self

    def run(self, layers: list[dict[str, Any]]) -> None:
        waiting = {described["name"]: list(described["inbound_nodes"]) for described in layers}
        while any(waiting.values()):
            before = sum(map(len, waiting.values()))
            for name, calls in waiting.items():
                while calls and all(self.is_ready(other, call) for other, call, _ in _references(calls[0])):
                    _check_call(name, calls[0])
                    args, kwargs = (_read_argument(calls[0][part], self) for part in ("args", "kwargs"))
                    del calls[0]
                    if "training" in kwargs and kwargs["training"] == _default_training(self.made[name]):
                        del kwargs["training"]  # Keras writes the default of `call` as if it had been said
                    outputs = self.made[name](*args, **kwargs)
                    self.results[name].append([outputs] if isinstance(outputs, KerasTensor) else tree.flatten(outputs))
            if sum(map(len, waiting.values())) == before:
                stuck = [name for name, calls in waiting.items() if calls]
                raise ValueError(f"Model {self.where!r}: the layers {stuck[:8]} wait for inputs that nothing makes.")


def run_graph(layers: list[dict[str, Any]], where: str) -> _Graph:
    """Make all layers, call them as their `inbound_nodes` say, and return the symbols that came out."""
    graph = _Graph(layers, where)
    graph.run(layers)
    return graph


def _check_call(name: str, call: dict[str, Any]) -> None:
    """Refuse a call on numbers alone: it would compute while a file is read, and no model is saved with one."""
    if next(_references(call), None) is None:
        from tahr.saving.errors import UnsafeFileError

        raise UnsafeFileError(
            f"The file calls {name!r} on numbers alone, where calls in a model take what came out of other layers. "
            "Reading a model computes nothing, so the file is not opened."
        )


def _default_training(operation: Any) -> Any:
    return call_info(type(operation)).training_default if isinstance(operation, Layer) else None


def _read_operation(described: dict[str, Any]) -> Any:
    from tahr.saving import deserialize_keras_object
    from tahr.saving.operations import find_operation, make_operation

    found = find_operation(described.get("module"), described["class_name"])
    if found is not None:
        return make_operation(found, {**deserialize_keras_object(described["config"]), "name": described["name"]})
    return deserialize_keras_object({k: v for k, v in described.items() if k not in ("name", "inbound_nodes")})


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
