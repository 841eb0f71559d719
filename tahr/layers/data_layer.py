"""`DataLayer`: what layers that prepare data have in common."""

from typing import Any

from tahr import ops
from tahr.layers.layer import Layer

__all__ = ["DataLayer"]


class DataLayer(Layer):
    """A layer that prepares data, inside a model or before it.

    >>> from tahr.layers.data_layer import DataLayer
    >>> DataLayer().convert_weight([1.0, 2.0])
    [1.0, 2.0]
    """

    def convert_weight(self, weight: Any) -> Any:
        """Return a weight as an array of the current backend; other engines never run inside of a layer here."""
        return ops.convert_to_tensor(weight)
