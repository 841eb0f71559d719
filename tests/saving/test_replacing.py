"""Saving replaces a file as a whole or not at all."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers
from tahr.saving.atomic import replacing, replacing_folder


def small(bias: float = 0.0) -> Any:
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    model.layers[0].bias.assign([bias, bias])
    return model


class Broken(layers.Layer):
    def call(self, x: Any) -> Any:
        return x

    def save_own_variables(self, store: Any) -> None:
        raise RuntimeError("cannot be saved")


SAVE = {
    "weights.h5": lambda model, path: model.save_weights(path),
    "safetensors": lambda model, path: keras.saving.save_safetensors(model, path),
    "": lambda model, path: model.save(path, zipped=False),
}


def save(model: Any, path: Path) -> None:
    """Save in the format that the ending says; a folder has none."""
    SAVE.get(path.name.partition(".")[2], lambda model, path: model.save(path))(model, path)


def content(path: Path) -> Any:
    return {p.name: p.read_bytes() for p in path.iterdir()} if path.is_dir() else path.read_bytes()


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5", "model"])
def test_failed_save_harms_nothing(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    save(small(), path)
    before = content(path)
    x = keras.Input((2,))
    broken = keras.Model(x, Broken(name="odd")(layers.Dense(1)(x)))
    with pytest.raises(RuntimeError, match="cannot be saved") as caught:
        save(broken, path)
    assert any("odd" in note or "broken" in note for note in caught.value.__notes__)
    assert content(path) == before
    assert os.listdir(tmp_path) == [path.name]


def test_folders_with_other_things_stay(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o750)
    save(small(1), folder)
    assert folder.stat().st_mode & 0o777 == 0o750
    save(small(2), folder)
    (folder / "thesis.txt").write_text("all of it")
    with pytest.raises(FileExistsError, match=r"thesis\.txt"):
        save(small(3), folder)
    assert (folder / "thesis.txt").exists() and values_in(folder) >= {2.0} and os.listdir(tmp_path) == ["home"]
    save(small(4), tmp_path / "model.keras")
    (tmp_path / "model.keras").rename(tmp_path / "model")
    save(small(5), tmp_path / "model")  # a folder in the place of a file
    assert values_in(tmp_path / "model") >= {5.0} and sorted(os.listdir(tmp_path)) == ["home", "model"]


def test_overwrite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.keras"
    small(1).save(path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        small(2).save(path, overwrite=False)
    answers = iter(["what", "n", "y"])
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    small(3).save(path, overwrite=False)
    assert keras.saving.load_model(path).get_weights()[1][0] == 1
    small(4).save(path, overwrite=False)
    assert keras.saving.load_model(path).get_weights()[1][0] == 4


@pytest.mark.parametrize("name", ["model", "model.zip", "model.weights"])
def test_wrong_ending(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.keras"):
        small().save(tmp_path / name)
    with pytest.raises(ValueError, match=r"\.weights\.h5"):
        small().save_weights(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.once
def test_links_and_modes_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    with replacing(link) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
    assert link.is_symlink() and target.read_bytes() == b"new" and target.stat().st_mode & 0o777 == 0o640


@pytest.mark.once
@pytest.mark.parametrize("nameless", [True, False])
def test_interrupted_writing(nameless: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "file"
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):
        with pytest.raises(type(error)), replacing(path) as file:
            file.write(b"half")
            raise error
        assert not list(tmp_path.iterdir())
    with replacing(path) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.once
@pytest.mark.skipif(sys.platform == "win32", reason="this system has no such locks")
def test_what_a_killed_process_left_goes_with_the_next_file(tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / "model.keras"
    left, written, other, foreign, link, folder, living = (
        tmp_path / f".{name}.tmp"
        for name in ("model.keras.0123456789ab.tahr", "model.keras.0123456789ac.tahr", "two.keras.0123456789ad.tahr",
                     "model.keras.0123456789ab", "model.keras.0123456789ae.tahr", "model.0123456789ab.tahr",
                     "model.0123456789ac.tahr")
    )  # fmt: skip
    for file in (left, written, other, foreign):
        file.write_bytes(b"old")
    link.symlink_to(other)
    for inner in (folder, living):
        inner.mkdir()
        (inner / "config.json").write_bytes(b"old")
    with open(written, "rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # as another process that is writing it
        second = os.open(living, os.O_RDONLY)
        fcntl.flock(second, fcntl.LOCK_EX)
        with replacing(path) as new:
            new.write(b"new")
        os.close(second)
    assert set(tmp_path.iterdir()) == {path, written, foreign, link, living} and path.read_bytes() == b"new"


@pytest.mark.once
@pytest.mark.skipif(sys.platform == "win32", reason="this system has no such locks")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_name_that_is_swept_before_its_lock_is_taken_again(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tahr.saving import atomic

    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    real, swept = atomic._lock_if_possible, []

    def late(file: Any) -> None:
        if not swept:
            swept.extend(tmp_path.iterdir())
            atomic._sweep(tmp_path)
        real(file)

    monkeypatch.setattr(atomic, "_lock_if_possible", late)
    if kind == "file":
        with replacing(tmp_path / "a") as file:
            file.write(b"whole")
        assert (tmp_path / "a").read_bytes() == b"whole"
    else:
        with replacing_folder(tmp_path / "a") as folder:
            (folder / "config.json").write_bytes(b"whole")
        assert (tmp_path / "a" / "config.json").read_bytes() == b"whole"
    assert len(swept) == 1 and os.listdir(tmp_path) == ["a"]


@pytest.mark.once
def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "nowhere" / "file"):
        raise AssertionError("the block must not run")


WRITER = """
    import sys
    import numpy as np
    import tahr as keras
    units, layers, path, ending = int(sys.argv[2]), int(sys.argv[3]), sys.argv[1], sys.argv[4]
    model = keras.Sequential([keras.Input((units,)), *[keras.layers.Dense(units) for _ in range(layers)]])
    save = {"keras": model.save, "h5": model.save, "weights.h5": model.save_weights,
            "": lambda path: model.save(path, zipped=False)}.get(
        ending, lambda path: keras.saving.save_safetensors(model, path)
    )
    value = int(sys.argv[5]) if len(sys.argv) > 5 else 0
    while True:
        value += 1
        for v in model.weights:
            v.assign(np.full(v.shape, value, "float32"))
        print(value, flush=True)
        save(path)
"""


def writer(path: Path, units: int, depth: int, start: int = 0) -> "subprocess.Popen[str]":
    ending = path.name.partition(".")[2]
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path), str(units), str(depth), ending, str(start)]
    environment = {**os.environ, "TAHR_BACKEND": "numpy"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def values_in(path: Path) -> set[float]:
    """Return the numbers in the weights of a file, read as data alone; a whole file has one."""
    arrays = keras.saving.load_model(path, weights_only=True)
    return {float(value) for array in arrays.values() for value in np.unique(array)}


def copied(path: Path, ending: str) -> Path:
    """Return a copy, elsewhere, whose name says the format."""
    copy = path.parent.parent / f"copy.{ending}"
    shutil.rmtree(copy, ignore_errors=True)
    return Path((shutil.copytree if path.is_dir() else shutil.copy)(path, copy))


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    ("ending", "units", "depth", "kills"),
    [("keras", 300, 6, 20), ("weights.h5", 300, 6, 10), ("h5", 300, 6, 10), ("safetensors", 300, 6, 10),
     ("", 300, 6, 20), ("keras", 1900, 4, 100)],
    ids=["keras", "weights.h5", "h5", "safetensors", "folder", "keras of 58 MB"],
)  # fmt: skip
def test_killed_while_saving(ending: str, units: int, depth: int, kills: int, tmp_path: Path) -> None:
    """A process killed while it saves leaves the old file or the new one, whole, every time.

    Beside it may lie what was killed in the moment between being named and being put in place: a whole file, too, and
    gone with the next save. A folder that is not yet complete lies there, too.
    """
    path, chance = tmp_path / (f"model.{ending}" if ending else "model"), random.Random(5)
    process = writer(path, units, depth)
    try:
        done = 0
        while done < kills:
            assert process.stdout is not None
            for _ in range(2):  # one complete save, then any moment of the next ones
                process.stdout.readline()
            time.sleep(chance.uniform(0, 0.15 if units < 1000 else 0.6))
            process.send_signal(signal.SIGKILL)
            announced = [int(line) for line in process.stdout.read().split()]
            process.wait()
            found = values_in(path)
            assert len(found) == 1 and (not announced or found <= {announced[-1], announced[-1] - 1.0})
            beside = [other for other in tmp_path.iterdir() if other != path]
            assert len(beside) <= 1
            assert not ending or all(len(values_in(copied(other, ending))) == 1 for other in beside)
            done += 1
            process = writer(path, units, depth, start=1000 * done)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
    save(small(), path)
    assert os.listdir(tmp_path) == [path.name]


KILLED = """
    import os, signal, sys
    import tahr as keras
    from tahr.saving import atomic
    model, (path, step, after) = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]), sys.argv[1:]
    place = os if hasattr(os, step) else atomic
    real, calls = getattr(place, step), []
    def kill(*args, **kwargs):
        calls.append(args)
        if len(calls) > int(after):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(place, step, kill)
    model.save(path, zipped=path.endswith(".keras"))
"""


@pytest.mark.once
@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no files without a name")
@pytest.mark.parametrize(
    ("name", "step", "after", "strays", "old"),
    [("model.keras", "fsync", 0, 0, True), ("model.keras", "link", 0, 0, True), ("model.keras", "replace", 0, 1, True),
     ("model", "_lock_if_possible", 0, 1, True), ("model", "fsync", 0, 1, True), ("model", "fsync", 2, 1, True),
     ("model", "_change_places", 0, 1, True), ("model", "_remove", 0, 1, False), ("model", "sync_folder", 1, 0, False)],
)  # fmt: skip
def test_killed_at_a_step(name: str, step: str, after: int, strays: int, old: bool, tmp_path: Path) -> None:
    """Only between being named and being put in place does a file lie beside the old one, whole as it is; a folder has
    a name from the start. The next save of anything takes it away."""
    path = tmp_path / name
    save(small(7), path)
    before = content(path)
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(path), step, str(after)]
    done = subprocess.run(command, env={**os.environ, "TAHR_BACKEND": "numpy"}, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL and (content(path) == before) == old
    assert len(keras.saving.load_model(path, weights_only=True)) == 2
    left = [other for other in tmp_path.iterdir() if other != path]
    assert len(left) == strays
    for other in left if name == "model.keras" else ():
        assert len(keras.saving.load_model(other, weights_only=True)) == 2
    small(8).save(tmp_path / "another.keras")
    assert sorted(os.listdir(tmp_path)) == ["another.keras", path.name]


@pytest.mark.slow
@pytest.mark.once
def test_two_writers(tmp_path: Path) -> None:
    """Two processes save to one path while a third reads: it sees a whole file every time."""
    path = tmp_path / "model.keras"
    small().save(path)
    processes = [writer(path, 300, 6, start) for start in (0, 10_000)]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.readline()
        seen = set()
        for _ in range(60):
            found = values_in(path)
            assert len(found) == 1
            seen |= found
        assert len(seen) > 3
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()  # type: ignore[union-attr]
    assert os.listdir(tmp_path) == [path.name]


NAMES = ("model.keras", "model.weights.h5", "model.h5", "model.safetensors", "model")
FULL = """
    import resource, sys
    import tahr as keras
    path = sys.argv[1]
    model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(300)])
    save = model.save_weights if ".weights." in path else model.save
    if "." not in path.rpartition("/")[2]:
        save = lambda path: model.save(path, zipped=False)
    if path.endswith(".safetensors"):
        save = lambda path: keras.saving.save_safetensors(model, path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    try:
        save(path)
    except OSError as error:
        print("refused", type(error).__name__)
"""


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("limit", [0, 1000, 200_000, 360_000])
@pytest.mark.parametrize("name", NAMES)
def test_no_space(name: str, limit: int, tmp_path: Path) -> None:
    """A file that may not grow further, as on a full disk: an OSError, the old file whole, nothing beside it."""
    path = tmp_path / name
    save(small(7), path)
    before = content(path)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(path), str(limit)], capture_output=True, text=True,
        env={**os.environ, "TAHR_BACKEND": "numpy"}, check=False,
    )  # fmt: skip
    assert "refused" in done.stdout, done.stderr
    assert content(path) == before and os.listdir(tmp_path) == [path.name]


DISK = """
    import errno, os, subprocess, sys
    import tahr as keras
    folder = sys.argv[1]
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], check=True)
    path = os.path.join(folder, sys.argv[2])
    small, large = (keras.Sequential([keras.Input((n,)), keras.layers.Dense(n)]) for n in (8, 600))
    safetensors = lambda model, path: keras.saving.save_safetensors(model, path)
    weights = lambda model, path: model.save_weights(path)
    save = {"safetensors": safetensors, "weights.h5": weights}.get(
        sys.argv[2].partition(".")[2], lambda model, path: model.save(path, zipped="." in sys.argv[2])
    )
    def content():
        if os.path.isfile(path):
            return open(path, "rb").read()
        return [open(os.path.join(path, name), "rb").read() for name in sorted(os.listdir(path))]
    save(small, path)
    before = content()
    try:
        save(large, path)
    except OSError as error:
        print(error.errno == errno.ENOSPC or "No space" in str(error), type(error).__name__)
    print(content() == before, os.listdir(folder) == [sys.argv[2]])
    save(small, path)
"""


def in_own_namespace(*command: str) -> list[str]:
    return ["unshare", "--map-root-user", "--mount", *command]


@pytest.fixture(scope="module")
def may_mount() -> None:
    """Skip where the system lets nobody have mounts of its own."""
    if shutil.which("unshare") is None or subprocess.run(in_own_namespace("true"), check=False).returncode:
        pytest.skip("this system gives no mounts of one's own")


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.usefixtures("may_mount")
@pytest.mark.parametrize("name", NAMES)
def test_full_disk(name: str, tmp_path: Path) -> None:
    """A disk of 400 KB that is full: an OSError that says so, the old file whole, nothing beside it."""
    command = in_own_namespace(sys.executable, "-c", textwrap.dedent(DISK), str(tmp_path), name)
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "TAHR_BACKEND": "numpy"}, timeout=300, check=True
    )
    assert done.stdout.split()[0] == "True" and done.stdout.split()[2:] == ["True", "True"], done.stdout


@pytest.mark.once
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no such permissions")
def test_read_only_folder() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for old in ("model.keras", "model"):
            save(small(7), folder / old)
        before = [content(path) for path in sorted(folder.iterdir())]
        model, privileged = small(8), os.geteuid() == 0
        folder.chmod(0o555)
        if privileged:
            os.seteuid(65534)  # to whom permissions apply
        try:
            for name in ("model.keras", "new.keras", "model", "new"):
                with pytest.raises(PermissionError):
                    save(model, folder / name)
        finally:
            if privileged:
                os.seteuid(0)
            folder.chmod(0o755)
        assert [content(path) for path in sorted(folder.iterdir())] == before
