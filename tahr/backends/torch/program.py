"""Programs of `torch.export`: models as files that PyTorch runs, with any number of rows."""

import io
from collections.abc import Callable
from typing import Any

import optree
import torch

__all__ = ["read", "write"]


class _Program(torch.nn.Module):
    """A model as a function of its inputs alone."""

    def __init__(self, export: Any):
        super().__init__()
        self.model, self.run = export.fn if isinstance(export.fn, torch.nn.Module) else None, export

    def forward(self, *arguments: Any) -> Any:
        return self.run(*arguments)


def write(export: Any, **options: Any) -> bytes:
    """Return the program of an exported model as bytes; `options` are those of `torch.export.export`."""
    free = torch.export.Dim.AUTO
    sizes = iter(range(5, 10**6))  # none twice, which would say that they are always equal

    def example(x: Any) -> torch.Tensor:
        shape = [(3 if axis == 0 else next(sizes)) if n is None else n for axis, n in enumerate(x.shape)]
        return torch.zeros(shape, dtype=getattr(torch, x.dtype))

    given = tuple(optree.tree_map(example, x) for x in export.signature)
    dynamic = optree.tree_map(lambda x: {a: free for a, n in enumerate(x.shape) if n is None}, export.signature)
    with torch.no_grad():
        program = torch.export.export(_Program(export), given, dynamic_shapes=(dynamic,), **options)
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def read(file: Any) -> Callable[..., Any]:
    """Return a program as a function of NumPy arrays."""
    run = torch.export.load(file).module()

    def call(*arguments: Any) -> Any:
        with torch.no_grad():
            return optree.tree_map(lambda x: x.numpy(), run(*[optree.tree_map(torch.as_tensor, x) for x in arguments]))

    return call
