"""Attention by torch's fused kernels, whose memory grows with the length and not with its square."""

import math
from typing import Any

import torch
import torch.nn.functional as F

from tahr.backends.forward import is_forward
from tahr.backends.torch.autodiff import _transforming


class Attention:
    """The attention duty of the PyTorch backend."""

    def attend(
        self, query: Any, key: Any, value: Any, bias: Any, mask: Any, scale: Any, causal: bool, asked: bool
    ) -> Any:
        sizes = query.shape[-1] == value.shape[-1] and 0 not in (*query.shape, *key.shape)
        learned = bias is not None and bias.requires_grad  # its gradient is as large as all products
        compiling = torch.compiler.is_compiling()  # which makes its own derivatives
        if not sizes or learned or not isinstance(scale, (int, float)) or is_forward():
            return None
        if not compiling and _transforming():
            return None
        added, sees = None, None
        if mask is not None or bias is not None:
            added, sees = _added(bias, mask, causal, query.shape[1], key.shape[1])
            added = added if added.dtype == torch.bool else added.to(query.dtype)
        q_BNTH, k_BGSH, v_BGSH = (x.transpose(1, 2) for x in (query, key, value))
        repeats = q_BNTH.shape[1] // k_BGSH.shape[1]
        if repeats > 1:
            k_BGSH, v_BGSH = (x.repeat_interleave(repeats, 1) for x in (k_BGSH, v_BGSH))
        causal = causal and added is None
        if compiling or not torch.is_grad_enabled():
            found = _fused(q_BNTH, k_BGSH, v_BGSH, added, causal, scale)
        else:
            found = _Fused.apply(q_BNTH, k_BGSH, v_BGSH, added, causal, scale)
        if sees is not None:
            found = torch.where(sees, found, v_BGSH.mean(2, keepdim=True))
        return found.transpose(1, 2)


def _fused(q: Any, k: Any, v: Any, added: Any, causal: bool, scale: float) -> Any:
    return F.scaled_dot_product_attention(q, k, v, added, is_causal=causal, scale=scale)


def _added(bias: Any, mask: Any, causal: bool, queries: int, keys: int) -> tuple[Any, Any]:
    """Return what to add to the products (or booleans, where they count), and which queries see a key at all.

    The rows of queries that see none are open, for the kernel makes no number of them.
    """
    seen, sees = mask, None
    if causal:
        lower = torch.ones(queries, keys, dtype=torch.bool, device=(bias if mask is None else mask).device).tril()
        seen = lower if mask is None else mask.bool() & lower
    if mask is not None:
        seen = seen.bool().expand(*seen.shape[:-1], keys)
        sees = seen.any(-1, keepdim=True)
        seen = seen | ~sees
    added = seen if bias is None else bias if seen is None else torch.where(seen, bias, -math.inf)
    added = _of_four_axes(added)
    return added.expand(*added.shape[:2], queries, keys), None if sees is None else _of_four_axes(sees)


def _of_four_axes(x: Any) -> Any:
    return x.reshape(*[1] * (4 - x.ndim), *x.shape)


class _Fused(torch.autograd.Function):
    """The fused kernel with a gradient that can be differentiated again, which torch's own cannot be."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Any:
        (q, k, v), rest = given[:3], given[3:]
        leaves = [x.detach().requires_grad_(x.requires_grad) for x in (q, k, v)]
        with torch.enable_grad():
            found = _fused(*leaves, *rest)
        ctx.save_for_backward(q, k, v)
        ctx.kept, ctx.given = (leaves, found), rest
        return found.detach()

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        wanted = [i for i in range(3) if ctx.needs_input_grad[i]]
        if torch.is_grad_enabled():  # the gradient is to be differentiated
            inputs: Any = ctx.saved_tensors
            found = _plain(*inputs, *ctx.given)
        else:
            inputs, found = ctx.kept
        grads = torch.autograd.grad(
            found, [inputs[i] for i in wanted], upstream, retain_graph=True, create_graph=torch.is_grad_enabled()
        )
        filled: list[Any] = [None] * 6
        for i, grad in zip(wanted, grads, strict=True):
            filled[i] = grad
        return tuple(filled)


def _plain(q: Any, k: Any, v: Any, added: Any, causal: bool, scale: float) -> Any:
    """Return the same by way of all products, in operations that torch differentiates as often as asked."""
    products = (q * scale) @ k.mT
    if added is not None and added.dtype == torch.bool:
        products = products.masked_fill(~added, -math.inf)
    elif added is not None:
        products = products + added
    if causal:
        products = products.masked_fill(~torch.ones_like(products, dtype=torch.bool).tril(), -math.inf)
    return torch.softmax(products, -1) @ v
