"""What tahr adds to a `.keras` file: checksums, how the model was made, what it takes and gives, and one example.

Keras looks for none of these members and opens the file as any other.
"""

import json
import platform
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from tahr import tree
from tahr.saving.archive import Archive
from tahr.saving.archive_writer import ArchiveWriter
from tahr.saving.errors import UnreadableFileError, UnsafeFileError

__all__ = ["EXAMPLE", "MANIFEST", "make_manifest", "read_example", "read_manifest", "write_example"]

MANIFEST, EXAMPLE = "tahr/manifest.json", "tahr/example"
FORMAT = 2
HISTORY = 1000  # entries of a training history that are kept for each value


def make_manifest(model: Any, members: Mapping[str, Any], example: Any = None) -> str:
    """Return the manifest of a model's file as JSON text.

    Args:
        model: the model.
        members: what an `ArchiveWriter` knows of each member by name.
        example: what `write_example` gave.
    """
    content = {
        "format": FORMAT,
        "members": dict(members),
        "written_by": _versions(),
        "signature": _signature(model),
        "training": _training(model),
        "example": example,
    }
    return json.dumps(content, indent=1, default=str)


def _versions() -> dict[str, str]:
    from tahr import __version__, config

    engine = sys.modules.get(config.backend())
    return {
        "tahr": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "backend": config.backend(),
        "backend_version": str(getattr(engine, "__version__", "")),
        "platform": platform.system().lower(),
    }


def _signature(model: Any) -> dict[str, Any]:
    """Return name, shape and type of all inputs and outputs, for models that know them."""
    found: dict[str, Any] = {}
    for side in ("inputs", "outputs"):
        try:
            symbols = getattr(model, side)
        except (AttributeError, ValueError):
            continue
        flat = [x for x in tree.flatten(symbols) if hasattr(x, "shape")]
        names = getattr(model, f"{side[:-1]}_names", None) or [getattr(x, "name", None) for x in flat]
        found[side] = [{"name": n, "shape": list(x.shape), "dtype": x.dtype} for n, x in zip(names, flat, strict=False)]
    return found


def _training(model: Any) -> dict[str, Any]:
    """Return the steps trained, and the history of the last training."""
    found: dict[str, Any] = {}
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.built:
        found["steps"] = int(optimizer.iterations)
    history = getattr(model, "history", None)
    if history is not None and getattr(history, "history", None):
        found["epochs"] = list(getattr(history, "epoch", []))[-HISTORY:]
        found["history"] = {k: [float(x) for x in v[-HISTORY:]] for k, v in history.history.items() if _numbers(v)}
    return found


def _numbers(values: Any) -> bool:
    return isinstance(values, list) and all(np.ndim(x) == 0 for x in values)


# ---- the example ----------------------------------------------------------------------------------------------------


def write_example(archive: ArchiveWriter, model: Any, inputs: Any) -> dict[str, Any]:
    """Add arrays of inputs and of the outputs that the model gives for them; return where they are."""
    from tahr import ops
    from tahr.saving.checkpoint import encode

    outputs = tree.map_structure(ops.convert_to_numpy, model(inputs, training=False))
    arrays: list[np.ndarray] = []
    described = {"inputs": encode(inputs, arrays, "inputs"), "outputs": encode(outputs, arrays, "outputs")}
    for i, array in enumerate(arrays):
        with archive.member(f"{EXAMPLE}/{i}.npy") as target:
            np.lib.format.write_array(target, np.ascontiguousarray(array), allow_pickle=False)
    return described


def read_manifest(archive: Archive) -> dict[str, Any] | None:
    """Return the manifest of a file, or None if it has none.

    Raises:
        UnreadableFileError: if it is damaged.
    """
    if MANIFEST not in archive.names():
        return None
    try:
        content = json.loads(archive.text(MANIFEST))
        if not isinstance(content, dict) or not isinstance(content.get("members"), dict):
            raise ValueError("it is no manifest")
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(f"{archive.path}: {MANIFEST} is damaged ({error}).") from error
    return content


def read_example(archive: Archive, described: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the recorded inputs and outputs."""
    from tahr.saving.checkpoint import decode

    try:
        return tuple(decode(described[side], archive, EXAMPLE) for side in ("inputs", "outputs"))  # type: ignore[return-value]
    except UnsafeFileError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableFileError(f"{archive.path}: the recorded example is damaged ({error}).") from error
