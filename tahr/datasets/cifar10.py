"""CIFAR-10: photographs of ten kinds of things, 32 x 32 pixels."""

from pathlib import Path

from tahr.datasets.cifar import read_batches
from tahr.datasets.source import TORONTO, Arrays, fetch

__all__ = ["load_data"]

HASH = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def load_data() -> tuple[Arrays, Arrays]:
    """Return 50,000 + 10,000 colour photographs as `(x_train, y_train), (x_test, y_test)`, downloaded once.

    Images are uint8 of shape `(samples, 32, 32, 3)`, `(samples, 3, 32, 32)` if `image_data_format` is channels first.
    Labels are uint8 of shape `(samples, 1)`: 0 airplane, 1 automobile, 2 bird, 3 cat, 4 deer, 5 dog, 6 frog, 7 horse,
    8 ship, 9 truck.

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.

    >>> (x_train, y_train), (x_test, y_test) = keras.datasets.cifar10.load_data()
    >>> x_train.shape[1:], y_train.shape[1:], y_train.dtype
    ((32, 32, 3), (1,), dtype('uint8'))
    """
    place = fetch("cifar-10-python.tar.gz", HASH, TORONTO, fname="cifar-10-batches-py-target", extract=True)
    folder = Path(place) / "cifar-10-batches-py"
    x_train, y_train = read_batches([folder / f"data_batch_{i}" for i in range(1, 6)], "labels")
    x_test, y_test = read_batches([folder / "test_batch"], "labels")
    return (x_train, y_train.astype("uint8")), (x_test, y_test.astype("uint8"))
