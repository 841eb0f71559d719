"""What weights are made to be after each update."""

from collections.abc import Mapping
from typing import Any

from tahr.constraints.constraint import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from tahr.saving import serialization

max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]

_NAMES = {
    "MaxNorm": MaxNorm,
    "MinMaxNorm": MinMaxNorm,
    "NonNeg": NonNeg,
    "UnitNorm": UnitNorm,
    "max_norm": MaxNorm,
    "min_max_norm": MinMaxNorm,
    "non_neg": NonNeg,
    "unit_norm": UnitNorm,
}


def get(identifier: Any) -> Any:
    """Return the constraint that a name, class, function, object or written form stands for; None stays None.

    Raises:
        ValueError: if it stands for none.

    >>> constraints.get("non_neg")([-1.0, 2.0])
    [0.0, 2.0]
    """
    return None if identifier is None else deserialize(identifier)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the constraint that `serialize` wrote.

    >>> constraints.deserialize(constraints.serialize(constraints.MaxNorm(3))).max_value
    3
    """
    return serialization.find(config, "a constraint", _NAMES, custom_objects)


def serialize(constraint: Any) -> Any:
    """Return a constraint as data.

    >>> constraints.serialize(constraints.MaxNorm(3))["config"]
    {'max_value': 3, 'axis': 0}
    """
    return serialization.serialize_keras_object(constraint)


def __getattr__(name: str) -> Any:
    from tahr.compat.names import old_name

    return old_name("constraints", name)
