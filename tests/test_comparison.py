"""`compare`: a grid of trainings as a table, curves, and files."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, optimizers

pytestmark = pytest.mark.trains

X = np.linspace(-1, 1, 40).reshape(-1, 1).astype("float32")
Y = 3 * X + 1


def build() -> Any:
    return keras.Sequential([keras.Input((1,)), layers.Dense(1)])


def test_a_grid(tmp_path: Path) -> None:
    sgd = optimizers.SGD(0.2)
    found = keras.compare(
        build,
        [sgd, ("slow", optimizers.SGD(0.001)), "rmsprop"],
        ["mse", keras.losses.Huber()],
        (X, Y),
        seeds=2,
        epochs=3,
        validation_data=(X, Y),
        metrics=["mae"],
        folder=tmp_path,
        verbose=0,
    )
    assert not sgd.built
    assert len(found.rows) == 3 * 2 * 2
    assert list(found.curves) == [
        f"{a}, {b}" for a in ("SGD(0.2)", "slow", "rmsprop") for b in ("mse", "huber_loss")
    ]  # fmt: skip
    best = min(found.summary(), key=lambda row: row["val_mae"])
    assert best["setting"].startswith("SGD(0.2)")
    for row in found.summary():
        values = found.curves[row["setting"]]["val_mae"][:, -1]
        np.testing.assert_allclose([row["val_mae"], row["val_mae +-"]], [values.mean(), values.std()])
    assert str(found).splitlines()[0].split()[0] == "setting"
    with open(tmp_path / "runs.csv", newline="") as file:
        assert [float(row["val_loss"]) for row in csv.DictReader(file)] == [row["val_loss"] for row in found.rows]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "curves.svg").read_bytes()
    assert len((tmp_path / "curves.csv").read_text().splitlines()) == 1 + 12 * 3 * 4
    assert len(found.to_pandas()) == 12


def test_the_same_seed_is_the_same_training() -> None:
    found = keras.compare(build, [("a", "sgd"), ("b", "sgd")], ["mse"], (X, Y), seeds=[5], epochs=2, verbose=0)
    np.testing.assert_array_equal(found.curves["a, mse"]["loss"], found.curves["b, mse"]["loss"])


def test_errors() -> None:
    with pytest.raises(ValueError, match="nothing|expected optimizers"):
        keras.compare(build, [], ["mse"], (X, Y))
    with pytest.raises(ValueError, match=r"tahr\.compare"):
        build().compile(["sgd", "rmsprop"], "mse")
    found = keras.compare(build, ["sgd"], ["mse"], (X, Y), seeds=1, epochs=1, verbose=0)
    with pytest.raises(ValueError, match=r"\['loss'\]"):
        found.plot("accuracy")
