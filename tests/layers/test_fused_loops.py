"""The backend's own LSTM and GRU against the cells run step by step: outputs, states and gradients."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import backends, layers, ops

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 5, 4)).astype("float32")
MASK = np.array([[1, 1, 0, 1, 1], [0, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)


def stepwise(layer: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(layer.cell, "fused_duty", lambda: None)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_bias": False},
        {"go_backwards": True},
        {"return_sequences": False},
        {"zero_output_for_mask": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_fused_is_stepwise(kind: Any, masked: bool, options: dict[str, Any], monkeypatch: Any) -> None:
    keras.utils.set_random_seed(0)
    layer = kind(6, return_state=True, bias_initializer="random_normal", **{"return_sequences": True, **options})
    layer.build(X.shape)
    draw = np.random.default_rng(1).normal
    first = [ops.convert_to_tensor(draw(size=(3, 6)).astype("float32")) for _ in layer.get_initial_state(3)]
    weights = [w.value for w in layer.trainable_variables]
    arrays = [ops.convert_to_tensor(X), *first, *weights]
    mask = ops.convert_to_tensor(MASK) if masked else None

    def loss(given: list[Any]) -> Any:
        states, values = given[1 : 1 + len(first)], given[1 + len(first) :]
        outputs, _ = layer.stateless_call(values, [], given[0], initial_state=states, mask=mask)
        return sum(ops.sum(o * ops.sin(10 * o)) for o in outputs), outputs

    backend, found = backends.current(), []
    for how in ("fused", *(["compiled"] if not masked else []), "stepwise"):
        if how == "stepwise":
            stepwise(layer, monkeypatch)
        run = backend.value_and_grad(loss) if backend.trains else lambda given: (loss(given), [])
        (_, outputs), gradients = (backend.compile(run) if how == "compiled" else run)(arrays)
        found.append([ops.convert_to_numpy(x) for x in [*outputs, *gradients]])
    for *ours, wanted in zip(*found, strict=True):
        for one in ours:
            np.testing.assert_allclose(one, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.trains
@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_forward_derivatives(kind: Any) -> None:
    layer = kind(6)
    layer.build(X.shape)
    tangent = RANDOM.normal(size=X.shape).astype("float32")
    _, found = keras.jvp(lambda x: layer(x), (X,), (tangent,))
    ahead, behind = (ops.convert_to_numpy(layer(X + step * tangent)) for step in (1e-2, -1e-2))
    np.testing.assert_allclose(ops.convert_to_numpy(found), (ahead - behind) / 2e-2, rtol=1e-2, atol=1e-3)


@pytest.mark.trains
@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_gradients_of_gradients(kind: Any, monkeypatch: Any) -> None:
    layer = kind(3, bias_initializer="random_normal")
    layer.build(X.shape)

    def penalty(x: Any) -> Any:
        return ops.sum(keras.grad(lambda x: ops.sum(layer(x) ** 3))(x) ** 2)

    backend, x = backends.current(), ops.convert_to_tensor(X)
    found = [keras.grad(penalty)(x), backend.compile(keras.grad(penalty))(x)]
    stepwise(layer, monkeypatch)
    wanted = ops.convert_to_numpy(keras.grad(penalty)(x))
    for fused in found:
        np.testing.assert_allclose(ops.convert_to_numpy(fused), wanted, rtol=1e-4, atol=1e-6)
