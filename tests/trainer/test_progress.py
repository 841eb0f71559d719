"""The progress bar: what it writes where, and that it writes little."""

import io
import re

import numpy as np
import pytest

from tahr.trainer import progress
from tahr.trainer.progress import Progress
from tahr.utils.progbar import Progbar

pytestmark = pytest.mark.once


class Terminal(io.StringIO):
    """A stream that says it is a terminal and counts its writes."""

    encoding = "utf-8"
    writes = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


class Clock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress.time, "perf_counter", clock)
    return clock


@pytest.fixture(autouse=True)
def screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def on_screen(text: str) -> list[str]:
    """Return the successive states of a line that is redrawn in place, without colours."""
    return re.sub(r"\x1b\[\d+m", "", text).replace("\n", "").split("\r")[1:]


def train(bar: Progress, clock: Clock, steps: int, seconds: float) -> None:
    for step in range(1, steps + 1):
        clock.now += seconds
        bar.update(step, {"loss": 1.0 / step})
    bar.finish({"loss": 0.5})


def test_bar_in_a_terminal(clock: Clock) -> None:
    stream = Terminal()
    train(Progress(10, label="Epoch 1/2", stream=stream), clock, 10, seconds=1.0)
    states = on_screen(stream.getvalue())
    assert states[3].rstrip() == ("Epoch 1/2  40%  4/10 ━━━━━━━━━━━━━━━━━━━━ 4s 1.00s/step ETA 6s - loss: 0.2500")
    assert states[-1].rstrip() == "Epoch 1/2 10/10 ━━━━━━━━━━━━━━━━━━━━ 10s 1.00s/step - loss: 0.5000"
    assert stream.getvalue().endswith("\n") and stream.getvalue().count("\n") == 1
    assert f"{progress.GREEN}{'━' * 8}{progress.GREY}{'━' * 12}{progress.PLAIN}" in stream.getvalue()


def test_rate_leaves_out_the_first_update(clock: Clock) -> None:
    bar = Progress(100, stream=(stream := Terminal()))
    clock.now += 60.0  # compilation
    bar.update(1)
    clock.now += 1.0
    bar.update(11)
    assert "1:01 100ms/step ETA 8s" in on_screen(stream.getvalue())[-1]


def test_redraws_at_most_ten_times_a_second(clock: Clock) -> None:
    stream = Terminal()
    train(Progress(10_000, stream=stream), clock, 10_000, seconds=0.001)
    assert 90 <= len(on_screen(stream.getvalue())) <= 102


def test_metrics_are_read_only_when_drawn(clock: Clock) -> None:
    calls = []
    bar = Progress(1000, stream=Terminal())
    for step in range(1000):
        clock.now += 0.01
        due = bar.due()
        before = len(calls)
        bar.update(step + 1, lambda: calls.append(1) or {"loss": 1.0})
        assert (len(calls) > before) == due
    assert 0 < len(calls) <= 101


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
def test_line_never_wraps(clock: Clock, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    bar = Progress(10, label="Epoch 10/10", stream=stream)
    bar.update(5, {f"metric_{i}": float(i) for i in range(12)})
    bar.finish()
    states = on_screen(stream.getvalue())
    assert states and all(len(state) < columns for state in states)


def test_shorter_line_leaves_nothing_of_the_longer(clock: Clock) -> None:
    stream = Terminal()
    bar = Progress(10, stream=stream, interval=0)
    bar.update(5, {"accuracy": 0.5, "loss": 0.5})
    bar.update(6, {"loss": 0.5})
    long, short = on_screen(stream.getvalue())
    assert len(short) == len(long) and "accuracy" not in short


def test_plain_lines_where_no_terminal_is(clock: Clock) -> None:
    stream = io.StringIO()
    train(Progress(400, label="Epoch 1/2", stream=stream), clock, 400, seconds=1.0)
    lines = stream.getvalue().splitlines()
    assert lines == [
        "Epoch 1/2 -  30/400 - 30s - 1.00s/step - ETA 6:10 - loss: 0.0333",
        "Epoch 1/2 - 180/400 - 3:00 - 1.00s/step - ETA 3:40 - loss: 0.0056",
        "Epoch 1/2 - 400/400 - 6:40 - 1.00s/step - loss: 0.5000",
    ]


@pytest.mark.parametrize("verbose", [0, 1, 2, "auto"])
def test_no_control_characters_in_a_file(clock: Clock, verbose: int | str) -> None:
    stream = io.StringIO()
    train(Progress(100, label="Epoch 1/2", verbose=verbose, stream=stream), clock, 100, seconds=0.1)
    text = stream.getvalue()
    assert text.count("\n") == (0 if verbose == 0 else 1)
    assert all(character == "\n" or character.isprintable() for character in text)


def test_verbose_2_is_one_line_in_a_terminal_too(clock: Clock) -> None:
    stream = Terminal()
    train(Progress(100, verbose=2, stream=stream), clock, 100, seconds=1.0)
    assert stream.getvalue() == "100/100 - 1:40 - 1.00s/step - loss: 0.5000\n"


def test_unknown_total(clock: Clock) -> None:
    stream = Terminal()
    train(Progress(None, stream=stream), clock, 3, seconds=1.0)
    assert [state.rstrip() for state in on_screen(stream.getvalue())] == [
        "1 step  1s 1.00s/step - loss: 1.0000",
        "2 steps  2s 1.00s/step - loss: 0.5000",
        "3 steps  3s 1.00s/step - loss: 0.3333",
        "3 steps  3s 1.00s/step - loss: 0.5000",
    ]


def test_bytes(clock: Clock) -> None:
    stream = io.StringIO()
    bar = Progress(11_490_434, unit="B", stream=stream)
    clock.now += 2
    bar.update(4_000_000)
    clock.now += 1
    bar.update(11_490_434)
    bar.finish()
    assert stream.getvalue() == "11.5 MB/11.5 MB - 3s - 7.5 MB/s\n"


def test_terminal_without_unicode(clock: Clock) -> None:
    stream = Terminal()
    stream.encoding = "ascii"
    bar = Progress(4, stream=stream, interval=0)
    bar.update(2)
    assert "==========" in stream.getvalue() and stream.getvalue().isascii()


def test_no_color_is_honoured(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    train(Progress(4, stream=(stream := Terminal())), clock, 4, 1.0)
    assert "\x1b" not in stream.getvalue()


def test_dumb_terminal_gets_plain_lines(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    train(Progress(4, stream=(stream := Terminal())), clock, 4, 1.0)
    assert stream.getvalue() == "4/4 - 4s - 1.00s/step - loss: 0.5000\n"


def test_close_ends_an_open_line_once(clock: Clock) -> None:
    bar = Progress(4, stream=(stream := Terminal()), interval=0)
    bar.update(1)
    bar.close()
    bar.close()
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("verbose", [3, -1, "yes", None])
def test_bad_verbose(verbose: object) -> None:
    with pytest.raises(ValueError, match="verbose must be 0, 1, 2 or 'auto'; received"):
        Progress(1, verbose=verbose)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5000"),
        (1, "1.0000"),
        (-2.5, "-2.5000"),
        (0.0001, "1.0000e-04"),
        (0.0, "0.0000e+00"),
        (float("nan"), "nan"),
        (np.float32(0.25), "0.2500"),
        (np.array([1.0, 2.0]), "1.5000"),
        ([1.0, 2.0], "1.5000"),
        ("early", "early"),
        (None, "None"),
    ],
)
def test_number(value: object, text: str) -> None:
    assert progress.number(value) == text


# ---- Progbar: the numbers are what Keras 3.15 shows -----------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ({"stateful_metrics": ["s"]}, [("0.0000e+00", "0.0000e+00"), ("1.0000", "0.5000"), ("2.0000", "1.0000")]),
        ({"stateless_metrics": ["m"]}, [("0.0000e+00", "0.0000e+00"), ("1.0000", "0.5000"), ("2.0000", "1.0000")]),
        ({}, [("0.0000e+00", "0.0000e+00"), ("0.5000", "0.5000"), ("1.0000", "1.0000")]),
    ],
)
def test_progbar_means(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]], shown: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr("sys.stdout", stream := Terminal())
    bar = Progbar(4, **names)
    for step in range(4):
        clock.now += 1.0
        bar.update(step + 1, [("s", float(step)), ("m", float(step))])
    states = on_screen(stream.getvalue())
    found = [tuple(re.findall(r": (\S+)", state)[-2:]) for state in states]
    assert found == [*shown, ("3.0000", "3.0000")]


def test_progbar_add_and_unit(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    bar = Progbar(4, verbose=2, unit_name="file")
    for _ in range(2):
        clock.now += 1.5
        bar.add(2, [("loss", 0.25)])
    assert capsys.readouterr().out == "4/4 - 3s - 750ms/file - loss: 0.2500\n"


def test_progbar_without_target_ends_when_told(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    bar = Progbar(None)
    bar.add(2, [("loss", 1.0)])
    assert capsys.readouterr().out == ""
    bar.update(2, finalize=True)
    assert capsys.readouterr().out == "2 steps - 0s - 0.00us/step - loss: 1.0000\n"


def test_progbar_refuses_both_lists() -> None:
    with pytest.raises(ValueError, match="not both"):
        Progbar(4, stateful_metrics=["a"], stateless_metrics=["b"])
