"""Sums of products: matrix, dot, outer, Einstein and other products."""

import re
from collections import Counter
from typing import Any

from tahr import backends, shapes
from tahr.dtypes import Rule, floating, same
from tahr.ops.comparison import where
from tahr.ops.declare import op
from tahr.ops.elementwise import multiply, sqrt
from tahr.ops.reduction import sum
from tahr.ops.shaping import expand_dims, moveaxis, ravel, reshape, stack


def _widen_bytes(name: str) -> str:
    return "int32" if name == "int8" else name


product = Rule("product", _widen_bytes, _widen_bytes)  # sums of products of bytes do not fit into bytes


@op(product, shape=shapes.matmul)
def matmul(x1: Any, x2: Any) -> Any:
    """Return the matrix product over the last two axes, with broadcasting over the others.

    Raises:
        ValueError: if the inner sizes differ.

    >>> ops.matmul([[1, 2]], [[3], [4]])
    [[11]]
    """
    ...


@op(product, native=False)
def add_product(x: Any, kernel: Any, bias: Any) -> Any:
    """Return the product of the last axis of `x` with a matrix, plus a vector."""
    return matmul(x, kernel) + bias


@op(same)
def dot(x1: Any, x2: Any) -> Any:
    """Return sums of products over the last axis of `x1` and the second last (or only) one of `x2`.

    >>> ops.dot([1, 2], [3, 4])
    11
    """
    if len(x1.shape) == 0 or len(x2.shape) == 0:
        return multiply(x1, x2)
    return tensordot(x1, x2, ((len(x1.shape) - 1,), (max(0, len(x2.shape) - 2),)))


@op(same)
def inner(x1: Any, x2: Any) -> Any:
    """Return sums of products over the last axes of both.

    >>> ops.inner([1, 2], [3, 4])
    11
    """
    if len(x1.shape) == 0 or len(x2.shape) == 0:
        return multiply(x1, x2)
    return tensordot(x1, x2, ((-1,), (-1,)))


@op(same)
def outer(x1: Any, x2: Any) -> Any:
    """Return the products of all elements of `x1` (rows) with all of `x2` (columns).

    >>> ops.outer([1, 2], [3, 4])
    [[3, 4], [6, 8]]
    """
    return multiply(expand_dims(ravel(x1), 1), expand_dims(ravel(x2), 0))


@op(same)
def vdot(x1: Any, x2: Any) -> Any:
    """Return the sum of products of all elements, those of a complex `x1` conjugated.

    >>> ops.vdot([[1, 2]], [[3, 4]])
    11
    """
    from tahr.ops.elementwise import conjugate

    return tensordot(conjugate(ravel(x1)), ravel(x2), 1)


def _kron_shape(x1: Any, x2: Any) -> Any:
    a, b = shapes.of(x1), shapes.of(x2)
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    return tuple(None if None in (n, m) else n * m for n, m in zip(a, b, strict=True))  # type: ignore[operator]


@op(same, shape=_kron_shape)
def kron(x1: Any, x2: Any) -> Any:
    """Return the Kronecker product: `x2` multiplied by each element of `x1`, laid out like `x1`.

    >>> ops.kron([1, 2], [3, 4])
    [3, 4, 6, 8]
    """
    rank = max(len(x1.shape), len(x2.shape))
    x1 = expand_dims(x1, tuple(range(rank - len(x1.shape)))) if len(x1.shape) < rank else x1
    x2 = expand_dims(x2, tuple(range(rank - len(x2.shape)))) if len(x2.shape) < rank else x2
    every = expand_dims(x1, tuple(range(1, 2 * rank, 2))) * expand_dims(x2, tuple(range(0, 2 * rank, 2)))
    return reshape(every, [n * m for n, m in zip(x1.shape, x2.shape, strict=True)])


def _contraction(a: Any, b: Any, axes: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if hasattr(axes, "__iter__"):
        first, second = axes
        return shapes.axes_indices(first, len(a)), shapes.axes_indices(second, len(b))
    if not 0 <= axes <= min(len(a), len(b)):
        raise ValueError(f"tensordot: axes={axes} is too many for arrays of shapes {a} and {b}.")
    return tuple(range(len(a) - axes, len(a))), tuple(range(axes))


def _tensordot_shape(x1: Any, x2: Any, axes: Any = 2) -> Any:
    a, b = shapes.of(x1), shapes.of(x2)
    first, second = _contraction(a, b, axes)
    pairs = [(a[i], b[j]) for i, j in zip(first, second, strict=False)]
    if len(first) != len(second) or any(None not in pair and pair[0] != pair[1] for pair in pairs):
        raise ValueError(f"tensordot: axes {first} of shape {a} and {second} of shape {b} differ in size.")
    return (*(n for i, n in enumerate(a) if i not in first), *(n for j, n in enumerate(b) if j not in second))


@op(same("x1", "x2"), shape=_tensordot_shape)
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """Return sums of products over pairs of axes.

    Args:
        x1: array.
        x2: array.
        axes: how many axes at the end of `x1` and the start of `x2`, or two lists of axes.

    Raises:
        ValueError: if sizes of paired axes differ.

    >>> ops.tensordot([[1, 2]], [[3], [4]], axes=1)
    [[11]]
    """
    ...


@op(same("x1", "x2"))
def cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Return the cross product of vectors of two or three numbers; of two of two numbers, its third number.

    Args:
        x1: array with the vectors along `axisa`.
        x2: array with the vectors along `axisb`.
        axisa: axis of `x1`.
        axisb: axis of `x2`.
        axisc: axis of the result.
        axis: all three at once.

    Raises:
        ValueError: if vectors have neither two nor three numbers.

    >>> ops.cross([1, 0, 0], [0, 1, 0])
    [0, 0, 1]
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(x1, axisa, -1), moveaxis(x2, axisb, -1)
    sizes = [3 if v.shape[-1] is None else v.shape[-1] for v in (a, b)]
    if any(n not in (2, 3) for n in sizes):
        raise ValueError(f"cross: expected vectors of two or three numbers; received {sizes[0]} and {sizes[1]}.")
    (a0, a1, *a2), (b0, b1, *b2) = ([v[..., i] for i in range(n)] for v, n in ((a, sizes[0]), (b, sizes[1])))
    last = a0 * b1 - a1 * b0
    if not a2 and not b2:
        return last
    c0 = (a1 * b2[0] if b2 else 0) - (a2[0] * b1 if a2 else 0)
    c1 = (a2[0] * b0 if a2 else 0) - (a0 * b2[0] if b2 else 0)
    return moveaxis(stack([c0 + 0 * last, c1 + 0 * last, last], -1), -1, axisc)


# ---- Einstein's notation ------------------------------------------------------------------------------------------


def parse_einsum(subscripts: str, ranks: list[int]) -> tuple[list[list[str]], list[str]]:
    """Return the letters of each operand and of the result; the axes that `...` stands for are named `.0`, `.1`...

    Raises:
        ValueError: if the text does not fit the operands.
    """
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"einsum: {subscripts!r} names {len(terms)} arrays; received {len(ranks)}.")
    wide = max((r - len(t.replace("...", "")) for t, r in zip(terms, ranks, strict=True) if "..." in t), default=0)

    def letters(term: str, rank: int | None) -> list[str]:
        before, dots, after = term.partition("...")
        if not (before + after).isalpha() and before + after:
            raise ValueError(f"einsum: expected letters, commas, `...` and `->`; received {subscripts!r}.")
        count = wide if rank is None else rank - len(before + after)
        if count < 0 or (count and not dots):
            raise ValueError(f"einsum: {term!r} in {subscripts!r} does not fit an array of {rank} dimensions.")
        return [*before, *[f".{wide - count + i}" for i in range(count)], *after] if dots else list(term)

    inputs = [letters(t, r) for t, r in zip(terms, ranks, strict=True)]
    if arrow:
        output = letters(right, None)
    else:
        counts = Counter(c for term in inputs for c in term if c[0] != ".")
        output = [f".{i}" for i in range(wide)] + sorted(c for c, n in counts.items() if n == 1)
    unknown = [c for c in output if not any(c in term for term in inputs)]
    if unknown or len(set(output)) != len(output):
        raise ValueError(f"einsum: the result of {subscripts!r} names a letter that is unknown or twice there.")
    return inputs, output


def _einsum_shape(operands: Any, subscripts: str) -> Any:
    given = [shapes.of(x) for x in operands]
    inputs, output = parse_einsum(subscripts, [len(s) for s in given])
    sizes: dict[str, int | None] = {}
    for term, shape in zip(inputs, given, strict=True):
        for letter, size in zip(term, shape, strict=True):
            known = sizes.get(letter)
            if None not in (known, size) and known != size and 1 not in (known, size):
                raise ValueError(f"einsum: {letter!r} in {subscripts!r} has sizes {known} and {size}.")
            if term.count(letter) > 1 and letter in sizes and None in (known, size):
                sizes[letter] = None
            else:
                sizes[letter] = size if known in (None, 1) and size is not None else known if letter in sizes else size
    return tuple(sizes[letter] for letter in output)


@op(product("operands"), lists=("operands",), shape=_einsum_shape, native=False)
def _einsum(operands: Any, subscripts: str) -> Any:
    """Return the sum of products of a list of arrays in Einstein's notation."""
    ...


_EINSUM_LETTERS = re.compile(r"(?:[A-Za-z, ]|\.\.\.|->)*")


def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    """Return sums of products in Einstein's notation: letters name axes, those missing behind `->` are summed over.

    Args:
        subscripts: such as `"ij,jk->ik"`; `...` stands for further axes, which broadcast.
        *operands: arrays.
        **kwargs: taken for NumPy's sake (`optimize`) and not needed.

    Raises:
        ValueError: if the text does not fit the arrays.

    >>> ops.einsum("ij,j->i", [[1, 2], [3, 4]], [1, 1])
    [3, 7]
    """
    if not isinstance(subscripts, str):
        raise TypeError(f"einsum: expected the subscripts as text first; received {type(subscripts).__name__}.")
    unknown = set(kwargs) - {"optimize", "precision"}
    if unknown:
        raise TypeError(f"einsum: unexpected arguments {sorted(unknown)}.")
    if not operands:
        raise ValueError("einsum: expected at least one array; received none.")
    if not _EINSUM_LETTERS.fullmatch(subscripts):
        raise ValueError(f"einsum: expected letters, commas, `...` and `->`; received {subscripts!r}.")
    from tahr.ops.core import convert_to_tensor

    is_tensor = backends.current().is_tensor
    ready = [x if is_tensor(x) or hasattr(x, "handle") else convert_to_tensor(x) for x in operands]
    return _einsum(ready, subscripts)


@op(floating)
def cdist(x: Any, y: Any) -> Any:
    """Return the distances between all rows of `x` and all rows of `y`, shape (..., rows of x, rows of y).

    >>> ops.cdist([[0.0, 0.0]], [[3.0, 4.0]])
    [[5.0]]
    """
    if len(x.shape) < 2 or len(y.shape) < 2:
        raise ValueError(
            f"cdist: expected arrays of at least two dimensions; received {shapes.of(x)} and {shapes.of(y)}."
        )
    difference = expand_dims(x, -2) - expand_dims(y, -3)
    squared = sum(difference * difference, -1)
    positive = squared > 0
    return where(positive, sqrt(where(positive, squared, 1)), 0)  # keeps the gradient finite between equal rows
