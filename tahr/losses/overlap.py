"""Losses of overlapping regions, for segmentation."""

from typing import Any

from tahr import config, ops
from tahr.losses.loss import FunctionLoss, pair

__all__ = ["Dice", "Tversky", "dice", "tversky"]


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Any:
    """Return 1 minus the Dice overlap 2 |A and B| / (|A| + |B|) over `axis` (None: everything together).

    Raises:
        ValueError: if the shapes differ.

    >>> losses.dice([[1.0, 1.0]], [[1.0, 0.0]])
    0.3333333
    """
    y_true, y_pred = pair(y_true, y_pred, "dice")
    both = 2.0 * ops.sum(y_true * y_pred, axis=axis)
    either = ops.sum(y_true, axis=axis) + ops.sum(y_pred, axis=axis)
    return 1.0 - ops.divide(both + config.epsilon(), either + config.epsilon())


def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Any:
    """Return 1 minus the Tversky overlap: both / (both + alpha missed + beta predicted in vain).

    Source: Salehi et al., "Tversky loss function for image segmentation using 3D fully convolutional
    deep networks", 2017.

    Args:
        y_true: targets between 0 and 1.
        y_pred: predictions between 0 and 1, of the same shape.
        alpha: weight of what is missed.
        beta: weight of what is predicted in vain.
        axis: axes summed over; None means everything together.

    Raises:
        ValueError: if the shapes differ.

    >>> losses.tversky([[1.0, 1.0]], [[1.0, 0.0]])
    0.3333333
    """
    y_true, y_pred = pair(y_true, y_pred, "tversky")
    both = ops.sum(y_true * y_pred, axis=axis)
    in_vain = ops.sum((1.0 - y_true) * y_pred, axis=axis)
    missed = ops.sum(y_true * (1.0 - y_pred), axis=axis)
    low = config.epsilon()
    return 1.0 - ops.divide(both + low, both + alpha * missed + beta * in_vain + low)


class Dice(FunctionLoss):
    """`dice`, reduced to one number.

    Args:
        reduction, name, dtype: see `Loss`.
        axis: see `dice`.

    >>> losses.Dice()([[1.0, 1.0]], [[1.0, 0.0]])
    0.3333333
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "dice",
        axis: Any = None,
        dtype: Any = None,
    ):
        super().__init__(dice, reduction, name, dtype, axis=axis)


class Tversky(FunctionLoss):
    """`tversky`, reduced to one number.

    Args:
        alpha, beta, axis: see `tversky`.
        reduction, name, dtype: see `Loss`.

    >>> losses.Tversky(alpha=1.0, beta=0.0)([[1.0, 1.0]], [[1.0, 0.0]])
    0.5
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "tversky",
        axis: Any = None,
        dtype: Any = None,
    ):
        super().__init__(tversky, reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)
