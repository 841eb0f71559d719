"""Scaled dot-product attention.

Axes: B batch, T queries, S keys and values, N heads, G heads of keys and values, H numbers a head.
"""

import math
from typing import Any

from tahr import backends, dtypes, shapes
from tahr.arithmetic import OPERATIONS
from tahr.backends.choices import choose, wish
from tahr.dtypes import floating
from tahr.ops.activation import softmax
from tahr.ops.core import shape
from tahr.ops.declare import op
from tahr.ops.elementwise import tanh
from tahr.ops.normalization import wide
from tahr.rematerialization import remat


def _attention_shape(query: Any, key: Any, value: Any, **_: Any) -> shapes.Shape:
    q, k, v = shapes.of(query), shapes.of(key), shapes.of(value)
    if not len(q) == len(k) == len(v) == 4:
        raise ValueError(
            "dot_product_attention: expected query, key and value of shape (batch, length, heads, size); received "
            f"{q}, {k} and {v}."
        )
    fits = (
        _agree(q[0], k[0]) and _agree(k[0], v[0]) and _agree(k[1], v[1]) and _agree(k[2], v[2]) and _agree(q[3], k[3])
    )
    if not fits or (None not in (q[2], k[2]) and q[2] % max(1, k[2])):  # type: ignore[operator,type-var]
        raise ValueError(
            "dot_product_attention: the shapes do not fit together: batch sizes must be equal, key and value must be "
            "equally long and have as many heads, query and key must have equal sizes, and the number of query heads "
            f"must be a multiple of theirs; received query {q}, key {k}, value {v}."
        )
    return (*q[:3], v[3])


def _agree(a: int | None, b: int | None) -> bool:
    return a is None or b is None or a == b


def check_heads(what: str, given: Any, batch: Any, heads: Any, queries: Any, keys: Any) -> None:
    """Check that a mask or bias broadcasts to (batch, heads, queries, keys)."""
    shape = tuple(given.shape)
    wanted = (batch, heads, queries, keys)
    fits = len(shape) <= 4 and all(
        a in (1, b) or None in (a, b) for a, b in zip(shape[::-1], wanted[::-1], strict=False)
    )
    if not fits:
        raise ValueError(
            f"dot_product_attention: expected {what} to broadcast to (batch, heads, queries, keys) = {wanted}; "
            f"received shape {shape}."
        )


@op(floating("query", "key", "value"), arrays=("bias", "mask"), shape=_attention_shape, native=False)
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """Return means of `value`, weighted by the softmax of the products of `query` and `key` (Vaswani et al. 2017).

    Args:
        query: array of shape (batch, queries, heads, size).
        key: array of shape (batch, keys, heads, size); its heads may be fewer, each for several of the query's.
        value: array of shape (batch, keys, heads, size of the result).
        bias: added to the products; broadcasts to (batch, heads, queries, keys).
        mask: where it is False, the key has no weight; broadcasts likewise.
        scale: factor of the products, by default `1 / sqrt(size)`.
        is_causal: whether query i sees keys up to i only.
        flash_attention: whether memory may grow with the length only and not with its square: by a fused kernel where
            the backend has one for these arguments (PyTorch; JAX on a GPU if True), else by working through queries in
            chunks. None does so where it is faster, or queries are many.
        attn_logits_soft_cap: limit c to which products are bent by `c * tanh(x / c)`.

    Raises:
        ValueError: if shapes do not fit together.

    >>> ops.dot_product_attention([[[[1.0]]]], [[[[1.0]], [[1.0]]]], [[[[2.0]], [[4.0]]]])
    [[[[3.0]]]]
    """
    _attention_shape(query, key, value)
    (b, t, n, h), s = query.shape, key.shape[1]
    for what, given in (("mask", mask), ("bias", bias)):
        if given is not None:
            check_heads(what, given, b, n, t, s)
    scale = 1 / math.sqrt(h) if scale is None else scale
    capped, asked = attn_logits_soft_cap is not None, bool(flash_attention)
    found: Any = None
    if flash_attention is not False and not capped and wish("attention") in (None, "fused"):
        found = backends.current().attend(query, key, value, bias, mask, scale, is_causal, asked)
    several = isinstance(t, int) and t > CHUNK  # a size that an export leaves open is not cut
    many = isinstance(s, int) and several and t * s >= MANY
    long = several if asked else flash_attention is None and many
    way = choose(
        "attention",
        ("fused", found is not None, "the backend has a kernel for these arguments"),
        ("chunks", long, f"{t} x {s} products of a head are many, so {CHUNK} queries are worked through at a time"),
        ("whole", True, "the products of a head are few"),
        ("chunks", several, "queries are more than a chunk"),
    )
    if way == "fused":
        return found
    if way == "chunks":
        return _in_chunks(query, key, value, bias, mask, scale, is_causal, attn_logits_soft_cap)
    seen = visible(mask, is_causal, shape(query)[1], shape(key)[1])
    return _attend(query, key, value, bias, seen, scale, attn_logits_soft_cap)


CHUNK = 256  # queries whose products with all keys are in memory at once
MANY = 1024 * 1024  # products of a head from which on the queries are cut into chunks


def _attend(query: Any, key: Any, value: Any, bias: Any, seen_BNTS: Any, scale: float, cap: float | None) -> Any:
    """Return the means, by way of the products of all queries with all keys."""
    run = OPERATIONS
    (b, t, n, h), (_, s, g, _) = shape(query), shape(key)
    rows = n // g * t  # of the queries that see the same keys
    q_BGRH = run["reshape"](run["transpose"](query * scale, (0, 2, 1, 3)), (b, g, rows, h))
    logits_BGRS = run["matmul"](wide(q_BGRH), wide(run["transpose"](key, (0, 2, 3, 1))))
    logits_BNTS = run["reshape"](logits_BGRS, (b, n, t, s))
    if cap is not None:
        logits_BNTS = cap * tanh(logits_BNTS / cap)
    if bias is not None:
        logits_BNTS = logits_BNTS + run["cast"](bias, logits_BNTS.dtype)
    if seen_BNTS is not None:
        lowest = -0.7 * 3.4e38 if dtypes.of(logits_BNTS) == "float32" else -0.7 * 1.7e308
        logits_BNTS = run["where"](seen_BNTS, logits_BNTS, lowest)
    weights_BGRS = run["reshape"](run["cast"](softmax(logits_BNTS), value.dtype), (b, g, rows, s))
    found_BGRH = run["matmul"](weights_BGRS, run["transpose"](value, (0, 2, 1, 3)))
    return run["transpose"](run["reshape"](found_BGRH, (b, n, t, value.shape[-1])), (0, 2, 1, 3))


def _in_chunks(
    query: Any, key: Any, value: Any, bias: Any, mask: Any, scale: float, is_causal: bool, cap: float | None
) -> Any:
    """Return the means for some queries after the other: the memory grows with the length, not with its square.

    For the gradient the products of a chunk are computed again (as Rabe and Staats, 2021, "Self-attention Does Not Need
    O(n^2) Memory", whose chunks of keys are not needed for that).
    """
    run = OPERATIONS
    (b, t, n, _), s = query.shape, key.shape[1]
    chunks = -(-t // CHUNK)
    filled = chunks * CHUNK - t

    def cut(x: Any, axis: int) -> Any:
        """Return chunks along an axis, in front."""
        if filled:
            x = run["pad"](x, [(0, filled) if a == axis else (0, 0) for a in range(len(x.shape))])
        x = run["reshape"](x, (*x.shape[:axis], chunks, CHUNK, *x.shape[axis + 1 :]))
        return run["moveaxis"](x, axis, 0)

    parts = {"query": cut(query, 1), "first": run["arange"](chunks) * CHUNK}
    whole: dict[str, Any] = {}
    for name, given in (("mask", mask), ("bias", bias)):
        if given is not None:
            has_queries = len(given.shape) >= 2 and given.shape[-2] == t
            (parts if has_queries else whole)[name] = cut(given, len(given.shape) - 2) if has_queries else given

    def attend(part: dict[str, Any], key: Any, value: Any) -> Any:
        given = {**whole, **part}
        seen = None if given.get("mask") is None else run["cast"](given["mask"], "bool")
        if is_causal:
            causal = causal_mask(CHUNK, s, given["first"])
            seen = causal if seen is None else run["logical_and"](seen, causal)
        return _attend(given["query"], key, value, given.get("bias"), seen, scale, cap)

    again = remat(attend)
    found = run["map"](lambda part: again(part, key, value), parts)
    return run["reshape"](run["moveaxis"](found, 0, 1), (b, chunks * CHUNK, n, value.shape[-1]))[:, :t]


def visible(mask: Any, is_causal: bool, queries: Any, keys: Any) -> Any:
    """Return where keys are seen, or None for everywhere."""
    seen = None if mask is None else OPERATIONS["cast"](mask, "bool")
    if is_causal:
        causal = causal_mask(queries, keys)
        seen = causal if seen is None else OPERATIONS["logical_and"](seen, causal)
    return seen


def causal_mask(queries: Any, keys: Any, first: Any = 0) -> Any:
    """Return booleans of shape (queries, keys): whether a key is no later than the query, which begin at `first`."""
    run = OPERATIONS
    return run["expand_dims"](run["arange"](queries) + first, 1) >= run["expand_dims"](run["arange"](keys), 0)
