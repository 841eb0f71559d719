"""California housing: prices of houses by block group, 1990."""

import numpy as np

from tahr.datasets.source import Arrays, fetch, shuffled_split

__all__ = ["load_data"]

HASH = "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"
SMALL = 600  # block groups in the version of that name, the first of the file


def load_data(
    version: str = "large", path: str = "california_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[Arrays, Arrays]:
    """Return 20,640 block groups of California as `(x_train, y_train), (x_test, y_test)`, downloaded once.

    Inputs have shape `(samples, 8)`: longitude, latitude, median age of the houses, total rooms, total bedrooms,
    population, households, median income. Targets are the median price in dollars.

    Source: R. K. Pace and R. Barry, Sparse Spatial Autoregressions, 1997.

    Args:
        version: `"large"` for all, `"small"` for the first 600.
        path: name of the file in the cache.
        test_split: share of the samples that are for testing, at least 0 and less than 1.
        seed: seed of the shuffle.

    >>> (x_train, y_train), (x_test, y_test) = keras.datasets.california_housing.load_data()
    >>> x_train.shape[1:]
    (8,)
    """
    if version not in ("large", "small"):
        raise ValueError(f"version must be 'large' or 'small'; received {version!r}.")
    count = SMALL if version == "small" else None
    with np.load(fetch("california_housing.npz", HASH, fname=path), allow_pickle=False) as file:
        return shuffled_split(file["x"][:count], file["y"][:count], test_split, seed)
