"""A look at model files that makes nothing of them: no class is looked up, no code runs, no backend is loaded."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tahr.saving.errors import UnreadableFileError, UnsafeFileError
from tahr.saving.names import is_foreign
from tahr.saving.paths import inner

__all__ = ["refuse_programs", "scan_file"]

HEAD = 512
JSON_LIMIT = 256 << 20
DEPTH = 400
CODE = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # how pickles begin
# Modules that a configuration may name without being looked into; names of classes in them are checked on loading.
KNOWN = (
    "keras",
    "tahr",
    "builtins",
    "tensorflow",
    "tf_keras",
    "tensorflow_addons",
    "keras_hub",
    "keras_nlp",
    "keras_cv",
)
PATHS = re.compile(r"^(?:[a-zA-Z][\w+.-]*://|/|\\\\|[A-Za-z]:\\|~/)|(?:^|/)\.\.(?:/|$)")
TYPES = re.compile(r"(b?float|u?int|complex)\d+\w*|bool|str|string|object|[<>]U\d{1,6}")
# Arguments under which layers of Keras take files: a vocabulary, a model to load.
FILES = ("vocabulary", "filepath", "path", "file", "filename", "url", "model_path", "weights", "artifact", "origin")


def scan_file(path: Path, read: bool = False) -> dict[str, Any]:
    """Return what a file is and what in it is not plain data.

    Args:
        path: a `.keras`, HDF5, JSON, safetensors, `.npz` or checkpoint file, or a folder of a model.
        read: whether all arrays are read as well, which finds damage in them.

    Returns:
        A dict: `path`, `format`, `size`, `findings` (each with `severity` `"unsafe"`, `"damaged"` or `"unknown"`,
        `place` and `message`), and `classes` (what the configuration names beside Keras's own).

    >>> import pathlib, tempfile
    >>> from tahr.saving.scan import scan_file
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(pathlib.Path(folder, "small.keras"))
    ...     scan_file(pathlib.Path(folder, "small.keras"))["findings"]
    []
    """
    report: dict[str, Any] = {"path": str(path), "format": "unknown", "size": 0, "findings": [], "classes": []}
    try:
        kind, look = _kind_of(path)
        report["format"] = kind
        report["size"] = path.stat().st_size if path.is_file() else 0
        for finding in look(path, report, read):
            report["findings"].append(finding)
    except UnsafeFileError as error:
        report["findings"].append(_finding("unsafe", str(path), str(error)))
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError, RuntimeError, EOFError) as error:
        report["findings"].append(_finding("damaged", str(path), f"{type(error).__name__}: {error}"))
    return report


def _finding(severity: str, place: str, message: str) -> dict[str, str]:
    return {"severity": severity, "place": place, "message": message}


Findings = Iterator[dict[str, str]]


def _kind_of(path: Path) -> tuple[str, Callable[[Path, dict[str, Any], bool], Findings]]:
    if path.is_dir():
        return "folder", _look_into_folder
    if path.exists() and not path.is_file():
        return "device", _refuse("is a device or a pipe, not a file")
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5", _look_into_hdf5
    if head.startswith(b"PK"):
        return "zip", _look_into_zip
    if path.name.endswith(".safetensors"):
        return "safetensors", _look_into_safetensors
    if head.startswith(CODE) or head[:1] in (b"(", b"c") and path.suffix in (".pkl", ".pickle", ".pt", ".bin"):
        return "pickle", _refuse("is a pickle, which is a program")
    if re.search(rb"!!python/|^%TAG|!<tag:yaml", head, re.MULTILINE):
        return "yaml", _refuse("is YAML that makes objects of any class, which is a program")
    if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")) or head[257:262] == b"ustar":
        return "archive", _refuse("is an archive of files, not a model")
    if head.lstrip()[:1] in (b"{", b"["):
        return "json", _look_into_json
    raise UnreadableFileError(f"{path}: the format is not known; the file is damaged or of another kind.")


def refuse_programs(path: Path) -> None:
    """Refuse a file that is a program or an archive of any files.

    Raises:
        UnsafeFileError: if it is a pickle, YAML that makes objects, or such an archive.
    """
    try:
        kind, look = _kind_of(path)
    except (UnreadableFileError, OSError):
        return  # its reader says why
    if kind in ("pickle", "yaml", "archive"):
        for finding in look(path, {}, False):
            raise UnsafeFileError(finding["message"])


def _refuse(what: str) -> Callable[[Path, dict[str, Any], bool], Findings]:
    def look(path: Path, report: dict[str, Any], read: bool) -> Findings:
        yield _finding("unsafe", str(path), f"{path}: {what}.")

    return look


# ---- containers -----------------------------------------------------------------------------------------------------


def _look_into_zip(path: Path, report: dict[str, Any], read: bool) -> Findings:
    from tahr.saving.archive import Archive
    from tahr.saving.hdf5 import h5_reading

    with Archive(path) as archive:
        names = archive.names()
        report["format"] = _zip_format(names)
        report["members"] = names
        for name in names:
            if name.endswith((".pkl", ".pickle", ".pt", ".py", ".pyc", ".so", ".dll", ".exe", ".sh")):
                yield _finding("unsafe", name, f"{path}: the member {name!r} is code.")
            if name.endswith(".json") and not name.startswith("tahr/"):
                yield from _look_at_config(_parse(archive.text(name), path), name, report)
            if name.endswith(".h5"):
                with archive.open(name) as file, h5_reading(file, f"{path}: {name}") as h5:
                    yield from _look_at_attributes(h5, report)
                    if read:
                        _read_all(h5)
            if name.endswith(".npy"):
                yield from _look_at_npy(archive, name, path)


def _zip_format(names: list[str]) -> str:
    if "config.json" in names:
        return "keras"
    if "state.json" in names:
        return "checkpoint"
    return "npz" if names and all(name.endswith(".npy") for name in names) else "zip"


def _look_at_npy(archive: Any, name: str, path: Path) -> Findings:
    from tahr.saving.checkpoint import check_npy

    try:
        with archive.open(name) as file:
            check_npy(file, f"{path}: {name}")
    except (UnreadableFileError, UnsafeFileError) as error:
        yield _finding("unsafe" if isinstance(error, UnsafeFileError) else "damaged", name, str(error))


def _look_into_hdf5(path: Path, report: dict[str, Any], read: bool) -> Findings:
    from tahr.saving.hdf5 import h5_reading

    with h5_reading(path, str(path)) as h5:
        yield from _look_at_attributes(h5, report)
        if read:
            _read_all(h5)


def _look_at_attributes(h5: Any, report: dict[str, Any]) -> Findings:
    from tahr.saving.hdf5 import text

    for name in ("model_config", "training_config"):
        if name in h5.attrs:
            yield from _look_at_config(_parse(text(h5.attrs[name]), Path(h5.filename)), name, report)


def _read_all(h5: Any) -> None:
    import h5py

    def visit(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            thing[()]

    h5.visititems(visit)


def _look_into_safetensors(path: Path, report: dict[str, Any], read: bool) -> Findings:
    from tahr.saving.safetensors import read_safetensors

    for array in read_safetensors(path, mapped=True).values():
        if read:
            array.sum(dtype=array.dtype) if array.dtype.kind in "fiu" else None
    yield from ()


def _look_into_json(path: Path, report: dict[str, Any], read: bool) -> Findings:
    if path.stat().st_size > JSON_LIMIT:
        raise UnsafeFileError(f"{path}: has more than {JSON_LIMIT:,} bytes.")
    content = _parse(path.read_text(encoding="utf-8"), path)
    if isinstance(content, Mapping) and "weight_map" in content:
        report["format"] = "index"
        yield from _look_at_index(content["weight_map"], path)
        return
    yield from _look_at_config(content, path.name, report)


def _look_at_index(places: Any, path: Path) -> Findings:
    for entry in places.values():
        for name in [entry] if isinstance(entry, str) else entry:
            if not isinstance(name, str) or name != Path(name).name or "\\" in name or name in ("", ".", ".."):
                yield _finding("unsafe", "weight_map", f"{path}: names the file {name!r}, which is not beside it.")
            elif path.with_name(name).exists():
                inner(path.with_name(name))


def _look_into_folder(path: Path, report: dict[str, Any], read: bool) -> Findings:
    for place in sorted(path.rglob("*")):
        try:
            inner(place)
        except UnsafeFileError as error:
            yield _finding("unsafe", str(place), str(error))
            continue
        if place.is_file() and place.suffix in (".json", ".h5", ".safetensors"):
            found = scan_file(place, read)
            report["classes"] += [c for c in found["classes"] if c not in report["classes"]]
            yield from found["findings"]


# ---- configurations -------------------------------------------------------------------------------------------------


def _parse(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(f"{path}: the configuration is no readable JSON ({error}).") from error


def _look_at_config(value: Any, place: str, report: dict[str, Any], depth: int = 0) -> Findings:
    if depth > DEPTH:
        yield _finding("unsafe", place, f"{place} is nested more than {DEPTH} deep.")
        return
    if isinstance(value, list):
        for i, member in enumerate(value):
            yield from _look_at_config(member, f"{place}[{i}]", report, depth + 1)
    if not isinstance(value, Mapping):
        return
    yield from _look_at_object(value, place, report)
    for key, member in value.items():
        if key in FILES and isinstance(member, str) and PATHS.search(member):
            yield _finding("unsafe", f"{place}.{key}", f"{place}.{key} names the file or address {member!r:.100}.")
        yield from _look_at_config(member, f"{place}.{key}", report, depth + 1)


def _look_at_object(value: Mapping[str, Any], place: str, report: dict[str, Any]) -> Findings:
    name, module = value.get("class_name"), value.get("module")
    inner = value.get("config")
    arguments = inner if isinstance(inner, Mapping) else {}
    listed = name == "Lambda" and isinstance(arguments.get("function"), list)
    if name == "__lambda__" or listed or arguments.get("function_type") == "lambda":
        yield _finding("unsafe", place, f"{place} holds the bytecode of a function.")
    if name in ("__numpy__", "__tensor__") and not TYPES.fullmatch(str(arguments.get("dtype"))):
        yield _finding("unsafe", place, f"{place} is an array of the type {arguments.get('dtype')!r:.80}.")
    if name in ("TFSMLayer", "TorchModuleWrapper"):
        yield _finding("unsafe", place, f"{place} is a {name}, which loads a program from elsewhere.")
    if isinstance(name, str) and isinstance(module, str) and module.split(".")[0] not in KNOWN:
        report["classes"].append(f"{module}.{name}")
    if isinstance(name, str) and name != "function" and is_foreign(module, name):
        yield _finding("unsafe", place, f"{place} names {module}.{name}, which is no part of a model.")
    if name == "function" and isinstance(inner, str) and is_foreign(None, inner):
        yield _finding("unsafe", place, f"{place} names the function {inner!r}, which is no part of a model.")
