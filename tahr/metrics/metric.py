"""`Metric`: figures gathered batch by batch in variables on the device."""

from collections.abc import Iterable, Iterator
from typing import Any

from tahr import backends, config, dtype_policies, naming, ops
from tahr.recording import Recorded
from tahr.variables import StatelessScope, Variable

__all__ = ["Metric"]


class Metric(Recorded):
    """A figure over many batches: `update_state` takes in a batch, `result` gives the figure so far.

    Args:
        dtype: type of the computation, a name or a `DTypePolicy`; None means `floatx`.
        name: name shown to people.

    >>> class Largest(metrics.Metric):
    ...     def __init__(self, name="largest", **kwargs):
    ...         super().__init__(name=name, **kwargs)
    ...         self.largest = self.add_weight(shape=(), initializer="zeros", name="largest")
    ...     def update_state(self, values, sample_weight=None):
    ...         self.largest.assign(ops.maximum(self.largest, ops.max(values)))
    ...     def result(self):
    ...         return self.largest
    >>> metric = Largest()
    >>> metric.update_state([1.0, 3.0])
    >>> float(metric.result())
    3.0
    """

    def __init__(self, dtype: Any = None, name: str | None = None):
        self._variables: list[Variable] = []
        self.name = name or naming.auto_name(naming.snake_case(type(self).__name__))
        self._dtype = dtype_policies.get(dtype or config.floatx()).compute_dtype

    @property
    def dtype(self) -> str:
        """The type of the computation, and of the variables if it has 32 bits or more."""
        return self._dtype

    # ---- state --------------------------------------------------------------------------------------------------

    def add_variable(
        self, shape: Any, initializer: Any, dtype: Any = None, aggregation: str = "sum", name: str | None = None
    ) -> Variable:
        """Return a new variable of this metric's state, which `reset_state` sets to zero.

        Args:
            shape: its shape.
            initializer: its first value: a name, an `Initializer` or a function of (shape, dtype).
            dtype: its type; None means that of the metric, but float32 for one of 16 bits, in which sums and counts
                stop growing.
            aggregation: how replicas combine: `"sum"`, `"mean"` or `"none"`.
            name: last part of its path.
        """
        from tahr import initializers

        if "_variables" not in self.__dict__:
            raise RuntimeError(f"{type(self).__name__}.__init__ must call super().__init__() before it adds variables.")
        with naming.path_scope(self.name):
            variable = Variable(
                initializers.get(initializer),
                shape=shape,
                dtype=dtype or ("float32" if self._dtype in ("float16", "bfloat16") else self._dtype),
                trainable=False,
                aggregation=aggregation,
                name=name,
            )
        self._variables.append(variable)
        return variable

    def add_weight(
        self, shape: Any = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """Return a new variable of this metric's state; `initializer` None means zeros. See `add_variable`."""
        return self.add_variable(shape=shape, initializer=initializer or "zeros", dtype=dtype, name=name)

    @property
    def variables(self) -> list[Variable]:
        """The state: this metric's variables, then those of metrics it holds."""
        return list(_distinct(_variables_in(self, set())))

    def reset_state(self) -> None:
        """Forget all batches."""
        for variable in self.variables:
            variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Take in a batch."""
        raise NotImplementedError(f"{type(self).__name__} defines no `update_state`.")

    def result(self) -> Any:
        """Return the figure over the batches since the last reset: a scalar, an array, or a dict of these."""
        raise NotImplementedError(f"{type(self).__name__} defines no `result`.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.update_state(*args, **kwargs)
        return self.result()

    def merge_state(self, metrics: Iterable["Metric"]) -> None:
        """Take in what other metrics of the same kind have gathered, as those of parallel workers.

        Raises:
            ValueError: if a metric keeps other variables than this one.

        >>> a, b = metrics.Mean(), metrics.Mean()
        >>> a.update_state([1.0, 2.0])
        >>> b.update_state([6.0])
        >>> a.merge_state([b])
        >>> float(a.result())
        3.0
        """
        own = self.variables
        for metric in metrics:
            others = metric.variables
            if [v.shape for v in others] != [v.shape for v in own]:
                raise ValueError(
                    f"merge_state: expected metrics with variables of shapes {[v.shape for v in own]}, like {self!r}; "
                    f"received {metric!r} with shapes {[v.shape for v in others]}."
                )
            for variable, other in zip(own, others, strict=True):
                if variable.aggregation != "sum":
                    raise ValueError(f"merge_state: {variable.path} of {self!r} is no sum over batches.")
                variable.assign(variable + other)

    # ---- the same as pure functions -----------------------------------------------------------------------------

    def _scope(self, metric_variables: Any) -> StatelessScope:
        own = self.variables
        values = list(metric_variables)
        if len(values) != len(own):
            raise ValueError(
                f"metric_variables: expected {len(own)} values, one for each of {[v.path for v in own]}; received "
                f"{len(values)}."
            )
        return StatelessScope(state_mapping=zip(own, values, strict=True))

    def stateless_update_state(self, metric_variables: Any, *args: Any, **kwargs: Any) -> list[Any]:
        """Return the state after a batch, given the one before, as a list of arrays in the order of `variables`."""
        with self._scope(metric_variables) as scope:
            self.update_state(*args, **kwargs)
        return [scope.get_current_value(v) for v in self.variables]

    def stateless_result(self, metric_variables: Any) -> Any:
        """Return the figure that the given state means."""
        with self._scope(metric_variables):
            return self.result()

    def stateless_reset_state(self) -> list[Any]:
        """Return the state before the first batch."""
        with StatelessScope() as scope:
            self.reset_state()
        return [scope.get_current_value(v) for v in self.variables]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _variables_in(metric: Metric, seen: set[int]) -> Iterator[Variable]:
    """Yield the variables of a metric, of metrics among its attributes, and of those in lists and dicts there."""
    seen.add(id(metric))
    attributes = list(metric.__dict__.values())
    yield from metric._variables
    yield from (value for value in attributes if isinstance(value, Variable))
    while attributes:
        value = attributes.pop(0)
        if isinstance(value, Metric) and id(value) not in seen:
            yield from _variables_in(value, seen)
        elif isinstance(value, (list, tuple)):
            attributes[:0] = value
        elif isinstance(value, dict):
            attributes[:0] = value.values()


def _distinct(variables: Iterable[Variable]) -> Iterator[Variable]:
    seen: set[int] = set()
    for variable in variables:
        if id(variable) not in seen:
            seen.add(id(variable))
            yield variable


backends.when_started(lambda engine: engine.know_keepers(Metric))
