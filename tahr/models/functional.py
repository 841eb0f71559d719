"""Functional models: a graph of layers between symbols."""

from typing import Any

from tahr import tree
from tahr.layers.input_spec import InputSpec
from tahr.layers.layer import Layer
from tahr.layers.structure import unique
from tahr.masks import set_mask
from tahr.models.function import Function, fit_input, match_structure
from tahr.models.model import Model
from tahr.saving.errors import understanding
from tahr.symbolic import KerasTensor

__all__ = ["Functional", "initialize"]


class Functional(Model):
    """A model made from input and output symbols; what `Model(inputs, outputs)` returns.

    >>> x = keras.Input((3,))
    >>> keras.Model(x, keras.layers.Dense(1)(x)).layers[1].units
    1
    """

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any):
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Run the graph on arrays or symbols."""
        return run(self, inputs, mask)

    def compute_output_spec(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return symbols for the outputs."""
        symbols = self._function.inputs
        flat = match_structure(self._function._inputs_struct, symbols, inputs, self.name)
        return self._function.compute_output_spec([fit_input(x, s) for x, s in zip(flat, symbols, strict=True)])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shapes of the outputs for shapes of the inputs."""
        return self._function.compute_output_shape(input_shape)

    @property
    def _layers(self) -> list[Layer]:
        graph = [o for o in self._function.operations if isinstance(o, Layer)] if self._function is not None else []
        return unique([*graph, *(x for x in self._parts(Layer) if x is not self)])

    @property
    def operations(self) -> list[Any]:
        """The layers and operations of the graph, inputs first."""
        return self._function.operations

    @property
    def input(self) -> Any:
        """The input symbols in the structure given to the constructor."""
        return self._function._inputs_struct

    @property
    def output(self) -> Any:
        """The output symbols in the structure given to the constructor."""
        return self._function._outputs_struct

    @property
    def inputs(self) -> list[KerasTensor]:
        return self._function.inputs

    @property
    def outputs(self) -> list[KerasTensor]:
        return self._function.outputs

    @property
    def input_shape(self) -> Any:
        return tree.map_structure(lambda x: x.shape, self.input)

    @property
    def output_shape(self) -> Any:
        return tree.map_structure(lambda x: x.shape, self.output)

    @property
    def input_names(self) -> list[str]:
        return [x.name for x in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """Names that losses, metrics and targets are matched by: those of the layers that made the outputs."""
        return [x.history[0].operation.name if x.history else x.name for x in self.outputs]

    def get_config(self) -> dict[str, Any]:
        """Return the graph as plain data."""
        if _made_from_arguments(type(self)):
            return super().get_config()
        from tahr.models.graph_config import graph_config

        return graph_config(self)

    @classmethod
    @understanding()
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Return a new model made from what `get_config` gave."""
        from tahr.models.graph_config import model_from_graph

        if "layers" not in config or _made_from_arguments(cls):
            return super().from_config(config)
        return model_from_graph(cls, config, custom_objects)


def _made_from_arguments(cls: type) -> bool:
    """Whether a subclass has a constructor of its own, so that its config is that constructor's arguments."""
    import inspect

    names = set(inspect.signature(cls.__init__).parameters)  # type: ignore[misc]
    return not {"inputs", "outputs"} <= names


def initialize(model: Model, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
    """Make `model` the functional model between two structures of symbols."""
    trainable = kwargs.pop("trainable", None)
    Layer.__init__(model, name=name, **kwargs)
    if not isinstance(model, Functional):
        model.__class__ = _functional_class(type(model))
    inputs = _copy_structure(inputs)
    model._function = Function(inputs, _copy_structure(outputs), name=model.name)
    for x in model._function.inputs:
        if x.history is None or x.history[0].inputs:
            _from_middle(model, x)
    names = [layer.name for layer in model._layers]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(
            f"Model {model.name!r}: the names of its layers must differ; {twice} occur more than once. "
            "Give these layers other names."
        )
    model.supports_masking = True
    model.input_spec = [InputSpec(shape=(None, *x.shape[1:]), allow_last_axis_squeeze=True, name=x.name,
                                  optional=_is_optional(x)) for x in model._function.inputs]  # fmt: skip
    model.built = True
    if trainable is not None:
        model._trainable = bool(trainable)  # its own: the layers are frozen or not as they are


def _is_optional(x: KerasTensor) -> bool:
    return bool(getattr(x.history[0].operation, "optional", False)) if x.history else False


def _from_middle(model: Model, x: KerasTensor) -> None:
    """Let a symbol from the middle of another graph serve as an input: give the graph an input of its own there."""
    from tahr.layers.input_layer import Input

    fresh = Input(batch_shape=x.shape, dtype=x.dtype, name=x.history[0].operation.name if x.history else x.name)
    function = model._function
    outputs = Function(function._inputs_struct, function._outputs_struct).run(
        [fresh if y is x else y for y in function.inputs]
    )
    inputs = tree.map_structure(lambda y: fresh if y is x else y, function._inputs_struct)
    model._function = Function(inputs, outputs, name=model.name)


def _copy_structure(structure: Any) -> Any:
    return tree.map_structure(lambda x: x, structure)


_classes: dict[type, type] = {}


def _functional_class(cls: type) -> type:
    """Return a class like `cls`, whose constructor passed inputs and outputs to Model's, that is Functional."""
    if cls not in _classes:
        made = type(cls.__name__, (cls, Functional), {"__module__": cls.__module__, "__qualname__": cls.__qualname__})
        _classes[cls] = made
    return _classes[cls]


def run(model: Model, inputs: Any, mask: Any = None) -> Any:
    """Run the graph of a functional model on arrays or symbols."""
    function = model._function
    flat = match_structure(function._inputs_struct, function.inputs, inputs, model.name)
    values = [fit_input(x, symbol) for x, symbol in zip(flat, function.inputs, strict=True)]
    if mask is not None:
        for x, m in zip(values, tree.flatten(mask), strict=False):
            if m is not None:
                set_mask(x, m)
    return function.run(values)
