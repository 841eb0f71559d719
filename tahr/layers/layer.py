"""`Layer`: state, shapes, masks, types and configuration, so that a layer is its constructor, weights and formula."""

import contextlib
import functools
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tahr import backends, dtypes, naming, shapes, tree
from tahr.layers.input_spec import check_input_spec
from tahr.layers.inputs import convert_inputs
from tahr.layers.rebuilding import rebuilt
from tahr.layers.signature import (
    CallInfo,
    abstract_call,
    build_parameters,
    call_info,
    is_array_like,
    note_shapes,
    shapes_of,
    take_input_shape,
    to_tuples,
)
from tahr.layers.structure import named_layers, named_variables, parts, search_once, unique
from tahr.masks import get_mask, masks_of, set_mask
from tahr.ops.work import counting
from tahr.recording import Recorded, parameters_of
from tahr.rematerialization import current_remat_scope
from tahr.saving.errors import understanding
from tahr.symbolic import KerasTensor, Operation, any_symbolic, forget, record
from tahr.variables import AutocastScope, StatelessScope, SymbolicScope, Variable, read_as, stateless_scope

__all__ = ["Layer"]


class _Context(threading.local):
    """What the outermost layer call of this thread decides for the layers inside."""

    training: Any = None
    depth: int = 0
    watch: Any = None  # see tahr/layers/watching.py


_context = _Context()
_with_losses: dict[int, weakref.ref["Layer"]] = {}  # layers that hold losses of their last call, by their `id`


class Layer(Recorded, Operation):
    """A callable with weights.

    A subclass defines `__init__` (whose arguments are its config), `call`, and `build(input_shape)` if it has
    weights of its own; layers kept as attributes, also in lists and dicts, are part of it. Shapes and types of the
    outputs follow from `call`.

    Args:
        activity_regularizer: function of the output whose value is added to the loss.
        trainable: whether training changes its weights.
        dtype: data type or dtype policy of computations and weights; None takes the global policy.
        autocast: whether floating-point inputs are cast to the compute type.
        name: name; None makes one from the class.

    >>> class Scale(keras.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones")
    ...
    ...     def call(self, x):
    ...         return x * self.gain
    >>> Scale()(ops.array([[1.0, 2.0]]))
    [[1.0, 2.0]]
    """

    _untracked: frozenset[str] = frozenset({"_losses", "_recorded"})
    _takes_text = False  # whether inputs may be strings, which no backend holds
    _brief_config = False  # whether the config has no `trainable`, and just the name of the dtype policy
    _always_written: frozenset[str] = frozenset()  # optional arguments that the config names also at their default
    input_spec: Any = None
    supports_masking = False
    autograph_info__ = None  # by its name, what rewrites functions of data pipelines leaves a layer alone
    _training_mode: bool | None = None  # what a framework's own switch is set to, for calls where nothing else says
    _remat: Any = None  # the scope that says what to compute again for gradients
    _path: str
    _build_shapes: Any

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ):
        backends.current()  # makes the class one of the framework's
        Operation.__init__(self, name)
        self._legacy_shape = take_input_shape(type(self).__name__, kwargs)
        from tahr import dtype_policies, regularizers

        self.activity_regularizer = regularizers.get(activity_regularizer) if activity_regularizer is not None else None
        self.dtype_policy = dtype_policies.get(dtype)
        self.autocast = autocast
        self.built = False
        self._trainable = bool(trainable)
        self._own: list[Variable] = []
        self._losses: list[Any] = []
        if (remat := current_remat_scope()) is not None:
            self._remat = remat

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _scoped_build(cls.__dict__["build"])  # type: ignore[method-assign]

    if not TYPE_CHECKING:  # else every misspelt attribute would be one

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):  # a property that raised an AttributeError, which says more
                return object.__getattribute__(self, name)
            from tahr.compat.methods import old_attribute

            with contextlib.suppress(AttributeError):
                return super().__getattr__(name)  # of the framework's class of layers
            return old_attribute(self, name)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle or a copy holds: all but the losses of the last call, which are this object's."""
        return {**super().__getstate__(), "_losses": []}

    # ---- calling ------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the outputs for inputs: arrays, or symbols to extend a functional model by this layer."""
        info = call_info(type(self))
        symbolic = any_symbolic(args) or (bool(kwargs) and any_symbolic(kwargs.values()))
        args, kwargs = self._convert(args, kwargs)
        said = dict(kwargs) if symbolic else kwargs  # a graph records what the caller said, not what follows from where
        training, kwargs = self._resolve_training(info, args, kwargs)
        masks = self._fill_masks(info, args, kwargs)
        if self.input_spec is not None and args:
            check_input_spec(self.input_spec, args[0], self)
        if not self.built:
            self._build_for(info, args, kwargs)
        outer, _context.training = _context.training, training
        _context.depth += 1
        names, reading = naming.open_name(self.name, id(self)), read_as(self._variables_read_as)
        try:
            if symbolic:
                infer = self.compute_output_spec if counting() is None else self._spec_with_work
                outputs = record(self, args, said, infer(*args, **kwargs))
            else:
                if _with_losses and _context.depth == 1 and stateless_scope() is None:
                    self._clear_losses()
                remat = current_remat_scope() or self._remat
                call = self.call if remat is None else remat.call_of(self, args, kwargs)
                outputs = call(*args, **kwargs)
        except Exception as error:
            _explain(error, self, args)
            raise
        finally:
            read_as(reading)
            naming.close_name(names)
            _context.training = outer
            _context.depth -= 1
        if masks or info.computes_mask:
            self._pass_masks(args, masks, outputs)
        if self.activity_regularizer is not None and not symbolic:
            for x in tree.flatten(outputs):
                self.add_loss(self.activity_regularizer(x) / max(x.shape[0] if len(x.shape) else 1, 1))
        if _context.watch is not None:
            _context.watch(self, args, kwargs, outputs)
        return outputs

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs: the definition of the layer."""
        raise NotImplementedError(f"Layer {type(self).__name__} defines no `call(self, inputs)`.")

    def in_context(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call` made to run with what this call of the layer decides for those inside, also after it."""
        training = _context.training

        def run(*args: Any, **kwargs: Any) -> Any:
            outer, _context.training = _context.training, training
            _context.depth += 1
            try:
                return call(*args, **kwargs)
            finally:
                _context.training = outer
                _context.depth -= 1

        return run

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """Return symbols for the outputs of a call on symbols."""
        return self(*args, **kwargs)

    def _convert(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return convert_inputs(self, args, kwargs)

    _takes_variables = False

    def _resolve_training(
        self, info: "CallInfo", args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """Return the training flag (argument, else that of the layer around, else the default) and the arguments."""
        around = _context.training
        if info.training is None:
            training = kwargs.pop("training", None) if not info.any_keyword else kwargs.get("training")
            return (around if training is None else training), kwargs
        given = kwargs.get("training")
        if given is None and len(args) > info.training:
            given = args[info.training]
        if given is None:
            own = self._training_mode if around is None else None
            given = around if around is not None else info.training_default if own is None else own
            if given is not None and len(args) <= info.training:
                kwargs = {**kwargs, "training": given}
            if own is not None:
                return None, kwargs  # each layer inside has a switch of its own
        return given, kwargs

    def _fill_masks(self, info: "CallInfo", args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Put the masks of the inputs where `call` expects them; return whether the first input carries any."""
        if not args:
            return False
        first = masks_of(args[0])
        if first is not None and info.mask and kwargs.get("mask") is None and len(args) <= info.mask:
            kwargs["mask"] = first
        for i, name in info.masked_arguments:
            x = args[i] if i < len(args) else kwargs.get(info.parameters[i])
            if x is not None and kwargs.get(name) is None and (mask := masks_of(x)) is not None:
                kwargs[name] = mask
        return first is not None

    def _pass_masks(self, args: tuple[Any, ...], masked: bool, outputs: Any) -> None:
        previous = masks_of(args[0]) if masked else None
        if not self.supports_masking:
            if previous is not None and not call_info(type(self)).mask:
                warnings.warn(
                    f"Layer {self.name!r} ({type(self).__name__}) does not support masks, so its input's mask ends "
                    "here. Set `self.supports_masking = True` in its constructor to pass it on.",
                    stacklevel=3,
                )
            return
        found = self.compute_mask(args[0], previous)
        if found is None:
            return
        flat, masks = tree.flatten(outputs), tree.flatten(found)
        if len(masks) == 1 and len(flat) > 1:
            masks = masks * len(flat)
        for x, mask in zip(flat, masks, strict=False):
            if mask is not None and x is not None and get_mask(x) is None:
                set_mask(x, mask)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return the mask of the outputs: by default that of the inputs."""
        return previous_mask

    # ---- building -----------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of a shape; layers whose weights all belong to inner layers need none."""
        self.built = True

    def _build_for(self, info: "CallInfo", args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = dict(zip(info.parameters, args, strict=False)) | kwargs
        known = {f"{name}_shape": shapes_of(value) for name, value in given.items() if is_array_like(value)}
        if args:
            self._called_with = shapes_of(args[0])  # for `summary`
        wanted = build_parameters(type(self))
        if wanted is not None and len(wanted) == 1 and args:
            self.build(shapes_of(args[0]))
        elif wanted is None:
            self.build(*list(known.values())[:1])
        else:
            shapes = {name: known[name] for name in wanted if name in known}
            if args and wanted and wanted[0] not in shapes:  # a subclass may call the first argument something else
                shapes[wanted[0]] = shapes_of(args[0])
            self.build(**shapes)
        self.built = True

    def get_build_config(self) -> dict[str, Any] | None:
        """Return the shapes that `build` was called with, or None."""
        return self.__dict__.get("_build_shapes")

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build with the shapes that `get_build_config` gave."""
        if not config:
            return
        if "shapes_dict" in config:
            self.build(**{k: to_tuples(v) for k, v in config["shapes_dict"].items()})
        elif "input_shape" in config:
            self.build(to_tuples(config["input_shape"]))
        else:
            self.build(**{k: to_tuples(v) for k, v in config.items()})
        self.built = True

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """Make a weight of this layer.

        Args:
            shape: sizes; None or () for a scalar.
            initializer: name, function of `(shape, dtype)` or initializer object; None is Glorot uniform for floats
                and zeros for other types.
            dtype: data type; None takes the layer's variable type.
            trainable: whether training changes it.
            autocast: whether it reads as the layer's compute type.
            regularizer: function of the weight whose value is added to the loss.
            constraint: function applied to the weight after every update.
            aggregation: how replicas combine.
            overwrite_with_gradient: whether an update is the gradient itself.
            name: last part of its path.
        """
        from tahr import constraints, initializers, regularizers

        if isinstance(shape, str):
            raise TypeError(
                f"add_weight: the first argument is the shape; received the text {shape!r}. Use name={shape!r}."
            )
        shape = (shape,) if isinstance(shape, int) else tuple(shape or ())
        name_of = dtypes.standardize_dtype(dtype) if dtype is not None else self.variable_dtype
        if initializer is None:
            initializer = "glorot_uniform" if dtypes.is_float(name_of) else "zeros"
        with naming.name_scope(self.name, owner=self), AutocastScope(None):
            variable = Variable(
                initializers.get(initializer), shape, name_of, trainable, autocast, aggregation, name=name
            )
        variable.regularizer = regularizers.get(regularizer) if regularizer is not None else None
        variable.constraint = constraints.get(constraint) if constraint is not None else None
        variable.overwrite_with_gradient = overwrite_with_gradient
        if not self._trainable:
            variable.trainable = False
        self._own.append(variable)
        return variable

    def add_variable(
        self,
        shape: Any,
        initializer: Any,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Make a weight; the same as `add_weight`."""
        return self.add_weight(shape, initializer, dtype, trainable, autocast, regularizer, constraint, name=name)

    def add_metric(self, *args: Any, **kwargs: Any) -> None:
        """Refuse: keep metrics as attributes and update them in `call` or `train_step`."""
        raise NotImplementedError(
            "add_metric: set a metric as an attribute (self.mean = keras.metrics.Mean()) and call update_state on it."
        )

    @property
    def path(self) -> str:
        """Names of the layers around this one when it was built, then its own, joined by `/`."""
        return self.__dict__.get("_path", self.name)

    # ---- losses -------------------------------------------------------------------------------------------------

    def add_loss(self, loss: Any) -> None:
        """Add a scalar (or several) to what training minimises; call it inside `call`."""
        for value in tree.flatten(loss):
            if value is None:
                continue
            if getattr(value, "shape", ()) not in ((), None) and tuple(value.shape) != ():
                raise ValueError(f"{self.path}: add_loss expects scalars; received shape {tuple(value.shape)}.")
            scope = stateless_scope()
            if scope is not None:
                if scope.collect_losses:
                    scope.add_loss(value)
            else:
                self._losses.append(value)
                _note_losses(self)

    def _clear_losses(self) -> None:
        for layer in self._flatten_layers():
            if _with_losses.pop(id(layer), None) is not None:
                layer._losses = []

    @property
    def losses(self) -> list[Any]:
        """Scalars added by the last call, then the weight regularizers' values."""
        scope = stateless_scope()
        found = list(scope.losses) if scope is not None and scope.collect_losses else []
        if scope is None:
            for layer in self._flatten_layers():
                found += layer._losses
        with AutocastScope(None):
            return found + [v.regularizer(v) for v in self.trainable_weights if v.regularizer is not None]

    # ---- state --------------------------------------------------------------------------------------------------

    _parts, _named_layers, _named_variables, _rebuilt = parts, named_layers, named_variables, rebuilt

    @property
    def _layers(self) -> list["Layer"]:
        """The layers directly inside this one, each once."""
        return unique(x for x in self._parts(Layer) if x is not self)

    def _flatten_layers(self) -> list["Layer"]:
        """Return this layer and all inside it, each once, outer ones first."""
        return [self, *self._inner_layers()]

    @search_once
    def _inner_layers(self) -> list["Layer"]:
        """Return all layers inside, each once, outer ones first; not this one, which what is kept must not hold."""
        found: dict[int, Layer] = {}
        stack = list(reversed(self._layers))
        while stack:
            layer = stack.pop()
            if id(layer) not in found and layer is not self:
                found[id(layer)] = layer
                stack.extend(reversed(layer._layers))
        return list(found.values())

    @search_once
    def _own_variables(self) -> list[Variable]:
        found = unique([*self._own, *self._parts(Variable)])
        return [v for v in found if v.learnable] + [v for v in found if not v.learnable]

    @property
    @search_once
    def variables(self) -> list[Variable]:
        """All state: weights, then that of random generators, in the order of the layers."""
        found: list[Variable] = []
        for layer in self._flatten_layers():
            found += layer._own_variables()
            found += layer._state_variables()
        return unique(found)

    def _state_variables(self) -> list[Variable]:
        """Return state that is no weight: by default that of random generators."""
        from tahr.random import SeedGenerator

        return [g.state for g in self._parts(SeedGenerator)]

    @property
    @search_once
    def weights(self) -> list[Variable]:
        """Trainable and other weights, without the state of random generators and metrics."""
        return unique(v for layer in self._flatten_layers() for v in layer._own_variables())

    @property
    def trainable_weights(self) -> list[Variable]:
        return [v for v in self.weights if v.trainable] if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Variable]:
        return [v for v in self.weights if not v.trainable] if self.trainable else self.weights

    @property
    def trainable_variables(self) -> list[Variable]:
        return [v for v in self.variables if v.trainable] if self.trainable else []

    @property
    def non_trainable_variables(self) -> list[Variable]:
        return [v for v in self.variables if not v.trainable] if self.trainable else self.variables

    @property
    @search_once
    def metrics(self) -> list[Any]:
        """The metrics of this layer and of the layers inside it."""
        from tahr.metrics import Metric

        return unique(m for layer in self._flatten_layers() for m in layer._parts(Metric))

    @property
    def metrics_variables(self) -> list[Variable]:
        return [v for m in self.metrics for v in m.variables]

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for v in self._own_variables():
            if v.learnable:
                v.trainable = bool(value)
        for layer in self._layers:
            layer.trainable = bool(value)

    def count_params(self) -> int:
        """Return the number of values in the weights.

        Raises:
            ValueError: if the weights do not exist yet.
        """
        if not self.built:
            raise ValueError(
                f"{self.path}: the number of parameters is unknown before the weights exist. Call it on data, or "
                "`build(input_shape)`."
            )
        return sum(v.size for v in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """Return the values of the weights as NumPy arrays."""
        return [np.array(v.numpy()) for v in self.weights]

    def set_weights(self, weights: Any) -> None:
        """Assign NumPy arrays to the weights, in the order of `weights`.

        Raises:
            ValueError: if their number or a shape differs; nothing is assigned then.
        """
        mine = self.weights
        if len(mine) != len(weights):
            raise ValueError(
                f"{self.path}: set_weights expects {len(mine)} arrays, one for each of "
                f"{[v.path for v in mine[:8]]}{'...' if len(mine) > 8 else ''}; received {len(weights)}."
            )
        for variable, value in zip(mine, weights, strict=True):
            if tuple(np.shape(value)) != variable.shape:
                raise ValueError(
                    f"{self.path}: weight {variable.path} has shape {variable.shape}; received {np.shape(value)}."
                )
        for variable, value in zip(mine, weights, strict=True):
            variable.assign(value)

    def _stored_variables(self) -> list[Any]:
        """Return this layer's own weights as files hold them: variables, or what reads and assigns like one."""
        return self._own_variables()

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Put the values of this layer's own weights into `store` under the keys "0", "1", ..."""
        for i, v in enumerate(self._stored_variables()):
            store[str(i)] = v.numpy()

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Take the values of this layer's own weights from `store`.

        Raises:
            ValueError: if the number of stored values differs.
        """
        mine = self._stored_variables()
        if len(store.keys()) != len(mine):
            hint = "" if self.built else " The layer has not been built: its weights do not exist yet."
            raise ValueError(f"{self.path}: has {len(mine)} weights; the file holds {len(store.keys())}.{hint}")
        for i, v in enumerate(mine):
            v.assign(store[str(i)])

    def stateless_call(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Call the layer as a pure function of its state.

        Args:
            trainable_variables: values for `self.trainable_variables`.
            non_trainable_variables: values for `self.non_trainable_variables`.
            *args: inputs.
            return_losses: whether the losses added inside are returned as well.
            **kwargs: further arguments of `call`.

        Returns:
            `(outputs, new values of non_trainable_variables)`, and the losses if asked for.
        """
        mine = self.trainable_variables, self.non_trainable_variables
        if not self.built:
            raise ValueError(
                f"{self.path}: stateless_call needs a built layer; call it once or use `build(input_shape)`."
            )
        for variables, values, name in zip(
            mine, (trainable_variables, non_trainable_variables), ("trainable", "non_trainable"), strict=True
        ):
            if len(variables) != len(values):
                raise ValueError(f"{self.path}: expected {len(variables)} {name}_variables; received {len(values)}.")
        pairs = [*zip(mine[0], trainable_variables, strict=True), *zip(mine[1], non_trainable_variables, strict=True)]
        with StatelessScope(state_mapping=pairs, collect_losses=return_losses) as scope:
            outputs = self(*args, **kwargs)
            losses = self.losses if return_losses else []
        states = [scope.get_current_value(v) for v in mine[1]]
        return (outputs, states, losses) if return_losses else (outputs, states)

    # ---- types --------------------------------------------------------------------------------------------------

    @property
    def dtype_policy(self) -> Any:
        """The policy that names the types of computations and weights."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        from tahr import dtype_policies

        policy = dtype_policies.get(value)
        if isinstance(policy, dtype_policies.DTypePolicyMap):
            policy = policy[self.path]
        self._dtype_policy = policy
        compute, stored = policy.compute_dtype, policy.variable_dtype
        self._input_dtype = dtypes.canonical(compute) if compute is not None and dtypes.is_float(compute) else None
        self._variables_read_as = self._input_dtype if compute != stored else None

    @property
    def dtype(self) -> str:
        return self.variable_dtype

    @property
    def variable_dtype(self) -> str:
        return self._dtype_policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        return self._dtype_policy.compute_dtype

    @property
    def input_dtype(self) -> str:
        return self.compute_dtype

    @property
    def quantization_mode(self) -> str | None:
        return self._dtype_policy.quantization_mode

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        """Keep the weights in few bits; only layers that say how can.

        Raises:
            NotImplementedError: if the layer cannot.
        """
        raise NotImplementedError(
            f"{self.path}: {type(self).__name__} cannot be quantized; Dense, EinsumDense, Embedding and "
            "ReversibleEmbedding can."
        )

    def quantized_build(self, input_shape: Any, mode: str) -> None:
        """Make the weights in few bits; only layers that say how can.

        Raises:
            NotImplementedError: if the layer cannot.
        """
        self.quantize(mode)

    # ---- shapes -------------------------------------------------------------------------------------------------

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Return the shape (or structure of shapes) of the outputs for input shapes; it follows from `call`."""
        dtype = self._input_dtype or self.compute_dtype
        symbols = [tree.map_shape_structure(lambda s: KerasTensor(s, dtype, record_history=False), a) for a in args]
        wanted = build_parameters(type(self))
        named = {
            k.removesuffix("_shape"): tree.map_shape_structure(lambda s: KerasTensor(s, dtype, record_history=False), v)
            for k, v in kwargs.items()
        }
        if not self.built and (symbols or named):
            info = call_info(type(self))
            self._build_for(info, tuple(symbols), named) if wanted is None or len(wanted) > 1 else self.build(args[0])
        outputs = self.compute_output_spec(*symbols, **named)
        return tree.map_structure(lambda x: tuple(x.shape), outputs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Return symbols for the outputs: what `call` gives for symbols, or for the framework's abstract arrays."""
        args, kwargs = forget(args), forget(kwargs)
        if type(self).compute_output_shape is not Layer.compute_output_shape:
            found = self.compute_output_shape(shapes_of(args[0]))
            if tree.is_shape(found):
                return KerasTensor(found, self.compute_dtype, record_history=False)
            return tree.map_shape_structure(lambda s: KerasTensor(s, self.compute_dtype, record_history=False), found)
        with SymbolicScope(), StatelessScope():
            try:
                return self.call(*args, **kwargs)
            except Exception as error:
                try:
                    return abstract_call(self.call, args, kwargs)
                except Exception:
                    raise error from None

    def _spec_with_work(self, *args: Any, **kwargs: Any) -> Any:
        """Return symbols for the outputs by running `call` itself, so that all it computes is counted."""
        counter: Any = counting()

        def run() -> Any:
            with SymbolicScope(), StatelessScope():
                try:
                    return self.call(*forget(args), **forget(kwargs))
                except Exception:  # code that needs values
                    counter.lose()
                    return self.compute_output_spec(*args, **kwargs)

        return counter.run(self, run)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments as plain data, ready for JSON."""
        from tahr import dtype_policies

        base = {"name": self.name, "trainable": self.trainable, "dtype": dtype_policies.serialize(self._dtype_policy)}
        config = {**base, **super().get_config(), **base}
        if self._brief_config:
            config["dtype"] = self._dtype_policy.name
            del config["trainable"]
        for name, usual in (
            ("autocast", True),
            ("activity_regularizer", None),
            ("lora_rank", None),
            ("lora_alpha", None),
        ):
            if config.get(name, 0) is usual and name not in self._always_written:
                del config[name]  # as Keras, whose older versions do not know all of these
        return config

    @classmethod
    @understanding()
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """Return a new layer made from what `get_config` gave; `custom_objects` are classes and functions by name.

        A constructor without `**kwargs` takes no name, trainable or dtype: these are set on the new layer.
        """
        accepted = {name for name, _, _ in parameters_of(cls)}
        later = {key: config[key] for key in ("name", "trainable", "dtype") if key in config and key not in accepted}
        from tahr.saving.registry import CustomObjectScope

        with CustomObjectScope(custom_objects or {}):
            made = super().from_config({key: value for key, value in config.items() if key not in later})
        for key, value in later.items():
            setattr(made, "dtype_policy" if key == "dtype" else key, value)
        return made

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def __str__(self) -> str:
        return repr(self)


def _scoped_build(build: Callable[..., None]) -> Callable[..., None]:
    """Make `build` run in the layer's name scope, in full precision, and leave a note of the shapes."""

    @functools.wraps(build)
    def run(self: Layer, *args: Any, **kwargs: Any) -> None:
        with naming.name_scope(self.name, owner=self), AutocastScope(None):
            self._path = naming.current_path()
            if "_build_shapes" not in self.__dict__:
                self._build_shapes = note_shapes(build, args, kwargs)
            build(self, *args, **kwargs)
        self.built = True
        backends.current().catch_up(self)
        if "_start_weights" in self.__dict__ and type(self).build is run:  # `weights=` of Keras 1 and 2
            self.set_weights(self.__dict__.pop("_start_weights"))

    return run


def _note_losses(layer: Layer) -> None:
    key = id(layer)
    _with_losses[key] = weakref.ref(layer, lambda _: _with_losses.pop(key, None))


def _explain(error: Exception, layer: Layer, args: tuple[Any, ...]) -> None:
    """Add to an error which layer raised it, and on what shapes; only the innermost layer does."""
    if not getattr(error, "_names_a_layer", False):
        received = tree.map_structure(lambda x: shapes.of(x) if hasattr(x, "shape") else x, list(args))
        error.add_note(
            f"Raised in layer {layer.path!r} ({type(layer).__name__}), called with inputs of shape {received}."
        )
        with contextlib.suppress(AttributeError):
            error._names_a_layer = True  # type: ignore[attr-defined]


backends.when_started(lambda engine: engine.know_layers(Layer))
