"""Configurations as Keras 1 and 2 wrote them, turned into Keras 3's form before they are read."""

from collections.abc import Mapping
from typing import Any

from tahr.saving import registry
from tahr.saving.legacy import tf_operations
from tahr.saving.legacy.arguments import upgrade_arguments, upgrade_class, upgrade_named
from tahr.saving.serialization import deserialize_keras_object

__all__ = ["read_legacy_model", "upgrade_model", "upgrade_object"]

_ROOMS_BY_ENDING = {
    "_initializer": "initializers", "_regularizer": "regularizers", "_constraint": "constraints",
    "dtype": "dtype_policies",
    "optimizer": "optimizers", "learning_rate": "optimizers.schedules", "policy": "dtype_policies",
}  # fmt: skip
_ROOMS = ("layers", "models", "initializers", "regularizers", "constraints", "optimizers", "losses", "metrics",
          "optimizers.schedules", "dtype_policies")  # fmt: skip
_RECURRENT = {"RNN", "SimpleRNN", "GRU", "LSTM", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional"}
_TAGS = (
    "__keras_tensor__",
    "__tensor__",
    "__numpy__",
    "__slice__",
    "__ellipsis__",
    "__bytes__",
    "__tuple__",
    "function",
)


def read_legacy_model(config: Mapping[str, Any], custom_objects: Any = None, major: int = 2) -> Any:
    """Return the model that a configuration of an older Keras describes.

    Args:
        config: dict of `class_name` and `config`.
        custom_objects: classes and functions by name.
        major: the version of Keras that wrote it: 1, 2 or 3.

    Raises:
        TypeError: if it uses a class or function that is neither built in nor registered.
    """
    with registry.CustomObjectScope(custom_objects):
        return deserialize_keras_object(upgrade_model(config, major))


def upgrade_model(described: Mapping[str, Any], major: int) -> dict[str, Any]:
    """Return a model's description in Keras 3's form."""
    config = described.get("config")
    if isinstance(config, list):  # a Sequential of Keras before 2.2
        config = {"layers": config}
    if not isinstance(config, Mapping):
        raise TypeError(
            f"The configuration of the model {described.get('class_name')!r} is no dict, but {type(config).__name__}."
        )
    config = dict(config)
    if not isinstance(config.get("layers"), list):  # a subclassed model: its constructor's arguments
        return upgrade_object(described, "models", major)
    if major < 2:
        if described.get("class_name") == "Sequential" and _begins_with_merge(config["layers"]):
            return upgrade_model(_joined_branches(config), major)
        config["layers"] = _with_orders(config["layers"])
    if major < 3 and described.get("class_name") == "Sequential":
        config["layers"] = _with_input(config["layers"])
    config["layers"] = [_upgrade_layer(layer, major) for layer in config["layers"]]
    name = str(described["class_name"])
    graph = "input_layers" in config
    if graph:
        for side in ("input_layers", "output_layers"):
            config[side] = _single(config[side]) if major < 3 else config[side]
    else:
        config = {key: value for key, value in config.items() if key != "name" or value is not None}
    if name in ("Model", "Functional") and graph:
        return {
            "module": "keras.src.models.functional",
            "class_name": "Functional",
            "config": config,
            "registered_name": "Functional",
        }
    if name == "Sequential":
        return {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}
    return _named(name, config, "models")


def _with_input(layers: list[Any]) -> list[Any]:
    """Return the layers of a Sequential with an input layer in front, where the first layer says the shape."""
    first = layers[0].get("config") if layers else None
    if not isinstance(first, Mapping) or "batch_input_shape" not in first or layers[0]["class_name"] == "InputLayer":
        return layers
    dtype = first.get("input_dtype") or first.get("dtype")
    described = {"batch_shape": first["batch_input_shape"], "name": f"{first.get('name', 'first')}_input"}
    if isinstance(dtype, str):
        described["dtype"] = dtype
    return [{"class_name": "InputLayer", "config": described}, *layers]


def _begins_with_merge(layers: list[Any]) -> bool:
    return bool(layers) and layers[0].get("class_name") == "Merge" and bool(layers[0]["config"].get("layers"))


def _joined_branches(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the graph of a Sequential of Keras 1 that begins with the join of several Sequentials."""
    merge, *rest = config["layers"]
    layers: list[dict[str, Any]] = []
    inputs, ends = [], []

    def chain(described: Mapping[str, Any], before: list[str]) -> str:
        name = described["config"]["name"]
        layers.append({**described, "name": name, "inbound_nodes": [[[n, 0, 0] for n in before]]})
        return name

    for branch in merge["config"]["layers"]:
        first = branch["config"][0]["config"]
        last = f"{first['name']}_input"
        inputs.append([last, 0, 0])
        kept = {key: first[key] for key in ("batch_input_shape", "input_dtype") if key in first}
        layers.append({"class_name": "InputLayer", "name": last, "config": {**kept, "name": last}, "inbound_nodes": []})
        for described in branch["config"]:
            last = chain(described, [last])
        ends.append(last)
    last = chain(merge, ends)
    for described in rest:
        last = chain(described, [last])
    graph = {"name": config.get("name"), "layers": layers, "input_layers": inputs, "output_layers": [[last, 0, 0]]}
    return {"class_name": "Model", "config": graph}


def _with_orders(layers: list[Any]) -> list[Any]:
    """Return layers of Keras 1 with the place of the channels that some of its layers failed to write."""
    found = [layer["config"]["dim_ordering"] for layer in layers if "dim_ordering" in layer.get("config", ())]
    if "th" not in found:
        return layers
    unsaid = ("ZeroPadding2D", "ZeroPadding3D", "Cropping2D", "Cropping3D", "UpSampling2D", "UpSampling3D")
    return [
        {**layer, "config": {"dim_ordering": "th", **layer["config"]}} if layer.get("class_name") in unsaid else layer
        for layer in layers
    ]


def _single(references: Any) -> Any:
    """Return the one reference in a list of one, as older files list the input of a model that has one."""
    if isinstance(references, list) and len(references) == 1 and isinstance(references[0], list):
        return references[0]
    return references


def _upgrade_layer(described: Mapping[str, Any], major: int) -> dict[str, Any]:
    if described.get("class_name") in ("TFOpLambda", "SlicingOpLambda"):
        return _tf_operation(described)
    made = upgrade_object(described, "layers", major)
    if "inbound_nodes" in described:
        made["name"] = described.get("name") or described["config"]["name"]
        recurrent = made["class_name"] in _RECURRENT
        made["inbound_nodes"] = [_upgrade_node(node, recurrent) for node in described["inbound_nodes"]]
    return made


def _tf_operation(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return a TensorFlow function in a graph as an operation of the graph."""
    config = described["config"]
    return {
        "module": tf_operations.MODULE, "class_name": config["function"], "registered_name": None,
        "config": {"name": config["name"]}, "name": described.get("name") or config["name"],
        "inbound_nodes": [tf_operations.upgrade_tf_call(node, _argument) for node in described["inbound_nodes"]],
    }  # fmt: skip


def upgrade_object(described: Mapping[str, Any], room: str | None, major: int) -> dict[str, Any]:
    """Return the description of a layer, initializer or the like in Keras 3's form."""
    name, config = described["class_name"], described.get("config")
    if name in _TAGS:
        return dict(described)
    if room in ("layers", "models") and _is_model(name, config):
        return upgrade_model(described, major)
    if major == 3 and room == "layers" and isinstance(config, Mapping) and _is_operation(name, config):
        return {"module": "keras.src.ops.numpy", "class_name": name, "config": dict(config), "registered_name": name}
    name = upgrade_class(str(name).removeprefix("Custom>") if _is_builtin_optimizer(str(name)) else str(name), config)
    if not isinstance(config, Mapping):
        return {**described, "class_name": name}
    registered = described.get("registered_name")
    if isinstance(registered, str) and registry.get_registered_object(registered) is not None:
        name = registered
    config = {key: _upgrade_value(key, value, major) for key, value in config.items()}
    if name == "DTypePolicy":  # "infer" took the type of the inputs, which are float32
        config = {"name": "float32" if config.get("name") in ("infer", "_infer") else config.get("name")}
    made = _named(name, config, room)
    if made["module"] is None:
        made["module"] = described.get("module")
    if room in (None, "layers", "optimizers"):
        made["config"] = upgrade_arguments(made["class_name"], described["class_name"], config, major)
    return made


def _is_model(name: str, config: Any) -> bool:
    if name == "Sequential":
        return True
    return (
        isinstance(config, Mapping)
        and "layers" in config
        and ("input_layers" in config or name in ("Model", "Functional"))
    )


def _is_operation(name: str, config: Mapping[str, Any]) -> bool:
    """Whether an entry of a Keras 3 graph is an operation; layers have more than a name and settings."""
    from tahr.saving.operations import find_operation

    return (
        "trainable" not in config
        and "batch_shape" not in config
        and find_operation("keras.src.ops.numpy", name) is not None
    )


def _is_builtin_optimizer(name: str) -> bool:
    return name.startswith("Custom>") and name.removeprefix("Custom>") in registry.room("optimizers").__all__


def _upgrade_value(key: str, value: Any, major: int) -> Any:
    if isinstance(value, Mapping):
        if value.get("type") == "ndarray" and value.keys() == {"type", "value"}:
            return value["value"]
        if "class_name" in value:
            room = next((r for ending, r in _ROOMS_BY_ENDING.items() if key.endswith(ending)), None)
            return upgrade_object(
                value, room or ("layers" if key in ("layer", "backward_layer", "cell", "cells") else None), major
            )
        if major < 2 and (named := upgrade_named(dict(value))) is not None:
            return named
        return {k: _upgrade_value(k, v, major) for k, v in value.items()}
    if isinstance(value, list):
        return [_upgrade_value(key, member, major) for member in value]
    return value


def _named(name: str, config: Any, room: str | None) -> dict[str, Any]:
    """Return a description that says which room the class is of, or by which name it was registered."""
    if registry.get_registered_object(name) is None:
        for place in (room,) if room is not None else _ROOMS:
            if place is not None and registry.builtin_class(f"keras.{place}", name):
                module = "keras" if registry.TOP.get(name) == place else f"keras.{place}"
                return {"module": module, "class_name": name, "config": config, "registered_name": None}
    return {"module": None, "class_name": name.rsplit(">", 1)[-1], "config": config, "registered_name": name}


# ---- calls ----------------------------------------------------------------------------------------------------------


def _upgrade_node(node: Any, recurrent: bool) -> dict[str, Any]:
    """Return one call in Keras 3's form from lists of `[layer, call, output, keyword arguments]`."""
    if isinstance(node, Mapping) and "args" in node:
        return dict(node)
    kwargs: dict[str, Any] = {}
    inputs = _inputs(node, kwargs)
    if recurrent and isinstance(inputs, list) and len(inputs) > 1:  # the states used to be given with the sequence
        return {"args": [inputs[0]], "kwargs": {**kwargs, "initial_state": inputs[1:]}}
    return {"args": [inputs[0] if isinstance(inputs, list) and len(inputs) == 1 else inputs], "kwargs": kwargs}


def _inputs(node: Any, kwargs: dict[str, Any]) -> Any:
    if isinstance(node, Mapping):
        return {key: _inputs(value, kwargs) for key, value in node.items()}
    if _is_reference(node):
        if len(node) > 3 and isinstance(node[3], Mapping):
            kwargs.update({key: _argument(value) for key, value in node[3].items()})
        return _symbol(node)
    return [_inputs(value, kwargs) for value in node]


def _argument(value: Any) -> Any:
    if isinstance(value, list):
        return _symbol(value) if _is_reference(value) else [_argument(member) for member in value]
    if isinstance(value, Mapping):
        return {key: _argument(member) for key, member in value.items()}
    return value


def _is_reference(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(n, int) and not isinstance(n, bool) for n in value[1:3])
    )


def _symbol(reference: Any) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": list(reference[:3])}}
