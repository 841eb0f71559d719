"""Activation functions as layers."""

from typing import Any

from tahr import activations, ops, tree
from tahr.layers.arguments import check_mask, keep, weight, who
from tahr.layers.input_spec import InputSpec
from tahr.layers.layer import Layer

__all__ = ["ELU", "Activation", "LeakyReLU", "PReLU", "ReLU", "Softmax"]


class Activation(Layer):
    """Apply an activation function to the inputs.

    Args:
        activation: name of a function in `keras.activations`, or a function.

    Output shape: that of the inputs.

    >>> keras.layers.Activation("relu")(ops.array([-1.0, 2.0]))
    [0.0, 2.0]
    """

    supports_masking = True

    def __init__(self, activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return self.activation(inputs)


class ReLU(Layer):
    """Return `x` where it is at least `threshold`, else `negative_slope * (x - threshold)`, at most `max_value`.

    Args:
        max_value: largest output, or None.
        negative_slope: slope below the threshold.
        threshold: where the linear part begins.

    >>> keras.layers.ReLU(max_value=1.0)(ops.array([-1.0, 0.5, 2.0]))
    [0.0, 0.5, 1.0]
    """

    supports_masking = True

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.max_value = _not_negative(max_value, "max_value", self) if max_value is not None else None
        self.negative_slope = _not_negative(negative_slope, "negative_slope", self)
        self.threshold = _not_negative(threshold, "threshold", self)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(Layer):
    """Return `x` where it is positive, else `negative_slope * x`.

    Args:
        negative_slope: slope below zero.

    >>> keras.layers.LeakyReLU(0.1)(ops.array([-1.0, 2.0]))
    [-0.1, 2.0]
    """

    supports_masking = True

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any):
        if "alpha" in kwargs:  # its name in Keras 2
            negative_slope = kwargs.pop("alpha")
        super().__init__(**kwargs)
        self.negative_slope = _not_negative(negative_slope, "negative_slope", self)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return ops.leaky_relu(inputs, self.negative_slope)


class ELU(Layer):
    """Return `x` where it is positive, else `alpha * (exp(x) - 1)`.

    Args:
        alpha: the value approached far below zero, negated.

    Source: Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear Units, 2015.

    >>> keras.layers.ELU()(ops.array([-1.0, 2.0]))
    [-0.63212, 2.0]
    """

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return ops.elu(inputs, self.alpha)


class PReLU(Layer):
    """Return `x` where it is positive, else `alpha * x` with a trained `alpha` for each position.

    Args:
        alpha_initializer: start of the slopes.
        alpha_regularizer: function of the slopes that is added to the loss.
        alpha_constraint: function applied to the slopes after every update.
        shared_axes: axes (the first after the batch is 1) along which one slope serves all.

    Source: He et al., Delving Deep into Rectifiers, 2015.

    >>> keras.layers.PReLU(alpha_initializer="ones")(ops.array([[-1.0, 2.0]]))
    [[-1.0, 2.0]]
    """

    supports_masking = True

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        keep(
            self,
            alpha_initializer=alpha_initializer,
            alpha_regularizer=alpha_regularizer,
            alpha_constraint=alpha_constraint,
        )
        self.shared_axes = (
            shared_axes if shared_axes is None or isinstance(shared_axes, (list, tuple)) else [shared_axes]
        )

    def build(self, input_shape: Any) -> None:
        """Make the slopes."""
        shared = {a % len(input_shape) for a in self.shared_axes or ()}
        shape = [1 if i in shared else n for i, n in enumerate(input_shape)][1:]
        if None in shape:
            raise ValueError(
                f"{who(self)}: the sizes of the inputs must be known, except in shared axes; received "
                f"{tuple(input_shape)}. Give shared_axes, for example shared_axes=[1, 2] for images of any size."
            )
        self.alpha = weight(self, "alpha", shape)
        self.input_spec = InputSpec(
            ndim=len(input_shape), axes={i: n for i, n in enumerate(input_shape) if i and i not in shared}
        )

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return ops.relu(inputs) - self.alpha * ops.relu(-inputs)


class Softmax(Layer):
    """Return `exp(x) / sum(exp(x))` along an axis or several.

    Args:
        axis: axis, or tuple of axes, that sum to 1.

    Call arguments:
        inputs: scores.
        mask: booleans like `inputs`; where False the output is zero.

    >>> keras.layers.Softmax()(ops.array([[0.0, 0.0]]))
    [[0.5, 0.5]]
    """

    supports_masking = True

    def __init__(self, axis: Any = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Compute the outputs."""
        if mask is not None:
            if len(mask.shape) == len(inputs.shape) and 1 not in mask.shape:
                check_mask(mask, inputs.shape, self)
            lowest = -3e4 if ops.dtype(inputs) == "float16" else -1e9
            inputs = inputs + (1.0 - ops.cast(mask, ops.dtype(inputs))) * lowest
        axis = tuple(self.axis) if isinstance(self.axis, list) else self.axis
        if isinstance(axis, tuple) and len(axis) == 1:
            axis = axis[0]
        return ops.softmax(inputs, axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the mask of the inputs."""
        return mask


def _not_negative(value: Any, name: str, layer: Layer) -> float:
    if isinstance(value, dict):  # an array of Keras 2, written with its shape
        value = tree.flatten(value.get("value", value))[0]
    if value is None or value < 0:
        raise ValueError(f"{who(layer)}: expected `{name}` >= 0; received {value!r}.")
    return float(value)
