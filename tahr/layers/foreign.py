"""Layers around code of other libraries: functions and modules of the backend's own framework, and SavedModels."""

import inspect
from collections.abc import Callable
from typing import Any

from tahr import config, dtypes, ops, random, tree
from tahr.layers.arguments import who
from tahr.layers.layer import Layer
from tahr.layers.signature import abstract_call
from tahr.saving.errors import UnsafeFileError
from tahr.symbolic import KerasTensor, any_symbolic
from tahr.variables import StatelessScope, SymbolicScope, Variable

__all__ = ["FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"]


def _need_backend(layer: Layer, name: str) -> None:
    if config.backend() != name:
        raise ValueError(
            f"{type(layer).__name__}: needs the {name} backend; received {config.backend()}. Set the environment "
            f"variable TAHR_BACKEND={name} before Python starts."
        )


class JaxLayer(Layer):
    """A layer around a pure JAX function.

    Args:
        call_fn: the function. It takes any of `params`, `state`, `rng`, `inputs` and `training`, by these names, and
            returns the outputs, or `(outputs, state)` if it takes `state`.
        init_fn: function of `rng`, `inputs` and perhaps `training` that returns the first parameters, or
            `(params, state)` if `call_fn` takes `state`; it is called with zeros as inputs.
        params: first parameters, instead of `init_fn`: arrays in dicts, lists, or what JAX takes for a tree.
        state: first state, likewise; it is not trained.
        seed: whole number that makes `rng` repeatable.
        native_serialization_platforms: kept for Keras's sake, which needs it to export by way of TensorFlow.

    Raises:
        ValueError: if the backend is not JAX, or `call_fn` takes other arguments, or nothing says how weights start.

    >>> def scaled(params, inputs):
    ...     return inputs * params["gain"]
    >>> first = {"gain": np.full(2, 3.0, "float32")}
    >>> layer = layers.JaxLayer(scaled, params=first) if config.backend() == "jax" else layers.Rescaling(3)
    >>> layer(np.ones((1, 2), "float32"))
    [[3.0, 3.0]]
    """

    unrecorded = frozenset({"params", "state"})  # which the files hold as weights

    def __init__(
        self,
        call_fn: Callable[..., Any],
        init_fn: Callable[..., Any] | None = None,
        params: Any = None,
        state: Any = None,
        seed: int | None = None,
        native_serialization_platforms: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        _need_backend(self, "jax")
        self.call_fn, self.init_fn, self.seed = call_fn, init_fn, seed
        self.native_serialization_platforms = native_serialization_platforms
        self._takes = _names_taken(self, "call_fn", call_fn, ("params", "state", "rng", "inputs", "training"))
        if init_fn is not None:
            self._init_takes = _names_taken(self, "init_fn", init_fn, ("rng", "inputs", "training"))
        if init_fn is None and params is None and state is None and {"params", "state"} & self._takes:
            raise ValueError(
                f"{who(self)}: call_fn takes {sorted({'params', 'state'} & self._takes)}, so one of init_fn, params "
                "and state must say how they start; received none."
            )
        self._first = params, state
        self.seed_generator = random.SeedGenerator(seed) if "rng" in self._takes else None
        self._weights: tuple[list[Variable], Any] | None = None
        self._state: tuple[list[Variable], Any] | None = None

    def build(self, input_shape: Any) -> None:
        """Make variables of the first parameters and the first state."""
        params, state = self._first
        if self.init_fn is not None and (params is None or ("state" in self._takes and state is None)):
            found = self._start(input_shape)
            new, more = found if "state" in self._takes else (found, None)
            params, state = new if params is None else params, more if state is None else state
        if params is not None and "params" in self._takes:
            self._weights = self._variables_of(params, True)
        if state is not None and "state" in self._takes:
            self._state = self._variables_of(state, False)
        self._first = None, None

    def _start(self, input_shape: Any) -> Any:
        zeros = tree.map_shape_structure(
            lambda s: ops.zeros([1 if n is None else n for n in s], self._input_dtype), input_shape
        )
        given = {
            "rng": (self.seed_generator or random.SeedGenerator(self.seed)).next(),
            "inputs": zeros,
            "training": True,
        }
        found = self.init_fn(**{n: given[n] for n in self._init_takes})  # type: ignore[misc]
        if "state" in self._takes and not (isinstance(found, tuple) and len(found) == 2):
            raise ValueError(
                f"{who(self)}: expected init_fn to return (params, state); received {type(found).__name__}."
            )
        return found

    def _variables_of(self, structure: Any, trained: bool) -> tuple[list[Variable], Any]:
        from tahr.backends.jax.trees import leaves_of

        leaves, rebuild = leaves_of(structure)
        made = []
        for leaf in leaves:
            array = ops.convert_to_tensor(leaf)
            name = dtypes.of(array)
            trainable = trained and dtypes.is_float(name)
            made.append(self.add_weight(tuple(array.shape), _constant(array), name, trainable, name="variable"))
        return made, rebuild

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return what the function returns, and keep its state."""
        given: dict[str, Any] = {"inputs": inputs, "training": bool(training)}
        for name, held in (("params", self._weights), ("state", self._state)):
            if held is not None:
                given[name] = held[1]([v.value for v in held[0]])
            else:
                given[name] = {}
        if self.seed_generator is not None:
            given["rng"] = self.seed_generator.next()
        found = self.call_fn(**{n: given[n] for n in self._takes})
        if self._state is None:
            return found
        if not (isinstance(found, tuple) and len(found) == 2):
            raise ValueError(
                f"{who(self)}: expected call_fn to return (outputs, state); received {type(found).__name__}."
            )
        from tahr.backends.jax.trees import leaves_of

        outputs, state = found
        for variable, value in zip(self._state[0], leaves_of(state)[0], strict=True):
            variable.assign(value)
        return outputs


def _constant(array: Any) -> Callable[..., Any]:
    return lambda shape, dtype=None: ops.cast(array, dtype)


def _names_taken(layer: Layer, what: str, function: Any, known: tuple[str, ...]) -> set[str]:
    if not callable(function):
        raise TypeError(f"{who(layer)}: expected {what} to be a function; received {function!r}.")
    names = set()
    for name, parameter in inspect.signature(function).parameters.items():
        if name in known:
            names.add(name)
        elif parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise ValueError(
                f"{who(layer)}: {what} takes {name!r}, which nothing gives; it may take {', '.join(map(repr, known))}."
            )
    if "inputs" not in names:
        raise ValueError(f"{who(layer)}: expected {what} to take `inputs`; it takes {sorted(names)}.")
    return names


class FlaxLayer(JaxLayer):
    """A layer around a module of Flax (its `linen` library).

    The variables of the collection `"params"` are trained, all others are state.

    Args:
        module: the module.
        method: what to call of it: a method of the module's class, its name, or a function `(module, inputs)` that may
            take `training` as well; None is `__call__`.
        variables: first variables, as `module.init` returns them, or None to make them.

    Raises:
        ValueError: if the backend is not JAX.

    >>> if config.backend() == "jax":
    ...     from flax import linen
    ...
    ...     layer = layers.FlaxLayer(linen.Dense(4))
    ... else:
    ...     layer = layers.Dense(4)
    >>> layer(np.ones((1, 2), "float32")).shape
    (1, 4)
    """

    unrecorded = frozenset({"variables"})

    def __init__(self, module: Any, method: Any = None, variables: Any = None, **kwargs: Any):
        self.module, self.method = module, method
        if isinstance(method, str):
            method = getattr(type(module), method)
        self._method = method
        run = type(module).__call__ if method is None else method
        self._asks = "training" in inspect.signature(run).parameters
        params, state = (None, None) if variables is None else _split(variables)
        super().__init__(self._apply, self._init, params, state, **kwargs)

    def _arguments(self, training: bool) -> dict[str, Any]:
        method = {} if self._method is None else {"method": self._method}
        return {**method, **({"training": training} if self._asks else {})}

    def _init(self, rng: Any, inputs: Any, training: bool) -> Any:
        return _split(self.module.init(rng, inputs, **self._arguments(training)))

    def _apply(self, params: Any, state: Any, rng: Any, inputs: Any, training: bool) -> Any:
        found = self.module.apply(
            {"params": params, **state},
            inputs,
            rngs=rng,
            mutable=list(state) if state else False,
            **self._arguments(training),
        )
        outputs, new = found if state else (found, {})
        return outputs, {**state, **new}

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments; the module's class must be registered and have a config of its own."""
        found = super().get_config()
        return {k: v for k, v in found.items() if k not in ("call_fn", "init_fn", "native_serialization_platforms")}


def _split(variables: Any) -> tuple[Any, Any]:
    """Return the trained variables and the others."""
    rest = dict(variables)
    return rest.pop("params", {}), rest


class TorchModuleWrapper(Layer):
    """A layer around a PyTorch module, which goes on holding the same parameters.

    Args:
        module: the module.
        name: name of the layer.
        output_shape: shape of the outputs, where it cannot be found by running the module.

    Raises:
        ValueError: if the backend is not PyTorch.

    >>> if config.backend() == "torch":
    ...     import torch
    ...
    ...     layer = layers.TorchModuleWrapper(torch.nn.Linear(3, 4))
    ... else:
    ...     layer = layers.Dense(4)
    >>> tuple(layer(np.ones((1, 3), "float32")).shape)
    (1, 4)
    """

    def __init__(self, module: Any, name: str | None = None, output_shape: Any = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        _need_backend(self, "torch")
        from tahr.backends.torch import modules

        modules.check_module(module, who(self))
        self.module, self.output_shape = module, output_shape
        self._names: dict[str, Variable] = {}
        self._track()

    def _track(self) -> None:
        """Make variables that share the memory of the module's parameters and buffers."""
        from tahr.backends.torch import modules

        for name, value, trained in modules.module_state(self.module):
            variable = self.add_weight(
                tuple(value.shape), "zeros", dtypes.of(value), trained, autocast=False, name=name.replace(".", "_")
            )
            variable._value = value
            self._names[name] = variable

    def build(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is left to make, but for modules that find their sizes when they are called first."""

    def _build_for(self, info: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        from tahr.backends.torch import modules

        if not modules.is_sized(self.module):
            modules.materialize(self.module, args, {k: v for k, v in kwargs.items() if k != "training"})
            self._own, self._names = [], {}
            self._track()
        self.built = True

    def call(self, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """Return the module's outputs; its buffers move on as it says."""
        from tahr.backends.torch import modules

        if any_symbolic(args):
            raise TypeError(f"{who(self)}: the module runs on tensors only.")
        if training is not None:
            self.module.train(bool(training))
        values = {name: v.value for name, v in self._names.items()}
        outputs, changed = modules.call_module(self.module, values, args, kwargs)
        for name, value in changed.items():
            self._names[name].assign(value)
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the outputs: as the constructor was told, else found by running the module abstractly."""
        if self.output_shape is not None:
            return tuple(self.output_shape)
        symbols = tree.map_shape_structure(
            lambda s: KerasTensor(s, self._input_dtype or "float32", record_history=False), input_shape
        )
        return tree.map_structure(lambda x: tuple(x.shape), self._spec(symbols))

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Return symbols for the outputs."""
        if self.output_shape is not None:
            return KerasTensor(tuple(self.output_shape), self.compute_dtype, record_history=False)
        return self._spec(*args, **kwargs)

    def _spec(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("training", None)
        with SymbolicScope(), StatelessScope():
            return abstract_call(lambda *a, **k: self.call(*a, training=False, **k), args, kwargs)

    def parameters(self, recurse: bool = True) -> Any:
        """Return the module's parameters."""
        return self.module.parameters(recurse=recurse)

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Put the module's parameters and buffers into `store` by their names in the module."""
        for name, variable in self._names.items():
            store[name] = variable.numpy()

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Take the module's parameters and buffers from `store`.

        Raises:
            ValueError: if a name is missing or unknown.
        """
        if set(store.keys()) != set(self._names):
            raise ValueError(
                f"{self.path}: expected values for {sorted(self._names)}; received {sorted(store.keys())}."
            )
        for name, variable in self._names.items():
            variable.assign(store[name])

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None, safe_mode: bool | None = None) -> Any:
        """Return a new layer made from what `get_config` gave.

        Args:
            config: the constructor's arguments.
            custom_objects: classes of modules by name, in addition to those registered.
            safe_mode: kept for Keras's sake: a pickled module is never read.

        Raises:
            UnsafeFileError: if the module is pickled, as Keras writes it.
        """
        if isinstance(config.get("module"), str):
            raise UnsafeFileError(
                "TorchModuleWrapper: the file holds a pickled module, which is code and never run. Make the module in "
                "Python, wrap it, and load the weights with `load_weights`."
            )
        return super().from_config(config, custom_objects)


class TFSMLayer(Layer):
    """A layer that runs an endpoint of a TensorFlow SavedModel on the CPU; it is not trained.

    The folder holds a program: give it only folders that you trust.

    Args:
        filepath: folder of the SavedModel.
        call_endpoint: name of the function to call, an attribute of the SavedModel or one of its signatures.
        call_training_endpoint: name of the function to call while training; None is the same.
        trainable: kept for Keras's sake.
        name: name of the layer.
        dtype: data type or policy of the outputs.

    Raises:
        ImportError: if TensorFlow is not installed.
        ValueError: if there is no such endpoint.

    >>> try:
    ...     layers.TFSMLayer.from_config({"filepath": "folder"})
    ... except ValueError as error:
    ...     print(str(error)[:42])
    TFSMLayer: the config names the SavedModel
    """

    def __init__(
        self,
        filepath: Any,
        call_endpoint: str = "serve",
        call_training_endpoint: str | None = None,
        trainable: bool = True,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(trainable=trainable, name=name, dtype=dtype)
        self.filepath, self.call_endpoint = str(filepath), call_endpoint
        self.call_training_endpoint = call_training_endpoint
        from tahr.backends.tensorflow.beside.saved_model import SavedModel

        self._model = SavedModel(self.filepath)
        for endpoint in (call_endpoint, call_training_endpoint):
            if endpoint is not None and endpoint not in self._model.endpoints:
                raise ValueError(
                    f"{who(self)}: expected one of the endpoints {', '.join(map(repr, self._model.endpoints))} of "
                    f"{self.filepath}; received {endpoint!r}."
                )
        self.built = True

    def call(self, inputs: Any, training: bool = False, **kwargs: Any) -> Any:
        """Return what the endpoint returns."""
        endpoint = self.call_training_endpoint if training and self.call_training_endpoint else self.call_endpoint
        host = tree.map_structure(ops.convert_to_numpy, inputs)
        return tree.map_structure(ops.convert_to_tensor, self._model(endpoint, host))

    def compute_output_spec(self, inputs: Any, training: bool = False, **kwargs: Any) -> Any:
        """Return symbols for the outputs, as the endpoint's signature describes them."""
        endpoint = self.call_training_endpoint if training and self.call_training_endpoint else self.call_endpoint
        specs = self._model.outputs_of(endpoint, tree.map_structure(lambda x: (tuple(x.shape), x.dtype), inputs))
        return tree.map_structure(lambda s: KerasTensor(s.shape, s.dtype, record_history=False), specs)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None, safe_mode: bool | None = None) -> Any:
        """Return a new layer made from what `get_config` gave.

        Args:
            config: the constructor's arguments.
            custom_objects: kept for Keras's sake.
            safe_mode: False says that the folder that the config names is trusted.

        Raises:
            UnsafeFileError: unless `safe_mode` is False, since a SavedModel is a program.
        """
        if safe_mode is not False:
            raise UnsafeFileError(
                f"TFSMLayer: the config names the SavedModel {config.get('filepath')!r}, which is a program. If you "
                "trust it, make the layer in Python, or call TFSMLayer.from_config(config, safe_mode=False)."
            )
        return super().from_config(config, custom_objects)
