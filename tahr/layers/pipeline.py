"""`Pipeline`: layers one after the other, in one."""

from typing import Any

from tahr.layers.arguments import who
from tahr.layers.in_graph import InGraph
from tahr.layers.layer import Layer
from tahr.layers.signature import call_info
from tahr.masks import set_mask

__all__ = ["Pipeline"]


class Pipeline(InGraph):
    """Apply layers one after the other.

    Args:
        layers: list of layers.
        name: name; None makes one from the class.

    >>> keras.layers.Pipeline([keras.layers.Rescaling(2.0), keras.layers.ReLU()])(ops.array([-1.0, 1.0]))
    [0.0, 2.0]
    """

    supports_masking = True

    def __init__(self, layers: Any, name: str | None = None):
        super().__init__(name=name)
        self._pipeline = list(layers)
        for layer in self._pipeline:
            if not callable(layer):
                raise ValueError(f"{who(self)}: expected a list of layers; received {layer!r} in it.")

    @property
    def layers(self) -> list[Any]:
        """The layers, in order."""
        return self._pipeline

    def call(self, inputs: Any, training: bool = True, mask: Any = None) -> Any:
        """Compute the outputs; `mask` goes with the inputs through the layers."""
        if mask is not None:
            set_mask(inputs, mask)
        for layer in self._pipeline:
            takes_training = isinstance(layer, Layer) and call_info(type(layer)).training is not None
            inputs = layer(inputs, training=training) if takes_training else layer(inputs)
        return inputs

    def get_config(self) -> dict[str, Any]:
        """Return the layers' configs and the name."""
        from tahr.layers.serialization import serialize

        return {"layers": [serialize(layer) for layer in self._pipeline], "name": self.name}
