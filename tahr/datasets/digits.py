"""Handwritten digits of 8 x 8 pixels, which come with tahr."""

import importlib.resources

import numpy as np

__all__ = ["load_data"]


def load_data() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return 1,797 handwritten digits of 8 x 8 pixels as `(x_train, y_train), (x_test, y_test)`.

    Images are uint8 of shape `(samples, 8, 8)` with values from 0 to 16, labels are uint8 from 0 to 9. Of each class,
    in the order of the source, every fifth image is for testing: always the same 355 images, and 1,442 for training.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998
    (CC BY 4.0), https://doi.org/10.24432/C50P49.

    >>> (x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()
    >>> x_train.shape, x_test.shape, x_train.dtype, int(x_train.max())
    ((1442, 8, 8), (355, 8, 8), dtype('uint8'), 16)
    """
    file = importlib.resources.files("tahr.datasets") / "data" / "digits.npz"
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        images, labels = archive["images"], archive["labels"]
    test = np.zeros(len(labels), "bool")
    for label in range(10):
        test[np.flatnonzero(labels == label)[4::5]] = True
    return (images[~test], labels[~test]), (images[test], labels[test])
