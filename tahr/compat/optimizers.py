"""Optimizers that say in `get_updates(loss, params)` what becomes of weights, as in Keras 1 and 2."""

from typing import Any

from tahr import ops, optimizers
from tahr.compat.backend import recorded_state
from tahr.compat.notices import notice
from tahr.optimizers.arrays import Arrays
from tahr.variables import StatelessScope, Variable

__all__ = ["Optimizer", "interface"]


def interface(function: Any) -> Any:
    """Return a function as it is: what decorators of `keras.legacy.interfaces` changed is understood anyway."""
    return function


class Optimizer(optimizers.Optimizer):
    """An optimizer of either form: `update_step` as today, or `get_updates(loss, params)` as in Keras 1 and 2.

    In the old form, `get_gradients` gives the gradients, and what `get_updates` returns, or sets as `self.updates`, is
    done at once after it, as it was in a graph: pairs of a variable and its new value.

    >>> from tahr.compat.optimizers import Optimizer
    >>> class Plain(Optimizer):
    ...     def get_updates(self, loss, params):
    ...         return [(p, p - 0.5 * g) for p, g in zip(params, self.get_gradients(loss, params))]
    >>> v = keras.Variable([1.0, 2.0])
    >>> Plain().apply([ops.array([1.0, 1.0])], [v])
    >>> v.numpy()
    [0.5, 1.5]
    """

    def __init__(self, learning_rate: Any = 0.01, **kwargs: Any):
        self._updates_form = hasattr(type(self), "get_updates")
        super().__init__(learning_rate, **kwargs)
        if self._updates_form:
            notice("get_updates(loss, params)", "write update_step(self, gradient, variable, learning_rate)")
        self.updates: list[Any] = []
        self.weights: list[Any] = []

    @property
    def iterations(self) -> Any:
        """The number of updates made so far; an optimizer of the old form may count in a variable of its own."""
        own = self.__dict__.get("_own_iterations")
        return super().iterations if own is None else own

    @iterations.setter
    def iterations(self, value: Any) -> None:
        self.__dict__["_own_iterations"] = value

    @property
    def lr(self) -> Any:
        """The learning rate; an optimizer of the old form may keep it in a variable of its own."""
        own = self.__dict__.get("_own_lr")
        return super().lr if own is None else own

    @lr.setter
    def lr(self, value: Any) -> None:
        if self._updates_form:
            self.__dict__["_own_lr"] = value
        else:
            self.learning_rate = value

    def build(self, variables: Any) -> None:
        """Make the state, by a first run of `get_updates` that changes nothing."""
        if self.built:
            return
        super().build(variables)
        if not self._updates_form:
            return
        self._state: list[Variable] = []
        self._gradients = [ops.zeros(v.shape, dtype=v.dtype) for v in self._trainable_variables]
        with StatelessScope(), recorded_state(self._state, first=True):
            self.get_updates(None, list(self._trainable_variables))  # type: ignore[attr-defined]
        known = {id(v) for v in self._variables}
        own = [v for v in self.__dict__.values() if isinstance(v, Variable)]
        for variable in [*own, *self._state]:
            if id(variable) not in known:
                known.add(id(variable))
                self._variables.append(variable)
        self._gradients = []

    def get_gradients(self, loss: Any, params: Any) -> list[Any]:
        """Return the gradients of this step, for use in `get_updates`."""
        return list(self._gradients)

    def update(self, gradients: list[Any], arrays: Arrays, rate: Any, t: Any) -> None:
        if not self._updates_form:
            super().update(gradients, arrays, rate, t)
            return
        scope = StatelessScope()
        scope.values.update(arrays.state)
        scope.values.update({id(v): x for v, x in zip(arrays.variables, arrays.values, strict=True)})
        self._gradients = gradients
        with scope:
            with recorded_state(self._state, first=False):
                updates = self.get_updates(None, list(arrays.variables))  # type: ignore[attr-defined]
            for item in updates or self.updates:
                if not (isinstance(item, (tuple, list)) and len(item) == 2):
                    raise TypeError(
                        f"{type(self).__name__}.get_updates: expected pairs of a variable and its new value, or what "
                        f"K.update gives; received {type(item).__name__}."
                    )
                variable, value = item
                variable.assign(ops.cast(value, variable.dtype))
        self._gradients, self.updates = [], []
        arrays.state.update({key: scope.values[key] for key in arrays.state})
        arrays.values = [scope.values[id(v)] for v in arrays.variables]
