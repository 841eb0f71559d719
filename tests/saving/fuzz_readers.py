"""Bytes that a fuzzer makes up, guided by what they reach, given to the readers of every format.

    python tests/saving/fuzz_readers.py FOLDER [options of libFuzzer]       FOLDER holds files to begin with

Ends with an error at the first file that a reader answers with anything but an error of files. Needs `atheris`.
"""

import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["TAHR_BACKEND"] = "numpy"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import atheris

with atheris.instrument_imports(include=["tahr.saving", "zipfile", "json"]):
    import tahr as keras
    from tahr.saving import UnreadableFileError, UnsafeFileError
    from tahr.saving.arrays import read_arrays
    from tahr.saving.checkpoint import read_checkpoint
    from tahr.saving.scan import scan_file

FOLDER = tempfile.TemporaryDirectory()
ENDINGS = ("keras", "weights.h5", "safetensors", "ckpt", "h5")
MODEL = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="a")], name="small")


def try_readers(data: bytes) -> None:
    """Let the readers of the format that the first byte names read the rest."""
    if not data:
        return
    ending = ENDINGS[data[0] % len(ENDINGS)]
    path = Path(FOLDER.name) / f"x.{ending}"
    path.write_bytes(data[1:])
    before = MODEL.get_weights()
    readers = {
        "ckpt": [read_checkpoint],
        "keras": [keras.saving.load_model, read_arrays, MODEL.load_weights],
        "h5": [keras.saving.load_model, MODEL.load_weights],
    }.get(ending, [MODEL.load_weights, read_arrays])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scan_file(path, read=True)
        for read in readers:
            try:
                read(path)
            except (UnreadableFileError, UnsafeFileError, TypeError, ValueError):
                assert all((a == b).all() for a, b in zip(before, MODEL.get_weights(), strict=True))
                continue
            MODEL.set_weights(before)


if __name__ == "__main__":
    atheris.Setup(sys.argv, try_readers)
    atheris.Fuzz()
