"""Gradients as parts of a graph of symbols, which visualisations of networks in Keras 2 are made of."""

from typing import Any

from tahr import autodiff, ops
from tahr.layers.layer import Layer
from tahr.symbolic import KerasTensor

__all__ = ["gradient"]


class _Gradient(Layer):
    """Computes the gradient of a symbol's sum with respect to the first of its inputs."""

    def __init__(self, function: Any):
        super().__init__()
        self.function = function

    def call(self, inputs: Any) -> Any:
        first, *others = inputs
        return autodiff.grad(lambda x: ops.sum(self.function([x, *others])))(first)

    def compute_output_spec(self, inputs: Any) -> Any:
        return KerasTensor(inputs[0].shape, inputs[0].dtype, record_history=False)


def gradient(loss: Any, symbol: Any) -> Any:
    """Return a symbol for the gradient of the sum of `loss` with respect to another symbol.

    Raises:
        TypeError: if one of them is no symbol.
        ValueError: if the loss does not depend on it.

    >>> from tahr.compat.gradients import gradient
    >>> x = keras.Input((2,))
    >>> keras.Model(x, gradient(x * x, x))(np.array([[1.0, 3.0]]))
    [[2.0, 6.0]]
    """
    from tahr.models import Model
    from tahr.utils import get_source_inputs

    for what, value in (("loss", loss), ("variable", symbol)):
        if not isinstance(value, KerasTensor):
            raise TypeError(
                f"gradients: expected the {what} to be a symbol, such as a layer's output; received "
                f"{type(value).__name__}. For gradients of weights, use keras.value_and_grad."
            )
    try:
        inputs, function = [symbol], Model([symbol], loss)
    except ValueError:  # the loss depends on other inputs, too
        inputs = [symbol, *(x for x in get_source_inputs(loss) if x is not symbol)]
        function = Model(inputs, loss)
    return _Gradient(function)(inputs)
