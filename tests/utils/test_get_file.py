"""`get_file`: cache, hashes, atomic downloads and safe unpacking, against a server on this machine."""

import functools
import hashlib
import http.server
import io
import os
import stat
import tarfile
import threading
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tahr.utils import archives
from tahr.utils.download import get_file

pytestmark = pytest.mark.once
BODY = b"tahr " * 40_000


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, counts requests, and cuts `/cut/NAME` short after half of the declared length."""

    requests: list[str] = []

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if not self.path.startswith("/cut/"):
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[: len(BODY) // 2])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    root = tmp_path_factory.mktemp("site")
    (root / "plain.txt").write_bytes(BODY)
    make_tar(root / "pack.tar.gz", [("in/a.txt", b"alpha"), ("in/deep/b.txt", b"beta")])
    make_zip(root / "pack.zip", [("in/a.txt", b"alpha"), ("in/deep/b.txt", b"beta")])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", root
    server.shutdown()
    server.server_close()


@pytest.fixture
def address(site: tuple[str, Path]) -> str:
    Handler.requests.clear()
    return site[0]


def make_tar(path: Path, files: list[tuple[str, bytes]], *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return path


def make_zip(path: Path, files: list[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return path


def files_under(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# ---- the cache -------------------------------------------------------------------------------------------------------


def test_downloads_once(address: str, tmp_path: Path) -> None:
    for _ in range(2):
        path = get_file("copy.txt", f"{address}/plain.txt", cache_dir=tmp_path)
        assert path == str(tmp_path / "datasets" / "copy.txt") and Path(path).read_bytes() == BODY
    assert Handler.requests == ["/plain.txt"]
    assert files_under(tmp_path) == ["datasets/copy.txt"]


def test_force_download(address: str, tmp_path: Path) -> None:
    for _ in range(2):
        get_file("copy.txt", f"{address}/plain.txt", cache_dir=tmp_path, force_download=True)
    assert len(Handler.requests) == 2


def test_name_comes_from_the_address(address: str, tmp_path: Path) -> None:
    assert get_file(origin=f"{address}/plain.txt?version=1", cache_dir=tmp_path).endswith("plain.txt")


@pytest.mark.parametrize(("home", "place"), [("KERAS_HOME", ""), ("HOME", ".keras")])
def test_default_cache_is_where_keras_has_it(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str, place: str
) -> None:
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv(home, str(tmp_path))
    path = get_file("copy.txt", f"{address}/plain.txt", cache_subdir="models")
    assert path == str(tmp_path / place / "models" / "copy.txt")


def test_absolute_subfolder_is_taken_as_it_is(address: str, tmp_path: Path) -> None:
    path = get_file(
        "copy.txt", f"{address}/plain.txt", cache_subdir=str(tmp_path / "own"), cache_dir=tmp_path / "cache"
    )
    assert path == str(tmp_path / "own" / "copy.txt")


# ---- hashes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
@pytest.mark.parametrize("said", ["auto", None])
def test_right_hash(address: str, tmp_path: Path, algorithm: str, said: str | None) -> None:
    digest = hashlib.new(algorithm, BODY).hexdigest().upper()
    path = get_file("a", f"{address}/plain.txt", file_hash=digest, hash_algorithm=said or algorithm, cache_dir=tmp_path)
    assert Path(path).read_bytes() == BODY


@pytest.mark.parametrize("arguments", [{"file_hash": "0" * 64}, {"file_hash": "0" * 32}, {"md5_hash": "0" * 32}])
def test_wrong_hash_is_an_error_and_leaves_nothing(address: str, tmp_path: Path, arguments: dict[str, str]) -> None:
    with pytest.raises(
        ValueError, match=r"not the expected file: \w+ expected 0+, received \w+.*put it at .*datasets.a"
    ):
        get_file("a", f"{address}/plain.txt", cache_dir=tmp_path, **arguments)
    assert files_under(tmp_path) == []


def test_cached_file_with_another_hash_is_replaced(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "a").write_bytes(b"old")
    get_file("a", f"{address}/plain.txt", file_hash=hashlib.sha256(BODY).hexdigest(), cache_dir=tmp_path)
    assert (tmp_path / "datasets" / "a").read_bytes() == BODY
    assert "downloading it again" in capsys.readouterr().err


# ---- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["missing.txt", "cut/plain.txt"])
def test_failed_download_keeps_the_old_file_and_says_where_to_put_it(address: str, tmp_path: Path, page: str) -> None:
    place = tmp_path / "datasets" / "a"
    place.parent.mkdir()
    place.write_bytes(b"old")
    with pytest.raises(OSError, match="could not download") as caught:
        get_file("a", f"{address}/{page}", cache_dir=tmp_path, force_download=True)
    assert f"put it at {place}" in str(caught.value)
    assert place.read_bytes() == b"old" and files_under(tmp_path) == ["datasets/a"]


def test_cut_download_tells_how_much_came(address: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"100,000 of 200,000 bytes|IncompleteRead"):
        get_file("a", f"{address}/cut/plain.txt", cache_dir=tmp_path)


def test_unreachable_server(tmp_path: Path) -> None:
    digest = "1" * 64
    with pytest.raises(OSError, match=rf"put it at .* \(its sha256 must be {digest}\)|sha256 must be {digest}"):
        get_file("a", "http://127.0.0.1:9/a", file_hash=digest, cache_dir=tmp_path)


def test_unwritable_cache(address: str, tmp_path: Path) -> None:
    (tmp_path / "datasets").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="cannot write to .*datasets.* cache_dir"):
        get_file("a", f"{address}/plain.txt", cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs origin"),
        ({"fname": "a"}, "needs origin"),
        ({"origin": "http://127.0.0.1/"}, "needs fname"),
        ({"fname": "a/b", "origin": "http://127.0.0.1/x"}, "without any folder"),
        ({"fname": "..", "origin": "http://127.0.0.1/x"}, "without any folder"),
        ({"fname": "a\\b", "origin": "http://127.0.0.1/x"}, "without any folder"),
        ({"origin": "http://127.0.0.1/x", "file_hash": "abc"}, "64 .* or 32"),
        ({"origin": "http://127.0.0.1/x", "file_hash": "0" * 32, "hash_algorithm": "sha256"}, "64 .* or 32"),
        ({"origin": "http://127.0.0.1/x", "hash_algorithm": "crc"}, "hash_algorithm must be"),
        ({"origin": "http://127.0.0.1/x", "extract": True, "archive_format": "rar"}, "archive_format must be"),
        ({"origin": "http://127.0.0.1/x", "extract": True, "archive_format": None}, "archive_format must be"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        get_file(**arguments)  # type: ignore[arg-type]


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="must begin with http"):
        get_file("a", "data:text/plain,hello", cache_dir=tmp_path)


# ---- archives: the layout is Keras 3.15's ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fname", "page", "folder", "archive"),
    [
        ("pack", "pack.tar.gz", "pack", "pack_archive"),
        (None, "pack.tar.gz", "pack.tar.gz", "pack.tar.gz_archive"),
        (None, "pack.zip", "pack.zip", "pack.zip_archive"),
        ("pack.zip", "pack.zip", "pack_extracted", "pack.zip"),
        ("my.pack.tar.gz", "pack.tar.gz", "my_extracted", "my.pack.tar.gz"),
    ],
)
@pytest.mark.parametrize("argument", ["extract", "untar"])
def test_extract(
    address: str, tmp_path: Path, fname: str | None, page: str, folder: str, archive: str, argument: str
) -> None:
    for _ in range(2):
        found = Path(get_file(fname, f"{address}/{page}", cache_dir=tmp_path, **{argument: True}))
        assert found == tmp_path / "datasets" / folder
        assert files_under(found) == ["in/a.txt", "in/deep/b.txt"]
    assert len(Handler.requests) == 1
    top = {p.name for p in (tmp_path / "datasets").iterdir()}
    assert top == {folder, archive}


def test_extract_again_after_a_new_download(address: str, tmp_path: Path) -> None:
    found = Path(get_file("pack", f"{address}/pack.zip", extract=True, cache_dir=tmp_path))
    (found / "in" / "a.txt").write_text("changed")
    get_file("pack", f"{address}/pack.zip", extract=True, cache_dir=tmp_path, force_download=True)
    assert (found / "in" / "a.txt").read_text() == "alpha"


@pytest.mark.parametrize(
    ("page", "archive_format"), [("plain.txt", "auto"), ("pack.zip", "tar"), ("pack.tar.gz", ["zip"])]
)
def test_extract_of_something_else(address: str, tmp_path: Path, page: str, archive_format: str) -> None:
    with pytest.raises(ValueError, match="cannot unpack .* Drop extract=True"):
        get_file("a", f"{address}/{page}", extract=True, archive_format=archive_format, cache_dir=tmp_path)


def tar_entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


BAD_TARS = {
    "parent": ([("../evil.txt", b"x")], []),
    "parent_inside": ([("a/../../evil.txt", b"x")], []),
    "absolute": ([("/evil.txt", b"x")], []),
    "backslash": ([("..\\evil.txt", b"x")], []),
    "drive": ([("C:evil.txt", b"x")], []),
    "symlink": ([], [tar_entry("link", tarfile.SYMTYPE, "/etc/passwd")]),
    "hardlink": ([], [tar_entry("link", tarfile.LNKTYPE, "a")]),
    "device": ([], [tar_entry("null", tarfile.CHRTYPE)]),
    "fifo": ([], [tar_entry("pipe", tarfile.FIFOTYPE)]),
    "twice": ([("a", b"1"), ("a", b"2")], []),
}
BAD_ZIPS: dict[str, list[tuple[str | zipfile.ZipInfo, bytes]]] = {
    "parent": [("../evil.txt", b"x")],
    "absolute": [("/evil.txt", b"x")],
    "symlink": [(zip_link("link"), b"/etc/passwd")],
    "drive": [("C:/evil.txt", b"x")],
}


def check_refused(archive: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "inner" / "out"
    before = files_under(tmp_path)
    with pytest.raises(ValueError, match="Refusing to unpack|damaged"):
        archives.extract(archive, folder, kind)
    assert not folder.exists() and files_under(tmp_path) == before


@pytest.mark.parametrize("case", BAD_TARS)
def test_bad_tar(tmp_path: Path, case: str) -> None:
    files, extra = BAD_TARS[case]
    check_refused(make_tar(tmp_path / "bad.tar", [("good.txt", b"x"), *files], *extra), tmp_path, "tar")


@pytest.mark.parametrize("case", BAD_ZIPS)
def test_bad_zip(tmp_path: Path, case: str) -> None:
    check_refused(make_zip(tmp_path / "bad.zip", [("good.txt", b"x"), *BAD_ZIPS[case]]), tmp_path, "zip")


def test_zip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "BOMB_BYTES", 1 << 20)
    check_refused(make_zip(tmp_path / "bomb.zip", [("zeros", bytes(4 << 20))]), tmp_path, "zip")


def test_zip_with_false_size(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "lie.zip", [("a.txt", b"0123456789" * 100)])
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # declared size in both headers
        place = data.index(signature) + offset
        data[place : place + 4] = (10).to_bytes(4, "little")
    path.write_bytes(data)
    check_refused(path, tmp_path, "zip")


def test_larger_than_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_zip(tmp_path / "big.zip", [("a", bytes(1000))])
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: types.SimpleNamespace(free=999))
    check_refused(archive, tmp_path, "zip")


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_truncated_archive(tmp_path: Path, kind: str) -> None:
    data = os.urandom(50_000)
    make = make_tar if kind == "tar" else make_zip
    path = make(tmp_path / ("cut.tar.gz" if kind == "tar" else "cut.zip"), [("a", data), ("b", data)])
    path.write_bytes(path.read_bytes()[:60_000])
    check_refused(path, tmp_path, kind)
