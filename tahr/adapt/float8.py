"""Products of 8-bit floats, in training as well, with scales that follow the largest sizes of late.

Inputs and weights go through `float8_e4m3fn`, gradients of the results through `float8_e5m2` (Micikevicius et al.,
2022, "FP8 Formats for Deep Learning"). What an optimizer takes for the gradient of a scale is its next value.
"""

from collections.abc import Callable
from typing import Any

from tahr import dtypes, ops, quantizers
from tahr.adapt.stand_in import StandIn
from tahr.variables import Variable

__all__ = ["ROLES", "Float8Weight"]

ROLES = {"inputs": "float8_e4m3fn", "kernel": "float8_e4m3fn", "outputs_grad": "float8_e5m2"}


def _through(kind: str, x: Any, scale: Any, history: Any) -> tuple[Any, Any, Any]:
    """Return `x` by way of an 8-bit type, and the next scale and history of largest sizes."""
    largest = dtypes.limits(kind)[1]
    scale = quantizers.compute_float8_scale(ops.max(history, axis=0), scale, largest)
    found = quantizers.quantize_and_dequantize(x, ops.cast(scale, x.dtype), kind, x.dtype)
    return found, scale, quantizers.compute_float8_amax_history(x, history)


@ops.custom_gradient
def _forward(x: Any, scale: Any, history: Any) -> Any:
    found, next_scale, next_history = _through("float8_e4m3fn", x, scale, history)
    return found, lambda upstream: (upstream, next_scale, next_history)


@ops.custom_gradient
def _backward(x: Any, scale: Any, history: Any) -> Any:
    return x, lambda upstream: _through("float8_e5m2", upstream, scale, history)


class Float8Weight(StandIn):
    """What stands in the place of a weight whose products are made of 8-bit floats.

    Args:
        base: the weight, trained as before.
        states: for each of `"inputs"`, `"kernel"` and `"outputs_grad"` the scale and the history of largest sizes.

    >>> layer = layers.Dense(2, kernel_initializer="ones")
    >>> layer.build((None, 3))
    >>> layer.quantize("float8")
    >>> layer(np.array([[1.0, 2.0, 3.3]], "float32"))
    [[6.25, 6.25]]
    """

    def __init__(self, base: Variable, states: dict[str, tuple[Variable, Variable]]):
        super().__init__(base)
        self.variable, self.states = base, states

    @property
    def value(self) -> Any:
        """The weight as it is kept."""
        return ops.convert_to_tensor(self.variable)

    @property
    def trainable(self) -> bool:
        return self.variable.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.variable.trainable = value

    @property
    def variables(self) -> list[Variable]:
        """The weight, then scale and history of each role."""
        return [self.variable, *(v for pair in self.states.values() for v in pair)]

    def assign(self, value: Any) -> None:
        """Take `value` as the weight."""
        self.variable.assign(value)

    def _apply(self, run: Callable[[Any, Any], Any], x: Any) -> Any:
        weight = _forward(ops.cast(self.value, x.dtype), *self.states["kernel"])
        return _backward(run(_forward(x, *self.states["inputs"]), weight), *self.states["outputs_grad"])

    def product(self, x: Any) -> Any:
        """Return the matrix product of `x` and the weight."""
        return self._apply(ops.matmul, x)

    def einsum(self, equation: str, x: Any) -> Any:
        """Return the product of `x` and the weight that an equation says."""
        return self._apply(lambda a, b: ops.einsum(equation, a, b), x)
