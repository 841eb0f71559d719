"""Programs of `torch.export`: models as files that PyTorch runs, with any number of rows."""

import io
from collections.abc import Callable
from typing import Any

import optree
import torch
from torch.utils._pytree import tree_leaves

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
    _check_open(program, export.signature)
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def _check_open(program: Any, signature: Any) -> None:
    """Raise a ValueError if a program holds for one number only where the signature leaves a size open."""
    names = program.graph_signature.user_inputs
    symbols = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    for name, asked in zip(names, tree_leaves(signature), strict=True):
        for axis, (size, wanted) in enumerate(zip(symbols[name].shape, asked.shape, strict=True)):
            if wanted is None and (isinstance(size, int) or size.node.maybe_as_int() is not None):
                raise ValueError(
                    f"export: axis {axis} of input {asked.name!r}, of shape {tuple(asked.shape)}, must be of known "
                    "size for torch.export, which writes out each step of a recurrent layer, and takes the number of "
                    "windows of a pooling for fixed. Give its size in input_signature, or export as another format."
                )


def read(file: Any) -> Callable[..., Any]:
    """Return a program as a function of NumPy arrays."""
    run = torch.export.load(file).module()

    def call(*arguments: Any) -> Any:
        with torch.no_grad():
            return optree.tree_map(lambda x: x.numpy(), run(*[optree.tree_map(torch.as_tensor, x) for x in arguments]))

    return call
