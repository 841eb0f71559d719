"""On JAX, compiled programs are kept on disk, within bounds, for the processes that follow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

jax = pytest.importorskip("jax")

from tahr.backends.jax import compile_cache  # noqa: E402

pytestmark = pytest.mark.once
SCRIPT = """
import jax, numpy as np, tahr as keras
model = keras.Sequential([keras.Input((7,)), keras.layers.Dense(5)])
model.compile("sgd", "mse")
compiled = []
jax.monitoring.register_event_listener(lambda name, **_: compiled.append(name))
history = model.fit(np.ones((8, 7)), np.ones((8, 5)), verbose=0)
print(sum("cache_misses" in name for name in compiled), sum("cache_hits" in name for name in compiled))
"""


def run(**environment: str) -> list[int]:
    """Return how often a fresh process missed, and how often it hit."""
    given = {**os.environ, "TAHR_BACKEND": "jax", **environment}
    done = subprocess.run([sys.executable, "-W", "error", "-c", SCRIPT], env=given, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return [int(number) for number in done.stdout.split()]


def entries(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != ".pruned"]


def test_the_second_process_compiles_nothing(tmp_path: Path) -> None:
    missed, _ = run(TAHR_COMPILE_CACHE=str(tmp_path))
    assert missed
    again, hits = run(TAHR_COMPILE_CACHE=str(tmp_path))
    assert again == 0
    assert hits >= missed
    for path in entries(tmp_path):  # as a process that was killed while it wrote leaves them
        path.write_bytes(path.read_bytes()[:20])
    run(TAHR_COMPILE_CACHE=str(tmp_path))


def test_where_it_is_and_how_it_is_turned_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAHR_COMPILE_CACHE", raising=False)
    monkeypatch.setenv("TAHR_HOME", str(tmp_path / "home"))
    where = compile_cache.folder()
    assert where is not None and where.parent == tmp_path / "home" / "compiled"
    monkeypatch.setenv("TAHR_COMPILE_CACHE", "0")
    assert compile_cache.folder() is None
    assert run(TAHR_COMPILE_CACHE="0", TAHR_HOME=str(tmp_path / "home")) == [0, 0]
    assert not (tmp_path / "home").exists()


def test_what_was_longest_unused_goes_first(tmp_path: Path) -> None:
    for age in range(10):
        path = tmp_path / f"entry-{age}"
        path.write_bytes(bytes(100))
        os.utime(path, (1e9 - age, 1e9 - age))
    compile_cache.prune(tmp_path, most_bytes=500)
    assert sorted(path.name for path in entries(tmp_path)) == [f"entry-{age}" for age in range(4)]
    compile_cache.prune(tmp_path, most_bytes=100)  # not again on the same day
    assert len(entries(tmp_path)) == 4
    os.utime(tmp_path / ".pruned", (1e9, 1e9))
    compile_cache.prune(tmp_path, most_files=2)
    assert [path.name for path in entries(tmp_path)] == ["entry-0"]
