"""Where the files of data sets come from, and how the ones that hold Python objects are read.

`TAHR_DATASETS_URL` is the address of a mirror: a folder that holds the files under the names they have at the source.
A mirror does not change which files are right: the hashes stay. To use other files on purpose, list their SHA-256 in a
local file as `sha256sum` prints them and name that file in `TAHR_DATASETS_SHA256SUMS`.
"""

import os
import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from tahr.utils.download import get_file

STORAGE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"
TORONTO = "https://www.cs.toronto.edu/~kriz"

Arrays = tuple[np.ndarray, np.ndarray]


def fetch(
    name: str,
    file_hash: str,
    base: str = STORAGE,
    fname: str | None = None,
    subdir: str = "datasets",
    extract: bool = False,
) -> str:
    """Return the local path of the file called `name` at its source, downloaded if the cache lacks it.

    Args:
        name: name of the file at its source and on a mirror.
        file_hash: its SHA-256 or MD5.
        base: address of the source.
        fname: name in the cache, if another.
        subdir: folder in the cache.
        extract: whether to unpack it and return the folder.
    """
    address = os.environ.get("TAHR_DATASETS_URL") or base
    return get_file(
        fname or name,
        origin=f"{address.rstrip('/')}/{name}",
        file_hash=_listed_hashes().get(name, file_hash),
        cache_subdir=subdir,
        extract=extract,
    )


def _listed_hashes() -> dict[str, str]:
    listing = os.environ.get("TAHR_DATASETS_SHA256SUMS")
    if not listing:
        return {}
    lines = [line.split() for line in Path(listing).read_text(encoding="utf-8").splitlines() if line.strip()]
    if any(len(parts) != 2 for parts in lines):
        raise ValueError(f"TAHR_DATASETS_SHA256SUMS: each line of {listing} must be a SHA-256 and a file name.")
    return {name.lstrip("*"): digest for digest, name in lines}


# ---- reading ---------------------------------------------------------------------------------------------------------


class _ArraysOnly(pickle.Unpickler):
    """Rebuilds NumPy arrays and Python's plain containers and numbers, and refuses to name anything else.

    The IMDB and Reuters files hold arrays of lists, which NumPy writes as pickles, and CIFAR is distributed as pickles.
    A full unpickler would run whatever code such a file names, and a cached file or a mirror is not always trustworthy.
    """

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _empty_array
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(
            f"Refusing to load {module}.{name}: files of data sets hold arrays, lists and numbers only. "
            "Delete the file and download it from its source."
        )


def _empty_array(kind: type, shape: tuple[int, ...], _typecode: Any) -> np.ndarray:
    if kind is not np.ndarray or shape != (0,):  # what NumPy itself writes; a shape could ask for any amount of memory
        raise pickle.UnpicklingError("Refusing to load an array that NumPy did not write.")
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def read_pickle(path: str | os.PathLike[str]) -> Any:
    """Return what a pickle of arrays and plain containers holds; text of Python 2 comes as bytes."""
    with open(path, "rb") as file:
        return _ArraysOnly(file, encoding="bytes").load()


def read_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Return the arrays of an `.npz` file by name; arrays of objects hold lists and numbers only."""
    with zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".npy"): _read_member(archive, name) for name in archive.namelist()}


def _read_member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as file:
        shape, dtype = _read_header(file)
        if dtype.hasobject:
            found = _ArraysOnly(file).load()
            if not isinstance(found, np.ndarray) or found.shape != shape:
                raise ValueError(f"{archive.filename}: {name} does not hold the array that it declares.")
            return found
    with archive.open(name) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def shuffled_split(x: np.ndarray, y: np.ndarray, test_split: float, seed: int) -> tuple[Arrays, Arrays]:
    """Return the samples in the order that `seed` gives, the last share `test_split` of them as test data.

    Raises:
        ValueError: if `test_split` is not at least 0 and less than 1.
    """
    if not 0 <= test_split < 1:
        raise ValueError(f"test_split must be at least 0 and less than 1; received {test_split}.")
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    x, y = x[order], y[order]
    cut = int(len(x) * (1 - test_split))
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])
