"""Models in pickles, and copies of models: trained on, they go the same way."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tahr as keras

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = X[:, :1] * 2
COPIES = {"pickle": lambda model: pickle.loads(pickle.dumps(model)), "deepcopy": copy.deepcopy}


class Own(keras.Model):
    """A model in Python code."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs) * 2.0


def functional() -> keras.Model:
    x = keras.Input((3,))
    h = keras.layers.Dense(4, activation="tanh")(x)
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.BatchNormalization()])
    h, unused = keras.ops.split(inner(h) + h, 2, axis=-1)
    del unused
    return keras.Model({"x": x}, keras.ops.sum(h, axis=-1, keepdims=True) + keras.layers.Dense(1)(x))


MODELS = {
    "sequential": lambda: keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)]),
    "functional": functional,
    "own": Own,
}


@pytest.mark.trains
@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "optimizer",
    [lambda: keras.optimizers.Adam(0.1, use_ema=True), lambda: keras.optimizers.SGD(0.1, momentum=0.9)],
    ids=["adam", "sgd"],
)
def test_a_copy_trains_on(name: str, how: str, optimizer: Callable[[], Any]) -> None:
    model = MODELS[name]()
    model.compile(optimizer(), "mse", metrics=["mae"])
    data = {"x": X} if name == "functional" else X
    model.fit(data, Y, shuffle=False, verbose=0)
    other = COPIES[how](model)
    np.testing.assert_allclose(other.predict(data, verbose=0), model.predict(data, verbose=0), rtol=1e-6)
    before = [w.copy() for w in model.get_weights()]
    own = other.fit(data, Y, shuffle=False, epochs=2, verbose=0).history
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    theirs = model.fit(data, Y, shuffle=False, epochs=2, verbose=0).history
    assert own.keys() == theirs.keys()
    for key in own:
        np.testing.assert_allclose(own[key], theirs[key], rtol=1e-4, atol=1e-6)


@pytest.mark.trains
def test_optimizers_for_groups_of_variables() -> None:
    model = MODELS["sequential"]()
    slow, fast = keras.optimizers.SGD(0.01), keras.optimizers.Adam(0.1)
    model.compile(keras.optimizers.MultiOptimizer(lambda v: fast if "bias" in v.path else slow), "mse")
    model.fit(X, Y, shuffle=False, verbose=0)
    other = copy.deepcopy(model)
    own, theirs = (m.fit(X, Y, shuffle=False, epochs=2, verbose=0).history["loss"] for m in (other, model))
    np.testing.assert_allclose(own, theirs, rtol=1e-5)


def test_graphs_deeper_than_the_stack() -> None:
    x = h = keras.Input((2,))
    for _ in range(1000):
        h = h + 1
    model = pickle.loads(pickle.dumps(keras.Model(x, h)))
    np.testing.assert_allclose(model.predict(np.zeros((1, 2)), verbose=0), [[1000, 1000]])


def test_a_part_of_a_graph_and_its_symbols() -> None:
    x = keras.Input((3,), name="given")
    middle = keras.layers.Dense(4, name="middle")(x)
    whole = keras.Model(x, keras.layers.Dense(1)(middle))
    part = pickle.loads(pickle.dumps(keras.Model(middle, whole.output)))
    values = np.ones((2, 4), "float32")
    expected = keras.Model(middle, whole.output).predict(values, verbose=0)
    np.testing.assert_allclose(part.predict(values, verbose=0), expected, rtol=1e-6)
    other = copy.deepcopy(whole)
    features = keras.Model(other.input, other.get_layer("middle").output)
    assert features.predict(X, verbose=0).shape == (12, 4) and other.input_names == ["given"]
    assert other.to_json() == whole.to_json()
