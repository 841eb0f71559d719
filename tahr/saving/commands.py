"""What `tahr inspect`, `convert`, `verify` and `scan` do, on JSON and with exit codes."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["add_commands", "convert", "inspect_file", "run_command", "scan", "verify"]

STATUS = {"verified": 0, "unsigned": 0, "changed": 1, "unsafe": 1, "damaged": 2}
COMMANDS = ("convert", "inspect", "scan", "verify")


def add_commands(commands: Any) -> None:
    """Add the commands about model files to those of a command line."""
    show = commands.add_parser("inspect", help="what a model file holds, without making the model")
    show.add_argument("file", metavar="FILE")
    show.add_argument("--json", action="store_true", help="all of it as JSON")
    change = commands.add_parser("convert", help="write a model or its weights in the format of another ending")
    change.add_argument("source", metavar="IN", help=".keras, .h5, .weights.h5, .weights.json, .safetensors")
    change.add_argument("target", metavar="OUT", help=".keras, .h5, .weights.h5, .safetensors, .json")
    change.add_argument("--backend", help="write on this backend, after a look whether outputs are the same there")
    check = commands.add_parser("verify", help="compare checksums and the recorded example of a .keras file")
    check.add_argument("file", metavar="FILE")
    look = commands.add_parser("scan", help="what in files is not plain data, without reading them as models")
    look.add_argument("files", nargs="+", metavar="FILE")


def run_command(given: Any) -> int:
    """Run one of the commands and return its exit status; 2 means that a file could not be read."""
    try:
        if given.command == "inspect":
            return inspect_file(given.file, given.json)
        if given.command == "convert":
            return convert(given.source, given.target, given.backend)
        return verify(given.file) if given.command == "verify" else scan(given.files)
    except (OSError, ValueError, TypeError) as error:
        print(f"tahr {given.command}: {error}", file=sys.stderr)
        return 2


def scan(files: list[str]) -> int:
    """Print a JSON list of what is in each file; return 1 if one holds more than data, 2 if one cannot be read."""
    from tahr.saving.scan import scan_file

    found = [scan_file(Path(file)) for file in files]
    print(json.dumps(found, indent=1))
    severities = {finding["severity"] for report in found for finding in report["findings"]}
    return 1 if "unsafe" in severities else 2 if severities else 0


def verify(file: str) -> int:
    """Print whether a file is what was saved as JSON; return 0 if so, 1 if it changed or is unsafe, 2 if damaged."""
    from tahr.saving.verify import verify_file

    found = verify_file(Path(file))
    print(json.dumps(found, indent=1))
    return STATUS[found["status"]]


def inspect_file(file: str, as_json: bool = False) -> int:
    """Print what a model file holds."""
    found = _contents(Path(file))
    if as_json:
        print(json.dumps(found, indent=1))
        return 0
    for line in _lines(found):
        print(line)
    return 0


def _contents(path: Path) -> dict[str, Any]:
    from tahr.saving.arrays import read_arrays
    from tahr.saving.scan import scan_file

    found = scan_file(path)
    for finding in found["findings"]:
        if finding["severity"] != "unknown":
            raise ValueError(finding["message"])
    config, written_by = _described(path, found["format"])
    arrays = read_arrays(path) if found["format"] in ("keras", "hdf5", "safetensors", "index", "folder") else {}
    return {
        "path": str(path), "format": found["format"], "written_by": written_by, "model": _model(config),
        "arrays": {place: {"shape": list(a.shape), "dtype": a.dtype.name} for place, a in arrays.items()},
        "parameters": sum(a.size for a in arrays.values()), "bytes": sum(a.nbytes for a in arrays.values()),
        "unknown_classes": found["classes"],
    }  # fmt: skip


def _described(path: Path, kind: str) -> tuple[Any, Any]:
    """Return configuration and writer that a file names."""
    from tahr.saving.archive import Archive
    from tahr.saving.hdf5 import h5_reading, text
    from tahr.saving.manifest import read_manifest
    from tahr.saving.model_file import CONFIG, METADATA, parse_json

    if kind == "keras":
        with Archive(path) as archive:
            written = parse_json(archive.text(METADATA), str(path)) if METADATA in archive.names() else {}
            manifest = read_manifest(archive)
            if manifest is not None:
                written |= {key: manifest.get(key) for key in ("written_by", "signature", "training")}
            return parse_json(archive.text(CONFIG), str(path)), written
    if kind == "hdf5":
        with h5_reading(path, str(path)) as h5:
            written = {key: text(h5.attrs[key]) for key in ("keras_version", "backend") if key in h5.attrs}
            return (
                parse_json(text(h5.attrs["model_config"]), str(path)) if "model_config" in h5.attrs else None
            ), written
    if kind == "json":
        return parse_json(path.read_text(encoding="utf-8"), str(path)), {}
    return None, {}


def _model(config: Any) -> Any:
    if not isinstance(config, Mapping):
        return None
    inner = config.get("config")
    listed = inner if isinstance(inner, list) else inner.get("layers") if isinstance(inner, Mapping) else None
    name = inner.get("name") if isinstance(inner, Mapping) else None
    found: dict[str, Any] = {"class": config.get("class_name"), "name": name}
    if isinstance(listed, list):
        found["layers"] = [_model(layer) for layer in listed]
    return found


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['path']}: {found['format']}, {found['parameters']:,} numbers in {found['bytes']:,} bytes"
    for key, value in (found["written_by"] or {}).items():
        if value:
            yield f"  {key}: {value if isinstance(value, str) else json.dumps(value)[:200]}"
    if found["model"]:
        yield from _model_lines(found["model"], "  ")
    for place, about in found["arrays"].items():
        yield f"  {place}: {about['dtype']} {tuple(about['shape'])}"


def _model_lines(model: Mapping[str, Any], indent: str) -> Iterator[str]:
    yield f"{indent}{model['class']} {model['name'] or ''}".rstrip()
    for layer in model.get("layers", ()):
        yield from _model_lines(layer, indent + "  ")


def convert(source: str, target: str, backend: str | None = None) -> int:
    """Write a model, or weights alone, in the format that the ending of the target says; print what was done.

    With `backend`, a model goes over to that backend first, and the largest difference of outputs there is printed; the
    target may then be what it exports, too: `.pt2`, `.stablehlo`, or a folder for a SavedModel.
    """
    if backend is not None:
        return _convert_on(Path(source), target, backend)
    path, ending = Path(source), Path(target).name
    if ending.endswith((".keras", ".h5", ".hdf5", ".json")) and not ending.endswith(".weights.h5"):
        from tahr.saving.model_file import load_model

        model, report = load_model(path, on_unknown="placeholder", report=True)
        if ending.endswith(".json"):
            Path(target).write_text(model.to_json(), encoding="utf-8")
        else:
            model.save(target)
        print(report)
        return 0
    if not ending.endswith((".weights.h5", ".safetensors")):
        raise ValueError(f"convert: unknown ending of {target!r}; use .keras, .h5, .weights.h5, .safetensors or .json.")
    from tahr.saving.arrays import read_arrays

    arrays = read_arrays(path)
    if ending.endswith(".safetensors"):
        from tahr.saving.safetensors import write_safetensors

        write_safetensors(Path(target), arrays)
    else:
        from tahr.saving.atomic import replacing
        from tahr.saving.hdf5 import h5_writing, write_array

        with replacing(Path(target)) as file, h5_writing(file) as h5:
            for place, array in arrays.items():
                group, _, name = place.rpartition("/")
                write_array(h5.require_group(group or "/"), name, array)
    print(f"{source}: {len(arrays)} arrays written to {target}")
    return 0


def _convert_on(source: Path, target: str, backend: str) -> int:
    import numpy as np

    from tahr import backends, tree
    from tahr.export.signature import samples, signature_of
    from tahr.saving.model_file import load_model

    def outputs() -> list[np.ndarray]:
        found = model(*inputs, training=False)
        return [backends.current().to_numpy(x) for x in tree.flatten(found)]

    model = load_model(source)
    inputs = next(samples(signature_of(model)))
    before = outputs()
    model = model.to_backend(backend)
    error = max(float(np.max(np.abs(a - b), initial=0.0)) for a, b in zip(before, outputs(), strict=True))
    ending = Path(target).suffix
    if ending in (".keras", ".h5", ".hdf5"):
        model.save(target)
    else:
        model.export(target, format={".pt2": "torch", ".stablehlo": "stablehlo"}.get(ending, "tf_saved_model"))
    print(f"{source}: written to {target} on {backend}, where the outputs differ by up to {error:.3g}")
    return 0
