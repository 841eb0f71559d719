"""PyTorch's own versions of neural-network operations, where its function of the name takes other arguments."""

from typing import Any

import torch
import torch.nn.functional as F

from tahr.backends.torch import backend

implements = backend.implements


@implements
def gelu(x: Any, approximate: bool = True) -> Any:
    return F.gelu(x, approximate="tanh" if approximate else "none")


def _all_axes(x: Any, axis: Any) -> Any:
    return tuple(range(x.ndim)) if axis is None else tuple(axis)


@implements
def softmax(x: Any, axis: Any = -1) -> Any:
    if isinstance(axis, int):
        return torch.softmax(x, axis)
    axes = _all_axes(x, axis)
    powers = torch.exp(x - x.amax(axes, keepdim=True))
    return powers / powers.sum(axes, keepdim=True)


@implements
def log_softmax(x: Any, axis: Any = -1) -> Any:
    if isinstance(axis, int):
        return torch.log_softmax(x, axis)
    return x - torch.logsumexp(x, _all_axes(x, axis), keepdim=True)
