"""`LearningRateSchedule`: a learning rate as a function of the number of updates made."""

from typing import Any

from tahr import naming
from tahr.recording import Recorded

__all__ = ["LearningRateSchedule"]


class LearningRateSchedule(Recorded):
    """A learning rate as a function of the number of updates made; a subclass defines `__call__`.

    The step is an integer scalar on the device, so write the rule with `tahr.ops`, without `if` on values.

    >>> class Inverse(optimizers.schedules.LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 1.0 / (ops.cast(step, "float32") + 1.0)
    >>> float(optimizers.SGD(Inverse()).learning_rate)
    1.0
    """

    def __call__(self, step: Any) -> Any:
        """Return the learning rate after `step` updates."""
        raise NotImplementedError(f"{type(self).__name__} defines no `__call__(self, step)`.")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={getattr(self, 'name', None) or naming.snake_case(type(self).__name__)}>"
