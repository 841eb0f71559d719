"""Layers as modules of PyTorch: the class that `Layer` is derived from here, with views where modules have dicts."""

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.parameter import Parameter

from tahr import dtypes

__all__ = ["LayerModule"]

_DICTS = ("_parameters", "_buffers", "_modules")
_REFUSALS = {
    "register_parameter": "Make weights with `add_weight(shape=..., name=...)`.",
    "register_buffer": "Make state with `add_weight(shape=..., trainable=False, name=...)`.",
    "set_submodule": "Set the layer as an attribute, or make the model anew.",
}


class _Held(dict[str, torch.Tensor]):
    """The tensors of a layer's own variables by name; what is put in is what the variable holds from then on."""

    def __init__(self, variables: dict[str, Any]):
        super().__init__((name, v._value) for name, v in variables.items())
        self._variables = variables

    def __setitem__(self, name: str, tensor: Any) -> None:
        _hold(self._variables[name], tensor)
        super().__setitem__(name, tensor)


def _hold(variable: Any, tensor: torch.Tensor) -> None:
    variable._value, variable._dtype, variable._shape = tensor, dtypes.of(tensor), tuple(tensor.shape)


class _MadeLater:
    """A dict or set that a layer gets when it is first asked for, which is never for most."""

    def __init__(self, name: str, make: Callable[[], Any]):
        self.name, self.make = name, make

    def __get__(self, layer: Any, owner: Any = None) -> Any:
        if layer is None:
            return self
        return layer.__dict__.setdefault(self.name, self.make())


class _Hooked:
    """Stands for `call` in a layer with hooks: runs them around it, but not on symbols."""

    def __init__(self, layer: Any):
        self.layer = layer

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, torch.Tensor) for x in (*args, *kwargs.values())) or not args:
            return torch.nn.Module._call_impl(self.layer, *args, **kwargs)
        return self.layer.forward(*args, **kwargs)


def _hooking(register: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(register)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.__dict__.setdefault("call", _Hooked(self))
        return register(self, *args, **kwargs)

    return run


def _refusal(name: str) -> Callable[..., Any]:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{self.path}: {name} is not for layers of tahr. {_REFUSALS[name]}")

    return refuse


class LayerModule(torch.nn.Module):
    """What makes a layer a module: its variables and layers, seen as parameters, buffers and modules.

    Parameters are the weights that can be trained, also while they are frozen; buffers are other weights and the state
    of random generators. Names are those of attributes and weights, and of classes, numbered, for layers in lists.
    """

    _is_full_backward_hook: bool | None = None
    _training_mode: bool | None

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            for place in _DICTS:
                found = getattr(self, place).get(name)
                if found is not None:
                    return found
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @property
    def _parameters(self) -> Any:
        return _Held({k: v for k, v in self._named_variables().items() if isinstance(v._value, Parameter)})

    @property
    def _buffers(self) -> Any:
        return _Held({k: v for k, v in self._named_variables().items() if not isinstance(v._value, Parameter)})

    @property
    def _modules(self) -> Any:
        return self._named_layers()

    def _named_variables(self) -> dict[str, Any]:
        raise NotImplementedError

    def _named_layers(self) -> dict[str, Any]:
        raise NotImplementedError

    @property
    def training(self) -> bool:
        """Whether a call that says nothing of training trains: as `train()` or `eval()` said, else not."""
        return bool(self._training_mode)

    @training.setter
    def training(self, value: Any) -> None:
        self.__dict__["_training_mode"] = None if value is None else bool(value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs by `call` alone, without hooks and what else a call of the layer does."""
        return type(self).call(self, *args, **kwargs)  # type: ignore[attr-defined]

    def get_parameter(self, target: str) -> Any:
        """Return the parameter of a dotted name."""
        return self._held_at(target, "parameter")

    def get_buffer(self, target: str) -> Any:
        """Return the buffer of a dotted name."""
        return self._held_at(target, "buffer")

    def _held_at(self, target: str, kind: str) -> Any:
        found = dict(getattr(self, f"named_{kind}s")())
        if target not in found:
            raise AttributeError(f"{self.path}: there is no {kind} {target!r}; there are {list(found)}.")
        return found[target]

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Freeze or thaw the weights; the same as setting `trainable`."""
        self.trainable = requires_grad
        return self

    def add_module(self, name: str, module: Any) -> None:
        """Keep a layer as the attribute `name`."""
        if not isinstance(module, LayerModule):
            raise TypeError(
                f"{name}: expected a layer; received {type(module).__name__}. Modules of PyTorch go into "
                "keras.layers.TorchModuleWrapper(module)."
            )
        setattr(self, name, module)

    register_module = add_module

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Any:
        policy = self.variable_dtype  # type: ignore[attr-defined]
        kind = fn(torch.zeros((), dtype=getattr(torch, policy))).dtype
        name = dtypes.standardize_dtype(str(kind).removeprefix("torch."))
        if dtypes.canonical(name) != name:
            raise ValueError(
                f"{name} counts as {dtypes.canonical(name)} while floatx is float32. Use "
                "keras.config.set_floatx('float64') before the model is made."
            )
        super()._apply(fn, recurse)
        for v in self._named_variables().values():
            _hold(v, v._value)
        if name != policy:
            self.dtype_policy = name
        return self

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any) -> None:
        if local_metadata.get("assign_to_params_buffers"):
            for held in (self._parameters, self._buffers):
                for name, old in held.items():
                    new = state_dict.get(prefix + name)
                    if isinstance(new, torch.Tensor) and new.shape == old.shape:
                        held[name] = Parameter(new, old.requires_grad) if isinstance(old, Parameter) else new
            local_metadata = {**local_metadata, "assign_to_params_buffers": False}
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


for _name in ("__setattr__", "__delattr__", "__dir__"):  # attributes are those of plain objects
    setattr(LayerModule, _name, getattr(object, _name))
for _name, _value in vars(torch.nn.Module()).items():
    if isinstance(_value, (OrderedDict, set)) and _name not in _DICTS:
        setattr(LayerModule, _name, _MadeLater(_name, type(_value)))
for _name in ("forward_pre", "forward", "full_backward_pre", "full_backward", "backward"):
    _name = f"register_{_name}_hook"
    setattr(LayerModule, _name, _hooking(getattr(torch.nn.Module, _name)))
for _name in _REFUSALS:
    setattr(LayerModule, _name, _refusal(_name))
