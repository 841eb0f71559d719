"""Which types layers compute in and keep their weights in."""

from collections.abc import Mapping
from typing import Any

from tahr.dtype_policies.policy import DTypePolicy, FloatDTypePolicy, dtype_policy
from tahr.dtype_policies.policy_map import DTypePolicyMap
from tahr.dtype_policies.quantized import (
    AWQDTypePolicy,
    GPTQDTypePolicy,
    Int4DTypePolicy,
    QuantizedDTypePolicy,
    QuantizedFloat8DTypePolicy,
    named,
)
from tahr.saving import serialization

__all__ = [
    "AWQDTypePolicy",
    "DTypePolicy",
    "DTypePolicyMap",
    "FloatDTypePolicy",
    "GPTQDTypePolicy",
    "Int4DTypePolicy",
    "QuantizedDTypePolicy",
    "QuantizedFloat8DTypePolicy",
    "deserialize",
    "get",
    "serialize",
]

_NAMES = {name: globals()[name] for name in __all__ if name not in ("deserialize", "get", "serialize")}


def get(identifier: Any) -> DTypePolicy:
    """Return the policy that a name, data type, policy or written form stands for; None gives the global policy.

    Raises:
        ValueError: if it stands for none.

    >>> keras.dtype_policies.get("mixed_float16").variable_dtype
    'float32'
    """
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return named(identifier)
    from tahr.dtypes import standardize_dtype

    return DTypePolicy(standardize_dtype(identifier))


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the policy that `serialize` wrote.

    >>> keras.dtype_policies.deserialize(keras.dtype_policies.serialize(keras.DTypePolicy("float16"))).name
    'float16'
    """
    found = serialization.deserialize_keras_object(config, custom_objects, module_objects=_NAMES)
    if not isinstance(found, DTypePolicy):
        raise ValueError(f"Expected a dtype policy as `serialize` writes it; received {config!r}.")
    return found


def serialize(dtype_policy: DTypePolicy) -> Any:
    """Return a policy as data.

    >>> keras.dtype_policies.serialize(keras.DTypePolicy("float16"))["config"]
    {'name': 'float16'}
    """
    return serialization.serialize_keras_object(dtype_policy)
