"""`keras.legacy.interfaces`: decorators that made Keras 2 understand Keras 1, which tahr does without them."""

from tahr.compat.optimizers import interface

__all__ = ["legacy_get_updates_support"]

legacy_get_updates_support = interface


def __getattr__(name: str) -> object:
    if not name.startswith("legacy_"):
        raise AttributeError(f"module 'keras.legacy.interfaces' has no attribute {name!r}")
    return interface
