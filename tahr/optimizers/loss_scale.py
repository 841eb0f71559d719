"""Dynamic loss scaling, which keeps small gradients from vanishing in float16."""

from typing import Any

from tahr import ops
from tahr.optimizers.arrays import Arrays
from tahr.optimizers.optimizer import Optimizer
from tahr.variables import Variable

__all__ = ["LossScaleOptimizer"]


class LossScaleOptimizer(Optimizer):
    """Multiplies the loss by a scale that doubles while gradients stay finite and halves when they do not.

    A step whose gradients are not finite changes nothing but the scale.

    Args:
        inner_optimizer: the optimizer that makes the updates.
        initial_scale: the first scale.
        dynamic_growth_steps: after how many finite steps in a row the scale doubles.
        name: name shown to people.

    >>> v = keras.Variable([1.0])
    >>> optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(0.5), initial_scale=4.0)
    >>> optimizer.build([v])
    >>> float(optimizer.scale_loss(ops.array(1.0)))
    4.0
    >>> optimizer.apply([ops.array([4.0])])
    >>> v.numpy()
    [0.5]
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
    ):
        if not isinstance(inner_optimizer, Optimizer):
            raise TypeError(
                f"LossScaleOptimizer: expected an optimizer as inner_optimizer; received {inner_optimizer!r}."
            )
        self.inner_optimizer = inner_optimizer
        super().__init__(learning_rate=0.0, name=name)
        self.initial_scale, self.dynamic_growth_steps = initial_scale, dynamic_growth_steps
        self.step_counter = self.add_variable((), dtype="int32", name="step_counter")
        self.dynamic_scale = self.add_variable((), _filled(initial_scale), dtype="float32", name="dynamic_scale")

    @property
    def variables(self) -> list[Variable]:
        return [*self._variables, *self.inner_optimizer.variables]

    @property
    def iterations(self) -> Any:
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    def build(self, var_list: Any) -> None:
        """Make the state for training these variables."""
        if not self.built:
            variables = list(var_list)
            super().build(variables)
            self.inner_optimizer.build(variables)

    def rebuild(self, variables: Any) -> None:
        every = list(variables)
        super().rebuild(every)
        self.inner_optimizer.rebuild(every)

    def scale_loss(self, loss: Any) -> Any:
        """Return the loss times the current scale: what to compute gradients of."""
        return self.inner_optimizer.scale_loss(loss) * ops.cast(self.dynamic_scale, getattr(loss, "dtype", "float32"))

    def check_finite(self, grads: list[Any]) -> Any:
        """Return whether all elements of all gradients are finite, as a boolean scalar."""
        return ops.all(ops.stack([ops.all(ops.isfinite(g)) for g in grads if g is not None]))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        self.inner_optimizer.update_step(gradient, variable, learning_rate)

    def _advance(self, grads: list[Any], arrays: Arrays) -> None:
        counter, scale = id(self.step_counter), id(self.dynamic_scale)
        count, now = arrays.state[counter], arrays.state[scale]

        def finite(then: Arrays) -> None:
            self.inner_optimizer._advance([g / ops.cast(now, g.dtype) for g in grads], then)
            grows = ops.equal(count, self.dynamic_growth_steps - 1)
            then.state[counter] = ops.where(grows, 0, count + 1)
            then.state[scale] = ops.where(grows, now * 2.0, now)

        def overflow(then: Arrays) -> None:
            then.state[counter], then.state[scale] = ops.zeros_like(count), now / 2.0

        arrays.choose(self.check_finite(grads), finite, overflow)

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def finalize_variable_values(self, var_list: Any) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)


def _filled(value: float) -> Any:
    return lambda shape, dtype=None: ops.full(shape, value, dtype=dtype)
