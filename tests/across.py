"""Forty small models on the backend at hand: first weights, outputs, and losses and weights of twenty steps of SGD.

python -m tests.across results.npz        for `tests/test_across_backends.py`, which compares backends
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import tahr as keras
from tahr import layers, ops

ROWS, BATCH, EPOCHS = 32, 8, 5  # twenty steps


def stack(shape: tuple[int, ...], *inner: Any) -> Any:
    return keras.Sequential([keras.Input(shape), *inner])


def head(*inner: Any) -> list[Any]:
    return [*inner, layers.Flatten(), layers.Dense(2)]


def graph(shape: tuple[int, ...], make: Callable[[Any], Any]) -> Any:
    x = keras.Input(shape)
    return keras.Model(x, layers.Dense(2)(layers.Flatten()(make(x))))


def words(*inner: Any) -> Any:
    return keras.Sequential([keras.Input((6,), dtype="int32"), layers.Embedding(9, 4), *head(*inner)])


class Own(keras.Model):
    """A model in Python code."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = layers.Dense(4, "tanh"), [layers.Dense(4), layers.Dense(2)]

    def call(self, inputs: Any) -> Any:
        h = self.a(inputs)
        return self.b[1](ops.sin(self.b[0](h)) + h)


FLAT, LINE, IMAGE, CUBE = (5,), (6, 3), (8, 8, 2), (4, 4, 4, 1)


def residual(x: Any) -> Any:
    h = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(x))
    return layers.Add()([layers.Activation("relu")(h), layers.Conv2D(4, 1)(x)])


def transformer(x: Any) -> Any:
    h = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 2)(x, x))
    return layers.LayerNormalization()(h + layers.Dense(3)(layers.Dense(6, "gelu")(h)))


def inception(x: Any) -> Any:
    return layers.Concatenate()([layers.Conv2D(2, 1)(x), layers.Conv2D(2, 3, padding="same")(x), x])


def squeezed(x: Any) -> Any:
    weights = layers.Dense(4, "sigmoid")(layers.GlobalAveragePooling2D()(h := layers.Conv2D(4, 3)(x)))
    return layers.Multiply()([h, layers.Reshape((1, 1, 4))(weights)])


MODELS: dict[str, Callable[[], Any]] = {
    "linear": lambda: stack(FLAT, layers.Dense(2)),
    "mlp relu": lambda: stack(FLAT, layers.Dense(8, "relu"), layers.Dense(2)),
    "mlp tanh": lambda: stack(FLAT, layers.Dense(8, "tanh"), layers.Dense(8, "tanh"), layers.Dense(2)),
    "mlp gelu": lambda: stack(FLAT, layers.Dense(8, "gelu"), layers.Dense(2)),
    "mlp selu": lambda: stack(FLAT, layers.Dense(8, "selu", kernel_initializer="lecun_normal"), layers.Dense(2)),
    "mlp swish": lambda: stack(FLAT, layers.Dense(8, "swish", kernel_initializer="he_normal"), layers.Dense(2)),
    "orthogonal": lambda: stack(FLAT, layers.Dense(5, kernel_initializer="orthogonal"), layers.Dense(2)),
    "regularized": lambda: stack(FLAT, layers.Dense(8, kernel_regularizer="l2"), layers.Dense(2)),
    "constrained": lambda: stack(FLAT, layers.Dense(8, kernel_constraint="max_norm"), layers.Dense(2)),
    "batch norm": lambda: stack(FLAT, layers.Dense(8), layers.BatchNormalization(), layers.Dense(2)),
    "layer norm": lambda: stack(FLAT, layers.LayerNormalization(), layers.Dense(2)),
    "group norm": lambda: stack(IMAGE, *head(layers.Conv2D(4, 3), layers.GroupNormalization(2))),
    "unit norm": lambda: stack(FLAT, layers.Dense(4), layers.UnitNormalization(), layers.Dense(2)),
    "prelu": lambda: stack(FLAT, layers.Dense(8), layers.PReLU(), layers.Dense(2)),
    "leaky": lambda: stack(FLAT, layers.Dense(8), layers.LeakyReLU(), layers.Dense(2)),
    "softmax": lambda: stack(FLAT, layers.Dense(8), layers.Softmax(), layers.Dense(2)),
    "einsum": lambda: stack(LINE, *head(layers.EinsumDense("abc,cd->abd", (6, 4), bias_axes="d"))),
    "conv1d": lambda: stack(LINE, *head(layers.Conv1D(4, 3, padding="causal"), layers.MaxPooling1D())),
    "conv2d": lambda: stack(IMAGE, *head(layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D())),
    "conv strided": lambda: stack(IMAGE, *head(layers.Conv2D(4, 3, strides=2, padding="same"))),
    "conv dilated": lambda: stack(IMAGE, *head(layers.Conv2D(4, 3, dilation_rate=2), layers.AveragePooling2D())),
    "depthwise": lambda: stack(IMAGE, *head(layers.DepthwiseConv2D(3, depth_multiplier=2))),
    "separable": lambda: stack(IMAGE, *head(layers.SeparableConv2D(4, 3))),
    "transposed": lambda: stack(IMAGE, *head(layers.Conv2DTranspose(2, 3, strides=2))),
    "upsampled": lambda: stack(IMAGE, *head(layers.UpSampling2D(), layers.Conv2D(2, 3))),
    "conv3d": lambda: stack(CUBE, *head(layers.Conv3D(2, 2), layers.MaxPooling3D())),
    "residual": lambda: graph(IMAGE, residual),
    "inception": lambda: graph(IMAGE, inception),
    "squeezed": lambda: graph(IMAGE, squeezed),
    "embedding": lambda: words(),
    "embedding mean": lambda: words(layers.GlobalAveragePooling1D()),
    "simple rnn": lambda: stack(LINE, *head(layers.SimpleRNN(4))),
    "lstm": lambda: stack(LINE, *head(layers.LSTM(4, return_sequences=True))),
    "gru": lambda: stack(LINE, *head(layers.GRU(4))),
    "bidirectional": lambda: words(layers.Bidirectional(layers.LSTM(3))),
    "conv lstm": lambda: stack((3, 4, 4, 1), *head(layers.ConvLSTM2D(2, 2))),
    "attention": lambda: graph(LINE, lambda x: layers.MultiHeadAttention(2, 4)(x, x)),
    "transformer": lambda: graph(LINE, transformer),
    "time distributed": lambda: stack(LINE, *head(layers.TimeDistributed(layers.Dense(2, "tanh")))),
    "own": Own,
}


def measure(name: str, found: dict[str, np.ndarray]) -> None:
    """Add to `found` what a model does, under keys that begin with its name."""
    keras.utils.set_random_seed(3)
    generator = np.random.default_rng(len(name))
    model = MODELS[name]()
    shape = model.input_shape[1:] if name != "own" else FLAT
    x: Any = generator.normal(size=(ROWS, *shape)).astype("float32")
    if "embedding" in name or name == "bidirectional":
        x = generator.integers(0, 9, (ROWS, 6)).astype("int32")
    y = generator.normal(size=(ROWS, 2)).astype("float32")
    found[f"{name}: outputs"] = keras.ops.convert_to_numpy(model(x))
    found.update({f"{name}: first {i}": w for i, w in enumerate(model.get_weights())})
    if keras.config.backend() == "numpy":
        return
    model.compile(keras.optimizers.SGD(0.01), "mse")
    losses = model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0).history["loss"]  # shuffled
    found[f"{name}: losses"] = np.array(losses)
    found.update({f"{name}: last {i}": w for i, w in enumerate(model.get_weights())})


def order_of_rows() -> np.ndarray:
    """Return the numbers of the rows in the order that two epochs of `fit` show them in, one a batch."""
    keras.utils.set_random_seed(3)
    model = stack((1,), layers.Dense(1, kernel_initializer="zeros"))
    model.compile(keras.optimizers.SGD(0.0), "mae")  # the loss of a batch is its row's number; logs hold their means
    means: list[float] = []
    see = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: means.append(float(logs["loss"])))
    model.fit(np.ones((ROWS, 1)), np.arange(ROWS)[:, None], batch_size=1, epochs=2, verbose=0, callbacks=[see])
    sums = np.reshape(means, (2, ROWS)) * np.arange(1, ROWS + 1)
    return np.rint(np.diff(sums, prepend=0.0)).astype("int32")


def main() -> None:
    found: dict[str, np.ndarray] = {}
    for name in MODELS:
        measure(name, found)
    if keras.config.backend() != "numpy":
        found["order"] = order_of_rows()
    np.savez(sys.argv[1], **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
