"""Convolutions and poolings by `torch.nn.functional`, which wants channels first."""

import math
from typing import Any

import torch
import torch.nn.functional as F

Numbers = tuple[int, ...]
Edges = tuple[tuple[int, int], ...]

_CONV = (F.conv1d, F.conv2d, F.conv3d)
_TRANSPOSE = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
_MAX = (F.max_pool1d, F.max_pool2d, F.max_pool3d)


def _first(x: Any, last: bool) -> Any:
    return x.permute(0, -1, *range(1, x.ndim - 1)) if last else x


def _back(x: Any, last: bool) -> Any:
    return x.permute(0, *range(2, x.ndim), 1) if last else x


def _padded(x: Any, edges: Edges, value: float = 0.0) -> Any:
    if not any(before or after for before, after in edges):
        return x
    return F.pad(x, [n for pair in reversed(edges) for n in pair], value=value)


def _whole(fn: Any, x: Any, *rest: Any) -> Any:
    """Run `fn` on integers as float64, which holds those of 32 bits and their sums exactly."""
    if x.is_floating_point():
        return fn(x, *rest)
    return fn(x.double(), *(r.double() if isinstance(r, torch.Tensor) else r for r in rest)).to(x.dtype)


class Windows:
    """The duties behind convolutions and poolings of the PyTorch backend."""

    def conv(
        self, x: Any, kernel: Any, strides: Numbers, edges: Edges, last: bool, dilation: Numbers, groups: int
    ) -> Any:
        rank = len(strides)
        x = _first(x, last)
        if all(before == after for before, after in edges):
            sides = [before for before, _ in edges]
        else:
            x, sides = _padded(x, edges), [0] * rank
        kernel = kernel.permute(-1, -2, *range(rank))

        def run(x: Any, kernel: Any) -> Any:
            return _CONV[rank - 1](x, kernel, None, strides, sides, dilation, groups)

        return _back(_whole(run, x, kernel), last)

    def conv_transpose(
        self, x: Any, kernel: Any, strides: Numbers, starts: Numbers, sizes: Numbers, last: bool, dilation: Numbers
    ) -> Any:
        rank = len(strides)
        kernel = kernel.permute(-1, -2, *range(rank))

        def run(x: Any, kernel: Any) -> Any:
            return _TRANSPOSE[rank - 1](x, kernel, None, strides, 0, 0, 1, dilation)

        full = _whole(run, _first(x, last), kernel)
        edges = tuple((-s, s + n - have) for s, n, have in zip(starts, sizes, full.shape[2:], strict=True))
        return _back(_padded(full, edges), last)

    def fourier(self, kind: str, x: Any, **options: Any) -> Any:
        return getattr(torch.fft, kind)(x, **options)

    def max_pool(self, x: Any, widths: Numbers, strides: Numbers, edges: Edges, last: bool) -> Any:
        rank = len(widths)

        def run(x: Any) -> Any:
            return _MAX[rank - 1](_padded(x, edges, -math.inf), widths, strides)

        return _back(_whole(run, _first(x, last)), last)

    def sum_pool(self, x: Any, widths: Numbers, strides: Numbers, edges: Edges, last: bool) -> Any:
        rank = len(widths)
        x = _padded(_first(x, last), edges)
        if rank == 1:
            found = F.avg_pool2d(x[..., None], (*widths, 1), (*strides, 1), divisor_override=1)[..., 0]
        else:
            wide = x.float() if rank == 3 and x.dtype in (torch.float16, torch.bfloat16) else x  # no 16-bit form on CPU
            found = (F.avg_pool2d if rank == 2 else F.avg_pool3d)(wide, widths, strides, divisor_override=1).to(x.dtype)
        return _back(found, last)
