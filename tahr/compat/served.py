"""`import keras` and `import tensorflow` answered by tahr, inside one process."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Sequence
from typing import Any

from tahr import backends, config
from tahr.compat.names import NAMES, old_name
from tahr.saving.model_file import KERAS_FORMAT

__all__ = ["serve", "views"]

_LAYERS = ("advanced_activations", "attention", "convolutional", "convolutional_recurrent", "core", "cudnn_recurrent",
           "embeddings", "experimental", "experimental.preprocessing", "local", "merge", "noise", "normalization",
           "pooling", "preprocessing", "recurrent", "wrappers")  # fmt: skip
_UTILS = ("data_utils", "generic_utils", "io_utils", "layer_utils", "np_utils", "vis_utils", "visualize_util")
_ENGINE = ("base_layer", "input_layer", "network", "sequential", "topology", "training")

# A module below `keras` -> the module of tahr that it is a view of.
_VIEWS = {
    **{f"layers.{name}": "tahr.layers" for name in _LAYERS},
    **{f"utils.{name}": "tahr.utils" for name in _UTILS},
    **{f"engine.{name}": "tahr.compat.engine" for name in _ENGINE},
    "engine": "tahr.compat.engine",
    "initializations": "tahr.initializers",
    "legacy": "tahr.legacy",
    "legacy.interfaces": "tahr.compat.interfaces",
    "mixed_precision.experimental": "tahr.mixed_precision",
    "objectives": "tahr.losses",
    "wrappers.scikit_learn": "tahr.compat.scikit_learn",
}  # fmt: skip
# What another object serves better under an old name: `Convolution2D(32, 3, 3)` had a kernel of 3 x 3.
_INSTEAD = {
    "layers": {name: f"tahr.compat.layers:{name}" for name in ("Convolution1D", "Convolution2D", "Convolution3D")},
    "optimizers": {"Optimizer": "tahr.compat.optimizers:Optimizer"},
}
_KERAS_IN_TENSORFLOW = ("tensorflow.keras", "tensorflow.python.keras", "tensorflow.compat.v1.keras",
                        "tensorflow.contrib.keras")  # fmt: skip


class _Served(types.ModuleType):
    """A module of Keras as a view of one of tahr."""

    def __init__(self, name: str, inner: str):
        super().__init__(name)
        self.__dict__["_inner"] = inner  # the name below `keras`
        self.__dict__["_target"] = _target(inner)
        if not inner:
            self.__dict__["__version__"] = KERAS_FORMAT

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [n for n in dir(self) if not n.startswith("_")]
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        room = _room_of(self._target)
        instead = _INSTEAD.get(room, {}).get(name)
        if instead is not None:
            module, _, attribute = instead.partition(":")
            return getattr(importlib.import_module(module), attribute)
        inner = f"{self._inner}.{name}" if self._inner else name
        if _exists(inner) and (inner in _VIEWS or not _is_plain(self._target, name)):
            return importlib.import_module(f"{self.__name__}.{name}")
        found = importlib.import_module(self._target)
        if isinstance(found.__dict__.get(name), types.ModuleType):  # a file of tahr, not a name that it offers
            return old_name(room, name)
        return getattr(found, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Merge layers: `keras.layers.merge` was a function in Keras 1, and a module in Keras 2."""
        if self._inner != "layers.merge":
            raise TypeError(f"module {self.__name__!r} is not callable")
        from tahr.compat.layers import merge

        return merge(*args, **kwargs)

    def __dir__(self) -> list[str]:
        found = importlib.import_module(self._target)
        return sorted({*found.__all__, *NAMES.get(_room_of(self._target), {}), *_INSTEAD.get(self._inner, {})})


def views() -> dict[str, str]:
    """Return the modules below `keras` that are views of modules of tahr, with these."""
    return _VIEWS


def _is_plain(target: str, name: str) -> bool:
    """Return whether a module offers something that is no module under a name."""
    module = importlib.import_module(target)
    return name in module.__all__ and not isinstance(getattr(module, name), types.ModuleType)


def _room_of(target: str) -> str:
    return target.removeprefix("tahr").removeprefix(".")


def _target(inner: str) -> str:
    return _VIEWS.get(inner) or (f"tahr.{inner}" if inner else "tahr")


def _exists(inner: str) -> bool:
    """Return whether a module below `keras` is served: one of the views, or one that tahr offers."""
    if not inner or inner in _VIEWS:
        return True
    room, _, name = inner.rpartition(".")
    try:
        parent = importlib.import_module(_target(room))
        return name in parent.__all__ and isinstance(getattr(parent, name), types.ModuleType)
    except (ImportError, AttributeError):
        return False


def _inner_name(fullname: str) -> str | None:
    """Return what stands behind `keras` in a module's name, or None if it is none of Keras."""
    for root in ("keras", *_KERAS_IN_TENSORFLOW):
        if fullname == root:
            return ""
        if fullname.startswith(f"{root}."):
            inner = fullname[len(root) + 1 :]
            return inner.removeprefix("api._v2.keras.").removeprefix("src.")
    return None


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `keras` and `tensorflow` before the import system looks for installed ones."""

    def __init__(self, itself: bool):
        self._itself = itself  # TensorFlow computes, so all of it but its Keras is there

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> Any:
        if not _is_served(fullname, self._itself):
            return None
        inner = _inner_name(fullname)
        if inner is None and not _is_tensorflow(fullname):
            from tahr.compat.tensorflow import missing

            raise ModuleNotFoundError(missing(fullname.partition(".")[2]), name=fullname)
        if inner is not None and not _exists(inner):
            raise ModuleNotFoundError(
                f"tahr has no {fullname}: a module of that name is not served in place of Keras's.", name=fullname
            )
        spec = importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        spec.submodule_search_locations = []
        return spec

    def create_module(self, spec: Any) -> types.ModuleType:
        inner = _inner_name(spec.name)
        if inner is not None:
            return _Served(spec.name, inner)
        from tahr.compat.tensorflow import Part

        return Part(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: names are looked up when they are used."""


def _is_tensorflow(fullname: str) -> bool:
    from tahr.compat.tensorflow import is_part

    return is_part(fullname)


class serve:
    """A scope in which `import keras`, and `tensorflow.keras`, are tahr, whatever is installed.

    >>> from tahr.compat.served import serve
    >>> with serve():
    ...     from keras.layers.core import Dense
    >>> Dense is layers.Dense
    True
    """

    def __enter__(self) -> None:
        # chosen by what is installed, before `tensorflow` seems to be
        self._itself = config.backend() == "tensorflow"
        if self._itself:
            backends.current()  # takes the real one
        self._finder = _Finder(self._itself)
        self._before = self._served_now()
        for name in self._before:
            del sys.modules[name]
        sys.meta_path.insert(0, self._finder)
        if self._itself:
            self._keras = {k: v for k, v in vars(sys.modules["tensorflow"]).items() if k == "keras"}
            importlib.import_module(_KERAS_IN_TENSORFLOW[0])  # which makes it the attribute of that name

    def __exit__(self, *error: Any) -> None:
        sys.meta_path.remove(self._finder)
        for name in self._served_now():
            del sys.modules[name]
        sys.modules.update(self._before)
        if self._itself:
            vars(sys.modules["tensorflow"]).pop("keras")
            vars(sys.modules["tensorflow"]).update(self._keras)

    def _served_now(self) -> dict[str, types.ModuleType]:
        return {name: module for name, module in sys.modules.items() if _is_served(name, self._itself)}


def _is_served(fullname: str, itself: bool) -> bool:
    """Return whether a module is served; `itself` says that TensorFlow computes, and only its Keras is."""
    return _inner_name(fullname) is not None or (not itself and fullname.split(".")[0] == "tensorflow")
