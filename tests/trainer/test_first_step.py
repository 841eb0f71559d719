"""The first step of `fit` runs on the state itself, and once more where it turns out that there is more of it."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import backends, layers, metrics, ops, optimizers

X = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
Y = X.sum(-1, keepdims=True)

pytestmark = pytest.mark.trains


class LateMetric(metrics.Metric):
    """Makes its state when it first sees something."""

    seen: Any = None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if self.seen is None:
            self.seen = self.add_weight(name="seen")
        self.seen.assign_add(ops.cast(ops.shape(y_true)[0], "float32"))

    def result(self) -> Any:
        return 0.0 if self.seen is None else self.seen


class LateSGD(optimizers.SGD):
    """Makes a variable while it updates others."""

    made: Any = None

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(gradient, variable, learning_rate)
        if self.made is None:
            self.made = self.add_variable((), name="made")
        self.made.assign_add(1.0)


class LateLayer(layers.Layer):
    """Counts its calls in training in a variable that it makes in the first of them."""

    count: Any = None

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            if self.count is None:
                self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")
            self.count.assign(self.count + 1.0)
        return x

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


def trained(optimizer: Any, *parts: Any, measured: Any = ()) -> Any:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), *parts, layers.Dense(1)])
    model.compile(optimizer, "mse", metrics=list(measured))
    model.fit(X, Y, 4, 2, 0, shuffle=False)
    return model


def agree(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found.layers[-1].kernel.numpy(), wanted.layers[-1].kernel.numpy(), rtol=1e-5)


def test_a_metric_that_makes_its_state_late() -> None:
    metric = LateMetric(name="late")
    agree(trained(optimizers.Adam(0.1), measured=[metric]), trained(optimizers.Adam(0.1)))
    assert float(metric.result()) == 16


def test_an_optimizer_that_makes_its_state_late() -> None:
    optimizer = LateSGD(0.1)
    agree(trained(optimizer), trained(optimizers.SGD(0.1)))
    assert float(optimizer.made) == 16  # two variables, eight steps


def test_a_layer_that_makes_its_state_late() -> None:
    layer = LateLayer()
    agree(trained(optimizers.Adam(0.1), layer), trained(optimizers.Adam(0.1)))
    assert float(layer.count) == 8


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad"])
def test_state_is_not_copied_for_the_optimizers_of_the_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(values: Any) -> Any:
        raise AssertionError("the state was copied")

    monkeypatch.setattr(backends.current(), "copies", refuse)
    trained(getattr(optimizers, name)(0.1))
    for own in (LateSGD(0.1), optimizers.LossScaleOptimizer(LateSGD(0.1))):
        with pytest.raises(AssertionError, match="copied"):
            trained(own)


def test_an_error_in_a_metric_leaves_the_weights_as_they_were() -> None:
    class Broken(metrics.Mean):
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            raise RuntimeError("broken")

    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile(optimizers.SGD(0.1), "mse", metrics=[Broken()], run_eagerly=True)
    before = model.layers[0].kernel.numpy()
    with pytest.raises(RuntimeError, match="broken"):
        model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), before)
