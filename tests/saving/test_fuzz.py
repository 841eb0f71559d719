"""Damaged files of every format: an error of files or the whole content, never a crash, a hang or a half load."""

import functools
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import tahr as keras
from tahr import layers
from tahr.saving import UnreadableFileError, UnsafeFileError
from tahr.saving.checkpoint import read_checkpoint, write_checkpoint
from tahr.saving.scan import scan_file

pytestmark = pytest.mark.once
ENDINGS = ("keras", "h5", "weights.h5", "weights.json", "safetensors", "safetensors.index.json", "ckpt")
# What the reader of a configuration may say of one that is JSON, but no longer of this model.
CONFIG_ERRORS = (TypeError, ValueError)


def small() -> Any:
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, name="a"), layers.BatchNormalization(name="b")], name="small"
    )


@functools.cache
def written() -> dict[str, bytes]:
    """Return the content of good files by name."""
    model = small()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save(folder / "a.keras")
        model.save(folder / "a.h5")
        model.save_weights(folder / "w.weights.h5")
        model.save_weights(folder / "s.weights.h5", max_shard_size=5e-8)
        keras.saving.save_safetensors(model, folder / "a.safetensors")
        keras.saving.save_safetensors(model, folder / "t.safetensors", max_shard_size=5e-8)
        write_checkpoint(folder / "a.ckpt", {"a": np.ones(3), "b": [1, (2, "x")]})
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def target_of(ending: str) -> str:
    start = {"weights.h5": "w.", "weights.json": "s.", "safetensors.index.json": "t."}.get(ending, "a.")
    return start + ending


def read(path: Path, model: Any) -> Any:
    if path.suffix == ".ckpt":
        return read_checkpoint(path)
    if path.name in ("a.keras", "a.h5"):
        return keras.saving.load_model(path)
    return model.load_weights(path)


def attempt(ending: str, change: Callable[[bytes], bytes]) -> None:
    """Read a changed file: an error leaves the model as it was; without one, everything is there."""
    name = target_of(ending)
    with tempfile.TemporaryDirectory() as place:
        for other, content in written().items():
            (Path(place) / other).write_bytes(change(content) if other == name else content)
        model = small()
        before = model.get_weights()
        try:
            found = read(Path(place) / name, model)
        except (UnreadableFileError, UnsafeFileError, *CONFIG_ERRORS):
            for a, b in zip(before, model.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
        else:
            if hasattr(found, "layers"):
                assert [w.shape for w in found.get_weights()] == [w.shape for w in before]
        report = scan_file(Path(place) / name, read=True)
        assert isinstance(report["findings"], list)


fuzzed = settings(max_examples=60, deadline=5000, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
@fuzzed
@given(share=st.floats(0, 0.9999))
def test_truncated(ending: str, share: float) -> None:
    attempt(ending, lambda content: content[: int(share * len(content))])


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
@fuzzed
@given(flips=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 7)), min_size=1, max_size=6))
@example(flips=[(0.3984375, 0)])  # an attribute that lies behind the end of the file
def test_flipped_bits(ending: str, flips: list[tuple[float, int]]) -> None:
    def change(content: bytes) -> bytes:
        data = bytearray(content)
        for share, bit in flips:
            data[int(share * len(data))] ^= 1 << bit
        return bytes(data)

    attempt(ending, change)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
@fuzzed
@given(share=st.floats(0, 0.9999), inserted=st.binary(min_size=1, max_size=40), drop=st.integers(0, 40))
def test_replaced_bytes(ending: str, share: float, inserted: bytes, drop: int) -> None:
    def change(content: bytes) -> bytes:
        at = int(share * len(content))
        return content[:at] + inserted + content[at + drop :]

    attempt(ending, change)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_cut_off(ending: str, share: float) -> None:
    attempt(ending, lambda content: content[: int(share * len(content))])


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64" or sys.version_info >= (3, 14),
    reason="there is no atheris for this system",
)
def test_guided_by_what_is_reached(tmp_path: Path) -> None:
    """A fuzzer that sees which lines of the readers run finds no file that they answer in another way."""
    kinds = ("keras", "weights.h5", "safetensors", "ckpt", "h5")  # in the order of fuzz_readers.py
    for name, content in written().items():
        kind = next((i for i, ending in enumerate(kinds) if name.endswith(ending)), None)
        if kind is not None:
            (tmp_path / name).write_bytes(bytes([kind]) + content)
    script = Path(__file__).with_name("fuzz_readers.py")
    options = ["-runs=600", "-max_total_time=60", "-seed=5", "-rss_limit_mb=0", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), *options], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
