"""Files go to real Keras and come back: equal predictions, and an equal loss of the next training step.

Keras runs as a black box in a process of its own, from `.exchange/`, which `tests/exchange_env.py` makes. It runs on
PyTorch, where small models train without being compiled.
"""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tests import exchange_env

pytestmark = [pytest.mark.slow, pytest.mark.exchange, pytest.mark.trains]

# The text runs with whatever package is called `keras`.
BUILDERS = (Path(__file__).parent / "exchange_builders.py").read_text("utf-8")
NAMES = [
    "sequential", "functional", "nested", "lstm", "batch_normalization", "operations", "mixed", "layered", "attention",
    "grouped_attention", "separable", "convolutions_1d", "convolutions_3d", "padded", "conv_lstm", "cells", "states",
    "masked", "normalized", "spectral", "activated", "merged", "einsum",
    "shared_model", "frozen", "lookups", "functions",
]  # fmt: skip
# Keras itself reads no .h5 file of a graph with operations (masks are such).
CASES = [
    *((n, "keras") for n in NAMES),
    *((n, "h5") for n in ("sequential", "batch_normalization", "layered", "frozen", "cells")),
]
PEER = (
    BUILDERS
    + """
import json, os, sys
import keras
for line in sys.stdin:
    task = json.loads(line)
    name, path = task["name"], task["path"]
    try:
        if task["do"] == "write":
            model = globals()[name](keras)
            train(keras, model, name)
            model.save(path)
            result = use(keras, read(keras, path) if path.endswith(".h5") else model, name)
        else:
            result = use(keras, read(keras, path), name)
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}"[:2000]}
    print("RESULT " + json.dumps(result), flush=True)
"""
)
here: dict[str, Any] = {}
exec(BUILDERS, here)


class Peer:
    """A process with real Keras that does what it is told, line by line."""

    def __init__(self, folder: Path):
        home = str(folder / "home")
        environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(folder), "KERAS_HOME": home}
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PEER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env=environment, cwd=folder,
        )  # fmt: skip

    def ask(self, do: str, name: str, path: Path) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps({"do": do, "name": name, "path": str(path)}), file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith("RESULT "):
                found = json.loads(line.removeprefix("RESULT "))
                assert "error" not in found, f"Keras: {found['error']}"
                return found
        raise AssertionError("Keras ended without an answer")


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    process = Peer(exchange_env.make())
    yield process
    assert process.process.stdin is not None
    process.process.stdin.close()
    process.process.wait(30)


def compare(theirs: dict[str, Any], ours: dict[str, Any], name: str) -> None:
    tolerance = 2e-2 if name == "mixed" else 1e-5
    np.testing.assert_allclose(ours["outputs"], theirs["outputs"], rtol=tolerance, atol=tolerance)
    if name != "mixed":  # steps in bfloat16 differ by their rounding
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
    assert ours["iterations"] == theirs["iterations"]


@pytest.mark.parametrize(("name", "ending"), CASES)
def test_keras_to_tahr(name: str, ending: str, peer: Peer, tmp_path: Path) -> None:
    theirs = peer.ask("write", name, tmp_path / f"model.{ending}")
    compare(theirs, here["use"](keras, here["read"](keras, str(tmp_path / f"model.{ending}")), name), name)


@pytest.mark.parametrize(("name", "ending"), CASES)
def test_tahr_to_keras(name: str, ending: str, peer: Peer, tmp_path: Path) -> None:
    model = here[name](keras)
    here["train"](keras, model, name)
    path = str(tmp_path / f"model.{ending}")
    model.save(path)
    ours = here["use"](keras, here["read"](keras, path) if ending == "h5" else model, name)
    compare(peer.ask("read", name, tmp_path / f"model.{ending}"), ours, name)
