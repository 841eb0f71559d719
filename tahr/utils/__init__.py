"""Helpers under Keras's names: files, labels, progress."""

import importlib
from typing import TYPE_CHECKING, Any

_NAMES = {
    "Progbar": "tahr.utils.progbar",
    "get_file": "tahr.utils.download",
    "normalize": "tahr.utils.numerical",
    "to_categorical": "tahr.utils.numerical",
}

if TYPE_CHECKING:
    from tahr.utils.download import get_file
    from tahr.utils.numerical import normalize, to_categorical
    from tahr.utils.progbar import Progbar

__all__ = list(_NAMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'tahr.utils' has no attribute {name!r}")
    found = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
