"""How a model ends is checked against its losses, and shapes of targets against those of outputs, before training."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, losses, ops

pytestmark = pytest.mark.trains

X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
LABELS = np.arange(20) % 3
CODES = np.eye(3, dtype="float32")[LABELS]
BITS = (LABELS > 0).astype("float32")
ROW = X[:, :1].copy()


def fit(ending: list[Any], loss: Any, y: Any) -> Any:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(8, activation="relu"), *ending])
    model.compile("sgd", loss)
    before = model.get_weights()
    try:
        model.fit(X, y, verbose=0)
    except ValueError:
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        raise
    return model


def nested() -> Any:
    x = keras.Input((8,))
    return keras.Model(x, [layers.Dense(3, name="inner")(x)])


REFUSED = {
    "logits, sparse": (
        lambda: [layers.Dense(3, name="top")],
        "sparse_categorical_crossentropy",
        LABELS,
        "'top'.*softmax",
    ),
    "logits, codes": (lambda: [layers.Dense(3)], losses.CategoricalCrossentropy(), CODES, "from_logits=True"),
    "logits, bits": (lambda: [layers.Dense(1)], "binary_crossentropy", BITS, "activation='sigmoid'"),
    "logits, nested": (lambda: [nested()], "categorical_crossentropy", CODES, "'inner'"),
    "logits, activation": (
        lambda: [layers.Dense(3, activation="softmax"), layers.Dense(3)],
        "categorical_crossentropy",
        CODES,
        "expects probabilities",
    ),
    "probabilities": (
        lambda: [layers.Dense(3, activation="softmax")],
        losses.SparseCategoricalCrossentropy(from_logits=True),
        LABELS,
        "ends in softmax",
    ),
    "sigmoid": (
        lambda: [layers.Dense(1), layers.Activation("sigmoid")],
        losses.BinaryCrossentropy(from_logits=True),
        BITS,
        "ends in sigmoid",
    ),
    "twice": (
        lambda: [layers.Dense(3, activation="softmax"), layers.Softmax()],
        "categorical_crossentropy",
        CODES,
        "through softmax and then",
    ),
    "stretched columns": (lambda: [layers.Dense(3)], "mse", ROW, r"\(None, 3\)|\(20, 1\)"),
    "stretched rows": (lambda: [layers.Dense(3)], "mae", ROW[:, 0], "one by one"),
    "other columns": (lambda: [layers.Dense(2)], "huber", CODES, "one by one"),
    "sparse labels for codes": (
        lambda: [layers.Dense(3, activation="softmax")],
        "categorical_crossentropy",
        LABELS,
        "one by one",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    ending, loss, y, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        fit(ending(), loss, y)


ACCEPTED = {
    "softmax": (lambda: [layers.Dense(3, activation="softmax")], "sparse_categorical_crossentropy", LABELS),
    "softmax layer": (lambda: [layers.Dense(3), layers.Softmax()], "categorical_crossentropy", CODES),
    "logits": (lambda: [layers.Dense(3)], losses.SparseCategoricalCrossentropy(from_logits=True), LABELS),
    "numbers by hand": (
        lambda: [layers.Dense(3), layers.Lambda(ops.softmax)],
        "sparse_categorical_crossentropy",
        LABELS[:, None],
    ),
    "attention inside": (
        lambda: [layers.Dense(3, activation="softmax"), layers.Dense(1, activation="sigmoid")],
        "binary_crossentropy",
        BITS,
    ),
    "one column": (lambda: [layers.Dense(1)], "mse", ROW[:, 0]),
    "no column": (lambda: [layers.Dense(1), layers.Flatten(), layers.Reshape(())], "mse", ROW),
    "one's own loss": (lambda: [layers.Dense(3)], lambda y, found: ops.mean(ops.square(y - found)), ROW),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    ending, loss, y = ACCEPTED[name]
    assert int(fit(ending(), loss, y).optimizer.iterations.numpy()) == 1


def test_graph_of_operations() -> None:
    x = keras.Input((4,))
    model = keras.Model(x, ops.sigmoid(layers.Dense(1)(x)))
    model.compile("sgd", losses.BinaryCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="sigmoid"):
        model.fit(X, BITS, verbose=0)


def test_the_second_output_of_an_inner_model() -> None:
    x, z = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(z, [layers.Dense(3, activation="softmax")(z), layers.Dense(3, name="raw")(z)])
    model = keras.Model(x, inner(x))
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="'raw'"):
        model.fit(X, [LABELS, LABELS], verbose=0)


def test_an_input_that_leads_nowhere() -> None:
    x, unused = keras.Input((4,)), keras.Input((4,), name="spare")
    model = keras.Model([x, unused], layers.Dense(1)(x))
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="'spare'"):
        model.fit([X, X], ROW, verbose=0)
