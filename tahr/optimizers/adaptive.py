"""Steps adapted to each weight: Adagrad, Adadelta, Ftrl, and Lion with steps of one size."""

from typing import Any, Unpack

from tahr import initializers, ops
from tahr.optimizers.optimizer import OptimizerArguments
from tahr.optimizers.slots import SlotOptimizer, Slots
from tahr.variables import Variable

__all__ = ["Adadelta", "Adagrad", "Ftrl", "Lion"]


class Adagrad(SlotOptimizer):
    """Gradient descent with steps divided by the root of the sum of all squared gradients.

    Source: J. Duchi et al., "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", 2011.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        initial_accumulator_value: where the sum starts, >= 0.
        epsilon: keeps the division finite.
        kwargs: further arguments of `Optimizer`.

    >>> v = keras.Variable([1.0, 2.0])
    >>> optimizers.Adagrad(0.1, initial_accumulator_value=0.0).apply([ops.array([1.0, -1.0])], [v])
    >>> v.numpy()
    [0.9, 2.1]
    """

    slots = (("accumulator",),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **kwargs: Unpack[OptimizerArguments],
    ):
        if initial_accumulator_value < 0:
            raise ValueError(
                f"Adagrad: expected initial_accumulator_value >= 0; received {initial_accumulator_value!r}."
            )
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def new_slot(self, variable: Any, name: str) -> Variable:
        return self.add_variable_from_reference(variable, name, initializers.Constant(self.initial_accumulator_value))

    def rests_without_gradient(self) -> bool:
        return True

    def step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        total = slots[0] + ops.square(gradient)
        return value - rate * gradient / ops.sqrt(total + self.epsilon), (total,)


class Adadelta(SlotOptimizer):
    """Steps whose size follows the root mean square of earlier steps over that of gradients.

    Source: M. Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        rho: share of the old averages in the new ones.
        epsilon: where steps start.
        kwargs: further arguments of `Optimizer`.

    >>> v = keras.Variable([1.0, 2.0])
    >>> optimizers.Adadelta(1.0).apply([ops.array([1.0, -1.0])], [v])
    >>> v.numpy()
    [0.9985858, 2.0014142]
    """

    slots = (("accumulated_grad", "accumulated_delta_var"),)

    def __init__(
        self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **kwargs: Unpack[OptimizerArguments]
    ):
        super().__init__(learning_rate, **kwargs)
        self.rho, self.epsilon = rho, epsilon

    def update_step(self, grad: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable and its slots by `step`."""
        super().update_step(grad, variable, learning_rate)

    def step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        grads, moves = slots
        grads = self.rho * grads + (1 - self.rho) * ops.square(gradient)
        move = -ops.sqrt(moves + self.epsilon) / ops.sqrt(grads + self.epsilon) * gradient
        moves = self.rho * moves + (1 - self.rho) * ops.square(move)
        return value + rate * move, (grads, moves)


class Ftrl(SlotOptimizer):
    """Follow the regularized leader, for sparse models with many features.

    Source: McMahan et al., "Ad Click Prediction: a View from the Trenches", 2013.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        learning_rate_power: how the step shrinks with the sum of squares, <= 0.
        initial_accumulator_value: where that sum starts, >= 0.
        l1_regularization_strength: pulls small weights to exactly zero.
        l2_regularization_strength: pulls weights towards zero.
        l2_shrinkage_regularization_strength: adds to the gradient, in proportion to the weight.
        beta: the beta of the paper.
        kwargs: further arguments of `Optimizer`.

    >>> v = keras.Variable([1.0, 2.0])
    >>> optimizers.Ftrl(0.1).apply([ops.array([1.0, -1.0])], [v])
    >>> v.numpy()
    [0.6031424, 1.4923235]
    """

    slots = (("accumulator", "linear"),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **kwargs: Unpack[OptimizerArguments],
    ):
        if initial_accumulator_value < 0:
            raise ValueError(f"Ftrl: expected initial_accumulator_value >= 0; received {initial_accumulator_value!r}.")
        if learning_rate_power > 0:
            raise ValueError(f"Ftrl: expected learning_rate_power <= 0; received {learning_rate_power!r}.")
        super().__init__(learning_rate, **kwargs)
        self.learning_rate_power, self.initial_accumulator_value, self.l1_regularization_strength = (
            learning_rate_power,
            initial_accumulator_value,
            l1_regularization_strength,
        )
        self.l2_regularization_strength, self.l2_shrinkage_regularization_strength, self.beta = (
            l2_regularization_strength,
            l2_shrinkage_regularization_strength,
            beta,
        )

    def new_slot(self, variable: Any, name: str) -> Variable:
        start = self.initial_accumulator_value if name == "accumulator" else 0.0
        return self.add_variable_from_reference(variable, name, initializers.Constant(start))

    def step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        total, linear = slots
        shrunk = gradient + 2 * self.l2_shrinkage_regularization_strength * value
        new = total + ops.square(gradient)
        power = -self.learning_rate_power
        linear = linear + shrunk - (new**power - total**power) / rate * value
        curve = new**power / rate + 2 * (self.l2_regularization_strength + self.beta / (2 * rate))
        strength = self.l1_regularization_strength
        return (ops.clip(linear, -strength, strength) - linear) / curve, (new, linear)


class Lion(SlotOptimizer):
    """Steps of one size along the sign of a mean of gradients: less memory than `Adam`, smaller learning rates.

    Source: Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        beta_1: share of the mean in the direction of a step.
        beta_2: share of the old mean in the new one.
        kwargs: further arguments of `Optimizer`.

    >>> v = keras.Variable([1.0, 2.0])
    >>> optimizers.Lion(0.1).apply([ops.array([1.0, -1.0])], [v])
    >>> v.numpy()
    [0.9, 2.1]
    """

    slots = (("momentum",),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **kwargs: Unpack[OptimizerArguments],
    ):
        if not 0 < beta_1 <= 1:
            raise ValueError(f"Lion: expected 0 < beta_1 <= 1; received {beta_1!r}.")
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        (momentum,) = slots
        direction = ops.sign(momentum * self.beta_1 + gradient * (1 - self.beta_1))
        return value - rate * direction, (momentum * self.beta_2 + gradient * (1 - self.beta_2),)
