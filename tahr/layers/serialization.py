"""Layers as data and back."""

from typing import Any

__all__ = ["deserialize", "serialize"]


def serialize(layer: Any) -> dict[str, Any]:
    """Return a layer as a dict of its class and config, ready for JSON.

    >>> layers.serialize(layers.Flatten())["class_name"]
    'Flatten'
    """
    from tahr.saving import serialize_keras_object

    return serialize_keras_object(layer)


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the layer that `serialize` wrote.

    Args:
        config: the dict.
        custom_objects: classes and functions of your own, by name.

    Raises:
        ValueError: if it is not the dict of a layer.

    >>> layers.deserialize(layers.serialize(layers.Dense(3))).units
    3
    """
    from tahr.layers.layer import Layer
    from tahr.saving import deserialize_keras_object

    found = deserialize_keras_object(config, custom_objects=custom_objects)
    if not isinstance(found, Layer):
        raise ValueError(f"layers.deserialize: expected the config of a layer; received that of {found!r:.80}.")
    return found
