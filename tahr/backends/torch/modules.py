"""PyTorch modules as pure functions of their parameters and buffers."""

from typing import Any

import torch
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

_UNSIZED = (UninitializedParameter, UninitializedBuffer)


def check_module(module: Any, where: str) -> None:
    """Raise a TypeError unless `module` is one."""
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"{where}: expected `module` to be a torch.nn.Module; received {module!r:.80}.")


def module_state(module: Any) -> list[tuple[str, Any, bool]]:
    """Return name, tensor and whether it is trained, of each parameter and buffer that has a size and is saved."""
    saved = {name for name, _ in module.state_dict(keep_vars=True).items()}
    found = [(name, x, True) for name, x in module.named_parameters() if not isinstance(x, _UNSIZED)]
    found += [(name, x, False) for name, x in module.named_buffers() if not isinstance(x, _UNSIZED) and name in saved]
    return found


def is_sized(module: Any) -> bool:
    """Return whether all parameters and buffers of a module have sizes."""
    tensors = [*module.parameters(), *module.buffers()]
    return not any(isinstance(x, _UNSIZED) for x in tensors)


def materialize(module: Any, args: Any, kwargs: Any) -> None:
    """Call a module so that it finds its sizes, on zeros in the place of symbols."""

    def zeros(x: Any) -> Any:
        if isinstance(x, torch.Tensor) or not hasattr(x, "shape"):
            return x
        return torch.zeros([2 if n is None else n for n in x.shape])

    with torch.no_grad():
        module(*map(zeros, args), **{k: zeros(v) for k, v in kwargs.items()})


def call_module(module: Any, values: dict[str, Any], args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
    """Return the outputs of a module with other tensors in the place of its own, and the buffers that it changed."""
    buffers = {name for name, _ in module.named_buffers()}
    given = {name: x.clone() if name in buffers and module.training else x for name, x in values.items()}
    outputs = torch.func.functional_call(module, given, args, kwargs)
    return outputs, {name: given[name].detach() for name in given if name in buffers and module.training}
