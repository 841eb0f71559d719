"""Quantizers as objects with a config."""

from typing import Any

from tahr.quantizers.whole import abs_max_quantize
from tahr.recording import Recorded

__all__ = ["AbsMaxQuantizer", "Quantizer"]


class Quantizer(Recorded):
    """Base class: an object that is called with an array and returns the quantized array and its scale.

    >>> quantizers.Quantizer().output_dtype
    'int8'
    """

    def __init__(self, output_dtype: str = "int8"):
        self.output_dtype = output_dtype

    def __call__(self, x: Any) -> Any:
        """Return `x`; subclasses quantize it."""
        return x


class AbsMaxQuantizer(Quantizer):
    """Quantizes by the largest size along axes, as `abs_max_quantize` does.

    Args:
        axis: axis or axes that share a scale; None is the last one.
        value_range: least and largest number.
        epsilon: added to the largest size.
        output_dtype: type of the result.

    >>> quantizers.AbsMaxQuantizer(axis=0)(np.array([1.0, -2.0], "float32"))
    ([64, -127], [63.5])
    """

    def __init__(
        self,
        axis: Any = None,
        value_range: tuple[int, int] = (-127, 127),
        epsilon: float = 1e-7,
        output_dtype: str = "int8",
    ):
        super().__init__(output_dtype)
        self.axis = tuple(axis) if isinstance(axis, (list, tuple)) else None if axis is None else (axis,)
        self.value_range, self.epsilon = (value_range[0], value_range[1]), epsilon

    def __call__(self, x: Any, axis: Any = None, to_numpy: bool = False) -> Any:
        """Return the numbers and the scale; `axis` replaces the one given before."""
        axis = self.axis if axis is None else axis
        axis = tuple(axis) if isinstance(axis, (list, tuple)) else -1 if axis is None else axis
        return abs_max_quantize(x, axis, self.value_range, self.output_dtype, self.epsilon, to_numpy)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments; an axis that was not given is left out, as Keras does."""
        config = super().get_config()
        if self.axis is None:
            del config["axis"]
        return config
