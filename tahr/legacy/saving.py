"""Objects as data in the form of Keras 2: the name of the class and its config, and for functions their name."""

from collections.abc import Mapping
from typing import Any

from tahr import saving

__all__ = ["deserialize_keras_object", "serialize_keras_object"]


def serialize_keras_object(instance: Any) -> Any:
    """Return an object as `{"class_name": ..., "config": ...}`, a function or class as its name.

    Raises:
        ValueError: if it has neither a config nor a name.

    >>> keras.legacy.saving.serialize_keras_object(keras.regularizers.L2(0.5))
    {'class_name': 'L2', 'config': {'l2': 0.5}}
    """
    if instance is None:
        return None
    if hasattr(instance, "get_config") and not isinstance(instance, type):
        name = saving.get_registered_name(type(instance))
        return {"class_name": name, "config": {key: _written(value) for key, value in instance.get_config().items()}}
    if hasattr(instance, "__name__"):
        return saving.get_registered_name(instance)
    raise ValueError(
        f"serialize_keras_object: expected something with a `get_config()` or a name; received {instance!r}."
    )


def _written(value: Any) -> Any:
    plain = isinstance(value, (str, type(None)))
    return value if plain or not (callable(value) or hasattr(value, "get_config")) else serialize_keras_object(value)


def deserialize_keras_object(
    identifier: Any,
    module_objects: Any = None,
    custom_objects: Any = None,
    printable_module_name: str = "object",
) -> Any:
    """Return the object that `serialize_keras_object` wrote; of a class given by its name, a new object.

    Args:
        identifier: None, a name, a dict with `class_name` and `config`, or a function, which is returned.
        module_objects: dict of classes and functions by name.
        custom_objects: more of them, which go first.
        printable_module_name: what is looked for, in words for the error.

    Raises:
        ValueError: if there is no such class or function.

    >>> keras.legacy.saving.deserialize_keras_object({"class_name": "L2", "config": {"l2": 0.5}}, {
    ...     "L2": keras.regularizers.L2
    ... }).l2
    0.5
    """
    if identifier is None or (callable(identifier) and not isinstance(identifier, type)):
        return identifier
    if isinstance(identifier, Mapping) and {"class_name", "config"} <= set(identifier):
        try:
            return saving.deserialize_keras_object(
                identifier, custom_objects, module_objects=dict(module_objects or {})
            )
        except TypeError as error:
            raise ValueError(f"Unknown {printable_module_name} {identifier['class_name']!r}: {error}") from error
    if not isinstance(identifier, str):
        raise ValueError(
            f"Expected {printable_module_name} as a name or a dict with 'class_name' and 'config'; received "
            f"{identifier!r}."
        )
    found = saving.get_registered_object(identifier, custom_objects, dict(module_objects or {}))
    if found is None:
        raise ValueError(
            f"Unknown {printable_module_name} {identifier!r}; known are {sorted(module_objects or {})}. Pass your own "
            "in custom_objects, or register it with `keras.saving.register_keras_serializable`."
        )
    return found() if isinstance(found, type) else found
