"""`Sequential`: a stack of layers, each fed by the one before."""

from typing import Any

from tahr import tree
from tahr.layers.input_layer import Input, InputLayer
from tahr.layers.layer import Layer
from tahr.models.function import Function, fit_input
from tahr.models.functional import run
from tahr.models.model import Model
from tahr.saving.errors import understanding
from tahr.symbolic import KerasTensor, SymbolicValueError

__all__ = ["Sequential"]


class Sequential(Model):
    """A stack of layers. It is built when its first layer says the input shape, else by the first data.

    Args:
        layers: layers from input to output.
        trainable: whether training changes its weights.
        name: name.

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    >>> model.output_shape
    (None, 1)
    """

    def __init__(self, layers: Any = None, trainable: bool = True, name: str | None = None, **kwargs: Any):
        super().__init__(trainable=trainable, name=name, **kwargs)
        self._stack: list[Layer] = []
        self.supports_masking = True
        for layer in _as_list(layers):
            self.add(layer, rebuild=False)
        self._try_build()

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer on top.

        Raises:
            TypeError: if it is no layer.
            ValueError: if its name is taken, or an input comes second.
        """
        if isinstance(layer, KerasTensor) and layer.history is not None:
            layer = layer.history[0].operation
        if not isinstance(layer, Layer):
            if not callable(layer):
                raise TypeError(f"Sequential.add: expected a layer; received {type(layer).__name__}: {layer!r:.80}.")
            from tahr.layers import Lambda

            layer = Lambda(layer)
        if any(layer.name == other.name for other in self._stack):
            raise ValueError(
                f"Sequential.add: a layer named {layer.name!r} is there already; names must differ: "
                f"{[x.name for x in self._stack]}."
            )
        if isinstance(layer, InputLayer) and self._stack:
            raise ValueError(f"Sequential.add: an input must come first; {self._stack[0].name!r} already is there.")
        if not self._stack and layer._legacy_shape is not None:
            self._stack.append(InputLayer(batch_shape=layer._legacy_shape))
        self._stack.append(layer)
        self._forget_graph()
        if rebuild:
            self._try_build()

    def pop(self, rebuild: bool = True) -> Layer:
        """Remove the top layer and return it."""
        layer = self._stack.pop()
        self._forget_graph()
        if rebuild:
            self._try_build()
        return layer

    def _forget_graph(self) -> None:
        self._function, self.built, self._session = None, False, None

    def _try_build(self) -> None:
        first = self._stack[0] if self._stack else None
        if isinstance(first, InputLayer) and len(self._stack) > 1:
            self.build(first.batch_shape)
        elif (graph := getattr(first, "_function", None)) is not None and len(graph.inputs) == 1:
            self.build(graph.inputs[0].shape)

    def build(self, input_shape: Any = None) -> None:
        """Make the graph and the weights for an input shape including the batch.

        Raises:
            ValueError: if there are no layers.
        """
        if not self._stack:
            raise ValueError(f"Sequential {self.name!r} has no layers to build. Add some with `add`.")
        if self._function is not None:
            self.built = True
            return
        if isinstance(self._stack[0], InputLayer):
            x = inputs = self._stack[0].output
            rest = self._stack[1:]
        elif input_shape is None:
            raise ValueError(f"Sequential {self.name!r}: `build` needs the input shape, since no Input says it.")
        elif not tree.is_shape(input_shape):
            self.built = True
            return
        else:
            first = self._stack[0]
            graph = getattr(first, "_function", None)
            dtype = first.compute_dtype if graph is None else graph.inputs[0].dtype
            x = inputs = Input(batch_shape=tuple(input_shape), dtype=dtype)
            rest = self._stack
        for layer in rest:
            try:
                x = layer(x)
            except (NotImplementedError, SymbolicValueError):  # the layer needs values: it runs layer by layer instead
                self.built = True
                return
        self._function = Function(inputs, x, name=self.name)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Feed the inputs through the stack."""
        if self._function is not None:
            return run(self, inputs, mask)
        x = inputs
        for layer in self._stack:
            if not isinstance(layer, InputLayer):
                x = layer(x)
        return x

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the output for a shape of the input."""
        if self._function is None:
            self.build(input_shape)
        return self._graph("output shape").compute_output_shape(input_shape)

    def compute_output_spec(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return symbols for the outputs."""
        if self._function is None:
            return self.call(inputs)
        return self._function.compute_output_spec([fit_input(inputs, self._function.inputs[0])])

    @property
    def _layers(self) -> list[Layer]:
        return list(self._stack) if hasattr(self, "_stack") else []

    @property
    def layers(self) -> list[Layer]:
        """The layers without the input."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    def _graph(self, what: str) -> Function:
        if self._function is None:
            raise AttributeError(
                f"Sequential {self.name!r} is not built yet, so it has no {what}. Start it with an Input."
            )
        return self._function

    @property
    def inputs(self) -> list[KerasTensor]:
        return self._graph("inputs").inputs

    @property
    def outputs(self) -> list[KerasTensor]:
        return self._graph("outputs").outputs

    @property
    def input(self) -> Any:
        return self.inputs[0]

    @property
    def output(self) -> Any:
        return self._graph("output")._outputs_struct

    @property
    def input_shape(self) -> Any:
        return self.input.shape

    @property
    def output_shape(self) -> Any:
        return tree.map_structure(lambda x: x.shape, self.output)

    @property
    def output_names(self) -> list[str]:
        return [x.history[0].operation.name if x.history else x.name for x in self.outputs]

    def get_config(self) -> dict[str, Any]:
        """Return the layers as plain data."""
        from tahr import dtype_policies
        from tahr.saving import serialize_keras_object

        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": dtype_policies.serialize(self.dtype_policy),
            "layers": [serialize_keras_object(layer) for layer in self._stack],
        }
        if self._function is not None:
            config["build_input_shape"] = self._function.inputs[0].shape
        return config

    @classmethod
    @understanding()
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Return a new model made from what `get_config` gave."""
        from tahr.saving import deserialize_keras_object

        config = dict(config)
        stack = config.pop("layers")
        shape = config.pop("build_input_shape", None)
        model = cls(**{k: v for k, v in config.items() if k in ("name", "trainable", "dtype")})
        for layer in stack:
            model.add(deserialize_keras_object(layer, custom_objects=custom_objects), rebuild=False)
        model._try_build()
        if model._function is None and shape is not None:
            model.build(tuple(shape))
        return model


def _as_list(layers: Any) -> list[Any]:
    if layers is None:
        return []
    return list(layers) if isinstance(layers, (list, tuple)) else [layers]
