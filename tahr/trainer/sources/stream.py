"""Batches that come one after the other: from generators, datasets and data too large for the device."""

import itertools
import queue
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tahr import backends, tree
from tahr.trainer.padding import fill
from tahr.trainer.sources.arrays import to_arrays
from tahr.trainer.sources.source import Chunk, Feed, Source, row_count
from tahr.trainer.step import pack, unpack

__all__ = ["IterableSource", "StreamFeed", "endless"]

CHUNK_BYTES = 2**25
_END = object()


class StreamFeed(Feed):
    """Chunks of batches that a thread reads ahead.

    Several batches of one shape are stacked into one transfer when the loop asks for several.

    Attributes:
        alone: whether batches are never stacked, so that there is one program for each of their shapes.
        given: number of batches given out, and of those before the first one of `batches`.
    """

    def __init__(
        self, batches: Iterator[Any], ahead: int = 4, limit: int | None = None, given: int = 0, alone: bool = False
    ):
        self.reader = _Reader(batches, ahead)
        self.given, self.alone = given, alone
        self.pending: Any = None
        self.counted = self.added = 0  # rows that count, and rows that were added
        self.left_short: set[int] = set()  # numbers of rows that batches are left with
        self.left = limit if limit is not None else -1
        weakref.finalize(self, self.reader.stop)

    def take(self, count: int) -> Chunk | None:
        if self.left == 0:
            return None
        first = self._next()
        if first is _END:
            return None
        first, rows = self._filled(first)
        found, size = [first], _bytes(first)
        width = 1 if self.alone else _width(count, size, self.left)
        while len(found) < width and rows == row_count(first):
            batch = self._next()
            if batch is _END:
                break
            if _form(batch) != _form(first):
                self.pending = batch
                break
            found.append(batch)
        self.left -= len(found) if self.left > 0 else 0
        self.given += len(found)
        self.counted += rows * len(found)
        chunk = _chunk(found, width)
        return chunk.counted(rows) if self.whole else chunk

    def _filled(self, batch: Any) -> tuple[Any, int]:
        """Return a batch, with more rows if it is to have more, and how many count."""
        rows = row_count(batch)
        alike = all(a is None or len(a) == rows for a in tree.flatten(batch))
        return (fill(batch, self.whole) if alike and self._is_filled(rows) else batch), rows

    def _is_filled(self, rows: int) -> bool:
        """Return whether a batch of so many rows is filled up; no more rows are added than count, but for one batch."""
        missing = self.whole - rows
        if missing <= 0 or rows in self.left_short:
            return False
        if self.added + missing > self.counted + self.whole:
            self.left_short.add(rows)
            return False
        self.added += missing
        return True

    def _next(self) -> Any:
        if self.pending is not None:
            batch, self.pending = self.pending, None
            return batch
        return self.reader.get()

    def close(self) -> None:
        if self.left < 0:  # a feed that serves several epochs is stopped by its source
            self.reader.stop()


class _Reader:
    """A thread that keeps a few batches ready; an exception in it is raised where the batch is asked for."""

    def __init__(self, batches: Iterator[Any], ahead: int):
        self.queue: queue.Queue[Any] = queue.Queue(maxsize=ahead)
        self.stopped = threading.Event()
        self.over = False
        threading.Thread(target=_read, args=(batches, self.queue, self.stopped), daemon=True).start()

    def get(self) -> Any:
        if self.over or self.stopped.is_set():
            return _END
        kind, value = self.queue.get()
        if kind == "batch":
            return value
        self.over = True
        if kind == "error":
            raise value
        return _END

    def stop(self) -> None:
        self.stopped.set()


def _read(batches: Iterator[Any], into: "queue.Queue[Any]", stopped: threading.Event) -> None:
    def put(item: Any) -> bool:
        while not stopped.is_set():
            try:
                into.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    try:
        for batch in batches:
            if not put(("batch", batch)):
                return
        put(("end", None))
    except BaseException as error:
        put(("error", error))


def _bytes(batch: Any) -> int:
    return sum(int(np.prod(a.shape)) * getattr(a.dtype, "itemsize", 4) for a in tree.flatten(batch) if a is not None)


def _width(count: int, size: int, left: int) -> int:
    """Return how many batches to stack: a power of two, so that few programs are compiled."""
    if left >= 0:
        count = min(count, left)
    count = max(1, min(count, CHUNK_BYTES // max(size, 1)))
    return 1 << (count.bit_length() - 1)


def _form(batch: Any) -> Any:
    return [None if a is None else (tuple(a.shape), str(a.dtype)) for a in tree.flatten(batch)]


def _chunk(found: list[Any], width: int) -> Chunk:
    engine = backends.current()
    rows = row_count(found[0])
    if width == 1:
        arrays = tree.map_structure(lambda a: None if a is None else engine.tensor(a), found[0])
        return Chunk(("one",), arrays, 0, 1, _fetch_only, rows)
    padded = found + [found[-1]] * (width - len(found))  # one program for every length: the rest is not computed

    def stack(*parts: Any) -> Any:
        return None if parts[0] is None else engine.tensor(np.stack([engine.to_numpy(p) for p in parts]))

    return Chunk(("stack", width), tree.map_structure(stack, *padded), 0, len(found), _fetch_stacked, rows)


def _fetch_only(arrays: Any, index: Any, offset: Any) -> Any:
    return arrays


def _fetch_stacked(arrays: Any, index: Any, offset: Any) -> Any:
    engine = backends.current()

    def one(a: Any) -> Any:
        return None if a is None else engine.rows(a, None, index, 1)[0]

    return tree.map_structure(one, arrays)


class IterableSource(Source):
    """Batches from an iterable: a generator is used up over the epochs, anything else is begun again each epoch.

    Args:
        batches: gives `x`, `(x, y)` or `(x, y, sample_weight)`, nested arrays.
        steps: batches an epoch; without it, an epoch is the whole iterable.
        changes: functions from a batch `(x, y, sample_weight)` to another, such as one with class weights.

    Raises:
        ValueError: if there is no batch at all, or a batch is no such tuple, or it says of itself that it is endless
            and `steps` is None.
    """

    def __init__(self, batches: Iterable[Any], steps: int | None = None, changes: Sequence[Callable[[Any], Any]] = ()):
        self.given, self.steps, self.changes = batches, steps, changes
        self.once = isinstance(batches, Iterator)
        if steps is None:
            self.steps = _length(batches)
        self.limit = steps
        self._first: Any = None
        self._looked_at: list[Any] = []
        self._iterator: Iterator[Any] | None = None
        self._feed: StreamFeed | None = None

    def first_batch(self) -> Any:
        if self._first is None:
            self._iterator = self._start()
            try:
                self._first = next(self._iterator)
            except StopIteration:
                raise ValueError(
                    f"The data ({type(self.given).__name__}) gave no batch at all. Check that it yields batches like "
                    "(x, y), and that it has not been used up before."
                ) from None
            self._looked_at.append(self._first)
        return self._first

    def _start(self) -> Iterator[Any]:
        for number, batch in enumerate(_on_host(self.given)):
            x, y, weight = unpack(batch)
            made = (to_arrays(x, "x"), to_arrays(y, "y"), to_arrays(weight, "sample_weight"))
            for change in self.changes:
                made = change(made)
            batch = pack(*made)
            yield self.guarded(batch, f"Batch {number}, from 0, of the {type(self.given).__name__}")

    def batches(self) -> Iterator[Any]:
        iterator = self._iterator if self._iterator is not None else self._start()
        self._iterator = iterator if self.once else None
        while self._looked_at:
            yield self._looked_at.pop()
        yield from iterator

    def feed(self, epoch: int, start: int = 0) -> Feed:
        if self.limit is None:
            return StreamFeed(itertools.islice(self.batches(), start, None))
        if self._feed is None or self._feed.reader.over:
            self._feed = StreamFeed(self._passes())
        self._feed.left = self.limit - start
        return self._feed

    def _passes(self) -> Iterator[Any]:
        """Yield the batches of one pass over the data after the other, as long as there are any."""
        found = True
        while found:
            found = False
            for batch in self.batches():
                found = not self.once
                yield batch

    def plan(self) -> dict[str, Any]:
        return {"kind": type(self.given).__name__, "steps": self.limit}

    def state_dict(self) -> dict[str, Any]:
        feed = self._feed
        return {**super().state_dict(), "given": 0 if feed is None or feed.reader.over else feed.given}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        given = state["given"]
        if given:  # the batches are made and dropped, since nothing else leads to those after them
            self._feed = StreamFeed(itertools.islice(self._passes(), given, None), given=given)

    def close(self) -> None:
        if self._feed is not None:
            self._feed.reader.stop()
            self._feed = None


def endless(batches: Any) -> ValueError:
    """Return the error about a data set that says of itself that it has no end, where no number of steps is given."""
    return ValueError(
        f"This {type(batches).__name__} has no end, as after `repeat()`. Say how many of its batches are an epoch "
        "(steps_per_epoch, validation_steps, steps), or leave `repeat()` out."
    )


def _length(batches: Any) -> int | None:
    """Return how many batches there are, None if unknown; refuse a data set of `tf.data` that says it has no end."""
    if hasattr(batches, "cardinality") and int(batches.cardinality()) == -1:
        raise endless(batches)
    try:
        return len(batches)
    except TypeError:  # a generator has none, and a filtered data set does not know it
        return None


def _on_host(batches: Any) -> Iterable[Any]:
    """Return batches of arrays; those of a `tf.data.Dataset` come without a detour over tensors."""
    return batches.as_numpy_iterator() if hasattr(batches, "as_numpy_iterator") else batches
