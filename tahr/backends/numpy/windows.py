"""Convolutions and poolings over windows that are views of the array."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Numbers = tuple[int, ...]
Edges = tuple[tuple[int, int], ...]


def _windows(x: np.ndarray, widths: Numbers, strides: Numbers, dilation: Numbers) -> np.ndarray:
    """Return the windows of padded, channels-last `x` as (batch, counts..., channels, widths...)."""
    rank = len(widths)
    spans = [d * (w - 1) + 1 for w, d in zip(widths, dilation, strict=True)]
    found = sliding_window_view(x, spans, axis=tuple(range(1, rank + 1)))  # type: ignore[call-overload]
    steps = (slice(None), *(slice(None, None, s) for s in strides), slice(None))
    return found[(*steps, *(slice(None, None, d) for d in dilation))]


def _padded(x: np.ndarray, edges: Edges, value: Any = 0) -> np.ndarray:
    if not any(before or after for before, after in edges):
        return x
    return np.pad(x, ((0, 0), *edges, (0, 0)), constant_values=value)


def _last(x: Any, last: bool) -> Any:
    return x if last else np.moveaxis(x, 1, -1)


def _back(x: Any, last: bool) -> Any:
    return x if last else np.moveaxis(x, -1, 1)


class Windows:
    """The duties behind convolutions and poolings of the NumPy backend."""

    def conv(
        self, x: Any, kernel: Any, strides: Numbers, edges: Edges, last: bool, dilation: Numbers, groups: int
    ) -> Any:
        *widths, into, filters = kernel.shape
        x = _padded(_last(x, last), edges)
        windows = _windows(x, tuple(widths), strides, dilation)
        rank = len(widths)
        shape = windows.shape[: rank + 1]
        grouped = windows.reshape(-1, groups, into, int(np.prod(widths)))
        kernels = np.moveaxis(kernel.reshape(-1, into, groups, filters // groups), 0, 1)  # into, taps, groups, each
        found = np.stack(
            [
                grouped[:, g].reshape(len(grouped), -1) @ kernels[:, :, g].reshape(-1, filters // groups)
                for g in range(groups)
            ],
            axis=1,
        )
        return _back(found.reshape(*shape, filters), last)

    def conv_transpose(
        self, x: Any, kernel: Any, strides: Numbers, starts: Numbers, sizes: Numbers, last: bool, dilation: Numbers
    ) -> Any:
        x = _last(x, last)
        *widths, filters, _ = kernel.shape
        given = x.shape[1:-1]
        spans = [d * (w - 1) + 1 for w, d in zip(widths, dilation, strict=True)]
        full = [
            max((n - 1) * s + span, start + size)
            for n, s, span, start, size in zip(given, strides, spans, starts, sizes, strict=True)
        ]
        total = np.zeros((x.shape[0], *full, filters), x.dtype)
        for offsets in np.ndindex(*widths):
            place = tuple(
                slice(o * d, o * d + (n - 1) * s + 1, s)
                for o, d, n, s in zip(offsets, dilation, given, strides, strict=True)
            )
            total[(slice(None), *place)] += x @ kernel[offsets].T
        kept = tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
        return _back(total[(slice(None), *kept)], last)

    def fourier(self, kind: str, x: Any, **options: Any) -> Any:
        return getattr(np.fft, kind)(x, **options)

    def max_pool(self, x: Any, widths: Numbers, strides: Numbers, edges: Edges, last: bool) -> Any:
        x = _last(x, last)
        if x.dtype.kind in "biu":
            lowest: Any = False if x.dtype.kind == "b" else np.iinfo(x.dtype).min
        else:
            lowest = -np.inf
        rank = len(widths)
        windows = _windows(_padded(x, edges, lowest), widths, strides, (1,) * rank)
        return _back(windows.max(axis=tuple(range(-rank, 0))), last)

    def sum_pool(self, x: Any, widths: Numbers, strides: Numbers, edges: Edges, last: bool) -> Any:
        rank = len(widths)
        windows = _windows(_padded(_last(x, last), edges), widths, strides, (1,) * rank)
        return _back(windows.sum(axis=tuple(range(-rank, 0)), dtype=x.dtype), last)
