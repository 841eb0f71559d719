"""`fit(profile=True)`: where a step's time goes, as data and as a table."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import backends, callbacks, cli, layers
from tahr.trainer.profile import Profile, Profiler

X = np.random.default_rng(0).random((64, 4)).astype("float32")
Y = X.sum(1, keepdims=True)
needs_gradients = pytest.mark.skipif(not backends.current().trains, reason="trains")


def model() -> Any:
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="inside"), layers.Dropout(0.1, name="drop")])
    shared = layers.Dense(3, name="shared")
    x = keras.Input((4,))
    made = keras.Model(x, layers.Dense(1, name="out")(shared(shared(inner(x)))))
    made.compile("adam", "mse")
    return made


@needs_gradients
@pytest.mark.trains
def test_a_profile_changes_nothing_but_tells(capsys: pytest.CaptureFixture[str]) -> None:
    weights, histories = [], []
    for profile in (False, True):
        keras.utils.set_random_seed(3)
        one = model()
        histories.append(one.fit(X, Y, batch_size=8, epochs=4, verbose=2 * profile, profile=profile))
        weights.append(one.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # steps may be dispatched in other numbers
    assert histories[0].profile is None
    found = histories[1].profile
    printed = capsys.readouterr().out
    assert "A step of 8 rows takes " in printed and "shared (Dense) x 2" in printed
    assert [(row["name"], row["calls"]) for row in found.rows] == [
        ("inside", 1),
        ("drop", 1),
        ("shared", 2),
        ("out", 1),
    ]
    assert all(row["forward"] >= 0 and row["backward"] >= 0 for row in found.rows)
    assert round(sum(row["share"] for row in found.rows), 6) in (0.0, 1.0)  # 0 where no layer takes more than a call
    parts = found.seconds
    assert parts["data"] + parts["host"] + parts["device"] == pytest.approx(parts["step"]) and parts["step"] > 0
    assert 0 < found.steps <= 32 and found.batch_size == 8
    if importlib.util.find_spec("pandas"):
        assert list(found.to_pandas()["name"]) == ["inside", "drop", "shared", "out"]


@needs_gradients
@pytest.mark.trains
def test_what_is_too_short_is_said() -> None:
    one = model()
    with pytest.warns(UserWarning, match="training was over after 1 steps"):
        assert one.fit(X, Y, batch_size=64, verbose=0, profile=True).profile is None
    with pytest.raises(ValueError, match="profile a fit without it"):
        one.fit(X, Y, verbose=0, profile=True, debug="nan")


@pytest.mark.skipif(backends.current().trains, reason="is about backends without gradients")
def test_a_backend_that_does_not_train_refuses() -> None:
    with pytest.raises(NotImplementedError, match="cannot train"):
        model().fit(X, Y, verbose=0, profile=True)


class Watching(callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass


def row(name: str, share: float | None, way: str = "") -> dict[str, Any]:
    seconds = None if share is None else share
    return {"name": name, "class": "Dense", "calls": 1, "forward": seconds, "backward": 0.0, "share": share, "way": way}


ADVICE = [
    ("nothing", {"data": 0.05, "host": 0.1}, [row("a", 0.5), row("b", 0.5)], 0.0, []),
    ("data", {"data": 0.2, "host": 0.1}, [], 0.0, ["20% of the time is spent waiting for data"]),
    ("host", {"data": 0.0, "host": 0.5}, [], 0.0, ["50% of the time is the host's", "Watching look at every batch"]),
    ("python", {"data": 0.0, "host": 0.3}, [], 0.3, ["30%", "Watching", "compile(jit_compile=True)"]),
    ("layer", {"data": 0.0, "host": 0.0}, [row("a", 0.8, "attention goes by whole (short)"), row("b", 0.2)], 0.0,
     ["a (Dense) takes 80% of what the layers take. There, attention goes by whole (short)"]),
    ("unmeasured", {"data": 0.0, "host": 0.0}, [row("a", None)], 0.0, ["Measuring layers ended"]),
]  # fmt: skip


@pytest.mark.once
@pytest.mark.parametrize(
    ("seconds", "rows", "python", "said"), [case[1:] for case in ADVICE], ids=[c[0] for c in ADVICE]
)
def test_advice(seconds: Any, rows: Any, python: float, said: list[str]) -> None:
    listeners: Any = callbacks.CallbackList([Watching()])
    nothing: Any = None
    profiler = Profiler(nothing, nothing, listeners)
    device = 1.0 - sum(seconds.values())
    found = list(profiler._advise(Profile(10, 8, {**seconds, "device": device, "step": 1.0}, rows), python))
    assert len(found) == len(said)
    for line, part in zip(found, said, strict=True):
        assert part in line


PROGRAM = """
import sys
import numpy as np
import keras
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="only")])
model.compile("sgd", "mse")
if "train" in sys.argv:
    model.fit(np.ones((64, 4)), np.ones((64, 1)), batch_size=8, epochs=3, verbose=0)
print("the end")
"""


@needs_gradients
@pytest.mark.trains
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "train.py"
    path.write_text(PROGRAM)
    assert cli.main(["profile", str(path), "train"]) == 0
    printed = capsys.readouterr()
    assert "only (Dense)" in printed.out and "the end" not in printed.out
    assert cli.main(["profile", str(path)]) == 1
    printed = capsys.readouterr()
    assert "the end" in printed.out and "has no fit that could be measured" in printed.err
