"""Files go to real Keras and come back: equal predictions, and an equal loss of the next training step.

Keras runs as a black box in an environment of its own, `.bench/`, which `benchmarks/peers_env.py` makes.
"""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.exchange, pytest.mark.trains]

# Builds a model by name with whatever package is called `keras`: the same text makes it here and there.
BUILDERS = """
def sequential(keras):
    layers = keras.layers
    return keras.Sequential([keras.Input((4,)), layers.Dense(6, activation="relu"), layers.Dense(2, name="last")])

def functional(keras):
    layers = keras.layers
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    joined = layers.Concatenate()([layers.Dense(3, name="left")(a), b])
    tower = layers.Dense(6, activation="tanh", name="tower")
    return keras.Model([a, b], layers.Dense(2)(layers.Add()([tower(joined), tower(2.0 * joined)])))

def nested(keras):
    layers = keras.layers
    x = keras.Input((4,))
    encoder = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="inner")], name="encoder")
    start = keras.Input((4,))
    head = keras.Model(start, [layers.Dense(2, name="left")(start), layers.Dense(2, name="right")(start)], name="head")
    left, right = head(encoder(x))
    return keras.Model(x, left * right + head(x)[0])

def lstm(keras):
    layers = keras.layers
    x = keras.Input((5,), dtype="int32")
    y = layers.Embedding(9, 4, mask_zero=True)(x)
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(y)
    return keras.Model(x, layers.Dense(2)(layers.GRU(4)(y)))

def batch_normalization(keras):
    layers = keras.layers
    return keras.Sequential([
        keras.Input((6, 6, 2)), layers.Conv2D(3, 3), layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dense(2),
    ])

def operations(keras):
    layers, ops = keras.layers, keras.ops
    x = keras.Input((6,))
    y = layers.Dense(6)(x)
    low, high = ops.split(ops.tanh(y) * 2.0 + ops.mean(y, axis=-1, keepdims=True), 2, axis=-1)
    y = ops.concatenate([low - high, ops.maximum(low, 0.1)], axis=-1)[:, 1:, None]
    y = ops.where(y > 0, y, 1 - abs(y) / 2)
    y = ops.einsum("bij,bkj->bik", y, ops.reshape(ops.transpose(y, (0, 2, 1)), (-1, 5, 1)))
    return keras.Model(x, ops.pad(ops.sum(y, axis=1)[:, :1], ((0, 0), (0, 1))))

def layered(keras):
    layers = keras.layers
    a, b = keras.Input((4, 2), name="a"), keras.Input((3,), name="b")
    start = keras.Input((3,))
    head = keras.Model(start, layers.Dense(3, name="inner")(start), name="head")
    tower = layers.Dense(3, name="tower")
    y = layers.Add()([tower(layers.LSTM(3)(a)), tower(head(b))])
    return keras.Model([a, b], layers.Dense(2)(y))

def mixed(keras):
    layers = keras.layers
    return keras.Sequential([
        keras.Input((4,)), layers.Dense(6, activation="gelu"), layers.LayerNormalization(), layers.Dropout(0.0),
        layers.Dense(4, dtype="bfloat16"), layers.Dense(2, dtype="float32"),
    ])

def data(name):
    import numpy as np
    random = np.random.default_rng(7)
    draw = lambda *shape: random.normal(size=(16, *shape)).astype("float32")
    x = {"functional": [draw(4), draw(3)], "lstm": random.integers(0, 9, (16, 5)).astype("int32"),
         "batch_normalization": draw(6, 6, 2), "operations": draw(6), "layered": [draw(4, 2), draw(3)]}.get(name)
    return (draw(4) if x is None else x), draw(2)

def train(keras, model, name):
    x, y = data(name)
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)

def read(keras, path):
    if not path.endswith(".h5"):
        return keras.saving.load_model(path)
    model = keras.saving.load_model(path, compile=False)  # Keras does not find "mse" there
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model

def use(keras, model, name):
    import numpy as np
    x, y = data(name)
    outputs = np.asarray(model.predict(x, verbose=0), "float64").tolist()
    model.fit(x, y, batch_size=16, epochs=1, shuffle=False, verbose=0)
    again = model.fit(x, y, batch_size=16, epochs=1, shuffle=False, verbose=0)
    return {"outputs": outputs, "loss": float(again.history["loss"][0]), "iterations": int(model.optimizer.iterations)}
"""
NAMES = ["sequential", "functional", "nested", "lstm", "batch_normalization", "operations", "mixed", "layered"]
# Keras itself reads no .h5 file of a graph with operations (masks are such).
CASES = [*((n, "keras") for n in NAMES), *((n, "h5") for n in ("sequential", "batch_normalization", "layered"))]
PEER = (
    BUILDERS
    + """
import json, os, sys
import keras
for line in sys.stdin:
    task = json.loads(line)
    name, path = task["name"], task["path"]
    try:
        if task["do"] == "write":
            model = globals()[name](keras)
            train(keras, model, name)
            model.save(path)
            result = use(keras, read(keras, path) if path.endswith(".h5") else model, name)
        else:
            result = use(keras, read(keras, path), name)
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}"[:2000]}
    print("RESULT " + json.dumps(result), flush=True)
"""
)
here: dict[str, Any] = {}
exec(BUILDERS, here)


class Peer:
    """A process with real Keras that does what it is told, line by line."""

    def __init__(self, python: Path):
        environment = {**os.environ, "KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen(
            [str(python), "-c", textwrap.dedent(PEER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env=environment, cwd=python.parent,
        )  # fmt: skip

    def ask(self, do: str, name: str, path: Path) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps({"do": do, "name": name, "path": str(path)}), file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith("RESULT "):
                found = json.loads(line.removeprefix("RESULT "))
                assert "error" not in found, f"Keras: {found['error']}"
                return found
        raise AssertionError("Keras ended without an answer")


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    made = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "peers_env.py")], check=True, capture_output=True, text=True
    )
    process = Peer(Path(made.stdout.strip().splitlines()[-1]))
    yield process
    assert process.process.stdin is not None
    process.process.stdin.close()
    process.process.wait(30)


def compare(theirs: dict[str, Any], ours: dict[str, Any], name: str) -> None:
    tolerance = 2e-2 if name == "mixed" else 1e-5
    np.testing.assert_allclose(ours["outputs"], theirs["outputs"], rtol=tolerance, atol=tolerance)
    if name != "mixed":  # steps in bfloat16 differ by their rounding
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
    assert ours["iterations"] == theirs["iterations"]


@pytest.mark.parametrize(("name", "ending"), CASES)
def test_keras_to_tahr(name: str, ending: str, peer: Peer, tmp_path: Path) -> None:
    theirs = peer.ask("write", name, tmp_path / f"model.{ending}")
    compare(theirs, here["use"](keras, here["read"](keras, str(tmp_path / f"model.{ending}")), name), name)


@pytest.mark.parametrize(("name", "ending"), CASES)
def test_tahr_to_keras(name: str, ending: str, peer: Peer, tmp_path: Path) -> None:
    model = here[name](keras)
    here["train"](keras, model, name)
    path = str(tmp_path / f"model.{ending}")
    model.save(path)
    ours = here["use"](keras, here["read"](keras, path) if ending == "h5" else model, name)
    compare(peer.ask("read", name, tmp_path / f"model.{ending}"), ours, name)
