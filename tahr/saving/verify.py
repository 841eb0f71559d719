"""Whether a `.keras` file is still what was saved: its checksums, and the outputs for the example in it."""

from pathlib import Path
from typing import Any

import numpy as np

from tahr import tree
from tahr.saving.archive import Archive
from tahr.saving.archive_writer import digests_of
from tahr.saving.errors import UnreadableFileError, UnsafeFileError, understanding
from tahr.saving.manifest import MANIFEST, read_example, read_manifest
from tahr.saving.scan import scan_file

__all__ = ["verify_file"]

TOLERANCE = 1e-4  # of the largest output; other backends and machines round differently


def verify_file(path: Path, custom_objects: Any = None) -> dict[str, Any]:
    """Return whether a file is what was saved.

    Args:
        path: a `.keras` file.
        custom_objects: classes and functions by name that the model needs to run its example.

    Returns:
        A dict: `status` (`"verified"`, `"changed"`, `"unsafe"`, `"damaged"`, or `"unsigned"` for a file without a
        manifest), `problems` (in words), `example` (`"equal"`, `"different"`, `"none"`, or why it could not be run).

    >>> import pathlib, tempfile
    >>> from tahr.saving.verify import verify_file
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "small.keras")
    ...     model.save(path, example=np.ones((1, 2), "float32"))
    ...     verify_file(path)["status"]
    'verified'
    """
    found: dict[str, Any] = {"path": str(path), "status": "verified", "problems": [], "example": "none"}
    scanned = scan_file(path, read=True)
    for finding in scanned["findings"]:
        found["status"] = "unsafe" if finding["severity"] == "unsafe" else "damaged"
        found["problems"].append(finding["message"])
    if found["problems"]:
        return found
    if scanned["format"] != "keras":
        return {**found, "status": "unsigned", "problems": [f"{path}: is no .keras file, so it has no checksums."]}
    try:
        with understanding(str(path)), Archive(path) as archive:
            if (manifest := read_manifest(archive)) is None:
                problem = f"{path}: has no checksums; tahr did not write it."
                return {**found, "status": "unsigned", "problems": [problem]}
            found["problems"] += _compare_members(archive, manifest["members"])
            if manifest.get("example"):
                _run_example(archive, manifest["example"], custom_objects, found)
    except (UnreadableFileError, UnsafeFileError) as error:
        status = "unsafe" if isinstance(error, UnsafeFileError) else "damaged"
        return {**found, "status": status, "problems": [*found["problems"], str(error)]}
    if found["problems"]:
        found["status"] = "changed"
    return found


def _compare_members(archive: Archive, listed: dict[str, Any]) -> list[str]:
    problems = []
    names = {n for n in archive.names() if n != MANIFEST and not n.endswith("/")}
    problems += [f"{name}: is missing." for name in sorted(set(listed) - names)]
    problems += [f"{name}: was added." for name in sorted(names - set(listed))]
    for name in sorted(names & set(listed)):
        recorded = listed[name].get("sha256")
        with archive.open(name) as file:
            if digests_of(file, isinstance(recorded, list)) != recorded:
                problems.append(f"{name}: its SHA-256 is not the recorded one.")
    return problems


def _run_example(archive: Archive, described: Any, custom_objects: Any, found: dict[str, Any]) -> None:
    """Compare the outputs that the model gives for the recorded inputs with the recorded ones."""
    from tahr import ops
    from tahr.saving.model_file import load_model

    inputs, outputs = read_example(archive, described)
    try:
        model = load_model(archive.path, custom_objects, compile=False)
    except TypeError as error:
        found["example"] = f"not run: {error}"
        return
    theirs = [np.asarray(x, "float64") for x in tree.flatten(outputs)]
    try:
        mine = [np.asarray(ops.convert_to_numpy(x), "float64") for x in tree.flatten(model(inputs, training=False))]
    except (TypeError, ValueError) as error:
        found["example"] = "different"
        found["problems"].append(f"The model does not take the recorded inputs: {error}")
        return
    if [x.shape for x in mine] != [x.shape for x in theirs]:
        found["example"] = "different"
        found["problems"].append(
            f"The example gives outputs of shapes {[x.shape for x in mine]}; recorded are {[x.shape for x in theirs]}."
        )
        return
    largest = max((float(np.abs(a - b).max()) for a, b in zip(mine, theirs, strict=True) if a.size), default=0.0)
    scale = max((float(np.abs(b).max()) for b in theirs if b.size), default=0.0)
    found["largest_difference"] = largest
    found["example"] = "equal" if largest <= TOLERANCE * max(scale, 1e-3) else "different"
    if found["example"] == "different":
        found["problems"].append(f"The outputs for the example differ from the recorded ones by up to {largest:.3g}.")
