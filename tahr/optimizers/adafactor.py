"""Adafactor: adaptive steps whose memory is that of rows and columns."""

from typing import Any, Unpack

from tahr import ops
from tahr.optimizers.optimizer import OptimizerArguments
from tahr.optimizers.slots import SlotOptimizer, Slots
from tahr.variables import Variable

__all__ = ["Adafactor"]


class Adafactor(SlotOptimizer):
    """Steps divided by the root of mean squared gradients that are kept as means of rows and columns only.

    Source: N. Shazeer & M. Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", 2018.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        beta_2_decay: exponent of the number of updates by which the old mean counts more and more.
        epsilon_1: added to squared gradients.
        epsilon_2: least size of a variable that steps are relative to.
        clip_threshold: largest root mean square of a step, before the learning rate.
        relative_step: whether the learning rate is at most 1 over the root of the number of updates.
        kwargs: further arguments of `Optimizer`.

    >>> v = keras.Variable([1.0, 2.0])
    >>> optimizers.Adafactor(0.1).apply([ops.array([1.0, -1.0])], [v])
    >>> v.numpy()
    [0.841886, 2.158114]
    """

    slots = (("row", "column", "velocity"),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **kwargs: Unpack[OptimizerArguments],
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_2_decay, self.epsilon_1, self.epsilon_2 = beta_2_decay, epsilon_1, epsilon_2
        self.clip_threshold, self.relative_step = clip_threshold, relative_step

    def new_slot(self, variable: Any, name: str) -> Variable:
        if name == "velocity":
            return super().new_slot(variable, name)
        if len(variable.shape) < 2:  # nothing to factor: files hold a zero in the places of row and column
            return self.add_variable((), dtype="int32", name=variable.name)
        shape = variable.shape[:-1] if name == "row" else (*variable.shape[:-2], variable.shape[-1])
        return self.add_variable(shape, dtype=variable.dtype, name=variable.name)

    def step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        row, column, velocity = slots
        if self.relative_step:
            rate = ops.minimum(rate, ops.rsqrt(t))
        rate = rate * ops.maximum(_root_mean_square(value), self.epsilon_2)
        beta_2 = 1 - t**self.beta_2_decay
        squares = ops.square(gradient) + self.epsilon_1
        if len(value.shape) < 2:
            velocity = beta_2 * velocity + (1 - beta_2) * squares
        else:
            row = beta_2 * row + (1 - beta_2) * ops.mean(squares, axis=-1)
            column = beta_2 * column + (1 - beta_2) * ops.mean(squares, axis=-2)
            share = row / ops.mean(row, axis=-1, keepdims=True)
            velocity = ops.expand_dims(share, -1) * ops.expand_dims(column, -2)
        move = gradient / ops.sqrt(velocity)
        move = move / ops.maximum(1.0, _root_mean_square(move) / self.clip_threshold)
        return value - rate * move, (row, column, velocity)


def _root_mean_square(x: Any) -> Any:
    return ops.sqrt(ops.mean(ops.square(x)))
