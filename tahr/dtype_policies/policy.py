"""The types that a layer computes in and keeps its weights in."""

from typing import Any

from tahr import backends, config, dtypes
from tahr.symbolic import KerasTensor

__all__ = ["DTypePolicy", "FloatDTypePolicy", "dtype_policy", "set_dtype_policy"]

_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


class DTypePolicy:
    """A data type, or `mixed_float16` / `mixed_bfloat16`: computations in 16 bits, weights in float32.

    Args:
        name: name of the policy; None takes `floatx`.

    Raises:
        TypeError: if `name` is no string.
        ValueError: if it is no data type and no mixed policy.

    >>> keras.DTypePolicy("mixed_bfloat16").compute_dtype
    'bfloat16'
    """

    def __init__(self, name: str | None = None):
        name = config.floatx() if name is None else name
        if not isinstance(name, str):
            raise TypeError(f"DTypePolicy: expected a name such as 'mixed_float16'; received {name!r}.")
        self._name = name
        self._compute_dtype, self._variable_dtype = _parse(name)

    @property
    def name(self) -> str:
        return self._name

    @property
    def compute_dtype(self) -> str:
        return self._compute_dtype

    @property
    def variable_dtype(self) -> str:
        return self._variable_dtype

    @property
    def quantization_mode(self) -> str | None:
        return None

    def convert_input(self, x: Any, autocast: bool, dtype: Any) -> Any:
        """Return `x` as an array; a floating-point one as `dtype` if `autocast`."""
        wanted = dtypes.standardize_dtype(dtype)
        if not isinstance(x, KerasTensor) and not backends.current().is_tensor(x):
            if not hasattr(x, "__array__") and not isinstance(x, (int, float, list, tuple)):
                return x
            x = backends.current().tensor(x)
        if not autocast or not dtypes.is_float(dtypes.of(x)) or dtypes.of(x) == wanted:
            return x
        from tahr.ops.core import cast

        return cast(x, wanted)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return the policy that `get_config` described."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.get_config() == other.get_config()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self._name))

    def __repr__(self) -> str:
        return f'<{type(self).__name__} "{self._name}">'


def _parse(name: str) -> tuple[str, str]:
    """Return the types for computing and for weights that a policy's name means."""
    if name in _MIXED:
        return _MIXED[name], "float32"
    try:
        found = dtypes.standardize_dtype(name)
    except ValueError:
        raise ValueError(
            "DTypePolicy: expected 'mixed_float16', 'mixed_bfloat16' or a data type such as 'float32'; "
            f"received {name!r}."
        ) from None
    return found, found


class FloatDTypePolicy(DTypePolicy):
    """A `DTypePolicy` under the name that older files use.

    >>> keras.FloatDTypePolicy("float16").variable_dtype
    'float16'
    """


_global: DTypePolicy | None = None


def dtype_policy() -> DTypePolicy:
    """Return the policy of layers that are given none.

    >>> config.dtype_policy()
    <DTypePolicy "float32">
    """
    return DTypePolicy(config.floatx()) if _global is None else _global


def set_dtype_policy(policy: Any) -> None:
    """Set the policy of layers that are given none: a policy, its name, or None for `floatx`.

    Raises:
        ValueError: if `policy` stands for no policy.

    >>> config.set_dtype_policy("float32")
    """
    global _global
    from tahr.dtype_policies import get

    _global = None if policy is None else get(policy)
