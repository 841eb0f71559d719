"""Training loops in each framework's own words, around a tahr model."""

import importlib
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers

pytestmark = pytest.mark.trains

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 3)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 0.3).astype("float32")


def make() -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), layers.BatchNormalization(), layers.Dense(1)])


def with_jax(model: Any) -> list[float]:
    jax: Any = importlib.import_module("jax")
    state = [[v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]]

    def loss(trainable: Any, other: Any) -> Any:
        outputs, other = model.stateless_call(trainable, other, X, training=True)
        return ((outputs - Y) ** 2).mean(), other

    @jax.jit
    def step(trainable: Any, other: Any) -> Any:
        (value, other), gradients = jax.value_and_grad(loss, has_aux=True)(trainable, other)
        return value, [w - 0.1 * g for w, g in zip(trainable, gradients, strict=True)], other

    losses = []
    for _ in range(40):
        value, *state = step(*state)
        losses.append(float(value))
    for v, w in zip([*model.trainable_variables, *model.non_trainable_variables], [*state[0], *state[1]], strict=True):
        v.assign(w)
    return losses


def with_torch(model: Any) -> list[float]:
    torch: Any = importlib.import_module("torch")
    weights = [v.value for v in model.trainable_variables]
    optimizer = torch.optim.SGD(weights, lr=0.1)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(X, training=True), torch.from_numpy(Y))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_the_frameworks_own_loop_trains_the_model(backend: str) -> None:
    model = make()
    before = model.get_weights()
    losses = {"jax": with_jax, "torch": with_torch}[backend](model)
    assert losses[-1] < 0.02 * losses[0]
    for old, new in zip(before, model.get_weights(), strict=True):
        assert not np.array_equal(old, new)  # moving statistics, too
    found = model.predict(X, verbose=0)
    assert float(np.mean((found - Y) ** 2)) < 0.5


def test_value_and_grad_is_the_same_loop_everywhere() -> None:
    model = make()
    optimizer = keras.optimizers.SGD(0.1)
    losses = []
    for _ in range(40):
        value, gradients = keras.value_and_grad(
            lambda: keras.losses.MeanSquaredError()(Y, model(X, training=True)), model.trainable_variables
        )()
        optimizer.apply(gradients, model.trainable_variables)
        losses.append(float(value))
    assert losses[-1] < 0.02 * losses[0]
