"""PyTorch's own versions of neural-network operations, where its function of the name takes other arguments."""

from typing import Any

import torch
import torch.nn.functional as F

from tahr import config
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


@implements
def normalize_batch(x: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3) -> Any:
    found, mean, inverse = torch.native_batch_norm(x.movedim(axis, 1), scale, offset, None, None, True, 0.0, epsilon)
    return found.movedim(1, axis), mean, (inverse**-2 - epsilon).clamp(min=0)


def _like(x: Any, dtype: torch.dtype, sizes: list[int]) -> Any:
    """Return `x` in a type and of sizes; two calls of torch take longer than to see that none is needed."""
    x = x if x.dtype is dtype else x.to(dtype)
    return x if x.ndim == len(sizes) == 1 else x.reshape(sizes)


@implements
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None, rms_scaling: bool = False
) -> Any:
    """Torch's fused form, which takes the last axes: others are moved there and back."""
    given = (axis,) if isinstance(axis, int) else _all_axes(x, axis)
    if not all(-x.ndim <= a < x.ndim for a in given):
        raise ValueError(f"axis={axis} is out of bounds for an array with {x.ndim} dimensions.")
    axes = sorted(a % x.ndim for a in given)
    last = list(range(x.ndim - len(axes), x.ndim))
    sizes = [x.shape[a] for a in axes]
    scale, offset = (None if w is None else _like(w, x.dtype, sizes) for w in (gamma, beta))
    moved = x if axes == last else x.movedim(axes, last)
    epsilon = config.epsilon() if epsilon is None else epsilon
    if rms_scaling:
        wide = moved.float() if x.dtype in (torch.float16, torch.bfloat16) else moved
        found = (wide * torch.rsqrt(wide.var(last, correction=0, keepdim=True) + epsilon)).to(x.dtype)
        found = found if scale is None else found * scale
    else:
        found = F.layer_norm(moved, sizes, scale, offset, epsilon)
    return found if axes == last else found.movedim(last, axes)
