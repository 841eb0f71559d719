"""Optimizer updates of all variables at once, in place: the formulas of `tahr.optimizers` in fused forms.

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
    count = float(t)
    torch._fused_adam_(
        values,
        gradients,
        momentum,
        velocity,
        largest[0] if largest else [],
        [torch.tensor(count)] * len(values),
        lr=float(rate),
        beta1=optimizer.beta_1,
        beta2=optimizer.beta_2,
        weight_decay=0.0,
        eps=optimizer.epsilon / math.sqrt(1 - optimizer.beta_2**count),  # torch adds it after the correction
        amsgrad=bool(largest),
        maximize=False,
    )


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


def rmsprop(optimizer: Any, gradients: Tensors, values: Tensors, slots: list[Tensors], rate: Any, t: Any) -> None:
    """RMSprop, with momentum and centered."""
    velocity, *others = slots
    step = float(rate)
    torch._foreach_mul_(velocity, optimizer.rho)
    torch._foreach_addcmul_(velocity, gradients, gradients, 1 - optimizer.rho)
    spread = torch._foreach_add(velocity, optimizer.epsilon)
    if optimizer.centered:
        torch._foreach_lerp_(others[-1], gradients, 1 - optimizer.rho)
        torch._foreach_addcmul_(spread, others[-1], others[-1], -1.0)
    torch._foreach_sqrt_(spread)
    if optimizer.momentum > 0:
        torch._foreach_mul_(others[0], optimizer.momentum)
        torch._foreach_addcdiv_(others[0], gradients, spread, step)
        torch._foreach_sub_(values, others[0])
    else:
        torch._foreach_addcdiv_(values, gradients, spread, -step)


UPDATES: dict[str, Callable[..., None]] = {"Adam": adam, "AdamW": adam, "RMSprop": rmsprop, "SGD": sgd}


def _plain(tensors: Tensors) -> bool:
    """Return whether these are dense float32 tensors on the CPU, outside of a compiled function."""
    return not torch.compiler.is_compiling() and all(
        x.dtype is torch.float32 and x.is_cpu and x.layout is torch.strided for x in tensors
    )


def multiply_in_place(values: Tensors, factor: Any) -> bool:
    """Multiply `values` by a number, if they are dense float32 tensors on the CPU."""
    if not _plain(values):
        return False
    torch._foreach_mul_(values, float(factor))
    return True


def update_in_place(optimizer: Any, gradients: Tensors, values: Tensors, slots: list[Any], rate: Any, t: Any) -> bool:
    """Update `values` and `slots` (a tuple for each value), if there is a form for this optimizer and these arrays.

    Only on the CPU, where the learning rate can be read without waiting for a device, and in float32.
    """
    update = UPDATES.get(type(optimizer).__name__)
    if update is None or not type(optimizer).__module__.startswith("tahr.optimizers."):
        return False
    groups = [list(group) for group in zip(*slots, strict=True)]
    if not all(map(_plain, (gradients, values, *groups))):
        return False
    if not all(x.is_contiguous() for group in (values, *groups) for x in group):
        return False
    update(optimizer, [g.contiguous() for g in gradients], values, groups, rate, t)  # fused forms ignore strides
    return True
