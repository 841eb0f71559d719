"""The same numbers seen otherwise: as other types, as complex pairs, with axes named by a pattern."""

import math
from typing import Any

from tahr import dtypes, shapes
from tahr.dtypes import free, moved
from tahr.ops.declare import op
from tahr.ops.shaping import reshape, transpose
from tahr.symbolic import KerasTensor


def _bytes(dtype: str) -> int:
    from tahr.backends.backend import numpy_dtype

    return numpy_dtype(dtype).itemsize


def _viewed(x: Any, dtype: Any = None) -> Any:
    given, old = shapes.of(x), dtypes.of(x)
    new = old if dtype is None else dtypes.canonical(dtypes.standardize_dtype(dtype))
    have, want = _bytes(old), _bytes(new)
    if have == want:
        return KerasTensor(given, new, record_history=False)
    if not given:
        raise ValueError(f"view: a scalar of {old} cannot be seen as {new}, whose numbers have another size.")
    size = None if given[-1] is None else given[-1] * have
    if size is not None and size % want:
        raise ValueError(f"view: {given[-1]} numbers of {old} along the last axis do not make whole numbers of {new}.")
    return KerasTensor((*given[:-1], None if size is None else size // want), new, record_history=False)


@op(free, arrays=("x",), shape=_viewed, native=False)
def view(x: Any, dtype: Any = None) -> Any:
    """Return the bits of `x` as numbers of another type; the size of the last axis changes with that of the numbers.

    Raises:
        ValueError: if the bytes of the last axis do not make whole numbers.

    >>> ops.view(ops.array([1.0]), "int32")
    [1065353216]
    """
    ...


def _complex_spec(x: Any) -> Any:
    given = shapes.of(x)
    if not given or given[-1] not in (2, None):
        raise ValueError(
            f"view_as_complex: expected a last axis of size 2, real and imaginary; received shape {given}."
        )
    kind = "complex128" if dtypes.of(x) == "float64" else "complex64"
    return KerasTensor(given[:-1], kind, record_history=False)


@op(free, shape=_complex_spec, native=False)
def view_as_complex(x: Any) -> Any:
    """Return complex numbers whose real and imaginary parts are the pairs along the last axis of `x`.

    >>> ops.absolute(ops.view_as_complex([[3.0, 4.0]]))
    [5.0]
    """
    ...


def _real_spec(x: Any) -> Any:
    kind = "float64" if dtypes.of(x) == "complex128" else "float32"
    return KerasTensor((*shapes.of(x), 2), kind, record_history=False)


@op(free, shape=_real_spec, native=False)
def view_as_real(x: Any) -> Any:
    """Return the real and imaginary parts of complex numbers along a new last axis.

    >>> ops.view_as_real(ops.view_as_complex([[3.0, 4.0]]))
    [[3.0, 4.0]]
    """
    from tahr.ops.elementwise import imag, real
    from tahr.ops.shaping import stack

    return stack([real(x), imag(x)], -1)


def _groups(side: str, pattern: str) -> list[list[str]]:
    """Return the axes of one side of a pattern as groups of names."""
    found: list[list[str]] = []
    inside = False
    for token in side.replace("(", " ( ").replace(")", " ) ").split():
        if token in "()":
            if inside == (token == "("):
                raise ValueError(f"rearrange: the parentheses in {pattern!r} do not match.")
            inside = token == "("
            found += [[]] * inside
        elif not (token in ("...", "1") or token.isidentifier()):
            raise ValueError(f"rearrange: cannot read {token!r} in {pattern!r}.")
        elif inside:
            found[-1] = [*found[-1], *([token] if token != "1" else [])]
        else:
            found.append([token] if token != "1" else [])
    if inside:
        raise ValueError(f"rearrange: the parentheses in {pattern!r} do not match.")
    return found


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """Return `tensor` with its axes reordered, split and joined as a pattern of names says.

    Args:
        tensor: array.
        pattern: names of the axes before and after `->`; names in parentheses are one axis, `...` is all others.
        **axes_lengths: sizes of names that do not follow from the shape.

    Raises:
        ValueError: if the pattern does not fit the array.

    >>> ops.rearrange([[1, 2], [3, 4]], "a b -> (b a)")
    [1, 3, 2, 4]
    """
    from tahr.ops.core import convert_to_tensor

    left, arrow, right = pattern.partition("->")
    if not arrow:
        raise ValueError(
            f"rearrange: expected a pattern with '->', such as 'b (h w) c -> b h w c'; received {pattern!r}."
        )
    return _rearrange(convert_to_tensor(tensor), left, right, dict(axes_lengths))


@op(moved("tensor"), native=False)
def _rearrange(tensor: Any, left: str, right: str, lengths: dict[str, int]) -> Any:
    pattern = f"{left}->{right}"
    before, after = _groups(left, pattern), _groups(right, pattern)
    given = tuple(tensor.shape)
    extra = len(given) - len(before) + 1
    if ["..."] in before:
        place = before.index(["..."])
        stars = [f"...{i}" for i in range(extra)]
        before[place : place + 1] = [[star] for star in stars]
        spread: list[list[str]] = []
        for group in after:
            wide = [n for name in group for n in (stars if name == "..." else [name])]
            spread += [[star] for star in stars] if group == ["..."] else [wide]
        after = spread
    if len(before) != len(given):
        raise ValueError(f"rearrange: {pattern!r} names {len(before)} axes; received an array of shape {given}.")
    names = [name for group in before for name in group]
    if sorted(names) != sorted(name for group in after for name in group) or len(set(names)) != len(names):
        raise ValueError(f"rearrange: expected each name once on both sides of {pattern!r}.")
    sizes = dict(lengths)
    for group, size in zip(before, given, strict=True):
        _solve_group(group, size, sizes, pattern)
    parts = reshape(tensor, _target([sizes[n] for n in names]))
    moved_parts = transpose(parts, [names.index(n) for group in after for n in group]) if names else parts
    joined = [_product([sizes[n] for n in group]) for group in after]
    return reshape(moved_parts, _target(joined))


def _product(sizes: list[int | None]) -> int | None:
    return None if None in sizes else math.prod(sizes)  # type: ignore[arg-type]


def _target(sizes: list[int | None]) -> list[int]:
    """Return sizes for `reshape`: -1 for the one that is unknown."""
    if sizes.count(None) > 1:
        raise ValueError("rearrange: more than one size is unknown. Give them by name.")
    return [-1 if n is None else n for n in sizes]


def _solve_group(group: list[str], size: int | None, sizes: dict[str, Any], pattern: str) -> None:
    """Fill in the sizes of the names that make up one axis."""
    unknown = [name for name in group if name not in sizes]
    known = math.prod([sizes[name] for name in group if name in sizes and sizes[name] is not None])
    if len(unknown) > 1:
        raise ValueError(f"rearrange: give the sizes of all but one of {', '.join(group)} in {pattern!r}.")
    if unknown:
        if size is not None and (known == 0 or size % known):
            raise ValueError(f"rearrange: size {size} is no multiple of {known}, for {' '.join(group)} in {pattern!r}.")
        sizes[unknown[0]] = None if size is None else size // known
    elif size is not None and size != known:
        raise ValueError(
            f"rearrange: {' '.join(group) or '1'} in {pattern!r} has size {known}; the axis has size {size}."
        )
