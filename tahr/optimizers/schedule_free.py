"""Schedule-free AdamW: an average of the iterates in place of a learning-rate schedule."""

from typing import Any, Unpack

from tahr import ops
from tahr.optimizers.optimizer import OptimizerArguments
from tahr.optimizers.slots import SlotOptimizer, Slots
from tahr.variables import Variable

__all__ = ["ScheduleFreeAdamW"]


class ScheduleFreeAdamW(SlotOptimizer):
    """`AdamW` at a point between a fast sequence and its running mean, which needs no schedule that falls to zero.

    Source: A. Defazio et al., "The Road Less Scheduled", 2024.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        beta_1: share of the running mean in the point where gradients are taken.
        beta_2: share of the old mean of squared gradients in the new one.
        epsilon: keeps the division finite.
        warmup_steps: number of updates over which the learning rate rises from 0.
        kwargs: further arguments of `Optimizer`.

    >>> v = keras.Variable([1.0, 2.0])
    >>> optimizers.ScheduleFreeAdamW(0.1).apply([ops.array([1.0, -1.0])], [v])
    >>> v.numpy()
    [0.9, 2.1]
    """

    slots = (("momentum", "velocity"),)  # "momentum" holds the fast sequence

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        **kwargs: Unpack[OptimizerArguments],
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon, self.warmup_steps = beta_1, beta_2, epsilon, warmup_steps

    def new_slot(self, variable: Any, name: str) -> Variable:
        if name == "velocity":
            return super().new_slot(variable, name)
        return self.add_variable_from_reference(variable, name, lambda shape, dtype=None: variable.value)

    def step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        fast, velocity = slots
        if self.warmup_steps:
            rate = rate * ops.minimum(1.0, t / self.warmup_steps)
        velocity = self.beta_2 * velocity + (1 - self.beta_2) * ops.square(gradient)
        move = rate * gradient / (ops.sqrt(velocity / (1 - self.beta_2**t)) + self.epsilon)
        share = 1.0 / t  # of the newest point in the running mean
        value = value + share * (fast - value) + (self.beta_1 * (1 - share) - 1) * move
        return value, (fast - move, velocity)
