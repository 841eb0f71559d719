"""Models that the tests of files save and load: one of each way to build, small enough to be made in every test."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tahr as keras
from tahr import layers, ops


def sequential() -> Any:
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(5, activation="relu", name="first"), layers.Dropout(0.3), layers.Dense(3)]
    )


def functional() -> Any:
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    joined = layers.Concatenate()([layers.Dense(3)(a), b])
    return keras.Model([a, b], [layers.Dense(2, name="wide")(joined), layers.Dense(1, name="narrow")(joined)])


def dicts() -> Any:
    inputs = {"x": keras.Input((4,), name="x"), "y": [keras.Input((2,), name="y0")]}
    hidden = layers.Dense(2)(inputs["x"])
    return keras.Model(inputs, {"sum": hidden + inputs["y"][0], "both": (hidden, layers.Dense(1)(hidden))})


def nested() -> Any:
    x = keras.Input((4,))
    encoder = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="inner")], name="encoder")
    start = keras.Input((4,))
    head = keras.Model(start, [layers.Dense(2, name="left")(start), layers.Dense(1, name="right")(start)], name="head")
    left, right = head(encoder(x))
    again, _ = head(x)
    return keras.Model(x, [left, right, again])


def shared() -> Any:
    a, b = keras.Input((3,)), keras.Input((3,))
    tower = layers.Dense(4, activation="tanh", name="tower")
    return keras.Model([a, b], layers.Dense(1)(layers.Multiply()([tower(a), tower(b)])))


def operations() -> Any:
    x = keras.Input((6,))
    hidden = layers.Dense(6)(x)
    low, high = ops.split(ops.tanh(hidden) * 2.0 + ops.mean(hidden, axis=-1, keepdims=True), 2, axis=-1)
    joined = ops.concatenate([low - high, ops.maximum(low, 0.1)], axis=-1)[:, 1:, None]
    scaled = ops.where(joined > 0, joined, 1 - abs(joined) / 2) * np.array([2.0], "float32")
    return keras.Model(x, ops.einsum("bij,bkj->bik", scaled, ops.reshape(ops.transpose(scaled, (0, 2, 1)), (-1, 5, 1))))


def batch_normalization() -> Any:
    return keras.Sequential([
        keras.Input((6, 6, 2)), layers.Conv2D(3, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten(),
        layers.Dense(2),
    ])  # fmt: skip


def lstm() -> Any:
    x = keras.Input((5,), dtype="int32")
    hidden = layers.Embedding(9, 4, mask_zero=True)(x)
    hidden = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(hidden)
    return keras.Model(x, layers.Dense(1)(layers.GRU(2)(hidden)))


@keras.saving.register_keras_serializable("tests")
class Block(layers.Layer):
    """Sublayers in lists, dicts and attributes, weights of its own, and a call without shape rule."""

    def __init__(self, units: int, *, steps: tuple[int, ...] = (1, 2)):
        super().__init__()
        self.units, self.steps = units, steps
        self.stack = [layers.Dense(units), [layers.Dense(units)]]
        self.choices = {"b": layers.Dense(units), "a": layers.Dense(units)}
        self._hidden = layers.Dense(units)

    def build(self, input_shape: Any) -> None:
        self.gain = self.add_weight((self.units,), "ones", name="gain")
        self.count = self.add_weight((), "zeros", dtype="int32", trainable=False, name="count")

    def call(self, x: Any) -> Any:
        for layer in (self.stack[0], self.stack[1][0], self.choices["b"], self.choices["a"], self._hidden):
            x = layer(x)
        return x * self.gain


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    """A model of layers as attributes, built by its first call."""

    def __init__(self, units: int = 3, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units
        self.block = Block(units)
        self.last = layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.last(self.block(x))


def subclassed() -> Any:
    model = Subclassed(4, name="own")
    model(np.zeros((2, 3), "float32"))
    return model


def mixed() -> Any:
    return keras.Sequential([
        keras.Input((4,)), layers.Dense(4, dtype="bfloat16"), layers.Dense(4, dtype="mixed_bfloat16"),
        layers.Dense(2, dtype="float32"),
    ])  # fmt: skip


MODELS: dict[str, Callable[[], Any]] = {
    f.__name__: f
    for f in (
        sequential,
        functional,
        dicts,
        nested,
        shared,
        operations,
        batch_normalization,
        lstm,
        subclassed,
        mixed,
    )  # fmt: skip
}


def inputs_of(name: str, rows: int = 3) -> Any:
    """Return data for the model of that name."""
    random = np.random.default_rng(7)

    def draw(*shape: int) -> Any:
        return random.normal(size=(rows, *shape)).astype("float32")

    return {
        "functional": [draw(4), draw(3)],
        "dicts": {"x": draw(4), "y": [draw(2)]},
        "shared": [draw(3), draw(3)],
        "operations": draw(6),
        "batch_normalization": draw(6, 6, 2),
        "lstm": random.integers(0, 9, (rows, 5)).astype("int32"),
        "subclassed": draw(3),
    }.get(name, draw(4))


def outputs_of(model: Any, inputs: Any) -> list[np.ndarray]:
    """Return a model's outputs in inference as a flat list of arrays."""
    return [np.asarray(ops.convert_to_numpy(ops.cast(x, "float32"))) for x in keras.tree.flatten(model(inputs))]


def scramble(model: Any) -> Any:
    """Give every weight a value that no initializer gives."""
    random = np.random.default_rng(3)
    for v in model.weights:
        v.assign(np.abs(random.normal(size=v.shape)).astype("float32") if "float" in v.dtype else np.full(v.shape, 5))
    return model
