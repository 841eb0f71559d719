"""The one notice about each old name."""

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["collected", "notice"]

_OWN = str(Path(__file__).parent.parent)
_said: set[str] = set()
_listeners: list[Callable[[str, str], None]] = []


def notice(old: str, today: str, once: str | None = None) -> None:
    """Warn, once a process for each `once`, that a name is of an older Keras.

    Args:
        old: the old name as a user writes it, such as `Dense(output_dim=...)`.
        today: what to write instead, as the rest of a sentence, such as `write units=...`.
        once: what is told only once; `old` itself if None.

    >>> import warnings
    >>> from tahr.compat.notices import notice
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always")
    ...     notice("an old name", "use the new one")
    ...     notice("an old name", "use the new one")
    >>> len(said) <= 1
    True
    """
    if (once or old) in _said:
        return
    _said.add(once or old)
    if _listeners:
        _listeners[-1](old, today)
        return
    warnings.warn(f"{old} is of Keras 1 or 2 and still works; today, {today}.", FutureWarning, stacklevel=_level())


@contextlib.contextmanager
def collected() -> Iterator[list[tuple[str, str]]]:
    """Gather notices in a list of (old, today) instead of warning; each is given once here, too."""
    found: list[tuple[str, str]] = []
    _listeners.append(lambda old, today: found.append((old, today)))
    before = set(_said)
    _said.clear()
    try:
        yield found
    finally:
        _said.update(before)
        _listeners.pop()


def _level() -> int:
    """Return the `stacklevel` of the first caller outside tahr."""
    frame, level = sys._getframe(2), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN):
        frame, level = frame.f_back, level + 1
    return level
