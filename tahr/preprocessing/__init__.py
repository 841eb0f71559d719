"""Keras's older names for what prepares data; most of it is in `tahr.utils`."""

import importlib
from typing import TYPE_CHECKING, Any

# name -> the module that has it, with `:` added if it is the module
_NAMES = {
    "image": "tahr.preprocessing.image:",
    "image_dataset_from_directory": "tahr.utils.image_dataset",
    "sequence": "tahr.preprocessing.sequence:",
    "text": "tahr.preprocessing.text:",
    "text_dataset_from_directory": "tahr.utils.text_dataset",
    "timeseries_dataset_from_array": "tahr.utils.timeseries",
}

if TYPE_CHECKING:
    from tahr.preprocessing import image, sequence, text
    from tahr.utils.image_dataset import image_dataset_from_directory
    from tahr.utils.text_dataset import text_dataset_from_directory
    from tahr.utils.timeseries import timeseries_dataset_from_array

__all__ = list(_NAMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'tahr.preprocessing' has no attribute {name!r}")
    module, colon, _ = _NAMES[name].partition(":")
    found = importlib.import_module(module)
    globals()[name] = found = found if colon else getattr(found, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
