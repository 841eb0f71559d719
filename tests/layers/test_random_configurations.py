"""Random configurations of windows, recurrence and attention against slow NumPy versions of their formulas."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tahr import config, layers, ops
from tests.layers import oracles as o

few = settings(max_examples=4 if config.backend() == "jax" else 30)  # JAX compiles each configuration
small = st.integers(1, 3)


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def agrees(layer: Any, x: Any, oracle: Any, **call: Any) -> None:
    """Compare with random values in the place of all weights."""
    inputs = x if isinstance(x, tuple) else (x,)
    layer(*inputs, **call)
    generator = np.random.default_rng(1)
    layer.set_weights([generator.normal(size=w.shape).astype("float32") * 0.5 for w in layer.weights])
    found = ops.convert_to_numpy(layer(*inputs, **call))
    expected = oracle([w.astype("float64") for w in layer.get_weights()], *(a.astype("float64") for a in inputs))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@st.composite
def windows(draw: st.DrawFn, causal: bool = False) -> dict[str, Any]:
    """Return rank, sizes, and strides or dilation (Keras has no both)."""
    rank = draw(st.integers(1, 3))
    size = tuple(draw(small) for _ in range(rank))
    strides = draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2)) if strides == 1 else 1
    paddings = ["valid", "same", *(["causal"] if causal and rank == 1 else [])]
    spans = [dilation * (k - 1) + 1 for k in size]
    return {
        "rank": rank,
        "size": size,
        "strides": strides,
        "dilation": dilation,
        "padding": draw(st.sampled_from(paddings)),
        "shape": tuple(draw(st.integers(span, span + 4)) for span in spans),
    }


@few
@given(windows(causal=True), st.integers(1, 2), st.booleans(), st.booleans())
def test_convolution(w: dict[str, Any], groups: int, first: bool, bias: bool) -> None:
    rank, channels = w["rank"], 2 * groups
    first = first and w["padding"] != "causal"
    shape = (2, channels, *w["shape"]) if first else (2, *w["shape"], channels)
    layer = getattr(layers, f"Conv{rank}D")(
        3 * groups,
        w["size"],
        w["strides"],
        w["padding"],
        "channels_first" if first else "channels_last",
        w["dilation"],
        groups,
        use_bias=bias,
    )
    agrees(layer, values(*shape), o.conv(rank, w["strides"], w["padding"], w["dilation"], groups, first))


@few
@given(windows(), st.integers(1, 2))
def test_depthwise_convolution(w: dict[str, Any], multiplier: int) -> None:
    rank = min(w["rank"], 2)
    layer = getattr(layers, f"DepthwiseConv{rank}D")(w["size"][:rank], w["strides"], w["padding"], multiplier)
    agrees(layer, values(2, *w["shape"][:rank], 3), o.depthwise(rank, w["strides"], w["padding"]))


@few
@given(windows())
def test_transposed_convolution(w: dict[str, Any]) -> None:
    layer = getattr(layers, f"Conv{w['rank']}DTranspose")(3, w["size"], w["strides"])
    agrees(layer, values(2, *w["shape"], 2), o.transposed(w["rank"], w["strides"]))


@few
@given(windows(), st.booleans())
def test_pooling(w: dict[str, Any], largest: bool) -> None:
    name, how = ("Max", np.nanmax) if largest else ("Average", np.nanmean)
    layer = getattr(layers, f"{name}Pooling{w['rank']}D")(w["size"], w["strides"], w["padding"])
    agrees(layer, values(2, *w["shape"], 3), o.pool(w["rank"], how, w["size"], w["strides"], w["padding"]))


@few
@given(
    st.sampled_from(["SimpleRNN", "LSTM", "GRU"]),
    st.integers(1, 5),
    small,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_recurrence(
    kind: str, steps: int, units: int, sequences: bool, backwards: bool, masked: bool, unroll: bool, reset_after: bool
) -> None:
    more = {"reset_after": reset_after} if kind == "GRU" else {}
    layer = getattr(layers, kind)(
        units, return_sequences=sequences, go_backwards=backwards, unroll=unroll, use_bias=True, **more
    )
    mask = np.random.default_rng(steps).random((3, steps)) > 0.3 if masked else None
    mask = mask if mask is not None and mask.any() else None

    def oracle(weights: list[np.ndarray], x: np.ndarray) -> np.ndarray:
        return o.recurrence(kind, weights, x, mask, sequences, backwards, reset_after)

    agrees(layer, values(3, steps, 2), oracle, mask=mask)


@few
@given(small, st.integers(1, 2), small, st.integers(1, 5), st.integers(1, 5), st.booleans(), st.integers(0, 3))
def test_attention(size: int, groups: int, per_group: int, queries: int, keys: int, causal: bool, window: int) -> None:
    heads = groups * per_group
    layer = layers.GroupQueryAttention(size, heads, groups, sliding_window=window or None)
    mask = np.random.default_rng(keys).random((2, queries, keys)) > 0.3
    mask[..., 0] = True  # every query sees something
    distance = np.arange(queries)[:, None] - np.arange(keys)
    seen = mask & (distance >= 0 if causal else True) & (np.abs(distance) < window if window else True)

    def oracle(weights: list[np.ndarray], query: np.ndarray, value: np.ndarray) -> np.ndarray:
        return o.grouped(weights, query, value, seen, per_group)

    if not seen.any(-1).all():  # what no key is seen by is not defined
        return
    agrees(layer, (values(2, queries, 4), values(2, keys, 4)), oracle, attention_mask=mask, use_causal_mask=causal)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_masked_steps_repeat_the_state_in_half_precision(policy: str) -> None:
    mask = np.array([[True, False, True], [False, True, False]])
    for kind in ("SimpleRNN", "LSTM", "GRU"):
        layer = getattr(layers, kind)(3, return_sequences=True, dtype=policy)
        x = values(2, 3, 4)
        found = np.asarray(ops.convert_to_numpy(ops.cast(layer(x, mask=mask), "float32")))
        np.testing.assert_array_equal(found[0, 1], found[0, 0])
        np.testing.assert_array_equal(found[1, 0], 0)
