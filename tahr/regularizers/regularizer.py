"""Regularizers: functions of an array that give a scalar penalty."""

import math
from typing import Any

from tahr import ops
from tahr.recording import Recorded

__all__ = ["L1", "L1L2", "L2", "OrthogonalRegularizer", "Regularizer"]


class Regularizer(Recorded):
    """Base of regularizers; a subclass defines `__call__(self, x)`, which returns a scalar.

    >>> class Mean(keras.Regularizer):
    ...     def __call__(self, x):
    ...         return ops.mean(ops.absolute(x))
    >>> Mean()(ops.array([1.0, -3.0]))
    2.0
    """

    def __call__(self, x: Any) -> Any:
        """Return the penalty for `x`."""
        raise NotImplementedError(f"{type(self).__name__} defines no `__call__(self, x)`.")


def _factor(value: Any, name: str, default: float) -> float:
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise ValueError(f"Regularizer: expected {name} to be a finite number >= 0; received {value!r}.")
    return value


class L1L2(Regularizer):
    """Gives `l1 * sum(|x|) + l2 * sum(x**2)`.

    Raises:
        ValueError: if a factor is negative or not finite.

    >>> regularizers.L1L2(l1=1.0, l2=2.0)(ops.array([1.0, -2.0]))
    13.0
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1, self.l2 = _factor(l1, "l1", 0.0), _factor(l2, "l2", 0.0)

    def __call__(self, x: Any) -> Any:
        penalty: Any = 0.0
        if self.l1:
            penalty = self.l1 * ops.sum(ops.absolute(x))
        if self.l2:
            penalty = penalty + self.l2 * ops.sum(ops.square(x))
        return ops.convert_to_tensor(penalty)


class L1(Regularizer):
    """Gives `l1 * sum(|x|)`.

    Raises:
        ValueError: if the factor is negative or not finite.

    >>> regularizers.L1(0.5)(ops.array([1.0, -2.0]))
    1.5
    """

    def __init__(self, l1: float = 0.01):
        self.l1 = _factor(l1, "l1", 0.01)

    def __call__(self, x: Any) -> Any:
        return self.l1 * ops.sum(ops.absolute(x))


class L2(Regularizer):
    """Gives `l2 * sum(x**2)`.

    Raises:
        ValueError: if the factor is negative or not finite.

    >>> regularizers.L2(0.5)(ops.array([1.0, -2.0]))
    2.5
    """

    def __init__(self, l2: float = 0.01):
        self.l2 = _factor(l2, "l2", 0.01)

    def __call__(self, x: Any) -> Any:
        return self.l2 * ops.sum(ops.square(x))


class OrthogonalRegularizer(Regularizer):
    """Gives `factor` times the mean of |cosine| over all pairs of different rows (or columns) of a matrix.

    Args:
        factor: weight of the penalty.
        mode: `"rows"` or `"columns"`.

    Raises:
        ValueError: if `mode` is something else, or when called with anything but a matrix.

    >>> regularizers.OrthogonalRegularizer(1.0)(ops.array([[1.0, 0.0], [1.0, 1.0]]))
    0.70710677
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows"):
        if mode not in ("rows", "columns"):
            raise ValueError(f"OrthogonalRegularizer: expected mode to be 'rows' or 'columns'; received {mode!r}.")
        self.factor, self.mode = _factor(factor, "factor", 0.01), mode

    def __call__(self, x: Any) -> Any:
        if len(x.shape) != 2:
            raise ValueError(f"OrthogonalRegularizer: expected a matrix; received an array of shape {tuple(x.shape)}.")
        unit = ops.normalize(x, axis=1 if self.mode == "rows" else 0)
        other = ops.transpose(unit)
        cosines = ops.matmul(unit, other) if self.mode == "rows" else ops.matmul(other, unit)
        size = cosines.shape[0]
        between = cosines * (1.0 - ops.eye(size, dtype=cosines.dtype))
        pairs = size * (size - 1) / 2
        return self.factor * 0.5 * ops.sum(ops.absolute(between)) / max(pairs, 1)
