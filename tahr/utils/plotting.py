"""Pictures of models: SVG by an own layout, the text of Graphviz, and by Graphviz what else it can write."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from tahr.utils.layered import draw_svg
from tahr.utils.model_graph import Box, Group, Show, graph_of

__all__ = ["Dot", "Picture", "model_to_dot", "plot_model"]

DIRECTIONS = ("TB", "BT", "LR", "RL")


class Dot(str):
    """The text of a graph in Graphviz's language."""

    __slots__ = ()

    def to_string(self) -> str:
        """Return the text."""
        return str(self)

    def write(self, path: Any, format: str = "raw") -> None:
        """Write the text (`"raw"`, `"dot"`) or, by Graphviz, a picture to a file.

        Raises:
            ImportError: if Graphviz is needed and missing.
        """
        if format in ("raw", "dot"):
            Path(path).write_text(self, encoding="utf-8")
            return
        program = shutil.which("dot")
        if program is None:
            raise ImportError(
                f"A {format} file of a model needs Graphviz, whose program `dot` was not found. Install it (for "
                "example apt install graphviz), or write to a file that ends with .svg, which needs nothing else."
            )
        done = subprocess.run(
            [program, f"-T{format}", "-o", os.fspath(path)], input=self, text=True, capture_output=True, check=False
        )
        if done.returncode:
            raise ValueError(f"Graphviz could not write {str(path)!r}: {done.stderr.strip()[-300:]}")


class Picture:
    """An SVG picture, which notebooks show."""

    def __init__(self, svg: str):
        self.svg = svg

    def _repr_svg_(self) -> str:
        return self.svg


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Dot:
    """Return a model's graph in the language of Graphviz, which need not be there.

    Args:
        model: model that is built.
        show_shapes: whether the shapes of inputs and outputs are shown.
        show_dtype: whether the types of the outputs are shown.
        show_layer_names: whether the names of the layers are shown.
        rankdir: where arrows go: `"TB"` down, `"BT"` up, `"LR"` right, `"RL"` left.
        expand_nested: whether the layers of inner models are shown.
        dpi: dots an inch of pictures.
        subgraph: whether the text is a part of another graph.
        show_layer_activations: whether the activations of layers are shown.
        show_trainable: whether colours tell layers that are trained (green) from those that are not (brown).
        splines: how Graphviz draws arrows.
        **kwargs: `layer_range`, the names (or regular expressions) of the first and last layers shown.

    Raises:
        ValueError: if the model is not built or an argument is none of these.

    >>> model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(2, name="last")], name="small")
    >>> text = keras.utils.model_to_dot(model)
    >>> "m_0 -> m_1;" in text
    True
    """
    show = Show(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, expand_nested)
    graph = _graph(model, show, rankdir, kwargs, "model_to_dot")
    head = f'subgraph "cluster_{graph.key}_{graph.name}" {{' if subgraph else f'digraph "{_quoted(graph.name)}" {{'
    settings = [] if subgraph else [f'rankdir="{rankdir}"', f"dpi={dpi}", f'splines="{splines}"']
    return Dot("\n".join([head, *(f"  {line};" for line in settings), *_lines(graph), "}"]) + "\n")


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Picture:
    """Write a picture of a model's graph to a file, and return it as SVG, which notebooks show.

    Args:
        model: model that is built.
        to_file: path; `.svg` and `.dot` files need nothing else, others (png, pdf) need Graphviz; None writes none.
        show_shapes: whether the shapes of inputs and outputs are shown.
        show_dtype: whether the types of the outputs are shown.
        show_layer_names: whether the names of the layers are shown.
        rankdir: where arrows go: `"TB"` down, `"BT"` up, `"LR"` right, `"RL"` left.
        expand_nested: whether the layers of inner models are shown.
        dpi: dots an inch, where Graphviz draws.
        show_layer_activations: whether the activations of layers are shown.
        show_trainable: whether colours tell layers that are trained (green) from those that are not (brown).
        splines: how Graphviz draws arrows.
        **kwargs: `layer_range`, the names (or regular expressions) of the first and last layers shown.

    Raises:
        ImportError: if Graphviz is needed and missing.
        ValueError: if the model is not built or an argument is none of these.

    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     picture = keras.utils.plot_model(model, folder + "/model.svg", show_shapes=True)
    >>> "Output shape: (None, 2)" in picture.svg
    True
    """
    show = Show(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, expand_nested)
    graph = _graph(model, show, rankdir, dict(kwargs), "plot_model")
    picture = Picture(draw_svg(graph, rankdir))
    if to_file is None:
        return picture
    ending = os.path.splitext(os.fspath(to_file))[1][1:].lower() or "png"
    if ending == "svg":
        Path(to_file).write_text(picture.svg, encoding="utf-8")
        return picture
    model_to_dot(
        model, show_shapes, show_dtype, show_layer_names, rankdir, expand_nested, dpi, False, show_layer_activations,
        show_trainable, splines, **kwargs,
    ).write(to_file, ending)  # fmt: skip
    return picture


def _graph(model: Any, show: Show, rankdir: str, kwargs: dict[str, Any], what: str) -> Group:
    layer_range = kwargs.pop("layer_range", None)
    if kwargs:
        raise ValueError(f"{what}: unexpected arguments {sorted(kwargs)}.")
    if rankdir not in DIRECTIONS:
        raise ValueError(f"{what}: expected rankdir to be one of {', '.join(DIRECTIONS)}; received {rankdir!r}.")
    return graph_of(model, show, layer_range)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _lines(group: Group, indent: str = "  ") -> Iterator[str]:
    for box in group.boxes:
        yield f"{indent}{box.key} [shape=plain, label=<{_table(box)}>];"
    for inner in group.groups:
        yield f'{indent}subgraph "cluster_{inner.key}" {{'
        yield f'{indent}  label="{_quoted(inner.name)}"; style="dashed";'
        yield from _lines(inner, indent + "  ")
        yield f"{indent}}}"
    for a, b in group.arrows:
        yield f"{indent}{a} -> {b};"


def _table(box: Box) -> str:
    color = {True: "#2f6f4f", False: "#9b4a2f", None: "#2b2b2b"}[box.trainable]
    rows = "".join(f"<tr><td>{escape(line)}</td></tr>" for line in box.lines)
    title = f'<tr><td bgcolor="{color}"><font color="white">{escape(box.title)}</font></td></tr>'
    return f'<table border="0" cellborder="1" cellspacing="0" cellpadding="6">{title}{rows}</table>'
