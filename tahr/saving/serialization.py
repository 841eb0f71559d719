"""Objects as plain data (`{"module", "class_name", "config", "registered_name"}`) and back, in Keras 3's form."""

import dataclasses
import difflib
import enum
import inspect
import threading
from collections.abc import Callable, Mapping
from types import FunctionType, TracebackType
from typing import Any

import numpy as np

from tahr.saving import registry
from tahr.saving.errors import UnsafeFileError, UnsafeNameError, understanding
from tahr.saving.names import holds_code, is_foreign
from tahr.saving.registry import CustomObjectScope

__all__ = ["SharingScope", "deserialize_keras_object", "find", "is_serialized", "serialize_keras_object"]

_PLAIN = (bool, int, float, str, type(None))
_TAGS = ("__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__keras_tensor__", "__tuple__")


_CODE = (
    "The file holds the bytecode of a lambda, which is never run. Build the model in Python and load its weights, or "
    "replace the lambda with a function registered by @keras.saving.register_keras_serializable()."
)


class _State(threading.local):
    written: dict[int, Any] | None = None
    read: dict[Any, Any] | None = None
    safe_mode: bool = True


_state = _State()


class SharingScope:
    """Inside this scope, an object that is written twice is read back as one object."""

    def __enter__(self) -> "SharingScope":
        self._outer = _state.written
        _state.written = {} if self._outer is None else self._outer
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _state.written = self._outer


def serialize_keras_object(obj: Any) -> Any:
    """Return `obj` as data that JSON can hold and `deserialize_keras_object` reads.

    Objects with `get_config` become a dict of module, class name, config and registered name; functions are written by
    name; lists, tuples and dicts member by member; arrays with their values.

    Raises:
        TypeError: if `obj`, or something in it, cannot be written.

    >>> keras.saving.serialize_keras_object(keras.regularizers.L2(0.1))["config"]
    {'l2': 0.1}
    """
    if isinstance(obj, enum.Enum):
        return _described(obj, {"name": obj.name})
    if isinstance(obj, _PLAIN):
        return obj
    if isinstance(obj, (list, tuple)):
        members = [serialize_keras_object(member) for member in obj]
        return tuple(members) if isinstance(obj, tuple) else members
    if isinstance(obj, Mapping) and not hasattr(obj, "get_config"):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    if (written := _serialize_value(obj)) is not None:
        return written
    if inspect.isclass(obj):
        raise TypeError(_cannot(obj, "a class itself has no written form; write its name and look it up on reading"))
    if hasattr(obj, "get_config"):
        return _serialize_object(obj)
    if dataclasses.is_dataclass(obj):
        return _described(obj, {f.name: serialize_keras_object(getattr(obj, f.name)) for f in dataclasses.fields(obj)})
    if callable(obj) and hasattr(obj, "__name__"):
        return _serialize_function(obj)
    raise TypeError(
        _cannot(obj, "give its class a method `get_config` that returns the constructor's arguments as a dict")
    )


def _cannot(obj: Any, advice: str) -> str:
    return f"Cannot write {obj!r:.120} of type {type(obj).__name__} as data: {advice}."


def _serialize_value(obj: Any) -> dict[str, Any] | str | int | float | None:
    """Return the written form of an array, bytes, a slice, `...`, a data type or a symbol; None for anything else."""
    from tahr.symbolic import KerasTensor

    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, np.dtype):
        return obj.name
    if isinstance(obj, np.generic):
        return obj.item()
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, slice):
        parts = {name: serialize_keras_object(getattr(obj, name)) for name in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if isinstance(obj, KerasTensor):
        history = obj.history and [obj.history[0].operation.name, obj.history[0].index, obj.history[1]]
        return {
            "class_name": "__keras_tensor__",
            "config": {"shape": list(obj.shape), "dtype": obj.dtype, "keras_history": history},
        }
    if hasattr(obj, "shape") and hasattr(obj, "dtype") and not hasattr(obj, "get_config"):
        from tahr import backends, dtypes

        on_host = isinstance(obj, np.ndarray)
        host = obj if on_host else np.asarray(backends.current().to_numpy(getattr(obj, "value", obj)))
        kind = "__numpy__" if on_host else "__tensor__"
        return {"class_name": kind, "config": {"value": host.tolist(), "dtype": dtypes.of(obj)}}
    return None


def _serialize_function(fn: Any) -> dict[str, Any]:
    name = registry.get_registered_name(fn)
    if name == "<lambda>":
        raise TypeError(
            "Cannot write a lambda as data: files hold no code. Define a function and decorate it with "
            "@keras.saving.register_keras_serializable()."
        )
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


def _described(obj: Any, config: Any) -> dict[str, Any]:
    cls = type(obj)
    place = registry.public_place(cls)
    if place is not None:
        module, registered = place
    else:
        module, registered = cls.__module__, registry.get_registered_name(cls)
        module = None if module in ("__main__", "builtins") else module
    return {"module": module, "class_name": registry.public_name(cls), "config": config, "registered_name": registered}


def _serialize_object(obj: Any) -> dict[str, Any]:
    if (described := getattr(obj, "described_in_file", None)) is not None:  # a placeholder
        return dict(described)
    written = _described(obj, obj.get_config())
    for part, method in (("build_config", "get_build_config"), ("compile_config", "get_compile_config")):
        if hasattr(obj, method) and (config := getattr(obj, method)()) is not None:
            written[part] = serialize_keras_object(config)
    if _state.written is not None:
        known = _state.written.setdefault(id(obj), (obj, written))
        if known[1] is not written:  # numbered by first use, so that equal models give equal text
            number = known[1].setdefault("shared_object_id", _count_shared(_state.written))
            written["shared_object_id"] = number
    return written


def _count_shared(known: dict[int, Any]) -> int:
    return 1 + sum("shared_object_id" in written for _, written in known.values())


def is_serialized(config: Any) -> bool:
    """Return whether `config` is the written form of an object, rather than a plain dict."""
    return (
        isinstance(config, Mapping)
        and "class_name" in config
        and ("module" in config or "registered_name" in config or config["class_name"] in (*_TAGS, "__lambda__"))
    )


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True, **kwargs: Any
) -> Any:
    """Return what `serialize_keras_object` wrote as `config`.

    Args:
        config: the written form of an object, or nested lists and dicts of such.
        custom_objects: classes and functions by name, in addition to those registered.
        safe_mode: kept for Keras's sake; code in files is never run.

    Raises:
        TypeError: if `config` names a class or function that is neither built in nor registered.
        UnreadableFileError: if it is no description of an object.
        UnsafeFileError: if it holds code.

    >>> keras.saving.deserialize_keras_object(
    ...     {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.5}, "registered_name": None}
    ... ).l2
    0.5
    """
    module_objects = kwargs.pop("module_objects", None)
    kwargs.pop("printable_module_name", None)
    if kwargs:
        raise TypeError(f"deserialize_keras_object: unexpected arguments {sorted(kwargs)}.")
    outer = _state.read
    _state.read = {} if outer is None else outer
    try:
        with CustomObjectScope(custom_objects), understanding():
            return _read(config, module_objects)
    finally:
        _state.read = outer


def _read(config: Any, module_objects: Mapping[str, Any] | None = None) -> Any:
    if isinstance(config, str) and module_objects is not None:
        found = registry.get_registered_object(config, None, module_objects)
        return config if found is None else found() if inspect.isclass(found) else found
    if isinstance(config, (list, tuple)):
        return type(config)([_read(member) for member in config])
    if not isinstance(config, Mapping):
        return config
    if not is_serialized(config) and not (module_objects is not None and "class_name" in config):
        return {key: _read(value) for key, value in config.items()}
    name = config["class_name"]
    if name in _TAGS:
        return _read_value(name, config)
    if name == "__lambda__":
        raise UnsafeFileError(_CODE)
    if name == "function":
        return _find_function(config)
    shared = config.get("shared_object_id")
    if shared is not None and _state.read is not None and shared in _state.read:
        return _state.read[shared]
    made = _make(config, module_objects)
    if shared is not None and _state.read is not None:
        _state.read[shared] = made
    return made


def _make(config: Mapping[str, Any], module_objects: Mapping[str, Any] | None) -> Any:
    cls: Any = _find_class(config, module_objects)
    if cls is None:
        return _stand_in(config)
    inner = config.get("config") or {}
    if isinstance(inner, Mapping) and inner.get("function_type") == "lambda":
        raise UnsafeFileError(_CODE)
    if not inspect.isclass(cls):
        return cls
    made: Any
    if issubclass(cls, enum.Enum):
        return cls[inner["name"]]
    if (from_config := getattr(cls, "from_config", None)) is not None:
        made = from_config(dict(inner))
    elif dataclasses.is_dataclass(cls):
        made = cls(**{key: _read(value) for key, value in inner.items()})
    else:
        raise TypeError(f"{cls.__name__} cannot be read: give it a classmethod `from_config(cls, config)`.")
    build_config = config.get("build_config")
    if build_config and hasattr(made, "build_from_config") and not getattr(made, "built", True):
        made.build_from_config(_read(build_config))
    compile_config = config.get("compile_config")
    if compile_config and hasattr(made, "compile_from_config"):
        made.compile_from_config(compile_config)
    return made


def _read_value(name: str, config: Mapping[str, Any]) -> Any:
    inner = config.get("config", config.get("items"))
    if name == "__tuple__":
        return tuple(_read(member) for member in config.get("items", inner))
    if name == "__bytes__":
        return inner["value"].encode("utf-8")
    if name == "__ellipsis__":
        return Ellipsis
    if name == "__slice__":
        return slice(_read(inner["start"]), _read(inner["stop"]), _read(inner["step"]))
    if name == "__keras_tensor__":
        from tahr.symbolic import KerasTensor

        return KerasTensor(inner["shape"], inner["dtype"])
    if name == "__numpy__":
        from tahr.backends.backend import numpy_dtype

        name = _number_type(inner["dtype"])
        return np.array(inner["value"], dtype=name if name == "str" else numpy_dtype(name))
    from tahr import backends

    return backends.current().tensor(inner["value"], _number_type(inner["dtype"]))


def _number_type(name: Any) -> str:
    """Return the type of an array in a file: of numbers, or of texts as long as they are.

    Raises:
        UnsafeFileError: if it is none; a type may also declare any size, or Python objects.
    """
    from tahr import dtypes

    if name in ("str", "string", "object") or str(name).startswith(("<U", ">U")):
        return "str"
    try:
        return dtypes.standardize_dtype(name)
    except (TypeError, ValueError) as error:
        raise UnsafeFileError(f"The file holds an array of the type {name!r:.80}, which is none of numbers.") from error


def _find_class(config: Mapping[str, Any], module_objects: Mapping[str, Any] | None) -> Any:
    module, name, registered = config.get("module"), config["class_name"], config.get("registered_name")
    for wanted in (registered, name):
        if wanted and (found := registry.get_registered_object(wanted)) is not None:
            return found
    found = (module_objects or {}).get(name) or registry.builtin_class(module, name)
    return found


def _stand_in(config: Mapping[str, Any]) -> Any:
    """Return a placeholder for an object of an unknown class where such are asked for.

    Raises:
        TypeError: otherwise; it says what to supply.
    """
    from tahr.saving.placeholders import stand_in

    module, name = config.get("module"), config["class_name"]
    if holds_code(config):
        raise UnsafeFileError(_CODE)
    unsafe = is_foreign(module, name)
    if not unsafe and (made := stand_in(config)) is not None:
        return made
    where = f" of module {module!r}" if module else ""
    raise (UnsafeNameError if unsafe else TypeError)(
        f"Unknown class {name!r}{where}: it is neither built in nor registered. Define the class, and decorate it with "
        f"@keras.saving.register_keras_serializable() before loading, or pass custom_objects={{{name!r}: {name}}}."
    )


def _find_function(config: Mapping[str, Any]) -> Callable[..., Any]:
    name = config["config"]
    found = registry.get_registered_object(name) or registry.builtin_function(name)
    if found is None:
        from tahr.saving.placeholders import placeholder_function

        unsafe = is_foreign(None, name)
        if not unsafe and (made := placeholder_function(name)) is not None:
            return made
        plain = name.rsplit(">", 1)[-1]
        raise (UnsafeNameError if unsafe else TypeError)(
            f"Unknown function {name!r}: it is neither built in nor registered. Define it, and decorate it with "
            f"@keras.saving.register_keras_serializable() before loading, or pass custom_objects={{{name!r}: {plain}}}."
        )
    return found


def find(identifier: Any, what: str, names: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the object that a user means: a room's `get` for everything but None.

    Args:
        identifier: a name, the written form of an object, a class, or a callable.
        what: what is looked for, in words for the error.
        names: the room's classes and functions by every name they go by.
        custom_objects: more of them.

    Raises:
        ValueError: if nothing of that kind is meant.
    """
    found: Any = None
    if isinstance(identifier, Mapping) and "class_name" in identifier:
        found = deserialize_keras_object(identifier, custom_objects, module_objects=names)
    elif isinstance(identifier, str):
        found = registry.get_registered_object(identifier, custom_objects, names)
    elif _usable(identifier):
        found = identifier
    if inspect.isclass(found):
        found = found()
    if _usable(found):
        return found
    from tahr.compat.names import today_of_text

    if (today := today_of_text(identifier)) in names:
        return find(today, what, names)
    known = sorted({name for name, thing in names.items() if name.islower() or isinstance(thing, FunctionType)})
    close = difflib.get_close_matches(identifier, names, n=3) if isinstance(identifier, str) else []
    hint = f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""
    raise ValueError(
        f"Expected {what}; received {identifier!r}.{hint} Known are {', '.join(known)}; an object or function of your "
        "own is taken too."
    )


def _usable(found: Any) -> bool:
    """Return whether `found` is a function, a class, or an object with a config, such as an optimizer."""
    return callable(found) or hasattr(found, "get_config")
