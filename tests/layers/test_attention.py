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


KINDS: dict[str, Any] = {
    "plain": {},
    "causal": {"is_causal": True},
    "mask": {"mask": RANDOM.random((2, 1, 9, 11)) > 0.4},
    "bias": {"bias": RANDOM.normal(size=(1, 4, 9, 11)).astype("float32"), "scale": 0.3},
    "keys": {"mask": RANDOM.random((2, 1, 1, 11)) > 0.4, "is_causal": True},
    "nothing": {"mask": np.arange(18).reshape(2, 1, 9, 1) > 5},  # some queries see no key
}


def qkv(dtype: str = "float32") -> list[Any]:
    random = np.random.default_rng(3)
    return [ops.cast(random.normal(size=(2, t, n, 8)), dtype) for t, n in ((9, 4), (11, 2), (11, 2))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_fused_attention_is_the_composition(kind: str, dtype: str) -> None:
    def attend(values: list[Any], flash: bool | None) -> Any:
        return ops.dot_product_attention(*values, flash_attention=flash, **KINDS[kind])

    exact = dtype == "float32"
    near = {"rtol": 1e-4, "atol": 1e-5} if exact else {"rtol": 2e-2, "atol": 2e-2}
    given = qkv(dtype)
    np.testing.assert_allclose(*(host(ops.cast(attend(given, f), "float32")) for f in (None, False)), **near)
    if config.backend() != "numpy" and exact:
        both = [keras.grad(lambda x, f=flash: ops.sum(attend(x, f) ** 2))(given) for flash in (None, False)]
        for found, wanted in zip(*both, strict=True):
            np.testing.assert_allclose(host(found), host(wanted), rtol=1e-3, atol=1e-4)


@pytest.mark.trains
@pytest.mark.parametrize("transform", ["second", "forward", "vmap", "bias"])
def test_every_derivative_of_fused_attention(transform: str) -> None:
    q, k, v = qkv()
    bias = ops.ones((1, 1, 9, 11))

    def attend(x: Any, b: Any, flash: bool | None) -> Any:
        return ops.sum(ops.dot_product_attention(x, k, v, bias=b, flash_attention=flash) ** 3)

    def found(flash: bool | None) -> Any:
        if transform == "second":
            slope = keras.grad(lambda x: attend(x, None, flash))
            return keras.grad(lambda x: ops.sum(slope(x) ** 2))(q)
        if transform == "forward":
            return keras.jvp(lambda x: attend(x, None, flash), (q,), (ops.ones_like(q),))[1]
        if transform == "vmap":
            return keras.vmap(lambda x: attend(x, None, flash))(ops.stack([q, q * 2]))
        return keras.grad(lambda b: attend(q, b, flash))(bias)

    np.testing.assert_allclose(host(found(None)), host(found(False)), rtol=2e-3, atol=2e-3)


@pytest.mark.skipif(config.backend() != "torch", reason="tensors of PyTorch")
def test_the_fused_gradient_can_be_differentiated_by_torch_itself() -> None:
    import torch

    def penalty(flash: bool | None) -> Any:
        q, k, v = (x.clone().requires_grad_() for x in qkv())
        result = ops.dot_product_attention(q, k, v, is_causal=True, flash_attention=flash)
        slopes = torch.autograd.grad((result**2).sum(), [q, k, v], create_graph=True)
        sum((s**2).sum() for s in slopes).backward()  # type: ignore[union-attr]
        return [x.grad for x in (q, k, v)]

    for found, wanted in zip(penalty(None), penalty(False), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-3)


@pytest.mark.skipif(config.backend() != "jax", reason="cuDNN is reached through JAX")
@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_of_a_gpu_gets_the_same_arguments(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import jax

    plain, seen = jax.nn.dot_product_attention, []

    def kernel(*args: Any, implementation: str, **kwargs: Any) -> Any:
        seen.append(implementation)
        return plain(*args, implementation="xla", **kwargs)

    given = qkv("bfloat16")
    wanted = ops.dot_product_attention(*given, flash_attention=True, **KINDS[kind])
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(jax.nn, "dot_product_attention", kernel)
    found = ops.dot_product_attention(*given, flash_attention=True, **KINDS[kind])
    assert seen == ["cudnn"]
    np.testing.assert_allclose(*(host(ops.cast(x, "float32")) for x in (found, wanted)), rtol=2e-2, atol=2e-2)


def test_masks_of_inputs_make_no_noise(recwarn: pytest.WarningsRecorder) -> None:
    x = keras.layers.Embedding(9, 8, mask_zero=True)(np.array([[1, 2, 0]]))
    keras.layers.MultiHeadAttention(2, 4)(x, x)
    keras.layers.GroupQueryAttention(4, 2, 1)(x, x)
    assert not [w for w in recwarn if "mask" in str(w.message)]
