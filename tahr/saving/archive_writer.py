"""Zip files whose members are written in place, stored as they are: what is large is written once and never copied."""

import functools
import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, Any

from tahr.saving.archive import Window

__all__ = ["ArchiveWriter", "digests_of"]

ALIGNED = 64  # members begin at multiples of it, so that readers can map arrays in them
PIECE, CHUNK = 4 << 20, 1 << 18  # a chunk stays in the cache for both sums
FULL = 0xFFFFFFFF  # a size or place that is told in 64 bits elsewhere
DATE = 33  # 1 January 1980: equal models give equal files


class ArchiveWriter:
    """Writes a zip file; leaving it without an error completes the file.

    Args:
        file: an empty file to write and read.
        digests: whether SHA-256 of the members are computed, by threads, while the next bytes are written.

    Attributes:
        members: size of each member by its name, and `sha256`, that of the member or the list of those of its pieces
            of `piece` bytes.
    """

    def __init__(self, file: IO[bytes], digests: bool = False):
        self._file, self._digests = file, digests
        self._entries: list[tuple[bytes, int, int, int]] = []
        self.members: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> "ArchiveWriter":
        return self

    def __exit__(self, kind: Any, *error: Any) -> None:
        if kind is None:
            _write_directory(self._file, self._entries)

    @contextmanager
    def member(self, name: str) -> Iterator[Any]:
        """Give a file whose content, wherever written, becomes a member."""
        encoded, offset = name.encode("utf-8"), self._file.seek(0, os.SEEK_END)
        self._file.write(_header(encoded, offset, 0, 0))
        with _Target(self._file, self._file.tell(), self._digests) as target:
            try:
                yield target
            except Exception:
                if target.problem is None:
                    raise
                raise target.problem from None  # HDF5 stumbles once more over what it could not write
            size, checksum, found = target.finish()
        self._file.seek(offset)
        self._file.write(_header(encoded, offset, checksum, size))
        self._entries.append((encoded, offset, checksum, size))
        self.members[name] = found

    def add(self, name: str, content: str | IO[bytes]) -> None:
        """Add a member: text, or what an open file holds."""
        with self.member(name) as target:
            if isinstance(content, str):
                target.write(content.encode("utf-8"))
            else:
                while piece := content.read(PIECE):
                    target.write(piece)


class _Target(Window):
    """A member that is being written; pieces that seem complete are hashed by threads, again if they change."""

    def __init__(self, file: IO[bytes], start: int, digests: bool):
        super().__init__(file, start, 0)
        self._digests = digests
        self.problem: OSError | None = None  # that kept something from being written
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: dict[int, Future[tuple[str, int]]] = {}

    def writable(self) -> bool:
        return True

    def write(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        try:
            with self._lock:
                self._file.seek(self._start + self._at)
                self._file.write(view)
        except OSError as error:
            self.problem = error
            raise
        begin, end = self._at, self._at + len(view)
        self._at, self._size = end, max(self._size, end)
        for piece in range(begin // PIECE, -(-end // PIECE)):
            self._jobs.pop(piece, None)
            if self._digests and (piece + 1) * PIECE <= end:
                self._start_job(piece)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        self._size = self._at if size is None else size
        with self._lock:
            self._file.truncate(self._start + self._size)
        return self._size

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        super().close()

    def finish(self) -> tuple[int, int, dict[str, Any]]:
        """Return size, checksum, and what is known of the member."""
        with self._lock:
            self._file.flush()
        window = self._window()
        if not self._digests:
            return self._size, checksum_of(window), {"size": self._size}
        if self._size <= PIECE:
            digest, checksum = _sums(window)
            return self._size, checksum, {"size": self._size, "sha256": digest}
        sizes = [min(PIECE, self._size - begin) for begin in range(0, self._size, PIECE)]
        for piece in range(len(sizes)):
            if piece not in self._jobs:
                self._start_job(piece)
        os.fsync(self._file.fileno())  # meanwhile the disk works
        digests, checksum = [], 0
        for piece, size in enumerate(sizes):
            digest, own = self._jobs[piece].result()
            digests.append(digest)
            checksum = _joined(checksum, own, size)
        return self._size, checksum, {"size": self._size, "piece": PIECE, "sha256": digests}

    def _window(self) -> Window:
        return Window(self._file, self._start, self._size, self._lock)

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(min(8, 1 + (os.cpu_count() or 1)))
        return self._pool

    def _start_job(self, piece: int) -> None:
        begin = piece * PIECE
        size = min(PIECE, self._size - begin)
        if hasattr(os, "preadv"):  # several threads at a time, beside the one that writes
            self._file.flush()
            window: Any = _Piece(self._file.fileno(), self._start + begin, size)
        else:
            window = Window(self._file, self._start + begin, size, self._lock)
        self._jobs[piece] = self._threads().submit(_sums, window)


class _Piece:
    """Part of a file to read, which has no place of its own that threads would have to share."""

    def __init__(self, handle: int, start: int, size: int):
        self._handle, self._start, self._left = handle, start, size

    def readinto(self, buffer: memoryview) -> int:
        got = os.preadv(self._handle, [buffer[: self._left]], self._start)
        self._start, self._left = self._start + got, self._left - got
        return got


def checksum_of(file: Any) -> int:
    """Return the CRC-32 of what a file holds from where it is."""
    checksum, buffer = 0, memoryview(bytearray(CHUNK))
    while got := file.readinto(buffer):
        checksum = zlib.crc32(buffer[:got], checksum)
    return checksum


def _sums(file: Any) -> tuple[str, int]:
    """Return SHA-256 and CRC-32 of what a file holds."""
    digest, checksum, buffer = hashlib.sha256(), 0, memoryview(bytearray(CHUNK))
    while got := file.readinto(buffer):
        digest.update(buffer[:got])
        checksum = zlib.crc32(buffer[:got], checksum)
    return digest.hexdigest(), checksum


def _joined(first: int, second: int, size: int) -> int:
    """Return the CRC-32 of two contents, one after the other, from that of each and the size of the second."""
    return _product(first, _power(8 * size)) ^ second


@functools.cache
def _power(bits: int) -> int:
    """Return x to the power `bits` in the field of CRC-32, whose polynomials have their highest term first."""
    found, square = 1 << 31, 1 << 30
    while bits:
        found = _product(found, square) if bits & 1 else found
        square, bits = _product(square, square), bits >> 1
    return found


def _product(a: int, b: int) -> int:
    found = 0
    for i in range(31, -1, -1):
        found ^= b if a >> i & 1 else 0
        b = b >> 1 ^ (0xEDB88320 if b & 1 else 0)
    return found


def digests_of(file: Any, pieces: bool = False) -> str | list[str]:
    """Return the SHA-256 of what a file holds, or the list of those of its pieces."""
    if not pieces:
        return hashlib.file_digest(file, "sha256").hexdigest()
    found = []
    while content := file.read(PIECE):
        found.append(hashlib.sha256(content).hexdigest())
    return found


# ---- the form of zip files: PKWARE's APPNOTE.TXT, sections 4.3 and 4.5 -----------------------------------------------


def _header(name: bytes, offset: int, checksum: int, size: int) -> bytes:
    """Return what stands before a member: sizes in 64 bits, and as many zeros as make the member begin aligned."""
    room = 30 + len(name) + 20 + 6
    padding = -(offset + room) % ALIGNED
    extra = struct.pack("<2H2Q", 1, 16, size, size) + struct.pack("<3H", 0xD935, 2 + padding, ALIGNED) + bytes(padding)
    fixed = struct.pack("<4s5H3L2H", b"PK\3\4", 45, 0x800, 0, 0, DATE, checksum, FULL, FULL, len(name), len(extra))
    return fixed + name + extra


def _write_directory(file: IO[bytes], entries: list[tuple[bytes, int, int, int]]) -> None:
    start = file.seek(0, os.SEEK_END)
    for name, offset, checksum, size in entries:
        large = [n for n in (size, size, offset) if n >= FULL]
        extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        told, place = min(size, FULL), min(offset, FULL)
        file.write(
            struct.pack("<4s6H3L5H2L", b"PK\1\2", 3 << 8 | 45, 45, 0x800, 0, 0, DATE, checksum, told, told, len(name),
                        len(extra), 0, 0, 0, 0o600 << 16, place) + name + extra
        )  # fmt: skip
    end, count = file.tell(), len(entries)
    if start >= FULL or count >= 0xFFFF:
        file.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, end - start, start))
        file.write(struct.pack("<4sLQL", b"PK\6\7", 0, end, 1))
    few = min(count, 0xFFFF)
    file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, few, few, end - start, min(start, FULL), 0))
