"""A tahr model in a program of TensorFlow: `GradientTape`, `tf.data`, and a SavedModel that needs no tahr.

    TAHR_BACKEND=tensorflow python examples/native_tensorflow.py [--epochs 30]

The exit code is 1 if the network does not learn the function, or the SavedModel gives other numbers.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence

os.environ.setdefault("TAHR_BACKEND", "tensorflow")

import numpy as np
import tensorflow as tf

import tahr as keras
from tahr import layers


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=30)
    epochs = parser.parse_args(arguments).epochs
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).uniform(-2, 2, (512, 2)).astype("float32")
    y = np.sin(x[:, :1]) * x[:, 1:]
    model = keras.Sequential([keras.Input((2,)), layers.Dense(32, "tanh"), layers.Dense(16, "tanh"), layers.Dense(1)])
    optimizer = keras.optimizers.Adam(0.01)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(512, seed=0).batch(64)
    for epoch in range(epochs):
        for inputs, targets in batches:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(inputs, training=True) - targets) ** 2)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: {float(loss):.4f}")
    error = float(np.mean((model.predict(x, verbose=0) - y) ** 2))
    with tempfile.TemporaryDirectory() as folder:
        model.export(f"{folder}/model")
        loaded = tf.saved_model.load(f"{folder}/model")
        served = loaded.serve(x[:7])
    same = np.allclose(served, model.predict(x[:7], verbose=0), atol=1e-5)
    print(f"mean squared error {error:.4f}; the SavedModel gives {'the same' if same else 'other'} numbers")
    return 0 if same and error < 0.1 * float(y.var()) else 1


if __name__ == "__main__":
    sys.exit(main())
