"""Keras's older names for sequences in rows."""

import importlib
from typing import TYPE_CHECKING, Any

from tahr.utils.padding import pad_sequences

if TYPE_CHECKING:
    from tahr.compat.sequence import TimeseriesGenerator, make_sampling_table, skipgrams

__all__ = ["TimeseriesGenerator", "make_sampling_table", "pad_sequences", "skipgrams"]


def __getattr__(name: str) -> Any:
    found = importlib.import_module("tahr.compat.sequence")
    if name not in found.__all__:
        raise AttributeError(f"module 'tahr.preprocessing.sequence' has no attribute {name!r}")
    return getattr(found, name)
