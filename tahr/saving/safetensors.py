"""Weights in safetensors files: a header of names, types, shapes and places, then the bytes. Source: the format's
published description (https://github.com/huggingface/safetensors#format)."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from tahr.saving.atomic import may_write, replacing
from tahr.saving.errors import UnreadableFileError, UnsafeFileError
from tahr.saving.paths import existing, inner
from tahr.saving.report import LoadReport

__all__ = ["load_safetensors", "read_safetensors", "save_safetensors", "write_safetensors"]

TYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "U16": "uint16", "I32": "int32", "U32": "uint32",
    "I64": "int64", "U64": "uint64", "F16": "float16", "F32": "float32", "F64": "float64", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "C64": "complex64",
}  # fmt: skip
CODES = {name: code for code, name in TYPES.items()}
HEADER_LIMIT = 100_000_000  # as the format's own reader has it
INDEX_LIMIT = 64 << 20


# ---- writing --------------------------------------------------------------------------------------------------------


def save_safetensors(
    model: Any,
    filepath: Any,
    overwrite: bool = True,
    names: Mapping[str, str] | None = None,
    max_shard_size: float | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Save a model's weights, by the paths of its variables, to a `.safetensors` file.

    Args:
        model: a built model.
        filepath: path that ends in `.safetensors`.
        overwrite: whether an existing file is replaced without asking.
        names: names in the file by paths of variables, where they are to differ.
        max_shard_size: largest size of a file in GB; more goes into files `NAME-00001-of-00002.safetensors`, which
            `NAME.safetensors.index.json` lists as Hugging Face does.
        metadata: text for the header, by text.

    Raises:
        ValueError: if the path has another ending, the model is not built, or two weights have one name.

    >>> import tempfile, os
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="last")], name="small")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "small.safetensors")
    ...     keras.saving.save_safetensors(model, path)
    ...     sorted(keras.saving.read_safetensors(path))
    ['small/last/bias', 'small/last/kernel']
    """
    from tahr.saving.weights import _require_built

    path = Path(filepath)
    if path.suffix != ".safetensors":
        raise ValueError(f"save_safetensors: expected a path that ends in '.safetensors'; received {str(filepath)!r}.")
    _require_built(model, "save_safetensors")
    arrays = {name: variable.numpy() for name, variable in _named(model, names).items()}
    shards = _split(arrays, max_shard_size)
    if len(shards) == 1:
        if may_write(path, overwrite):
            write_safetensors(path, arrays, metadata)
        return
    index = path.with_name(path.name + ".index.json")
    if not may_write(index, overwrite):
        return
    places: dict[str, str] = {}
    for i, shard in enumerate(shards):
        name = f"{path.stem}-{i + 1:05d}-of-{len(shards):05d}.safetensors"
        write_safetensors(path.with_name(name), shard, metadata)
        places |= dict.fromkeys(shard, name)
    total = sum(a.nbytes for a in arrays.values())
    with replacing(index) as file:
        file.write(json.dumps({"metadata": {"total_size": total}, "weight_map": places}, indent=2).encode("utf-8"))


def _named(model: Any, names: Mapping[str, str] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for variable in model.weights:
        name = str((names or {}).get(variable.path, variable.path))
        if name in found:
            raise ValueError(
                f"{model.name!r} has two weights named {name!r}. Give one of the layers another name, or pass `names` "
                "that tell them apart."
            )
        found[name] = variable
    return found


def _split(arrays: dict[str, np.ndarray], gigabytes: float | None) -> list[dict[str, np.ndarray]]:
    if gigabytes is None:
        return [arrays]
    if not gigabytes > 0:
        raise ValueError(f"save_safetensors: expected max_shard_size in GB to be above 0; received {gigabytes!r}.")
    shards: list[dict[str, np.ndarray]] = [{}]
    size = 0
    for name, array in arrays.items():
        if shards[-1] and size + array.nbytes > gigabytes * 1024**3:
            shards.append({})
            size = 0
        shards[-1][name] = array
        size += array.nbytes
    return shards


def write_safetensors(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays by name to one file; an existing file is replaced as a whole.

    Raises:
        ValueError: if the format lacks the type of an array.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "np", **(metadata or {})}}
    at = 0
    for name, array in arrays.items():
        if array.dtype.name not in CODES:
            raise ValueError(f"save_safetensors: {name!r} has the type {array.dtype.name}, which the format lacks.")
        header[name] = {
            "dtype": CODES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with replacing(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).reshape(-1).view("uint8").data)


# ---- reading --------------------------------------------------------------------------------------------------------


def read_safetensors(filepath: Any, mapped: bool = False) -> dict[str, np.ndarray]:
    """Return the arrays of a `.safetensors` file, or of all files that a `.safetensors.index.json` lists, by name.

    Args:
        filepath: path of the file.
        mapped: whether arrays stay in the file until they are used.

    Raises:
        FileNotFoundError: if there is no such file.
        UnreadableFileError: if it is damaged, cut off or of another kind.
        UnsafeFileError: if an index names a file that is not beside it.

    >>> import tempfile, os
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="last")], name="small")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keras.saving.save_safetensors(model, os.path.join(folder, "small.safetensors"))
    ...     keras.saving.read_safetensors(os.path.join(folder, "small.safetensors"))["small/last/kernel"].shape
    (2, 3)
    """
    path = existing(filepath)
    if not path.name.endswith(".index.json"):
        return dict(_arrays(path, mapped))
    found: dict[str, np.ndarray] = {}
    for name, shard in _listed(path).items():
        if name not in found:
            found |= dict(_arrays(inner(path.with_name(shard)), mapped))
        if name not in found:
            raise UnreadableFileError(f"{path}: lists {name!r} in {shard!r}, which does not hold it.")
    return found


def _listed(path: Path) -> dict[str, str]:
    """Return the files of an index by the names of the arrays in them; a file is beside the index."""
    if path.stat().st_size > INDEX_LIMIT:
        raise UnsafeFileError(f"{path}: the index has more than {INDEX_LIMIT:,} bytes.")
    try:
        places = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        if not all(isinstance(name, str) for name in places.values()):
            raise TypeError("its weight_map has values that are no names")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableFileError(f"{path}: not a readable list of weight files ({error}).") from error
    for name in sorted(set(places.values())):
        if name != Path(name).name or "\\" in name or "\0" in name or not name.endswith(".safetensors"):
            raise UnsafeFileError(f"{path}: names the file {name!r}, which is not a safetensors file beside it.")
    return places


def _arrays(path: Path, mapped: bool) -> Iterator[tuple[str, np.ndarray]]:
    with open(path, "rb") as file:
        entries, start = _header(file, path)
        for name, (dtype, shape, (begin, end)) in entries.items():
            if mapped and end > begin:
                raw: Any = np.memmap(path, np.uint8, "r", start + begin, (end - begin,))
            else:
                file.seek(start + begin)
                raw = np.frombuffer(bytearray(file.read(end - begin)), np.uint8)
            yield name, raw.view(_numpy(dtype)).reshape(shape)


def _numpy(name: str) -> np.dtype:
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, name, name))


Entry = tuple[str, tuple[int, ...], tuple[int, int]]


def _header(file: IO[bytes], path: Path) -> tuple[dict[str, Entry], int]:
    """Return type, shape and place of each array by name, and where the bytes begin, all of it checked."""
    size = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, HEADER_LIMIT):
        raise UnreadableFileError(
            f"{path}: not a readable safetensors file; it is damaged, cut off or of another kind."
        )
    try:
        header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_no_duplicates)
        entries = {name: _entry(name, about) for name, about in header.items() if name != "__metadata__"}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnreadableFileError(f"{path}: the header of the safetensors file is damaged ({error}).") from error
    at = 0
    for name, (_, _, (begin, end)) in sorted(entries.items(), key=lambda item: item[1][2]):
        if begin != at:
            raise UnreadableFileError(f"{path}: {name!r} does not begin where the array before it ends.")
        at = end
    if at != size - 8 - length:
        raise UnreadableFileError(f"{path}: the arrays take {at:,} bytes; the file holds {size - 8 - length:,}.")
    return entries, 8 + length


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _entry(name: str, about: Any) -> Entry:
    dtype, shape, offsets = TYPES.get(about["dtype"]), about["shape"], about["data_offsets"]
    if dtype is None:
        raise ValueError(f"{name!r} has the unknown type {about['dtype']!r}")
    whole = [n for n in (*shape, *offsets) if type(n) is int and n >= 0]
    if len(whole) != len(shape) + 2 or len(offsets) != 2:
        raise ValueError(f"{name!r} has the shape {shape!r} and the place {offsets!r}")
    begin, end = offsets
    if end - begin != math.prod(shape) * _numpy(dtype).itemsize:
        raise ValueError(f"{name!r} of shape {shape} declares {end - begin} bytes")
    return dtype, tuple(shape), (begin, end)


# ---- into a model ---------------------------------------------------------------------------------------------------


def load_safetensors(
    model: Any,
    filepath: Any,
    names: Mapping[str, str] | None = None,
    skip_mismatch: bool = False,
    strict: bool = False,
) -> LoadReport:
    """Load weights into a model from a safetensors file or index; everything is compared before anything changes.

    Args:
        model: a built model.
        filepath: path of a `.safetensors` or `.safetensors.index.json` file.
        names: names in the file by paths of variables, where they differ.
        skip_mismatch: whether weights that are missing or of another shape stay as they are, with a warning.
        strict: whether arrays in the file that the model has no place for are an error.

    Raises:
        ValueError: if weights are missing or have another shape.
        UnreadableFileError: if the file is damaged or cut off.

    >>> import tempfile, os
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="last")], name="small")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keras.saving.save_safetensors(model, os.path.join(folder, "small.safetensors"))
    ...     keras.saving.load_safetensors(model, os.path.join(folder, "small.safetensors")).complete
    True
    """
    import warnings

    from tahr.saving.weights import _report, require_used

    stored = read_safetensors(filepath, mapped=True)
    report = LoadReport(str(filepath))
    wanted = _named(model, names)
    plan = []
    for name, variable in wanted.items():
        if name not in stored:
            report.mismatched[name] = "the file holds no array of that name"
        elif stored[name].shape != tuple(variable.shape):
            report.mismatched[name] = f"has shape {tuple(variable.shape)}; the file holds {stored[name].shape}"
        else:
            plan.append((name, variable))
    report.unused = [name for name in stored if name not in wanted]
    problems = [f"{name}: {problem}" for name, problem in report.mismatched.items()]
    if problems and not skip_mismatch:
        raise ValueError(_report(str(filepath), problems, len(plan)))
    if strict:
        require_used(report)
    for name, variable in plan:
        variable.assign(np.array(stored[name]))
        report.loaded.append(name)
    if problems:
        warnings.warn(_report(str(filepath), problems, len(plan)))
    return report
