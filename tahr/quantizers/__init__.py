"""How arrays become small whole numbers, and 8-bit floats, with a scale."""

from collections.abc import Mapping
from typing import Any

from tahr.quantizers.config import (
    AWQConfig,
    Float8QuantizationConfig,
    GPTQConfig,
    Int4QuantizationConfig,
    Int8QuantizationConfig,
    QuantizationConfig,
)
from tahr.quantizers.float8 import compute_float8_amax_history, compute_float8_scale, quantize_and_dequantize
from tahr.quantizers.packing import pack_int4, unpack_int4
from tahr.quantizers.quantizer import AbsMaxQuantizer, Quantizer
from tahr.quantizers.whole import (
    abs_max_quantize,
    abs_max_quantize_grouped_with_zero_point,
    fake_quant_with_min_max_vars,
)
from tahr.saving import serialization

__all__ = [
    "AWQConfig",
    "AbsMaxQuantizer",
    "Float8QuantizationConfig",
    "GPTQConfig",
    "Int4QuantizationConfig",
    "Int8QuantizationConfig",
    "QuantizationConfig",
    "Quantizer",
    "abs_max_quantize",
    "abs_max_quantize_grouped_with_zero_point",
    "compute_float8_amax_history",
    "compute_float8_scale",
    "deserialize",
    "fake_quant_with_min_max_vars",
    "get",
    "pack_int4",
    "quantize_and_dequantize",
    "serialize",
    "unpack_int4",
]

_NAMES = {"AbsMaxQuantizer": AbsMaxQuantizer, "abs_max_quantizer": AbsMaxQuantizer, "Quantizer": Quantizer}


def get(identifier: Any, **kwargs: Any) -> Any:
    """Return the quantizer that a name, class, object or written form stands for; None stays None.

    A class, also by its name, is made into an object with `kwargs`.

    Raises:
        ValueError: if it stands for none.

    >>> quantizers.get("abs_max_quantizer", axis=0).axis
    (0,)
    """
    if isinstance(identifier, str) and identifier in _NAMES:
        identifier = _NAMES[identifier]
    if isinstance(identifier, type):
        return identifier(**kwargs)
    return None if identifier is None else deserialize(identifier)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the quantizer that `serialize` wrote.

    >>> quantizers.deserialize(quantizers.serialize(quantizers.AbsMaxQuantizer(axis=1))).axis
    (1,)
    """
    return serialization.find(config, "a quantizer", _NAMES, custom_objects)


def serialize(initializer: Any) -> Any:
    """Return a quantizer (the parameter has the name that Keras gave it) as data.

    >>> quantizers.serialize(quantizers.AbsMaxQuantizer(axis=1))["class_name"]
    'AbsMaxQuantizer'
    """
    return serialization.serialize_keras_object(initializer)
