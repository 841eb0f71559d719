"""Reading a file first in a process that can do little else: what breaks a reader breaks only that process.

The child reads the whole file as data, with limits of memory, of written bytes and of open files, in an empty folder.
Sockets and new processes are refused twice: by Linux itself, which also stops what goes past Python, and on every
system by Python, which says what it was.
"""

import errno
import json
import os
import platform
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tahr.saving.errors import UnreadableFileError, UnsafeFileError

__all__ = ["check_in_isolation"]

SECONDS = 600
MEMORY = 1 << 30  # beside what the file itself may take
# Of the calls of Linux those that begin a connection or a process, or reach into another one: socket, socketpair,
# clone, fork, vfork, execve, ptrace, process_vm_writev, execveat, io_uring_setup, clone3; and the number of the
# architecture.
CALLS = {
    "x86_64": (0xC000003E, (41, 53, 56, 57, 58, 59, 101, 311, 322, 425, 435)),
    "aarch64": (0xC00000B7, (198, 199, 220, 221, 117, 271, 281, 425, 435)),
}
KINDS = {"UnsafeFileError": UnsafeFileError, "UnreadableFileError": UnreadableFileError}


def check_in_isolation(path: Path) -> None:
    """Read a file wholly in another process.

    Raises:
        UnreadableFileError: if it is damaged, or the process broke or ran out of its limits.
        UnsafeFileError: if it holds anything that is not data.
    """
    root = str(Path(__file__).resolve().parents[2])
    memory = MEMORY + 12 * _size(path)
    code = (
        f"import sys; sys.path[:0] = [{root!r}]; from tahr.saving.isolation import child; child(sys.argv[1], {memory})"
    )
    kept = {
        k: v for k, v in os.environ.items() if k in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "HOME", "VIRTUAL_ENV")
    }
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-c", code, os.fspath(path.resolve())], cwd=folder, timeout=SECONDS, check=False,
                env={**kept, "OMP_NUM_THREADS": "1"}, capture_output=True, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise UnreadableFileError(f"{path}: reading it took more than {SECONDS} s.") from error
    _judge(path, done)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    return (
        sum(p.stat().st_size for p in path.parent.glob("*") if p.is_file())
        if path.suffix == ".json"
        else path.stat().st_size
    )


def _judge(path: Path, done: "subprocess.CompletedProcess[bytes]") -> None:
    try:
        found: Any = json.loads(done.stdout.decode("utf-8").strip().splitlines()[-1])
    except (ValueError, IndexError):
        found = None
    if done.returncode == 0 and found == {"status": "read"}:
        return
    if isinstance(found, dict) and found.get("kind") in KINDS:
        raise KINDS[found["kind"]](f"{path}: {found['message']}")
    end = f"signal {-done.returncode}" if done.returncode < 0 else f"code {done.returncode}"
    last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    raise UnreadableFileError(
        f"{path}: the process that read it ended with {end} {' '.join(last)[:300]}".rstrip() + "."
    )


# ---- in the child ---------------------------------------------------------------------------------------------------


def child(name: str, memory: int) -> None:
    """Read a file and print what came of it as JSON."""
    import h5py  # noqa: F401  (what a reader needs is loaded before doors are shut)
    import ml_dtypes  # noqa: F401

    from tahr.saving.scan import scan_file

    _limit(memory)
    _bar()
    _shut()
    try:
        problems = scan_file(Path(name), read=True)["findings"]
        answer = {"status": "read"}
        if problems:
            first = problems[0]
            kind = "UnsafeFileError" if first["severity"] == "unsafe" else "UnreadableFileError"
            answer = {"kind": kind, "message": first["message"]}
    except (UnsafeFileError, UnreadableFileError) as error:
        answer = {"kind": type(error).__name__.replace("Missing", "Unreadable"), "message": str(error)}
    except MemoryError:
        answer = {"kind": "UnsafeFileError", "message": "it needs far more memory than its size."}
    print(json.dumps(answer))


def _limit(memory: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") if _has_proc() else 0
    for what, amount in (
        (resource.RLIMIT_AS, memory + used),
        (resource.RLIMIT_FSIZE, memory),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        wanted = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
        resource.setrlimit(what, (wanted, wanted))


def _has_proc() -> bool:
    return Path("/proc/self/statm").exists()


def _bar() -> bool:
    """Let Linux refuse connections and processes from here on, and say whether it does; nothing takes that away again.

    The filter is a program for the kernel that looks at the architecture and the number of each call. Source: Linux's
    `Documentation/userspace-api/seccomp_filter.rst`.
    """
    if sys.platform != "linux" or platform.machine() not in CALLS or sys.maxsize < 1 << 32:
        return False
    import ctypes

    architecture, calls = CALLS[platform.machine()]
    load, equal, at_least, answer = 0x20, 0x15, 0x35, 0x06
    refuse = len(calls) + 5  # the place of the last step
    steps = [(load, 0, 0, 4), (equal, 0, refuse - 2, architecture), (load, 0, 0, 0), (at_least, refuse - 4, 0, 1 << 30)]
    steps += [(equal, refuse - place - 1, 0, call) for place, call in enumerate(calls, len(steps))]
    steps += [(answer, 0, 0, 0x7FFF0000), (answer, 0, 0, 0x50000 | errno.EPERM)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    described = struct.pack("@HP", len(steps), ctypes.addressof(program))
    control = ctypes.CDLL(None).prctl
    no_new_privileges, set_filter, by_program = 38, 22, 2
    return control(no_new_privileges, 1, 0, 0, 0) == 0 == control(set_filter, by_program, described, 0, 0)


def _shut() -> None:
    """Refuse sockets, processes and code from here on; an audit hook cannot be taken away again."""
    refused = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "pty.",
               "ctypes.dlopen", "pickle.find_class", "shutil.", "webbrowser.", "urllib.")  # fmt: skip

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(refused):
            raise UnsafeFileError(f"reading it led to {event}, which no file may do.")

    sys.addaudithook(hook)
