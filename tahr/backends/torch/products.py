"""Products with matrices on a CPU: by oneDNN where it is faster than MKL, which torch takes otherwise.

Of 2 cores of an AMD EPYC oneDNN gets 200 to 210 GFLOP/s and MKL 160 to 180 for 2,048 rows by 256 x 1,024; for few
numbers its start costs more than it gains, and for the gradient of a matrix it would have to copy the inputs.
"""

from typing import Any

import torch
import torch.nn.functional as F

from tahr.backends.choices import choose, wish
from tahr.backends.forward import is_forward
from tahr.backends.torch.autodiff import _transforming

__all__ = ["add_product", "multiply_rows"]

FEWEST_ROWS, FEWEST_PRODUCTS = 8, 1 << 22
_ARRAYS = (torch.Tensor, torch.nn.Parameter)
_HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def add_product(x: Any, kernel: Any, bias: Any) -> Any:
    """Return the product of the last axis of `x` with a matrix, plus a vector."""
    if _by_onednn(x, kernel):
        return _join(x, kernel, bias)
    return F.linear(x, kernel.mT, bias)


def multiply_rows(x: Any, kernel: Any) -> Any:
    """Return the product of the last axis of `x` with a matrix."""
    return _join(x, kernel, None) if _by_onednn(x, kernel) else torch.matmul(x, kernel)


def _by_onednn(x: Any, kernel: Any) -> bool:
    plain = type(x) in _ARRAYS and type(kernel) in _ARRAYS  # neither fake nor of a user's own kind
    if not (_HAS_ONEDNN and plain) or torch.compiler.is_compiling():  # which guards the sizes that it compares
        return False
    count = kernel.numel()
    if count == 0 or x.dtype is not torch.float32 or kernel.dtype is not torch.float32:
        return False
    rows = x.numel() // kernel.shape[0]
    many = rows >= FEWEST_ROWS and rows * count >= FEWEST_PRODUCTS
    if rows == 0 or not (many or wish("product")) or not torch.backends.mkldnn.enabled:
        return False
    here = x.device.type == "cpu" and kernel.device.type == "cpu"
    if not here or is_forward() or _transforming():
        return False
    sizes = " x ".join(map(str, kernel.shape))
    way = choose(
        "product",
        ("onednn", many, f"{rows} rows by {sizes} are many"),
        ("native", True, f"{rows} rows by {sizes} are few"),
        ("onednn", True, ""),
    )
    return way == "onednn"


def _join(x: Any, kernel: Any, bias: Any) -> Any:
    rows = x.reshape(-1, x.shape[-1])
    found = _Product.apply(rows, kernel, bias) if torch.is_grad_enabled() else _onednn(rows, kernel, bias)
    return found.reshape(*x.shape[:-1], kernel.shape[1])


def _onednn(rows: Any, kernel: Any, bias: Any) -> Any:
    return torch.ops.mkldnn._linear_pointwise(rows, kernel.mT, bias, "none", [], "")


class _Product(torch.autograd.Function):
    """Rows by a matrix, plus a vector."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Any:
        rows, kernel, bias = given
        ctx.save_for_backward(rows, kernel)
        return _onednn(rows, kernel, bias)

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        (slopes,), (rows, kernel), wanted = upstream, ctx.saved_tensors, ctx.needs_input_grad
        return (
            multiply_rows(slopes, kernel.mT) if wanted[0] else None,
            rows.mT @ slopes if wanted[1] else None,
            slopes.sum(0) if wanted[2] else None,
        )
