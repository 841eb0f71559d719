"""Arrays in memory: on the device once, and an epoch is a permutation of row numbers gathered there."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tahr import backends, dtypes, ops, tree
from tahr.random import host_generator
from tahr.trainer.sources.rows import Rows, rows_of
from tahr.trainer.sources.source import Chunk, Feed, Filled, Source, row_count

__all__ = ["ArraySource", "to_arrays"]

SHUFFLED_BYTES = 2**22  # larger data are not copied into each epoch's order, but gathered batch by batch
NUMBERS = ("y", "sample_weight")  # what may be no text
RESIDENT_BYTES = 2**30  # larger data stay on the host and are sent batch by batch


def to_arrays(data: Any, what: str) -> Any:
    """Return a nested structure of NumPy arrays (or the backend's own) for what users pass as data, without copying.

    Raises:
        TypeError: for text and for what is no array.
    """
    if hasattr(data, "columns") and hasattr(data, "to_numpy"):  # a pandas or polars frame
        data = data.to_numpy()
    elif hasattr(data, "columns") and hasattr(data, "column_names"):  # a table of Arrow
        return _side_by_side([_to_array(column, f"{what}[{name!r}]") for name, column in _columns_of(data)])
    elif hasattr(data, "with_format") and hasattr(data, "column_names"):  # a data set of Hugging Face
        data = {name: np.asarray(data.with_format("numpy")[name][:]) for name in data.column_names}
    if isinstance(data, dict):
        return {k: to_arrays(v, f"{what}[{k!r}]") for k, v in data.items()}
    if isinstance(data, (list, tuple)) and data and any(hasattr(v, "shape") or hasattr(v, "columns") for v in data):
        return type(data)([to_arrays(v, f"{what}[{i}]") for i, v in enumerate(data)])
    return _to_array(data, what)


def _columns_of(table: Any) -> Iterator[tuple[str, Any]]:
    return zip(table.column_names, table.columns, strict=True)


def _side_by_side(columns: list[Any]) -> Any:
    """Return a table as one array; a single column of lists is one already."""
    if len(columns) == 1 and columns[0].ndim > 1:
        return columns[0]
    return np.stack(columns, axis=1) if all(c.ndim == 1 for c in columns) else np.hstack(
        [c if c.ndim > 1 else c[:, None] for c in columns]
    )  # fmt: skip


def _to_array(data: Any, what: str) -> Any:
    if data is None:
        return None
    if (rows := rows_of(data)) is not None:
        return rows
    if backends.current().is_tensor(data) and dtypes.of(data) != "string":
        return data
    if hasattr(data, "to_numpy"):  # a pandas series
        data = data.to_numpy()
    elif hasattr(data, "detach"):
        data = data.detach().cpu().numpy()
    elif isinstance(data, Sequence) and not isinstance(data, (list, tuple, str)):
        data = data[:]
    array = np.asarray(data)
    if array.dtype.kind == "O" and (what.startswith(NUMBERS) or not _is_bytes(array)):
        try:
            lists = array.ndim == 1 and len(array) > 0 and isinstance(array[0], (list, tuple, np.ndarray))
            text = not lists and not what.startswith(NUMBERS) and all(isinstance(value, str) for value in array.flat)
            array = np.stack([np.asarray(row) for row in array]) if lists else array.astype(str if text else "float32")
        except (TypeError, ValueError):
            raise TypeError(
                f"{what} holds objects that are no numbers, such as {array.reshape(-1)[:1]!r}. Turn text into numbers "
                "first (StringLookup, TextVectorization), and fill missing values."
            ) from None
    if array.dtype.kind in "SU" and what.startswith(NUMBERS):
        raise TypeError(
            f"{what} holds text, such as {array.reshape(-1)[:1]!r}. Turn it into numbers first (StringLookup)."
        )
    if array.ndim == 0:
        raise ValueError(f"{what}: expected an array with a batch axis; received the single value {array!r}.")
    return array


def _is_bytes(array: np.ndarray) -> bool:
    """Return whether objects are text in bytes, which the layer that reads it decodes: it knows the encoding."""
    return array.size > 0 and all(isinstance(value, bytes) for value in array.flat)


class ArraySource(Source):
    """Rows of arrays of equal length, batched, shuffled each epoch by `(seed, epoch)` if asked.

    Args:
        data: tuple `(x,)`, `(x, y)` or `(x, y, sample_weight)` of nested arrays.
        batch_size: rows a batch.
        shuffle: whether each epoch has a new order.
        seed: of the orders.
        steps: batches an epoch, if fewer (or more: the data are then gone through again) than the rows give.
    """

    def __init__(self, data: Any, batch_size: int, shuffle: bool = False, seed: int = 0, steps: int | None = None):
        self.data, self.batch_size, self.shuffle, self.seed = data, batch_size, shuffle, seed
        leaves = [leaf for leaf in tree.flatten(data) if leaf is not None]
        self.rows = len(leaves[0])
        self.asked = steps
        self.steps = steps if steps is not None else -(-self.rows // batch_size)
        self.size = sum(int(np.prod(leaf.shape)) * getattr(leaf.dtype, "itemsize", 4) for leaf in leaves)
        self.read_later = any(isinstance(leaf, Rows) for leaf in leaves)
        self.resident = self.size <= RESIDENT_BYTES and not self.read_later
        self._on_device: Any = None
        self._continued: _Endless | None = None

    def host_arrays(self) -> Any:
        if self.read_later:
            return None
        engine = backends.current()
        return tree.map_structure(
            lambda a: a if a is None or isinstance(a, np.ndarray) else engine.to_numpy(a), self.data
        )

    def first_batch(self) -> Any:
        return tree.map_structure(lambda a: None if a is None else a[: self.batch_size], self.data)

    def whole_batch(self) -> int:
        return min(self.batch_size, self.rows)

    def order(self, epoch: int) -> np.ndarray | None:
        """Return the row numbers of an epoch in order, or None for their own order."""
        if not self.shuffle:
            return None
        return host_generator(self.seed * 2**32 + epoch + 1).permutation(np.arange(self.rows, dtype=np.int32))

    def feed(self, epoch: int, start: int = 0) -> Feed:
        if self.asked is None:
            return self._one_pass(epoch, start)
        if self._continued is None:
            self._continued = _Endless(self)
        self._continued.left = self.asked - start
        return self._continued

    def plan(self) -> dict[str, Any]:
        return {"rows": self.rows, "batch_size": self.batch_size, "steps": self.asked, "shuffle": self.shuffle}

    def state_dict(self) -> dict[str, Any]:
        given = self._continued.given if self._continued is not None else 0
        return {**super().state_dict(), "seed": self.seed, "given": given}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seed = state["seed"]
        self._continued = _Endless(self, state["given"]) if state["given"] else None

    def _one_pass(self, epoch: int, start: int = 0) -> Feed:
        if not self.resident:
            from tahr.trainer.sources.stream import StreamFeed

            return StreamFeed(self._host_batches(epoch, start))
        if self._on_device is None:
            engine = backends.current()
            self._on_device = tree.map_structure(lambda a: None if a is None else engine.resident(a), self.data)
        order = self.order(epoch)
        if order is None or self.size > SHUFFLED_BYTES:
            return _RowFeed(self, self._on_device, order, start)
        engine = backends.current()  # one gather an epoch is faster than one a batch
        return _RowFeed(self, engine.reorder(self._on_device, engine.tensor(order)), None, start)

    def _host_batches(self, epoch: int, start: int = 0) -> Iterator[Any]:
        order = self.order(epoch)
        for row in range(start * self.batch_size, self.rows, self.batch_size):
            part = slice(row, row + self.batch_size)
            picked = part if order is None else np.sort(order[part])  # sorted: reads of files stay in order
            batch = tree.map_structure(lambda a: None if a is None else a[picked], self.data)  # noqa: B023
            yield self.guarded(batch, f"Batch {row // self.batch_size} of epoch {epoch + 1}, from 0")

    def batches(self) -> Iterator[Any]:
        yield from self._host_batches(-1) if not self.shuffle else ArraySource(self.data, self.batch_size).batches()


class _RowFeed(Feed):
    """Chunks of device-resident rows: as many batches as asked for in one.

    The last short one is by itself, or filled up with rows before it.
    """

    def __init__(self, source: ArraySource, data: Any, order: np.ndarray | None, start: int):
        self.data, self.size = data, source.batch_size
        self.order = None if order is None else backends.current().tensor(order)
        self.full, self.rest = divmod(source.rows, self.size)
        self.position = start

    def take(self, count: int) -> Chunk | None:
        arrays = {"data": self.data, "order": self.order}
        filled = bool(self.whole and self.full and self.rest)
        if self.position < self.full + filled:
            start, self.position = self.position, min(self.position + count, self.full + filled)
            key = ("rows", self.size, "counted") if filled else ("rows", self.size)
            fetch = (_fetch_filled if filled else _fetch_rows)(self.size)
            return Chunk(key, arrays, start, self.position, fetch, self.size)
        if self.position == self.full and self.rest:
            self.position += 1
            return Chunk(("rows", self.rest), arrays, 0, 1, _fetch_rows(self.rest), self.rest, self.full * self.size)
        return None


def _fetch_rows(size: int) -> Any:
    def fetch(arrays: Any, index: Any, offset: Any) -> Any:
        engine = backends.current()
        start = index * size + offset
        return tree.map_structure(
            lambda a: None if a is None else engine.rows(a, arrays["order"], start, size), arrays["data"]
        )

    return fetch


def _fetch_filled(size: int) -> Any:
    """Return a function for batches of `size` rows, the last of which begins with rows of the one before."""
    fetch_rows = _fetch_rows(size)

    def fetch(arrays: Any, index: Any, offset: Any) -> Any:
        wanted = index * size
        start = ops.minimum(wanted, row_count(arrays["data"]) - size)
        return Filled(fetch_rows(arrays, 0, start), ops.arange(size) + start >= wanted)

    return fetch


class _Endless(Feed):
    """Passes over the data one after the other, cut into epochs of a given number of batches."""

    left = 0

    def __init__(self, source: ArraySource, given: int = 0):
        self.source, self.given = source, given
        self.passes, start = divmod(given, -(-source.rows // source.batch_size))
        self.inner = source._one_pass(self.passes, start)

    def take(self, count: int) -> Chunk | None:
        if self.left <= 0:
            return None
        chunk = self._take(count)
        if chunk is None:
            self.passes += 1
            self.inner = self.source._one_pass(self.passes)
            chunk = self._take(count)
        if chunk is not None:
            self.left -= chunk.batches
            self.given += chunk.batches
        return chunk

    def _take(self, count: int) -> Chunk | None:
        self.inner.whole = self.whole
        return self.inner.take(min(count, self.left))
