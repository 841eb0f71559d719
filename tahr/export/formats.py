"""The formats that models are exported to, a row each, and `export_model`, which writes one and reads it back."""

import contextlib
import importlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tahr import backends, dtypes, tree
from tahr.export.signature import samples, signature_of
from tahr.saving.atomic import replacing, replacing_folder
from tahr.variables import StatelessScope

__all__ = ["FORMATS", "Export", "Format", "export_model"]


@dataclass(frozen=True)
class Format:
    """A format: what it is in words, whether it is a folder, and the backends that write it."""

    about: str
    folder: bool
    backends: tuple[str, ...]


FORMATS = {
    "tf_saved_model": Format("a folder that TensorFlow and its servers load", True, ("tensorflow", "jax")),
    "torch": Format("a program of torch.export, a file .pt2", False, ("torch",)),
    "stablehlo": Format("a function of jax.export in StableHLO, one file", False, ("jax",)),
}
TOLERANCE = {"float16": 2e-2, "bfloat16": 1e-1}  # of the largest number; 1e-4 for all other types


class Export:
    """What is exported: a layer, model or function, the variables that it reads, and its arguments.

    Attributes:
        fn: the function.
        variables: the variables that it reads.
        signature: symbols for its arguments.
    """

    def __init__(self, fn: Callable[..., Any], variables: list[Any], signature: tuple[Any, ...]):
        self.fn, self.variables, self.signature = fn, variables, signature

    def pure(self, values: Any, *arguments: Any) -> Any:
        """Return what the function returns for arguments, with given values of its variables."""
        with StatelessScope(state_mapping=zip(self.variables, values, strict=True)):
            return self(*arguments)

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function returns for arguments, in inference."""
        return self.fn(*arguments, training=False) if hasattr(self.fn, "_training_mode") else self.fn(*arguments)


def export_model(
    model: Any,
    filepath: Any,
    format: str = "tf_saved_model",
    verbose: bool | None = None,
    input_signature: Any = None,
    **options: Any,
) -> float:
    """Write a model in a format that needs no tahr, read it back, and return the largest error of its outputs.

    The file or folder takes its place as a whole, once its outputs are those of the model.

    Args:
        model: a built model.
        filepath: where to; what is there is replaced.
        format: `"tf_saved_model"`, `"torch"` or `"stablehlo"`.
        verbose: whether to print what was written, and the error; None does.
        input_signature: what the model takes, see `keras.export.ExportArchive`; None takes what it was made for.
        **options: further arguments of the framework's own function.

    Raises:
        ValueError: if the format is unknown or not one of this backend, nothing says what the model takes, or what was
            written gives other outputs.
    """
    writer = writer_of(format)
    path = Path(filepath)
    export = Export(model, model.variables, signature_of(model, input_signature))
    path.parent.mkdir(parents=True, exist_ok=True)
    with _explained(export, format):
        if FORMATS[format].folder:
            with replacing_folder(path) as folder:
                writer.write(str(folder), {"serve": export}, **options)
                error = _largest_error(export, writer.read(str(folder)), path)
        else:
            with replacing(path) as file:
                file.write(writer.write(export, **options))
                file.seek(0)
                error = _largest_error(export, writer.read(io.BytesIO(file.read())), path)
    if verbose is None or verbose:
        print(f"Saved {model.name} to {path} ({format}); largest error of the outputs when read back: {error:.3g}.")
    return error


@contextlib.contextmanager
def _explained(export: Export, format: str) -> Iterator[None]:
    """Say what may help where a framework cannot leave a size open."""
    try:
        yield
    except Exception as error:
        given = [x.shape for x in tree.flatten(export.signature)]
        if any(None in shape for shape in given):
            error.add_note(
                f"Raised while a model was written as {format!r} for inputs of shapes {given}. If a size that is None "
                "must be known there, say it: model.export(..., input_signature=[keras.InputSpec(shape=(None, 16))])."
            )
        raise


def writer_of(format: str) -> Any:
    """Return the module of the current backend that writes and reads a format.

    Raises:
        ValueError: if the format is unknown, or not one of this backend.
    """
    rows = [f"{name!r} ({row.about}; on {' and '.join(row.backends)})" for name, row in FORMATS.items()]
    if format not in FORMATS:
        raise ValueError(f"export: expected format to be one of {', '.join(rows)}; received {format!r}.")
    engine = backends.current()
    if format not in engine.exports:
        own = [repr(name) for name in FORMATS if name in engine.exports]
        raise ValueError(
            f"export: {format!r} is written on {' and '.join(FORMATS[format].backends)}; this process computes on "
            f"{engine.name}, which writes {', '.join(own) or 'none'}. Choose another format, or convert the model with "
            f"model.to_backend({FORMATS[format].backends[0]!r}) first."
        )
    return importlib.import_module(engine.exports[format])


def _largest_error(export: Export, run: Callable[..., Any], path: Path) -> float:
    """Return the largest difference of outputs, or raise if it is more than rounding."""
    engine, largest = backends.current(), 0.0
    for arguments in samples(export.signature):
        given = tree.map_structure(engine.tensor, arguments)
        expected = [engine.to_numpy(x) for x in tree.flatten(export(*given))]
        found = [np.asarray(x) for x in tree.flatten(run(*arguments))]
        if [x.shape for x in expected] != [x.shape for x in found]:
            raise ValueError(
                f"export: {path} gives shapes {[x.shape for x in found]}; the model {[x.shape for x in expected]}."
            )
        for mine, theirs in zip(expected, found, strict=True):
            a, b = (x.astype(complex if x.dtype.kind == "c" else float) for x in (mine, theirs))
            error = float(np.max(np.abs(a - b), initial=0.0))
            scale = max(1.0, float(np.max(np.abs(a), initial=0.0)))
            if not error <= TOLERANCE.get(dtypes.of(mine), 1e-4) * scale:
                raise ValueError(
                    f"export: what was written to {path} differs from the model by up to {error:.3g}; nothing was kept."
                )
            largest = max(largest, error)
    return largest
