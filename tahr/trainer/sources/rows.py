"""Rows that are made into arrays only when a batch asks for them: from files, and of sparse matrices."""

import mmap
from typing import Any

import numpy as np

__all__ = ["Rows", "rows_of"]

READ_AT_ONCE = 2**30  # files that hold less are read as a whole
DENSE_AT_ONCE = 2**27  # sparse matrices that take less as plain arrays become such


class Rows:
    """A part of the rows of something that is read by indexing: HDF5, zarr, a mapped file, a sparse matrix.

    Args:
        data: what has `shape`, `dtype` and rows.
        start: first row.
        stop: row after the last; None for the end.
    """

    def __init__(self, data: Any, start: int = 0, stop: int | None = None):
        self.data, self.start = data, start
        self.stop = data.shape[0] if stop is None else stop

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self.data.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.data.dtype)

    def part(self, span: slice) -> "Rows":
        """Return some of the rows in their order, without reading them."""
        first, last, _ = span.indices(len(self))
        return type(self)(self.data, self.start + first, self.start + last)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Return the rows of a slice, or of an array of row numbers in ascending order, as an array."""
        if isinstance(rows, slice):
            first, last, _ = rows.indices(len(self))
            found = self._take(slice(self.start + first, self.start + last))
        else:
            found = self._take(np.asarray(rows, dtype=np.intp) + self.start)
        return found

    def _take(self, rows: Any) -> np.ndarray:
        if not isinstance(rows, slice) and hasattr(self.data, "oindex"):
            return np.asarray(self.data.oindex[rows])
        return np.array(self.data[rows])


class MappedRows(Rows):
    """Rows of a mapped file, read from the file itself.

    Through the mapping, every row that is touched would bring up to megabytes around it into the memory of the process.
    """

    def _take(self, rows: Any) -> np.ndarray:
        if isinstance(rows, slice):
            rows = np.arange(rows.start, rows.stop)
        found = np.empty((len(rows), *self.data.shape[1:]), self.data.dtype)
        size = self.data.dtype.itemsize * int(np.prod(self.data.shape[1:]))
        firsts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)  # where a run of neighbours begins
        with open(self.data.filename, "rb", buffering=0) as file:
            for first, last in zip(firsts, [*firsts[1:], len(rows)], strict=True):
                file.seek(self.data.offset + int(rows[first]) * size)
                _fill(file, found[first:last].reshape(-1).view("uint8").data)
        return found


def _fill(file: Any, into: memoryview) -> None:
    while len(into):
        count = file.readinto(into)
        if not count:
            raise OSError(f"{file.name} ends before the rows that the mapped array has; it was cut off meanwhile.")
        into = into[count:]


class SparseRows(Rows):
    """Rows of a sparse matrix of SciPy."""

    def _take(self, rows: Any) -> np.ndarray:
        return self.data[rows].toarray()


def rows_of(data: Any) -> Any:
    """Return rows to be read later for what is too large to be an array, an array for what is not, else None.

    >>> from tahr.trainer.sources.rows import rows_of
    >>> rows_of([1, 2]) is None
    True
    """
    if isinstance(data, Rows):
        return data
    if hasattr(data, "tocsr") and hasattr(data, "nnz"):
        dense = int(np.prod(data.shape)) * np.dtype(data.dtype).itemsize
        return data.toarray() if dense <= DENSE_AT_ONCE else SparseRows(data.tocsr())
    if isinstance(data, np.memmap):
        whole = isinstance(data.base, mmap.mmap) and data.flags.c_contiguous and data.mode != "c" and data.ndim > 0
        return MappedRows(data) if data.nbytes > READ_AT_ONCE and whole else None
    if not hasattr(data, "chunks") or not hasattr(data, "shape") or not hasattr(data, "dtype"):
        return None
    size = int(np.prod(data.shape)) * np.dtype(data.dtype).itemsize
    return np.asarray(data) if size <= READ_AT_ONCE or not len(data.shape) else Rows(data)
