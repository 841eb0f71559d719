"""`summary` and `summary_data`: the layers of a model with shapes, sizes and work, as text and as data."""

import importlib
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tahr import tree
from tahr.layers.layer import Layer
from tahr.models.functional import Functional
from tahr.models.graph_config import graph_names
from tahr.models.model import Model, _symbols_of
from tahr.ops.work import Work
from tahr.symbolic import KerasTensor

__all__ = ["Summary", "print_summary", "print_table", "summarize"]

WIDTH, WIDTH_CONNECTED = 80, 100
POSITIONS = {
    3: (0.45, 0.8, 1.0),
    4: (0.33, 0.57, 0.73, 1.0),
    5: (0.3, 0.52, 0.66, 0.9, 1.0),
    6: (0.26, 0.46, 0.58, 0.7, 0.9, 1.0),
}
RIGHT = ("Param #", "FLOPs", "Forward", "Backward", "Share")
TRAINABLE = {4: (0.45, 0.75, 0.9, 1.0)}


@dataclass
class Summary:
    """The layers of a model as data.

    Attributes:
        name: of the model.
        rows: a dict for each layer, in the order of `summary`: `name`, `class`, `depth` (0 for layers of the model
            itself), `output_shape` (None if unknown, a list for several outputs), `params` and `bytes` of its weights
            (None before they exist), `flops`, `connected_to` (in graphs), `trainable`.
        totals: `params`, `bytes`, `trainable_params`, `non_trainable_params`, `optimizer_params`, and `flops`.

    FLOPs are the multiplications and additions of matrix products, convolutions and attention in one forward pass on
    one row of inputs, two for each product that is added up; None if a size is unknown, or code cannot be followed.
    """

    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    totals: dict[str, Any] = field(default_factory=dict)

    def to_pandas(self) -> Any:
        """Return `rows` as a pandas frame."""
        return importlib.import_module("pandas").DataFrame(self.rows)


def summarize(model: Any, expand_nested: bool = False, flops: bool = True) -> Summary:
    """Return the layers of a model with their shapes, sizes and work, and the totals, see `Summary`.

    Args:
        model: the model.
        expand_nested: whether the layers of inner models have rows, too.
        flops: whether the work is counted, by a run on symbols.

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="last")])
    >>> found = model.summary_data()
    >>> found.rows[0]["params"], found.rows[0]["flops"], found.totals["bytes"]
    (10, 16, 40)
    """
    work = _count_work(model) if flops else None
    trainable, frozen = _size(model.trainable_weights), _size(model.non_trainable_weights)
    state = _size(getattr(getattr(model, "optimizer", None), "variables", []))
    totals = {
        "params": trainable[0] + frozen[0] + state[0],
        "bytes": trainable[1] + frozen[1] + state[1],
        "trainable_params": trainable[0],
        "trainable_bytes": trainable[1],
        "non_trainable_params": frozen[0],
        "non_trainable_bytes": frozen[1],
        "optimizer_params": state[0],
        "optimizer_bytes": state[1],
        "flops": None if work is None else work(model),
    }
    return Summary(model.name, list(_rows(model, expand_nested, work, 0)), totals)


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Any = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Any = None,
    show_flops: bool = False,
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
        show_flops: whether a column and a closing line say how much work a forward pass on one row is, see `Summary`.

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
    titles = {"label": "Layer (type)", "output_shape": "Output Shape", "params": "Param #"}
    titles |= {"flops": "FLOPs"} if show_flops else {}
    titles |= {"connected_to": "Connected to"} if connected else {}
    titles |= {"trainable": "Trainable"} if show_trainable else {}
    found = summarize(model, expand_nested, flops=show_flops)
    rows = found.rows if layer_range is None else _in_range(found.rows, layer_range)
    lines = [_cells(row, titles) for row in rows]
    terminal = print_fn is None and sys.stdout.isatty()
    width = line_length or (WIDTH_CONNECTED if connected else WIDTH)
    if terminal and line_length is None:
        import shutil

        width = min(width, shutil.get_terminal_size().columns)
    usual = TRAINABLE.get(len(titles)) if show_trainable and not connected else None
    widths = _widths(positions or usual or POSITIONS[len(titles)], width, len(titles))
    closing = _totals(found.totals, show_flops)
    print_table(f'Model: "{model.name}"', list(titles.values()), lines, widths, closing, print_fn)


# ---- content --------------------------------------------------------------------------------------------------------


def _rows(model: Any, expand: bool, work: Any, depth: int) -> Iterator[dict[str, Any]]:
    sources = _connections(model) if isinstance(model, Functional) else {}
    for part in model.operations if isinstance(model, Functional) else model.layers:
        built = not isinstance(part, Layer) or part.built
        count, size = _size(getattr(part, "weights", []))
        yield {
            "name": part.name,
            "class": type(part).__name__ if isinstance(part, Layer) else class_of(part),
            "depth": depth,
            "output_shape": _output_shape(part),
            "params": count if built else None,
            "bytes": size if built else None,
            "flops": None if work is None else work(part),
            "connected_to": sources.get(id(part), []),
            "trainable": part.trainable if getattr(part, "weights", None) else None,
        }
        if expand and isinstance(part, Model) and part.layers:
            yield from _rows(part, expand, work, depth + 1)


def _cells(row: dict[str, Any], titles: dict[str, str]) -> list[str]:
    """Return what a row shows in the columns."""
    shape, depth = row["output_shape"], row["depth"]
    shown = {
        "label": f"{'   ' * depth}{'└ ' * bool(depth)}{row['name']} ({row['class']})",
        "output_shape": "?" if shape is None else ", ".join(map(str, shape)) if isinstance(shape, list) else str(shape),
        "params": "0 (unbuilt)" if row["params"] is None else f"{row['params']:,}",
        "flops": "?" if row["flops"] is None else f"{row['flops']:,}",
        "connected_to": ", ".join(row["connected_to"]) or "-",
        "trainable": "-" if row["trainable"] is None else "Y" if row["trainable"] else "N",
    }
    return [shown[key] for key in titles]


def _count_work(model: Any) -> Callable[[Any], int | None]:
    """Return a function that gives the FLOPs of a part of the model for one row of inputs."""
    args, kwargs = _row_symbols(model)
    work = Work()
    try:
        with work.counted():
            model(*args, training=False, **kwargs)
    except Exception:  # its code does not run on symbols, or it was never called
        return lambda part: None
    rows = max(x.shape[0] if x.shape else 1 for x in tree.flatten([args, kwargs]))  # a batch size that is fixed

    def flops(part: Any) -> int | None:
        found = work.of.get(id(part), 0)
        return None if found is None else found // rows

    return flops


def _row_symbols(model: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call on symbols for one row of inputs; none if nobody knows their shapes yet."""
    shapes = model.get_build_config() or {}
    if model._function is not None:
        found: Any = ((model._function._inputs_struct,), {})
    elif "shapes_dict" in shapes:
        found = ((), {k.removesuffix("_shape"): _symbols_of(v) for k, v in shapes["shapes_dict"].items()})
    else:
        found = ((_symbols_of(shapes["input_shape"]),) if shapes.get("input_shape") is not None else (), {})

    def one_row(x: KerasTensor) -> KerasTensor:
        shape = x.shape if not x.shape or x.shape[0] is not None else (1, *x.shape[1:])
        return KerasTensor(shape, x.dtype, record_history=False)

    return tree.map_structure(one_row, found)


def class_of(operation: Any) -> str:
    op = getattr(operation, "op", None)
    return type(operation).__name__ if op is None else "".join(p[:1].upper() + p[1:] for p in op.name.split("_"))


def _output_shape(part: Any) -> Any:
    """Return the shape of the output, a list of them for several outputs, None if unknown."""
    try:
        shapes = [x.shape for x in tree.flatten(part.output)]
    except (AttributeError, NotImplementedError):
        shapes = _eager_shapes(part)
    return shapes[0] if len(shapes) == 1 else shapes or None


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


def _connections(model: Functional) -> dict[int, list[str]]:
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
    return found


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


def _in_range(rows: list[dict[str, Any]], layer_range: Any) -> list[dict[str, Any]]:
    if not isinstance(layer_range, (list, tuple)) or len(layer_range) != 2:
        raise ValueError(f"summary: expected layer_range to be two names, first and last; received {layer_range!r}.")
    found = []
    for name in layer_range:
        outer = [(i, row["name"]) for i, row in enumerate(rows) if row["depth"] == 0]
        places = [i for i, known in outer if known == name or re.match(name, known)]
        if not places:
            known = [known for _, known in outer]
            raise ValueError(f"summary: layer_range names {name!r}, but the layers are {known}.")
        found.append(places)
    first, last = min(found[0] + found[1]), max(found[0] + found[1])
    while last + 1 < len(rows) and rows[last + 1]["depth"]:
        last += 1
    return rows[first : last + 1]


def _totals(totals: dict[str, Any], show_flops: bool) -> list[str]:
    kinds = [("Total", ""), ("Trainable", "trainable_"), ("Non-trainable", "non_trainable_")]
    kinds += [("Optimizer", "optimizer_")] if totals["optimizer_params"] else []
    lines = [
        f"{title} params: {totals[f'{kind}params']:,} ({_readable(totals[f'{kind}bytes'])})" for title, kind in kinds
    ]
    if show_flops:
        lines.append(f"FLOPs a row: {'?' if totals['flops'] is None else format(totals['flops'], ',')}")
    return lines


def _size(variables: Any) -> tuple[int, int]:
    return sum(v.size for v in variables), int(sum(v.size * _bytes(v.dtype) for v in variables))


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


def print_table(
    head: str,
    titles: list[str],
    rows: list[list[str]],
    widths: list[int],
    closing: list[str],
    print_fn: Callable[[str], Any] | None,
) -> None:
    """Print a table between a line and some more: drawn in a terminal, plain text elsewhere or for `print_fn`."""
    if print_fn is None and sys.stdout.isatty():
        _draw(head, titles, rows, widths, closing)
        return
    text = "\n".join(_plain(head, titles, rows, widths, closing))
    print(text) if print_fn is None else print_fn(text)


def _plain(head: str, titles: list[str], rows: list[list[str]], widths: list[int], closing: list[str]) -> Iterator[str]:
    rule = "─" * sum(widths)
    yield head
    yield _line(titles, widths)
    yield rule
    for row in rows:
        cells = [_wrapped(cell, width - 1) for cell, width in zip(row, widths, strict=True)]
        for i in range(max(map(len, cells))):
            yield _line([cell[i] if i < len(cell) else "" for cell in cells], widths)
    yield rule
    yield from closing


def _line(cells: list[str], widths: list[int]) -> str:
    return "".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _wrapped(cell: str, width: int) -> list[str]:
    indent = cell[: len(cell) - len(cell.lstrip(" └"))]
    return textwrap.wrap(cell, width, drop_whitespace=False, subsequent_indent=" " * len(indent)) or [""]


def _draw(head: str, titles: list[str], rows: list[list[str]], widths: list[int], closing: list[str]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(width=sum(widths), show_lines=True)
    for title, width in zip(titles, widths, strict=True):
        table.add_column(
            title,
            max_width=max(1, width - 3),
            overflow="fold",
            justify="right" if title in RIGHT else "left",
        )
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console()
    console.print(f"[bold]{escape(head)}[/bold]")
    console.print(table)
    for line in closing:
        label, colon, rest = line.partition(":")
        console.print(f"[bold] {escape(label)}{colon}[/bold]{escape(rest)}", highlight=True)
