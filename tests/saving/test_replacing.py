"""Saving replaces a file as a whole or not at all."""

import os
import random
import signal
import subprocess
import sys
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
def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "nowhere" / "file"):
        raise AssertionError("the block must not run")


WRITER = """
    import sys
    import numpy as np
    import tahr as keras
    model = keras.Sequential([keras.Input((300,)), *[keras.layers.Dense(300) for _ in range(6)]])
    value = 0
    while True:
        value += 1
        for v in model.weights:
            v.assign(np.full(v.shape, value, "float32"))
        print(value, flush=True)
        model.save(sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.once
def test_killed_while_saving(tmp_path: Path) -> None:
    """A process killed while it saves leaves the old file or the new one."""
    path, chance = tmp_path / "model.keras", random.Random(5)
    for _ in range(20):
        command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path)]
        environment = {**os.environ, "TAHR_BACKEND": "numpy"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            for _ in range(2):  # one complete save, then any moment of the next ones
                process.stdout.readline()
            time.sleep(chance.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
            announced = [2, *map(int, process.stdout.read().split())]
        weights = keras.saving.load_model(path).get_weights()
        values = {float(np.unique(w)[0]) for w in weights}
        assert all(np.unique(w).size == 1 for w in weights) and len(values) == 1
        assert values.pop() in (announced[-1], announced[-1] - 1)
