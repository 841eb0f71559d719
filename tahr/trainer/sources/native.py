"""Data sets of the backend's own, whose batches never leave it: a block of them is read at a time."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tahr import backends, tree
from tahr.trainer.padding import fill
from tahr.trainer.sources.source import Chunk, Feed
from tahr.trainer.sources.stream import IterableSource, StreamFeed
from tahr.trainer.step import pack, unpack

__all__ = ["NativeSource"]

READ_SECONDS, BLOCK_BYTES = 0.1, 2**22  # blocks grow until one takes so long to read, or fills the caches
DROPPED = 64  # batches read at once on the way to a place in the data


class _BlockFeed(StreamFeed):
    """Chunks that are blocks, or parts of blocks."""

    def take(self, count: int) -> Chunk | None:
        if self.left == 0:
            return None
        chunk = self._next()
        if not isinstance(chunk, Chunk):
            return None
        count = count if self.left < 0 else min(count, self.left)
        if count < chunk.batches:
            self.pending = chunk.part(chunk.start + count, chunk.stop)
            chunk = chunk.part(chunk.start, chunk.start + count)
        self.left -= chunk.batches if self.left > 0 else 0
        self.given += chunk.batches
        if not self.whole:
            return chunk
        rows = chunk.rows
        if chunk.longer is not None and chunk.batches == 1 and self._is_filled(rows):
            chunk = chunk.longer(self.whole)
        self.counted += rows * chunk.batches
        return chunk.counted(rows)


class NativeSource(IterableSource):
    """Batches that the backend reads and keeps, see `Backend.reader`; the host looks at them, and changes some.

    Args:
        batches: the data set.
        reader: function without arguments that begins a pass, and returns what reads it.
        steps, changes: as for `IterableSource`.

    Raises:
        ValueError: as for `IterableSource`.
    """

    def __init__(
        self,
        batches: Any,
        reader: Callable[[], Any],
        steps: int | None = None,
        changes: Sequence[Callable[[Any], Any]] = (),
    ):
        super().__init__(batches, steps, changes)
        self.reader = reader
        self._opened: tuple[Any, Chunk] | None = None  # a pass that has begun, and its first batch
        self.passes, self._fed = 0, False  # how many passes have begun, and whether anything has been fed from them

    def first_batch(self) -> Any:
        if self._first is None:
            reader, _ = self._begin()
            block = reader.take(1)
            if block is None:
                raise ValueError(
                    f"The data ({type(self.given).__name__}) gave no batch at all. Check that it yields batches like "
                    "(x, y)."
                )
            chunk, self._first = self._ready(block, 0)
            self._opened = reader, chunk
        return self._first

    def batches(self) -> Iterator[Any]:
        engine = backends.current()
        for number, batch in enumerate(self.given):
            yield self.guarded(pack(*unpack(tree.map_structure(engine.tensor, batch))), self._place(number))

    def _place(self, number: int) -> str:
        return f"Batch {number}, from 0, of the {type(self.given).__name__}"

    def _ready(self, block: Any, number: int) -> tuple[Chunk, Any]:
        """Return a block, whose first batch has this number, as a chunk that nothing speaks against, and its rows."""
        old = block.on_host()
        new = unpack(old)
        for change in self.changes:
            new = change(new)
        new = pack(*new)
        block = block.changed(old, new)
        try:
            self.guarded(new, self._place(number))
        except ValueError:  # in which batch?
            for i in range(block.count):
                part = slice(i * block.rows, (i + 1) * block.rows)
                self.guarded(tree.map_structure(lambda a: a[part], new), self._place(number + i))  # noqa: B023
            raise
        return _chunk(block), new

    def _begin(self) -> tuple[Any, Chunk | None]:
        """Return what reads the next pass, and its first batch if that has been looked at."""
        opened, self._opened = self._opened, None
        if opened is None:
            self.passes += 1
        return opened or (self.reader(), None)

    def _blocks(self, passes: int | None = None, given: int = 0) -> Iterator[Chunk]:
        """Yield the batches of some passes after the first `given` ones; without a number, as long as there are any."""
        while passes is None or passes > 0:
            reader, chunk = self._begin()
            number = int(chunk is not None)
            if chunk is not None and not given:
                yield chunk
            given = max(0, given - number)
            while given and (block := reader.take(min(given, DROPPED))) is not None:
                given, number = given - block.count, number + block.count
            most, began = 1, time.perf_counter()
            while (block := reader.take(most)) is not None:
                chunk, _ = self._ready(block, number)
                number += block.count
                each = (time.perf_counter() - began) / block.count
                most = max(1, min(2 * most, int(READ_SECONDS / each), BLOCK_BYTES // max(block.bytes, 1)))
                yield chunk
                began = time.perf_counter()
            if passes is None and not number:
                return
            passes = None if passes is None else passes - 1

    def feed(self, epoch: int, start: int = 0) -> Feed:
        if self.limit is None:
            while not self._fed and self.passes < epoch + (self._opened is not None):
                self._begin()  # an order may depend on how many passes there were
            self._fed = True
            return _BlockFeed(self._blocks(1, start), ahead=1)
        if self._feed is None or self._feed.reader.over:
            self._feed = _BlockFeed(self._blocks(), ahead=1)
        self._feed.left = self.limit - start
        return self._feed

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["given"]:
            self._feed = _BlockFeed(self._blocks(None, state["given"]), ahead=1, given=state["given"])


def _chunk(block: Any) -> Chunk:
    def longer(rows: int) -> Chunk:
        found = block.on_host()
        return _chunk(block.changed(found, fill(found, rows)))

    fetch = block.fetch()
    return Chunk(("block", block.form), block.lists, 0, block.count, fetch, block.rows, longer=longer)
