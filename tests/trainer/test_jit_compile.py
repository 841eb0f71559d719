"""Steps compiled by torch: one graph, the same numbers."""

import functools
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import config, layers, losses
from tahr.trainer import auto_compile

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


def test_a_loaded_model_trains_after_it_has_predicted(no_compiler: None, tmp_path: Any) -> None:
    model, _ = trained(True)
    model.save(tmp_path / "model.keras")
    found = []
    for model in (keras.models.load_model(tmp_path / "model.keras") for _ in range(2)):
        if found:  # which makes a session before there are metrics
            model.predict(X, verbose=0)
        model.fit(X, LABELS, batch_size=8, shuffle=False, verbose=0)
        found.append(model.evaluate(X, LABELS, verbose=0))
    assert found[0] == pytest.approx(found[1], rel=1e-3)


@pytest.mark.parametrize("finite", [True, False])
def test_scaled_losses_and_curves_in_one_graph(no_compiler: None, *, finite: bool) -> None:
    def weights(jit_compile: Any) -> list[Any]:
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((6,)), layers.Dense(4, activation="relu"), layers.Dense(1)])
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.1), initial_scale=8.0)
        loss = losses.BinaryCrossentropy(from_logits=True)
        model.compile(optimizer, loss, metrics=[keras.metrics.AUC(from_logits=True)], jit_compile=jit_compile)
        scale = np.ones(16, "float32") if finite else np.full(16, np.inf, "float32")
        model.fit(X, LABELS > 0, sample_weight=scale, batch_size=8, shuffle=False, verbose=0)
        return [*model.get_weights(), *(v.numpy() for v in optimizer.variables)]

    for a, b in zip(weights(True), weights("auto"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


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


@pytest.mark.parametrize(
    ("cost", "margin", "saved", "said"),
    [
        (0.0, 1e9, False, "so compiled steps go on"),
        (0.0, 0.0, False, "so it stays as it is"),
        (60.0, 1e9, False, None),
        (0.0, 1e9, True, None),  # resumed, it has to give the same numbers, which no clock may decide
    ],
    ids=["faster", "slower", "short", "saved"],
)
def test_auto_measures(
    *,
    no_compiler: None,
    monkeypatch: Any,
    capsys: Any,
    tmp_path: Any,
    cost: float,
    margin: float,
    saved: bool,
    said: str | None,
) -> None:
    import torch

    compiled, compile_ = [], torch.compile
    monkeypatch.setattr(torch, "compile", lambda *args, **options: compiled.append(1) or compile_(*args, **options))
    monkeypatch.setattr(auto_compile, "COST", cost)
    monkeypatch.setattr(auto_compile, "MARGIN", margin)
    histories = []
    for jit_compile in ("auto", None):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((6,)), layers.Dense(4, activation="relu"), layers.Dense(3)])
        model.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=jit_compile)
        resume = tmp_path / str(jit_compile) if saved else None
        histories.append(model.fit(X, LABELS, 1, epochs=30, verbose=2 if jit_compile else 0, resume=resume))
    printed = capsys.readouterr().err
    assert len(compiled) == (said is not None) == printed.count("jit_compile='auto'")
    assert (said or "") in printed
    np.testing.assert_allclose(*(h.history["loss"] for h in histories), rtol=1e-3, atol=1e-4)


def test_auto_leaves_what_is_no_graph(no_compiler: None, monkeypatch: Any, capsys: Any) -> None:
    class Reads(layers.Layer):
        def call(self, x: Any) -> Any:
            return x * (2.0 if float(x.sum()) > 1e9 else 1.0)

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

    monkeypatch.setattr(auto_compile, "COST", 0.0)
    model = keras.Sequential([layers.Dense(4), Reads(), layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(X, X[:, :1], batch_size=1, epochs=30, verbose=2).history["loss"]
    assert "jit_compile='auto': the step cannot be compiled" in capsys.readouterr().err
    assert history[-1] < history[0]
