"""Nested data with arrays as one file: a zip of `state.json` and an `.npy` member for each array."""

import json
import math
from pathlib import Path
from typing import IO, Any

import numpy as np

from tahr.saving.archive import Archive
from tahr.saving.archive_writer import ArchiveWriter
from tahr.saving.atomic import replacing
from tahr.saving.errors import UnreadableFileError, UnsafeFileError

__all__ = ["decode", "encode", "read_checkpoint", "write_checkpoint"]

FORMAT = 1
NPY_HEADER = 10_000  # bytes, as NumPy has it
PLAIN = (bool, int, float, str, type(None))


def write_checkpoint(path: Path, state: Any) -> None:
    """Write nested dicts, lists and tuples of numbers, text, None and arrays; an existing file is replaced as a whole.

    Raises:
        TypeError: if there is something else inside; it says where.

    >>> import pathlib, tempfile
    >>> from tahr.saving.checkpoint import read_checkpoint, write_checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "state.ckpt")
    ...     write_checkpoint(path, {"step": 3, "values": [np.ones(2), None]})
    ...     read_checkpoint(path)
    {'step': 3, 'values': [array([1., 1.]), None]}
    """
    arrays: list[np.ndarray] = []
    text = json.dumps({"format": FORMAT, "state": encode(state, arrays, "")})
    with replacing(path) as file, ArchiveWriter(file) as archive:
        for i, array in enumerate(arrays):
            with archive.member(f"arrays/{i}.npy") as target:
                np.lib.format.write_array(target, _plain(array), allow_pickle=False)
        archive.add("state.json", text)


def read_checkpoint(path: Path) -> Any:
    """Return what `write_checkpoint` wrote.

    Raises:
        UnreadableFileError: if the file is missing, damaged, cut off or of another kind.
        UnsafeFileError: if it holds anything that is not data, or declares far more than it holds.
    """
    with Archive(path) as archive:
        try:
            content = json.loads(archive.text("state.json"))
            if content["format"] != FORMAT:
                raise ValueError(f"it has format {content['format']!r}; this version reads format {FORMAT}")
            return decode(content["state"], archive)
        except (UnreadableFileError, UnsafeFileError):
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError) as error:
            raise UnreadableFileError(f"{path}: not a readable checkpoint ({error}).") from error


def encode(value: Any, arrays: list[np.ndarray], where: str) -> Any:
    """Return a value as JSON knows it; arrays go into the list, and what is no plain list or dict is marked."""
    if isinstance(value, np.generic):
        value = value.item() if isinstance(value, (np.bool_, np.integer, np.float64)) else np.asarray(value)
    if type(value) in PLAIN:
        return value
    if isinstance(value, list):
        return [encode(v, arrays, f"{where}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, tuple):
        return {"kind": "tuple", "items": encode(list(value), arrays, where)}
    if isinstance(value, dict):
        pairs = [[encode(k, arrays, where), encode(v, arrays, f"{where}[{k!r}]")] for k, v in value.items()]
        return {"kind": "dict", "items": pairs}
    array = _array(value)
    if array is None:
        raise TypeError(
            f"A checkpoint holds numbers, text, None, arrays, and lists, tuples and dicts of these; state{where} is "
            f"{value!r:.80} of type {type(value).__name__}."
        )
    arrays.append(array)
    return {"kind": "array", "index": len(arrays) - 1, "dtype": array.dtype.name}


def _array(value: Any) -> np.ndarray | None:
    from tahr import backends

    engine = backends.current()
    value = value.value if hasattr(value, "handle") else value
    if engine.is_tensor(value):
        value = engine.to_numpy(value)
    known = isinstance(value, np.ndarray) and value.dtype.kind != "O" and value.dtype.names is None
    return value if known else None


def _plain(array: np.ndarray) -> np.ndarray:
    """Return an array of a type that NumPy itself has: the bits of bfloat16 and its like as whole numbers."""
    array = np.asarray(array, order="C")
    return array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "V" else array


def decode(value: Any, archive: Archive, folder: str = "arrays") -> Any:
    """Return what `encode` took, with its arrays from the members of a folder."""
    if isinstance(value, list):
        return [decode(v, archive, folder) for v in value]
    if not isinstance(value, dict):
        return value
    if value["kind"] == "tuple":
        return tuple(decode(value["items"], archive, folder))
    if value["kind"] == "dict":
        return {decode(k, archive, folder): decode(v, archive, folder) for k, v in value["items"]}
    return _read_array(archive, f"{folder}/{int(value['index'])}.npy", value["dtype"])


def check_npy(file: IO[bytes], where: str) -> None:
    """Look at the header of an `.npy` file, and go back to its beginning.

    Raises:
        UnreadableFileError: if it is none.
        UnsafeFileError: if it declares Python objects, or more than it holds.
    """
    try:
        version = np.lib.format.read_magic(file)
        begin = file.tell()
        length = int.from_bytes(file.read(2 if version == (1, 0) else 4), "little")
        if length > NPY_HEADER:
            raise UnsafeFileError(f"{where} declares a header of {length:,} bytes.")
        file.seek(begin)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(file)
    except (ValueError, EOFError, SyntaxError) as error:
        if isinstance(error, UnsafeFileError):
            raise
        raise UnreadableFileError(f"{where} is no readable array ({error}).") from error
    if dtype.hasobject:
        raise UnsafeFileError(f"{where} holds Python objects, which only a program can read.")
    start = file.tell()
    if math.prod(shape) * dtype.itemsize > file.seek(0, 2) - start:
        raise UnsafeFileError(f"{where} declares more than it holds.")
    file.seek(0)


def _read_array(archive: Archive, name: str, dtype: str) -> np.ndarray:
    file: IO[bytes]
    with archive.open(name) as file:  # which compares its checksum
        check_npy(file, f"{archive.path}: {name}")
        array = np.lib.format.read_array(file, allow_pickle=False)
    if array.dtype.name == dtype or array.dtype.kind in "SU":
        return array
    import ml_dtypes

    kind = getattr(ml_dtypes, dtype, None)
    if not isinstance(kind, type):
        raise ValueError(f"{name} has the unknown type {dtype!r}")
    return array.view(kind)
