"""How weights are to be quantized, as objects with a config."""

from typing import Any

from tahr.quantizers.quantizer import AbsMaxQuantizer, Quantizer
from tahr.recording import Recorded

__all__ = [
    "AWQConfig",
    "Float8QuantizationConfig",
    "GPTQConfig",
    "Int4QuantizationConfig",
    "Int8QuantizationConfig",
    "QuantizationConfig",
]


class QuantizationConfig(Recorded):
    """Base class of what `layer.quantize(config=...)` takes.

    Args:
        weight_quantizer: what quantizes weights; None takes the usual one of the mode.
        activation_quantizer: what quantizes the inputs of products; None leaves them as they are.

    >>> quantizers.Int8QuantizationConfig().mode
    'int8'
    """

    _mode = ""

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = None):
        self.weight_quantizer = _quantizer(weight_quantizer, "weight_quantizer")
        self.activation_quantizer = _quantizer(activation_quantizer, "activation_quantizer")

    @property
    def mode(self) -> str:
        """The name of the way to quantize, such as `"int8"`."""
        if not self._mode:
            raise NotImplementedError(
                f"{type(self).__name__} names no mode; use Int8QuantizationConfig or another one."
            )
        return self._mode

    @staticmethod
    def weight_quantizer_or_default(config: Any, default: Any) -> Any:
        """Return what quantizes weights as `config` says, or `default` where it says nothing."""
        found = None if config is None else config.weight_quantizer
        return default if found is None else found

    @staticmethod
    def activation_quantizer_or_default(config: Any, default: Any) -> Any:
        """Return what quantizes the inputs of products as `config` says (perhaps None), or `default` without one."""
        return default if config is None else config.activation_quantizer


def _quantizer(value: Any, name: str) -> Any:
    from tahr.quantizers import get

    found = get(value)
    if found is not None and not callable(found):
        raise TypeError(f"{name}: expected a quantizer such as AbsMaxQuantizer(axis=0), or None; received {value!r}.")
    return found


class Int8QuantizationConfig(QuantizationConfig):
    """Weights as numbers of 8 bits with a scale for each output.

    Args:
        weight_quantizer: what quantizes weights; None is `AbsMaxQuantizer` over what a product sums up.
        activation_quantizer: what quantizes the inputs of products; `"default"` is `AbsMaxQuantizer` for each example,
            None leaves them as they are.

    >>> layer = layers.Dense(2)
    >>> layer.build((None, 3))
    >>> layer.quantize(config=quantizers.Int8QuantizationConfig(activation_quantizer=None))
    >>> layer.kernel.numbers.dtype
    'int8'
    """

    _mode = "int8"

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = "default"):
        super().__init__(
            weight_quantizer, usual_activations() if activation_quantizer == "default" else activation_quantizer
        )


def usual_activations() -> Quantizer:
    """Return what quantizes the inputs of products unless something else is said."""
    return AbsMaxQuantizer()


class Int4QuantizationConfig(QuantizationConfig):
    """Weights as numbers of 4 bits, two in a byte, with a scale and a zero point for each output of each block.

    Args:
        weight_quantizer: what quantizes weights where there is one scale for each output; None is `AbsMaxQuantizer`.
        activation_quantizer: what quantizes the inputs of products; `"default"` and None leave them as they are.
        block_size: how many of the weights that a product sums up share a scale; None or -1 is all of them.

    Raises:
        ValueError: if `block_size` is none of these.

    >>> quantizers.Int4QuantizationConfig(block_size=64).block_size
    64
    """

    _mode = "int4"

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = "default", block_size: Any = 128):
        super().__init__(weight_quantizer, None if activation_quantizer == "default" else activation_quantizer)
        if block_size is not None and (
            isinstance(block_size, bool) or not isinstance(block_size, int) or block_size < -1 or not block_size
        ):
            raise ValueError(f"block_size: expected a positive whole number, -1 or None; received {block_size!r}.")
        self.block_size = block_size


class Float8QuantizationConfig(QuantizationConfig):
    """Products of 8-bit floats, also while training.

    >>> quantizers.Float8QuantizationConfig().mode
    'float8'
    """

    _mode = "float8"

    def __init__(self) -> None:
        super().__init__()


class _Calibrated(QuantizationConfig):
    """What the ways that look at example texts share."""

    group_size: Any = None
    weight_bits: int

    def _start(self, dataset: Any, tokenizer: Any, **numbers: Any) -> None:
        super().__init__()
        self.dataset, self.tokenizer = dataset, tokenizer
        for name, value in numbers.items():
            if value <= 0 and not (name == "group_size" and value == -1):
                raise ValueError(f"{type(self).__name__}: expected {name} to be positive; received {value!r}.")
            setattr(self, name, value)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments; examples and tokenizer are no part of it."""
        return {**super().get_config(), "dataset": None, "tokenizer": None}

    def dtype_policy_string(self) -> str:
        """Return the mode as the name of a dtype policy begins."""
        return f"{self.mode}/{self.weight_bits}/{self.group_size}"


class GPTQConfig(_Calibrated):
    """Settings of GPTQ: weights rounded one column after the other, each making up for the errors so far.

    Args:
        dataset: example texts, or arrays of ids.
        tokenizer: what makes ids of texts.
        weight_bits: bits of a weight: 2, 3, 4 or 8.
        num_samples: how many examples are looked at.
        per_channel: whether each output has a scale of its own.
        sequence_length: ids in an example.
        hessian_damping: what is added to the diagonal, as a fraction of its mean.
        group_size: how many weights share a scale; -1 is all of an output's.
        symmetric: whether the zero point is in the middle.
        activation_order: whether columns with large inputs come first.
        quantization_layer_structure: which layers belong to which block, or None.

    Source: Frantar et al., 2022, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers".

    >>> quantizers.GPTQConfig(["a text"], None, group_size=64).dtype_policy_string()
    'gptq/4/64'
    """

    _mode = "gptq"

    def __init__(
        self,
        dataset: Any,
        tokenizer: Any,
        *,
        weight_bits: int = 4,
        num_samples: int = 128,
        per_channel: bool = True,
        sequence_length: int = 512,
        hessian_damping: float = 0.01,
        group_size: int = 128,
        symmetric: bool = False,
        activation_order: bool = False,
        quantization_layer_structure: Any = None,
    ):
        if weight_bits not in (2, 3, 4, 8):
            raise ValueError(f"GPTQConfig: expected weight_bits of 2, 3, 4 or 8; received {weight_bits!r}.")
        if not 0 <= hessian_damping <= 1:
            raise ValueError(f"GPTQConfig: expected hessian_damping from 0 to 1; received {hessian_damping!r}.")
        self._start(dataset, tokenizer, num_samples=num_samples, sequence_length=sequence_length, group_size=group_size)
        self.weight_bits, self.per_channel, self.hessian_damping = weight_bits, per_channel, hessian_damping
        self.symmetric, self.activation_order = symmetric, activation_order
        self.quantization_layer_structure = quantization_layer_structure


class AWQConfig(_Calibrated):
    """Settings of AWQ: weights scaled before they are rounded, so that those of large inputs keep more digits.

    Args:
        dataset: example texts, or arrays of ids.
        tokenizer: what makes ids of texts.
        weight_bits: bits of a weight: 4.
        num_samples: how many examples are looked at.
        sequence_length: ids in an example.
        group_size: how many weights share a scale; -1 is all of an output's.
        num_grid_points: how many strengths of scaling are tried.
        quantization_layer_structure: which layers belong to which block, or None.

    Source: Lin et al., 2023, "AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration".

    >>> quantizers.AWQConfig(["a text"], None).dtype_policy_string()
    'awq/4/128'
    """

    _mode = "awq"

    def __init__(
        self,
        dataset: Any,
        tokenizer: Any,
        *,
        weight_bits: int = 4,
        num_samples: int = 128,
        sequence_length: int = 512,
        group_size: int = 128,
        num_grid_points: int = 20,
        quantization_layer_structure: Any = None,
    ):
        if weight_bits != 4:
            raise ValueError(f"AWQConfig: expected weight_bits=4; received {weight_bits!r}.")
        self._start(
            dataset,
            tokenizer,
            num_samples=num_samples,
            sequence_length=sequence_length,
            group_size=group_size,
            num_grid_points=num_grid_points,
        )
        self.weight_bits, self.quantization_layer_structure = weight_bits, quantization_layer_structure
