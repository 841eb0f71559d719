"""Members written in place are what a zip file holds: aligned, with the right sums, also far into a large file."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers
from tahr.saving.archive import Archive
from tahr.saving.archive_writer import ALIGNED, PIECE, ArchiveWriter
from tahr.saving.verify import verify_file

pytestmark = pytest.mark.once
LONG = np.random.default_rng(3).bytes(PIECE + 5000)

# What is written, as (place, bytes), and what must be there.
WRITES: dict[str, tuple[list[tuple[int, bytes]], bytes]] = {
    "nothing": ([], b""),
    "in order": ([(0, b"abc"), (3, b"def")], b"abcdef"),
    "head last": ([(4, b"tail"), (0, b"head")], b"headtail"),
    "over one another": ([(0, b"aaaa"), (1, b"bb"), (1, b"c")], b"acba"),
    "a gap": ([(5, b"x")], b"\0\0\0\0\0x"),
    "pieces": ([(0, LONG)], LONG),
    "pieces that change": (
        [(0, LONG + LONG), (10, b"!"), (PIECE + 1, b"?")],
        LONG[:10] + b"!" + LONG[11 : PIECE + 1] + b"?" + LONG[PIECE + 2 :] + LONG,
    ),
}


def digest(content: bytes) -> Any:
    if len(content) <= PIECE:
        return hashlib.sha256(content).hexdigest()
    return [hashlib.sha256(content[i : i + PIECE]).hexdigest() for i in range(0, len(content), PIECE)]


@pytest.mark.parametrize("digests", [True, False])
def test_members(digests: bool, tmp_path: Path) -> None:
    with open(tmp_path / "a.zip", "w+b") as file, ArchiveWriter(file, digests) as archive:
        archive.add("ä.txt", "täxt")
        for name, (writes, _) in WRITES.items():
            with archive.member(name) as target:
                for place, content in writes:
                    target.seek(place)
                    target.write(content)
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        assert found.testzip() is None
        assert found.namelist() == ["ä.txt", *WRITES] and found.read("ä.txt") == "täxt".encode()
        for name, (_, wanted) in WRITES.items():
            assert found.read(name) == wanted
            known = archive.members[name]
            assert known["size"] == len(wanted) and known.get("sha256") == (digest(wanted) if digests else None)


def test_members_begin_aligned(tmp_path: Path) -> None:
    with open(tmp_path / "a.zip", "w+b") as file, ArchiveWriter(file) as archive:
        for i in range(70):
            archive.add("n" * (i + 1), "x" * i)
    with Archive(tmp_path / "a.zip") as archive:
        assert {archive.pages(name)[1] % ALIGNED for name in archive.names()} == {0}  # type: ignore[index]


def test_places_beyond_four_gigabytes(tmp_path: Path) -> None:
    """A file that begins with a hole, so that it takes no room: places that need 64 bits are found."""
    with open(tmp_path / "a.zip", "w+b") as file:
        file.truncate(5 << 30)
        with ArchiveWriter(file, digests=True) as archive:
            archive.add("a.txt", "far")
            archive.add("b.txt", "away")
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        assert found.testzip() is None and found.getinfo("a.txt").header_offset == 5 << 30
    with Archive(tmp_path / "a.zip") as archive:
        assert archive.text("a.txt") + archive.text("b.txt") == "faraway"


def test_many_members(tmp_path: Path) -> None:
    with open(tmp_path / "a.zip", "w+b") as file, ArchiveWriter(file) as archive:
        for i in range(66_000):
            archive.add(str(i), "")
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        assert len(found.namelist()) == 66_000


def test_a_changed_piece_is_noticed(tmp_path: Path) -> None:
    """A byte changed deep in the weights, with a checksum that fits, so that only SHA-256 tells."""
    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input((1500,)), layers.Dense(1500)]).save(path)
    assert verify_file(path)["status"] == "verified"
    with zipfile.ZipFile(path) as archive:
        content = {name: bytearray(archive.read(name)) for name in archive.namelist()}
    content["model.weights.h5"][PIECE + 100_000] ^= 1
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, bytes(data))
    found = verify_file(path)
    assert found["status"] == "changed" and "model.weights.h5: its SHA-256" in found["problems"][0]
