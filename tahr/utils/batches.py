"""The parts of a batch: inputs, targets, weights."""

from typing import Any

__all__ = ["pack_x_y_sample_weight", "unpack_x_y_sample_weight"]


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Return what `unpack_x_y_sample_weight` takes apart: `x` alone, `(x, y)`, or `(x, y, sample_weight)`.

    `x` alone stays `(x,)` if it is a list or tuple, which would be taken for parts otherwise.

    >>> keras.utils.pack_x_y_sample_weight(1, 2)
    (1, 2)
    """
    if y is None and sample_weight is None:
        return (x,) if isinstance(x, (list, tuple)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Return `(x, y, sample_weight)` of a batch, None for what it has not.

    Raises:
        ValueError: if `data` is a list or tuple of more than three parts.

    >>> keras.utils.unpack_x_y_sample_weight((1, 2))
    (1, 2, None)
    """
    from tahr.trainer.step import unpack

    return unpack(data)
