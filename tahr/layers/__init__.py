"""The layers: one family a file. Names are resolved when first used."""

import importlib
from typing import Any

_FAMILIES = {
    "dense": ("Dense",),
    "input_layer": ("Input", "InputLayer"),
    "input_spec": ("InputSpec",),
    "layer": ("Layer",),
}
_FILES = {name: family for family, names in _FAMILIES.items() for name in names}

__all__ = sorted(_FILES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"tahr.layers has no {name!r}.")
    found = getattr(importlib.import_module(f"tahr.layers.{_FILES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
