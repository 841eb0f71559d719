"""Files that are replaced as a whole: the old file stays until the new one is complete, whatever happens."""

import contextlib
import importlib
import importlib.util
import os
import re
import secrets
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

__all__ = ["may_write", "replacing", "replacing_folder", "sync_folder"]

LARGE = 8 << 20
MEMBERS = {
    "config.json", "metadata.json", "model.weights.h5", "assets",
    "saved_model.pb", "keras_metadata.pb", "fingerprint.pb", "variables", "assets.extra",
}  # fmt: skip  # of folders of models, and of SavedModels
PATTERN = re.compile(r"\..+\.[0-9a-f]{12}\.tahr\.tmp")  # of the names that `_hidden` gives
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
    any file into that folder removes it. Where the system has no nameless files (macOS, network file systems), the
    hidden name is there from the start. Windows and file systems without locks show nobody who lives; there what a
    killed process left stays, as `.NAME.….tahr.tmp`.
    """
    path = Path(os.path.realpath(path))  # a link stays a link
    _sweep(path.parent)
    mode = path.stat().st_mode & 0o777 if path.exists() else None
    file, name, named = _open_new(path)
    try:
        with file:
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


def _sweep(folder: Path) -> None:
    """Remove what processes were killed over while they wrote into `folder`: what nobody has a lock on."""
    if fcntl is None or not folder.is_dir():
        return
    for entry in os.scandir(folder):
        if PATTERN.fullmatch(entry.name) and not entry.is_symlink():
            with contextlib.suppress(OSError), _locked(Path(entry.path)):
                _remove(Path(entry.path))


def _remove(place: Path) -> None:
    import shutil

    shutil.rmtree(place) if place.is_dir() else place.unlink()


@contextlib.contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Have the lock on a file or folder inside the block; an `OSError` says that another process has it."""
    handle = os.open(place, os.O_RDONLY)
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def _lock(file: IO[bytes] | int) -> None:
    """Show others that the file is being written; raise an `OSError` if another process shows so already."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _hidden(path: Path) -> Path:
    """Return a new name beside `path`, one of those that are swept away unless somebody has a lock on the file."""
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.tahr.tmp")


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


def _open_new(path: Path) -> tuple[IO[Any], Path, bool]:
    """Return a new file with the lock on it, its hidden name beside `path`, and whether it has that name already."""
    name = _hidden(path)
    if hasattr(os, "O_TMPFILE"):
        with contextlib.suppress(OSError):  # the file system knows no nameless files
            file = os.fdopen(os.open(name.parent, os.O_TMPFILE | os.O_RDWR, 0o666), "w+b")
            _lock_if_possible(file)
            return file, name, False
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(name, flags, 0o666), "w+b")
    _lock_if_possible(file)
    if name.exists():
        return file, name, True
    file.close()  # it was swept away before it had its lock
    return _open_new(path)


def _lock_if_possible(file: IO[bytes] | int) -> None:
    with contextlib.suppress(OSError):  # a file system without locks, where nothing is swept either
        _lock(file)


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
    """Give an empty folder that takes the place of `path` once the block ends without an error.

    It has a hidden name until it is complete and on the disk. Then both change places, on Linux in one step, so that a
    process killed at any moment leaves the old folder or the new one whole; elsewhere one killed between two renamings
    leaves the old one with a hidden name. What else it leaves goes with the next writing into the same folder.

    Raises:
        FileExistsError: if the old folder holds anything but a model, which would be lost.
    """
    path = Path(os.path.realpath(path))
    others = sorted({entry.name for entry in path.iterdir()} - MEMBERS) if path.is_dir() else []
    if others:
        raise FileExistsError(
            f"{path} is a folder that holds more than a model ({', '.join(others[:5])}), which would be lost. Choose "
            "the name of a new folder."
        )
    _sweep(path.parent)
    new, handle = _new_folder(path)
    try:
        yield new
        for place in (*new.rglob("*"), new):
            _sync(place)
        _change_places(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            _remove(new)
        raise
    finally:
        if handle is not None:
            os.close(handle)
    if new.exists():
        _remove(new)
    sync_folder(path.parent)


def _new_folder(path: Path) -> tuple[Path, int | None]:
    """Return a new folder beside `path`, and a handle that has the lock on it."""
    new = _hidden(path)
    new.mkdir()
    if path.is_dir():
        new.chmod(path.stat().st_mode & 0o777)
    if fcntl is None:
        return new, None
    with contextlib.suppress(FileNotFoundError):
        handle = os.open(new, os.O_RDONLY)
        _lock_if_possible(handle)
        if new.exists():
            return new, handle
        os.close(handle)
    return _new_folder(path)  # it was swept away before it had its lock


def _change_places(new: Path, path: Path) -> None:
    """Let `new` be `path`, and what was there, if anything, be `new`."""
    if not path.exists():
        return os.rename(new, path)
    if sys.platform == "linux":
        import ctypes

        here, exchange = -100, 2
        if ctypes.CDLL(None).renameat2(here, os.fsencode(new), here, os.fsencode(path), exchange) == 0:
            return None
    old = _hidden(path)
    os.rename(path, old)
    try:
        os.rename(new, path)
    except BaseException:
        os.rename(old, path)
        raise
    os.rename(old, new)


def _sync(place: Path) -> None:
    if place.is_dir():
        return sync_folder(place)
    with open(place, "rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a renaming in `folder` outlast a power failure, where the system lets a folder be synced."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
