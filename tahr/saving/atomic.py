"""Files that are replaced as a whole: the old file stays until the new one is complete, whatever happens."""

import contextlib
import importlib
import importlib.util
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

__all__ = ["may_write", "replacing", "replacing_folder", "sync_folder"]

LARGE = 8 << 20
YOUNG = 1.0  # seconds in which a new file may not have its lock yet
fcntl: Any = importlib.import_module("fcntl") if importlib.util.find_spec("fcntl") else None  # not on Windows


def may_write(path: Path, overwrite: bool) -> bool:
    """Return whether a file may be written: it is new, `overwrite` is true, or the user at the terminal agrees.

    Raises:
        FileExistsError: if it exists, `overwrite` is false, and there is nobody to ask.
    """
    if overwrite or not path.exists():
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise FileExistsError(f"{path} exists already. Pass overwrite=True to replace it, or choose another name.")
    while (answer := input(f"[WARNING] {path} already exists - overwrite? [y/n]").strip().lower()) not in ("y", "n"):
        print('Please answer "y" or "n".')
    return answer == "y"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write and read that takes the place of `path` once the block ends without an error.

    On Linux the new file has no name until it is complete and on the disk: a process killed before leaves nothing. A
    nameless file cannot take the place of another, so it is given a hidden name and moved, by two calls in a row. A
    process killed between these leaves the old file whole and the new one, whole, too, beside it; the next writing of
    `path` removes that. Where the system has no nameless files, the hidden name is there from the start.
    """
    path = Path(os.path.realpath(path))  # a link stays a link
    _sweep(path)
    mode = path.stat().st_mode & 0o777 if path.exists() else None
    name = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.tmp")
    file, named = _open_new(name)
    try:
        with file:
            with contextlib.suppress(OSError):  # a file system without locks
                _lock(file)
            yield file
            file.flush()
            if mode is not None:
                os.chmod(file.fileno() if os.chmod in os.supports_fd else name, mode)
            os.fsync(file.fileno())
            with _freed_later(path):
                _put(None if named else file, name, path)
    except BaseException:
        name.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _sweep(path: Path) -> None:
    """Remove files that processes were killed over while they wrote `path`: those that nobody has a lock on."""
    pattern = re.compile(rf"\.{re.escape(path.name[:100])}\.[0-9a-f]{{12}}\.tmp")
    if fcntl is None or not path.parent.is_dir():
        return
    for entry in os.scandir(path.parent):
        if pattern.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
            with contextlib.suppress(OSError), open(entry.path, "rb") as left:
                _lock(left)
                if time.time() - entry.stat().st_mtime > YOUNG:
                    os.unlink(entry.path)


def _lock(file: IO[bytes]) -> None:
    """Show others that the file is being written; raise an `OSError` if another process shows so already."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def _freed_later(path: Path) -> Iterator[None]:
    """Let a thread wait for the system to free the place of a large file that the block replaces."""
    handle = None
    with contextlib.suppress(OSError):
        if os.name == "posix" and path.stat().st_size >= LARGE:
            handle = os.open(path, os.O_RDONLY)  # while it is open, its place is not free
    try:
        yield
    finally:
        if handle is not None:
            threading.Thread(target=os.close, args=(handle,), daemon=True).start()


def _open_new(name: Path) -> tuple[IO[Any], bool]:
    """Return a new file and whether it has a name already."""
    if hasattr(os, "O_TMPFILE"):
        with contextlib.suppress(OSError):  # the file system knows no nameless files
            return os.fdopen(os.open(name.parent, os.O_TMPFILE | os.O_RDWR, 0o666), "w+b"), False
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(name, flags, 0o666), "w+b"), True


def _put(nameless: IO[bytes] | None, name: Path, path: Path) -> None:
    """Let the new file take the place of `path`; one without a name has `name` for no longer than two calls."""
    if nameless is None:
        return os.replace(name, path)
    folder = os.open(name.parent, os.O_RDONLY)  # a folder handle makes `os.link` follow the link under /proc
    try:
        os.link(f"/proc/self/fd/{nameless.fileno()}", name.name, dst_dir_fd=folder)
        os.replace(name, path)
    finally:
        os.close(folder)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of `path` once the block ends without an error."""
    import shutil

    path = Path(os.path.realpath(path))
    stem = f".{path.name[:100]}.{secrets.token_hex(6)}"
    new, old = path.with_name(stem + ".tmp"), path.with_name(stem + ".old")
    new.mkdir()
    try:
        yield new
        for file in new.rglob("*"):
            if file.is_file():
                with open(file, "rb") as f:
                    os.fsync(f.fileno())
        if path.exists():
            os.rename(path, old)
        os.rename(new, path)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        if old.exists() and not path.exists():
            os.rename(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a renaming in `folder` outlast a power failure, where the system lets a folder be synced."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
