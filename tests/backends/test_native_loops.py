"""Training loops in each framework's own words, around a tahr model."""

import importlib
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import config, layers

pytestmark = pytest.mark.trains

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 3)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 0.3).astype("float32")


def make() -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), layers.BatchNormalization(), layers.Dense(1)])


def with_jax(model: Any) -> list[float]:
    jax: Any = importlib.import_module("jax")
    state = [model.trainable_variables, model.non_trainable_variables]  # JAX takes variables for their values

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
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(X, training=True), torch.from_numpy(Y))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def with_tensorflow(model: Any) -> list[float]:
    tf: Any = importlib.import_module("tensorflow")
    optimizer = keras.optimizers.SGD(0.1)
    losses = []
    for _ in range(40):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(X, training=True) - Y) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        losses.append(float(loss))
    return losses


def test_the_frameworks_own_loop_trains_the_model(backend: str) -> None:
    model = make()
    before = model.get_weights()
    losses = {"jax": with_jax, "tensorflow": with_tensorflow, "torch": with_torch}[backend](model)
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


class Backward(keras.Model):
    """A training step in the words of PyTorch."""

    def train_step(self, data: Any) -> dict[str, Any]:
        torch: Any = importlib.import_module("torch")
        x, y = data
        self.zero_grad()
        y_pred = self(x, training=True)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        loss.backward()
        weights = self.trainable_weights
        gradients = [v.value.grad for v in weights]
        with torch.no_grad():
            self.optimizer.apply(gradients, weights)
        for metric in self.metrics:
            metric.update_state(loss) if metric.name == "loss" else metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


@pytest.mark.skipif(config.backend() != "torch", reason="is about PyTorch")
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "nadam"])  # with formulas in place and without
def test_a_step_that_calls_backward(optimizer: str) -> None:
    weights, losses = [], []
    for cls in (keras.Model, Backward):
        keras.utils.set_random_seed(0)
        x = keras.Input((3,))
        model = cls(x, layers.Dense(1)(layers.Dropout(0.2)(layers.BatchNormalization()(x))))
        model.compile(optimizer, "mse", metrics=[keras.metrics.MeanAbsoluteError(name="mae")])
        losses.append(model.fit(X, Y, batch_size=8, epochs=3, verbose=0).history)
        weights.append(model.get_weights())
    assert list(losses[1]) == ["loss", "mae"]
    np.testing.assert_allclose(losses[0]["mae"], losses[1]["mae"], rtol=1e-5)
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(config.backend() != "torch", reason="is about PyTorch")
def test_gradients_are_forgotten() -> None:
    model = make()
    keras.ops.sum(model(X)).backward()
    assert all(p.grad is not None for p in model.parameters())
    assert [p for _, p in model.named_parameters()] == [v.value for v in model.trainable_variables]
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.skipif(config.backend() != "jax", reason="is about JAX")
def test_variables_are_trees_of_jax() -> None:
    jax: Any = importlib.import_module("jax")

    class Own(keras.Variable):
        pass

    v, w = keras.Variable([1.0, 2.0]), Own(3.0)
    found = jax.jit(lambda state: {"sum": state["v"] * state["w"]})({"v": v, "w": w})
    np.testing.assert_array_equal(found["sum"], [3.0, 6.0])
    slope = jax.grad(lambda a: (a**2).sum())(v)
    np.testing.assert_array_equal(slope, [2.0, 4.0])
