"""Models: stacks, graphs and subclasses of layers."""

import importlib
from typing import Any

_FAMILIES = {
    "cloning": ("clone_model",),
    "function": ("Function",),
    "functional": ("Functional",),
    "model": ("Model",),
    "sequential": ("Sequential",),
}
_ELSEWHERE = {"load_model": "tahr.saving", "save_model": "tahr.saving", "model_from_json": "tahr.saving"}
_FILES = {name: f"tahr.models.{family}" for family, names in _FAMILIES.items() for name in names} | _ELSEWHERE

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        from tahr.compat.names import old_name

        return old_name("models", name)
    return getattr(importlib.import_module(_FILES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_FILES})
