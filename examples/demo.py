"""Train a small network on real digits, evaluate it, save it, reload it in a new process, and predict there.

    python examples/demo.py                  writes to build/demo
    python examples/demo.py --folder DIR     writes to DIR

The digits come with tahr. If the cache also holds MNIST (`keras.datasets.mnist.load_data()` puts it there), it is
trained on for one epoch as well. The exit code is 1 if fewer than 98.5 % of the test digits are right.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import tahr as keras
from tahr import layers

WANTED = 0.985


def network(size: int, filters: int) -> keras.Model:
    """Return a convolutional network for square grey images and ten classes."""
    model = keras.Sequential(
        [
            layers.Input((size, size, 1)),
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Conv2D(2 * filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def digits() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return the digits of 8 x 8 pixels with values from 0 to 1 and an axis for the single channel."""
    (x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()
    return (x_train[..., None] / np.float32(16), y_train), (x_test[..., None] / np.float32(16), y_test)


def train_on_digits(folder: Path, epochs: int) -> float:
    """Train, evaluate and save; return the accuracy on the test digits."""
    (x_train, y_train), (x_test, y_test) = digits()
    print(f"Digits: {len(x_train)} images of 8 x 8 pixels to learn from, {len(x_test)} to test on")
    model = network(8, 32)
    model.summary()
    slower_at_the_end = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3 if epoch < 0.75 * epochs else 2e-4)
    model.fit(x_train, y_train, batch_size=32, epochs=epochs, callbacks=[slower_at_the_end])
    scores = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    print(f"\nTest accuracy {scores['accuracy']:.2%}, loss {scores['loss']:.4f}")
    model.save(folder / "digits.keras")
    np.save(folder / "expected.npy", model.predict(x_test, verbose=0))
    return scores["accuracy"]


def train_on_mnist() -> None:
    """Train on MNIST for one epoch if the cache holds it."""
    if not (keras.config.keras_home() / "datasets" / "mnist.npz").exists():
        print("\nMNIST is not in the cache, so it is left out; keras.datasets.mnist.load_data() downloads it.")
        return
    (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    print(f"\nMNIST: {len(x_train):,} images of 28 x 28 pixels, one epoch")
    model = network(28, 8)
    model.fit(x_train[..., None] / np.float32(255), y_train, batch_size=128)
    scores = model.evaluate(x_test[..., None] / np.float32(255), y_test, verbose=0, return_dict=True)
    print(f"Test accuracy {scores['accuracy']:.2%}")


def reload_and_predict(folder: Path) -> None:
    """In a process of its own: load the saved model, predict the test digits, and print the confusion matrix."""
    model = keras.models.load_model(folder / "digits.keras")
    _, (x_test, y_test) = digits()
    probabilities = model.predict(x_test, verbose=0)
    difference = float(np.abs(probabilities - np.load(folder / "expected.npy")).max())
    print(f"\nReloaded in a new process; predictions differ by at most {difference:.1e} from those before saving")
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (y_test, probabilities.argmax(-1)), 1)
    print("\nConfusion matrix (rows: what it is, columns: what was predicted)")
    print("      " + "".join(f"{label:4}" for label in range(10)))
    for label, row in enumerate(confusion):
        print(f"{label:4}  " + "".join(f"{count or '.':>4}" for count in row))
    if difference > 1e-5:
        raise SystemExit("The reloaded model predicts something else than the saved one.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/demo"), help="where the files go")
    parser.add_argument("--epochs", type=int, default=25, help="how often the network sees all training digits")
    parser.add_argument("--reload", action="store_true", help="only load the model from the folder and predict")
    given = parser.parse_args()
    if given.reload:
        reload_and_predict(given.folder)
        return 0
    start = time.monotonic()
    given.folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(1)
    print(f"tahr {keras.__version__} on {keras.config.backend()}")
    accuracy = train_on_digits(given.folder, given.epochs)
    subprocess.run([sys.executable, __file__, "--reload", "--folder", str(given.folder)], check=True)
    train_on_mnist()
    print("\nWritten:")
    for path in sorted(given.folder.iterdir()):
        print(f"  {path}  {path.stat().st_size:,} bytes")
    print(f"{time.monotonic() - start:.0f} s in all")
    if accuracy < WANTED:
        print(f"The accuracy is below {WANTED:.1%}.")
    return int(accuracy < WANTED)


if __name__ == "__main__":
    sys.exit(main())
