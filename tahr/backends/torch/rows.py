"""Gradients of tables by rows: torch's own sparse gradients of embeddings."""

import threading
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from tahr.backends.rows import RowGradient
from tahr.backends.torch.autodiff import _transforming


class _Looking(threading.local):
    tables: frozenset[int] = frozenset()  # `id`s of the leaves whose gradient may be sparse


_looking = _Looking()


class Rows:
    """The duties of the PyTorch backend that have to do with rows of tables."""

    def look_up(self, table: Any, ids: Any) -> Any:
        if id(table) not in _looking.tables:
            return None
        return F.embedding(torch.where(ids < 0, ids + table.shape[0], ids), table, sparse=True)

    def gradient_by_rows(self, fn: Callable[..., Any], arrays: list[Any], tables: list[int]) -> Any:
        usual: Callable[..., Any] = self.value_and_grad  # type: ignore[attr-defined]
        if _transforming() or torch.compiler.is_compiling():  # which know no sparse gradients
            return usual(fn)(arrays)

        def run(leaves: list[Any]) -> Any:
            outer, _looking.tables = _looking.tables, frozenset(id(leaves[i]) for i in tables)
            try:
                return fn(leaves)
            finally:
                _looking.tables = outer

        found, gradients = usual(run)(arrays)
        return found, [RowGradient(g._indices()[0], g._values()) if g.is_sparse else g for g in gradients]

    def sum_rows(self, gradient: RowGradient, count: int) -> RowGradient:
        ids, places = torch.unique(gradient.ids, return_inverse=True)
        total = gradient.values.new_zeros((len(ids), *gradient.values.shape[1:]))
        return RowGradient(ids, total.index_add_(0, places, gradient.values))

    def take_rows(self, x: Any, ids: Any) -> Any:
        return x.index_select(0, ids)

    def put_rows(self, x: Any, ids: Any, rows: Any, donated: bool) -> Any:
        ids, rows = ids.long(), rows.to(x.dtype)
        return x.index_copy_(0, ids, rows) if donated else x.index_copy(0, ids, rows)
