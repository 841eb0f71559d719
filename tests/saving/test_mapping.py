"""Weights that stay in their file until they are used: shared pages, never a changed file."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers

X = np.random.default_rng(1).normal(size=(3, 120)).astype("float32")


def model() -> Any:
    return keras.Sequential([keras.Input((120,)), layers.Dense(130, "tanh"), layers.Dense(110, dtype="bfloat16")])


def outputs(of: Any) -> np.ndarray:
    return np.asarray(of.predict(X, verbose=0), "float32")


def mapped_files(value: Any) -> set[str]:
    """Return the files whose pages an array lies in, as the system tells."""
    pointer = value.data_ptr() if hasattr(value, "data_ptr") else value.ctypes.data
    found = set()
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(x, 16) for x in line.split()[0].split("-"))
        if start <= pointer < end and len(line.split()) > 5:
            found.add(line.split(maxsplit=5)[5])
    return found


def packed(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def moved(path: Path) -> None:
    """Put the members where no array is aligned, as other writers do."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        at = len(content["config.json"]) + len(content["metadata.json"]) + 30 * 3 + len("config.jsonmetadata.json")
        archive.writestr("config.json", content.pop("config.json"))
        archive.writestr("metadata.json", content.pop("metadata.json") + b" " * (at % 2))
        for name, data in content.items():
            archive.writestr(name, data)


@pytest.mark.parametrize("change", [lambda path: None, packed, moved], ids=["as saved", "packed", "not aligned"])
def test_equal_outputs(change: Callable[[Path], None], tmp_path: Path) -> None:
    path, first = tmp_path / "model.keras", model()
    first.save(path)
    change(path)
    again, report = keras.saving.load_model(path, mmap=True, report=True, strict=True)
    assert report.complete
    np.testing.assert_array_equal(outputs(first), outputs(again))


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell what is mapped")
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "folder"])
def test_weights_lie_in_the_file(zipped: bool, tmp_path: Path, backend: str) -> None:
    path = tmp_path / "model.keras"
    keras.saving.save_model(model(), path, zipped=zipped)
    place = str(path if zipped else path / "model.weights.h5")
    for mmap in (True, False):
        kernel = keras.saving.load_model(path, mmap=mmap).layers[0].kernel
        if backend in ("numpy", "torch"):
            assert (place in mapped_files(kernel.value)) == mmap


@pytest.mark.trains
def test_training_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    model().save(path)
    before = path.read_bytes()
    again = keras.saving.load_model(path, mmap=True)
    again.compile("sgd", "mse")
    first = again.get_weights()
    again.fit(X, np.ones((3, 110), "float32"), verbose=0)
    assert not np.array_equal(first[0], again.get_weights()[0]) and path.read_bytes() == before
    other = keras.saving.load_model(path, mmap=True)
    np.testing.assert_array_equal(first[0], other.get_weights()[0])


def test_a_replaced_file_stays_mapped(tmp_path: Path) -> None:
    path, first = tmp_path / "model.keras", model()
    first.save(path)
    again = keras.saving.load_model(path, mmap=True)
    model().save(path)
    np.testing.assert_array_equal(outputs(first), outputs(again))
    again.save(path)  # over the file that it is read from
    np.testing.assert_array_equal(outputs(first), outputs(keras.saving.load_model(path)))


PEAK = """
import os, sys
import numpy as np
import tahr as keras

path, do, mmap = sys.argv[1], sys.argv[2], sys.argv[3] == "True"

def kilobytes(field):
    return int(next(line for line in open("/proc/self/status") if line.startswith(field)).split()[1])

def build(units):
    return keras.Sequential([keras.Input((units,)), *[keras.layers.Dense(units) for _ in range(10)]])

small = build(300)
small.predict(np.ones((1, 300), "float32"), verbose=0)
small.save(path + ".keras")
keras.saving.load_model(path + ".keras", mmap=mmap)
model = build(1200) if do == "save" else None
if do == "save":
    model.save(path)  # what is made once is not the work's doing
open("/proc/self/clear_refs", "w").write("5")
started = kilobytes("VmRSS")
if do == "save":
    model.save(path)
else:
    model = keras.saving.load_model(path, mmap=mmap)
print(f"{(kilobytes('VmHWM') - started) / (os.path.getsize(path) / 1024):.3f}")
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the system does not tell the peak")
@pytest.mark.parametrize(
    ("do", "mmap", "most"), [("save", False, 0.25), ("load", False, 1.2), ("load", True, 0.2)],
    ids=["saving", "loading", "mapping"],
)  # fmt: skip
def test_peak_of_memory(do: str, mmap: bool, most: float, tmp_path: Path) -> None:
    """In shares of a file of 58 MB, beyond what was there before; the loaded model itself is one."""
    path = str(tmp_path / "model.keras")
    for step in {"save": ["save"], "load": ["save", "load"]}[do]:
        done = subprocess.run(
            [sys.executable, "-c", PEAK, path, step, str(mmap)], capture_output=True, text=True, timeout=300, check=True
        )
    assert float(done.stdout.split()[-1]) <= most
