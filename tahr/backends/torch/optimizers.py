"""Optimizer updates of all variables at once, in place: the formulas of `tahr.optimizers` in torch's `_foreach` form.

They are found by the optimizer's name; `tests/optimizers/test_in_place.py` compares each with the plain formula.
"""

import math
from collections.abc import Callable
from typing import Any

import torch

Tensors = list[torch.Tensor]


def adam(optimizer: Any, gradients: Tensors, values: Tensors, slots: list[Tensors], rate: Any, t: Any) -> None:
    """Adam, also with the largest velocity kept (`amsgrad`)."""
    momentum, velocity, *largest = slots
    count, beta_1, beta_2 = float(t), optimizer.beta_1, optimizer.beta_2
    torch._foreach_lerp_(momentum, gradients, 1 - beta_1)
    torch._foreach_mul_(velocity, beta_2)
    torch._foreach_addcmul_(velocity, gradients, gradients, 1 - beta_2)
    if largest:
        torch._foreach_maximum_(largest[0], velocity)
    spread = torch._foreach_sqrt(largest[0] if largest else velocity)
    torch._foreach_add_(spread, optimizer.epsilon)
    alpha = float(rate) * math.sqrt(1 - beta_2**count) / (1 - beta_1**count)
    torch._foreach_addcdiv_(values, momentum, spread, -alpha)


def sgd(optimizer: Any, gradients: Tensors, values: Tensors, slots: list[Tensors], rate: Any, t: Any) -> None:
    """Gradient descent, with momentum and Nesterov's form of it."""
    step = -float(rate)
    if not optimizer.momentum:
        torch._foreach_add_(values, gradients, alpha=step)
        return
    (velocity,) = slots
    torch._foreach_mul_(velocity, optimizer.momentum)
    torch._foreach_add_(velocity, gradients, alpha=step)
    if optimizer.nesterov:
        torch._foreach_add_(values, velocity, alpha=optimizer.momentum)
        torch._foreach_add_(values, gradients, alpha=step)
    else:
        torch._foreach_add_(values, velocity)


UPDATES: dict[str, Callable[..., None]] = {"Adam": adam, "AdamW": adam, "SGD": sgd}


def update_in_place(optimizer: Any, gradients: Tensors, values: Tensors, slots: list[Any], rate: Any, t: Any) -> bool:
    """Update `values` and `slots` (a tuple for each value), if there is a form for this optimizer and these arrays.

    Only on the CPU, where the learning rate can be read without waiting for a device, and in float32.
    """
    update = UPDATES.get(type(optimizer).__name__)
    if update is None or not type(optimizer).__module__.startswith("tahr.optimizers."):
        return False
    if torch.compiler.is_compiling() or any(v.dtype is not torch.float32 or not v.is_cpu for v in values):
        return False
    update(optimizer, gradients, values, [list(group) for group in zip(*slots, strict=True)], rate, t)
    return True
