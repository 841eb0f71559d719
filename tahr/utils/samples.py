"""Data whose samples are found by number: batches of them, in a new order each epoch if asked."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tahr import tree
from tahr.random import host_generator, host_seed
from tahr.trainer.sources.py_dataset import PyDataset
from tahr.trainer.sources.workers import noting

__all__ = ["ArraySamples", "Batches", "ItemSamples", "Samples"]


class Batches(PyDataset):
    """Batches by number that can be gone through, shortened and changed; a base for data sources.

    Several threads compute them ahead in `fit`, `evaluate` and `predict`, as many as `workers` says.
    """

    def __iter__(self) -> Iterator[Any]:
        self.on_epoch_begin()
        for index in range(len(self)):
            yield self[index]

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} defines no `__len__(self)`.")

    def map(self, function: Callable[..., Any]) -> "Batches":
        """Return the results of a function of the parts of a batch: of `x`, of `x, y` or of `x, y, sample_weight`."""
        return _Changed(self, function)

    def take(self, count: int) -> "Batches":
        """Return the first batches only; all of them for -1."""
        return _Part(self, 0, len(self) if count < 0 else min(count, len(self)))

    def skip(self, count: int) -> "Batches":
        """Return all but the first batches."""
        return _Part(self, min(count, len(self)), len(self))

    def prefetch(self, buffer_size: int) -> "Batches":
        """Return the same batches, of which so many are kept ready in training; -1 leaves the number as it is."""
        changed = copy.copy(self)
        if buffer_size > 0:
            changed.max_queue_size = buffer_size
        return changed

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next one is, so that its order is that of an uninterrupted run."""

    def as_numpy_iterator(self) -> Iterator[Any]:
        """Return an iterator over the batches, which are NumPy arrays."""
        return iter(self)


class _Changed(Batches):
    """The batches of another source, changed by a function."""

    def __init__(self, source: Batches, function: Callable[..., Any]):
        super().__init__(source.workers, source.use_multiprocessing, source.max_queue_size)
        self.source, self.function = source, function

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Any:
        batch = self.source[index]
        return self.function(*batch) if isinstance(batch, tuple) else self.function(batch)

    def on_epoch_begin(self) -> None:
        self.source.on_epoch_begin()

    def set_epoch(self, epoch: int) -> None:
        self.source.set_epoch(epoch)


class _Part(Batches):
    """The batches of another source from one number up to another."""

    def __init__(self, source: Batches, start: int, stop: int):
        super().__init__(source.workers, source.use_multiprocessing, source.max_queue_size)
        self.source, self.start, self.stop = source, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, index: int) -> Any:
        return self.source[self.start + range(len(self))[index]]

    def on_epoch_begin(self) -> None:
        self.source.on_epoch_begin()

    def set_epoch(self, epoch: int) -> None:
        self.source.set_epoch(epoch)


class Samples(Batches):
    """Batches of samples, or with `batch_size=None` single samples; subclasses define `sample`.

    Args:
        count: how many samples there are.
        batch_size: samples a batch (fewer in the last), or None.
        shuffle: whether each epoch has a new order, a function of `seed` and the number of the epoch.
        seed: of the orders; None takes a new one.
        workers: how many batches are computed at a time in training.

    Raises:
        ValueError: if `batch_size` is neither None nor a whole number from 1 on.
    """

    class_names: list[str]
    file_paths: list[str]

    def __init__(self, count: int, batch_size: int | None, shuffle: bool = False, seed: Any = None, workers: int = 1):
        super().__init__(workers=workers)
        if batch_size is not None and (not isinstance(batch_size, (int, np.integer)) or batch_size < 1):
            raise ValueError(f"batch_size: expected None or a whole number >= 1; received {batch_size!r}.")
        self.count, self.batch_size, self.shuffle = count, batch_size, shuffle
        self.seed = host_seed() if seed is None else int(seed)
        self.epoch = -1
        self._order: np.ndarray | None = None

    def sample(self, index: int) -> Any:
        """Return one sample: an array, a number, a text, or a tuple or dict of these."""
        raise NotImplementedError(f"{type(self).__name__} defines no `sample(self, index)`.")

    def collate(self, samples: list[Any]) -> Any:
        """Return samples as one batch."""
        return tree.map_structure(lambda *parts: np.stack([np.asarray(p) for p in parts]), *samples)

    def batch_of(self, indices: np.ndarray) -> Any:
        """Return the batch of samples of given numbers."""
        return self.collate([self._sample(int(i)) for i in indices])

    def _sample(self, index: int) -> Any:
        with noting(f"sample {index}"):
            return self.sample(index)

    def batch(self, batch_size: int, drop_remainder: bool = False) -> "Samples":
        """Return the samples in batches of another size.

        Raises:
            ValueError: if they are in batches already.
        """
        if self.batch_size is not None:
            raise ValueError(f"batch: these are batches of {self.batch_size} already; make them with batch_size=None.")
        changed = copy.copy(self)
        changed.batch_size = batch_size
        if drop_remainder:
            changed.count -= changed.count % batch_size
        return changed

    def __len__(self) -> int:
        return self.count if self.batch_size is None else -(-self.count // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        index = range(len(self))[index]
        size = self.batch_size or 1
        numbers = np.arange(index * size, min((index + 1) * size, self.count))
        if self._order is not None:
            numbers = self._order[numbers]
        return self._sample(int(numbers[0])) if self.batch_size is None else self.batch_of(numbers)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch - 1

    def on_epoch_begin(self) -> None:
        """Take the next epoch's order."""
        self.epoch += 1
        if self.shuffle:
            self._order = host_generator(self.seed * 2**32 + self.epoch + 1).permutation(self.count)


class ArraySamples(Samples):
    """Rows of nested arrays of equal length."""

    def __init__(self, arrays: Any, rows: np.ndarray, batch_size: int | None = None):
        super().__init__(len(rows), batch_size)
        self.arrays, self.rows = arrays, rows

    def sample(self, index: int) -> Any:
        return tree.map_structure(lambda a: a[int(self.rows[index])], self.arrays)

    def batch_of(self, indices: np.ndarray) -> Any:
        return tree.map_structure(lambda a: a[self.rows[indices]], self.arrays)


class ItemSamples(Samples):
    """Some of the items of anything that has `__getitem__`."""

    def __init__(self, items: Any, rows: Any, batch_size: int | None = None):
        super().__init__(len(rows), batch_size, workers=getattr(items, "workers", 1))
        self.items, self.rows = items, rows

    def sample(self, index: int) -> Any:
        return self.items[int(self.rows[index])]
