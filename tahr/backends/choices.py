"""The ways that an operation can go: which one is taken and why, for who wants to see it, or to force another."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

__all__ = ["Choice", "choose", "forced", "noted", "wish"]


class Choice(NamedTuple):
    """What was chosen: the layer that it was for, the operation, the way that it goes, and the reason."""

    layer: str
    operation: str
    way: str
    reason: str


class _Current(threading.local):
    notes: "list[Choice] | None" = None
    layer: Callable[[], str] = str
    forced: dict[str, str] = {}


_current = _Current()

WAYS = {
    "attention": ("fused", "chunks", "whole"),
    "convolution": ("direct", "patches", "native"),
    "pooling": ("slices", "native"),
    "product": ("onednn", "native"),
    "recurrence": ("fused", "steps"),
}


def wish(operation: str) -> str | None:
    """Return the way that an operation is forced to go, or None."""
    return _current.forced.get(operation)


def choose(operation: str, *ways: tuple[str, bool, str]) -> str:
    """Return the first way that can be taken, or the forced one if it can, and note it.

    Each of `ways` is a name, whether it can be taken, and why it would be.
    """
    wanted = wish(operation)
    open_ways = [(name, reason) for name, can, reason in ways if can]
    way, reason = next(((name, "forced") for name, _ in open_ways if name == wanted), open_ways[0])
    if _current.notes is not None:
        _current.notes.append(Choice(_current.layer(), operation, way, reason))
    return way


@contextmanager
def noted(layer: Callable[[], str]) -> Iterator[list[Choice]]:
    """Inside this scope, the choices of this thread are added to the list; `layer` names the one that runs."""
    outer, _current.notes, _current.layer = (_current.notes, _current.layer), [], layer
    try:
        yield _current.notes
    finally:
        _current.notes, _current.layer = outer


@contextmanager
def forced(**ways: str) -> Iterator[None]:
    """Inside this scope, operations of this thread go as said wherever they can.

    What is compiled keeps the way that it was compiled with: enter the scope before the first step or prediction.

    Args:
        ways: the way of an operation: `convolution="native"`, `attention="whole"`...

    Raises:
        ValueError: for an operation or a way that there is none of.

    >>> model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3)])
    >>> with keras.utils.forced_kernels(convolution="native"):
    ...     model.predict(np.zeros((1, 8, 8, 3)), verbose=0).shape
    (1, 6, 6, 4)
    """
    for operation, way in ways.items():
        if way not in WAYS.get(operation, ()):
            raise ValueError(
                f"forced_kernels: expected {' or '.join(f'{name} among {given}' for name, given in WAYS.items())}; "
                f"received {operation}={way!r}."
            )
    outer, _current.forced = _current.forced, {**_current.forced, **ways}
    try:
        yield
    finally:
        _current.forced = outer
