"""Boston housing: prices of houses by district, 1978."""

import numpy as np

from tahr.datasets.source import Arrays, fetch, shuffled_split

__all__ = ["load_data"]

HASH = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"


def load_data(path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113) -> tuple[Arrays, Arrays]:
    """Return 506 districts of Boston as `(x_train, y_train), (x_test, y_test)`, downloaded once.

    Inputs are float64 of shape `(samples, 13)`, targets the median price in thousands of dollars. One input was made
    from the share of Black residents on the assumption that it lowers prices: do not use the data beyond exercises.

    Source: D. Harrison and D. Rubinfeld, Hedonic prices and the demand for clean air, 1978.

    Args:
        path: name of the file in the cache.
        test_split: share of the samples that are for testing, at least 0 and less than 1.
        seed: seed of the shuffle.

    >>> (x_train, y_train), (x_test, y_test) = keras.datasets.boston_housing.load_data()
    >>> x_train.shape[1:]
    (13,)
    """
    with np.load(fetch("boston_housing.npz", HASH, fname=path), allow_pickle=False) as file:
        return shuffled_split(file["x"], file["y"], test_split, seed)
