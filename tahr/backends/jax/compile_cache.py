"""Compiled programs are kept on disk, so that a script that runs again does not compile again.

JAX keeps them itself; here is said where, and for how long. The folder is `~/.tahr/compiled` (`TAHR_HOME`), in it one
for each kind of processor, since code for one may not run on another. `TAHR_COMPILE_CACHE` names another folder, or
turns it off as `0`. Whoever sets JAX's own `jax_compilation_cache_dir` is left alone. Several processes may use one
folder: an entry that is read while it is written does not decompress, and its program is compiled.
"""

import contextlib
import hashlib
import os
import platform
import time
import warnings
from pathlib import Path

import jax

from tahr import config

__all__ = ["folder", "keep_compiled", "prune"]

MOST_BYTES = 2**30
MOST_FILES = 20_000
PRUNE_AFTER_SECONDS = 24 * 3600.0


def folder() -> Path | None:
    """Return where compiled programs of this processor are kept, None if nowhere."""
    said = os.environ.get("TAHR_COMPILE_CACHE", "")
    if said.lower() in ("0", "off", "false", "no"):
        return None
    return (Path(said).expanduser() if said else config.home() / "compiled") / _processor()


def keep_compiled() -> None:
    """Turn the cache on, unless told otherwise."""
    where = folder()
    if where is None or jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    try:
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:  # a home that cannot be written to: everything works, programs are compiled each time
        return
    jax.config.update("jax_compilation_cache_dir", str(where))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    if "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES" not in os.environ:
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache entry")
    prune(where)


def prune(where: Path, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES) -> None:
    """Once a day, remove what was longest unused of a folder that has grown above its bounds, down to nine tenths."""
    stamp = where / ".pruned"
    with contextlib.suppress(OSError):
        if time.time() - stamp.stat().st_mtime < PRUNE_AFTER_SECONDS:
            return
    entries = []
    with contextlib.suppress(OSError):
        stamp.touch()
        for entry in os.scandir(where):
            with contextlib.suppress(OSError):  # another process removes as well
                if entry.name != stamp.name and entry.is_file(follow_symlinks=False):
                    found = entry.stat(follow_symlinks=False)
                    entries.append((max(found.st_atime, found.st_mtime), found.st_size, entry.path))
    size = sum(entry[1] for entry in entries)
    if size <= most_bytes and len(entries) <= most_files:
        return
    entries.sort(reverse=True)
    while entries and (size > 0.9 * most_bytes or len(entries) > 0.9 * most_files):
        _, found, path = entries.pop()
        size -= found
        with contextlib.suppress(OSError):
            os.remove(path)


def _processor() -> str:
    """Return a name for what the processor can run."""
    facts = platform.processor()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        facts += "".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    return f"{platform.machine()}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"
