"""What loading reports, what stands in for unknown classes, and what a file says of itself."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, ops
from tahr.saving import LoadReport
from tests.saving.models import MODELS, inputs_of, outputs_of, scramble


class Stranger(layers.Layer):
    """A layer that nobody registered, with weights of its own and of a layer inside."""

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units
        self.inner = layers.Dense(units)

    def build(self, input_shape: Any) -> None:
        self.gain = self.add_weight((self.units,), "ones", name="gain")
        self.inner.build(input_shape)

    def call(self, x: Any) -> Any:
        return self.inner(x) * self.gain


def odd(x: Any) -> Any:
    return x * 2


def strange(graph: bool) -> Any:
    if graph:
        x = keras.Input((4,))
        return scramble(keras.Model(x, layers.Dense(2, activation=odd)(Stranger(3, name="odd")(x))))
    return scramble(keras.Sequential([keras.Input((4,)), Stranger(3, name="odd"), layers.Dense(2, activation=odd)]))


@pytest.mark.parametrize("graph", [True, False], ids=["functional", "sequential"])
def test_placeholders_keep_what_they_stand_for(graph: bool, tmp_path: Path) -> None:
    model, x = strange(graph), np.ones((2, 4), "float32")
    model.save(tmp_path / "a.keras")
    with pytest.raises(TypeError, match="Stranger"):
        keras.saving.load_model(tmp_path / "a.keras")
    held, report = keras.saving.load_model(tmp_path / "a.keras", on_unknown="placeholder", report=True)
    assert set(report.placeholders) == {"odd"} and "odd: " in str(report) and not report.complete
    assert held.output_shape == (None, 2)
    np.testing.assert_array_equal(held.layers[-1].get_weights()[0], model.layers[-1].get_weights()[0])
    with pytest.raises(TypeError, match="custom_objects"):
        held(x)
    held.save(tmp_path / "b.keras")
    again = keras.saving.load_model(tmp_path / "b.keras", custom_objects={"Stranger": Stranger, "odd": odd})
    np.testing.assert_array_equal(ops.convert_to_numpy(again(x)), ops.convert_to_numpy(model(x)))
    with pytest.raises(ValueError, match="on_unknown"):
        keras.saving.load_model(tmp_path / "a.keras", on_unknown="ignore")


def test_arrays_alone(tmp_path: Path) -> None:
    model = strange(True)
    model.save(tmp_path / "a.keras")
    model.save(tmp_path / "folder", zipped=False)
    model.save_weights(tmp_path / "a.weights.h5")
    model.save_weights(tmp_path / "s.weights.h5", max_shard_size=5e-8)
    model.save(tmp_path / "a.h5")
    for name in ("a.keras", "folder", "a.weights.h5", "s.weights.json"):
        found = keras.saving.load_model(tmp_path / name, weights_only=True)
        np.testing.assert_array_equal(found["layers/stranger/vars/0"], model.layers[1].gain.numpy())
        assert len(found) == 5
    assert len(keras.saving.load_model(tmp_path / "a.h5", weights_only=True)) == 5


def test_report_and_strict(tmp_path: Path) -> None:
    big = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="a"), layers.Dense(2, name="b")])
    small = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="a")])
    other = keras.Sequential([keras.Input((4,)), layers.Dense(5, name="a")])
    for ending in ("weights.h5", "keras", "h5"):
        path = tmp_path / f"big.{ending}"
        (big.save_weights if ending == "weights.h5" else big.save)(path)
        report = big.load_weights(path, strict=True, report=True)  # as `load_model` is asked
        assert isinstance(report, LoadReport) and report.complete and len(report.loaded) == 2
        by_name = {"by_name": True} if ending == "h5" else {}
        report = small.load_weights(path, **by_name)
        assert len(report.unused) == 1 and not report.complete and len(report.loaded) == 1
        before = small.get_weights()
        with pytest.raises(ValueError, match="no place for"):
            small.load_weights(path, strict=True, **by_name)
        np.testing.assert_array_equal(before[0], small.get_weights()[0])
        with pytest.warns(UserWarning, match="shape"):
            assert len(other.load_weights(path, skip_mismatch=True, **by_name).mismatched) == 1
    _, report = keras.saving.load_model(tmp_path / "big.keras", report=True, strict=True)
    assert report.complete and report.optimizer == "absent" and "2 parts loaded" in str(report)


# ---- the manifest ---------------------------------------------------------------------------------------------------


def manifest(path: Path) -> Any:
    return json.loads(zipfile.ZipFile(path).read("tahr/manifest.json"))


def test_manifest(tmp_path: Path) -> None:
    import hashlib

    model = MODELS["functional"]()
    model.save(tmp_path / "a.keras")
    found = manifest(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        for name, about in found["members"].items():
            content = archive.read(name)
            assert about == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert set(found["members"]) == {"metadata.json", "config.json", "model.weights.h5"}
    assert [x["shape"] for x in found["signature"]["inputs"]] == [[None, 4], [None, 3]]
    assert found["written_by"]["tahr"] == keras.__version__ and found["example"] is None


@pytest.mark.trains
def test_manifest_of_training(tmp_path: Path) -> None:
    model = MODELS["sequential"]()
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 4)), np.ones((8, 3)), epochs=2, batch_size=4, verbose=0)
    model.save(tmp_path / "a.keras")
    training = manifest(tmp_path / "a.keras")["training"]
    assert training["steps"] == 4 and training["epochs"] == [0, 1] and len(training["history"]["loss"]) == 2


@pytest.mark.parametrize("name", ["sequential", "functional", "dicts", "lstm"])
def test_example(name: str, tmp_path: Path) -> None:
    from tahr.saving.verify import verify_file

    model, x = scramble(MODELS[name]()), inputs_of(name)
    model.save(tmp_path / "a.keras", example=x)
    found = verify_file(tmp_path / "a.keras")
    assert found["status"] == "verified" and found["example"] == "equal" and found["largest_difference"] < 1e-6
    assert len(outputs_of(keras.saving.load_model(tmp_path / "a.keras"), x)) >= 1
