"""Which files are opened: those that a user names, and those that lie beside them or in a folder of a model."""

import os
import re
from pathlib import Path
from typing import Any

from tahr.saving.errors import MissingFileError, UnsafeFileError

__all__ = ["existing", "inner"]

REPOSITORY = re.compile(r"(?:models|datasets|spaces)--[^/\\]+")  # a folder in the cache of Hugging Face
BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # how it names content: by the digest of git, or by SHA-256


def existing(filepath: Any) -> Path:
    """Return a path that exists.

    Raises:
        MissingFileError: if it does not.
        UnsafeFileError: if it is a device or a pipe, which may give anything without end.
    """
    path = Path(filepath)
    if not path.exists():
        raise MissingFileError(f"{path}: there is no such file (looked in {path.resolve().parent}).")
    if not path.is_file() and not path.is_dir():
        raise UnsafeFileError(f"{path}: is a device or a pipe, not a file.")
    return path


def inner(place: Path) -> Path:
    """Return a path that exists and that no user named, but another file or the folder around it does.

    A link may lead anywhere, so the only ones followed are those of a snapshot in the cache of Hugging Face, where a
    file is a link to `blobs/DIGEST` of its own repository. Source of that layout:
    https://huggingface.co/docs/huggingface_hub/guides/manage-cache.

    Raises:
        MissingFileError: if it does not exist.
        UnsafeFileError: if it is any other link, a device or a pipe.
    """
    if place.is_symlink() and not _is_blob(Path(os.path.realpath(place)), place.parent.resolve()):
        raise UnsafeFileError(
            f"{place}: is a link, which may lead to any file or a pipe, so it is not opened. Put the file itself there."
        )
    return existing(place)


def _is_blob(target: Path, folder: Path) -> bool:
    """Return whether a link in a folder leads to content of the repository whose snapshot the folder is in."""
    for snapshots in folder.parents:
        if snapshots.name == "snapshots" and REPOSITORY.fullmatch(snapshots.parent.name):
            return target.parent == snapshots.parent / "blobs" and BLOB.fullmatch(target.name) is not None
    return False
