"""The only global settings: float type, fuzz factor, image layout, backend choice, and a few switches.

They start from the first of `~/.tahr/tahr.json` and `~/.keras/keras.json` that exists (`TAHR_HOME` and `KERAS_HOME`
move these folders) and can be changed by the functions here.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tahr.dtype_policies.policy import dtype_policy, set_dtype_policy

BACKENDS = ("jax", "torch", "tensorflow", "numpy")
_FLOATS = ("float16", "bfloat16", "float32", "float64")

__all__ = [
    "backend",
    "disable_flash_attention",
    "disable_interactive_logging",
    "disable_traceback_filtering",
    "dtype_policy",
    "enable_flash_attention",
    "enable_interactive_logging",
    "enable_traceback_filtering",
    "enable_unsafe_deserialization",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_flash_attention_enabled",
    "is_interactive_logging_enabled",
    "is_nnx_enabled",
    "is_traceback_filtering_enabled",
    "max_epochs",
    "max_steps_per_epoch",
    "set_backend",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_max_epochs",
    "set_max_steps_per_epoch",
]


def home() -> Path:
    """Return the folder of tahr's own settings and caches, `TAHR_HOME` or `~/.tahr`."""
    return Path(os.environ.get("TAHR_HOME") or Path.home() / ".tahr")


def keras_home() -> Path:
    """Return the folder where Keras keeps its settings and data sets, `KERAS_HOME` or `~/.keras`."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")


def _read_settings() -> tuple[dict[str, Any], Path]:
    for path in (home() / "tahr.json", keras_home() / "keras.json"):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            print(f"tahr: ignoring the settings file {path}: {error}", file=sys.stderr)
            continue
        if isinstance(found, dict):
            return found, path
        print(f"tahr: ignoring the settings file {path}: expected a JSON object", file=sys.stderr)
    return {}, Path("none")


_state: dict[str, Any] = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "backend": None,
    "interactive_logging": True,
    "traceback_filtering": True,
    "flash_attention": None,
    "max_epochs": None,
    "max_steps_per_epoch": None,
}


def floatx() -> str:
    """Return the name of the default float type, `"float32"` unless set otherwise.

    >>> config.floatx()
    'float32'
    """
    return _state["floatx"]


def set_floatx(value: str) -> None:
    """Set the default float type; `"float64"` also keeps 64-bit integers and floats as they are.

    Raises:
        ValueError: if `value` is not `"float16"`, `"bfloat16"`, `"float32"` or `"float64"`.

    >>> config.set_floatx("float32")
    """
    if value not in _FLOATS:
        raise ValueError(f"set_floatx: expected one of {', '.join(_FLOATS)}; received {value!r}.")
    _state["floatx"] = value
    for forget in _type_caches:
        forget()


_type_caches: list[Any] = []


def on_floatx_change(forget: Any) -> None:
    """Note a function to call when the default float type changes, such as one that empties a cache of types."""
    _type_caches.append(forget)


def epsilon() -> float:
    """Return the small number that keeps divisions and logarithms finite.

    >>> config.epsilon()
    1e-07
    """
    return _state["epsilon"]


def set_epsilon(value: float) -> None:
    """Set the small number that keeps divisions and logarithms finite.

    >>> config.set_epsilon(1e-7)
    """
    _state["epsilon"] = float(value)


def image_data_format() -> str:
    """Return where images keep their channels by default, `"channels_last"` or `"channels_first"`.

    >>> config.image_data_format()
    'channels_last'
    """
    return _state["image_data_format"]


def set_image_data_format(data_format: str) -> None:
    """Set where images keep their channels by default.

    Raises:
        ValueError: if `data_format` is not `"channels_last"` or `"channels_first"`.

    >>> config.set_image_data_format("channels_last")
    """
    _state["image_data_format"] = standardize_data_format(data_format)


def standardize_data_format(data_format: str | None) -> str:
    """Return `data_format` in lower case, or the default for None; refuse anything else.

    >>> config.standardize_data_format(None)
    'channels_last'
    """
    if data_format is None:
        return _state["image_data_format"]
    name = str(data_format).lower()
    if name not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format: expected 'channels_last' or 'channels_first'; received {data_format!r}.")
    return name


def backend() -> str:
    """Return the name of the backend of this process.

    It is the first of `TAHR_BACKEND`, `KERAS_BACKEND`, the settings file and the first installed framework, and
    does not change once an operation has run.

    Raises:
        ValueError: if the chosen name is none of jax, torch, tensorflow, numpy.
        ImportError: if the chosen framework is not installed.

    >>> config.backend() in ("jax", "torch", "tensorflow", "numpy")
    True
    """
    if _state["backend"] is None:
        _state["backend"] = _choose_backend()
    return _state["backend"]


def set_backend(backend: str) -> None:
    """Choose the backend of this process, before anything has run on another one.

    Raises:
        ValueError: if the name is unknown.
        RuntimeError: if another backend is already in use.

    >>> config.set_backend(config.backend())
    """
    if backend == _state["backend"]:
        return
    name = _check_backend(backend, "set_backend")
    loaded = sys.modules.get("tahr.backends")
    if loaded is not None and loaded.loaded():
        raise RuntimeError(
            f"set_backend: this process already computes on {loaded.loaded()!r}, and objects of two backends cannot "
            f"mix. Set the environment variable TAHR_BACKEND={backend} (or call set_backend first thing) instead."
        )
    _state["backend"] = name


def _choose_backend() -> str:
    for source in ("TAHR_BACKEND", "KERAS_BACKEND"):
        if name := os.environ.get(source):
            return _check_backend(name, source)
    name = _settings.get("backend")
    if name and (_settings_file.name == "tahr.json" or _is_available(name)):
        return _check_backend(name, str(_settings_file))
    return next(name for name in BACKENDS if _is_available(name))  # Keras writes its file by itself, so it may not fit


def _is_available(name: str) -> bool:
    written = (Path(__file__).parent / "backends" / name).is_dir()
    return name in BACKENDS and written and importlib.util.find_spec(name) is not None


def _check_backend(name: str, source: str) -> str:
    if name not in BACKENDS:
        raise ValueError(f"{source}: expected a backend of {', '.join(BACKENDS)}; received {name!r}.")
    if not _is_available(name):
        if importlib.util.find_spec(name) is not None:
            raise ImportError(f"{source} asks for the {name} backend, which this version of tahr does not have yet.")
        raise ImportError(
            f"{source} asks for the {name} backend, but {name} is not installed. "
            f"Install it with: pip install 'tahr[{name}]'"
        )
    return name


def is_interactive_logging_enabled() -> bool:
    """Return whether progress goes to the terminal rather than to `logging`.

    >>> config.is_interactive_logging_enabled()
    True
    """
    return _state["interactive_logging"]


def enable_interactive_logging() -> None:
    """Show progress on the terminal.

    >>> config.enable_interactive_logging()
    """
    _state["interactive_logging"] = True


def disable_interactive_logging() -> None:
    """Send progress to `logging` instead of the terminal.

    >>> config.disable_interactive_logging()
    >>> config.enable_interactive_logging()
    """
    _state["interactive_logging"] = False


def is_traceback_filtering_enabled() -> bool:
    """Return whether tracebacks leave out the library's own frames.

    >>> config.is_traceback_filtering_enabled()
    True
    """
    return _state["traceback_filtering"]


def enable_traceback_filtering() -> None:
    """Leave the library's own frames out of tracebacks.

    >>> config.enable_traceback_filtering()
    """
    _state["traceback_filtering"] = True


def disable_traceback_filtering() -> None:
    """Show the library's own frames in tracebacks.

    >>> config.disable_traceback_filtering()
    >>> config.enable_traceback_filtering()
    """
    _state["traceback_filtering"] = False


def is_flash_attention_enabled() -> bool | None:
    """Return True or False as set, or None where the backend may choose.

    >>> config.is_flash_attention_enabled() is None
    True
    """
    return _state["flash_attention"]


def enable_flash_attention() -> None:
    """Ask for flash attention wherever the backend has it.

    >>> config.enable_flash_attention()
    """
    _state["flash_attention"] = None


def disable_flash_attention() -> None:
    """Never use flash attention.

    >>> config.disable_flash_attention()
    >>> config.enable_flash_attention()
    """
    _state["flash_attention"] = False


def is_nnx_enabled() -> bool:
    """Return whether variables are Flax NNX variables, which tahr does not use.

    >>> config.is_nnx_enabled()
    False
    """
    return False


def max_epochs() -> int | None:
    """Return the number of epochs no `fit` exceeds, or None for no limit.

    >>> config.max_epochs() is None
    True
    """
    return _state["max_epochs"]


def set_max_epochs(max_epochs: int | None) -> None:
    """Limit the epochs of every `fit`; None lifts the limit.

    >>> config.set_max_epochs(None)
    """
    _state["max_epochs"] = max_epochs


def max_steps_per_epoch() -> int | None:
    """Return the number of steps that no epoch exceeds, or None for no limit.

    >>> config.max_steps_per_epoch() is None
    True
    """
    return _state["max_steps_per_epoch"]


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Limit the steps of every epoch; None lifts the limit.

    >>> config.set_max_steps_per_epoch(None)
    """
    _state["max_steps_per_epoch"] = max_steps_per_epoch


def enable_unsafe_deserialization() -> None:
    """Warn that there is no such thing: files are data, and code in them is never run.

    Keras runs the lambda functions that files hold after this call. Here, name a function and register it with
    `keras.saving.register_keras_serializable`, or pass it as `custom_objects` when loading.

    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     config.enable_unsafe_deserialization()
    >>> len(seen)
    1
    """
    import warnings

    warnings.warn(
        "enable_unsafe_deserialization changes nothing: code in model files is never run. Register the functions that "
        "a model needs with keras.saving.register_keras_serializable, or pass them as custom_objects when loading.",
        stacklevel=2,
    )


def __getattr__(name: str) -> Any:
    if name not in ("dtype_policy", "set_dtype_policy"):
        raise AttributeError(f"tahr.config has no {name!r}.")
    from tahr.dtype_policies import policy  # policies are built on settings, so not before they are asked for

    return getattr(policy, name)


_settings, _settings_file = _read_settings()
for _name, _set in (("floatx", set_floatx), ("epsilon", set_epsilon), ("image_data_format", set_image_data_format)):
    if _name in _settings:
        _set(_settings[_name])
