"""The programs in `examples/` that read a file, in short form, on small files made up here."""

import csv
import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tahr import config

pytestmark = pytest.mark.trains
FOLDER = Path(__file__).resolve().parent.parent / "examples"


def program(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"examples_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(path: Path, names: list[str], rows: list[list[Any]]) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def passengers(path: Path) -> Path:
    """Write a table in which women, and children whatever their class, survive."""
    generator = np.random.default_rng(0)
    rows = []
    for i in range(120):
        sex, age = ("female", "male")[i % 2], int(generator.integers(1, 70))
        title = "Miss" if sex == "female" else "Mr" if age > 12 else "Master"
        survived = "yes" if title != "Mr" else "no"
        rows.append([f"Doe, {title}. J{i}", survived, sex, "" if i % 7 == 0 else age, ("1st", "2nd", "3rd")[i % 3]])
    return write(path, ["rownames", "survived", "sex", "age", "passengerClass"], rows)


def reviews(path: Path, seed: int) -> Path:
    """Write reviews of random words, of which one tells whether they are great."""
    generator = np.random.default_rng(seed)
    words = np.array(["tea", "box", "it", "came", "the", "and", "was"])
    rows = []
    for i in range(160):
        text = generator.choice(words, 8).tolist()
        text.insert(int(generator.integers(8)), ("Love", "stale")[i % 2])
        rows.append([i, " ".join(text) + "!", ("great", "other")[i % 2]])
    return write(path, ["rownames", "review", "score"], rows)


def test_titanic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = passengers(tmp_path / "passengers.csv")
    code = program("titanic").main([str(file), "--folder", str(tmp_path), "--epochs", "15", "--parts", "2"])
    said = capsys.readouterr().out
    assert code == 0 and "the age of 18 is unknown" in said and (tmp_path / "titanic.keras").is_file()


def test_reviews(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(reviews(tmp_path / f"{seed}.csv", seed)) for seed in (1, 2)]
    code = program("reviews").main([*files, "--folder", str(tmp_path), "--epochs", "10"])
    said = capsys.readouterr().out
    assert code == 0 and "160 reviews to learn from" in said and (tmp_path / "reviews.keras").is_file()


def test_weather(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(__file__).parent / "data" / "weather_january.csv"
    program("weather").main([str(file), "--folder", str(tmp_path), "--epochs", "3", "--units", "8"])
    said = capsys.readouterr().out
    network, naive = map(float, re.findall(r"(\d+\.\d+)(?: degrees|$)", said, re.MULTILINE)[:2])
    assert 0 < network < 1.2 * naive  # a month is too little to be better
    assert "hours at EWR, JFK" in said and (tmp_path / "weather.keras").is_file()


def test_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(0)
    classes = np.arange(200) % 10
    images = (generator.normal(20, 10, (200, 28, 28)) + 200 * (np.arange(28) // 2 == classes[:, None])[..., None]).clip(
        0, 255
    )
    file = tmp_path / "images.npz"
    x, y = images.astype("uint8"), classes.astype("uint8")
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y)
    program("images").main(["mnist", "--file", str(file), "--epochs", "1", "--filters", "2"])
    assert "Test accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "short", "words"), [("pinn", "3", "residual"), ("gan", "2", "of 8 spots found")])
def test_custom_training(name: str, short: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert program(name).main([short]) == 1  # too short a training to get there, and it says so
    assert words in capsys.readouterr().out


@pytest.mark.slow
def test_the_equation_is_solved() -> None:
    assert program("pinn").main([]) == 0


SHORT = {"jax": ["--steps", "150"], "tensorflow": ["--epochs", "12"], "torch": ["--epochs", "20"]}


def test_a_model_in_a_program_of_its_framework(capsys: pytest.CaptureFixture[str]) -> None:
    name = config.backend()
    assert program(f"native_{name}").main(SHORT[name]) == 0
    assert "mean squared error" in capsys.readouterr().out
