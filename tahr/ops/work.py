"""How many multiplications and additions a computation takes, counted while it runs on symbols.

What counts is what products are made of: matrix, Einstein and other sums of products, convolutions and attention, with
two operations for each product that is added up. Elementwise operations, reductions, Fourier transforms and
decompositions are left out, as most counters do.
"""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tahr import shapes, tree

__all__ = ["Work", "counting"]


class _Current(threading.local):
    work: "Work | None" = None


_current = _Current()


def counting() -> "Work | None":
    """Return what counts in this thread, or None."""
    return _current.work


class Work:
    """A count of operations on symbols.

    Attributes:
        of: the count of each operation or layer that ran, by its `id`; None if a size was unknown, or code ran that
            cannot be counted.

    >>> from tahr.ops.work import Work
    >>> work, model = Work(), keras.Sequential([keras.Input((3,)), layers.Dense(4)])
    >>> with work.counted():
    ...     _ = model(keras.KerasTensor((1, 3), record_history=False))
    >>> work.of[id(model)]
    24
    """

    def __init__(self) -> None:
        self.of: dict[int, int | None] = {}
        self._owners: list[int] = []
        self._times: int | None = 1

    @contextmanager
    def counted(self) -> Iterator[None]:
        """A scope in which what this thread computes on symbols is counted."""
        outer, _current.work = _current.work, self
        try:
            yield
        finally:
            _current.work = outer

    def run(self, owner: Any, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return `call(*args, **kwargs)`; what it takes belongs to `owner`, too."""
        self._owners.append(id(owner))
        self._add(0)
        try:
            return call(*args, **kwargs)
        finally:
            self._owners.pop()

    def lose(self) -> None:
        """Note that code ran that cannot be counted."""
        self._add(None)

    def infer(self, name: str, shape_rule: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """Return what the shape rule of the operation `name` gives, and count the operation."""
        outer = self._times
        if name in _LOOPS:  # the rule runs the body of the loop once
            self._times = _product([outer, _LOOPS[name](arguments)])
        try:
            found = shape_rule(**arguments)
        finally:
            self._times = outer
        count = _COUNTS.get(name)
        if count is not None:
            self._add(_product([2, outer, count(shapes.of(found) if hasattr(found, "shape") else found, arguments)]))
        return found

    def _add(self, count: int | None) -> None:
        for owner in set(self._owners):
            known = self.of.get(owner, 0)
            self.of[owner] = None if count is None or known is None else known + count


def _product(sizes: Any) -> int | None:
    sizes = list(sizes)
    return None if None in sizes else math.prod(sizes)


def _matmul(found: Any, given: dict[str, Any]) -> int | None:
    return _product([*found, shapes.of(given["x1"])[-1]])


def _tensordot(found: Any, given: dict[str, Any]) -> int | None:
    from tahr.ops.products import _contraction

    x1, x2 = shapes.of(given["x1"]), shapes.of(given["x2"])
    return _product([*found, *(x1[axis] for axis in _contraction(x1, x2, given["axes"])[0])])


def _einsum(found: Any, given: dict[str, Any]) -> int | None:
    from tahr.ops.products import parse_einsum

    operands = [shapes.of(x) for x in given["operands"]]
    if len(operands) == 1:
        return 0
    inputs, _ = parse_einsum(given["subscripts"], [len(s) for s in operands])
    sizes: dict[str, Any] = {}
    for term, shape in zip(inputs, operands, strict=True):
        for letter, size in zip(term, shape, strict=True):
            sizes[letter] = size if sizes.get(letter, 1) == 1 else sizes[letter]
    return _product([len(operands) - 1, *sizes.values()])


def _conv(found: Any, given: dict[str, Any]) -> int | None:
    return _product([*found, *shapes.of(given["kernel"])[:-1]])


def _depthwise(found: Any, given: dict[str, Any]) -> int | None:
    return _product([*found, *shapes.of(given["kernel"])[:-2]])


def _separable(found: Any, given: dict[str, Any]) -> int | None:
    from tahr.ops.spatial import channels_last

    between, kernel = shapes.of(given["pointwise_kernel"])[-2], shapes.of(given["depthwise_kernel"])
    filters = found[-1 if channels_last(given["data_format"]) else 1]
    places = list(found)
    places.remove(filters)
    depthwise, pointwise = _product([*places, between, *kernel[:-2]]), _product([*places, between, filters])
    return None if depthwise is None or pointwise is None else depthwise + pointwise


def _conv_transpose(found: Any, given: dict[str, Any]) -> int | None:
    return _product([*shapes.of(given["inputs"]), *shapes.of(given["kernel"])[:-1]])


def _attention(found: Any, given: dict[str, Any]) -> int | None:
    (b, t, n, h), s, last = shapes.of(given["query"]), shapes.of(given["key"])[1], shapes.of(given["value"])[-1]
    return None if None in (h, last) else _product([b, t, n, s, h + last])


def _length(given: dict[str, Any]) -> int | None:
    along = given.get("xs", given.get("elements"))
    sizes = [shapes.of(x)[0] for x in tree.flatten(along) if x is not None]
    return next((n for n in [*sizes, given.get("length")] if n is not None), None)


# How many products an operation adds up, from the shape of the result and the arguments.
_COUNTS: dict[str, Callable[[Any, dict[str, Any]], int | None]] = {
    "matmul": _matmul,
    "tensordot": _tensordot,
    "_einsum": _einsum,
    "conv": _conv,
    "depthwise_conv": _depthwise,
    "separable_conv": _separable,
    "conv_transpose": _conv_transpose,
    "dot_product_attention": _attention,
}
_LOOPS = {"scan": _length, "map": _length, "vectorized_map": _length}
