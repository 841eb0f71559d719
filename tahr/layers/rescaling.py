"""`Rescaling`: numbers brought to another range."""

from typing import Any

from tahr import ops
from tahr.layers.data_layer import DataLayer

__all__ = ["Rescaling"]


class Rescaling(DataLayer):
    """Return `inputs * scale + offset`.

    Args:
        scale: factor, a number or one for each channel.
        offset: added after the product, a number or one for each channel.

    Integers become the layer's compute type.

    >>> keras.layers.Rescaling(1 / 127.5, offset=-1)(np.array([0, 255], "uint8"))
    [-1.0, 1.0]
    """

    supports_masking = True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        kind = self.compute_dtype
        scale, offset = (_number(x, kind) for x in (self.scale, self.offset))
        return ops.add(ops.multiply(ops.cast(inputs, kind), scale), offset)


def _number(x: Any, dtype: str) -> Any:
    return x if isinstance(x, (int, float)) else ops.convert_to_tensor(x, dtype)
