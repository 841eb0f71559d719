"""Helpers of Keras 2 that are methods, or other libraries' business, today."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tahr.compat.notices import notice

__all__ = ["HDF5Matrix", "Reduction", "print_summary"]


class Reduction:
    """How a loss puts the values of a batch together, as `keras.losses.Reduction` said it; plain text today."""

    AUTO = "sum_over_batch_size"
    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"


def print_summary(
    model: Any, line_length: int | None = None, positions: Any = None, print_fn: Callable[[str], Any] | None = None
) -> None:
    """Print what `model.summary()` prints."""
    notice("utils.print_summary(model)", "write model.summary()")
    model.summary(line_length, positions, print_fn)


class HDF5Matrix:
    """Rows of a data set in an HDF5 file, read when they are asked for.

    Args:
        datapath: path of the file.
        dataset: name of the data set in it.
        start: first row.
        end: row after the last; None for the end.
        normalizer: function of what is read, or None.
    """

    def __init__(self, datapath: str, dataset: str, start: int = 0, end: int | None = None,
                 normalizer: Callable[[Any], Any] | None = None):  # fmt: skip
        import h5py

        notice("utils.HDF5Matrix", "pass the h5py data set itself")
        self._file = h5py.File(datapath, "r")
        self.data: Any = self._file[dataset]
        self.start, self.end = start, len(self.data) if end is None else end
        self.normalizer = normalizer

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, slice):
            first, last, step = key.indices(len(self))
            found = self.data[self.start + first : self.start + last : step]
        elif isinstance(key, (int, np.integer)):
            found = self.data[self.start + (key if key >= 0 else key + len(self))]
        else:
            rows, back = np.unique(np.asarray(key), return_inverse=True)  # h5py takes rows in order, each once
            found = self.data[self.start + rows][back]
        return self.normalizer(found) if self.normalizer is not None else found

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self.data.shape[1:])

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)
