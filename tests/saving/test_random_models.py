"""Random models of many layers: saved and loaded they are equal, here and on every other backend."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tahr as keras
from tahr import layers as L
from tahr import ops
from tests.saving.every_layer import CELLS, ELSEWHERE, GROUPS, graph
from tests.saving.models import outputs_of, scramble

Make = Callable[[], Any]
# By the rank of what comes in: what may follow, with the rank of what goes out.
STEPS: dict[int, list[tuple[Make, int]]] = {
    2: [
        (lambda: L.Dense(5, activation="tanh", kernel_regularizer="l2"), 2),
        (lambda: L.Dense(4, use_bias=False, kernel_initializer="he_normal", dtype="mixed_bfloat16"), 2),
        (lambda: L.BatchNormalization(scale=False), 2),
        (lambda: L.LayerNormalization(epsilon=1e-4), 2),
        (lambda: L.UnitNormalization(), 2),
        (lambda: L.Dropout(0.5, seed=3), 2),
        (lambda: L.GaussianNoise(0.1), 2),
        (lambda: L.LeakyReLU(0.2), 2),
        (lambda: L.PReLU(), 2),
        (lambda: L.Rescaling(0.5, offset=0.1), 2),
        (lambda: L.Reshape((-1, 1)), 3),
        (lambda: L.RepeatVector(3), 3),
        (lambda: L.Activation("gelu"), 2),
        (lambda: keras.Sequential([L.Dense(3, activation=keras.activations.silu)]), 2),
    ],
    3: [
        (lambda: L.Conv1D(3, 2, padding="causal", dilation_rate=2), 3),
        (lambda: L.SeparableConv1D(3, 2, padding="same"), 3),
        (lambda: L.LSTM(3, return_sequences=True, recurrent_activation="hard_sigmoid"), 3),
        (lambda: L.GRU(3, reset_after=False), 2),
        (lambda: L.Bidirectional(L.SimpleRNN(2, return_sequences=True), merge_mode="sum"), 3),
        (lambda: L.TimeDistributed(L.Dense(2, activation="relu")), 3),
        (lambda: L.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d"), 3),
        (lambda: L.Permute((2, 1)), 3),
        (lambda: L.ZeroPadding1D(1), 3),
        (lambda: L.GroupNormalization(1), 3),
        (lambda: L.GlobalAveragePooling1D(), 2),
        (lambda: L.Flatten(), 2),
        (lambda: L.Reshape((-1, 1, 1)), 4),
    ],
    4: [
        (lambda: L.Conv2D(3, (2, 1), padding="same", activation="relu"), 4),
        (lambda: L.DepthwiseConv2D(2, padding="same", depth_multiplier=2), 4),
        (lambda: L.Conv2DTranspose(2, 2, strides=2, padding="same"), 4),
        (lambda: L.UpSampling2D(2, interpolation="bilinear"), 4),
        (lambda: L.SpatialDropout2D(0.2), 4),
        (lambda: L.BatchNormalization(axis=1, momentum=0.8), 4),
        (lambda: L.GlobalMaxPooling2D(), 2),
        (lambda: L.Flatten(), 2),
    ],
}
STARTS = {2: (6,), 3: (4, 3), 4: (4, 3, 2)}


@st.composite
def models(draw: Any) -> tuple[Any, Any]:
    """Draw a model, as a stack or as a graph with a branch, and inputs."""
    rank = draw(st.sampled_from(sorted(STARTS)))
    shape = STARTS[rank]
    x = start = keras.Input(shape)
    steps = []
    for _ in range(draw(st.integers(1, 5))):
        make, rank = draw(st.sampled_from(STEPS[rank]))
        steps.append(make())
        x = steps[-1](x)
    kind = draw(st.sampled_from(["stack", "graph", "branches", "outputs"]))
    if kind == "stack":
        model = keras.Sequential([keras.Input(shape), *steps])
    elif kind == "graph":
        model = keras.Model(start, x * 2.0 + ops.mean(x, axis=-1, keepdims=True))
    elif kind == "branches":
        model = keras.Model(start, L.Concatenate()([x, L.Dense(2)(x)]))
    else:
        model = keras.Model(start, {"a": x, "b": [L.Dense(2, name="b")(x)]})
    values = np.random.default_rng(5).normal(size=(3, *shape)).astype("float32")
    return scramble(model), values


def same(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    for one, two in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=models())
def test_round_trip(drawn: tuple[Any, Any]) -> None:
    model, x = drawn
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        again, report = keras.saving.load_model(path, report=True, strict=True)
        assert report.complete
        assert json.loads(again.to_json()) == json.loads(model.to_json())
        same(outputs_of(model, x), outputs_of(again, x))
        model.save_weights(os.path.join(folder, "model.weights.h5"))
        other = keras.models.clone_model(model)
        other.load_weights(os.path.join(folder, "model.weights.h5"), strict=True)
        same(outputs_of(model, x), outputs_of(other, x))


@pytest.mark.once
def test_no_layer_is_left_out() -> None:
    covered = {getattr(L, name) for _, layers in GROUPS.values() for name in layers}
    classes = {name for name in L.__all__ if isinstance(getattr(L, name), type)}
    assert sorted(n for n in classes - ELSEWHERE - CELLS if getattr(L, n) not in covered) == []


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_every_layer(group: str, tmp_path: Path) -> None:
    model, x = graph(group)
    scramble(model)
    model.save(tmp_path / "model.keras")
    again, report = keras.saving.load_model(tmp_path / "model.keras", report=True, strict=True)
    assert report.complete and json.loads(again.to_json()) == json.loads(model.to_json())
    hosted = group == "text" or "ids" in group  # some of these layers compute on the host, so nothing is compiled
    found, wanted = ((m(x) if hosted else m.predict(x, verbose=0)) for m in (again, model))
    for name in wanted:
        one, other = (ops.convert_to_numpy(outputs[name]) for outputs in (found, wanted))
        np.testing.assert_array_equal(one, other, err_msg=name)


VERIFY = """
import json, pathlib, sys
from tahr.saving.verify import verify_file
print(json.dumps([verify_file(path) for path in sorted(pathlib.Path(sys.argv[1]).glob("*.keras"))]))
"""


@pytest.mark.slow
def test_across_backends(tmp_path: Path, backend: str) -> None:
    """Files of this backend give the recorded outputs on the others."""
    count = 0

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(drawn=models())
    def write(drawn: tuple[Any, Any]) -> None:
        nonlocal count
        model, x = drawn
        if any(
            v.dtype != "float32" or layer.compute_dtype != "float32" for layer in model.layers for v in layer.weights
        ):
            return  # what rounds to eight bits differs by more than a file could tell
        model.save(tmp_path / f"{count:03}.keras", example=x)
        count += 1

    write()
    assert count > 4
    for group in GROUPS.keys() - {"text"}:  # an example holds numbers
        model, x = graph(group)
        scramble(model).save(tmp_path / f"{group}.keras", example=x)
        count += 1
    for other in {"jax", "torch", "numpy"} - {backend}:
        done = subprocess.run(
            [sys.executable, "-c", VERIFY, str(tmp_path)], capture_output=True, text=True, check=True, timeout=500,
            env={**os.environ, "TAHR_BACKEND": other},
        )  # fmt: skip
        found = json.loads(done.stdout.strip().splitlines()[-1])
        assert len(found) == count and all(f["status"] == "verified" and f["example"] == "equal" for f in found), found
