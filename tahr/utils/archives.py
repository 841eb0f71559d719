"""Unpacking zip and tar files from strangers: only plain files and folders, in their place and of the sizes told."""

import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from tahr.saving.errors import UnsafeFileError

CHUNK = 1 << 20
BOMB_RATIO, BOMB_BYTES = 200, 1 << 28  # past 256 MiB, contents of more than 200 times the archive's size are refused


@dataclass(frozen=True)
class Member:
    """An entry of an archive: its path, its declared size (None for a folder), and how to read it."""

    name: str
    size: int | None
    source: IO[bytes] | None


def archive_format_of(path: Path, formats: Iterable[str]) -> str | None:
    """Return which of the formats `"tar"` and `"zip"` a file has, or None."""
    tests = {"tar": tarfile.is_tarfile, "zip": zipfile.is_zipfile}
    return next((name for name in formats if tests[name](path)), None)


def extract(archive: Path, folder: Path, archive_format: str) -> None:
    """Unpack `archive` so that `folder` holds its contents, whole or not at all.

    Raises:
        ValueError: if the archive is damaged.
        UnsafeFileError: if a member is a link or a device, would land outside `folder`, comes twice, is larger than
            declared, or if the contents are larger than the disk or suspiciously larger than the archive.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        fresh = Path(scratch) / "new"
        fresh.mkdir()
        try:
            with _members(archive, archive_format) as members:
                _write(members, fresh, archive)
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ValueError(f"{archive} is damaged: {error}. Delete it and download it again.") from error
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        fresh.rename(folder)


class _members:
    """Open an archive and iterate over its members, each checked to be a plain file or folder."""

    def __init__(self, archive: Path, archive_format: str):
        self.path = archive
        self.file = (zipfile.ZipFile if archive_format == "zip" else tarfile.TarFile.open)(archive)

    def __enter__(self) -> Iterator[Member]:
        return self._of_zip(self.file) if isinstance(self.file, zipfile.ZipFile) else self._of_tar(self.file)

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def _of_zip(self, file: zipfile.ZipFile) -> Iterator[Member]:
        for info in file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UnsafeFileError(_refusal(self.path, info.filename, "is a link or a device"))
            if info.flag_bits & 1:
                raise UnsafeFileError(_refusal(self.path, info.filename, "is encrypted"))
            if info.is_dir():
                yield Member(info.filename, None, None)
            else:
                with file.open(info) as source:
                    yield Member(info.filename, info.file_size, source)

    def _of_tar(self, file: tarfile.TarFile) -> Iterator[Member]:
        for info in file:
            if info.isdir():
                yield Member(info.name, None, None)
            elif info.isreg() and not info.issparse():
                yield Member(info.name, info.size, file.extractfile(info))
            else:
                raise UnsafeFileError(_refusal(self.path, info.name, "is a link, a device or a sparse file"))


def _write(members: Iterator[Member], folder: Path, archive: Path) -> None:
    packed, free = archive.stat().st_size, shutil.disk_usage(folder).free
    total = 0
    for member in members:
        target = folder / _safe_path(member.name, archive)
        if member.size is None or member.source is None:
            target.mkdir(parents=True, exist_ok=True)
            continue
        total += member.size
        if total > free:
            raise UnsafeFileError(_refusal(archive, member.name, f"needs {total:,} bytes, the disk has {free:,}"))
        if total > BOMB_BYTES and total > BOMB_RATIO * packed:
            raise UnsafeFileError(_refusal(archive, member.name, f"swells {packed:,} bytes to more than {total:,}"))
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(target, "xb") as out:
                written = _copy(member.source, out, member.size)
        except FileExistsError:
            raise UnsafeFileError(_refusal(archive, member.name, "comes twice")) from None
        if written != member.size:
            raise UnsafeFileError(_refusal(archive, member.name, f"is declared as {member.size:,} bytes but is not"))


def _copy(source: IO[bytes], out: IO[bytes], size: int) -> int:
    """Copy at most one byte more than declared, so that a lie shows without filling the disk."""
    left = size + 1
    while left and (chunk := source.read(min(CHUNK, left))):
        out.write(chunk)
        left -= len(chunk)
    return size + 1 - left


def _safe_path(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    absolute = path.is_absolute() or name.startswith("\\") or os.path.splitdrive(name)[0] or name[1:2] == ":"
    if absolute or ".." in path.parts or "\\" in name or "\0" in name:
        raise UnsafeFileError(_refusal(archive, name, "would land outside the folder"))
    return path


def _refusal(archive: Path, name: str, why: str) -> str:
    return (
        f"Refusing to unpack {archive}: its member {name!r} {why}. Only plain files and folders inside one "
        "folder are unpacked; if you trust the file, unpack it yourself."
    )
