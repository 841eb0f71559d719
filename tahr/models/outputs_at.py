"""What layers inside a model give, as a model of its own."""

from typing import Any

from tahr import naming
from tahr.layers.layer import Layer
from tahr.layers.watching import watching
from tahr.models.model import Model

__all__ = ["OutputsAt"]


class OutputsAt(Model):
    """A model run for the outputs of layers inside it: one structure for one name, else a dict by name.

    A layer that the model calls several times gives the list of its outputs.

    Args:
        model: the model that is run; its weights are shared, not copied.
        names: of layers anywhere inside of it: a name, or the end of a path such as `"encoder/dense_1"`.

    Raises:
        ValueError: if there is no such layer, or several.
    """

    def __init__(self, model: Model, names: tuple[str, ...]):
        super().__init__(name=f"{model.name}_at_{naming.snake_case(names[0].replace('/', '_'))}")
        self.model = model
        self.wanted = {name: _find(model, name) for name in names}
        self.built = model.built

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Run the model and return what the layers gave."""
        wanted = {id(layer): name for name, layer in self.wanted.items()}
        found: dict[str, list[Any]] = {name: [] for name in self.wanted}

        def look(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> None:
            if (name := wanted.get(id(layer))) is not None:
                found[name].append(outputs)

        with watching(look):
            self.model(inputs, training=training)
        for name, outputs in found.items():
            if not outputs:
                raise ValueError(f"{self.model.name}: its call did not use the layer {name!r}.")
        values = {name: outputs[0] if len(outputs) == 1 else outputs for name, outputs in found.items()}
        return values if len(values) > 1 else next(iter(values.values()))


def _find(model: Model, name: str) -> Layer:
    layers = [layer for layer in model._flatten_layers() if layer is not model]
    parts = name.split("/")
    found = [layer for layer in layers if (layer.path or layer.name).split("/")[-len(parts) :] == parts]
    if len(found) == 1:
        return found[0]
    known = [layer.path or layer.name for layer in layers]
    what = (
        f"{len(found)} layers are called {name!r}, give more of the path" if found else f"no layer is called {name!r}"
    )
    raise ValueError(f"outputs_at: {what}; {model.name} has {known}.")
