"""Slow, plain NumPy versions of layers, written from their formulas, in double precision.

Each takes the list of the layer's weights, then the inputs.
"""

import itertools
import math
from typing import Any

import numpy as np

Array = np.ndarray


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array, axis: int = -1) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# ---- windows ---------------------------------------------------------------------------------------------------------


def windows(x: Array, size: Any, strides: Any, padding: str, dilation: Any, fill: float) -> Array:
    """Return all windows of (batch, *spatial, channels): (batch, *positions, *size, channels)."""
    rank = len(size)
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    pads = [(0, 0)]
    for n, span, s in zip(x.shape[1:-1], spans, strides, strict=True):
        total = max(0, (math.ceil(n / s) - 1) * s + span - n) if padding == "same" else span - 1
        pads.append((total // 2, total - total // 2) if padding == "same" else (total if padding == "causal" else 0, 0))
    x = np.pad(x, [*pads, (0, 0)], constant_values=fill)
    counts = [(n - span) // s + 1 for n, span, s in zip(x.shape[1:-1], spans, strides, strict=True)]
    found = np.empty((x.shape[0], *counts, *size, x.shape[-1]))
    for place in itertools.product(*map(range, counts)):
        cut = [slice(p * s, p * s + span, d) for p, s, span, d in zip(place, strides, spans, dilation, strict=True)]
        found[(slice(None), *place)] = x[(slice(None), *cut)]
    assert found.ndim == 2 + 2 * rank
    return found


def many(value: Any, rank: int) -> Any:
    return (value,) * rank if isinstance(value, int) else tuple(value)


def channels_last(x: Array, first: bool) -> Array:
    return np.moveaxis(x, 1, -1) if first else x


def conv(
    rank: int, strides: Any = 1, padding: str = "valid", dilation: Any = 1, groups: int = 1, first: bool = False
) -> Any:
    def run(weights: list[Array], x: Array) -> Array:
        kernel, *bias = weights
        size = kernel.shape[:rank]
        x = channels_last(x, first)
        found = windows(x, size, many(strides, rank), padding, many(dilation, rank), 0.0)
        positions = found.shape[: rank + 1]
        parts = []
        for xs, ks in zip(np.split(found, groups, -1), np.split(kernel, groups, -1), strict=True):
            parts.append(xs.reshape(*positions, -1) @ ks.reshape(-1, ks.shape[-1]))
        y = np.concatenate(parts, -1) + (bias[0] if bias else 0)
        return np.moveaxis(y, -1, 1) if first else y

    return run


def depthwise(rank: int, strides: Any = 1, padding: str = "valid") -> Any:
    def run(weights: list[Array], x: Array) -> Array:
        kernel, *bias = weights
        found = windows(x, kernel.shape[:rank], many(strides, rank), padding, (1,) * rank, 0.0)
        positions = found.shape[: rank + 1]
        flat = found.reshape(*positions, -1, x.shape[-1])
        y = np.einsum("...kc,kcm->...cm", flat, kernel.reshape(-1, *kernel.shape[rank:]))
        return y.reshape(*positions, -1) + (bias[0] if bias else 0)

    return run


def transposed(rank: int, strides: Any = 1) -> Any:
    """Valid padding: every input element adds its multiple of the kernel to the outputs."""

    def run(weights: list[Array], x: Array) -> Array:
        kernel, *bias = weights
        size, step = kernel.shape[:rank], many(strides, rank)
        out = [(n - 1) * s + max(k, s) for n, s, k in zip(x.shape[1:-1], step, size, strict=True)]
        y = np.zeros((x.shape[0], *out, kernel.shape[rank]))
        for place in itertools.product(*map(range, x.shape[1:-1])):
            cut = [slice(p * s, p * s + k) for p, s, k in zip(place, step, size, strict=True)]
            y[(slice(None), *cut)] += np.einsum("bc,...fc->b...f", x[(slice(None), *place)], kernel)
        return y + (bias[0] if bias else 0)

    return run


def pool(rank: int, how: Any, size: Any, strides: Any, padding: str = "valid") -> Any:
    def run(_: list[Array], x: Array) -> Array:
        found = windows(x, many(size, rank), many(strides, rank), padding, (1,) * rank, np.nan)
        return how(found, axis=tuple(range(rank + 1, 2 * rank + 1)))

    return run


# ---- recurrence ------------------------------------------------------------------------------------------------------


def lstm(weights: list[Array], x: Array, mask: Any = None, sequences: bool = False, backwards: bool = False) -> Array:
    kernel, recurrent, bias = weights
    n = recurrent.shape[0]
    h, c, outputs = np.zeros((len(x), n)), np.zeros((len(x), n)), []
    steps = range(x.shape[1])
    for t in reversed(steps) if backwards else steps:
        z = x[:, t] @ kernel + h @ recurrent + bias
        i, f, g, o = (z[:, k * n : (k + 1) * n] for k in range(4))
        new_c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        new_h = sigmoid(o) * np.tanh(new_c)
        keep = np.ones((len(x), 1)) if mask is None else mask[:, t, None]
        h, c = np.where(keep, new_h, h), np.where(keep, new_c, c)
        outputs.append(h)
    return np.stack(outputs, 1) if sequences else h


def gru(weights: list[Array], x: Array, reset_after: bool = True) -> Array:
    kernel, recurrent, bias = weights
    n = recurrent.shape[0]
    given, own = bias if reset_after else (bias, np.zeros(3 * n))
    h = np.zeros((len(x), n))
    for t in range(x.shape[1]):
        a, b = x[:, t] @ kernel + given, h @ recurrent + own
        z, r = sigmoid(a[:, :n] + b[:, :n]), sigmoid(a[:, n : 2 * n] + b[:, n : 2 * n])
        last = r * b[:, 2 * n :] if reset_after else (r * h) @ recurrent[:, 2 * n :]
        h = z * h + (1 - z) * np.tanh(a[:, 2 * n :] + last)
    return h


def simple_rnn(weights: list[Array], x: Array) -> Array:
    kernel, recurrent, bias = weights
    h = np.zeros((len(x), recurrent.shape[0]))
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ kernel + h @ recurrent + bias)
    return h


def bidirectional_lstm(weights: list[Array], x: Array) -> Array:
    return np.concatenate([lstm(weights[:3], x), lstm(weights[3:], x, backwards=True)], -1)


# ---- normalisation and attention -------------------------------------------------------------------------------------


def normalized(x: Array, axes: Any, epsilon: float = 1e-3) -> Array:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


def group_norm(groups: int) -> Any:
    def run(weights: list[Array], x: Array) -> Array:
        parts = [normalized(part, tuple(range(1, x.ndim))) for part in np.split(x, groups, -1)]
        return np.concatenate(parts, -1) * weights[0] + weights[1]

    return run


def multi_head(weights: list[Array], query: Array, value: Array, causal: bool = False) -> Array:
    wq, bq, wk, bk, wv, bv, wo, bo = weights
    q, k, v = query @ wq[:, 0] + bq[0], value @ wk[:, 0] + bk[0], value @ wv[:, 0] + bv[0]
    result = np.zeros((*query.shape[:2], wo.shape[-1])) + bo
    for n in range(wq.shape[1]):
        q, k, v = (w @ m[:, n] + b[n] for w, m, b in ((query, wq, bq), (value, wk, bk), (value, wv, bv)))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        if causal:
            scores = np.where(np.tri(*scores.shape[1:], dtype=bool), scores, -1e30)
        result += softmax(scores) @ v @ wo[n]
    return result


def recurrence(
    kind: str, weights: list[Array], x: Array, mask: Any, sequences: bool, backwards: bool, reset_after: bool
) -> Array:
    """Any of the three, step by step: where the mask is False, state and output stay as they were."""
    kernel, recurrent, bias = weights
    n = recurrent.shape[0]
    h, c, outputs = np.zeros((len(x), n)), np.zeros((len(x), n)), []
    for t in reversed(range(x.shape[1])) if backwards else range(x.shape[1]):
        new_c = c
        if kind == "SimpleRNN":
            new_h = np.tanh(x[:, t] @ kernel + h @ recurrent + bias)
        elif kind == "LSTM":
            i, f, g, out = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, -1)
            new_c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            new_h = sigmoid(out) * np.tanh(new_c)
        else:
            given, own = bias if reset_after else (bias, np.zeros(3 * n))
            az, ar, an = np.split(x[:, t] @ kernel + given, 3, -1)
            bz, br, bn = np.split(h @ recurrent + own, 3, -1)
            z, r = sigmoid(az + bz), sigmoid(ar + br)
            last = r * bn if reset_after else (r * h) @ recurrent[:, 2 * n :]
            new_h = z * h + (1 - z) * np.tanh(an + last)
        keep = np.ones((len(x), 1), bool) if mask is None else mask[:, t, None]
        h, c = np.where(keep, new_h, h), np.where(keep, new_c, c)
        outputs.append(h)
    return np.stack(outputs, 1) if sequences else h


def grouped(weights: list[Array], query: Array, value: Array, seen: Array, per_group: int) -> Array:
    """Attention in which several heads of the query share one of the key."""
    wq, bq, wk, bk, wv, bv, wo, bo = weights
    result = np.zeros((*query.shape[:2], wo.shape[-1])) + bo
    for n in range(wq.shape[1]):
        g = n // per_group
        q = query @ wq[:, n] + bq[n]
        k, v = (value @ w[:, g] + b[g] for w, b in ((wk, bk), (wv, bv)))
        scores = np.where(seen, q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1]), -np.inf)
        result += softmax(scores) @ v @ wo[n]
    return result
