"""`print_summary`: the layers of a model with shapes and sizes, a table in a terminal and plain text elsewhere."""

import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tahr import tree
from tahr.layers.layer import Layer
from tahr.models.functional import Functional
from tahr.models.graph_config import graph_names
from tahr.models.model import Model

__all__ = ["print_summary"]

WIDTH, WIDTH_CONNECTED = 80, 100
POSITIONS = {2: (0.6, 0.8, 1.0), 3: (0.45, 0.8, 1.0), 4: (0.33, 0.57, 0.73, 1.0), 5: (0.3, 0.52, 0.66, 0.9, 1.0)}
TRAINABLE = {4: (0.45, 0.75, 0.9, 1.0)}


@dataclass
class _Row:
    cells: list[str]
    name: str
    depth: int


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Any = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Any = None,
) -> None:
    """Print the layers of a model with their output shapes and numbers of parameters, and the totals.

    Args:
        model: the model; what it has not computed yet is shown as `?`.
        line_length: width in characters; None takes 80 (100 with connections), or less in a narrower terminal.
        positions: where columns end, as fractions of the width or as characters.
        print_fn: gets the whole text, instead of standard output.
        expand_nested: whether the layers of inner models are shown.
        show_trainable: whether a column says which layers are trainable.
        layer_range: names (or regular expressions) of the first and last layers to show.

    Raises:
        ValueError: if `layer_range` or `positions` do not fit the model.

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="last")], name="small")
    >>> model.summary()
    Model: "small"
    Layer (type)                        Output Shape                Param #
    ────────────────────────────────────────────────────────────────────────────────
    last (Dense)                        (None, 2)                   10
    ────────────────────────────────────────────────────────────────────────────────
    Total params: 10 (40.00 B)
    Trainable params: 10 (40.00 B)
    Non-trainable params: 0 (0.00 B)
    """
    connected = isinstance(model, Functional) and not _is_chain(model)
    titles = ["Layer (type)", "Output Shape", "Param #"]
    titles += ["Connected to"] * connected + ["Trainable"] * show_trainable
    rows = list(_rows(model, connected, show_trainable, expand_nested, 0))
    if layer_range is not None:
        rows = _in_range(rows, layer_range)
    terminal = print_fn is None and sys.stdout.isatty()
    width = line_length or (WIDTH_CONNECTED if connected else WIDTH)
    if terminal and line_length is None:
        import shutil

        width = min(width, shutil.get_terminal_size().columns)
    usual = TRAINABLE.get(len(titles)) if show_trainable and not connected else None
    widths = _widths(positions or usual or POSITIONS[len(titles)], width, len(titles))
    if terminal:
        _print_table(model.name, titles, rows, widths, _totals(model))
        return
    text = "\n".join(_plain(model.name, titles, rows, widths, _totals(model)))
    print(text) if print_fn is None else print_fn(text)


# ---- content --------------------------------------------------------------------------------------------------------


def _rows(model: Any, connected: bool, show_trainable: bool, expand: bool, depth: int) -> Iterator[_Row]:
    sources = _connections(model) if connected and isinstance(model, Functional) else {}
    for part in model.operations if isinstance(model, Functional) else model.layers:
        label = f"{part.name} ({type(part).__name__ if isinstance(part, Layer) else class_of(part)})"
        cells = ["   " * depth + "└ " * bool(depth) + label, _output_shape(part), _count(part)]
        if connected:
            cells.append(sources.get(id(part), "-") or "-")
        if show_trainable:
            cells.append("-" if not getattr(part, "weights", None) else "Y" if part.trainable else "N")
        yield _Row(cells, part.name, depth)
        if expand and isinstance(part, Model) and part.layers:
            yield from _rows(part, connected, show_trainable, expand, depth + 1)


def class_of(operation: Any) -> str:
    op = getattr(operation, "op", None)
    return type(operation).__name__ if op is None else "".join(p[:1].upper() + p[1:] for p in op.name.split("_"))


def _output_shape(part: Any) -> str:
    try:
        shapes = [x.shape for x in tree.flatten(part.output)]
    except (AttributeError, NotImplementedError):
        shapes = _eager_shapes(part)
    if not shapes:
        return "?"
    return str(shapes[0]) if len(shapes) == 1 else ", ".join(map(str, shapes))


def _eager_shapes(layer: Any) -> list[Any]:
    """Return the output shapes of a layer that has run on arrays only."""
    seen = layer.__dict__.get("_called_with")
    if not layer.built or seen is None:
        return []
    try:
        found = layer.compute_output_shape(seen)
    except Exception:  # shapes of code that needs values stay unknown
        return []
    return [found] if tree.is_shape(found) else tree.flatten(tree.map_shape_structure(lambda s: [tuple(s)], found))


def _count(part: Any) -> str:
    if not isinstance(part, Layer):
        return "0"
    return f"{part.count_params():,}" if part.built else "0 (unbuilt)"


def _connections(model: Functional) -> dict[int, str]:
    names = graph_names(model.operations)
    calls: dict[int, int] = {}
    counts: dict[int, int] = {}
    found: dict[int, list[str]] = {}
    for node in [*(x.history[0] for x in model.inputs if x.history is not None), *model._function._plan]:
        key = id(node.operation)
        calls[id(node)] = counts.get(key, 0)
        counts[key] = calls[id(node)] + 1
    for node in model._function._plan:
        for x in node.inputs:
            if x.history is not None:
                source, output = x.history
                where = f"{names[id(source.operation)]}[{calls[id(source)]}][{output}]"
                found.setdefault(id(node.operation), []).append(where)
    return {key: ", ".join(sources) for key, sources in found.items()}


def _is_chain(model: Functional) -> bool:
    """Whether each operation is called once, on the one output of the operation before it."""
    plan = model._function._plan
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len({id(n.operation) for n in plan}) != len(plan):
        return False
    at = model.inputs[0]
    for node in plan:
        if len(node.inputs) != 1 or node.inputs[0] is not at or len(node.outputs) != 1:
            return False
        at = node.outputs[0]
    return True


def _in_range(rows: list[_Row], layer_range: Any) -> list[_Row]:
    if not isinstance(layer_range, (list, tuple)) or len(layer_range) != 2:
        raise ValueError(f"summary: expected layer_range to be two names, first and last; received {layer_range!r}.")
    found = []
    for name in layer_range:
        places = [i for i, row in enumerate(rows) if row.depth == 0 and (row.name == name or re.match(name, row.name))]
        if not places:
            known = [row.name for row in rows if row.depth == 0]
            raise ValueError(f"summary: layer_range names {name!r}, but the layers are {known}.")
        found.append(places)
    first, last = min(found[0] + found[1]), max(found[0] + found[1])
    while last + 1 < len(rows) and rows[last + 1].depth:
        last += 1
    return rows[first : last + 1]


def _totals(model: Any) -> list[str]:
    trainable, frozen = _size(model.trainable_weights), _size(model.non_trainable_weights)
    optimizer = getattr(model, "optimizer", None)
    state = _size(getattr(optimizer, "variables", [])) if optimizer is not None else (0, 0.0)
    total = tuple(sum(parts) for parts in zip(trainable, frozen, state, strict=True))
    lines = [("Total", total), ("Trainable", trainable), ("Non-trainable", frozen)]
    if state[0]:
        lines.append(("Optimizer", state))
    return [f"{title} params: {count:,} ({_readable(size)})" for title, (count, size) in lines]


def _size(variables: Any) -> tuple[int, float]:
    count = sum(v.size for v in variables)
    return count, sum(v.size * _bytes(v.dtype) for v in variables)


def _bytes(dtype: str) -> float:
    bits = re.search(r"\d+", dtype)
    return int(bits.group()) / 8 if bits else 1.0


def _readable(size: float) -> str:
    """Return bytes in the largest unit that keeps the number above 1.

    >>> _readable(2048.0)
    '2.00 KB'
    """
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1024 or unit == "TB":
            return f"{size:.2f} {unit}"
        size /= 1024
    raise AssertionError(size)


# ---- form -----------------------------------------------------------------------------------------------------------


def _widths(positions: Any, width: int, columns: int) -> list[int]:
    if len(positions) < columns:
        raise ValueError(f"summary: expected {columns} positions, one a column; received {positions!r}.")
    ends = [0, *(int(p * width) if positions[-1] <= 1 else int(p) for p in positions[:columns])]
    found = [b - a for a, b in zip(ends, ends[1:], strict=False)]
    if min(found) < 4:
        raise ValueError(f"summary: expected positions to rise by at least 4 characters; received {positions!r}.")
    return found


def _plain(name: str, titles: list[str], rows: list[_Row], widths: list[int], totals: list[str]) -> Iterator[str]:
    rule = "─" * sum(widths)
    yield f'Model: "{name}"'
    yield _line(titles, widths)
    yield rule
    for row in rows:
        cells = [_wrapped(cell, width - 1) for cell, width in zip(row.cells, widths, strict=True)]
        for i in range(max(map(len, cells))):
            yield _line([cell[i] if i < len(cell) else "" for cell in cells], widths)
    yield rule
    yield from totals


def _line(cells: list[str], widths: list[int]) -> str:
    return "".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _wrapped(cell: str, width: int) -> list[str]:
    indent = cell[: len(cell) - len(cell.lstrip(" └"))]
    return textwrap.wrap(cell, width, drop_whitespace=False, subsequent_indent=" " * len(indent)) or [""]


def _print_table(name: str, titles: list[str], rows: list[_Row], widths: list[int], totals: list[str]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(width=sum(widths), show_lines=True)
    for title, width in zip(titles, widths, strict=True):
        table.add_column(
            title, max_width=max(1, width - 3), overflow="fold", justify="right" if title == "Param #" else "left"
        )
    for row in rows:
        table.add_row(*map(escape, row.cells))
    console = Console()
    console.print(f'[bold]Model: "{escape(name)}"[/bold]')
    console.print(table)
    for line in totals:
        console.print(f"[bold] {line.split(':')[0]}:[/bold]{line.split(':')[1]}", highlight=True)
