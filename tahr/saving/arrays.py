"""All arrays of a file by their place in it, without a model: any class may be unknown."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from tahr.saving.errors import UnreadableFileError, understanding
from tahr.saving.hdf5 import h5_reading, is_hdf5, read_array

__all__ = ["read_arrays"]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a `.keras`, `.h5`, `.weights.h5`, `.weights.json` or safetensors file by their place.

    Raises:
        UnreadableFileError: if the file is damaged or of another kind.
        UnsafeFileError: if it holds anything that is not data.

    >>> import pathlib, tempfile
    >>> from tahr.saving.arrays import read_arrays
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(pathlib.Path(folder, "small.keras"))
    ...     {place: array.shape for place, array in read_arrays(pathlib.Path(folder, "small.keras")).items()}
    {'layers/dense/vars/0': (2, 3), 'layers/dense/vars/1': (3,)}
    """
    if path.name.endswith((".safetensors", ".safetensors.index.json")):
        from tahr.saving.safetensors import read_safetensors

        return read_safetensors(path)
    found: dict[str, np.ndarray] = {}
    with understanding(str(path)), contextlib.ExitStack() as scope:
        for file in _files(path, scope):
            _collect(file, found)
    return found


def _files(path: Path, scope: contextlib.ExitStack) -> list[Any]:
    from tahr.saving.model_file import model_content
    from tahr.saving.weights import open_shards

    if path.name.endswith(".weights.json"):
        return scope.enter_context(open_shards(path))
    if path.is_dir():
        return [scope.enter_context(scope.enter_context(model_content(path)).weights())]
    with open(path, "rb") as file:
        head = file.read(8)
    if is_hdf5(head):
        return [scope.enter_context(h5_reading(path, str(path)))]
    if not head.startswith(b"PK"):
        raise UnreadableFileError(f"{path}: neither HDF5 nor a .keras file; it is damaged or of another kind.")
    return [scope.enter_context(scope.enter_context(model_content(path)).weights())]


def _collect(file: Any, found: dict[str, np.ndarray]) -> None:
    import h5py

    def visit(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            found[name] = read_array(thing)

    file.visititems(visit)
