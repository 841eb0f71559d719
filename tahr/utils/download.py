"""Files from the network, kept in a cache and checked."""

import hashlib
import os
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from tahr import config
from tahr.trainer.progress import Progress
from tahr.utils import archives

__all__ = ["get_file"]

TIMEOUT_SECONDS = 60
CHUNK = 1 << 16
DIGITS = {"sha256": 64, "md5": 32}


def get_file(
    fname: str | os.PathLike[str] | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | Iterable[str] | None = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """Return the path of a file from the network, downloaded only if the cache does not hold it.

    The cache is the one Keras uses, so that files already there are found: `KERAS_HOME` if it is set, else `~/.keras`.
    A download goes to a temporary file beside its place and is moved there once complete and checked.

    Args:
        fname: name of the file in the cache; the last part of `origin` by default. No folders: see `cache_subdir`.
        origin: address of the file: http, https, ftp or file.
        untar: old name of `extract`.
        md5_hash: old form of `file_hash`.
        file_hash: SHA-256 or MD5 of the file, in hexadecimal digits. A cached file that differs is downloaded again.
        cache_subdir: folder inside the cache, or an absolute path.
        hash_algorithm: `"sha256"`, `"md5"`, or `"auto"` to tell by the length of `file_hash`.
        extract: whether to unpack the file and return the folder. As in Keras, `data.zip` is unpacked to
            `data_extracted`; a name without a dot names the folder, and the file gets `_archive` added.
        archive_format: `"tar"`, `"zip"`, a list of these, or `"auto"` for both.
        cache_dir: the cache, instead of the one above.
        force_download: whether to download the file even if the cache holds it.

    Raises:
        OSError: if the file cannot be downloaded or written; the message says where to put it by hand.
        ValueError: if arguments do not fit together, the download does not have the expected hash, or the archive
            holds something else than plain files and folders of its own.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "source.txt").write_text("hello")
    >>> path = keras.utils.get_file("copy.txt", (folder / "source.txt").as_uri(), cache_dir=folder)
    >>> pathlib.Path(path).read_text()
    'hello'
    """
    if not origin:
        raise ValueError("get_file needs origin, the address of the file; received none.")
    given, name = fname is not None, _file_name(fname, origin)
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    algorithm = _algorithm(file_hash, hash_algorithm)
    formats = _formats(archive_format) if extract or untar else ()
    folder = Path(cache_dir or config.keras_home()).expanduser() / cache_subdir
    path, unpacked = folder / name, None
    if formats:
        dotted = given and "." in name
        unpacked = folder / (name.split(".")[0] + "_extracted" if dotted else name)
        path = folder / (name if dotted else f"{name}_archive")

    missing = force_download or not _is_cached(path, file_hash, algorithm)
    if missing:
        _download(origin, path, file_hash, algorithm)
    if unpacked is None:
        return str(path)
    if missing or not unpacked.exists():
        found = archives.archive_format_of(path, formats)
        if found is None:
            raise ValueError(
                f"get_file: cannot unpack {path}: it is not a {' or '.join(formats)} file. Drop extract=True."
            )
        archives.extract(path, unpacked, found)
    return str(unpacked)


def _file_name(fname: str | os.PathLike[str] | None, origin: str) -> str:
    name = os.fspath(fname) if fname is not None else os.path.basename(urllib.parse.urlsplit(origin).path)
    if not name or name in (".", "..") or any(separator in name for separator in "/\\"):
        raise ValueError(
            "get_file needs fname, the file's name without any folder; set the folder with cache_subdir or cache_dir. "
            f"Received fname={fname!r}, origin={origin!r}."
        )
    return name


def _algorithm(file_hash: str | None, algorithm: str) -> str:
    if algorithm not in ("auto", *DIGITS):
        raise ValueError(f"hash_algorithm must be 'auto', 'sha256' or 'md5'; received {algorithm!r}.")
    if file_hash is None:
        return algorithm
    matching = next((name for name, digits in DIGITS.items() if digits == len(file_hash)), None)
    if matching is None or (algorithm != "auto" and algorithm != matching):
        raise ValueError(f"file_hash must be 64 (SHA-256) or 32 (MD5) hexadecimal digits; received {file_hash!r}.")
    return matching


def _formats(archive_format: str | Iterable[str] | None) -> tuple[str, ...]:
    names = (archive_format,) if isinstance(archive_format, str) else tuple(archive_format or ())
    if names == ("auto",):
        return ("tar", "zip")
    if not names or not set(names) <= {"tar", "zip"}:
        raise ValueError(
            f"archive_format must be 'auto', 'tar', 'zip' or a list of these; received {archive_format!r}."
        )
    return names


def _is_cached(path: Path, file_hash: str | None, algorithm: str) -> bool:
    if not path.is_file():
        return False
    if file_hash is None or hash_of(path, algorithm) == file_hash.lower():
        return True
    print(f"{path} does not have the expected {algorithm} {file_hash}; downloading it again.", file=sys.stderr)
    return False


def hash_of(path: Path, algorithm: str) -> str:
    """Return the hash of a file's bytes in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _download(origin: str, path: Path, file_hash: str | None, algorithm: str) -> None:
    """Fetch `origin` to `path`; until it is complete and right, what is at `path` stays as it is."""
    expected = f" (its {algorithm} must be {file_hash})" if file_hash else ""
    advice = f"Get the file some other way and put it at {path}{expected}; it is used from there."
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        raise OSError(
            f"get_file cannot write to {path.parent}: {error}. Choose another folder with cache_dir."
        ) from error
    try:
        with os.fdopen(handle, "wb") as out:
            try:
                with urllib.request.urlopen(_request(origin), timeout=TIMEOUT_SECONDS) as answer:
                    _receive(answer, out, origin)
            except (OSError, ValueError, urllib.error.ContentTooShortError) as error:
                reason = getattr(error, "reason", None) or error
                raise OSError(f"get_file could not download {origin}: {reason}. {advice}") from error
        found = hash_of(Path(scratch), algorithm) if file_hash else ""
        if file_hash and found != file_hash.lower():
            raise ValueError(
                f"get_file downloaded {origin}, but it is not the expected file: {algorithm} expected {file_hash}, "
                f"received {found}. {advice}"
            )
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    finally:
        Path(scratch).unlink(missing_ok=True)


def _request(origin: str) -> urllib.request.Request:
    scheme = urllib.parse.urlsplit(origin).scheme
    if scheme not in ("http", "https", "ftp", "file"):
        raise ValueError(f"an address must begin with http, https, ftp or file, not {scheme!r}")
    return urllib.request.Request(origin, headers={"User-Agent": "tahr"})


def _receive(answer: IO[bytes], out: IO[bytes], origin: str) -> None:
    length = getattr(answer, "headers", {}).get("Content-Length")
    total = int(length) if length and length.isdigit() else None
    bar = Progress(total, label=os.path.basename(urllib.parse.urlsplit(origin).path), unit="B", stream=sys.stderr)
    done = 0
    try:
        while chunk := answer.read(CHUNK):
            out.write(chunk)
            done += len(chunk)
            bar.update(done)
    finally:
        bar.close()
    if total is not None and done != total:
        raise OSError(f"the connection ended after {done:,} of {total:,} bytes")
    bar.finish()
