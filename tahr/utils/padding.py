"""Sequences of different lengths as one array."""

from typing import Any

import numpy as np

__all__ = ["pad_sequences"]


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Return sequences as rows of one array, filled up or cut to one length.

    Args:
        sequences: list of sequences: of numbers, or of arrays of one shape.
        maxlen: length of the rows; None takes that of the longest sequence.
        dtype: type of the result; `object` for strings of any length.
        padding: `"pre"` fills up before a sequence, `"post"` after it.
        truncating: `"pre"` cuts off the beginning of what is too long, `"post"` the end.
        value: what rows are filled up with.

    Returns:
        NumPy array of shape (number of sequences, maxlen, ...).

    Raises:
        ValueError: if `sequences` are none, their elements differ in shape, or an argument is none of these.

    >>> keras.utils.pad_sequences([[1, 2, 3], [4]], maxlen=2).tolist()
    [[2, 3], [0, 4]]
    """
    for name, given in (("padding", padding), ("truncating", truncating)):
        if given not in ("pre", "post"):
            raise ValueError(f"pad_sequences: expected {name} to be 'pre' or 'post'; received {given!r}.")
    lengths = _lengths(sequences)
    wanted = max(lengths, default=0) if maxlen is None else int(maxlen)
    if isinstance(value, str) and np.dtype(dtype).kind not in "OSU":
        raise ValueError(
            f"pad_sequences: value {value!r} is a text, and dtype is {np.dtype(dtype).name}. Pass dtype=object for "
            "sequences of texts."
        )
    inner = next((np.shape(s)[1:] for s, length in zip(sequences, lengths, strict=True) if length), ())
    rows = np.full((len(lengths), wanted, *inner), value, dtype=dtype)
    for i, (sequence, length) in enumerate(zip(sequences, lengths, strict=True)):
        kept = min(length, wanted)
        if not kept:
            continue
        part = np.asarray(sequence[length - kept :] if truncating == "pre" else sequence[:kept], dtype=dtype)
        if part.shape[1:] != inner:
            raise ValueError(
                f"pad_sequences: expected elements of shape {inner}, as in the first sequence; received "
                f"{part.shape[1:]} in sequence {i}."
            )
        rows[i, slice(wanted - kept, None) if padding == "pre" else slice(kept)] = part
    return rows


def _lengths(sequences: Any) -> list[int]:
    if not hasattr(sequences, "__len__") or isinstance(sequences, (str, bytes)):
        raise ValueError(f"pad_sequences: expected a list of sequences; received {type(sequences).__name__}.")
    for i, sequence in enumerate(sequences):
        if not hasattr(sequence, "__len__"):
            raise ValueError(
                f"pad_sequences: expected a list of sequences; received {sequence!r:.60} at place {i}. Put a single "
                "sequence into a list."
            )
    return [len(sequence) for sequence in sequences]
