"""Bad input: the same exception class and a message that helps, on every backend and on symbols."""

from typing import Any

import numpy as np
import pytest

from tahr import KerasTensor, ops

A = np.ones((2, 3), "float32")
V = np.ones(4, "float32")
BAD: list[tuple[str, Any, type[Exception], str]] = [
    ("add: shapes", lambda a, v: ops.add(a, v), ValueError, "cannot be broadcast"),
    ("where: shapes", lambda a, v: ops.where(True, a, v), ValueError, "cannot be broadcast"),
    ("where: one of two", lambda a, v: ops.where(True, a), ValueError, "both x1 and x2"),
    ("sum: axis", lambda a, v: ops.sum(a, axis=2), ValueError, "out of bounds"),
    ("sum: axis twice", lambda a, v: ops.sum(a, axis=(0, 0)), ValueError, "twice"),
    ("max: nothing there", lambda a, v: ops.max(a[:0], axis=0), ValueError, "Give `initial`"),
    ("argmax: axis", lambda a, v: ops.argmax(a, axis=-3), ValueError, "out of bounds"),
    ("cumsum: axis", lambda a, v: ops.cumsum(a, axis=5), ValueError, "out of bounds"),
    ("reshape: count", lambda a, v: ops.reshape(a, (4, 2)), ValueError, "6 elements"),
    ("reshape: two unknown", lambda a, v: ops.reshape(a, (-1, -1)), ValueError, "at most one -1"),
    ("reshape: negative", lambda a, v: ops.reshape(a, (-2, 3)), ValueError, "sizes >= 0"),
    ("transpose: order", lambda a, v: ops.transpose(a, (0, 0)), ValueError, "twice"),
    ("transpose: too short", lambda a, v: ops.transpose(a, (0,)), ValueError, "order of 2 axes"),
    ("squeeze: size", lambda a, v: ops.squeeze(a, 1), ValueError, "expected size 1"),
    ("expand_dims: axis", lambda a, v: ops.expand_dims(a, 5), ValueError, "out of bounds"),
    ("broadcast_to", lambda a, v: ops.broadcast_to(a, (2, 4)), ValueError, "broadcast"),
    ("concatenate: shapes", lambda a, v: ops.concatenate([a, v]), ValueError, "one rank"),
    ("concatenate: sizes", lambda a, v: ops.concatenate([a, a[:, :2]], 0), ValueError, "may differ along axis 0"),
    ("concatenate: axis", lambda a, v: ops.concatenate([a, a], 2), ValueError, "out of bounds"),
    ("stack: shapes", lambda a, v: ops.stack([a, v]), ValueError, "one shape"),
    ("split: uneven", lambda a, v: ops.split(v, 3), ValueError, "no multiple of 3"),
    ("pad: mode", lambda a, v: ops.pad(a, 1, mode="fold"), ValueError, "expected mode"),
    ("pad: negative", lambda a, v: ops.pad(a, -1), ValueError, ">= 0"),
    ("pad: width", lambda a, v: ops.pad(a, ((1, 1), (1, 1), (1, 1))), ValueError, "each of 2 axes"),
    ("repeat: negative", lambda a, v: ops.repeat(a, -1), ValueError, "repeats >= 0"),
    ("unstack: number", lambda a, v: ops.unstack(a, num=3), ValueError, "num=2"),
    ("get_item: too many", lambda a, v: a[0, 0, 0], IndexError, "too many"),
    ("get_item: bounds", lambda a, v: ops.get_item(a, 2), IndexError, "out of bounds"),
    ("take: axis", lambda a, v: ops.take(a, [0], axis=2), ValueError, "out of bounds"),
    ("take_along_axis: rank", lambda a, v: ops.take_along_axis(a, [0], axis=1), ValueError, "2 dimensions"),
    ("slice: size", lambda a, v: ops.slice(a, (0, 0), (3, 3)), ValueError, "does not fit"),
    ("slice_update: size", lambda a, v: ops.slice_update(v, (0,), ops.ones((5,))), ValueError, "do not fit"),
    ("scatter_update: how", lambda a, v: ops.scatter_update(v, [[0]], [1.0], "mean"), ValueError, "expected reduction"),
    ("top_k: k", lambda a, v: ops.top_k(v, 5), ValueError, "0 <= k <= 4"),
    ("searchsorted: side", lambda a, v: ops.searchsorted(v, a, side="up"), ValueError, "'left' or 'right'"),
    ("quantile: method", lambda a, v: ops.quantile(a, 0.5, method="best"), ValueError, "expected method"),
    ("matmul: sizes", lambda a, v: ops.matmul(a, v), ValueError, "inner sizes"),
    ("tensordot: sizes", lambda a, v: ops.tensordot(a, v, 1), ValueError, "differ in size"),
    ("einsum: letters", lambda a, v: ops.einsum("ij,jk->ik", a, v), ValueError, "does not fit"),
    ("einsum: sizes", lambda a, v: ops.einsum("ij,j->i", a, v), ValueError, "sizes 3 and 4"),
    ("einsum: operands", lambda a, v: ops.einsum("ij,jk", a), ValueError, "names 2 arrays"),
    ("einsum: result", lambda a, v: ops.einsum("ij->ik", a), ValueError, "unknown"),
    ("cross: size", lambda a, v: ops.cross(v, v), ValueError, "two or three"),
    ("rearrange: names", lambda a, v: ops.rearrange(a, "a -> a"), ValueError, "names 1 axes"),
    ("cholesky: square", lambda a, v: ops.cholesky(a), ValueError, "square"),
    ("solve: sizes", lambda a, v: ops.solve(ops.ones((3, 3)) + 0 * ops.sum(a), v), ValueError, "do not fit"),
    ("norm: ord", lambda a, v: ops.norm(v, ord="fro", axis=0), ValueError, "expected a number"),
    ("segment_sum: ids", lambda a, v: ops.segment_sum(a, [0, 1, 1], 2), ValueError, "one segment id"),
    ("exp: text", lambda a, v: ops.exp("one"), TypeError, "text"),
    ("exp: object", lambda a, v: ops.exp(object()), TypeError, "Expected a number"),
    ("exp: no argument", lambda a, v: ops.exp(), TypeError, "exp"),
    ("add: one argument", lambda a, v: ops.add(a), TypeError, "add"),
    ("sum: keyword", lambda a, v: ops.sum(a, dim=1), TypeError, "dim"),
    ("cast: type", lambda a, v: ops.cast(a, "float31"), ValueError, "Unknown data type"),
    ("zeros: negative", lambda a, v: ops.zeros((-1,)), ValueError, ">= 0"),
    ("array: ragged", lambda a, v: ops.array([[1.0], [1.0, 2.0]]), ValueError, "equal lengths"),
    ("linspace: num", lambda a, v: ops.linspace(0, 1, num=-1), ValueError, "num"),
    ("arange: step", lambda a, v: ops.arange(0, 3, 0), ValueError, "step"),
    ("switch: none", lambda a, v: ops.switch(0, [], a), ValueError, "at least one branch"),
    ("scan: nothing", lambda a, v: ops.scan(lambda c, x: (c, x), a), ValueError, "neither"),
]


@pytest.mark.parametrize("symbols", [False, True], ids=["arrays", "symbols"])
@pytest.mark.parametrize(("call", "kind", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_error(call: Any, kind: type[Exception], words: str, symbols: bool) -> None:
    given = [KerasTensor(x.shape) if symbols else ops.convert_to_tensor(x) for x in (A, V)]
    if not symbols and "too many" in words:
        given[0] = type("Indexed", (), {"__getitem__": lambda self, key: ops.get_item(A, key)})()
    with pytest.raises(kind, match=words) as caught:
        call(*given)
    assert type(caught.value) is kind
