"""Models and objects to files and back; what is read is data, never code."""

import importlib
from typing import Any

_PLACES = {
    "editor": ("KerasFileEditor",),
    "errors": ("MissingFileError", "UnreadableFileError", "UnsafeFileError"),
    "model_file": ("load_model", "model_from_json", "model_to_json", "save_model"),
    "registry": (
        "CustomObjectScope",
        "custom_object_scope",
        "get_custom_objects",
        "get_registered_name",
        "get_registered_object",
        "register_keras_serializable",
    ),
    "report": ("LoadReport",),
    "safetensors": ("load_safetensors", "read_safetensors", "save_safetensors"),
    "serialization": ("deserialize_keras_object", "serialize_keras_object"),
    "weights": ("load_weights", "save_weights"),
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"tahr.saving has no {name!r}; it has {', '.join(sorted(_MODULES))}.")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_MODULES)
