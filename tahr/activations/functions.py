"""Activations that are no operation of the same form."""

from typing import Any

from tahr import ops
from tahr.ops import activation


def linear(x: Any) -> Any:
    """Return `x`.

    >>> activations.linear(3.0)
    3.0
    """
    return x


def exponential(x: Any) -> Any:
    """Return e to the power of `x`.

    >>> activations.exponential([0.0])
    [1.0]
    """
    return ops.exp(x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """Return `x * P(X <= x)` for a standard normal X, by a tanh formula if `approximate`.

    >>> activations.gelu([1.0])
    [0.8413447]
    """
    return activation.gelu(x, approximate)


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """Return `x` above `threshold`, `negative_slope * (x - threshold)` up to it, and at most `max_value`.

    >>> activations.relu([-1.0, 3.0, 9.0], negative_slope=0.1, max_value=6.0)
    [-0.1, 3.0, 6.0]
    """
    if negative_slope == 0 and threshold == 0:
        if max_value is None:
            return activation.relu(x)
        return activation.relu6(x) if max_value == 6 else ops.clip(x, 0, max_value)
    x = ops.convert_to_tensor(x)
    above = x if max_value is None else ops.minimum(x, max_value)
    below = (
        ops.multiply(negative_slope, ops.subtract(x, threshold)) if negative_slope else 0
    )  # 0 * infinity would be NaN
    return ops.where(x > threshold, above, below)
