"""Steps as functions of a state, the form that Keras's steps have on JAX."""

import importlib
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import ops

pytestmark = pytest.mark.trains

X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X[:, :1] - 2 * X[:, 1:2]


# on JAX its own differentiation, as in programs written for Keras there
value_and_grad = (
    importlib.import_module("jax").value_and_grad if keras.config.backend() == "jax" else keras.value_and_grad
)


class WithState(keras.Model):
    """Steps written in the form that Keras's steps have on JAX."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = keras.layers.Dense(4, activation="tanh")
        self.norm = keras.layers.BatchNormalization()
        self.last = keras.layers.Dense(1)

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.last(self.norm(self.hidden(inputs), training=training))

    def _logs(self, values: Any, loss: Any, y: Any, y_pred: Any) -> tuple[dict[str, Any], list[Any]]:
        logs, after = {}, []
        for metric in self.metrics:
            own = values[len(after) : len(after) + len(metric.variables)]
            given = (loss,) if metric.name == "loss" else (y, y_pred)
            own = metric.stateless_update_state(own, *given)
            logs[metric.name] = metric.stateless_result(own)
            after += own
        return logs, after

    def train_step(self, state: Any, data: Any) -> Any:
        trainable, other, slots, metrics = state
        x, y = data
        objective = value_and_grad(self.compute_loss_and_updates, has_aux=True)
        (_, (loss, y_pred, other, _)), gradients = objective(trainable, other, metrics, x, y, None, training=True)
        trainable, slots = self.optimizer.stateless_apply(slots, gradients, trainable)
        logs, metrics = self._logs(metrics, loss, y, y_pred)
        return logs, (trainable, other, slots, metrics)

    def test_step(self, state: Any, data: Any) -> Any:
        trainable, other, metrics = state
        x, y = data
        y_pred, other = self.stateless_call(trainable, other, x, training=False)
        loss, _ = self.stateless_compute_loss(trainable, other, metrics, x=x, y=y, y_pred=y_pred, training=False)
        logs, metrics = self._logs(metrics, loss, y, y_pred)
        return logs, (trainable, other, metrics)

    def predict_step(self, state: Any, data: Any) -> Any:
        trainable, other = state
        y_pred, other = self.stateless_call(trainable, other, data[0], training=False)
        return y_pred * 10, (trainable, other)


class Usual(WithState):
    """The same model with the usual steps."""

    train_step, test_step, predict_step = keras.Model.train_step, keras.Model.test_step, keras.Model.predict_step


def made(kind: type[keras.Model]) -> Any:
    keras.utils.set_random_seed(3)
    model = kind()
    model.compile(keras.optimizers.Adam(0.05), "mse", metrics=["mean_absolute_error"])
    return model


def test_steps_with_a_state_do_what_the_usual_ones_do() -> None:
    own, usual = made(WithState), made(Usual)
    histories = [
        m.fit(X, Y, 8, epochs=3, shuffle=False, validation_data=(X, Y), verbose=0).history for m in (own, usual)
    ]
    for key in ("loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error"):
        np.testing.assert_allclose(histories[0][key], histories[1][key], rtol=1e-4, atol=1e-6)
    for a, b in zip(own.get_weights(), usual.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert int(own.optimizer.iterations) == 9
    np.testing.assert_allclose(own.predict(X, verbose=0), 10 * usual.predict(X, verbose=0), rtol=1e-3, atol=1e-3)


def state(model: Any, *groups: str) -> tuple[Any, ...]:
    found = {
        "trainable": model.trainable_variables,
        "other": model.non_trainable_variables,
        "slots": model.optimizer.variables,
        "metrics": [v for m in model.metrics for v in m.variables],
    }
    return tuple([ops.copy(v.value) for v in found[name]] for name in groups)


def test_the_usual_steps_take_a_state_and_change_nothing() -> None:
    model, other = made(Usual), made(Usual)
    for m in (model, other):
        m.fit(X, Y, 8, shuffle=False, verbose=0)
        m.reset_metrics()
    data = ops.convert_to_tensor(X), ops.convert_to_tensor(Y)
    before = model.get_weights()
    logs, after = model.train_step(state(model, "trainable", "other", "slots", "metrics"), data)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    expected = other.train_on_batch(X, Y, return_dict=True)
    assert {k: pytest.approx(float(v), rel=1e-5) for k, v in logs.items()} == expected
    for value, v in zip(after[0], other.trainable_variables, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(value), v.numpy(), rtol=1e-5, atol=1e-6)
    outputs, _ = model.predict_step(state(model, "trainable", "other"), (data[0],))
    np.testing.assert_allclose(ops.convert_to_numpy(outputs), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    logs, _ = model.test_step(state(model, "trainable", "other", "metrics"), data)
    assert float(logs["loss"]) == pytest.approx(model.evaluate(X, Y, 24, verbose=0)[0], rel=1e-5)


def test_functions_of_an_iterator() -> None:
    model = made(Usual)
    batches = iter([(X, Y)] * 3)
    train, test, predict = (
        model.make_train_function(),
        model.make_test_function(force=True),
        model.make_predict_function(),
    )
    first = train(batches)
    assert set(first) == {"loss", "mean_absolute_error"} and int(model.optimizer.iterations) == 1
    assert test(batches)["loss"] == pytest.approx(model.evaluate(X, Y, 24, verbose=0)[0], rel=1e-5)
    np.testing.assert_allclose(predict(batches), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    model.jax_state_sync()


def test_a_state_of_the_wrong_size_and_nothing() -> None:
    model = made(Usual)
    model.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="expected groups of"):
        model.predict_step(([], []), (X,))
    with pytest.raises(TypeError, match="expected a batch"):
        model.train_step()
