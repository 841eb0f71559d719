"""Fashion-MNIST: articles of clothing of 28 x 28 pixels."""

import gzip

import numpy as np

from tahr.datasets.source import Arrays, fetch

__all__ = ["load_data"]

HASHES = {
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
}


def load_data() -> tuple[Arrays, Arrays]:
    """Return 60,000 + 10,000 images of clothing as `(x_train, y_train), (x_test, y_test)`, downloaded once.

    Images are uint8 of shape `(samples, 28, 28)` with values from 0 to 255. Labels are uint8: 0 T-shirt or top,
    1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot.

    Source: H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST, https://arxiv.org/abs/1708.07747 (MIT).

    >>> (x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
    >>> x_train.shape[1:], y_train.dtype
    ((28, 28), dtype('uint8'))
    """
    y_train, x_train, y_test, x_test = (
        _read_idx(fetch(n, h, subdir="datasets/fashion-mnist")) for n, h in HASHES.items()
    )
    return (x_train, y_train), (x_test, y_test)


def _read_idx(path: str) -> np.ndarray:
    """Return the array of a gzipped IDX file of bytes: two zeros, type 8, the rank, big-endian sizes, the data."""
    with gzip.open(path, "rb") as file:
        data = file.read()
    rank = data[3]
    if data[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is not an IDX file of bytes. Delete it; it is then downloaded again.")
    shape = np.frombuffer(data, ">i4", rank, offset=4)
    return np.frombuffer(data, "uint8", offset=4 + 4 * rank).reshape(shape).copy()  # writable
