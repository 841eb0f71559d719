"""PyTorch's own versions of operations that torch does otherwise, or that it lacks."""

import contextlib
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from tahr.backends.subscripts import summed_over
from tahr.backends.torch import DTYPES, backend, products
from tahr.backends.torch.products import multiply_rows
from tahr.dtypes import canonical, standardize_dtype

implements = backend.implements


def _axes(axis: Any, rank: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(rank))
    return tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)


def _long(x: Any) -> torch.Tensor:
    return backend.tensor(x).long()


# ---- element by element -------------------------------------------------------------------------------------------


@implements
def absolute(x: Any) -> Any:
    return x if x.dtype is torch.bool else torch.abs(x)


@implements
def sign(x: Any) -> Any:
    if x.is_floating_point():
        return torch.where(torch.isnan(x), x, torch.sign(x))
    return torch.sgn(x)


@implements
def trunc(x: Any) -> Any:
    return torch.trunc(x) if x.is_floating_point() else x


@implements
def round_(x: Any, decimals: int = 0) -> Any:
    if x.is_floating_point():
        return torch.round(x, decimals=decimals)
    if decimals >= 0:
        return x
    unit = 10**-decimals
    return (torch.round(x.double() / unit) * unit).to(x.dtype)


@implements
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    return torch.nan_to_num(x, nan, posinf, neginf) if x.is_floating_point() or x.is_complex() else x


@implements
def power(x1: Any, x2: Any) -> Any:
    if (
        isinstance(x2, torch.Tensor)
        and isinstance(x1, torch.Tensor)
        and not x1.is_floating_point()
        and not x1.is_complex()
    ):
        return _integer_power(x1, x2)
    if isinstance(x2, int) and x2 < 0 and not x1.is_floating_point() and not x1.is_complex():
        return _integer_power(x1, torch.tensor(x2, dtype=x1.dtype))
    return torch.pow(x1, x2)


def _integer_power(x1: torch.Tensor, x2: torch.Tensor) -> torch.Tensor:
    """Torch refuses negative exponents of integers; the result is then 1 / x rounded towards zero."""
    found = torch.pow(x1, x2.clamp(min=0))
    inverse = torch.where(x1 == 1, 1, torch.where(x1 == -1, 1 - 2 * (x2 % 2), 0)).to(found.dtype)
    return torch.where(x2 < 0, inverse, found)


@implements
def nextafter(x1: Any, x2: Any) -> Any:
    if x1.dtype is not torch.float16:
        return torch.nextafter(x1, x2)
    bits = x1.contiguous().expand(torch.broadcast_shapes(x1.shape, x2.shape)).contiguous().view(torch.int16)
    up = (x2 > x1) == (x1 > 0)
    tiny = torch.where(x2 > 0, 1, -32767).to(torch.int16)
    moved = torch.where(x1 == 0, tiny, torch.where(up, bits + 1, bits - 1))
    found = torch.where(x1 == x2, x2.expand(bits.shape).contiguous().view(torch.int16), moved).view(torch.float16)
    return torch.where(torch.isnan(x1) | torch.isnan(x2), torch.nan, found)


@implements
def ldexp(x1: Any, x2: Any) -> Any:
    half = torch.div(x2, 2, rounding_mode="floor")  # in two steps, so that 2**x2 overflows only where the result does
    base = torch.tensor(2, dtype=x1.dtype)
    return x1 * torch.pow(base, half) * torch.pow(base, x2 - half)


@implements
def imag(x: Any) -> Any:
    return torch.imag(x) if x.is_complex() else torch.zeros_like(x)


@implements
def conjugate(x: Any) -> Any:
    return torch.conj_physical(x) if x.is_complex() else x


@implements
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    if x1 is None:
        return nonzero(condition)
    return torch.where(condition if condition.dtype is torch.bool else condition != 0, x1, x2)


@implements
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    if isinstance(x_min, torch.Tensor) or isinstance(x_max, torch.Tensor):
        x = x if x_min is None else maximum(x, x_min)
        return x if x_max is None else minimum(x, x_max)
    return torch.clamp(x, x_min, x_max)


@implements
def maximum(x1: Any, x2: Any) -> Any:
    if isinstance(x2, torch.Tensor):
        return torch.maximum(x1, x2)
    return torch.clamp(x1, min=x2)


@implements
def minimum(x1: Any, x2: Any) -> Any:
    if isinstance(x2, torch.Tensor):
        return torch.minimum(x1, x2)
    return torch.clamp(x1, max=x2)


# ---- reductions ---------------------------------------------------------------------------------------------------


@implements
def sum_(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if axis is None or x.ndim == 0:
        return torch.sum(x) if not keepdims else torch.sum(x, _axes(axis, x.ndim), keepdim=True)
    return torch.sum(x, axis, keepdim=keepdims) if axis != () else x


@implements
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return torch.mean(x, axis, keepdim=keepdims) if axis != () else x


def _extremum(name: str) -> Callable[..., Any]:
    reduce, combine = getattr(torch, f"a{name}"), {"max": maximum, "min": minimum}[name]

    def run(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
        if axis == ():
            out = x
        elif x.numel() == 0 and initial is not None and 0 in [x.shape[i] for i in _axes(axis, x.ndim)]:
            axes = [i % x.ndim for i in _axes(axis, x.ndim)]
            sizes = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
            return torch.full(sizes, initial, dtype=x.dtype)
        else:
            out = reduce(x, _axes(axis, x.ndim), keepdim=keepdims)
        return out if initial is None else combine(out, backend.tensor(initial, _name(x)))

    return run


def _name(x: torch.Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")


backend.own["max"], backend.own["min"] = _extremum("max"), _extremum("min")


@implements
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    if axis is None and not keepdims:
        return torch.prod(x)
    for i in sorted((i % max(x.ndim, 1) for i in _axes(axis, x.ndim)), reverse=True):
        x = torch.prod(x, i, keepdim=keepdims)
    return x


def _truth(reduce: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        if axis == ():
            return x
        return reduce(x) if axis is None and not keepdims else reduce(x, _axes(axis, x.ndim), keepdim=keepdims)

    return run


backend.own["all"], backend.own["any"] = _truth(torch.all), _truth(torch.any)


@implements
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return torch.var(x, _axes(axis, x.ndim), correction=0, keepdim=keepdims) if axis != () else torch.zeros_like(x.real)


@implements
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return torch.logsumexp(x, _axes(axis, x.ndim), keepdim=keepdims) if x.ndim and axis != () else x


def _argument(reduce: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        x = x.to(torch.uint8) if x.dtype is torch.bool else x
        if axis is None:
            return reduce(x).reshape((1,) * x.ndim) if keepdims else reduce(x)
        return reduce(x, axis, keepdim=keepdims)

    return run


backend.own["argmax"], backend.own["argmin"] = _argument(torch.argmax), _argument(torch.argmin)


@implements
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    return torch.cumsum(x.reshape(-1), 0) if axis is None else torch.cumsum(x, axis)


@implements
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    return torch.cumprod(x.reshape(-1), 0) if axis is None else torch.cumprod(x, axis)


# ---- making and shaping -------------------------------------------------------------------------------------------


@implements
def _full(shape: Any, fill_value: Any, dtype: str) -> Any:
    if isinstance(fill_value, (bool, int, float)):
        return torch.full(tuple(shape), fill_value, dtype=DTYPES[dtype])
    return backend.tensor(fill_value, dtype).expand(tuple(shape)).clone()


@implements
def _arange(start: Any, stop: Any, step: Any, dtype: str) -> Any:
    return torch.arange(start, stop, step).to(DTYPES[dtype])


@implements
def copy(x: Any) -> Any:
    return x.clone()


@implements
def reshape(x: Any, newshape: Any) -> Any:
    return torch.reshape(x, tuple(newshape) if hasattr(newshape, "__iter__") else (newshape,))


@implements
def transpose(x: Any, axes: Any = None) -> Any:
    return x.permute(tuple(reversed(range(x.ndim))) if axes is None else tuple(axes))


@implements
def expand_dims(x: Any, axis: Any) -> Any:
    if isinstance(axis, int):
        return x.unsqueeze(axis)
    places = sorted(i % (x.ndim + len(axis)) for i in axis)
    if len(set(places)) < len(places):
        raise ValueError(f"axis={axis} names an axis twice.")
    for i in places:
        x = x.unsqueeze(i)
    return x


@implements
def squeeze(x: Any, axis: Any = None) -> Any:
    if axis is None:
        return torch.squeeze(x)
    if any(x.shape[i] != 1 for i in _axes(axis, x.ndim)):
        raise ValueError(f"squeeze: expected size 1 along axis {axis}; received an array of shape {tuple(x.shape)}.")
    return torch.squeeze(x, axis if isinstance(axis, int) else tuple(axis))


@implements
def flip(x: Any, axis: Any = None) -> Any:
    return torch.flip(x, _axes(axis, x.ndim))


@implements
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    return torch.roll(x, shift, axis)


@implements
def tile(x: Any, repeats: Any) -> Any:
    return torch.tile(x, tuple(repeats) if hasattr(repeats, "__iter__") else (repeats,))


@implements
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    counts = repeats if isinstance(repeats, int) else _long(repeats)
    return torch.repeat_interleave(x.reshape(-1), counts) if axis is None else torch.repeat_interleave(x, counts, axis)


@implements
def concatenate(xs: Any, axis: int = 0) -> Any:
    return torch.cat(list(xs), axis)


@implements
def stack(x: Any, axis: int = 0) -> Any:
    return torch.stack(list(x), axis)


@implements
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return torch.diagonal(x, offset, axis1, axis2)


# torch calls `k` by other names
backend.own.update(tril=lambda x, k=0: torch.tril(x, k), triu=lambda x, k=0: torch.triu(x, k))
backend.own.update(diag=lambda x, k=0: torch.diag(x, k), diagflat=lambda x, k=0: torch.diagflat(x, k))


@implements
def _pad_constant(x: Any, pad_width: Any, value: Any) -> Any:
    flat = [n for pair in reversed(pad_width) for n in pair]
    return F.pad(x, flat, value=value) if flat else x


# ---- indexing -----------------------------------------------------------------------------------------------------


@implements
def get_item(x: Any, key: Any) -> Any:
    key = backend.index_key(key)
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(p, slice) and p.step is not None and p.step < 0 for p in parts):
        return _with_backward_slices(x, parts)
    if any(isinstance(p, torch.Tensor) and p.dtype is torch.uint8 for p in parts):  # torch takes bytes for truth values
        parts = tuple(p.long() if isinstance(p, torch.Tensor) and p.dtype is torch.uint8 else p for p in parts)
    return x[parts]


def _with_backward_slices(x: Any, parts: tuple[Any, ...]) -> Any:
    """Torch has no steps below zero: flip those axes first, and take the mirrored slices."""
    used = sum(p is not None and p is not Ellipsis for p in parts)
    made: list[Any] = []
    axis = 0
    for p in parts:
        if p is Ellipsis:
            axis += x.ndim - used
        elif isinstance(p, slice) and p.step is not None and p.step < 0:
            size = x.shape[axis]
            start, stop, step = p.indices(size)
            x = torch.flip(x, (axis,))
            p = slice(size - 1 - start, size - 1 - stop, -step)
            axis += 1
        elif p is not None:
            axis += 1
        made.append(p)
    return x[tuple(made)]


def _from_front(indices: Any, size: int) -> torch.Tensor:
    indices = _long(indices)
    return torch.where(indices < 0, indices + size, indices)


@implements
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    if axis is None:
        return take(x.reshape(-1), indices, 0)
    size, place = x.shape[axis], axis % x.ndim  # the first refuses an axis that is not there
    table = place == 0 and x.ndim == 2 and not x.is_complex()  # of which `embedding` has no gradient
    if table and x.is_cpu and not torch.compiler.is_compiling():
        with contextlib.suppress(IndexError):  # by which a CPU tells of places below zero, for which no one has to look
            return torch.embedding(x, _long(indices))
    found = torch.index_select(x, place, _from_front(indices, size).reshape(-1))
    return found if indices.ndim == 1 else found.reshape((*x.shape[:place], *indices.shape, *x.shape[place + 1 :]))


@implements
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    if axis is None:
        x, axis = x.reshape(-1), 0
    return torch.take_along_dim(x, _from_front(indices, x.shape[axis]), axis)


def _starts(start_indices: Any, sizes: Any, parts: Any) -> list[int]:
    """Return where a part begins, moved so that it fits, as XLA does."""
    if any(int(m) > n for n, m in zip(sizes, parts, strict=True)):
        raise ValueError("the part is larger than the whole")
    return [min(max(int(s), 0), n - int(m)) for s, n, m in zip(start_indices, sizes, parts, strict=True)]


@implements
def slice_(inputs: Any, start_indices: Any, shape: Any) -> Any:
    starts = _starts(start_indices, inputs.shape, shape)
    return inputs[tuple(slice(s, s + int(n)) for s, n in zip(starts, shape, strict=True))]


@implements
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    starts = _starts(start_indices, inputs.shape, updates.shape)
    key = [slice(s, s + n) for s, n in zip(starts, updates.shape, strict=True)]
    out = updates if key else updates.clone()
    for axis in reversed(range(len(key))):  # nothing in place, which vmap would refuse
        if updates.shape[axis] < inputs.shape[axis] or not axis:
            out = torch.slice_scatter(inputs[tuple(key[:axis])], out, axis, key[axis].start, key[axis].stop)
    return out


@implements
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    depth = indices.shape[-1]
    key = tuple(_from_front(part, n) for part, n in zip(indices.unbind(-1), inputs.shape, strict=False))
    if reduction in (None, "add"):
        return torch.index_put(
            inputs, key, updates.expand(*indices.shape[:-1], *inputs.shape[depth:]), reduction == "add"
        )
    flat = torch.zeros_like(key[0])
    for part, size in zip(key, inputs.shape, strict=False):
        flat = flat * size + part
    rows = inputs.reshape(math.prod(inputs.shape[:depth]), -1)
    flat = flat.reshape(-1, 1).expand(-1, rows.shape[1])
    values = updates.expand(*indices.shape[:-1], *inputs.shape[depth:]).reshape(flat.shape)
    how = {"max": "amax", "min": "amin", "mul": "prod"}[reduction]
    return torch.scatter_reduce(rows, 0, flat, values, how).reshape(inputs.shape)


@implements
def sort(x: Any, axis: int | None = -1) -> Any:
    return torch.sort(x.reshape(-1)).values if axis is None else torch.sort(x, axis).values


@implements
def argsort(x: Any, axis: int | None = -1) -> Any:
    return torch.argsort(x.reshape(-1), stable=True) if axis is None else torch.argsort(x, dim=axis, stable=True)


@implements
def top_k(x: Any, k: int, sorted: bool = True) -> Any:
    found = torch.topk(x.to(torch.uint8) if x.dtype is torch.bool else x, int(k), sorted=sorted)
    return found.values.to(x.dtype), found.indices.int()


@implements
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    return torch.searchsorted(sorted_sequence.contiguous(), values.contiguous(), side=side)


@implements
def nonzero(x: Any) -> Any:
    return tuple(i.int() for i in torch.nonzero(torch.atleast_1d(x), as_tuple=True))


@implements
def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    values, inverse, counts = torch.unique(x, True, True, True, axis)
    place = axis or 0
    order = torch.arange(inverse.numel(), device=x.device)
    first = torch.full((values.shape[place],), inverse.numel(), device=x.device)
    first = first.scatter_reduce(0, inverse.reshape(-1), order, "amin")
    if size is not None:
        missing = max(0, size - values.shape[place])
        values = values.narrow(place, 0, min(size, values.shape[place]))
        pad = values.narrow(place, 0, 1)
        pad = pad if fill_value is None else torch.full_like(pad, fill_value)
        values = torch.cat([values, *[pad] * missing], place)
        first = torch.cat([first[:size], first[:1].expand(missing)])
        counts = F.pad(counts[:size], (0, missing))
    wanted = ((first, return_index), (inverse, return_inverse), (counts, return_counts))
    out = (values, *(part.int() for part, asked in wanted if asked))
    return out if len(out) > 1 else out[0]


# ---- products -----------------------------------------------------------------------------------------------------


@implements
def matmul(x1: Any, x2: Any) -> Any:
    if x1.dtype is torch.bool:
        return torch.matmul(x1.int(), x2.int()) > 0
    return multiply_rows(x1, x2) if x2.ndim == 2 and x1.ndim > 1 else torch.matmul(x1, x2)


@implements
def add_product(x: Any, kernel: Any, bias: Any) -> Any:
    return products.add_product(x, kernel, bias) if x.is_floating_point() else matmul(x, kernel) + bias


@implements
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    if x1.dtype is torch.bool:
        return tensordot(x1.int(), x2.int(), axes) > 0
    pairs: Any = axes if isinstance(axes, int) else [list(_axes(a, 1)) for a in axes]
    return torch.tensordot(x1, x2, pairs)


@implements
def _einsum(operands: Any, subscripts: str) -> Any:
    if len(operands) == 2 and not torch.compiler.is_compiling() and (axes := summed_over(subscripts)):
        first, second = operands
        if first.ndim > 2 and first.dtype.is_floating_point and first.shape[first.ndim - axes :] == second.shape[:axes]:
            matrix = second.reshape(math.prod(second.shape[:axes]), -1)
            found = multiply_rows(first.flatten(-axes), matrix)
            return found.reshape(*first.shape[: first.ndim - axes], *second.shape[axes:])
    return torch.einsum(subscripts, *operands)


# ---- other views --------------------------------------------------------------------------------------------------


@implements
def view(x: Any, dtype: Any = None) -> Any:
    return x if dtype is None else x.contiguous().view(DTYPES[canonical(standardize_dtype(dtype))])


@implements
def view_as_complex(x: Any) -> Any:
    return (
        torch.complex(x[..., 0], x[..., 1])
        if x.dtype == torch.float64
        else torch.complex(x[..., 0].float(), x[..., 1].float())
    )


# ---- linear algebra -----------------------------------------------------------------------------------------------


@implements
def cholesky(x: Any, upper: bool = False) -> Any:
    return torch.linalg.cholesky(x, upper=upper)


@implements
def eigh(x: Any) -> Any:
    return tuple(torch.linalg.eigh(x))


@implements
def eig(x: Any) -> Any:
    return tuple(torch.linalg.eig(x))


@implements
def lu_factor(x: Any) -> Any:
    lu, pivots = torch.linalg.lu_factor(x)
    return lu, pivots - 1


@implements
def qr(x: Any, mode: str = "reduced") -> Any:
    return tuple(torch.linalg.qr(x, mode))


@implements
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    return tuple(torch.linalg.svd(x, full_matrices)) if compute_uv else torch.linalg.svdvals(x)


@implements
def inv(x: Any) -> Any:
    return torch.linalg.inv(x)


@implements
def det(x: Any) -> Any:
    return torch.linalg.det(x)


@implements
def slogdet(x: Any) -> Any:
    return tuple(torch.linalg.slogdet(x))


@implements
def solve(a: Any, b: Any) -> Any:
    return torch.linalg.solve(a, b) if b.ndim > 1 and b.ndim >= a.ndim else torch.linalg.solve(a, b[..., None])[..., 0]


@implements
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    vector = not (b.ndim > 1 and b.ndim >= a.ndim)
    found = torch.linalg.solve_triangular(a, b[..., None] if vector else b, upper=not lower)
    return found[..., 0] if vector else found


# ---- control flow -------------------------------------------------------------------------------------------------


@implements
def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    if torch.compiler.is_compiling() and isinstance(pred, torch.Tensor):
        return torch.cond(pred.reshape(()).bool(), true_fn, false_fn, ())
    return true_fn() if bool(pred) else false_fn()
