"""What models can do on PyTorch because its own modules can."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

__all__ = ["MODEL_METHODS"]


def parameters(model: Any, recurse: bool = True) -> Iterator[torch.Tensor]:
    """Yield the tensors of the trainable variables, for an optimizer of `torch.optim`."""
    for _, tensor in named_parameters(model, recurse=recurse):
        yield tensor


def named_parameters(model: Any, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield paths and tensors of the trainable variables."""
    for variable in model.trainable_variables:
        yield (f"{prefix}.{variable.path}" if prefix else variable.path), variable.value


def zero_grad(model: Any, set_to_none: bool = True) -> None:
    """Forget the gradients that `backward` has left."""
    for variable in model.variables:
        tensor = variable.value
        if tensor.grad is not None:
            tensor.grad = None if set_to_none else torch.zeros_like(tensor.grad)


MODEL_METHODS: dict[str, Callable[..., Any]] = {
    "named_parameters": named_parameters,
    "parameters": parameters,
    "zero_grad": zero_grad,
}
