"""`train_on_batch` and `test_on_batch` again and again: what was decided is kept, and what has changed is noticed."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, ops

pytestmark = pytest.mark.trains

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
LABELS = np.array([0, 1, 1, 0], "int32")


class Blocks(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = [layers.Dense(3)]
        self.named = {"first": layers.Dense(3)}
        self.top = layers.Dense(2, activation="softmax")

    def call(self, x: Any) -> Any:
        for layer in [*self.blocks, *self.named.values()]:
            x = x + layer(x)
        return self.top(x)


def ready() -> Any:
    model = Blocks()
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", run_eagerly=True)
    for _ in range(2):
        model.train_on_batch(X, LABELS)
    return model


def freeze(model: Any) -> Any:
    model.blocks[0].trainable = False
    return model.blocks[0], False


def freeze_one(model: Any) -> Any:
    model.top.bias.trainable = False
    return model.top.bias, False


def append(model: Any) -> Any:
    model.blocks.append(layers.Dense(3, kernel_initializer="zeros"))
    return model.blocks[1], True


def add_key(model: Any) -> Any:
    model.named["second"] = layers.Dense(3)
    return model.named["second"], True


def replace(model: Any) -> Any:
    del model.top
    model.top = layers.Dense(2, activation="softmax")
    return model.top, True


def stop(model: Any) -> Any:
    model.optimizer = keras.optimizers.SGD(0.0)
    return model, False


@pytest.mark.parametrize("change", [freeze, freeze_one, append, add_key, replace, stop])
def test_changes_are_noticed(change: Any) -> None:
    model = ready()
    part, moves = change(model)
    model(X)
    weights = getattr(part, "weights", [part])
    before = [v.numpy().copy() for v in weights]
    model.train_on_batch(X, LABELS)
    assert [not np.array_equal(a, v.numpy()) for a, v in zip(before, weights, strict=True)] == [moves] * len(weights)
    assert int(model.optimizer.iterations) == (1 if change is stop else 3)


def test_values_are_still_looked_at() -> None:
    model = ready()
    with pytest.raises(ValueError, match="row 3 of y holds 2"):
        model.train_on_batch(X, LABELS + [0, 0, 0, 2])
    with pytest.raises(ValueError, match="x holds nan"):
        model.test_on_batch(X * np.nan, LABELS)
        model.test_on_batch(X * np.nan, LABELS)


@pytest.mark.parametrize("eager", [True, False])
def test_another_form(eager: bool) -> None:
    model = keras.Sequential([layers.GlobalAveragePooling1D(), layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=eager)
    for length in (2, 3, 2, 3):
        model.train_on_batch(np.ones((4, length, 3), "float32"), np.ones((4, 1), "float32"))
    with pytest.raises(ValueError, match="one by one"):
        model.train_on_batch(np.ones((4, 2, 3), "float32"), np.ones((4, 2), "float32"))
    assert int(model.optimizer.iterations) == 4


def test_arrays_given_out_stay_as_they_are() -> None:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(X, LABELS)
    kept = ops.copy(model.layers[0].kernel.value), model.layers[0].kernel.value
    model.train_on_batch(X, LABELS)
    kept[1] + 0  # a value that was read before a step can still be used after it
    assert not np.array_equal(ops.convert_to_numpy(kept[0]), model.layers[0].kernel.numpy())


def test_two_models_in_turns() -> None:
    """As in a GAN: the critic is frozen in one model and trained in the other."""
    critic = keras.Sequential([keras.Input((3,)), layers.Dense(1, name="critic")])
    critic.compile(keras.optimizers.SGD(0.1), "mse")
    maker = keras.Sequential([keras.Input((3,)), layers.Dense(3, name="maker")])
    critic.trainable = False
    both = keras.Sequential([maker, critic])
    both.compile(keras.optimizers.SGD(0.1), "mse")
    y = np.ones((4, 1), "float32")
    for _ in range(3):
        critic.trainable = True
        first = critic.get_weights()[0]
        critic.train_on_batch(X, y)
        critic.trainable = False
        second, made = critic.get_weights()[0], maker.get_weights()[0]
        both.train_on_batch(X, y)
        assert not np.array_equal(first, second) and np.array_equal(second, critic.get_weights()[0])
        assert not np.array_equal(made, maker.get_weights()[0])
