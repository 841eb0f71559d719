"""Layers that act only while training do act in `fit`, in every kind of model, and do not act in `predict`."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, ops

ONES = np.ones((256, 100), "float32")


def sequential(noise: Any) -> Any:
    return keras.Sequential([layers.Input((100,)), noise])


def functional(noise: Any) -> Any:
    inputs = layers.Input((100,))
    return keras.Model(inputs, noise(inputs))


def nested(noise: Any) -> Any:
    return keras.Sequential([layers.Input((100,)), functional(noise)])


class Subclassed(keras.Model):
    def __init__(self, noise: Any):
        super().__init__()
        self.noise = noise

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.noise(inputs, training=training)


MODELS = [sequential, functional, nested, Subclassed]
# mean squared distance from ones: rate / (1 - rate) for dropout of either kind, the variance for noise
NOISES = [
    (lambda: layers.Dropout(0.5), 1.0),
    (lambda: layers.GaussianDropout(0.5), 1.0),
    (lambda: layers.GaussianNoise(1.0), 1.0),
]


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize(("noise", "expected"), NOISES, ids=["dropout", "gaussian_dropout", "gaussian_noise"])
def test_call(make: Any, noise: Any, expected: float) -> None:
    model = make(noise())
    disturbed = ops.convert_to_numpy(model(ONES, training=True))
    assert np.mean((disturbed - 1) ** 2) == pytest.approx(expected, rel=0.1)
    assert np.array_equal(ops.convert_to_numpy(model(ONES, training=False)), ONES)
    assert np.array_equal(ops.convert_to_numpy(model(ONES)), ONES)


@pytest.mark.trains
@pytest.mark.parametrize("make", MODELS)
def test_fit_evaluate_and_predict(make: Any) -> None:
    model = make(layers.Dropout(0.5))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    assert model.fit(ONES, ONES, verbose=0).history["loss"][0] == pytest.approx(1.0, rel=0.1)
    assert model.evaluate(ONES, ONES, verbose=0) == 0.0
    assert np.array_equal(model.predict(ONES, verbose=0), ONES)


def test_an_explicit_flag_in_the_graph_stays() -> None:
    inputs = layers.Input((100,))
    always = keras.Model(inputs, layers.Dropout(0.5)(inputs, training=True))
    never = keras.Model(inputs, layers.Dropout(0.5)(inputs, training=False))
    assert np.mean(ops.convert_to_numpy(always(ONES, training=False)) == 0) == pytest.approx(0.5, abs=0.05)
    assert np.array_equal(ops.convert_to_numpy(never(ONES, training=True)), ONES)
