"""Keras's older names for texts as numbers."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tahr.compat.text import Tokenizer, hashing_trick, one_hot, text_to_word_sequence, tokenizer_from_json

__all__ = ["Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tahr.preprocessing.text' has no attribute {name!r}")
    return getattr(importlib.import_module("tahr.compat.text"), name)
