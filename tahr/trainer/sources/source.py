"""`Source` and `Chunk`: what the training loop asks of any kind of data."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tahr import backends, ops, tree

__all__ = ["Chunk", "Feed", "Filled", "Source", "Timed", "leading", "row_count"]


class Filled(NamedTuple):
    """A batch with rows that do not count: a mask says which do."""

    batch: Any
    counts: Any


def row_count(batch: Any) -> int:
    """Return the rows of a batch of nested arrays (or None)."""
    return next(a for a in tree.flatten(batch) if a is not None).shape[0]


def leading(fetch: Callable[..., Any]) -> Callable[..., Any]:
    """Return `fetch` for batches of which the first `offset` rows count."""

    def fetch_filled(arrays: Any, index: Any, offset: Any) -> Any:
        batch = fetch(arrays, index, 0)
        return Filled(batch, ops.arange(row_count(batch)) < offset)

    return fetch_filled


class Chunk:
    """Some batches of one shape, ready for one dispatch.

    Attributes:
        key: names the way batches are cut, so that functions compiled for it can be found again.
        arrays: nested arrays that `fetch` cuts from.
        start, stop: the batches are those of index start up to stop.
        offset: passed to `fetch`.
        fetch: function of (arrays, index, offset) that returns a batch; it is traced.
        rows: number of rows of a batch.
        longer: function of a number of rows that returns the same with the last row of its batch repeated up to it;
            None where nobody asks for it.
    """

    __slots__ = ("arrays", "fetch", "key", "longer", "offset", "rows", "start", "stop")

    def __init__(
        self,
        key: Any,
        arrays: Any,
        start: int,
        stop: int,
        fetch: Callable[..., Any],
        rows: int,
        offset: int = 0,
        longer: Callable[[int], "Chunk"] | None = None,
    ):
        self.key, self.arrays, self.start, self.stop = key, arrays, start, stop
        self.fetch, self.rows, self.offset, self.longer = fetch, rows, offset, longer

    @property
    def batches(self) -> int:
        return self.stop - self.start

    def part(self, start: int, stop: int) -> "Chunk":
        """Return the batches of index `start` up to `stop` alone."""
        return Chunk(self.key, self.arrays, start, stop, self.fetch, self.rows, self.offset)

    def batch(self, index: int) -> Any:
        """Return the batch of an index as arrays of the backend."""
        engine = backends.current()
        found = self.fetch(self.arrays, index, self.offset)
        found = found.batch if isinstance(found, Filled) else found
        return tree.map_structure(lambda a: None if a is None else engine.tensor(a), found)

    def counted(self, rows: int) -> "Chunk":
        """Return the chunk with the first `rows` of its rows counting alone."""
        return Chunk((*self.key, "counted"), self.arrays, self.start, self.stop, leading(self.fetch), self.rows, rows)


class Feed:
    """The chunks of one epoch.

    Attributes:
        whole: rows of a batch to which a last one with fewer is filled up, with a mask in all; 0 means that none is.
    """

    whole = 0

    def take(self, count: int) -> Chunk | None:
        """Return the next chunk, of at most `count` batches, or None at the end."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop reading ahead."""


class Timed(Feed):
    """A feed that notes how long one waits for it.

    Attributes:
        waited: seconds.
    """

    def __init__(self, inner: Feed):
        self.inner, self.waited = inner, 0.0

    def take(self, count: int) -> Chunk | None:
        began = time.perf_counter()
        chunk = self.inner.take(count)
        self.waited += time.perf_counter() - began
        return chunk

    def close(self) -> None:
        self.inner.close()


class Source:
    """Data that can be gone through epoch by epoch.

    Attributes:
        steps: batches an epoch, or None if unknown.
        guard: looks at each batch that is read later, or None.
    """

    steps: int | None = None
    guard: Callable[[Any], None] | None = None

    def guarded(self, batch: Any, place: str) -> Any:
        """Return a batch that the guard has nothing against.

        Raises:
            ValueError: if it has, with the `place` of the batch.
        """
        if self.guard is not None:
            try:
                self.guard(batch)
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from None
        return batch

    def feed(self, epoch: int, start: int = 0) -> Feed:
        """Return the chunks of an epoch after its first `start` batches; the order depends on seed and epoch alone."""
        raise NotImplementedError

    def first_batch(self) -> Any:
        """Return a batch on the host, `(x, y, sample_weight)` as far as there are, without using it up."""
        raise NotImplementedError

    def whole_batch(self) -> int:
        """Return the rows of a batch that is none of fewer rows at the end."""
        return row_count(self.first_batch())

    def plan(self) -> dict[str, Any]:
        """Return what a place in the middle of the data depends on, by names for people."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return where it is between two batches, as numbers and text."""
        return {"plan": self.plan()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the place that `state_dict` told, in data that are the same."""

    def check_state(self, state: dict[str, Any], middle: bool, where: str) -> None:
        """Refuse the state of other data; `middle` says whether it is from the middle of an epoch.

        Raises:
            ValueError: if batches would be left out, or come twice.
        """
        if (middle or state.get("given")) and state["plan"] != self.plan():
            raise ValueError(
                f"{where}: was written within data of {_listed(state['plan'])}; here are data of "
                f"{_listed(self.plan())}. Pass the same data, or remove the folder to train from the start."
            )

    def epoch_end(self) -> None:
        """Note that an epoch is over."""

    def close(self) -> None:
        """Stop reading ahead."""

    def host_arrays(self) -> Any:
        """Return all the data as `(x, y, sample_weight)` NumPy arrays if they are in memory, else None."""
        return None

    def batches(self) -> Iterator[Any]:
        """Yield the batches of one epoch on the host, in order."""
        raise NotImplementedError


def _listed(plan: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in plan.items())
