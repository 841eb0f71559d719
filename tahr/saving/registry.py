"""Which names in a file stand for which classes and functions.

A closed registry: users' own objects by the name they registered, built-in ones by the public room that lists them.
Nothing is ever imported because a file names it.
"""

import importlib
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "register_keras_serializable",
]

# Rooms whose classes appear in files; a later one may be part of an earlier one's name, so the longest match counts.
ROOMS = (
    "activations",
    "constraints",
    "distribution",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "optimizers.schedules",
    "quantizers",
    "random",
    "regularizers",
)
TOP = {  # classes that Keras names by the package itself, and the room that has them
    "DTypePolicy": "dtype_policies",
    "FloatDTypePolicy": "dtype_policies",
    "Model": "models",
    "Sequential": "models",
}
PUBLIC = {"GroupedQueryAttention": "GroupQueryAttention"}  # classes that are listed under another name than their own
_COLUMNS = ("keras.src.layers.preprocessing.feature_space", "tahr.utils.feature_space")
UNLISTED = {  # built-in, but in no room above: the module that files name, and ours
    "Functional": ("keras.src.models.functional", "tahr.models.functional"),
    "FeatureSpace": ("keras.utils", "tahr.utils.feature_space"),
    **dict.fromkeys(("Cross", "Feature", "TFDIdentity"), _COLUMNS),
    **dict.fromkeys(
        ("Highway", "LocallyConnected1D", "LocallyConnected2D", "MaxoutDense"), ("keras.layers", "tahr.compat.layers")
    ),
}

_global: dict[str, Any] = {}
_names: dict[Any, str] = {}


class _Scopes(threading.local):
    stack: tuple[Mapping[str, Any], ...] = ()


_scopes = _Scopes()


class CustomObjectScope:
    """Make names known to deserialisation inside a `with` block.

    Args:
        custom_objects: from name to class or function.

    Raises:
        TypeError: if `custom_objects` is no mapping.

    >>> def twice(x):
    ...     return 2 * x
    >>> with keras.saving.CustomObjectScope({"twice": twice}):
    ...     keras.activations.get("twice")(3)
    6
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None):
        if custom_objects is not None and not isinstance(custom_objects, Mapping):
            raise TypeError(
                f"custom_objects: expected a dict from names to classes or functions; received {custom_objects!r}."
            )
        self.custom_objects = dict(custom_objects or {})

    def __enter__(self) -> "CustomObjectScope":
        self._outer = _scopes.stack
        _scopes.stack = (self.custom_objects, *_scopes.stack)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _scopes.stack = self._outer


custom_object_scope = CustomObjectScope


def get_custom_objects() -> dict[str, Any]:
    """Return the dict of everything registered in this process, which may be changed in place.

    >>> "nothing>like_this" in keras.saving.get_custom_objects()
    False
    """
    return _global


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """Return a decorator that makes a class or function known to files as `package>name`.

    Args:
        package: what keeps equal names of different authors apart.
        name: the name, by default the one that the class or function has.

    Raises:
        ValueError: if a class has no `get_config`.

    >>> @keras.saving.register_keras_serializable("example")
    ... class Zoom(keras.layers.Layer):
    ...     pass
    >>> keras.saving.get_registered_name(Zoom)
    'example>Zoom'
    """

    def register(thing: Any) -> Any:
        if inspect.isclass(thing) and not hasattr(thing, "get_config") and not _is_plain_data(thing):
            raise ValueError(
                f"register_keras_serializable: {thing.__name__} has no `get_config`, so its objects cannot be written. "
                "Give it a method `get_config(self)` that returns its constructor arguments as a dict."
            )
        full = f"{package}>{name or thing.__name__}"
        _global[full] = thing
        _names[thing] = full
        return thing

    return register


def _is_plain_data(cls: type) -> bool:
    import dataclasses
    import enum

    return dataclasses.is_dataclass(cls) or issubclass(cls, enum.Enum)


def get_registered_name(obj: Any) -> str:
    """Return the name that a class or function was registered under, else its own name.

    >>> keras.saving.get_registered_name(len)
    'len'
    """
    try:
        found = _names.get(obj)
    except TypeError:  # not hashable, so never registered
        found = None
    return found or obj.__name__


def get_registered_object(
    name: str, custom_objects: Mapping[str, Any] | None = None, module_objects: Mapping[str, Any] | None = None
) -> Any:
    """Return the class or function that `name` stands for, or None.

    Open scopes come first, then what is registered, then `custom_objects`, then `module_objects`.

    >>> keras.saving.get_registered_object("nothing>like_this") is None
    True
    """
    for place in (*_scopes.stack, _global, custom_objects or {}, module_objects or {}):
        if name in place:
            return place[name]
    return None


def room(name: str) -> Any:
    """Return the module `tahr.NAME`, loading it."""
    return importlib.import_module(f"tahr.{name}")


def listed(room_name: str) -> Iterator[str]:
    """Yield the public names of a room."""
    yield from room(room_name).__all__


def room_of(module: str) -> str | None:
    """Return the room that a module name belongs to, such as `layers` for `keras.src.layers.core.dense`, or None."""
    parts = module.split(".")
    if parts[0] not in ("keras", "tahr"):
        return None
    inner = parts[2:] if parts[1:2] == ["src"] else parts[1:]
    path = ".".join(inner[2:] if inner[0:1] == ["backend"] and len(inner) > 2 else inner)  # Keras on torch has its own
    inside = [name for name in ROOMS if path == name or path.startswith(name + ".")]
    return max(inside, key=len) if inside else None


def public_name(cls: type) -> str:
    """Return the name that files know a class by."""
    return PUBLIC.get(cls.__name__, cls.__name__) if cls.__module__.startswith("tahr.") else cls.__name__


def public_place(cls: type) -> tuple[str, str | None] | None:
    """Return `(module, registered_name)` as files name a built-in class, or None for anybody else's class."""
    name = public_name(cls)
    if not cls.__module__.startswith("tahr."):
        return None
    if name in UNLISTED and cls.__module__ == UNLISTED[name][1]:
        return UNLISTED[name][0], None if UNLISTED[name][0] == "keras.utils" else name
    inside = room_of(cls.__module__)
    if inside is None or getattr(room(inside), name, None) is not cls:
        return None
    if TOP.get(name) == inside:
        return "keras", None
    schedules = inside == "optimizers" and name in room("optimizers.schedules").__all__
    return ("keras.optimizers.schedules" if schedules else f"keras.{inside}"), None


def builtin_class(module: str | None, name: str) -> type | None:
    """Return the built-in class that a file calls `module`, `name`, or None."""
    if module is None:
        return None
    if name in UNLISTED and module in (UNLISTED[name][0], "keras.models", "keras"):
        return getattr(importlib.import_module(UNLISTED[name][1]), name)
    if module in ("keras", "tahr"):
        inside = TOP.get(name) or "layers"
    else:
        inside = room_of(module)
    name = PUBLIC.get(name, name)
    if inside is None or name not in room(inside).__all__:
        return None
    found = getattr(room(inside), name)
    return found if inspect.isclass(found) and hasattr(found, "from_config") else None


def builtin_function(name: str) -> Callable[..., Any] | None:
    """Return the built-in activation, loss, metric function or operation of that name, or None."""
    for inside in ("activations", "losses", "metrics"):
        place = room(inside)
        if name in place.__all__ and not inspect.isclass(getattr(place, name)):
            return getattr(place, name)
    from tahr.arithmetic import OPERATIONS

    room("ops")
    return OPERATIONS.get(name)
