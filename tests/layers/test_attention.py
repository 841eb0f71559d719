"""Attention step by step with a cache, and in chunks of queries, against attention all at once."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import config, layers, ops

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 7, 8)).astype("float32")
LAYERS: dict[str, Any] = {
    "multi-head": lambda: layers.MultiHeadAttention(2, 4),
    "grouped": lambda: layers.GroupQueryAttention(4, 4, 2),
    "window": lambda: layers.MultiHeadAttention(2, 4, sliding_window=3, use_gate=True),
}


def host(x: Any) -> np.ndarray:
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("kind", LAYERS)
def test_steps_with_a_cache_are_the_whole_at_once(kind: str) -> None:
    layer = LAYERS[kind]()
    whole = host(layer(X, X, use_causal_mask=True))
    cache, found, start = layer.new_cache(2, 9), [], 0
    for size in (3, 1, 1, 1, 1):
        part = X[:, start : start + size]
        outputs, cache = layer(part, part, use_causal_mask=True, cache=cache, cache_update_index=start)
        found.append(host(outputs))
        start += size
    np.testing.assert_allclose(np.concatenate(found, 1), whole, rtol=1e-5, atol=1e-6)
    again, scores, same = layer(part, part, use_causal_mask=True, cache=cache, cache_update_index=6,
                                return_attention_scores=True)  # fmt: skip
    np.testing.assert_allclose(host(again), found[-1], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(host(same), host(cache))
    assert scores.shape[-1] == 9 and not host(scores)[..., 7:].any()  # what is not there yet has no weight


def test_a_cache_without_a_place_is_attended_to_as_it_is() -> None:
    layer = layers.MultiHeadAttention(2, 4)
    whole = host(layer(X[:, :2], X))
    _, cache = layer(X, X, cache=layer.new_cache(2, 7), cache_update_index=0)
    found, _ = layer(X[:, :2], X[:, :1], cache=cache)  # the second input only says what the layer was built for
    np.testing.assert_allclose(host(found), whole, rtol=1e-5, atol=1e-6)


def test_symbols_have_a_cache_too() -> None:
    layer = layers.MultiHeadAttention(2, 4)
    x, cache = keras.Input((1, 8)), keras.Input((2, 9, 2, 4))
    outputs, new = layer(x, x, cache=cache, cache_update_index=3)
    assert (outputs.shape, new.shape) == ((None, 1, 8), (None, 2, 9, 2, 4))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: layers.MultiHeadAttention(2, 4, value_dim=3).new_cache(1, 2), "value_dim equal to key_dim"),
        (
            lambda: layers.MultiHeadAttention(2, 4)(X, X, cache=np.zeros((2, 2, 9, 1, 4)), cache_update_index=0),
            r"cache of shape \(batch, 2, length, 2, 4\)",
        ),
        (lambda: layers.MultiHeadAttention(2, 4)(X, X, value_mask=np.ones((2, 5), bool)), "cover 7 keys"),
    ],
    ids=["sizes", "shape", "mask"],
)
def test_what_does_not_fit_is_named(act: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        act()


CHUNKED: dict[str, Any] = {
    "causal": {"is_causal": True},
    "bias": {"bias": RANDOM.normal(size=(1, 2, 300, 40)).astype("float32")},
    "keys": {"mask": RANDOM.random((1, 1, 1, 40)) > 0.5},
    "all": {
        "mask": RANDOM.random((1, 1, 300, 40)) > 0.5,
        "is_causal": True,
        "attn_logits_soft_cap": 3.0,
    },
}


@pytest.mark.parametrize("kind", CHUNKED)
def test_chunks_of_queries_are_the_whole_at_once(kind: str) -> None:
    shapes = ((1, 300, 2, 4), (1, 40, 1, 4), (1, 40, 1, 4))
    q, k, v = (ops.array(RANDOM.normal(size=s).astype("float32")) for s in shapes)

    def attend(query: Any, chunks: bool) -> Any:
        return ops.dot_product_attention(query, k, v, flash_attention=chunks, **CHUNKED[kind])

    np.testing.assert_allclose(host(attend(q, True)), host(attend(q, False)), rtol=1e-4, atol=1e-5)
    if config.backend() != "numpy":
        slopes = [keras.grad(lambda x, c=chunks: ops.sum(attend(x, c) ** 2))(q) for chunks in (True, False)]
        np.testing.assert_allclose(*map(host, slopes), rtol=1e-3, atol=1e-4)
