"""Constraints: functions that return the weight nearest to the given one that has a wanted property."""

from typing import Any

from tahr import config, ops
from tahr.recording import Recorded

__all__ = ["Constraint", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"]


class Constraint(Recorded):
    """Base of constraints; a subclass defines `__call__(self, w)`, which returns the new weight.

    >>> class Small(keras.constraints.Constraint):
    ...     def __call__(self, w):
    ...         return ops.clip(w, -1.0, 1.0)
    >>> Small()(ops.array([-3.0, 0.5]))
    [-1.0, 0.5]
    """

    def __call__(self, w: Any) -> Any:
        """Return the constrained weight."""
        raise NotImplementedError(f"{type(self).__name__} defines no `__call__(self, w)`.")


def _norms(w: Any, axis: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(w), axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=True))


class MaxNorm(Constraint):
    """Scales vectors along `axis` down to a norm of at most `max_value`.

    >>> constraints.MaxNorm(1.0)([[3.0], [4.0]])
    [[0.6], [0.8]]
    """

    def __init__(self, max_value: float = 2, axis: Any = 0):
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Any:
        w = ops.convert_to_tensor(w)
        norms = _norms(w, self.axis)
        return w * (ops.clip(norms, 0, self.max_value) / (config.epsilon() + norms))


class NonNeg(Constraint):
    """Puts 0 in place of negative weights.

    >>> constraints.NonNeg()([-1.0, 2.0])
    [0.0, 2.0]
    """

    def __call__(self, w: Any) -> Any:
        return ops.maximum(w, 0)


class UnitNorm(Constraint):
    """Scales vectors along `axis` to norm 1.

    >>> constraints.UnitNorm()([[3.0], [4.0]])
    [[0.6], [0.8]]
    """

    def __init__(self, axis: Any = 0):
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        w = ops.convert_to_tensor(w)
        return w / (config.epsilon() + _norms(w, self.axis))


class MinMaxNorm(Constraint):
    """Moves the norms of vectors along `axis` into `min_value` ... `max_value`, by a part `rate` of the way.

    >>> constraints.MinMaxNorm(max_value=2.0, rate=0.5)([[3.0], [4.0]])
    [[2.1], [2.8]]
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0):
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Any:
        w = ops.convert_to_tensor(w)
        norms = _norms(w, self.axis)
        wanted = self.rate * ops.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (wanted / (config.epsilon() + norms))
