"""`Dense`: a matrix product, a bias and an activation."""

from typing import Any

from tahr import activations
from tahr.layers.adaptable import product
from tahr.layers.arguments import keep, known, weight, whole
from tahr.layers.input_spec import InputSpec
from tahr.layers.quantizable import Quantizable

__all__ = ["Dense"]


class Dense(Quantizable):
    """Return `activation(inputs @ kernel + bias)` over the last axis of the inputs.

    Args:
        units: size of the last axis of the outputs.
        activation: name or function; None is the identity.
        use_bias: whether a bias is added.
        kernel_initializer: start of the kernel, of shape `(features, units)`.
        bias_initializer: start of the bias, of shape `(units,)`.
        kernel_regularizer: function of the kernel that is added to the loss.
        bias_regularizer: function of the bias that is added to the loss.
        activity_regularizer: function of the outputs that is added to the loss.
        kernel_constraint: function applied to the kernel after every update.
        bias_constraint: function applied to the bias after every update.
        lora_rank: rank of a trainable low-rank addition to a frozen kernel, or None.
        lora_alpha: scale of that addition, `lora_alpha / lora_rank`.
        quantization_config: how the kernel is quantized, or None.

    Input shape: `(batch, ..., features)`. Output shape: `(batch, ..., units)`.

    >>> layer = keras.layers.Dense(2, kernel_initializer="ones")
    >>> layer(ops.array([[1.0, 2.0, 3.0]]))
    [[6.0, 6.0]]
    """

    supports_masking = True
    quantization_modes = ("int8", "int4", "float8")
    kernel: Any = None
    bias: Any = None

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units, self.use_bias = whole(units, "units", self), use_bias
        self.activation = activations.get(activation)
        keep(
            self,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self.quantization_config = quantization_config
        self.lora_rank, self.lora_alpha = lora_rank, lora_alpha
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias for inputs of a known last size."""
        features = known(input_shape, -1, self)
        self.kernel = weight(self, "kernel", (features, self.units))
        self.bias = weight(self, "bias", (self.units,)) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})
        self._adapt_as_told()

    def _quantized_layouts(self) -> dict[str, Any]:
        from tahr.adapt.quantized import Layout

        return {"kernel": Layout(self.kernel.shape, summed=(0,), scale_axes=(1,))}

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Compute the outputs."""
        return self.activation(product(inputs, self.kernel, self.bias))
