"""`PyDataset`: batches by index, computed in worker threads or processes and kept in order."""

import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from tahr.random import host_generator
from tahr.trainer.sources.arrays import to_arrays
from tahr.trainer.sources.source import Feed, Source
from tahr.trainer.sources.stream import StreamFeed, endless
from tahr.trainer.sources.workers import Workers, item
from tahr.trainer.step import pack, unpack

__all__ = ["DatasetSource", "PyDataset"]


class PyDataset:
    """A data set whose batches are computed by index; subclasses define `__len__` and `__getitem__`.

    Args:
        workers: how many batches are computed at a time.
        use_multiprocessing: whether workers are processes rather than threads.
        max_queue_size: how many batches are kept ready.

    One that changes between epochs may define `state_dict()` and `load_state_dict(state)`, of numbers, text and arrays,
    so that a training that goes on after a stop goes on with the same data.

    >>> class Squares(keras.utils.PyDataset):
    ...     def __len__(self):
    ...         return 2
    ...
    ...     def __getitem__(self, index):
    ...         x = np.full((4, 1), index, "float32")
    ...         return x, x * x
    >>> Squares().num_batches
    2
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10):
        self._workers, self._use_multiprocessing, self._max_queue_size = workers, use_multiprocessing, max_queue_size

    def _option(self, name: str, usual: Any) -> Any:
        return self.__dict__.get(name, usual)  # a subclass may not have called super().__init__()

    @property
    def workers(self) -> int:
        return self._option("_workers", 1)

    @workers.setter
    def workers(self, value: int) -> None:
        self._workers = value

    @property
    def use_multiprocessing(self) -> bool:
        return self._option("_use_multiprocessing", False)

    @use_multiprocessing.setter
    def use_multiprocessing(self, value: bool) -> None:
        self._use_multiprocessing = value

    @property
    def max_queue_size(self) -> int:
        return self._option("_max_queue_size", 10)

    @max_queue_size.setter
    def max_queue_size(self, value: int) -> None:
        self._max_queue_size = value

    def __getitem__(self, index: int) -> Any:
        """Return the batch of an index: `(x, y)` or `(x, y, sample_weight)`."""
        raise NotImplementedError(f"{type(self).__name__} defines no `__getitem__(self, index)`.")

    @property
    def num_batches(self) -> int | None:
        """Number of batches, or None if endless."""
        return len(self)  # type: ignore[arg-type]

    def on_epoch_begin(self) -> None:
        """Called before an epoch."""

    def on_epoch_end(self) -> None:
        """Called after an epoch."""


class DatasetSource(Source):
    """The batches of a `PyDataset` (or anything with `__getitem__` and a length), shuffled if asked."""

    def __init__(
        self,
        dataset: Any,
        shuffle: bool,
        seed: int,
        steps: int | None,
        changes: Sequence[Callable[[Any], Any]] = (),
    ):
        self.dataset, self.shuffle, self.seed, self.changes, self.limit = dataset, shuffle, seed, changes, steps
        self.length = dataset.num_batches if hasattr(dataset, "num_batches") else len(dataset)
        if self.length == sys.maxsize:  # so Grain says what `repeat()` made endless
            if steps is None:
                raise endless(dataset)
            self.length = None
        if self.length == 0:
            raise ValueError(f"The data ({type(dataset).__name__}) gave no batch at all: its length is 0.")
        self.steps = steps if steps is not None else self.length
        self._first: Any = None
        self._feed: StreamFeed | None = None
        self._given = 0  # batches that were given in the epochs before, if each takes up where the last one ended

    def first_batch(self) -> Any:
        if self._first is None:
            self._first = self._standard(self.dataset[0], 0)
        return self._first

    def _standard(self, batch: Any, index: int) -> Any:
        try:
            x, y, weight = unpack(batch)
        except ValueError as error:
            raise ValueError(f"{type(self.dataset).__name__}[{index}]: {error}") from None
        made = (to_arrays(x, "x"), to_arrays(y, "y"), to_arrays(weight, "sample_weight"))
        for change in self.changes:
            made = change(made)
        batch = pack(*made)
        return self.guarded(batch, f"{type(self.dataset).__name__}[{index}]")

    def _indices(self, epoch: int) -> Iterator[int]:
        if self.length is None:
            yield from itertools.count()
        elif self.shuffle:
            yield from map(int, host_generator(self.seed * 2**32 + epoch + 1).permutation(np.arange(self.length)))
        else:
            yield from range(self.length)

    def _run(self, epoch: int, start: int = 0) -> Iterator[Any]:
        workers = getattr(self.dataset, "workers", 1)
        indices = itertools.islice(self._indices(epoch), start, None)
        processes = getattr(self.dataset, "use_multiprocessing", False)
        if workers < 1 or (workers == 1 and not processes):
            for index in indices:
                yield self._standard(item(self.dataset, epoch, index), index)
            return
        pool = Workers(self.dataset, workers, processes)
        waiting: deque[tuple[int, Future[Any]]] = deque()
        ahead = max(workers, getattr(self.dataset, "max_queue_size", 10))
        try:
            for index in indices:
                waiting.append((index, pool.submit(epoch, index)))
                if len(waiting) >= ahead:
                    at, future = waiting.popleft()
                    yield self._standard(pool.result(future, at), at)
            while waiting:
                at, future = waiting.popleft()
                yield self._standard(pool.result(future, at), at)
        finally:
            pool.close()

    def feed(self, epoch: int, start: int = 0) -> Feed:
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)
        begun = start > 0 and hasattr(self.dataset, "load_state_dict")  # its state is that of after the beginning
        if hasattr(self.dataset, "on_epoch_begin") and not begun:
            self.dataset.on_epoch_begin()
        if self.limit is None:
            return StreamFeed(self._run(epoch, start), self._ahead, alone=self._alone)
        self._given = self._given_so_far()  # nothing is read ahead of the epoch, after which the data may change
        batches = itertools.islice(self._passes(self._given), self.limit - start)
        self._feed = StreamFeed(batches, self._ahead, alone=self._alone)
        return self._feed

    @property
    def _alone(self) -> bool:
        return hasattr(self.dataset, "number_of_shapes")  # it is to be that of programs

    def _given_so_far(self) -> int:
        return self._given + (self._feed.given if self._feed is not None else 0)

    def _passes(self, given: int) -> Iterator[Any]:
        """Yield the batches of one pass over the data after the other, after the first `given` ones."""
        number, start = divmod(given, self.length) if self.length else (0, given)
        while True:
            yield from self._run(number, start)
            number, start = number + 1, 0

    @property
    def _ahead(self) -> int:
        return min(getattr(self.dataset, "max_queue_size", 10), 10)

    def plan(self) -> dict[str, Any]:
        return {"batches": self.length, "steps": self.limit, "shuffle": self.shuffle}

    def state_dict(self) -> dict[str, Any]:
        own = self.dataset.state_dict() if hasattr(self.dataset, "state_dict") else None
        return {**super().state_dict(), "seed": self.seed, "given": self._given_so_far(), "dataset": own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seed, self._given, self._feed = state["seed"], state["given"], None
        if state["dataset"] is not None:
            self.dataset.load_state_dict(state["dataset"])

    def close(self) -> None:
        if self._feed is not None:
            self._feed.reader.stop()

    def epoch_end(self) -> None:
        if hasattr(self.dataset, "on_epoch_end"):
            self.dataset.on_epoch_end()

    def batches(self) -> Iterator[Any]:
        yield from self._run(0)
