"""Adam, steps along the mean gradient divided by its spread, and its kin."""

from typing import Any, Unpack

from tahr import ops
from tahr.optimizers.optimizer import CommonArguments, OptimizerArguments
from tahr.optimizers.slots import SlotOptimizer, Slots
from tahr.variables import Variable

__all__ = ["Adam", "AdamW", "Adamax", "Lamb", "Nadam"]


class Adam(SlotOptimizer):
    """Steps along the moving mean of gradients, divided by the root of the moving mean of their squares.

    Source: D. Kingma & J. Ba, "Adam: A Method for Stochastic Optimization", 2014; amsgrad: Reddi et al., 2018.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        beta_1: share of the old mean of gradients in the new one.
        beta_2: share of the old mean of squared gradients in the new one.
        epsilon: keeps the division finite.
        amsgrad: whether the divisor never shrinks.
        kwargs: further arguments of `Optimizer`.

    >>> v = keras.Variable([1.0, 2.0])
    >>> optimizers.Adam(0.1).apply([ops.array([1.0, -1.0])], [v])
    >>> v.numpy()
    [0.9, 2.1]
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Unpack[OptimizerArguments],
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.amsgrad = amsgrad

    def slots_of(self, variable: Any) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "velocity"), *((("velocity_hat",),) if self.amsgrad else ()))

    def step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        momentum, velocity, *largest = slots
        alpha = rate * ops.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        momentum = momentum + (gradient - momentum) * (1 - self.beta_1)
        velocity = velocity + (ops.square(gradient) - velocity) * (1 - self.beta_2)
        largest = [ops.maximum(largest[0], velocity)] if self.amsgrad else []
        spread = largest[0] if self.amsgrad else velocity
        return value - alpha * momentum / (ops.sqrt(spread) + self.epsilon), (momentum, velocity, *largest)


class AdamW(Adam):
    """`Adam` with weight decay, which is no part of the gradient and so not divided by its spread.

    Source: I. Loshchilov & F. Hutter, "Decoupled Weight Decay Regularization", 2017.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        weight_decay: share of each weight taken off at each step, times the learning rate.
        beta_1: share of the old mean of gradients in the new one.
        beta_2: share of the old mean of squared gradients in the new one.
        epsilon: keeps the division finite.
        amsgrad: whether the divisor never shrinks.
        kwargs: further arguments of `Optimizer`.

    >>> v = keras.Variable([1.0, 2.0])
    >>> optimizers.AdamW(0.1).apply([ops.array([1.0, -1.0])], [v])
    >>> v.numpy()
    [0.8996, 2.0992]
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float | None = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **kwargs)


class Adamax(SlotOptimizer):
    """`Adam` with the largest recent gradient as divisor instead of the root mean square.

    Source: D. Kingma & J. Ba, "Adam: A Method for Stochastic Optimization", section 7.1, 2014.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        beta_1: share of the old mean of gradients in the new one.
        beta_2: share of the old mean of squared gradients in the new one.
        epsilon: keeps the division finite.
        kwargs: further arguments of `Optimizer`.

    >>> v = keras.Variable([1.0, 2.0])
    >>> optimizers.Adamax(0.1).apply([ops.array([1.0, -1.0])], [v])
    >>> v.numpy()
    [0.9, 2.1]
    """

    slots = (("momentum", "norm"),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Unpack[OptimizerArguments],
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        momentum, norm = slots
        momentum = momentum + (gradient - momentum) * (1 - self.beta_1)
        norm = ops.maximum(self.beta_2 * norm, ops.absolute(gradient))
        return value - rate / (1 - self.beta_1**t) * momentum / (norm + self.epsilon), (momentum, norm)


class Nadam(SlotOptimizer):
    """`Adam` that looks ahead as Nesterov's momentum does.

    Source: T. Dozat, "Incorporating Nesterov Momentum into Adam", 2016.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        beta_1: share of the old mean of gradients in the new one.
        beta_2: share of the old mean of squared gradients in the new one.
        epsilon: keeps the division finite.
        kwargs: further arguments of `Optimizer`.

    >>> v = keras.Variable([1.0, 2.0])
    >>> optimizers.Nadam(0.1).apply([ops.array([1.0, -1.0])], [v])
    >>> v.numpy()
    [0.8937219, 2.1062782]
    """

    slots = (("momentum", "velocity"),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Unpack[OptimizerArguments],
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, var_list: Any) -> None:
        if self.built:
            return
        super().build(var_list)
        self._product = Variable(
            1.0, dtype="float32", trainable=False
        )  # of the momentum of all steps, for all variables
        self._variables.append(self._product)
        self._shared = [self._product]
        for kept in self._slots:
            kept.append(self._product)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable and its slots by `step`; the product of all momenta moves with the last variable."""
        product = self._product.value
        super().update_step(gradient, variable, learning_rate)
        if variable is not self._trainable_variables[-1]:
            self._product.assign(product)

    def step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        momentum, velocity, product = slots
        now = self.beta_1 * (1.0 - 0.5 * 0.96**t)
        ahead = self.beta_1 * (1.0 - 0.5 * 0.96 ** (t + 1))
        new = product * now
        momentum = momentum + (gradient - momentum) * (1 - self.beta_1)
        velocity = velocity + (ops.square(gradient) - velocity) * (1 - self.beta_2)
        mean = ahead * momentum / (1 - new * ahead) + (1 - now) * gradient / (1 - new)
        spread = velocity / (1 - self.beta_2**t)
        return value - rate * mean / (ops.sqrt(spread) + self.epsilon), (momentum, velocity, new)


class Lamb(SlotOptimizer):
    """`Adam` with the step of each variable scaled to its length, for large batches.

    Source: You et al., "Large Batch Optimization for Deep Learning", 2019.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        beta_1: share of the old mean of gradients in the new one.
        beta_2: share of the old mean of squared gradients in the new one.
        epsilon: keeps the division finite.
        kwargs: further arguments of `Optimizer`.

    >>> v = keras.Variable([1.0, 2.0])
    >>> optimizers.Lamb(0.1).apply([ops.array([1.0, -1.0])], [v])
    >>> v.numpy()
    [0.841886, 2.158114]
    """

    slots = (("momentum", "velocity"),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Unpack[OptimizerArguments],
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        momentum, velocity = slots
        momentum = momentum + (gradient - momentum) * (1 - self.beta_1)
        velocity = velocity + (ops.square(gradient) - velocity) * (1 - self.beta_2)
        move = momentum / (1 - self.beta_1**t) / (ops.sqrt(velocity / (1 - self.beta_2**t)) + self.epsilon)
        length, stride = ops.sqrt(ops.sum(ops.square(value))), ops.sqrt(ops.sum(ops.square(move)))
        usual = ops.logical_and(length > 0, stride > 0)
        ratio = ops.where(usual, length / ops.where(usual, stride, 1.0), 1.0)
        return value - ratio * rate * move, (momentum, velocity)
