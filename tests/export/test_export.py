"""Models in the formats of the framework at work: written, read back, run on other numbers of rows, and compared."""

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import config, layers, ops
from tahr.export import formats as export

BACKEND = config.backend()
HERE = [name for name, row in export.FORMATS.items() if BACKEND in row.backends]
pytestmark = pytest.mark.trains
RNG = np.random.default_rng(0)


class Own(keras.Model):
    """A model in Python code, with two arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, a: Any, b: Any = None) -> Any:
        return {"sum": self.dense(a) + (0 if b is None else b)}


def images() -> Any:
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def words() -> Any:
    x = keras.Input((None,) if BACKEND == "jax" else (6,), dtype="int32", name="words")
    h = layers.Embedding(10, 4)(x)
    h = layers.LSTM(3, return_sequences=True)(layers.LayerNormalization()(h + layers.MultiHeadAttention(2, 2)(h, h)))
    return keras.Model(x, layers.GlobalAveragePooling1D()(h))


def several() -> Any:
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    joined = layers.Concatenate()([layers.Dense(4)(a), b])
    return keras.Model({"a": a, "b": b}, {"one": layers.Dense(1)(joined), "all": ops.tanh(joined)})


def own() -> Any:
    model = Own()
    model(RNG.normal(size=(2, 4)).astype("float32"))
    return model


INPUTS: dict[str, Any] = {
    "images": lambda n: RNG.normal(size=(n, 8, 8, 2)).astype("float32"),
    "words": lambda n: RNG.integers(0, 10, (n, n + 4 if BACKEND == "jax" else 6)).astype("int32"),
    "several": lambda n: {k: RNG.normal(size=(n, s)).astype("float32") for k, s in (("a", 3), ("b", 2))},
    "own": lambda n: RNG.normal(size=(n, 4)).astype("float32"),
}
MODELS: dict[str, Any] = {"images": images, "words": words, "several": several, "own": own}


def reader(format: str) -> Any:
    from tahr.export.formats import writer_of

    module = writer_of(format)
    return module.read if export.FORMATS[format].folder else lambda path: module.read(open(path, "rb"))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("format", HERE)
def test_what_is_written_gives_the_outputs(
    format: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, path = MODELS[name](), tmp_path / "exported.bin"
    model.export(path, format=format)
    said = capsys.readouterr().out
    assert float(re.findall(r"read back: ([\d.e-]+)\.$", said)[0]) < 1e-4
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    run = reader(format)(path)
    for rows in (1, 5):
        x = INPUTS[name](rows)
        expected = keras.tree.map_structure(np.asarray, model.predict(x, verbose=0))
        found = run(x)
        keras.tree.map_structure(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), expected, found)


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    model = images()
    with pytest.raises(ValueError, match=r"expected format to be one of 'tf_saved_model'.*received 'onyx'"):
        model.export(tmp_path / "m", format="onyx")
    for name, row in export.FORMATS.items():
        if BACKEND not in row.backends:
            with pytest.raises(ValueError, match=f"{name}.*{row.backends[0]}.*computes on {BACKEND}"):
                model.export(tmp_path / "m", format=name)
    if HERE:
        with pytest.raises(ValueError, match="input_signature"):
            Own().export(tmp_path / "m", format=HERE[0])
    if "tf_saved_model" not in HERE:
        with pytest.raises(ValueError, match="tensorflow and jax"):
            keras.export.ExportArchive()
    assert not list(tmp_path.iterdir())


OPEN: dict[str, Any] = {
    "Dense": lambda x: layers.Dense(3)(x),
    "Conv1D": lambda x: layers.Conv1D(3, 3, padding="causal")(x),
    "attention": lambda x: layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True),
    "LSTM": lambda x: layers.LSTM(3)(x),
}


@pytest.mark.skipif(BACKEND != "torch", reason="is about torch.export")
@pytest.mark.parametrize("name", OPEN)
def test_open_time_lengths(name: str, tmp_path: Path) -> None:
    x = keras.Input((None, 8))
    model, path = keras.Model(x, OPEN[name](x)), tmp_path / "model.pt2"
    if name == "LSTM":
        with pytest.raises(ValueError, match=r"axis 1 of input .* \(None, None, 8\), must be of known size"):
            model.export(path, format="torch", verbose=False)
        assert not list(tmp_path.iterdir())
        model.export(path, format="torch", verbose=False, input_signature=[keras.InputSpec(shape=(None, 7, 8))])
    else:
        model.export(path, format="torch", verbose=False)
    run = reader("torch")(path)
    for rows, steps in ((1, 7), (4, 7)) if name == "LSTM" else ((1, 5), (3, 9)):
        data = RNG.normal(size=(rows, steps, 8)).astype("float32")
        np.testing.assert_allclose(run(data), model.predict(data, verbose=0), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not HERE, reason="NumPy exports nothing")
def test_a_file_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tahr.export import formats

    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    format, path = HERE[-1], tmp_path / "model"
    model.export(path, format=format, verbose=False)
    before = sorted(p.stat().st_size for p in tmp_path.rglob("*"))
    writer = formats.writer_of(format)
    monkeypatch.setattr(formats, "writer_of", lambda name: Wrong(writer))
    with pytest.raises(ValueError, match="differs from the model by up to"):
        model.export(path, format=format)
    assert sorted(p.stat().st_size for p in tmp_path.rglob("*")) == before


class Wrong:
    """A writer of a format whose files give other numbers."""

    def __init__(self, writer: Any):
        self.write = writer.write
        self.read = lambda file: lambda *x: writer.read(file)(*x) + 1


def test_a_signature_of_ones_own(tmp_path: Path) -> None:
    if not HERE:
        pytest.skip("NumPy exports nothing")
    model = own()
    spec = keras.InputSpec(shape=(None, 4), dtype="float32")
    model.export(tmp_path / "m", format=HERE[-1], input_signature=[spec], verbose=False)
    run = reader(HERE[-1])(tmp_path / "m")
    x = INPUTS["own"](7)
    np.testing.assert_allclose(run(x)["sum"], model.predict(x, verbose=0)["sum"], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif("tf_saved_model" not in HERE, reason="is about SavedModels")
def test_an_archive_with_endpoints(tmp_path: Path) -> None:
    tf: Any = importlib.import_module("tensorflow")
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.BatchNormalization(), layers.Dense(1)])
    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = keras.InputSpec(shape=(None, 3), dtype="float32")
    archive.add_endpoint("serve", model)
    archive.add_endpoint("both", lambda x, y: model(x) - model(y), [spec, spec])
    archive.add_endpoint("features", model.layers[0], [spec])
    archive.add_variable_collection("own", model.layers[0].weights)
    with pytest.raises(ValueError, match="already"):
        archive.add_endpoint("serve", model)
    archive.write_out(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    x = RNG.normal(size=(5, 3)).astype("float32")
    np.testing.assert_allclose(loaded.serve(x), model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(loaded.both(x, x), np.zeros((5, 1)), atol=1e-6)
    assert loaded.features(x).shape == (5, 4)
    named = loaded.signatures["serving_default"]
    found = named(**{next(iter(named.structured_input_signature[1])): tf.constant(x)})
    np.testing.assert_allclose(next(iter(found.values())), model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)
    assert [v.shape for v in loaded.own] == [(3, 4), (4,)]
    assert len(loaded.variables) == 8 and len(loaded.trainable_variables) == 6
    layer = layers.TFSMLayer(str(tmp_path / "saved"), call_endpoint="serve")
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), loaded.serve(x), rtol=1e-6)
    with pytest.raises(ValueError, match="no endpoint"):
        keras.export.ExportArchive().write_out(tmp_path / "none")
