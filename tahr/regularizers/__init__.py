"""Penalties on weights and outputs, added to the loss."""

from collections.abc import Mapping
from typing import Any

from tahr.regularizers.regularizer import L1, L1L2, L2, OrthogonalRegularizer, Regularizer
from tahr.saving import serialization

l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]

_NAMES = {
    "L1": L1,
    "L1L2": L1L2,
    "L2": L2,
    "OrthogonalRegularizer": OrthogonalRegularizer,
    "l1": L1,
    "l1_l2": L1L2,
    "l1l2": L1L2,
    "l2": L2,
    "orthogonal_regularizer": OrthogonalRegularizer,
}


def get(identifier: Any) -> Any:
    """Return the regularizer that a name, class, function, object or written form stands for; None stays None.

    Raises:
        ValueError: if it stands for none.

    >>> regularizers.get("l2").l2
    0.01
    """
    return None if identifier is None else deserialize(identifier)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the regularizer that `serialize` wrote.

    >>> regularizers.deserialize(regularizers.serialize(regularizers.L1(0.5))).l1
    0.5
    """
    return serialization.find(config, "a regularizer", _NAMES, custom_objects)


def serialize(regularizer: Any) -> Any:
    """Return a regularizer as data.

    >>> regularizers.serialize(regularizers.L1(0.5))["config"]
    {'l1': 0.5}
    """
    return serialization.serialize_keras_object(regularizer)


def __getattr__(name: str) -> Any:
    from tahr.compat.names import old_name

    return old_name("regularizers", name)
