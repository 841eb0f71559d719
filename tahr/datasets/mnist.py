"""MNIST: handwritten digits of 28 x 28 pixels."""

import numpy as np

from tahr.datasets.source import Arrays, fetch

__all__ = ["load_data"]

HASH = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_data(path: str = "mnist.npz") -> tuple[Arrays, Arrays]:
    """Return 60,000 + 10,000 handwritten digits as `(x_train, y_train), (x_test, y_test)`, downloaded once.

    Images are uint8 of shape `(samples, 28, 28)` with values from 0 to 255, labels are uint8 from 0 to 9.

    Source: Y. LeCun, C. Cortes and C. Burges, The MNIST database of handwritten digits (CC BY-SA 3.0).

    Args:
        path: name of the file in the cache.

    >>> (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    >>> x_train.shape[1:], x_train.dtype
    ((28, 28), dtype('uint8'))
    """
    with np.load(fetch("mnist.npz", HASH, fname=path), allow_pickle=False) as file:
        return (file["x_train"], file["y_train"]), (file["x_test"], file["y_test"])
