"""Whole models to `.keras` files and back: config, weights, compile arguments, optimizer state, assets."""

import contextlib
import datetime
import json
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tahr.saving.archive import Archive
from tahr.saving.archive_writer import ArchiveWriter
from tahr.saving.atomic import may_write, replacing, replacing_folder
from tahr.saving.errors import UnreadableFileError, UnsafeFileError, understanding
from tahr.saving.hdf5 import Pages, declared_size, h5_reading, h5_writing, is_hdf5
from tahr.saving.manifest import MANIFEST, make_manifest, write_example
from tahr.saving.paths import existing, inner
from tahr.saving.report import LoadReport
from tahr.saving.serialization import SharingScope, deserialize_keras_object, serialize_keras_object
from tahr.saving.state import walk_state
from tahr.saving.weights import _require_built, read_state, write_state
from tahr.variables import LoadingScope

__all__ = ["load_model", "model_content", "model_from_json", "model_to_json", "places_in", "save_model"]

CONFIG, METADATA, WEIGHTS, ASSETS = "config.json", "metadata.json", "model.weights.h5", "assets"
KERAS_FORMAT = "3.15.1"  # the version of Keras whose layout of files this is


# ---- writing --------------------------------------------------------------------------------------------------------


def save_model(model: Any, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
    """Save a model with its weights, compile arguments and optimizer state, so that `load_model` goes on from there.

    Args:
        model: the model; it must be built.
        filepath: path that ends in `.keras`, or in `.h5` or `.hdf5` for the legacy format.
        overwrite: whether an existing file is replaced without asking.
        zipped: whether the file is a zip (as by default), or a folder with the same members.
        include_optimizer: for legacy files, whether the optimizer's state is saved.
        example: inputs to keep in a `.keras` file with the outputs for them, which `tahr verify FILE` compares.

    Raises:
        ValueError: if the ending is none of these.
        FileExistsError: if the file exists, `overwrite` is false and nobody is there to be asked; or if a folder exists
            that holds more than a model.

    >>> import tempfile, os
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keras.saving.save_model(model, os.path.join(folder, "small.keras"))
    ...     print(os.listdir(folder))
    ['small.keras']
    """
    path = Path(filepath)
    include_optimizer = kwargs.pop("include_optimizer", True)
    example = kwargs.pop("example", None)
    form = kwargs.pop("save_format", None)
    if kwargs:
        raise TypeError(f"save_model: unexpected arguments {sorted(kwargs)}.")
    if form is not None:
        warnings.warn(
            "save_model: `save_format` is not used; the ending of the file name says the format.", stacklevel=2
        )
    legacy = path.suffix in (".h5", ".hdf5")
    if not legacy and path.suffix != ".keras" and zipped is not False:
        raise ValueError(
            f"save_model: expected a path that ends in '.keras', or in '.h5' as before; received {str(path)!r}. "
            "To make a model that other programs serve, use `model.export(path)`."
        )
    _require_built(model, "save_model")
    if not may_write(path, overwrite):
        return
    if legacy:
        from tahr.saving.legacy.model import save_legacy_model

        save_legacy_model(model, path, include_optimizer)
    elif zipped is False:
        _save_folder(model, path)
    else:
        _save_zip(model, path, example)


def _save_zip(model: Any, path: Path, example: Any = None) -> None:
    config = model_to_json(model)
    with replacing(path) as file, ArchiveWriter(file, digests=True) as archive:
        archive.add(METADATA, _metadata())
        archive.add(CONFIG, config)
        with archive.member(WEIGHTS) as target, h5_writing(target) as h5:
            write_state(model, h5)
        with tempfile.TemporaryDirectory() as folder:
            _save_assets(model, Path(folder))
            for asset in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
                with open(asset, "rb") as content:
                    archive.add(f"{ASSETS}/{asset.relative_to(folder).as_posix()}", content)
        described = None if example is None else write_example(archive, model, example)
        archive.add(MANIFEST, make_manifest(model, archive.members, described))


def _save_folder(model: Any, path: Path) -> None:
    config = model_to_json(model)
    with replacing_folder(path) as folder:
        (folder / METADATA).write_text(_metadata(), encoding="utf-8")
        (folder / CONFIG).write_text(config, encoding="utf-8")
        with open(folder / WEIGHTS, "w+b") as file, h5_writing(file) as h5:
            write_state(model, h5)
        _save_assets(model, folder / ASSETS)


def _metadata() -> str:
    from tahr import __version__

    now = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    return json.dumps({"keras_version": KERAS_FORMAT, "date_saved": now, "written_by": f"tahr {__version__}"})


def _save_assets(model: Any, folder: Path) -> None:
    for path, part in walk_state(model):
        if (save := getattr(part, "save_assets", None)) is not None:
            place = folder / path
            place.mkdir(parents=True, exist_ok=True)
            save(str(place))


def model_to_json(model: Any, **kwargs: Any) -> str:
    """Return a model's configuration as JSON text; further arguments go to `json.dumps`.

    >>> model = keras.Sequential([keras.Input((2,))], name="small")
    >>> keras.saving.model_to_json(model)[:49]
    '{"module": "keras", "class_name": "Sequential", "'
    """
    with SharingScope():
        return json.dumps(serialize_keras_object(model), **kwargs)


# ---- reading --------------------------------------------------------------------------------------------------------


def load_model(
    filepath: Any,
    custom_objects: Any = None,
    compile: bool = True,
    safe_mode: bool = True,
    *,
    report: bool = False,
    strict: bool = False,
    on_unknown: str = "error",
    weights_only: bool = False,
    isolate: bool = False,
    mmap: bool = False,
) -> Any:
    """Return the model saved in a file, ready to predict, and to train on if it was compiled.

    Args:
        filepath: path of a `.keras` file or folder, or of a legacy `.h5` file, written by tahr or Keras.
        custom_objects: classes and functions by name, in addition to those registered.
        compile: whether the model is compiled as it was, with its optimizer's state.
        safe_mode: kept for Keras's sake; code in files is never run.
        report: whether to return `(model, LoadReport)`.
        strict: whether arrays in the file that the model has no place for are an error.
        on_unknown: `"placeholder"` puts placeholders for layers of unknown classes, which keep what the file says of
            them and are saved again, but cannot compute; `"error"` raises.
        weights_only: whether to return only the arrays, a dict by place, which needs no class at all.
        isolate: whether another process, with limits of memory, files and processes and without network, reads the
            whole file first, so that a file that breaks a reader breaks that process.
        mmap: whether weights of a `.keras` file stay in it until they are used, and several processes share the memory
            for them, where the file allows it (tahr's do). The checksum is not compared then, since that reads the
            whole file. Training changes the process's own copy, never the file.

    Raises:
        FileNotFoundError: if there is no such file.
        UnreadableFileError: if the file is damaged, cut off or of another kind.
        UnsafeFileError: if it asks for anything that is not data.
        TypeError: if it uses a class or function that is neither built in nor registered.

    >>> import tempfile, os
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="last")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(os.path.join(folder, "small.keras"))
    ...     keras.saving.load_model(os.path.join(folder, "small.keras")).layers[0].name
    'last'
    """
    from tahr.saving.placeholders import placeholders

    if on_unknown not in ("error", "placeholder"):
        raise ValueError(f"load_model: expected on_unknown to be 'error' or 'placeholder'; received {on_unknown!r}.")
    path = existing(filepath)
    if isolate:
        from tahr.saving.isolation import check_in_isolation

        check_in_isolation(path)
    if weights_only:
        from tahr.saving.arrays import read_arrays

        return read_arrays(path)
    with understanding(str(path)), contextlib.ExitStack() as scope:
        unknown = scope.enter_context(placeholders(_config_of(path))) if on_unknown == "placeholder" else {}
        model, found = _load(path, custom_objects, compile, strict, mmap)
    found.placeholders = dict(unknown)
    return (model, found) if report else model


def _config_of(path: Path) -> Any:
    """Return a file's configuration before anything is made of it."""
    if path.is_file() and is_hdf5(_head(path)):
        return {}
    with model_content(path) as content:
        return parse_json(content.text(CONFIG), str(path))


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(8)


def _load(path: Path, custom_objects: Any, compile: bool, strict: bool, mmap: bool) -> tuple[Any, LoadReport]:
    if path.is_file():
        head = _head(path)
        if is_hdf5(head):
            from tahr.saving.legacy.model import load_legacy_model

            return load_legacy_model(path, custom_objects, compile, strict)
        if not head:
            raise UnreadableFileError(f"{path}: the file is empty.")
    with model_content(path) as content:
        with content.weights(check=not mmap) as h5:
            loading = LoadingScope(declared_size(h5), lambda problem: UnsafeFileError(f"{path}: {problem}."))
            with loading:
                model = _model_of(content.text(CONFIG), str(path), custom_objects, compile, _major(content))
            pages = content.pages() if mmap else None
            report = read_state(model, [h5], str(path), strict=strict, places=places_in(content, model), pages=pages)
        loading.finish()
        with tempfile.TemporaryDirectory() as folder:
            if content.assets(Path(folder)):
                _load_assets(model, Path(folder))
    return model, report


def _major(content: Any) -> int:
    """Return the version of Keras that wrote a file."""
    metadata = parse_json(content.text(METADATA), "metadata.json") if content.has(METADATA) else {}
    version = str(metadata.get("keras_version", "3")) if isinstance(metadata, dict) else "3"
    return int(version.split(".")[0]) if version.split(".")[0].isdigit() else 3


def places_in(content: Any, model: Any) -> dict[str, str] | None:
    """Return where parts of a model are in a file of Keras 2, by where they are today; None for files of today."""
    if _major(content) > 2:
        return None
    from tahr.saving.legacy.places import places_of_keras_2

    return places_of_keras_2(model, parse_json(content.text(CONFIG), CONFIG))


def _load_assets(model: Any, folder: Path) -> None:
    for path, part in walk_state(model):
        load = getattr(part, "load_assets", None)
        if load is not None and (folder / path).is_dir():
            load(str(folder / path))


def _model_of(text: str, where: str, custom_objects: Any, compile: bool, major: int = 3) -> Any:
    from tahr.models.model import Model

    config = parse_json(text, where)
    check_described(config, where)
    if not compile:
        config.pop("compile_config", None)
    if major < 3:
        from tahr.saving.legacy.model import read_packed_model

        model = read_packed_model(config, custom_objects, compile, major)
    elif "module" not in config and "registered_name" not in config:
        from tahr.saving.legacy.config import read_legacy_model

        version = str(config.get("keras_version", "2")).split(".")[0]
        model = read_legacy_model(config, custom_objects, major=int(version) if version.isdigit() else 2)
    else:
        model = deserialize_keras_object(config, custom_objects)
    if not isinstance(model, Model) and not getattr(model, "_saved_alone", False):
        raise UnreadableFileError(f"{where}: holds a {type(model).__name__}, not a model.")
    return model


def check_described(config: Any, where: str) -> None:
    """Refuse what is no description of a model."""
    names = config.get("class_name") if isinstance(config, dict) else None
    if not isinstance(names, str) or not isinstance(config.get("config"), (dict, list)):
        raise UnreadableFileError(f"{where}: holds no model; expected a JSON object with 'class_name' and 'config'.")


def parse_json(text: Any, where: str) -> Any:
    """Return the content of a JSON text.

    Raises:
        UnreadableFileError: if it is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if "!!python/" in str(text):
            raise UnsafeFileError(f"{where}: is YAML that makes objects, which is a program; give JSON.") from None
        raise UnreadableFileError(f"{where}: the configuration is no readable JSON ({error}).") from error


def model_from_json(json_string: str, custom_objects: Any = None) -> Any:
    """Return a new model, with fresh weights, from the text that `to_json` gave.

    Raises:
        ValueError: if the text describes no model.
        TypeError: if it uses a class or function that is neither built in nor registered.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> keras.models.model_from_json(model.to_json()).output_shape
    (None, 3)
    """
    with understanding("model_from_json"):
        return _model_of(json_string, "model_from_json", custom_objects, compile=True)


@contextlib.contextmanager
def model_content(path: Path) -> Iterator["_Folder | _Zip"]:
    """Open a `.keras` file, or a folder with the same members.

    Raises:
        UnreadableFileError: if it is a SavedModel.
    """
    if path.name == "saved_model.pb" or (path / "saved_model.pb").is_file():
        raise UnreadableFileError(
            f"{path}: is a SavedModel, a program for TensorFlow that holds no layers. Open it in the Keras that wrote "
            "it and save it as '.keras' or '.h5', or use its outputs alone, by keras.layers.TFSMLayer(folder)."
        )
    if path.is_dir():
        yield _Folder(path)
    else:
        with Archive(path) as archive:
            yield _Zip(archive)


class _Zip:
    def __init__(self, archive: Archive):
        self._archive = archive
        self.text = archive.text

    def has(self, name: str) -> bool:
        return name in self._archive.names()

    @contextlib.contextmanager
    def weights(self, check: bool = True) -> Iterator[Any]:
        where = f"{self._archive.path}: {WEIGHTS}"
        with self._archive.open(WEIGHTS, check) as file, h5_reading(file, where) as h5:
            yield h5

    def pages(self) -> Pages | None:
        found = self._archive.pages(WEIGHTS)
        return None if found is None else Pages(*found)

    def assets(self, folder: Path) -> bool:
        return self._archive.extract(ASSETS, folder)


class _Folder:
    def __init__(self, path: Path):
        self._path = path

    def has(self, name: str) -> bool:
        return (self._path / name).is_file()

    def text(self, name: str) -> str:
        try:
            return inner(self._path / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UnreadableFileError(f"{self._path}: {name} cannot be read ({error}).") from error

    @contextlib.contextmanager
    def weights(self, check: bool = True) -> Iterator[Any]:
        place = inner(self._path / WEIGHTS)
        with h5_reading(place, str(place)) as h5:
            yield h5

    def pages(self) -> Pages:
        return Pages(inner(self._path / WEIGHTS), 0)

    def assets(self, folder: Path) -> bool:
        import shutil

        assets = self._path / ASSETS
        if not os.path.lexists(assets):
            return False
        for place in (assets, *assets.rglob("*")):
            inner(place)
        shutil.copytree(assets, folder, dirs_exist_ok=True)
        return True
