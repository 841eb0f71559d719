"""Models that go from one backend to all others and back, in a process of their own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tahr import config

ROUND = """
import sys, numpy as np, tahr as keras
from tahr import config, layers

x = np.random.default_rng(0).normal(size=(6, 5, 3)).astype("float32")
y = x[:, 0, :1]
first = config.backend()
keras.utils.set_random_seed(0)
inputs = keras.Input((5, 3))
h = layers.LSTM(4, return_sequences=True)(inputs)
h = layers.LayerNormalization()(h + layers.MultiHeadAttention(2, 2)(h, h))
h = layers.Dropout(0.5)(layers.BatchNormalization()(layers.Flatten()(h)))
model = start = keras.Model(inputs, layers.Dense(1)(h))
model.compile("adam", "mse")
if first != "numpy":
    model.fit(x, y, epochs=2, verbose=0)
expected, weights = model.predict(x, verbose=0), model.get_weights()
for name in [*sys.argv[1:], first]:
    old, model = model, model.to_backend(name)
    assert config.backend() == name and type(model) is type(start)
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(x)), expected, rtol=1e-5, atol=1e-5)
    try:
        old(x)
    except RuntimeError as error:
        assert f"to_backend('{name}')" in str(error), error
    else:
        raise AssertionError("a model that stayed behind computed")
    if name == "torch":
        assert isinstance(model, sys.modules["torch"].nn.Module) and len(list(model.parameters())) == 17
    if name != "numpy":
        steps = int(model.optimizer.iterations)
        history = model.fit(x, y, epochs=1, verbose=0).history
        assert np.isfinite(history["loss"][0]) and int(model.optimizer.iterations) == steps + 1
        expected, weights = model.predict(x, verbose=0), model.get_weights()
try:
    model.to_backend("none")
except ValueError as error:
    assert "expected one of" in str(error)
start.to_backend(first)
np.testing.assert_allclose(start(x).shape, (6, 1))
print("round")
"""


@pytest.mark.slow
@pytest.mark.trains
def test_a_round(tmp_path: Path) -> None:
    here = config.backend()
    others = [n for n in config.BACKENDS if n != here and importlib.util.find_spec(n)]
    done = subprocess.run(
        [sys.executable, "-c", ROUND, *others],
        env={**os.environ, "TAHR_BACKEND": here}, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.stdout.strip().endswith("round"), done.stdout[-500:] + done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.once
def test_on_the_command_line(tmp_path: Path) -> None:
    import tahr as keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "tanh")])
    model.save(tmp_path / "model.keras")
    other = "torch" if config.backend() != "torch" else "jax"
    target = tmp_path / ("model.pt2" if other == "torch" else "model.stablehlo")
    for out in (target, tmp_path / "other.keras"):
        done = subprocess.run(
            [sys.executable, "-m", "tahr", "convert", str(tmp_path / "model.keras"), str(out), "--backend", other],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0 and f"on {other}, where the outputs differ by up to" in done.stdout, done.stderr
        assert out.is_file()
    again = keras.saving.load_model(tmp_path / "other.keras")
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        assert (a == b).all()
