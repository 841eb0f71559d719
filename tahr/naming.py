"""Automatic names (`dense`, `dense_1`, ...) and the scopes that paths are made of."""

import re
import threading
from collections import Counter
from types import TracebackType
from typing import Any

__all__ = ["auto_name", "get_uid", "name_scope", "path_scope", "reset_uids", "snake_case"]

_counts: Counter[str] = Counter()


class _Scopes(threading.local):
    stack: tuple[tuple[str, int], ...] = ()  # names, and the `id` of what has opened each, or 0


_scopes = _Scopes()


def snake_case(name: str) -> str:
    """Return a class name in lower case with underscores between its words.

    >>> naming.snake_case("MaxPooling2D")
    'max_pooling2d'
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def get_uid(prefix: str = "") -> int:
    """Return how often a name with this prefix has been asked for, counting from 1.

    >>> first = backend.get_uid("example")
    >>> backend.get_uid("example") - first
    1
    """
    _counts[prefix] += 1
    return _counts[prefix]


def auto_name(prefix: str) -> str:
    """Return `prefix` the first time, then `prefix_1`, `prefix_2`, and so on.

    >>> naming.auto_name("never_used_before")
    'never_used_before'
    """
    count = get_uid(prefix) - 1
    return f"{prefix}_{count}" if count else prefix


def reset_uids() -> None:
    """Let automatic names count from the start again.

    >>> naming.reset_uids()
    """
    _counts.clear()


def open_name(name: str, owner: int) -> tuple[tuple[str, int], ...]:
    """Open a scope, unless `owner` has the innermost one already; return what `close_name` takes to close it."""
    outer = _scopes.stack
    if not owner or not outer or outer[-1][1] != owner:
        _scopes.stack = (*outer, (name, owner))
    return outer


def close_name(outer: tuple[tuple[str, int], ...]) -> None:
    """Close the scope that `open_name` opened when it returned `outer`."""
    _scopes.stack = outer


class name_scope:
    """Put `name/` before the paths of variables made inside a `with` block.

    >>> with keras.name_scope("encoder"):
    ...     print(keras.Variable([0.0], name="scale").path)
    encoder/scale
    """

    __slots__ = ("_outer", "name", "owner")

    def __init__(self, name: str, owner: Any = None):
        if not isinstance(name, str) or not name or "/" in name:
            raise ValueError(f"name_scope: expected a non-empty name without '/'; received {name!r}.")
        self.name, self.owner = name, id(owner) if owner is not None else 0

    def __enter__(self) -> "name_scope":
        self._outer = open_name(self.name, self.owner)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        close_name(self._outer)


class path_scope(name_scope):
    """Make `name` the whole of the current path, whatever scopes are open.

    >>> with keras.name_scope("model"), naming.path_scope("mean"):
    ...     print(keras.Variable(0.0, name="total").path)
    mean/total
    """

    __slots__ = ()

    def __enter__(self) -> "path_scope":
        self._outer = _scopes.stack
        _scopes.stack = ((self.name, 0),)
        return self


def current_path() -> str:
    """Return the names of the open scopes, joined by `/`."""
    return "/".join([name for name, _ in _scopes.stack])
