"""Data in two parts."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tahr import tree
from tahr.random import host_generator, host_seed
from tahr.trainer.sources.arrays import to_arrays
from tahr.utils.samples import ArraySamples, ItemSamples, Samples

__all__ = ["split_dataset"]


def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Samples, Samples]:
    """Return data in two parts, data sources that need no TensorFlow.

    Args:
        dataset: array, or tuple, list or dict of arrays of equal length, whose rows are parted; or something with
            `__len__` and `__getitem__` (`PyDataset`, a dataset of PyTorch), or an iterable, whose items are.
        left_size: how many rows (whole number) or which share (between 0 and 1) are in the left part; None leaves what
            the right part does not take.
        right_size: the same for the right part; None leaves what the left part does not take.
        shuffle: whether the data are shuffled first.
        seed: of the order.
        preferred_backend: None, since the parts are the same whatever it is.

    Returns:
        Two data sources of single rows, for which `batch(32)` gives batches, or of single items, which are batches
        themselves if those of `dataset` were.

    Raises:
        ValueError: if sizes are missing, out of range or together too large.
        TypeError: if the data are of another kind.

    >>> left, right = keras.utils.split_dataset(np.arange(10), left_size=0.8)
    >>> len(left), list(right)
    (8, [8, 9])
    """
    if preferred_backend not in (None, "tensorflow", "torch", "jax"):
        raise ValueError(f"preferred_backend: expected None or a backend's name; received {preferred_backend!r}.")
    items, arrays = _items(dataset)
    total = len(tree.flatten(items)[0]) if arrays else _length(items)
    left, right = _sizes(left_size, right_size, total)
    order = np.arange(total)
    if shuffle:
        order = host_generator(host_seed() if seed is None else seed).permutation(order)
    kind = ArraySamples if arrays else ItemSamples
    return kind(items, order[:left]), kind(items, order[total - right :])


def _items(dataset: Any) -> tuple[Any, bool]:
    """Return nested arrays and True, or something whose items are parted and False."""
    of_items = isinstance(dataset, list) and bool(dataset) and isinstance(dataset[0], (tuple, dict))
    if not of_items and (isinstance(dataset, (list, tuple, dict)) or hasattr(dataset, "shape")):
        found = tree.map_structure(np.asanyarray, to_arrays(dataset, "dataset"))
        if len({len(leaf) for leaf in tree.flatten(found)}) != 1:
            counts = [len(leaf) for leaf in tree.flatten(found)]
            raise ValueError(f"split_dataset: expected arrays of one length; received {counts}.")
        return (tuple(found) if isinstance(found, list) else found), True
    if hasattr(dataset, "__getitem__") and (hasattr(dataset, "__len__") or hasattr(dataset, "num_batches")):
        return dataset, False
    if isinstance(dataset, Iterable):
        return list(dataset), False
    raise TypeError(
        f"split_dataset: expected arrays, a dataset with __len__ and __getitem__, or an iterable; received "
        f"{type(dataset).__name__}."
    )


def _length(items: Any) -> int:
    found = getattr(items, "num_batches", None) if not hasattr(items, "__len__") else len(items)
    if found is None:
        raise ValueError("split_dataset: endless data cannot be parted.")
    return int(found)


def _sizes(left: float | None, right: float | None, total: int) -> tuple[int, int]:
    if left is None and right is None:
        raise ValueError("split_dataset: give left_size, right_size or both.")
    rows: list[int | None] = []
    for name, size in (("left_size", left), ("right_size", right)):
        if size is None:
            rows.append(None)
            continue
        if isinstance(size, bool) or not isinstance(size, (int, float, np.integer, np.floating)):
            raise TypeError(f"{name}: expected a number of rows or a share between 0 and 1; received {size!r}.")
        whole = isinstance(size, (int, np.integer))
        if not (0 < size < total if whole else 0 < size < 1):
            raise ValueError(
                f"{name}: expected a whole number from 1 to {total - 1}, or a share between 0 and 1; received {size!r}."
            )
        rows.append(int(size) if whole else round(size * total))
    first, second = rows
    if first is not None and second is not None:
        shares = isinstance(left, float) and isinstance(right, float)
        if left + right > 1 if shares else first + second > total:  # type: ignore[operator]
            raise ValueError(f"split_dataset: left_size={left} and right_size={right} are more than all {total} rows.")
        second = min(second, total - first)  # shares may round up both
    first = total - second if first is None else first  # type: ignore[operator]
    second = total - first if second is None else second
    if first == 0 or second == 0:
        raise ValueError(
            f"split_dataset: of {total} rows {first} go to the left and {second} to the right; none may be 0."
        )
    return first, second
