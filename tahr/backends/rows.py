"""Gradients of tables by the rows that were looked up."""

from typing import Any, NamedTuple

__all__ = ["RowGradient"]


class RowGradient(NamedTuple):
    """The gradient of a table of which only rows were read: it is zero but for these.

    Attributes:
        ids: numbers of rows, of shape (n,); one may come several times.
        values: what to add up for them, of shape (n, *shape of a row).
    """

    ids: Any
    values: Any
