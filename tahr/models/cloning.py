"""`clone_model`: the same model again, with weights of its own."""

from collections.abc import Callable
from typing import Any

from tahr import tree
from tahr.layers.input_layer import Input, InputLayer
from tahr.layers.layer import Layer
from tahr.models.functional import Functional
from tahr.models.model import Model
from tahr.models.sequential import Sequential
from tahr.ops.declare import OpCall
from tahr.symbolic import KerasTensor

__all__ = ["clone_model"]


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable[[Any], Any] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Any:
    """Return a copy of a model with new layers and fresh weights; layers shared in it are shared in the copy.

    Args:
        model: Sequential, functional or subclassed model.
        input_tensors: symbols to build the copy on, in the structure of the model's inputs.
        clone_function: makes a new layer from a layer; by default from its config. It does not see input layers.
        call_function: `call_function(layer, *args, **kwargs)` makes the outputs of each call of a functional model.
        recursive: whether `clone_function` sees the layers of inner models rather than these models.

    Raises:
        ValueError: if `model` is no model, or the further arguments do not apply to its kind.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="last")])
    >>> keras.models.clone_model(model).layers[0].name
    'last'
    """
    if kwargs:
        raise TypeError(f"clone_model: unexpected arguments {sorted(kwargs)}.")
    if not isinstance(model, Model):
        raise ValueError(f"clone_model: expected a model; received {type(model).__name__}.")
    sequential, functional = isinstance(model, Sequential), isinstance(model, Functional)
    if not (sequential or functional) and (clone_function or call_function or input_tensors is not None):
        raise ValueError(
            f"clone_model: {model.name!r} is a subclassed model, which is cloned from its config; clone_function, "
            "call_function and input_tensors are for Sequential and functional models."
        )
    if sequential and call_function is not None:
        raise ValueError("clone_model: call_function is for functional models; received a Sequential.")
    clone = _Cloner(clone_function, recursive)
    if isinstance(model, Sequential):
        return _clone_sequential(model, input_tensors, clone)
    if isinstance(model, Functional):
        return _clone_functional(model, input_tensors, clone, call_function or _call)
    return type(model).from_config(model.get_config())


def _call(layer: Any, *args: Any, **kwargs: Any) -> Any:
    return layer(*args, **kwargs)


def _from_config(layer: Layer) -> Layer:
    return type(layer).from_config(layer.get_config())


class _Cloner:
    """Makes one new layer for each layer, the same one when asked again."""

    def __init__(self, clone_function: Callable[[Any], Any] | None, recursive: bool):
        self._function, self._recursive = clone_function, recursive
        self._made: dict[int, Any] = {}

    def __call__(self, layer: Any) -> Any:
        if id(layer) not in self._made:
            self._made[id(layer)] = self._clone(layer)
        return self._made[id(layer)]

    def _clone(self, layer: Any) -> Any:
        if isinstance(layer, OpCall):
            return OpCall(layer.op, layer.name, **layer.arguments)
        if not isinstance(layer, Layer):
            return type(layer).from_config(layer.get_config())
        if self._recursive and isinstance(layer, (Sequential, Functional)):
            return clone_model(layer, clone_function=self._function, recursive=True)
        if self._function is None:
            return _from_config(layer)
        made = self._function(layer)
        if not isinstance(made, Layer):
            raise ValueError(
                f"clone_model: clone_function must return a layer; for {layer.name!r} it returned {made!r:.80}."
            )
        return made


def _clone_sequential(model: Sequential, input_tensors: Any, clone: _Cloner) -> Sequential:
    given = tree.flatten(input_tensors) if input_tensors is not None else []
    if len(given) > 1:
        raise ValueError(f"clone_model: {model.name!r} has one input; received {len(given)} input_tensors.")
    layers: list[Any] = []
    for layer in model._layers:
        if isinstance(layer, InputLayer):
            if not given:
                layers.append(InputLayer.from_config(layer.get_config()))
        else:
            layers.append(clone(layer))
    if given:
        x = given[0]
        layers.insert(0, x.history[0].operation if _starts(x) else Input(batch_shape=x.shape, dtype=x.dtype))
    made = Sequential(layers, trainable=model.trainable, name=model.name)
    if made._function is None and model._function is not None:
        made.build(model.inputs[0].shape)
    return made


def _starts(x: Any) -> bool:
    if not isinstance(x, KerasTensor):
        raise ValueError(f"clone_model: expected input_tensors to be symbols (keras.Input); received {x!r:.80}.")
    return x.history is not None and isinstance(x.history[0].operation, InputLayer)


def _clone_functional(model: Functional, input_tensors: Any, clone: _Cloner, call: Callable[..., Any]) -> Functional:
    function = model._function
    if input_tensors is None:
        inputs = tree.map_structure(_new_input, function._inputs_struct)
    else:
        flat = tree.flatten(input_tensors)
        if len(flat) != len(function.inputs):
            raise ValueError(
                f"clone_model: {model.name!r} has {len(function.inputs)} inputs; received {len(flat)} input_tensors."
            )
        inputs = tree.pack_sequence_as(
            function._inputs_struct, [x if _starts(x) else Input(batch_shape=x.shape, dtype=x.dtype) for x in flat]
        )
    found = {id(x): y for x, y in zip(function.inputs, tree.flatten(inputs), strict=True)}
    for node in function._plan:
        args, kwargs = node.substitute(lambda x: found[id(x)])
        operation = clone(node.operation)
        outputs = call(operation, *args, **kwargs) if isinstance(operation, Layer) else operation(*args, **kwargs)
        for old, new in zip(node.outputs, tree.flatten(outputs), strict=True):
            if old is not None:
                found[id(old)] = new
    outputs = tree.map_structure(lambda x: found[id(x)], function._outputs_struct)
    return Functional(inputs, outputs, name=model.name, trainable=model.trainable)


def _new_input(x: KerasTensor) -> Any:
    layer = x.history[0].operation if x.history is not None else None
    if isinstance(layer, InputLayer):
        return InputLayer.from_config(layer.get_config()).output
    return Input(batch_shape=x.shape, dtype=x.dtype, name=x.name)
