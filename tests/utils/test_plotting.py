"""Pictures of models."""

import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import utils

pytestmark = pytest.mark.once

SVG = "{http://www.w3.org/2000/svg}"


def chain() -> keras.Model:
    return keras.Sequential(
        [keras.Input((4,), name="given"), keras.layers.Dense(3, "relu", name="a"), keras.layers.Dense(2, name="b")],
        name="chain",
    )


def branches() -> keras.Model:
    x, other = keras.Input((4,), name="x"), keras.Input((5,), name="other")
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4, name="in_1"), keras.layers.Dense(4)], name="inner"
    )
    left, right = inner(x), keras.layers.Dense(4, name="right")(x)
    both = keras.layers.Concatenate(name="both")([left, right, x * 2, other])
    return keras.Model([x, other], [keras.layers.Dense(1, name="one")(both), keras.layers.Dense(2, name="two")(left)])


def own() -> keras.Model:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(2, name="dense")

        def call(self, inputs: Any) -> Any:
            return self.dense(inputs)

    model = Own()
    model(np.ones((1, 4)))
    return model


def boxes(svg: str) -> dict[str, tuple[float, ...]]:
    """Return (left, top, right, bottom) of each layer by its title."""
    found = {}
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        frame = {key: float(group[0].get(key, 0)) for key in ("x", "y", "width", "height")}
        found[group.findall(f"{SVG}text")[0].text] = (
            frame["x"], frame["y"], frame["x"] + frame["width"], frame["y"] + frame["height"]
        )  # fmt: skip
    return found


def arrows(svg: str) -> int:
    return sum(path.get("marker-end") is not None for path in ET.fromstring(svg).iter(f"{SVG}path"))


@pytest.mark.parametrize("rankdir", ["TB", "BT", "LR", "RL"])
@pytest.mark.parametrize(("make", "layers", "lines"), [(chain, 3, 2), (branches, 8, 9), (own, 1, 0)])
@pytest.mark.parametrize("shapes", [False, True])
def test_boxes_do_not_overlap_and_arrows_go_one_way(
    make: Any, layers: int, lines: int, rankdir: str, shapes: bool
) -> None:
    svg = utils.plot_model(make(), None, show_shapes=shapes, show_layer_names=True, rankdir=rankdir).svg
    found = boxes(svg)
    assert len(found) == layers and arrows(svg) == lines
    places = list(found.values())
    for i, a in enumerate(places):
        for b in places[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    width, height = (float(ET.fromstring(svg).get(side, 0)) for side in ("width", "height"))
    assert all(a[0] >= 0 and a[1] >= 0 and a[2] <= width and a[3] <= height for a in places)
    if make is chain:
        first, last = found["given (InputLayer)"], found["b (Dense)"]
        assert {"TB": first[3] < last[1], "BT": last[3] < first[1], "LR": first[2] < last[0], "RL": last[2] < first[0]}[
            rankdir
        ]


def test_what_is_said_of_layers() -> None:
    model = chain()
    model.get_layer("b").trainable = False
    svg = utils.plot_model(model, None, True, True, True, show_layer_activations=True, show_trainable=True).svg
    for text in ("Input shape: (None, 4)", "Output shape: (None, 2)", "Output dtype: float32", "Activation: relu"):
        assert text in svg
    assert svg.count("#2f6f4f") and svg.count("#9b4a2f")
    plain = utils.plot_model(model, None).svg
    assert "Dense" in plain and "a (Dense)" not in plain and "shape" not in plain


def test_inner_models_are_expanded() -> None:
    model = branches()
    closed, opened = (utils.plot_model(model, None, show_layer_names=True, expand_nested=e).svg for e in (False, True))
    assert "inner (Sequential)" in closed and "in_1" not in closed
    assert "inner (Sequential)" not in opened and "in_1 (Dense)" in opened and ">inner<" in opened
    dot = utils.model_to_dot(model, expand_nested=True)
    inner = re.search(r'subgraph "cluster_\w+" \{(.*?)\n  \}', dot, re.DOTALL)
    assert inner is not None and inner[1].count("shape=plain") == 3 and inner[1].count("->") == 2


def test_dot_text(tmp_path: Path) -> None:
    dot = utils.model_to_dot(branches(), show_shapes=True, rankdir="LR", dpi=96)
    assert dot.startswith("digraph") and 'rankdir="LR"' in dot and "dpi=96" in dot
    assert dot.count("shape=plain") == 8 and dot.count("->") == 9 and dot.to_string() == dot
    assert dot.count("{") == dot.count("}")
    utils.plot_model(chain(), tmp_path / "m.dot")
    assert (tmp_path / "m.dot").read_text() == utils.model_to_dot(chain(), show_layer_names=False)
    assert utils.model_to_dot(chain(), subgraph=True).startswith("subgraph")


def test_a_range_of_layers() -> None:
    assert list(boxes(utils.plot_model(chain(), None, show_layer_names=True, layer_range=["a", "b"]).svg)) == [
        "a (Dense)",
        "b (Dense)",
    ]
    with pytest.raises(ValueError, match="names 'z', but the layers are"):
        utils.plot_model(chain(), None, layer_range=["a", "z"])


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = utils.plot_model(chain(), tmp_path / "m.svg")
    assert (tmp_path / "m.svg").read_text() == picture.svg == picture._repr_svg_()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ImportError, match=r"Graphviz.*\.svg"):
        utils.plot_model(chain(), tmp_path / "m.png")


def test_other_files_are_left_to_graphviz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dot"  # stands for Graphviz: writes what it was asked and given
    program.write_text(
        '#!/bin/sh\n(echo "$1"; cat) > "$3"\ncase "$1" in -Tpng) ;; *) echo no format >&2; exit 1;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    utils.plot_model(chain(), tmp_path / "m.png", show_shapes=True)
    expected = "-Tpng\n" + utils.model_to_dot(chain(), show_shapes=True, show_layer_names=False)
    assert (tmp_path / "m.png").read_text() == expected
    with pytest.raises(ValueError, match="no format"):
        utils.plot_model(chain(), tmp_path / "m.xyz")


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda: keras.Sequential([keras.layers.Dense(1)]), {}, "no graph yet"),
        (chain, {"rankdir": "UP"}, "rankdir"),
        (chain, {"colour": 1}, r"unexpected arguments \['colour'\]"),
        (chain, {"layer_range": "a"}, "two names"),
    ],
)
def test_refusals(make: Any, options: dict[str, Any], message: str) -> None:
    for plot in (utils.model_to_dot, lambda model, **o: utils.plot_model(model, None, **o)):
        with pytest.raises(ValueError, match=message):
            plot(make(), **options)


def test_source_inputs() -> None:
    model = branches()
    sources = utils.get_source_inputs(model.outputs[0])
    assert sorted(x.name for x in sources) == ["other", "x"]
    assert [x.name for x in utils.get_source_inputs(model.outputs[1])] == ["x"]
    assert utils.get_source_inputs(model.inputs[0])[0] is model.inputs[0]
    alone = keras.KerasTensor((2,))
    assert utils.get_source_inputs(alone)[0] is alone
    with pytest.raises(TypeError, match="symbol"):
        utils.get_source_inputs(np.ones(2))  # pyright: ignore[reportArgumentType]
