"""Derivatives on torch: plain autograd for training steps, `torch.func` wherever one derivative is inside another."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import optree
import torch

from tahr.backends.forward import forward_mode

_func: Any = torch.func  # whose types know nothing of has_aux and of results that stay whole


class _Depth(threading.local):
    gradients = 0


_depth = _Depth()


def _detach(x: Any) -> Any:
    return x.detach() if isinstance(x, torch.Tensor) else x


def _transforming() -> bool:
    """Return whether code runs inside a transformation of `torch.func`."""
    return getattr(torch._C, "_functorch").peek_interpreter_stack() is not None  # noqa: B009 (unknown to its types)


def _tensors_apart(fn: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[[Any], Any]]:
    """Return `fn` with only the tensors of its second result, and a function that brings back what was between them."""
    kept: list[Any] = []

    def run(*arrays: Any) -> Any:
        results, extra = fn(*arrays)
        leaves, structure = optree.tree_flatten(extra, none_is_leaf=True)
        kept[:] = [structure, leaves]
        return results, [x for x in leaves if isinstance(x, torch.Tensor)]

    def restore(tensors: Any) -> Any:
        structure, leaves = kept
        found = iter(tensors)
        return structure.unflatten([next(found) if isinstance(x, torch.Tensor) else x for x in leaves])

    return run, restore


class Autodiff:
    """The duties of the PyTorch backend that have to do with derivatives."""

    def value_and_grad(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        def run(arrays: list[Any], *rest: Any) -> Any:
            if _depth.gradients or torch.compiler.is_compiling() or _transforming():
                return self._inner_value_and_grad(lambda *leaves: fn(list(leaves), *rest), arrays)
            leaves = [a.detach().requires_grad_() for a in arrays]
            _depth.gradients += 1
            try:
                with torch.enable_grad():
                    value, extra = fn(leaves, *rest)
            finally:
                _depth.gradients -= 1
            grads = (
                torch.autograd.grad(value, leaves, allow_unused=True)
                if leaves and value.requires_grad
                else [None] * len(leaves)
            )
            filled = [torch.zeros_like(a) if g is None else g for a, g in zip(leaves, grads, strict=True)]
            return (value.detach(), optree.tree_map(_detach, extra)), filled

        return run

    def _inner_value_and_grad(self, fn: Callable[..., Any], arrays: list[Any]) -> Any:
        value, back, extra = self.vjp(fn, arrays)
        return (value, extra), list(back(torch.ones_like(value)))

    def jvp(self, fn: Callable[..., Any], primals: Any, tangents: Any) -> Any:
        run, restore = _tensors_apart(fn)
        with forward_mode():
            results, slopes, tensors = _func.jvp(run, tuple(primals), tuple(tangents), has_aux=True)
        return results, slopes, restore(tensors)

    def vjp(self, fn: Callable[..., Any], primals: Any) -> Any:
        run, restore = _tensors_apart(fn)
        with torch.enable_grad():
            results, back, tensors = _func.vjp(run, *primals, has_aux=True)
        return results, back, restore(tensors)

    def vmap(self, fn: Callable[..., Any], in_axes: list[int | None], out_axis: int) -> Callable[..., Any]:
        return _func.vmap(fn, tuple(in_axes), (out_axis, None), randomness="different")

    def custom_gradient(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arrays: Any) -> Any:
            value, back = fn(*(a.detach() for a in arrays))
            leaves, structure = optree.tree_flatten(value)
            found = _own_backward(back, len(leaves)).apply(*(x.detach() for x in leaves), *arrays)
            return structure.unflatten(found)

        return run

    def rematerialize(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        from torch.utils.checkpoint import checkpoint

        def run(*args: Any, **kwargs: Any) -> Any:
            if _transforming():  # which keeps what it needs itself, and refuses the hooks of a checkpoint
                return fn(*args, **kwargs)
            return checkpoint(fn, *args, use_reentrant=False, **kwargs)

        return run

    def stop_gradient(self, x: Any) -> Any:
        return x.detach()

    def no_grad(self) -> contextlib.AbstractContextManager[Any]:
        return torch.no_grad()

    def enable_grad(self) -> contextlib.AbstractContextManager[Any]:
        return torch.enable_grad()

    def leaf(self, x: Any, like: Any = None) -> Any:
        return x if x is like else x.detach().requires_grad_(like is not None and like.requires_grad)


def _own_backward(back: Callable[..., Any], count: int) -> Any:
    """Return a function of `count` results and further arrays that gives the results, with `back` for its gradient."""

    class Custom(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*arrays: Any) -> Any:
            return tuple(x.view_as(x) for x in arrays[:count])

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            """Nothing to keep: `back` knows what it needs."""

        @staticmethod
        def backward(ctx: Any, *upstream: Any) -> Any:
            found = back(*upstream)
            return (*[None] * count, *(found if isinstance(found, (tuple, list)) else (found,)))

    return Custom
