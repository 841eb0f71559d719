"""Which way the operations of each layer go, and why."""

from collections.abc import Callable
from typing import Any

from tahr import backends
from tahr.backends.choices import Choice, noted
from tahr.naming import current_path

__all__ = ["explain"]


def explain(model: Any, x: Any, training: bool, print_fn: Callable[[str], Any] | None) -> list[Choice]:
    """Run a model once, uncompiled; print and return what was chosen in each layer."""
    with backends.current().no_grad(), noted(current_path) as found:
        model(x, training=training)
    (print if print_fn is None else print_fn)(_table(found))
    return found


def _table(rows: list[Choice]) -> str:
    if not rows:
        return "No layer runs an operation that could go several ways."
    every = [tuple(name.capitalize() for name in Choice._fields), *rows]
    widths = [max(len(row[at]) for row in every) for at in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(n) for cell, n in zip(row[:3], widths, strict=True)), row[3]]) for row in every
    )
