"""CIFAR-100: photographs of a hundred kinds of things in twenty groups, 32 x 32 pixels."""

from pathlib import Path

from tahr.datasets.cifar import read_batches
from tahr.datasets.source import TORONTO, Arrays, fetch

__all__ = ["load_data"]

HASH = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"


def load_data(label_mode: str = "fine") -> tuple[Arrays, Arrays]:
    """Return 50,000 + 10,000 colour photographs as `(x_train, y_train), (x_test, y_test)`, downloaded once.

    Images are uint8 of shape `(samples, 32, 32, 3)`, `(samples, 3, 32, 32)` if `image_data_format` is channels first.
    Labels are int64 of shape `(samples, 1)`.

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.

    Args:
        label_mode: `"fine"` for the 100 kinds, `"coarse"` for the 20 groups.

    >>> (x_train, y_train), (x_test, y_test) = keras.datasets.cifar100.load_data("coarse")
    >>> x_train.shape[1:], y_train.shape[1:], y_train.dtype
    ((32, 32, 3), (1,), dtype('int64'))
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(f"label_mode must be 'fine' (100 classes) or 'coarse' (20); received {label_mode!r}.")
    place = fetch("cifar-100-python.tar.gz", HASH, TORONTO, fname="cifar-100-python-target", extract=True)
    folder, key = Path(place) / "cifar-100-python", f"{label_mode}_labels"
    return read_batches([folder / "train"], key), read_batches([folder / "test"], key)
