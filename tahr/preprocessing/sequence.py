"""Keras's older name for sequences in rows."""

from tahr.utils.padding import pad_sequences

__all__ = ["pad_sequences"]
