"""What layers share whose weights can be kept in few bits."""

from typing import Any, ClassVar

from tahr import dtype_policies
from tahr.layers.adaptable import Adaptable
from tahr.layers.arguments import who

__all__ = ["Quantizable"]


class Quantizable(Adaptable):
    """A layer whose weights `quantize` turns into whole numbers, or into 8-bit floats."""

    quantization_modes: ClassVar[tuple[str, ...]] = ()
    quantization_config: Any = None

    def _quantized_layouts(self) -> dict[str, Any]:
        """Return how each weight that is quantized is laid out, by the attribute that holds it."""
        raise NotImplementedError

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        """Keep the weight in few bits from now on; a compiled model goes on with it, and trains the rest.

        Args:
            mode: `"int8"`, `"int4"`, or for products of 8-bit floats while training `"float8"`.
            type_check: whether classes derived from the layer's are refused, since they may compute something else.
            config: a `QuantizationConfig` that says more than a mode.

        Raises:
            ValueError: if the mode is unknown, or the layer not built, or quantized already.
            NotImplementedError: if the layer cannot be quantized so.
        """
        from tahr.adapt.quantize import quantize

        quantize(self, mode, type_check, config)

    def quantized_build(self, kernel_shape: Any, mode: str, config: Any = None) -> None:
        """Make the variables of a quantized weight of a shape, all zero; files of quantized layers fill them.

        Raises:
            ValueError: if the weight has another shape, or `mode` is unknown.
        """
        from tahr.adapt.quantize import make_parts

        weight = getattr(self, self.adapted)
        if weight is None:
            raise ValueError(f"{who(self)}: is not built. Call it on data, or `build(input_shape)`, before.")
        if tuple(kernel_shape) != tuple(weight.shape):
            raise ValueError(f"{who(self)}: the weight has shape {weight.shape}; received {tuple(kernel_shape)}.")
        make_parts(self, mode, config)

    @property
    def variable_serialization_spec(self) -> dict[str | None, list[str]]:
        """The names of what files hold of the layer, in order, for each way to quantize; None is as it was built."""
        from tahr.adapt.quantize import names_stored

        return {mode: names_stored(self, mode) for mode in (None, *self.quantization_modes)}

    def _adapt_as_told(self) -> None:
        if self.quantization_mode is not None:
            policy, self.dtype_policy = (
                self.dtype_policy,
                dtype_policies.get(self.dtype_policy.get_config()["source_name"]),
            )
            try:
                self.quantize(policy._mode, type_check=False, config=self.quantization_config)
            finally:
                self.dtype_policy = policy
        super()._adapt_as_told()

    def _stored_variables(self) -> list[Any]:
        if self.quantization_mode is None:
            return super()._stored_variables()
        from tahr.adapt.quantize import stored

        return stored(self)
