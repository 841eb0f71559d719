"""Training for steps or for a time, looking for NaN, and outputs that come batch by batch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import callbacks, layers

X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
Y = X[:, :1].copy()


def model_of(*inner: Any, optimizer: Any = "sgd", loss: Any = "mse") -> Any:
    model = keras.Sequential([keras.Input((4,)), *inner, layers.Dense(1, name="top")], name="line")
    model.compile(optimizer, loss)
    return model


def endless() -> Any:
    while True:
        yield X[:5], Y[:5]


@pytest.mark.trains
@pytest.mark.parametrize(
    ("data", "given", "reports", "steps"),
    [
        ((X, Y), {"steps": 7}, 2, 7),
        ((X, Y), {"steps": 4}, 1, 4),
        ((X, Y), {"steps": 10, "validate_every": 3}, 4, 10),
        ((endless(),), {"steps": 10, "validate_every": 5}, 2, 10),
        ((X, Y), {"epochs": 3, "max_time": 1000}, 3, 12),
        ((X, Y), {"epochs": 3, "max_time": 1e-9}, 0, 0),
    ],
)
def test_steps_and_reports(data: Any, given: Any, reports: int, steps: int) -> None:
    model, batches = model_of(), {"batch_size": 5} if len(data) > 1 else {}
    history = model.fit(*data, **batches, validation_data=(X, Y), verbose=0, **given)
    assert len(history.epoch) == len(history.history.get("val_loss", [])) == reports
    assert int(model.optimizer.iterations.numpy()) == steps


@pytest.mark.trains
def test_time_ends_an_endless_training() -> None:
    model = model_of()
    history = model.fit(X, Y, batch_size=5, validate_every=3, max_time="0.3s", verbose=0)
    done = int(model.optimizer.iterations.numpy())
    assert 0 < done <= 3 * len(history.epoch)
    assert not model.stop_training


@pytest.mark.trains
def test_reports_go_on_through_the_data() -> None:
    """Steps and reports cut the same stream of batches that epochs give."""
    weights = []
    for given in ({"epochs": 3}, {"steps": 12, "validate_every": 5}):
        keras.utils.set_random_seed(3)
        model = model_of()
        model.fit(X, Y, batch_size=5, verbose=0, **given)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.trains
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"steps": 0}, "steps: expected a whole number >= 1"),
        ({"steps": 3, "epochs": 2}, "epochs or steps"),
        ({"validate_every": 3}, "goes with steps or max_time"),
        ({"max_time": "soon"}, "'10min'"),
        ({"max_time": -1}, "max_time"),
        ({"debug": "all"}, "'nan'"),
    ],
)
def test_what_cannot_be(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        model_of().fit(X, Y, verbose=0, **given)


@pytest.mark.trains
def test_steps_without_a_length() -> None:
    with pytest.raises(ValueError, match="validate_every"):
        model_of().fit(endless(), steps=3, verbose=0)


def root(x: Any) -> Any:
    return keras.ops.sqrt(x - 100.0)


def edge(y_true: Any, y_pred: Any) -> Any:
    return keras.ops.sqrt(keras.ops.mean(keras.ops.abs(y_pred * 0.0)))


def log_loss(y_true: Any, y_pred: Any) -> Any:
    return keras.ops.mean(keras.ops.log(y_pred - 1e6))


NANS = {
    "layer": (lambda: model_of(layers.Lambda(root, name="root")), r"Epoch 1, batch 1: the layer root \(Lambda\)"),
    "loss": (lambda: model_of(loss=log_loss), "the loss is not finite"),
    "gradient": (lambda: model_of(loss=edge), r"gradients of \['line/top/kernel'"),
    "update": (lambda: model_of(optimizer=keras.optimizers.SGD(1e38)), r"Epoch [12], batch \d+: .*"),
}


@pytest.mark.trains
@pytest.mark.parametrize("name", NANS)
def test_the_first_nan_has_a_name(name: str) -> None:
    make, words = NANS[name]
    model = make()
    with pytest.raises(FloatingPointError, match=words):
        model.fit(X, Y, batch_size=5, epochs=5, verbose=0, debug="nan")
    assert all(np.isfinite(value).all() for value in model.get_weights())


@pytest.mark.trains
def test_looking_for_nan_changes_nothing() -> None:
    weights = []
    for debug in (None, "nan"):
        keras.utils.set_random_seed(3)
        model = model_of(layers.Dropout(0.5), optimizer="adam")
        model.fit(X, Y, batch_size=5, epochs=2, verbose=0, debug=debug)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_outputs_come_batch_by_batch(tmp_path: Path) -> None:
    model = model_of(layers.Dense(3, activation="tanh", name="hidden"))
    whole = model.predict(X, batch_size=6, verbose=0)
    np.testing.assert_array_equal(np.concatenate(list(model.predict_iter(X, batch_size=6))), whole)
    out = tmp_path / "outputs.npy"
    found = model.predict(X, batch_size=6, verbose=0, out=out)
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, whole)
    np.testing.assert_array_equal(np.load(out), whole)
    with pytest.raises(ValueError, match=r"\.npy"):
        model.predict(X, verbose=0, out=tmp_path / "outputs.txt")
    before = out.read_bytes()
    with pytest.raises(ValueError):
        model.predict(X[:, :2], verbose=0, out=out)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["outputs.npy"]


def test_outputs_of_layers_inside() -> None:
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="tanh", name="hidden")], name="inner")
    model = keras.Sequential([keras.Input((4,)), inner, layers.Dense(1, name="top")], name="outer")
    (kernel, bias), (top, _) = inner.get_weights(), model.get_layer("top").get_weights()
    hidden = np.tanh(X @ kernel + bias)
    np.testing.assert_allclose(model.outputs_at("hidden").predict(X, verbose=0), hidden, rtol=1e-5, atol=1e-6)
    both = model.outputs_at("inner/hidden", "top").predict(X, verbose=0)
    np.testing.assert_allclose(both["top"], hidden @ top, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"no layer is called 'hiden'; outer has .*hidden"):
        model.outputs_at("hiden")


def test_outputs_inside_a_model_of_ones_own() -> None:
    class Twice(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(4, name="again")

        def call(self, inputs: Any) -> Any:
            return self.dense(self.dense(inputs))

    model = Twice()
    model(X)
    first, second = model.outputs_at("again").predict(X, verbose=0)
    np.testing.assert_allclose(second, model.predict(X, verbose=0), rtol=1e-6)
    assert not np.allclose(first, second)


@pytest.mark.trains
def test_a_callback_sees_the_reports() -> None:
    seen: list[int] = []
    watch = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    model_of().fit(X, Y, batch_size=5, steps=9, validate_every=4, verbose=0, callbacks=[watch])
    assert seen == [0, 1, 2]
