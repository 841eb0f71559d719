"""Importing TensorFlow, quietly."""

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["tf"]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what TensorFlow's libraries write while they are loaded, whatever its log level, off the terminal."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _load() -> Any:
    """Import TensorFlow without the Keras beside it, which it would import for the sake of its path alone.

    That takes seconds. `tensorflow.keras` stays what it is, a module that is loaded when it is used.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # else every process is told how TensorFlow was built
    modules: dict[str, Any] = sys.modules
    if "tensorflow" in modules or "keras" in modules:
        return importlib.import_module("tensorflow")
    found = importlib.util.find_spec("keras")
    modules["keras"] = None
    try:
        with _silence():
            tensorflow: Any = importlib.import_module("tensorflow")
    finally:
        del modules["keras"]
    paths = [path for path in tensorflow.__path__ if path is not None]
    own = [str(Path(found.origin).parent / "_tf_keras")] if found is not None and found.origin is not None else []
    tensorflow.__path__ = own + paths
    return tensorflow


tf: Any = _load()
