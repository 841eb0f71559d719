"""A small convolutional network for MNIST (99.2 % of the test digits) or Fashion-MNIST (91 % of the clothes).

    python examples/images.py mnist                          downloads the data once, into the cache of Keras
    python examples/images.py fashion_mnist --file FILE      reads x_train, y_train, x_test, y_test from an .npz file

Five epochs, with a learning rate that rises and falls. The exit code is 1 if fewer images are right.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import tahr as keras
from tahr import layers

WANTED = {"mnist": 0.992, "fashion_mnist": 0.91}
Images = tuple[np.ndarray, np.ndarray]


def read(name: str, file: str | None) -> tuple[Images, Images]:
    """Return images with values from 0 to 1 and an axis for the single channel, and their classes."""
    if file is None:
        parts: Any = getattr(keras.datasets, name).load_data()
    else:
        with np.load(file) as data:
            parts = (data["x_train"], data["y_train"]), (data["x_test"], data["y_test"])
    train, test = ((x[..., None].astype("float32") / 255, y) for x, y in parts)
    return train, test


def network(filters: int) -> Any:
    """Return the network: two convolutions, half the size, two more, half the size, ten classes."""
    model = keras.Sequential([keras.Input((28, 28, 1))])
    for wide in (filters, 2 * filters):
        for _ in range(2):
            model.add(layers.Conv2D(wide, 3, padding="same", use_bias=False))
            model.add(layers.BatchNormalization())
            model.add(layers.ReLU())
        model.add(layers.MaxPooling2D())
    for layer in (layers.Flatten(), layers.Dropout(0.4), layers.Dense(10, activation="softmax")):
        model.add(layer)
    return model


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=WANTED)
    parser.add_argument("--file", help="an .npz file with the data")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--filters", type=int, default=24, help="of the first convolutions")
    chosen = parser.parse_args(arguments)
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = read(chosen.data, chosen.file)
    model, steps = network(chosen.filters), -(-len(x_train) // 128) * chosen.epochs
    rate = keras.optimizers.schedules.CosineDecay(
        2e-4, decay_steps=int(0.8 * steps), warmup_target=3e-3, warmup_steps=int(0.2 * steps)
    )
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    began = time.perf_counter()
    model.fit(x_train, y_train, batch_size=128, epochs=chosen.epochs)
    accuracy = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
    print(f"Test accuracy {accuracy:.2%} after {time.perf_counter() - began:.0f} s, {model.count_params():,} weights")
    return 0 if accuracy >= WANTED[chosen.data] else 1


if __name__ == "__main__":
    sys.exit(main())
