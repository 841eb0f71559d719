"""Policies for the layers of a model by their paths."""

import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from tahr.dtype_policies.policy import DTypePolicy, dtype_policy

__all__ = ["DTypePolicyMap"]


class DTypePolicyMap(DTypePolicy, MutableMapping):  # type: ignore[type-arg]
    """A mapping from layers' paths, or regular expressions for them, to policies.

    Args:
        default_policy: policy of layers that no key matches; None takes the global one.
        policy_map: the mapping.

    Raises:
        ValueError: if several regular expressions match a path.

    >>> policies = keras.dtype_policies.DTypePolicyMap()
    >>> policies["encoder/.*"] = keras.DTypePolicy("float16")
    >>> policies["encoder/dense"].name, policies["head"].name
    ('float16', 'float32')
    """

    def __init__(self, default_policy: Any = None, policy_map: Mapping[str, Any] | None = None):
        if policy_map is not None and not isinstance(policy_map, Mapping):
            raise TypeError(f"DTypePolicyMap: expected policy_map to be a dict; received {policy_map!r}.")
        from tahr.dtype_policies import get

        self._given_default = None if default_policy is None else get(default_policy)
        self._map: dict[str, DTypePolicy] = {}
        for key, policy in (policy_map or {}).items():
            self[key] = policy

    @property
    def default_policy(self) -> DTypePolicy:
        return dtype_policy() if self._given_default is None else self._given_default

    @property
    def name(self) -> str:
        return f"map_{self.default_policy.name}"

    @property
    def compute_dtype(self) -> str:
        return self.default_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        return self.default_policy.variable_dtype

    @property
    def quantization_mode(self) -> str | None:
        return self.default_policy.quantization_mode

    def __getitem__(self, key: str) -> DTypePolicy:
        if key in self._map:
            return self._map[key]
        found = [pattern for pattern in self._map if re.fullmatch(pattern, key)]
        if len(found) > 1:
            raise ValueError(f"DTypePolicyMap: the path {key!r} matches several keys: {', '.join(found)}.")
        return self._map[found[0]] if found else self.default_policy

    def __setitem__(self, key: str, policy: Any) -> None:
        from tahr.dtype_policies import get

        if key in self._map:
            raise ValueError(
                f"DTypePolicyMap: the key {key!r} is there already, for {self._map[key]}; delete it first."
            )
        self._map[key] = get(policy)

    def __delitem__(self, key: str) -> None:
        del self._map[key]

    def __contains__(self, key: object) -> bool:
        return key in self._map

    def __len__(self) -> int:
        return len(self._map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def __hash__(self) -> int:
        return id(self)

    def get_config(self) -> dict[str, Any]:
        from tahr.saving.serialization import serialize_keras_object

        return {
            "default_policy": serialize_keras_object(self._given_default),
            "policy_map": serialize_keras_object(self._map),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Return a new map made from what `get_config` gave."""
        from tahr.saving.serialization import deserialize_keras_object

        return cls(**deserialize_keras_object(dict(config), custom_objects))

    def __repr__(self) -> str:
        inside = {key: policy.name for key, policy in self._map.items()}
        return f"<DTypePolicyMap default_policy={self.default_policy.name}, mapping={inside}>"
