"""Whether derivatives are taken forwards, in which fused loops, made for the way back, have no part."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["forward_mode", "is_forward"]


class _Mode(threading.local):
    depth = 0


_mode = _Mode()


@contextmanager
def forward_mode() -> Iterator[None]:
    """A scope in which loops are left to the cells inside."""
    _mode.depth += 1
    try:
        yield
    finally:
        _mode.depth -= 1


def is_forward() -> bool:
    """Return whether such a scope is open in this thread."""
    return _mode.depth > 0
