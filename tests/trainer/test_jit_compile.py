"""Steps compiled by torch: one graph, the same numbers."""

import functools
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import config, layers, losses

pytestmark = [
    pytest.mark.slow,
    pytest.mark.trains,
    pytest.mark.skipif(config.backend() != "torch", reason="is about torch.compile"),
]

X = np.random.default_rng(0).random((16, 6)).astype("float32")
LABELS = np.arange(16) % 3


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch.compile make the graphs and run them as they are, which needs no C++ compiler."""
    import torch

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))


def trained(jit_compile: Any) -> tuple[Any, list[Any]]:
    keras.utils.set_random_seed(1)
    body = [layers.Dense(4, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.2), layers.Dense(3)]
    model = keras.Sequential([keras.Input((6,)), *body])
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], jit_compile=jit_compile)
    history = model.fit(X, LABELS, batch_size=8, epochs=2, verbose=0).history["loss"]
    return model, [history, model.evaluate(X, LABELS, batch_size=8, verbose=0), model.predict(X[:3], verbose=0)]


def test_a_compiled_step_is_the_same_step(no_compiler: None) -> None:
    (model, found), (plain, wanted) = trained(True), trained("auto")
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    for a, b in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)


def test_a_step_that_is_no_graph_is_refused(no_compiler: None) -> None:
    class Backward(keras.Model):
        def train_step(self, data: Any) -> Any:
            loss = keras.ops.mean(self(data[0], training=True))
            loss.backward()
            return {"loss": float(loss)}

    x = keras.Input((6,))
    model = Backward(x, layers.Dense(1)(x))
    model.compile("sgd", jit_compile=True)
    with pytest.raises(RuntimeError, match="jit_compile=True: torch.compile cannot make one graph of the step"):
        model.fit(X, LABELS, verbose=0)
