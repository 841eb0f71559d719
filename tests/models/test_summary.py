"""What `summary` prints."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers
from tests.saving.models import MODELS


def text(model: Any, **kwargs: Any) -> str:
    found: list[str] = []
    model.summary(print_fn=found.append, **kwargs)
    (only,) = found
    return only


def stack() -> Any:
    return keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, name="first"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(2, name="top"),
        ],
        name="stack",
    )


def test_layers_and_totals() -> None:
    lines = text(stack()).splitlines()
    assert lines[0] == 'Model: "stack"'
    assert [line.split() for line in lines[3:6]] == [
        ["first", "(Dense)", "(None,", "4)", "16"],
        ["norm", "(BatchNormalization)", "(None,", "4)", "16"],
        ["top", "(Dense)", "(None,", "2)", "10"],
    ]
    assert lines[-3:] == [
        "Total params: 42 (168.00 B)", "Trainable params: 34 (136.00 B)", "Non-trainable params: 8 (32.00 B)",
    ]  # fmt: skip


def test_plain_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    stack().summary()
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "first (Dense)" in printed


def test_table_in_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    stack().summary()
    printed = capsys.readouterr().out
    assert "│ first (Dense)" in printed and "Total params" in printed


@pytest.mark.trains
def test_optimizer_counts() -> None:
    model = stack()
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((2, 3), "float32"), np.ones((2, 2), "float32"))
    lines = text(model).splitlines()
    assert lines[-1] == "Optimizer params: 70 (280.00 B)" and lines[-4] == "Total params: 112 (448.00 B)"


def test_connections_and_inner_models() -> None:
    shown = text(MODELS["nested"](), expand_nested=True, show_trainable=True)
    assert "Connected to" in shown and "Trainable" in shown
    assert "encoder[0][0]" in shown and "└ inner (Dense)" in shown and "└ left (Dense)" in shown
    assert "Connected to" not in text(keras.Model(*(lambda x: (x, layers.Dense(2)(x)))(keras.Input((2,)))))


def test_subclassed_models_show_after_the_first_call() -> None:
    from tests.saving.models import Subclassed

    model = Subclassed(4)
    assert "?" in text(model) and "(unbuilt)" in text(model)
    model(np.zeros((2, 3), "float32"))
    shown = text(model)
    assert "?" not in shown and "(2, 4)" in shown and "Total params: 111" in shown


def test_range_and_widths() -> None:
    lines = text(stack(), layer_range=("norm", "to.*"), line_length=60, positions=[0.5, 0.8, 1.0]).splitlines()
    assert [line.split()[0] for line in lines[3:-4]][:1] == ["norm"] and "first" not in "".join(lines)
    assert max(map(len, lines[:-3])) <= 60
    wide = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="a_name_that_is_much_too_long_for_its_column")])
    assert "a_name_that_is_much_too_long_for_its_column" in text(wide, line_length=50).replace("\n", "").replace(
        " ", ""
    ) or ("a_name_that" in text(wide, line_length=50))


@pytest.mark.parametrize(
    "arguments", [{"layer_range": ("first", "none")}, {"layer_range": "x"}, {"positions": [0.5, 1.0]}]
)
def test_refusals(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="summary"):
        text(stack(), **arguments)
