"""The same models on all backends: equal first weights, outputs and order of rows, and the same twenty steps."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tahr import config
from tests.across import MODELS, ROWS
from tests.source import ROOT

pytestmark = pytest.mark.exchange
INSTALLED = [name for name in config.BACKENDS if importlib.util.find_spec(name)]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    """Run `tests/across.py` in a process for each backend, and return what each found."""
    found = {}
    for name in INSTALLED:
        path: Path = tmp_path_factory.mktemp("across") / f"{name}.npz"
        # small programs: what compiling well saves is less than it takes
        environment = {**os.environ, "TAHR_BACKEND": name, "XLA_FLAGS": "--xla_backend_optimization_level=0"}
        command = [sys.executable, "-m", "tests.across", str(path)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{name}: {done.stderr[-2000:]}"
        with np.load(path) as stored:
            found[name] = dict(stored)
    return found


def test_there_are_forty_models_on_four_backends() -> None:
    assert len(MODELS) == 40 and set(INSTALLED) == {"jax", "torch", "tensorflow", "numpy"}


def test_rows_come_in_the_same_order(results: dict[str, dict[str, np.ndarray]]) -> None:
    first, second = results["torch"]["order"].tolist()
    assert sorted(first) == sorted(second) == list(range(ROWS)) and first != second != list(range(ROWS))
    for backend in ("jax", "tensorflow"):
        assert results[backend]["order"].tolist() == [first, second], backend


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_the_same(name: str, results: dict[str, dict[str, np.ndarray]]) -> None:
    expected = {key: value for key, value in results["torch"].items() if key.startswith(f"{name}: ")}
    for backend, found in results.items():
        for key, value in expected.items():
            what = key.rpartition(": ")[2].split()[0]
            if what == "first":
                np.testing.assert_array_equal(found[key], value, err_msg=f"{backend} {key}")
            elif what == "outputs":
                np.testing.assert_allclose(found[key], value, rtol=1e-5, atol=1e-5, err_msg=f"{backend} {key}")
            elif backend != "numpy":
                np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-4, err_msg=f"{backend} {key}")
