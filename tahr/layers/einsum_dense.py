"""`EinsumDense`: a product of inputs and a kernel given by an einsum equation."""

from typing import Any

from tahr import activations, ops
from tahr.layers.adaptable import einsum
from tahr.layers.arguments import keep, weight, who
from tahr.layers.quantizable import Quantizable
from tahr.symbolic import KerasTensor

__all__ = ["EinsumDense"]


class EinsumDense(Quantizable):
    """Return `activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: einsum equation of two operands, such as `"abc,cd->abd"`; the inputs and the result may begin or end
            with an ellipsis.
        output_shape: sizes of the result after the batch (where it begins with an ellipsis, of its last axes); None
            takes the size from the inputs.
        activation: name or function; None is the identity.
        bias_axes: letters of the result's axes that the bias has, or None for no bias.
        kernel_initializer: start of the kernel.
        bias_initializer: start of the bias.
        kernel_regularizer: function of the kernel that is added to the loss.
        bias_regularizer: function of the bias that is added to the loss.
        kernel_constraint: function applied to the kernel after every update.
        bias_constraint: function applied to the bias after every update.
        lora_rank: rank of a trainable low-rank addition to a frozen kernel, or None.
        lora_alpha: scale of that addition, `lora_alpha / lora_rank`.
        gptq_unpacked_column_size: kept for files of quantized layers.
        quantization_config: how the kernel is quantized, or None.

    Raises:
        ValueError: if the equation cannot be read or does not fit the inputs.

    >>> keras.layers.EinsumDense("abc,cd->abd", output_shape=(None, 6), bias_axes="d")(ops.zeros((2, 3, 4))).shape
    (2, 3, 6)
    """

    unrecorded = frozenset({"gptq_unpacked_column_size"})
    _always_written = frozenset({"activity_regularizer"})
    quantization_modes = ("int8", "int4", "float8")
    kernel: Any = None
    bias: Any = None

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        gptq_unpacked_column_size: int | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.equation, self.bias_axes = equation, bias_axes
        self.output_shape = tuple(output_shape) if isinstance(output_shape, (list, tuple)) else (output_shape,)
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

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias from the sizes that the equation's letters stand for."""
        given, kernel, result = _parts(self)
        sizes = _letters(result, (input_shape[0], *self.output_shape), input_shape)
        sizes = {k: v for k, v in sizes.items() if v is not None}
        for letter, size in _letters(given, tuple(input_shape), input_shape).items():
            if letter in sizes and size is not None and letter in kernel and sizes[letter] != size:
                raise ValueError(
                    f"{who(self)}: in {self.equation!r} the axis {letter!r} has size {size} in inputs of shape "
                    f"{tuple(input_shape)} and {sizes[letter]} in output_shape={self.output_shape}."
                )
            sizes.setdefault(letter, size)
        unknown = [a for a in kernel if sizes.get(a) is None]
        if unknown:
            raise ValueError(
                f"{who(self)}: the sizes of the axes {unknown} of the kernel in {self.equation!r} are unknown; "
                f"received inputs of shape {tuple(input_shape)} and output_shape={self.output_shape}."
            )
        self.kernel = weight(self, "kernel", [sizes[a] for a in kernel])
        self.bias = None
        if self.bias_axes:
            if missing := set(self.bias_axes) - set(result):
                raise ValueError(
                    f"{who(self)}: bias_axes {sorted(missing)} are no axes of the result in {self.equation!r}."
                )
            from_first = result[min(result.index(a) for a in self.bias_axes) :]
            after = len(self.output_shape) + 1 - len(result) if "..." in from_first else 0
            shape = [sizes[a] if a in self.bias_axes else 1 for a in from_first.replace("...", "")]
            self.bias = weight(self, "bias", [*shape, *(1,) * max(after, 0)])
        self._adapt_as_told()

    def _quantized_layouts(self) -> dict[str, Any]:
        from tahr.adapt.quantized import Layout

        _, kernel, result = _parts(self)
        if result.endswith("...") or ("..." in result and not result.startswith("...")):
            raise NotImplementedError(
                f"{who(self)}: quantization needs a result whose ellipsis comes first; received {self.equation!r}."
            )
        summed = tuple(i for i, a in enumerate(kernel) if a not in result)
        letters = result.removeprefix("...")
        axes = tuple(kernel.index(a) if a in kernel else None for a in letters)
        return {"kernel": Layout(self.kernel.shape, summed, axes)}

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Compute the outputs."""
        x = einsum(self.equation, inputs, self.kernel)
        if self.bias is not None:
            x = ops.add(x, self.bias)
        return self.activation(x)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Return a symbol for the outputs; sizes given as None in `output_shape` stay unknown, as Keras has them."""
        found = super().compute_output_spec(*args, **kwargs)
        if "..." in self.equation:
            return found
        told = (
            found.shape[0],
            *(None if n is None else m for n, m in zip(self.output_shape, found.shape[1:], strict=True)),
        )
        return KerasTensor(told, found.dtype, record_history=False)


def _parts(layer: EinsumDense) -> tuple[str, str, str]:
    left, arrow, result = layer.equation.replace(" ", "").partition("->")
    given, comma, kernel = left.partition(",")
    letters = "".join((given, kernel, result)).replace("...", "")
    if not (arrow and comma and kernel and letters.isalpha()) or "." in kernel:
        raise ValueError(
            f"{who(layer)}: expected an equation of two operands such as 'abc,cd->abd'; received {layer.equation!r}."
        )
    return given, kernel, result


def _letters(spec: str, shape: tuple[Any, ...], input_shape: Any) -> dict[str, Any]:
    """Return the size for each letter of one part of the equation; an ellipsis stands for the axes between."""
    before, _, after = spec.partition("...")
    if "..." not in spec and len(shape) != len(spec):
        raise ValueError(
            f"EinsumDense: {spec!r} in the equation needs {len(spec)} axes; received the shape {shape} for inputs of "
            f"shape {tuple(input_shape)}."
        )
    found = dict(zip(before, shape, strict=False))
    return found | dict(zip(after[::-1], shape[::-1], strict=False))
