"""Which way the operations of each layer go, and why."""

from collections.abc import Callable
from typing import Any, NamedTuple

from tahr import backends
from tahr.backends.choices import Choice, noted
from tahr.layers.watching import watching

__all__ = ["LayerChoice", "explain"]


class LayerChoice(NamedTuple):
    """A choice that was made in a layer."""

    layer: str
    operation: str
    way: str
    reason: str


def explain(model: Any, x: Any, training: bool, print_fn: Callable[[str], Any] | None) -> list[LayerChoice]:
    """Run a model once, uncompiled; print and return what was chosen in each layer."""
    found: list[LayerChoice] = []

    def take(notes: list[Choice], layer: Any) -> None:
        found.extend(LayerChoice(layer.path, *note) for note in notes)
        notes.clear()

    with backends.current().no_grad(), noted() as notes:
        with watching(lambda layer, args, outputs: take(notes, layer)):  # inner layers are done before outer ones
            model(x, training=training)
        take(notes, model)
    (print if print_fn is None else print_fn)(_table(found))
    return found


def _table(rows: list[LayerChoice]) -> str:
    if not rows:
        return "No layer runs an operation that could go several ways."
    every = [tuple(name.capitalize() for name in LayerChoice._fields), *rows]
    widths = [max(len(row[at]) for row in every) for at in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(n) for cell, n in zip(row[:3], widths, strict=True)), row[3]]) for row in every
    )
