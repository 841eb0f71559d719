"""Stand-ins for classes and functions that a file names and nobody has supplied: they keep what the file says."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from tahr import tree
from tahr.layers.layer import Layer
from tahr.symbolic import KerasTensor

__all__ = ["PlaceholderLayer", "placeholder_function", "placeholders", "stand_in"]


class _State(threading.local):
    found: dict[str, str] | None = None  # names of what is unknown, with module and class, inside of `placeholders`
    shapes: Mapping[str, Any] = {}


_state = _State()


@contextmanager
def placeholders(config: Any) -> Iterator[dict[str, str]]:
    """Make unknown layers and functions of a configuration placeholders, and give what was unknown by name."""
    outer = _state.found, _state.shapes
    _state.found, _state.shapes = {}, dict(_recorded_shapes(config))
    try:
        yield _state.found
    finally:
        _state.found, _state.shapes = outer


def _recorded_shapes(config: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield names of layers with shape and type of their first output, where calls of other layers record them."""
    if isinstance(config, Mapping):
        inner = config.get("config")
        inner = inner if isinstance(inner, Mapping) else {}
        history = inner.get("keras_history")
        if history and inner.get("shape") is not None and history[2] == 0:
            yield history[0], [inner["shape"], inner.get("dtype", "float32")]
        for value in config.values():
            yield from _recorded_shapes(value)
        layers = inner.get("layers")
        for layer, following in zip(layers or (), (layers or ())[1:], strict=False):  # of a Sequential
            shape = (following.get("build_config") or {}).get("input_shape") if isinstance(following, Mapping) else None
            if shape is not None and "inbound_nodes" not in layer:
                yield layer.get("config", {}).get("name"), [shape, "float32"]
    elif isinstance(config, list):
        for value in config:
            yield from _recorded_shapes(value)


def stand_in(config: Mapping[str, Any]) -> Any:
    """Return a placeholder for a layer of an unknown class, or None where there is to be none."""
    inner = config.get("config")
    if _state.found is None or not isinstance(inner, Mapping) or "name" not in inner:
        return None
    if "build_config" not in config and "trainable" not in inner:
        return None
    name = inner["name"]
    _state.found[name] = f"{config['class_name']} of module {config.get('module')!r}"
    return PlaceholderLayer(dict(config), _state.shapes.get(name), name=name)


def placeholder_function(name: str) -> Any:
    """Return a function that only says which one is missing, or None where there is to be none."""
    if _state.found is None:
        return None
    _state.found[name] = "a function"

    def missing(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, KerasTensor) for x in args):
            return args[0]
        raise TypeError(
            f"The function {name!r} is not known. Load the model with custom_objects={{{name!r}: your_function}}."
        )

    missing.__name__ = missing.__qualname__ = name
    return missing


class PlaceholderLayer(Layer):
    """A layer of an unknown class: it keeps its configuration and weights, and cannot compute.

    Args:
        described: what the file says of the layer.
        output: shape and type of its outputs, if the file records them.
    """

    def __init__(self, described: dict[str, Any], output: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.described_in_file, self.output_signature = described, output
        self.stored: dict[str, np.ndarray] = {}
        self.built = True

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Return symbols of the recorded shape, else of that of the inputs."""
        if self.output_signature is not None:
            shape, dtype = self.output_signature
            return KerasTensor(shape, dtype if isinstance(dtype, str) else "float32", record_history=False)
        first = next(x for x in tree.flatten([args, kwargs]) if isinstance(x, KerasTensor))
        return KerasTensor(first.shape, first.dtype, record_history=False)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Raise a TypeError that says which class is missing."""
        name = self.described_in_file["class_name"]
        raise TypeError(
            f"{self.name!r} is a placeholder for a layer of the unknown class {name!r}. Load the model with "
            f"custom_objects={{{name!r}: {name}}} to use it."
        )

    def keep_stored(self, files: list[Any], path: str) -> set[str]:
        """Take all arrays that files hold for this layer, and return the groups where they were."""
        import h5py

        from tahr.saving.hdf5 import read_array

        groups: set[str] = set()

        def take(name: str, thing: Any) -> None:
            if isinstance(thing, h5py.Dataset):
                self.stored[name] = read_array(thing)
                groups.add(str(thing.parent.name))

        for file in files:
            if path in file:
                file[path].visititems(take)
        return groups

    def load_own_variables(self, store: Any) -> None:
        """Do nothing: `keep_stored` has taken everything."""

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Put back what the file held for the layer itself."""
        for name, value in self.stored.items():
            if name.startswith("vars/"):
                store[name.removeprefix("vars/")] = value

    def inner_stored(self) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        """Yield the groups that the file held for the layers inside, with their arrays."""
        groups: dict[str, dict[str, np.ndarray]] = {}
        for name, value in self.stored.items():
            group, _, key = name.rpartition("/")
            if group != "vars":
                groups.setdefault(group, {})[key] = value
        yield from groups.items()
