"""`Optimizer`: from gradients to new weights, as variables that change or as a pure function of lists of arrays."""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

from tahr import backends, naming, ops
from tahr.backends.rows import RowGradient
from tahr.optimizers import parameter_groups, transforms
from tahr.optimizers.arrays import Arrays
from tahr.optimizers.legacy import Decayed
from tahr.optimizers.schedules.decay import InverseTimeDecay
from tahr.optimizers.schedules.schedule import LearningRateSchedule
from tahr.recording import Recorded
from tahr.variables import StatelessScope, Variable, stateless_scope

__all__ = ["CommonArguments", "Optimizer", "OptimizerArguments"]


class CommonArguments(TypedDict, total=False):
    """The arguments that every optimizer takes; `Optimizer` says what they mean."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None
    groups: dict[str, dict[str, Any]] | None


class OptimizerArguments(CommonArguments, total=False):
    """`CommonArguments`, for optimizers without a weight decay of their own."""

    weight_decay: float | None


class Optimizer(Recorded):
    """Moves variables against their gradients; a subclass says how, in `update_step`.

    Args:
        learning_rate: a number, a `LearningRateSchedule`, or a function of no arguments.
        weight_decay: share of each weight taken off at each step, times the learning rate; None takes off nothing.
        clipnorm: longest norm of the gradient of one variable.
        clipvalue: largest absolute value of an element of a gradient.
        global_clipnorm: longest norm of all gradients together.
        use_ema: whether a moving average of each variable is kept.
        ema_momentum: share of the old average in the new one.
        ema_overwrite_frequency: after how many steps variables take on their averages; None means when training ends.
        loss_scale_factor: number that the loss is multiplied by before gradients are computed, and they are divided by.
        gradient_accumulation_steps: over how many steps gradients are averaged before variables change; a schedule
            counts these steps.
        name: name shown to people, and first part of the paths of its variables.
        groups: other settings for some variables: a dict from patterns of their paths, such as `"backbone/*"`, to dicts
            with `learning_rate`, `weight_decay` or both. Of several patterns that match, the first counts.

    Raises:
        ValueError: for values out of range, more than one kind of clipping, and unknown arguments.

    >>> class Plain(keras.Optimizer):
    ...     def update_step(self, gradient, variable, learning_rate):
    ...         self.assign_sub(variable, learning_rate * gradient)
    >>> v = keras.Variable([1.0, 2.0])
    >>> Plain(learning_rate=0.5).apply([ops.array([1.0, 1.0])], [v])
    >>> v.numpy()
    [0.5, 1.5]
    """

    _rate_decay: float = 0.0  # see `legacy.Decayed`

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        groups: dict[str, dict[str, Any]] | None = None,
        **kwargs: Any,
    ):
        _refuse_unknown(type(self).__name__, kwargs)
        self.groups = parameter_groups.checked(type(self).__name__, groups)
        self.name = name or naming.auto_name(naming.snake_case(type(self).__name__))
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum, self.ema_overwrite_frequency = use_ema, ema_momentum, ema_overwrite_frequency
        self.loss_scale_factor, self.gradient_accumulation_steps = loss_scale_factor, gradient_accumulation_steps
        self._check_arguments()
        self.built = False
        self._variables: list[Variable] = []
        self._trainable_variables: list[Variable] = []
        self._positions: dict[int, int] = {}
        self._averages: list[Variable] = []
        self._accumulators: list[Variable] = []
        self._not_decayed: list[Any] = []
        self._iterations = self.add_variable((), dtype="int32", aggregation="only_first_replica", name="iteration")
        self._learning_rate: Any = None
        if isinstance(learning_rate, Decayed):
            learning_rate, self._rate_decay = learning_rate
        if isinstance(learning_rate, Mapping) and "class_name" in learning_rate:
            from tahr.optimizers import schedules

            learning_rate = schedules.deserialize(learning_rate)
        if isinstance(learning_rate, LearningRateSchedule) or (
            callable(learning_rate) and not _is_number(learning_rate)
        ):
            self._learning_rate = learning_rate
        elif not _is_number(learning_rate):
            raise ValueError(
                f"{type(self).__name__}: expected learning_rate to be a number, a LearningRateSchedule or a function "
                f"of no arguments; received {learning_rate!r}."
            )
        else:
            self._learning_rate = self.add_variable(
                (), _constant(learning_rate), aggregation="only_first_replica", name="learning_rate"
            )

    def _check_arguments(self) -> None:
        clippings = {n: getattr(self, n) for n in ("clipnorm", "clipvalue", "global_clipnorm")}
        if sum(value is not None for value in clippings.values()) > 1:
            raise ValueError(f"{type(self).__name__}: expected one kind of clipping at most; received {clippings}.")
        for what, value in clippings.items():
            if value is not None and value < 0:
                raise ValueError(f"{type(self).__name__}: expected {what} >= 0; received {value!r}.")
        if self.use_ema and not 0 <= self.ema_momentum <= 1:
            raise ValueError(f"{type(self).__name__}: expected ema_momentum in [0, 1]; received {self.ema_momentum!r}.")
        for what, low in (("ema_overwrite_frequency", 1), ("gradient_accumulation_steps", 2)):
            value = getattr(self, what)
            if value is not None and not (isinstance(value, int) and value >= low):
                raise ValueError(f"{type(self).__name__}: expected {what} to be an int >= {low}; received {value!r}.")

    # ---- variables ----------------------------------------------------------------------------------------------

    @property
    def variables(self) -> list[Variable]:
        """The optimizer's own variables: iteration, learning rate, averages, accumulators, slots."""
        return list(self._variables)

    @property
    def iterations(self) -> Any:
        """The number of updates made so far, as an integer scalar."""
        if self.gradient_accumulation_steps:
            return ops.floor_divide(self._iterations, self.gradient_accumulation_steps)
        return self._iterations

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the next update; assign a number to change it."""
        rate = self._learning_rate
        if isinstance(rate, Variable):
            return rate
        return rate(self._iterations) if isinstance(rate, LearningRateSchedule) else rate()

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        if isinstance(self._learning_rate, Variable):
            if isinstance(learning_rate, LearningRateSchedule) or (
                callable(learning_rate) and not _is_number(learning_rate)
            ):
                self._variables = [v for v in self._variables if v is not self._learning_rate]
                self._learning_rate = learning_rate
            else:
                self._learning_rate.assign(learning_rate)
        elif callable(learning_rate):
            self._learning_rate = learning_rate
        else:
            raise TypeError(
                f"{self.name}.learning_rate follows {self._learning_rate!r} and so cannot be set to a number. Make the "
                "optimizer with a number as learning_rate, or assign another schedule."
            )

    @property
    def lr(self) -> Any:
        """The learning rate, as Keras 1 and 2 called it."""
        from tahr.compat.notices import notice

        notice("optimizer.lr", "write optimizer.learning_rate", "lr")
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    def add_variable(
        self,
        shape: Any,
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Return a new variable of the optimizer's state.

        Args:
            shape: its shape.
            initializer: its first value: a name, an `Initializer` or a function of (shape, dtype).
            dtype: its type; None means `floatx`.
            aggregation: how replicas combine.
            layout: how it is laid out over devices, or None.
            name: last part of its path.
        """
        from tahr import initializers

        if "_variables" not in self.__dict__:
            raise RuntimeError(f"{type(self).__name__}.__init__ must call super().__init__() before it adds variables.")
        with naming.path_scope(self.name):
            variable = Variable(
                initializers.get(initializer),
                shape=shape,
                dtype=dtype,
                trainable=False,
                aggregation=aggregation,
                layout=layout,
                name=name,
            )
        self._variables.append(variable)
        backends.current().catch_up(self)
        return variable

    def add_variable_from_reference(
        self, reference_variable: Any, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """Return a new variable of the shape and type of another one, called after it."""
        path = str(getattr(reference_variable, "path", None) or reference_variable.name).replace("/", "_")
        return self.add_variable(
            reference_variable.shape,
            initializer,
            dtype=reference_variable.dtype,
            layout=getattr(reference_variable, "layout", None),
            name=f"{path}_{name or 'slot'}",
        )

    def add_optimizer_variables(self, trainable_variables: Any, name: Any, initializer: Any = "zeros") -> Any:
        """Return new variables, one for each of `trainable_variables`; for several names, a list of variables a name.

        Args:
            trainable_variables: the variables to be trained.
            name: a name, or several.
            initializer: how they start, one for all names or one a name.
        """
        names = [name] if isinstance(name, str) else list(name)
        starts = list(initializer) if isinstance(initializer, (list, tuple)) else [initializer] * len(names)
        if len(starts) != len(names):
            raise ValueError(f"add_optimizer_variables: expected {len(names)} initializers; received {len(starts)}.")
        made: list[list[Variable]] = [[] for _ in names]
        for variable in trainable_variables:
            for place, (slot, start) in enumerate(zip(names, starts, strict=True)):
                made[place].append(self.add_variable_from_reference(variable, slot, start))
        return made[0] if isinstance(name, str) else made

    def build(self, variables: Any) -> None:
        """Make the state for training these variables."""
        if self.built:
            return
        self._trainable_variables = list(variables)
        self._positions = {id(v): i for i, v in enumerate(self._trainable_variables)}
        self._own = list(self._variables)
        if self.use_ema:
            self._averages = [self.add_variable_from_reference(v, "average") for v in self._trainable_variables]
        if self.gradient_accumulation_steps:
            self._accumulators = [
                self.add_variable_from_reference(v, "gradient_accumulator") for v in self._trainable_variables
            ]
        self.built = True

    def rebuild(self, variables: Sequence[Variable]) -> None:
        """Make the state for training other variables, and keep that of those trained so far.

        Args:
            variables: all that are trained from now on or have been; variables that were frozen keep their state.

        Raises:
            ValueError: if the optimizer keeps more than an array for each variable and name, so nobody can tell what
                belongs to which.

        >>> v, w = keras.Variable(1.0), keras.Variable(1.0)
        >>> optimizer = optimizers.SGD(0.5, momentum=0.5)
        >>> optimizer.apply([ops.array(1.0)], [v])
        >>> optimizer.rebuild([w, v])
        >>> [float(x) for x in optimizer.variables[2:]]
        [0.0, -0.5]
        """
        if not self.built:
            self.build(variables)
            return
        every = [*variables, *(v for v in self._trainable_variables if not any(v is w for w in variables))]
        kept = {id(v): [x.numpy() for x in self.state_of(v)] for v in self._trainable_variables}
        shared = [x.numpy() for x in self._shared_state()]
        self._variables = [v for v in self._own if any(v is w for w in self._variables)]
        self.built = False
        self.build(every)
        pairs = [(self._shared_state(), shared), *((self.state_of(v), kept[id(v)]) for v in every if id(v) in kept)]
        if any(len(own) != len(values) for own, values in pairs):
            raise ValueError(
                f"{self.name}: {type(self).__name__} keeps state whose variables are unknown, so it cannot train other "
                "variables without losing it. Call compile again, which begins anew."
            )
        for own, values in pairs:
            for variable, value in zip(own, values, strict=True):
                variable.assign(value)

    def state_of(self, variable: Variable) -> list[Variable]:
        """Return what the optimizer keeps for one of the variables that it trains."""
        place = self._positions[id(variable)]
        return [kept[place] for kept in (self._averages, self._accumulators) if kept]

    def _shared_state(self) -> list[Variable]:
        """Return what it has made in `build` that belongs to no single variable."""
        single = {id(x) for v in self._trainable_variables for x in self.state_of(v)}
        own = {id(v) for v in self._own}
        return [v for v in self._variables if id(v) not in single and id(v) not in own]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._positions = {id(v): i for i, v in enumerate(self._trainable_variables)}  # which are others in a copy

    def _get_variable_index(self, variable: Variable) -> int:
        return self._positions[id(variable)]

    def assign(self, variable: Any, value: Any) -> None:
        """Set a variable: for use in `update_step`."""
        variable.assign(value)

    def assign_add(self, variable: Any, value: Any) -> None:
        """Add to a variable: for use in `update_step`."""
        variable.assign(variable + ops.cast(value, variable.dtype))

    def assign_sub(self, variable: Any, value: Any) -> None:
        """Subtract from a variable: for use in `update_step`."""
        variable.assign(variable - ops.cast(value, variable.dtype))

    def set_weights(self, weights: Any) -> None:
        """Set all variables of the state from arrays in the order of `variables`.

        Raises:
            ValueError: if number or shapes differ.
        """
        weights = list(weights)
        own = self.variables
        if len(weights) != len(own):
            raise ValueError(
                f"set_weights: {self.name} has {len(own)} variables; received {len(weights)} arrays. "
                "Build the optimizer with the variables it trains first."
            )
        for variable, value in zip(own, weights, strict=True):
            variable.assign(value)

    def save_own_variables(self, store: Any) -> None:
        """Write the state into a mapping, under the numbers of the variables."""
        for i, variable in enumerate(self._stored_variables()):
            store[str(i)] = variable.numpy()

    def _stored_variables(self) -> list[Variable]:
        return [
            v for v in self.variables if not self._rate_decay or v is not self._learning_rate
        ]  # which the config has

    def load_own_variables(self, store: Any) -> None:
        """Read the state from a mapping that `save_own_variables` filled; refuse another number of arrays.

        Raises:
            ValueError: if the number or shapes of the arrays differ.
        """
        own = self._stored_variables()
        if len(store.keys()) != len(own):
            hint = "" if self.built else " The optimizer has not been built with the variables that it trains yet."
            raise ValueError(
                f"{self.name}: expected {len(own)} saved arrays, one for each of {[v.path for v in own]}; received "
                f"{len(store.keys())}.{hint}"
            )
        for i, variable in enumerate(own):
            variable.assign(store[str(i)])

    # ---- steps --------------------------------------------------------------------------------------------------

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable against its gradient, with `self.assign`, `assign_add` and `assign_sub`."""
        raise NotImplementedError(
            f"{type(self).__name__} defines no `update_step(self, gradient, variable, learning_rate)`."
        )

    def by_rows(self, variables: Sequence[Variable]) -> list[Variable]:
        """Return those variables of which an update need only touch the rows that have a gradient: here, none."""
        return []

    def update_rows(self, gradient: RowGradient, place: int, arrays: "Arrays", rate: Any, t: Any) -> None:
        """Make the update of one variable that `by_rows` gave."""
        raise NotImplementedError(f"{type(self).__name__} takes no gradients by rows.")

    def update(self, gradients: list[Any], arrays: "Arrays", rate: Any, t: Any) -> None:
        """Make one update of `arrays` by the optimizer's formula: here, by `update_step` inside a functional scope.

        Args:
            gradients: a gradient for each trained variable.
            arrays: what to change.
            rate: the learning rate, a scalar.
            t: number of this update, counting from 1, a float32 scalar.
        """
        scope = StatelessScope()
        scope.values.update(arrays.state)
        scope.values.update({id(v): x for v, x in zip(arrays.variables, arrays.values, strict=True)})
        known = set(scope.values)
        with scope:
            for gradient, variable in zip(gradients, arrays.variables, strict=True):
                self.update_step(gradient, variable, rate)
        for key, variable in scope.updated.items():
            if key not in known:  # it was made just now, or belongs to something else
                variable.assign(scope.values[key])
        arrays.state.update({key: scope.values[key] for key in arrays.state})
        arrays.values = [scope.values[id(v)] for v in arrays.variables]

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Move variables against their gradients.

        Args:
            grads: a gradient for each variable; None leaves it as it is.
            trainable_variables: the variables; None means those that the optimizer was built with.

        Raises:
            ValueError: if the variables are not those it was built with, their number differs from that of the
                gradients, or all gradients are None.
        """
        grads = list(grads)
        if not grads:
            return
        variables = self._targets(grads, trainable_variables)
        grads, variables = self._present(grads, variables)
        scope = stateless_scope()
        with backends.current().no_grad():
            own = self.variables
            state = {id(v): v.value for v in own}
            values = [v.value for v in variables]
            arrays = Arrays(variables, list(values), dict(state), donated=scope is None or scope.may_overwrite())
            self._advance(grads, arrays)
            for variable, old, new in zip(variables, values, arrays.values, strict=True):
                if new is not old:
                    variable.assign(new)
            for variable in own:
                if arrays.state[id(variable)] is not state[id(variable)]:
                    variable.assign(arrays.state[id(variable)])

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> Any:
        """Move variables against their gradients, given as pairs of a gradient and a variable; return the iteration.

        Raises:
            ValueError: if there is no pair; see also `apply`.
        """
        pairs = list(grads_and_vars)
        if not pairs:
            raise ValueError(
                f"{self.name}.apply_gradients: expected pairs of a gradient and a variable; received none."
            )
        grads, variables = zip(*pairs, strict=True)
        self.apply(grads, variables)
        return self._iterations

    def minimize(self, loss: Callable[[], Any], var_list: Sequence[Variable]) -> Any:
        """Compute the gradients of a function of no arguments by `var_list`, make an update, and return the loss.

        >>> v = keras.Variable(3.0)
        >>> _ = optimizers.SGD(0.5).minimize(lambda: v * v, [v])
        >>> float(v)
        0.0
        """
        from tahr.autodiff import value_and_grad

        found: dict[str, Any] = {}

        def scaled() -> Any:
            value = loss()
            return self.scale_loss(value), value

        (_, found["loss"]), grads = value_and_grad(scaled, list(var_list), has_aux=True)()
        self.apply(grads, var_list)
        return found["loss"]

    def stateless_apply(
        self, optimizer_variables: Sequence[Any], grads: Sequence[Any], trainable_variables: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Return new values of the trained variables and of the optimizer's variables: a pure function.

        Args:
            optimizer_variables: values of `variables`.
            grads: a gradient for each trained variable, or None for it.
            trainable_variables: values of the variables that the optimizer was built with.

        Raises:
            ValueError: if the optimizer is not built, or a number of values differs.
        """
        own = self.variables
        self._check_built(optimizer_variables, own, trainable_variables)
        engine = backends.current()
        mapped = [v.value if isinstance(v, Variable) else engine.tensor(v) for v in optimizer_variables]
        values = [v.value if isinstance(v, Variable) else engine.tensor(v) for v in trainable_variables]
        kept, variables = self._present(list(grads), self._trainable_variables)
        places = [self._positions[id(v)] for v in variables]
        state = {id(v): value for v, value in zip(own, mapped, strict=True)}
        arrays = Arrays(variables, [values[i] for i in places], state)
        with engine.no_grad():
            self._advance(kept, arrays)
        for i, value in zip(places, arrays.values, strict=True):
            values[i] = value
        return values, [arrays.state[id(v)] for v in own]

    def _check_built(
        self, optimizer_variables: Sequence[Any], own: list[Variable], trainable_variables: Sequence[Any]
    ) -> None:
        if not self.built:
            raise ValueError(f"stateless_apply: call {self.name}.build(trainable_variables) first.")
        for what, given, kept in (
            ("optimizer_variables", optimizer_variables, own),
            ("trainable_variables", trainable_variables, self._trainable_variables),
        ):
            if len(given) != len(kept):
                raise ValueError(
                    f"stateless_apply: expected {len(kept)} {what} for {self.name}; received {len(given)}."
                )

    def _targets(self, grads: list[Any], trainable_variables: Sequence[Any] | None) -> list[Variable]:
        if trainable_variables is None:
            if not self.built:
                raise ValueError(
                    f"{self.name}.apply: without trainable_variables the optimizer must have been built: call "
                    f"{self.name}.build(trainable_variables) first."
                )
            variables = self._trainable_variables
        else:
            variables = list(trainable_variables)
            if not self.built:
                self.build(variables)
        if len(grads) != len(variables):
            raise ValueError(f"{self.name}.apply: expected {len(variables)} gradients; received {len(grads)}.")
        unknown = [v for v in variables if id(v) not in self._positions]
        if unknown:
            raise ValueError(
                f"{self.name}.apply: unknown variable {unknown[0]!r}. It trains the variables it was built with; "
                "make a new optimizer, or build this one with all variables."
            )
        return variables

    def _present(self, grads: list[Any], variables: list[Variable]) -> tuple[list[Any], list[Variable]]:
        """Return the gradients that are not None, in the type of their variable, with their variables."""
        missing = [v.path for g, v in zip(grads, variables, strict=True) if g is None]
        if len(missing) == len(grads):
            raise ValueError(
                f"{self.name}.apply: no gradient for any variable. The loss does not depend on {', '.join(missing)}."
            )
        if missing:
            warnings.warn(
                f"{self.name}.apply: no gradient for {', '.join(missing)}; the loss does not depend on them.",
                stacklevel=3,
            )
            kept = [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]
            grads, variables = [g for g, _ in kept], [v for _, v in kept]
        engine = backends.current()
        return [
            g if isinstance(g, RowGradient) else engine.tensor(g, v._dtype)
            for g, v in zip(grads, variables, strict=True)
        ], variables

    def _advance(self, grads: list[Any], arrays: "Arrays") -> None:
        """Make one step: everything but the formula of the update itself."""
        overwritten = {
            i: g for i, (g, v) in enumerate(zip(grads, arrays.variables, strict=True)) if v.overwrite_with_gradient
        }
        step = arrays.state[id(self._iterations)]
        by_rows = {i: g for i, g in enumerate(grads) if isinstance(g, RowGradient)}
        if by_rows or overwritten:  # the "gradient" of the latter is their next value
            rest = [i for i in range(len(grads)) if i not in by_rows and i not in overwritten]
            part = arrays.part(rest)
            if rest:
                self._step_on([grads[i] for i in rest], part, step)
            arrays.take(rest, part)
            arrays.values = [overwritten.get(i, x) for i, x in enumerate(arrays.values)]
            for i, gradient in by_rows.items():
                rate, t = self._rate(arrays.state, step), ops.cast(step + 1, "float32")
                self.update_rows(gradient, i, arrays, rate, t)
        else:
            self._step_on(grads, arrays, step)
        arrays.state[id(self._iterations)] = step + 1

    def _step_on(self, grads: list[Any], arrays: "Arrays", step: Any) -> None:
        if self.loss_scale_factor is not None:
            grads = [g / self.loss_scale_factor for g in grads]
        if self.gradient_accumulation_steps:
            self._accumulate(grads, arrays, step)
        else:
            self._move(grads, arrays, step, step)

    def _accumulate(self, grads: list[Any], arrays: "Arrays", step: Any) -> None:
        """Make a step that only every so often is an update, with the mean of the gradients."""
        steps = self.gradient_accumulation_steps or 1
        keys = [id(self._accumulators[self._positions[id(v)]]) for v in arrays.variables]
        sums = [arrays.state[key] + g for key, g in zip(keys, grads, strict=True)]

        def update(then: "Arrays") -> None:
            self._move([s / steps for s in sums], then, step, ops.floor_divide(step, steps))
            then.state.update({key: ops.zeros_like(s) for key, s in zip(keys, sums, strict=True)})

        def wait(then: "Arrays") -> None:
            then.state.update(zip(keys, sums, strict=True))

        arrays.choose(ops.equal((step + 1) % steps, 0), update, wait)

    def _move(self, grads: list[Any], arrays: "Arrays", batch: Any, step: Any) -> None:
        """Make an update, after these many batches and updates: clipping, decay, the formula, averages, constraints.

        Schedules count batches, as Keras's do, which tells where gradients of several are accumulated for an update.
        """
        grads = transforms.clip(grads, self.clipnorm, self.clipvalue, self.global_clipnorm)
        rate, t = self._rate(arrays.state, batch), ops.cast(step + 1, "float32")
        if self.groups:
            parameter_groups.update(self, grads, arrays, rate, step, t)
        else:
            self._decay(arrays, rate)
            self.update(grads, arrays, rate, t)
        if self.use_ema:
            self._average(arrays, step)
        if any(v.constraint is not None for v in arrays.variables):
            arrays.values = [
                v.constraint(x) if v.constraint is not None else x
                for x, v in zip(arrays.values, arrays.variables, strict=True)
            ]

    def _rate(self, state: dict[int, Any], step: Any) -> Any:
        rate = self._learning_rate
        if isinstance(rate, Variable):
            found = state[id(rate)]
            return found / (1.0 + self._rate_decay * ops.cast(step, "float32")) if self._rate_decay else found
        found = rate(step) if isinstance(rate, LearningRateSchedule) else rate()
        return ops.convert_to_tensor(found, dtype="float32")

    def _decay(self, arrays: "Arrays", rate: Any) -> None:
        """Take weight decay off the variables."""
        places: dict[float, list[int]] = {}
        for i, variable in enumerate(arrays.variables):
            decay = self.decay_of(variable)
            if decay is not None and self._decays(variable):
                places.setdefault(decay, []).append(i)
        engine = backends.current()
        for decay, found in places.items():
            share = rate * decay
            if arrays.donated and engine.multiply_in_place([arrays.values[i] for i in found], 1 - share):
                continue
            for i in found:
                x = arrays.values[i]
                arrays.values[i] = x - x * ops.cast(share, arrays.variables[i]._dtype)

    def _average(self, arrays: "Arrays", step: Any) -> None:
        """Bring the moving averages up to date, and let the variables take them on every so often."""
        momentum = ops.where(step == 0, 0.0, self.ema_momentum)  # the first average is the first value
        every = self.ema_overwrite_frequency
        for i, variable in enumerate(arrays.variables):
            key, x = id(self._averages[self._positions[id(variable)]]), arrays.values[i]
            share = ops.cast(momentum, variable._dtype)
            arrays.state[key] = share * arrays.state[key] + (1 - share) * x
            if every:
                arrays.values[i] = ops.where((step + 1) % every == 0, arrays.state[key], x)

    def finalize_variable_values(self, var_list: Iterable[Any]) -> None:
        """Set variables to their moving averages at the end of training, if averages are kept."""
        if self.use_ema:
            for variable in var_list:
                variable.assign(self._averages[self._positions[id(variable)]].value)

    # ---- loss scale and weight decay ----------------------------------------------------------------------------

    def scale_loss(self, loss: Any) -> Any:
        """Return the loss times `loss_scale_factor`: what to compute gradients of."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def exclude_from_weight_decay(
        self, var_list: Iterable[Any] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Let weight decay leave some variables alone, such as biases and the scales of normalisation.

        Args:
            var_list: the variables.
            var_names: regular expressions searched for in their paths.

        Raises:
            ValueError: if the optimizer is already built.

        >>> optimizer = optimizers.AdamW()
        >>> optimizer.exclude_from_weight_decay(var_names=["bias", "gamma"])
        """
        if self.built:
            raise ValueError(f"{self.name}.exclude_from_weight_decay: call it before the optimizer is built.")
        self._not_decayed += [*(var_list or ()), *(re.compile(name) for name in var_names or ())]

    def decay_of(self, variable: Variable) -> float | None:
        """Return the weight decay of a variable that is not excluded from it."""
        group = parameter_groups.group_of(self.groups, variable)
        return self.weight_decay if group is None else group.get("weight_decay", self.weight_decay)

    def _decays(self, variable: Variable) -> bool:
        for excluded in self._not_decayed:
            if excluded is variable or (isinstance(excluded, re.Pattern) and excluded.search(variable.path)):
                return False
        return True

    # ---- config -------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as data, with the learning rate as it is now."""
        from tahr.saving.serialization import serialize_keras_object

        rate = self._learning_rate
        config = super().get_config()
        if "learning_rate" in config:
            number = float(rate.numpy()) if isinstance(rate, Variable) else rate
            if self._rate_decay:
                number = InverseTimeDecay(number, 1, self._rate_decay)
            config["learning_rate"] = number if isinstance(number, float) else serialize_keras_object(number)
        if config.get("groups", 0) is None:  # which Keras does not know
            del config["groups"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """Return a new optimizer made from what `get_config` gave."""
        from tahr.saving.registry import CustomObjectScope

        with CustomObjectScope(custom_objects):
            return super().from_config(config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) or hasattr(value, "dtype")


def _constant(value: Any) -> Callable[..., Any]:
    return lambda shape, dtype=None: backends.current().tensor(value, dtype)


_OLD = {"lr": "learning_rate", "decay": "a schedule from optimizers.schedules as learning_rate"}


def _refuse_unknown(what: str, kwargs: dict[str, Any]) -> None:
    if kwargs:
        hints = "".join(f" Instead of {k!r}, use {_OLD[k]}." for k in kwargs if k in _OLD)
        raise ValueError(f"{what}: unknown arguments {sorted(kwargs)}.{hints}")


backends.when_started(lambda engine: engine.know_keepers(Optimizer))
