"""Gradient descent, with momentum or without."""

from typing import Any, Unpack

from tahr.optimizers.optimizer import OptimizerArguments
from tahr.optimizers.slots import SlotOptimizer, Slots

__all__ = ["SGD"]


class SGD(SlotOptimizer):
    """Gradient descent: x <- x - learning_rate g, or with a velocity m <- momentum m - learning_rate g added to x.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        momentum: share of the last movement in the next one, between 0 and 1.
        nesterov: whether the gradient counts as if taken after the movement.
        kwargs: further arguments of `Optimizer`.

    >>> v = keras.Variable([1.0, 2.0])
    >>> optimizers.SGD(0.5).apply([ops.array([1.0, -1.0])], [v])
    >>> v.numpy()
    [0.5, 2.5]
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **kwargs: Unpack[OptimizerArguments],
    ):
        if not isinstance(momentum, (int, float)) or not 0 <= momentum <= 1:
            raise ValueError(f"SGD: expected momentum between 0 and 1; received {momentum!r}.")
        super().__init__(learning_rate, **kwargs)
        self.momentum, self.nesterov = momentum, nesterov

    def slots_of(self, variable: Any) -> tuple[tuple[str, ...], ...]:
        return (("momentum",),) if self.momentum else ()

    def build(self, variables: Any) -> None:
        """Make the state for training these variables."""
        super().build(variables)

    def rests_without_gradient(self) -> bool:
        return not self.momentum

    def step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        move = -rate * gradient
        if not self.momentum:
            return value + move, ()
        velocity = self.momentum * slots[0] + move
        return value + (self.momentum * velocity + move if self.nesterov else velocity), (velocity,)
