"""Several optimizers, each for its own variables."""

import re
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from tahr.optimizers.arrays import Arrays
from tahr.optimizers.optimizer import Optimizer
from tahr.recording import Recorded
from tahr.saving.registry import CustomObjectScope
from tahr.variables import Variable

__all__ = ["MultiOptimizer", "OptimizerMap"]


class OptimizerMap(Recorded, MutableMapping):
    """A mapping from the paths of variables to optimizers; its keys are regular expressions that match a whole path.

    Args:
        default_optimizer: the optimizer of paths that no key matches.
        optimizer_map: dict of keys and optimizers.

    >>> chosen = optimizers.OptimizerMap(optimizers.SGD(), {"encoder/.*": optimizers.Adam()})
    >>> type(chosen["encoder/kernel"]).__name__, type(chosen["decoder/kernel"]).__name__
    ('Adam', 'SGD')
    """

    from_attributes = ()

    def __init__(self, default_optimizer: Optimizer, optimizer_map: dict[str, Optimizer] | None = None):
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(
                f"OptimizerMap: expected an optimizer as default_optimizer; received {default_optimizer!r}."
            )
        self._default = default_optimizer
        self.optimizer_map: dict[str, Optimizer] = {}
        self.update(optimizer_map or {})

    @property
    def default_optimizer(self) -> Optimizer:
        """The optimizer of paths that no key matches."""
        return self._default

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """Return a new map made from what `get_config` gave."""
        with CustomObjectScope(custom_objects):
            return super().from_config(config)

    def __getitem__(self, key: str) -> Optimizer:
        """Return the optimizer of a path.

        Raises:
            ValueError: if several keys match it.
        """
        if key in self.optimizer_map:
            return self.optimizer_map[key]
        found = [pattern for pattern in self.optimizer_map if re.fullmatch(pattern, key)]
        if len(found) > 1:
            raise ValueError(f"OptimizerMap: several keys match the path {key!r}: {', '.join(found)}.")
        return self.optimizer_map[found[0]] if found else self.default_optimizer

    def __setitem__(self, key: str, value: Optimizer) -> None:
        if not isinstance(value, Optimizer):
            raise TypeError(f"OptimizerMap: expected an optimizer for {key!r}; received {value!r}.")
        if key in self.optimizer_map:
            raise ValueError(
                f"OptimizerMap: {key!r} already has an optimizer, {self.optimizer_map[key]!r}; delete it first."
            )
        self.optimizer_map[key] = value

    def __delitem__(self, key: str) -> None:
        del self.optimizer_map[key]

    def __len__(self) -> int:
        return len(self.optimizer_map)

    def __iter__(self) -> Iterator[str]:
        return iter(self.optimizer_map)


class MultiOptimizer(Optimizer):
    """Lets each variable be moved by an optimizer of its own.

    Args:
        optimizer_map: an `OptimizerMap`, or a function from a variable to an optimizer.
        loss_scale_factor: number that the loss is multiplied by before gradients are computed, and they are divided by.
        name: name shown to people.

    >>> kernel, bias = keras.Variable([1.0], name="kernel"), keras.Variable([1.0], name="bias")
    >>> chosen = optimizers.OptimizerMap(optimizers.SGD(0.5), {"bias": optimizers.SGD(0.25)})
    >>> optimizers.MultiOptimizer(chosen).apply([ops.array([1.0]), ops.array([1.0])], [kernel, bias])
    >>> kernel.numpy(), bias.numpy()
    ([0.5], [0.75])
    """

    def __init__(
        self,
        optimizer_map: OptimizerMap | Callable[[Any], Optimizer],
        loss_scale_factor: float | None = None,
        name: str | None = None,
    ):
        if not callable(optimizer_map) and not isinstance(optimizer_map, OptimizerMap):
            raise TypeError(
                f"MultiOptimizer: expected an OptimizerMap, or a function from a variable to an optimizer; received "
                f"{optimizer_map!r}."
            )
        self.optimizer_map = optimizer_map
        self._optimizers: list[Optimizer] = []
        self._of: dict[int, Optimizer] = {}
        if isinstance(optimizer_map, OptimizerMap):
            self._take([*optimizer_map.values(), optimizer_map.default_optimizer])
        super().__init__(learning_rate=0.0, loss_scale_factor=loss_scale_factor, name=name)

    def _take(self, optimizers: list[Optimizer]) -> None:
        for optimizer in optimizers:
            if not any(optimizer is known for known in self._optimizers):
                self._optimizers.append(optimizer)

    @property
    def optimizers(self) -> list[Optimizer]:
        """The optimizers, those of the map first and the default last."""
        return list(self._optimizers)

    @property
    def loss_scale_factor(self) -> float | None:
        """Number that the loss is multiplied by before gradients are computed."""
        return self._loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, loss_scale_factor: float | None) -> None:
        self._loss_scale_factor = loss_scale_factor

    @property
    def variables(self) -> list[Variable]:
        return [*self._variables, *(v for optimizer in self._optimizers for v in optimizer.variables)]

    @property
    def learning_rate(self) -> Any:
        """There is none: each of `optimizers` has its own."""
        raise AttributeError(f"{self.name} has no learning rate of its own; use that of each of its `optimizers`.")

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        raise AttributeError(f"{self.name} has no learning rate of its own; set that of each of its `optimizers`.")

    def build(self, var_list: Any) -> None:
        """Make the state for training these variables."""
        if self.built:
            return
        variables = list(var_list)
        super().build(variables)
        for variable in variables:
            source = self.optimizer_map
            chosen = source[variable.path] if isinstance(source, OptimizerMap) else source(variable)
            self._take([chosen])
            self._of[id(variable)] = chosen
        for optimizer in self._optimizers:
            optimizer.rebuild([v for v in variables if self._of[id(v)] is optimizer])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_of": [self._of[id(v)] for v in self._trainable_variables]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._of = {id(v): chosen for v, chosen in zip(self._trainable_variables, state["_of"], strict=True)}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        self._of[id(variable)].update_step(gradient, variable, learning_rate)

    def _advance(self, grads: list[Any], arrays: Arrays) -> None:
        if self.loss_scale_factor is not None:
            grads = [g / self.loss_scale_factor for g in grads]
        for optimizer in self._optimizers:
            places = [i for i, v in enumerate(arrays.variables) if self._of[id(v)] is optimizer]
            if places:
                part = arrays.part(places)
                optimizer._advance([grads[i] for i in places], part)
                arrays.take(places, part)
        arrays.state[id(self._iterations)] = arrays.state[id(self._iterations)] + 1

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        for optimizer in self._optimizers:
            optimizer.exclude_from_weight_decay(var_list, var_names)

    def finalize_variable_values(self, var_list: Any) -> None:
        variables = list(var_list)
        for optimizer in self._optimizers:
            optimizer.finalize_variable_values([v for v in variables if self._of[id(v)] is optimizer])
