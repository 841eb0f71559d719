"""`predict` fills up a last short batch where rows have nothing to do with each other, and nowhere else."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import config, layers, ops
from tahr.trainer.padding import _keeps_first_axis, treats_rows_alone

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 6, 4)).astype("float32")


class Own(layers.Layer):
    def call(self, inputs: Any) -> Any:
        return inputs - ops.mean(inputs, axis=0)


class OwnDense(layers.Dense):
    """A layer of a user, whatever it does."""


def chain(*parts: Any) -> Any:
    return keras.Sequential([keras.Input((6, 4)), *parts])


def graph(join: Any) -> Any:
    x = keras.Input((6, 4))
    return keras.Model(x, join(layers.Dense(4)(x), x))


def two_ways() -> Any:
    x = keras.Input((6, 4))
    return keras.Model(x, {"a": layers.Flatten()(x), "b": layers.LSTM(3)(x)})


ALONE = {
    "dense": lambda: chain(layers.Dense(5, "gelu"), layers.Dropout(0.5), layers.BatchNormalization()),
    "convolutional": lambda: chain(layers.Conv1D(3, 2, activation="relu"), layers.MaxPooling1D(), layers.Flatten()),
    "recurrent": lambda: chain(layers.Bidirectional(layers.GRU(3, return_sequences=True)), layers.LSTM(2)),
    "attention": lambda: graph(layers.MultiHeadAttention(2, 3)),
    "joined": lambda: graph(lambda a, b: layers.Concatenate()([a, layers.Add()([a, b])])),
    "nested": lambda: chain(
        chain(layers.Dense(3)), layers.TimeDistributed(layers.Dense(2)), layers.LayerNormalization()
    ),
    "two outputs": two_ways,
}
TOGETHER = {
    "own layer": lambda: chain(Own()),
    "inner layer": lambda: chain(layers.TimeDistributed(OwnDense(2))),
    "lambda": lambda: chain(layers.Lambda(lambda x: x / ops.max(x))),
    "activation": lambda: chain(layers.Dense(3, activation=lambda x: x - ops.mean(x, axis=0))),
    "operation": lambda: graph(lambda a, b: a - ops.mean(b, axis=0, keepdims=True)),
    "axis": lambda: chain(layers.Softmax(axis=0)),
    "axis from the end": lambda: chain(layers.Softmax(axis=-3)),
    "nested": lambda: chain(chain(Own()), layers.Dense(2)),
}


@pytest.mark.parametrize("name", ALONE)
def test_filled_up(name: str) -> None:
    model = ALONE[name]()
    assert treats_rows_alone(model)
    found = keras.tree.flatten(model.predict(X, batch_size=32, verbose=0))
    wanted = [keras.tree.flatten(model.predict_on_batch(X[i : i + 32])) for i in (0, 32, 64)]
    for output, parts in zip(found, zip(*wanted, strict=True), strict=True):
        assert len(output) == 70
        np.testing.assert_allclose(output, np.concatenate(parts), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", TOGETHER)
def test_left_as_it_is(name: str) -> None:
    model = TOGETHER[name]()
    assert not treats_rows_alone(model)
    found = model.predict(X, batch_size=32, verbose=0)
    last = model.predict_on_batch(X[64:])
    np.testing.assert_allclose(found[-len(last) :], last, rtol=1e-5, atol=1e-6)


def traced(model: Any) -> list[int]:
    """Return a list that gets the number of rows of each program that is made for `predict`."""
    rows: list[int] = []
    step = model.predict_step

    def look(data: Any) -> Any:
        rows.append(data[0].shape[0])
        return step(data)

    model.predict_step = look
    return rows


@pytest.mark.skipif(config.backend() != "jax", reason="counts the programs of JAX")
def test_no_second_program() -> None:
    model = ALONE["dense"]()
    rows = traced(model)
    parts = list(model.predict_iter(X, batch_size=32))
    assert [len(part) for part in parts] == [32, 32, 6]
    assert rows == [32]
    model.predict(X[:3], verbose=0)
    assert rows == [32, 3]


@pytest.mark.skipif(config.backend() != "jax", reason="counts the programs of JAX")
def test_short_batches_before_the_last_are_no_work_of_long_ones() -> None:
    model = ALONE["dense"]()
    rows = traced(model)
    found = model.predict((part for part in (X, X[:1], X[1:3])), verbose=0)
    assert len(found) == 73
    assert rows == [70, 1, 2]


def test_callbacks_see_the_rows_that_are_there() -> None:
    seen: list[int] = []

    class Looking(keras.callbacks.Callback):
        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(len(logs["outputs"]))

    ALONE["dense"]().predict(X, batch_size=32, verbose=0, callbacks=[Looking()])
    assert seen == [32, 32, 6]


def test_subclasses_and_stateful_layers_are_left_alone() -> None:
    class Net(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    assert not treats_rows_alone(Net())
    x = keras.Input(batch_shape=(2, 6, 4))
    assert not treats_rows_alone(keras.Model(x, layers.LSTM(3, stateful=True)(x)))


def test_rows_of_one_number_are_left_alone() -> None:
    x = keras.Input(())
    assert not treats_rows_alone(keras.Model(x, layers.Softmax()(x)))
    x = keras.Input((1,))
    assert not treats_rows_alone(keras.Model(x, layers.Softmax()(layers.Reshape(())(x))))


def test_equations() -> None:
    kept = [_keeps_first_axis(e) for e in ("abc,cd->abd", "...c,cd->...d", "abc, cde -> abde")]
    assert kept == [True, True, True]
    assert not any(_keeps_first_axis(e) for e in ("abc,cd->bad", "abc,abd->abd", "abc,ad->bcd"))
