"""Where operations run: one small folder a framework. The backend is chosen once a process."""

import importlib
import sys
import threading
from collections.abc import Callable
from typing import Any

from tahr import config

__all__ = ["current", "graph_of", "load", "loaded", "switch", "when_started", "wrap"]

_current: Any = None
_lock = threading.RLock()
_listeners: list[Callable[[Any], None]] = []


def current() -> Any:
    """Return the backend of this process, loading its framework at the first call."""
    return _current or _start()


def _start() -> Any:
    global _current
    with _lock:
        if _current is None:
            _current = load(config.backend())
            for tell in _listeners:
                tell(_current)
        return _current


def switch(name: str) -> None:
    """Make another backend that of this process; variables of the one before cannot be read until it is back.

    Raises:
        ImportError: if its framework is not installed.
    """
    global _current
    with _lock:
        old, new = current(), load(name)
        if new is old:
            return
        old.rest(f"model.to_backend({name!r})")
        new.wake()
        _current = new
        config._state["backend"] = new.name
        for tell in _listeners:
            tell(new)


def when_started(tell: Callable[[Any], None]) -> None:
    """Call `tell(backend)` as soon as there is a current backend, which may be at once, and when another becomes it."""
    with _lock:
        _listeners.append(tell)
        if _current is not None:
            tell(_current)


def load(name: str) -> Any:
    """Return the backend called `name`, whether or not it is the current one.

    Raises:
        ImportError: if its framework is not installed.
    """
    try:
        return importlib.import_module(f"tahr.backends.{name}").backend
    except ImportError as error:
        if error.name and error.name.split(".")[0] == name:
            raise ImportError(
                f"The {name} backend needs {name}. Install it with: pip install 'tahr[{name}]'"
            ) from error
        raise


def loaded() -> str | None:
    """Return the name of the current backend if its framework has been loaded, else None."""
    return _current.name if _current is not None else None


def wrap(namespace: Any) -> Any:
    """Return a backend over any library that speaks the array-API standard, such as `array_api_strict`.

    Raises:
        TypeError: if the namespace does not say that it does.
    """
    from tahr.backends import array_api

    return array_api.wrap(namespace)


def graph_of(structure: Any, needs_values: str | None = None) -> Any:
    """Return what runs functions of the host in the graph that tensors belong to, None if there is none, or no need.

    There is need in the graph of another framework than the one in use; in that of the one in use if `needs_values` is
    `"always"`, or `"unknown"` and a size is, or `"wide"` and there are whole numbers of 64 bits.
    """
    if "tensorflow" not in sys.modules or (needs_values is None and loaded() == "tensorflow"):
        return None
    if loaded() == "torch" and current().compiling():  # into a graph of its own, where there are no other tensors
        return None
    from tahr.backends.tensorflow.beside import guests

    found = guests.symbols_in(structure)
    if not found or (loaded() == "tensorflow" and not guests.is_needed(needs_values, found)):
        return None
    return guests
