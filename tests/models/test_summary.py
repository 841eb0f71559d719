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


def image_stack() -> Any:
    return keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            layers.Conv2D(6, 3, strides=2, groups=2, name="grouped"),  # 3 x 3 places
            layers.DepthwiseConv2D(2, depth_multiplier=2, name="depthwise"),  # 2 x 2 places, 12 channels
            layers.SeparableConv2D(5, 1, depth_multiplier=3, name="separable"),  # 36 channels between
            layers.Conv2DTranspose(7, 3, strides=2, name="transposed"),
            layers.BatchNormalization(name="elementwise"),
        ]
    )


def attending() -> Any:
    x = keras.Input((6, 8))
    y = layers.Add()([x, layers.MultiHeadAttention(2, 4, name="attention")(x, x)])
    inner = keras.Sequential([keras.Input((6, 8)), layers.Dense(5, name="dense")], name="inner")
    shared = layers.Dense(5, name="shared")
    z = inner(y)
    z = keras.ops.matmul(z, keras.ops.transpose(shared(shared(z)), (0, 2, 1)))
    return keras.Model(x, keras.ops.einsum("bij,bjk,k->bi", z, z, np.ones(6, "float32")))


class Own(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = layers.Dense(3, name="first"), layers.Dense(2, name="second")

    def call(self, a: Any, b: Any) -> Any:
        return self.second(self.first(a)) @ keras.ops.transpose(self.first(b)[:, :2])


def own() -> Any:
    model = Own()
    model(np.ones((1, 4), "float32"), np.ones((1, 4), "float32"))
    return model


@pytest.mark.parametrize(
    ("build", "by_layer", "others"),
    [
        (stack, {"first": 2 * 3 * 4, "norm": 0, "top": 2 * 4 * 2}, 0),
        (
            image_stack,
            {
                "grouped": 2 * (3 * 3 * 6) * (3 * 3 * 2),
                "depthwise": 2 * (2 * 2 * 12) * (2 * 2),
                "separable": 2 * (2 * 2) * (36 * 1 + 36 * 5),
                "transposed": 2 * (2 * 2 * 5) * (3 * 3 * 7),
                "elementwise": 0,
            },
            0,
        ),
        (
            lambda: keras.Sequential([keras.Input((5, 3)), layers.LSTM(7, name="lstm"), layers.Dense(1, name="top")]),
            {"lstm": 5 * 2 * (3 * 28 + 7 * 28), "top": 2 * 7},
            0,
        ),
        (
            lambda: keras.Sequential([keras.Input(batch_shape=(4, 5, 3)), layers.GRU(2, stateful=True, name="gru")]),
            {"gru": 5 * 2 * (3 * 6 + 2 * 6)},
            0,
        ),
        (
            attending,
            {
                "attention": 4 * (2 * 6 * 8 * 8) + 2 * 2 * (2 * 6 * 6 * 4),
                "inner": 2 * 6 * 8 * 5,
                "dense": 2 * 6 * 8 * 5,
                "shared": 2 * (2 * 6 * 5 * 5),
                "matmul": 2 * 6 * 5 * 6,
            },
            -2 * 6 * 8 * 5 + 2 * 2 * 6 * 6 * 6,  # `dense` is inside `inner`; three arrays in one einsum
        ),
        (own, {"first": 2 * (2 * 4 * 3), "second": 2 * 3 * 2}, 2 * 2),
        (
            lambda: keras.Sequential([keras.Input((None, 3)), layers.LSTM(7, name="any"), layers.Dense(1, name="top")]),
            {"any": None, "top": 14},
            None,
        ),
        (lambda: Own(), {"first": None, "second": None}, None),
    ],
    ids=["dense", "convolutions", "lstm", "fixed batch", "attention, nested", "own call", "unknown", "not built"],
)
def test_work_is_counted(build: Any, by_layer: dict[str, Any], others: int | None) -> None:
    found = build().summary_data(expand_nested=True)
    counts = {row["name"].split("_")[0]: row["flops"] for row in found.rows}
    assert {name: counts[name] for name in by_layer} == by_layer
    assert found.totals["flops"] == (None if others is None else sum(by_layer.values()) + others)


def test_data() -> None:
    model = MODELS["nested"]()
    found = model.summary_data(expand_nested=True)
    frame = found.to_pandas()
    assert list(frame["name"]) == [row["name"] for row in found.rows]
    assert {"inner", "encoder"} <= set(frame["name"]) and frame["depth"].max() == 1
    assert found.rows[0]["output_shape"] == model.inputs[0].shape
    assert frame["params"][frame["depth"] == 0].sum() == found.totals["params"] == model.count_params()
    assert found.totals["bytes"] == 4 * found.totals["params"]
    shown = text(model, show_flops=True)
    assert "FLOPs" in shown.splitlines()[1] and shown.splitlines()[-1].startswith("FLOPs a row: ")
    assert "FLOPs" not in text(model)
