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
from tahr.saving.atomic import replacing


def small(bias: float = 0.0) -> Any:
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    model.layers[0].bias.assign([bias, bias])
    return model


class Broken(layers.Layer):
    def call(self, x: Any) -> Any:
        return x

    def save_own_variables(self, store: Any) -> None:
        raise RuntimeError("cannot be saved")


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
def test_failed_save_harms_nothing(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{ending}"
    model = small()
    save = model.save if ending == "keras" else model.save_weights
    save(path)
    before = path.read_bytes()
    x = keras.Input((2,))
    broken = keras.Model(x, Broken(name="odd")(layers.Dense(1)(x)))
    with pytest.raises(RuntimeError, match="cannot be saved") as caught:
        (broken.save if ending == "keras" else broken.save_weights)(path)
    assert any("odd" in note or "broken" in note for note in caught.value.__notes__)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


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
    left, written, young, other, link = (
        tmp_path / f".{name}.tmp"
        for name in ("model.keras.0123456789ab", "model.keras.0123456789ac", "model.keras.0123456789ad",
                     "another.keras.0123456789ab", "model.keras.0123456789ae")
    )  # fmt: skip
    for file in (left, written, young, other):
        file.write_bytes(b"old")
    link.symlink_to(other)
    for file in (left, written, other):
        os.utime(file, (0, 0))
    with open(written, "rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # as another process that is writing it
        with replacing(path) as new:
            new.write(b"new")
    assert set(tmp_path.iterdir()) == {path, written, young, other, link} and path.read_bytes() == b"new"


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
    save = {"keras": model.save, "h5": model.save, "weights.h5": model.save_weights}.get(
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
    ending = path.name.split(".", 1)[1]
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path), str(units), str(depth), ending, str(start)]
    environment = {**os.environ, "TAHR_BACKEND": "numpy"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def values_in(path: Path) -> set[float]:
    """Return the numbers in the weights of a file, read as data alone; a whole file has one."""
    arrays = keras.saving.load_model(path, weights_only=True)
    return {float(value) for array in arrays.values() for value in np.unique(array)}


def copied(path: Path, ending: str) -> Path:
    """Return a copy, elsewhere, whose name says the format."""
    return Path(shutil.copy(path, path.parent.parent / f"copy.{ending}"))


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    ("ending", "units", "depth", "kills"),
    [("keras", 300, 6, 20), ("weights.h5", 300, 6, 10), ("h5", 300, 6, 10), ("safetensors", 300, 6, 10),
     ("keras", 1900, 4, 100)],
    ids=["keras", "weights.h5", "h5", "safetensors", "keras of 58 MB"],
)  # fmt: skip
def test_killed_while_saving(
    ending: str, units: int, depth: int, kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process killed while it saves leaves the old file or the new one, whole, every time.

    Beside it may lie what was killed in the moment between being named and being put in place: a whole file, too, and
    gone with the next save.
    """
    path, chance = tmp_path / f"model.{ending}", random.Random(5)
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
            assert len(beside) <= 1 and all(len(values_in(copied(other, ending))) == 1 for other in beside)
            done += 1
            process = writer(path, units, depth, start=1000 * done)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
    monkeypatch.setattr("tahr.saving.atomic.YOUNG", -1)
    with replacing(path):
        pass
    assert os.listdir(tmp_path) == [path.name]


KILLED = """
    import os, signal, sys
    import tahr as keras
    setattr(os, sys.argv[2], lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL))
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]).save(sys.argv[1])
"""


@pytest.mark.once
@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no files without a name")
@pytest.mark.parametrize(("step", "strays"), [("fsync", 0), ("link", 0), ("replace", 1)])
def test_killed_at_a_step(step: str, strays: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only between being named and being put in place does a file lie beside the old one, whole as it is."""
    path = tmp_path / "model.keras"
    small(7).save(path)
    before = path.read_bytes()
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(path), step]
    done = subprocess.run(command, env={**os.environ, "TAHR_BACKEND": "numpy"}, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL and path.read_bytes() == before
    left = [other for other in tmp_path.iterdir() if other != path]
    assert len(left) == strays
    for other in left:
        assert len(keras.saving.load_model(other, weights_only=True)) == 2
    monkeypatch.setattr("tahr.saving.atomic.YOUNG", -1)
    small(8).save(path)
    assert os.listdir(tmp_path) == [path.name]


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


FULL = """
    import resource, sys
    import tahr as keras
    path = sys.argv[1]
    model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(300)])
    save = model.save_weights if ".weights." in path else model.save
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
@pytest.mark.parametrize("ending", ["keras", "weights.h5", "h5", "safetensors"])
def test_no_space(ending: str, limit: int, tmp_path: Path) -> None:
    """A file that may not grow further, as on a full disk: an OSError, the old file whole, nothing beside it."""
    path = tmp_path / f"model.{ending}"
    model = small(7)
    {"keras": model.save, "h5": model.save, "weights.h5": model.save_weights}.get(
        ending, lambda path: keras.saving.save_safetensors(model, path)
    )(path)
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(path), str(limit)], capture_output=True, text=True,
        env={**os.environ, "TAHR_BACKEND": "numpy"}, check=False,
    )  # fmt: skip
    assert "refused" in done.stdout, done.stderr
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


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
        sys.argv[2].partition(".")[2], lambda model, path: model.save(path)
    )
    save(small, path)
    before = open(path, "rb").read()
    try:
        save(large, path)
    except OSError as error:
        print(error.errno == errno.ENOSPC or "No space" in str(error), type(error).__name__)
    print(open(path, "rb").read() == before, os.listdir(folder) == [sys.argv[2]])
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
@pytest.mark.parametrize("ending", ["keras", "weights.h5", "h5", "safetensors"])
def test_full_disk(ending: str, tmp_path: Path) -> None:
    """A disk of 400 KB that is full: an OSError that says so, the old file whole, nothing beside it."""
    command = in_own_namespace(sys.executable, "-c", textwrap.dedent(DISK), str(tmp_path), f"model.{ending}")
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "TAHR_BACKEND": "numpy"}, timeout=300, check=True
    )
    assert done.stdout.split()[0] == "True" and done.stdout.split()[2:] == ["True", "True"], done.stdout


@pytest.mark.once
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no such permissions")
def test_read_only_folder() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small(7).save(folder / "model.keras")
        before = (folder / "model.keras").read_bytes()
        model, privileged = small(8), os.geteuid() == 0
        folder.chmod(0o555)
        if privileged:
            os.seteuid(65534)  # to whom permissions apply
        try:
            for path in (folder / "model.keras", folder / "new.keras"):
                with pytest.raises(PermissionError):
                    model.save(path)
        finally:
            if privileged:
                os.seteuid(0)
            folder.chmod(0o755)
        assert (folder / "model.keras").read_bytes() == before and os.listdir(folder) == ["model.keras"]
