"""The zip around a model: members are looked at before any is unpacked, and large ones are read in place."""

import errno
import io
import os
import stat
import tempfile
import threading
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tahr.saving.errors import UnreadableFileError, UnsafeFileError

__all__ = ["Archive", "Window"]

TEXT_LIMIT = 256 << 20
RATIO = 1000
VALUE, VALUES = 100, 16 << 20  # bytes that a value of JSON takes, and what all of a text may take in any case
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO)  # of errors while unpacking, those that are not the file's fault


class Archive:
    """The members of a zip file that has passed the checks, or of a folder of the same layout.

    Raises:
        UnreadableFileError: if the file is damaged or cut off.
        UnsafeFileError: if a member's name leads outside, members overlap or repeat, or sizes are not credible.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self._file: IO[bytes] = open(path, "rb")  # noqa: SIM115  (closed by `close`)
        except OSError as error:
            raise UnreadableFileError(f"{path}: cannot be opened ({error}).") from error
        try:
            self._zip = zipfile.ZipFile(self._file)
            self._members = _checked(self._zip, path, os.fstat(self._file.fileno()).st_size)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, UnicodeDecodeError) as error:
            self._file.close()
            if isinstance(error, UnreadableFileError):
                raise
            from tahr.saving.scan import refuse_programs

            refuse_programs(path)
            raise UnreadableFileError(
                f"{path}: not a readable .keras file; it is damaged, cut off or of another kind ({error})."
            ) from error
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._file.close()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def names(self) -> list[str]:
        """Return the names of the members."""
        return list(self._members)

    def text(self, name: str) -> str:
        """Return a member as text.

        Raises:
            UnreadableFileError: if it is missing or damaged.
            UnsafeFileError: if it is larger than 256 MiB, or its values take far more than its size.
        """
        info = self._member(name)
        if info.file_size > TEXT_LIMIT:
            raise UnsafeFileError(f"{self.path}: {name} declares {info.file_size:,} bytes, more than {TEXT_LIMIT:,}.")
        try:
            with self._zip.open(info) as file:
                content = file.read(info.file_size)  # more than that is not unpacked
            text = content.decode("utf-8")
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, zlib.error) as error:
            raise UnreadableFileError(f"{self.path}: {name} is damaged ({error}).") from error
        values = sum(map(content.count, (b",", b"[", b"{")))
        if values * VALUE > max(VALUES, RATIO * info.compress_size):
            raise UnsafeFileError(
                f"{self.path}: {name} holds {values:,} values in {info.compress_size:,} packed bytes."
            )
        return text

    @contextmanager
    def open(self, name: str, check: bool = True) -> Iterator[IO[bytes]]:
        """Give a member as a file to read anywhere in: the stored bytes in place, packed ones unpacked beside.

        Args:
            name: the member's name.
            check: whether the checksum of stored bytes is compared before, which reads them all.
        """
        info = self._member(name)
        if info.compress_type == zipfile.ZIP_STORED:
            start = _data_start(self._file, info, self.path)
            with io.BufferedReader(Window(self._file, start, info.file_size)) as window:  # type: ignore[type-var]
                if check:
                    self._compare_checksum(window, info)
                yield window
            return
        with tempfile.TemporaryFile() as unpacked:
            self._copy(info, unpacked)
            yield unpacked

    def pages(self, name: str) -> tuple[IO[bytes], int] | None:
        """Return the file and the place in it where a member's bytes are stored, or None if they are packed."""
        info = self._member(name)
        stored = info.compress_type == zipfile.ZIP_STORED
        return (self._file, _data_start(self._file, info, self.path)) if stored else None

    def _compare_checksum(self, content: IO[bytes], info: zipfile.ZipInfo) -> None:
        checksum = 0
        while piece := content.read(1 << 20):
            checksum = zlib.crc32(piece, checksum)
        content.seek(0)
        if checksum != info.CRC:
            raise UnreadableFileError(f"{self.path}: {info.filename} is damaged: its checksum is not the recorded one.")

    def _copy(self, info: zipfile.ZipInfo, target: IO[bytes]) -> None:
        try:
            with self._zip.open(info) as source:
                while piece := source.read(1 << 20):
                    target.write(piece)
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise UnreadableFileError(f"{self.path}: {info.filename} is damaged ({error}).") from error
        target.flush()
        target.seek(0)

    def extract(self, folder: str, target: Path) -> bool:
        """Unpack the members under `folder` into `target`; return whether there were any."""
        found = False
        for name, info in self._members.items():
            inside = name.removeprefix(folder + "/")
            if inside == name or name.endswith("/"):
                continue
            found = True
            place = target.joinpath(*PurePosixPath(inside).parts)
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                with open(place, "xb") as file:
                    self._copy(info, file)
            except OSError as error:
                if isinstance(error, UnreadableFileError) or error.errno in DISK:
                    raise
                raise UnreadableFileError(f"{self.path}: {name[:80]} cannot be unpacked ({error.strerror}).") from error
        return found

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise UnreadableFileError(
                f"{self.path}: has no member {name!r}, so it is no saved model; it holds {sorted(self._members)[:10]}."
            )
        return self._members[name]


def _checked(archive: zipfile.ZipFile, path: Path, size: int) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    names: set[str] = set()
    end = 0
    for info in sorted(archive.infolist(), key=lambda i: i.header_offset):
        name, problem = info.filename, None
        if (plain := unicodedata.normalize("NFKC", name)) in names:  # as file systems may see it
            problem = "occurs twice"
        elif _leads_outside(name) or _leads_outside(info.orig_filename):
            problem = "has a name that leads outside the file"
        elif stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            problem = "is a link or a device"
        elif info.flag_bits & 1:
            problem = "is encrypted"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            problem = f"is packed by method {info.compress_type}"
        elif info.header_offset < end or info.header_offset + info.compress_size > size:
            problem = "overlaps another member or the end of the file"
        elif info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
            problem = f"declares {info.file_size:,} bytes but holds {info.compress_size:,}"
        elif info.file_size > max(1 << 16, RATIO * info.compress_size):
            problem = f"declares {info.file_size:,} bytes but holds {info.compress_size:,} packed ones"
        if problem:
            raise UnsafeFileError(f"{path}: the member {name!r} {problem}, so the file is not opened.")
        end = info.header_offset + 30 + len(info.orig_filename.encode("utf-8", "replace")) + info.compress_size
        found[name] = info
        names.add(plain)
    return found


def _leads_outside(name: str) -> bool:
    return (
        not name
        or name.startswith(("/", "\\"))
        or "\\" in name
        or "\0" in name
        or ":" in name.split("/")[0]
        or ".." in name.split("/")
    )


def _data_start(file: IO[bytes], info: zipfile.ZipInfo, path: Path) -> int:
    file.seek(info.header_offset)
    head = file.read(30)
    if len(head) < 30 or head[:4] != b"PK\x03\x04":
        raise UnreadableFileError(f"{path}: the member {info.filename!r} is damaged.")
    name = file.read(int.from_bytes(head[26:28], "little"))
    if name.decode("utf-8" if head[7] & 8 else "cp437", "replace") != info.orig_filename:
        raise UnreadableFileError(f"{path}: the member {info.filename!r} has another name where it lies, {name!r:.80}.")
    return info.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")


class Window(io.RawIOBase):
    """Part of a file as a file; several threads may hold windows with one lock on the same file."""

    def __init__(self, file: IO[bytes], start: int, size: int, lock: Any = None):
        self._file, self._start, self._size, self._at = file, start, size, 0
        self._lock = lock or threading.Lock()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self._size - self._at))
        with self._lock:
            self._file.seek(self._start + self._at)
            got = self._file.readinto(view[:wanted])  # type: ignore[attr-defined]
        self._at += got
        return got
