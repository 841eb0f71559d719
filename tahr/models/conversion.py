"""Models that go over to another backend, with all that is saved of them."""

import copy
from typing import Any

from tahr import backends, config, random

__all__ = ["to_backend"]


def to_backend(model: Any, name: str) -> Any:
    """Return a copy of a model on another backend, which becomes that of the process.

    Raises:
        ImportError: if its framework is not installed.
        ValueError: if there is no such backend.
    """
    if name not in config.BACKENDS:
        raise ValueError(f"to_backend: expected one of {', '.join(config.BACKENDS)}; received {name!r}.")
    before = backends.current()
    homes = {id(v.backend): v.backend for v in model.variables}
    backends.switch(name)
    try:
        # variables are copied by way of NumPy; those of the copy are then told that they are of the other backend
        found = copy.deepcopy(model, dict.fromkeys(homes, backends.current()))
    except BaseException:
        backends.switch(before.name)
        raise
    random.forget_shared()
    return found
