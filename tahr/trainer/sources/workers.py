"""Workers that compute batches by index ahead of training: threads, or processes with arrays in shared memory."""

import contextlib
import multiprocessing
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

from tahr import tree

__all__ = ["Workers", "item", "noting"]

SHARED_BYTES = 2**16  # smaller arrays go through the pipe


class Workers:
    """Some threads or processes at work on the batches of a data set.

    Args:
        dataset: has `__getitem__`, or `batch_at(epoch, index)`.
        count: how many.
        processes: whether they are processes. Each has the data set as it is now.
    """

    def __init__(self, dataset: Any, count: int, processes: bool):
        self.dataset, self.processes = dataset, processes
        if processes:
            resource_tracker.ensure_running()  # before the fork: else each worker has one, which warns of lost memory
        self.pool: Executor = (
            ProcessPoolExecutor(count, _context(), _begin, (dataset,)) if processes else ThreadPoolExecutor(count)
        )
        self.open: set[Future[Any]] = set()

    def submit(self, epoch: int, index: int) -> Future[Any]:
        """Have a batch computed."""
        try:
            with _quiet_fork():
                future = (
                    self.pool.submit(_work, epoch, index)
                    if self.processes
                    else self.pool.submit(item, self.dataset, epoch, index)
                )
        except BrokenProcessPool as error:
            raise self._died(index) from error
        self.open.add(future)
        return future

    def result(self, future: Future[Any], index: int) -> Any:
        """Return a batch, or raise what was raised when it was computed.

        Raises:
            RuntimeError: if a process came to its end meanwhile.
        """
        self.open.discard(future)
        try:
            return _unpacked(future.result())
        except BrokenProcessPool as error:
            raise self._died(index) from error

    def _died(self, index: int) -> RuntimeError:
        name = type(self.dataset).__name__
        return RuntimeError(
            f"A worker process of {name} came to a sudden end while batch {index} was waited for. It was killed, ran "
            f"out of memory, or crashed in `{name}.__getitem__`; try use_multiprocessing=False to see where."
        )

    def close(self) -> None:
        """Let go of the workers, and of what they still compute."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        for future in self.open:
            future.add_done_callback(_thrown_away)


def item(dataset: Any, epoch: int, index: int) -> Any:
    """Return a batch; a data set may make it from the pass at work, too, which workers are never in doubt about."""
    with noting(f"{type(dataset).__name__}[{index}]"):
        return dataset.batch_at(epoch, index) if hasattr(dataset, "batch_at") else dataset[index]


@contextlib.contextmanager
def noting(place: str) -> Iterator[None]:
    """A scope whose errors say where they were raised.

    >>> from tahr.trainer.sources.workers import noting
    >>> try:
    ...     with noting("sample 3"):
    ...         int("three")
    ... except ValueError as error:
    ...     print(error.__notes__)
    ['Raised by sample 3.']
    """
    try:
        yield
    except Exception as error:
        error.add_note(f"Raised by {place}.")
        raise


def _context() -> Any:
    """Return the way to start processes: by a fork where there is one, since then programs need no main guard."""
    return multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else None)


@contextlib.contextmanager
def _quiet_fork() -> Iterator[None]:
    with warnings.catch_warnings():  # workers run no framework, whose threads the warnings are about
        warnings.filterwarnings("ignore", ".*fork", RuntimeWarning)
        warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
        yield


# ---- in the worker --------------------------------------------------------------------------------------------------

_dataset: Any = None


class _Shared:
    """Where an array is in shared memory; an object of its own, so that it counts as one leaf of a structure."""

    def __init__(self, name: str, array: np.ndarray):
        self.name, self.shape, self.dtype = name, array.shape, array.dtype


def _begin(dataset: Any) -> None:
    global _dataset
    _dataset = dataset


def _work(epoch: int, index: int) -> Any:
    return tree.map_structure(_packed, item(_dataset, epoch, index))


def _packed(leaf: Any) -> Any:
    if not isinstance(leaf, np.ndarray) or leaf.nbytes < SHARED_BYTES or leaf.dtype.hasobject:
        return leaf
    memory = SharedMemory(create=True, size=leaf.nbytes)
    np.ndarray(leaf.shape, leaf.dtype, buffer=memory.buf)[...] = leaf
    memory.close()
    return _Shared(memory.name, leaf)


# ---- in the process that trains --------------------------------------------------------------------------------------


def _unpacked(batch: Any) -> Any:
    return tree.map_structure(_taken, batch)


def _taken(leaf: Any) -> Any:
    if not isinstance(leaf, _Shared):
        return leaf
    memory = SharedMemory(leaf.name)
    try:
        return np.ndarray(leaf.shape, leaf.dtype, buffer=memory.buf).copy()
    finally:
        memory.close()
        memory.unlink()


def _thrown_away(future: Future[Any]) -> None:
    if not future.cancelled() and future.exception() is None:
        _unpacked(future.result())
