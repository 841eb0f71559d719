"""Steps divided by the root of a moving average of squared gradients."""

from typing import Any, Unpack

from tahr import ops
from tahr.optimizers.optimizer import OptimizerArguments
from tahr.optimizers.slots import SlotOptimizer, Slots

__all__ = ["RMSprop"]


class RMSprop(SlotOptimizer):
    """Gradient descent with steps divided by the root mean square of recent gradients.

    Source: T. Tieleman & G. Hinton, "Neural Networks for Machine Learning", lecture 6.5, 2012.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        rho: share of the old average of squares in the new one.
        momentum: share of the last movement in the next one.
        epsilon: keeps the division finite.
        centered: whether the mean gradient is taken off, so that the divisor is a standard deviation.
        kwargs: further arguments of `Optimizer`.

    >>> v = keras.Variable([1.0, 2.0])
    >>> optimizers.RMSprop(0.1, rho=0.0).apply([ops.array([1.0, -1.0])], [v])
    >>> v.numpy()
    [0.9, 2.1]
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **kwargs: Unpack[OptimizerArguments],
    ):
        super().__init__(learning_rate, **kwargs)
        self.rho, self.momentum, self.epsilon = rho, momentum, epsilon
        self.centered = centered

    def slots_of(self, variable: Any) -> tuple[tuple[str, ...], ...]:
        momentum = (("momentum",),) if self.momentum > 0 else ()
        return (("velocity",), *momentum, *((("average_gradient",),) if self.centered else ()))

    def step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        velocity, *others = slots
        velocity = self.rho * velocity + (1 - self.rho) * ops.square(gradient)
        spread, new = velocity, [velocity]
        mean = self.rho * others[-1] + (1 - self.rho) * gradient if self.centered else None
        if mean is not None:
            spread = velocity - ops.square(mean)
        move = rate * gradient * ops.rsqrt(spread + self.epsilon)
        if self.momentum > 0:
            move = self.momentum * others[0] + move
            new.append(move)
        return value - move, (*new, *([] if mean is None else [mean]))
