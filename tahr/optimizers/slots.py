"""Optimizers whose formula is a pure function of a gradient, a value and a few arrays beside it."""

from collections.abc import Sequence
from typing import Any, ClassVar

from tahr import backends, dtypes, ops
from tahr.backends.rows import RowGradient
from tahr.optimizers.arrays import Arrays
from tahr.optimizers.optimizer import Optimizer
from tahr.variables import Variable

__all__ = ["SlotOptimizer"]

Slots = tuple[Any, ...]


class SlotOptimizer(Optimizer):
    """An optimizer given by `step`, a pure function that is called for each variable.

    Attributes:
        slots: names of the arrays kept beside each variable, in groups: the variables of a group are made variable by
            variable, then comes the next group. This is the order in which files hold them.
    """

    slots: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def slots_of(self, variable: Any) -> tuple[tuple[str, ...], ...]:
        """Return the groups of slot names that a variable has."""
        return self.slots

    def new_slot(self, variable: Any, name: str) -> Variable:
        """Return a new variable to be the slot `name` of a variable."""
        return self.add_variable_from_reference(variable, name)

    def build(self, var_list: Any) -> None:
        """Make the state for training these variables."""
        if self.built:
            return
        super().build(var_list)
        self._slots: list[list[Variable]] = [[] for _ in self._trainable_variables]
        self._shared: list[Variable] = []  # slots that all variables have in common
        most = max((len(self.slots_of(v)) for v in self._trainable_variables), default=0)
        for group in range(most):
            for variable, kept in zip(self._trainable_variables, self._slots, strict=True):
                groups = self.slots_of(variable)
                kept += [self.new_slot(variable, name) for name in (groups[group] if group < len(groups) else ())]

    def state_of(self, variable: Variable) -> list[Variable]:
        shared = {id(v) for v in self._shared}
        kept = self._slots[self._positions[id(variable)]]
        return [*super().state_of(variable), *(v for v in kept if id(v) not in shared)]

    def step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        """Return the new value of a variable and of its slots.

        Args:
            gradient: its gradient.
            value: its value, of the same shape and type.
            slots: its slots, in the order in which `slots` names them.
            rate: learning rate, a float32 scalar; with it, short floats are computed in float32.
            t: number of this update, counting from 1, a float32 scalar.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no `step`.")

    def _wide_step(self, gradient: Any, value: Any, slots: Slots, rate: Any, t: Any) -> tuple[Any, Slots]:
        """Return what `step` gives for arrays of short floats as float32, which not every framework makes of both."""
        if dtypes.of(value) in ("float16", "bfloat16"):
            gradient, value = ops.cast(gradient, "float32"), ops.cast(value, "float32")
            slots = tuple(ops.cast(x, "float32") for x in slots)
        return self.step(gradient, value, slots, rate, t)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable and its slots by `step`."""
        kept = self._slots[self._positions[id(variable)]]
        t = ops.cast(ops.add(self.iterations, 1), "float32")
        slots = tuple(slot.value for slot in kept)
        gradient = ops.cast(gradient, variable.dtype)
        value, slots = self._wide_step(gradient, variable.value, slots, learning_rate, t)
        for slot, new in zip([variable, *kept], [value, *slots], strict=True):
            slot.assign(new)

    def by_rows(self, variables: Sequence[Variable]) -> list[Variable]:
        """Return the tables among variables, if the formula alone moves them, and only where gradients are."""
        moved = self.clipnorm, self.clipvalue, self.global_clipnorm, self.loss_scale_factor, self.weight_decay
        others = self.use_ema or self.gradient_accumulation_steps or self.groups
        own = type(self).update_step.__module__.startswith("tahr.optimizers.")
        if not self.rests_without_gradient() or others or not own or any(x is not None for x in moved):
            return []
        return [v for v in variables if v.is_table and v.constraint is None and not v.overwrite_with_gradient]

    def rests_without_gradient(self) -> bool:
        """Return whether `step` changes nothing where the gradient is zero."""
        return False

    def update_rows(self, gradient: RowGradient, place: int, arrays: Arrays, rate: Any, t: Any) -> None:
        engine, variable = backends.current(), arrays.variables[place]
        kept = self._slots[self._positions[id(variable)]]
        ids, summed = engine.sum_rows(gradient, variable.shape[0])
        before = [arrays.values[place], *(arrays.state[id(slot)] for slot in kept)]
        old, *own = [engine.take_rows(x, ids) for x in before]
        value, slots = self._wide_step(summed, old, tuple(own), rate, t)
        after = [engine.put_rows(x, ids, rows, arrays.donated) for x, rows in zip(before, (value, *slots), strict=True)]
        arrays.values[place] = after[0]
        arrays.state.update({id(slot): x for slot, x in zip(kept, after[1:], strict=True)})

    def update(self, gradients: list[Any], arrays: Arrays, rate: Any, t: Any) -> None:
        if not type(self).update_step.__module__.startswith("tahr.optimizers."):  # a user's own, in a subclass
            return super().update(gradients, arrays, rate, t)
        kept = [self._slots[self._positions[id(v)]] for v in arrays.variables]
        slots = [tuple(arrays.state[id(slot)] for slot in own) for own in kept]
        engine = backends.current()
        if arrays.donated and engine.update_in_place(self, gradients, arrays.values, slots, rate, t):
            return None
        for i, variable in enumerate(arrays.variables):
            value, new = self._wide_step(gradients[i], arrays.values[i], slots[i], rate, t)
            arrays.values[i] = engine.cast(value, variable._dtype)
            for slot, array in zip(kept[i], new, strict=True):
                arrays.state[id(slot)] = engine.cast(array, slot._dtype)
        return None
