"""A door: any library that speaks the array-API standard (https://data-apis.org/array-api) as a backend.

The standard has few functions and strict rules (no mixed types, no conversion behind one's back), so most operations
run as compositions. That makes it slow, and the pedantic judge of what the compositions promise.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import dtypes
from tahr.backends.backend import Backend, numpy_dtype, to_host

_NAMES: dict[str, str] = {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "bitwise_not": "bitwise_invert",
    "conjugate": "conj",
    "left_shift": "bitwise_left_shift",
    "mod": "remainder",
    "power": "pow",
    "right_shift": "bitwise_right_shift",
}
_OWN_RULES = "follows rules of its own in the standard"
_AVOID: dict[str, str] = dict.fromkeys(
    ("cross", "diagonal", "isin", "outer", "repeat", "std", "trace", "var"),
    _OWN_RULES,
)


class ArrayApi(Backend):
    """A backend over a namespace such as `array_api_strict`; it runs, it does not train."""

    argument_names = {"newshape": "shape"}
    names = _NAMES
    avoid = _AVOID
    compute_as = {"float16": "float32", "bfloat16": "float32"}

    def __init__(self, namespace: Any):
        super().__init__()
        self.xp = namespace
        self.name = namespace.__name__
        self.spaces = tuple(s for s in (namespace, getattr(namespace, "linalg", None)) if s is not None)
        self.array_type = type(namespace.zeros((1,)))
        self.own = {name: self._bind(fn) for name, fn in _OWN.items()}

    def _bind(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: fn(self, *args)

    def tensor(self, x: Any, dtype: str | None = None) -> Any:
        if isinstance(x, self.array_type):
            return self.cast(x, dtype or dtypes.canonical(dtypes.of(x)))
        if hasattr(x, "handle"):  # a Variable
            return self.tensor(x.value, dtype)
        if isinstance(x, (list, tuple)) and any(isinstance(v, self.array_type) for v in x):
            return self.xp.stack([self.tensor(v, dtype) for v in x])
        host = to_host(x, dtype)
        if host.dtype.name not in self._types():
            raise TypeError(f"The array-API standard has no {host.dtype.name}.")
        return self.xp.asarray(host)

    def _types(self) -> Any:
        return {*self.xp.__array_namespace_info__().dtypes()}

    def to_numpy(self, x: Any) -> np.ndarray:
        return np.from_dlpack(x) if isinstance(x, self.array_type) else np.asarray(x)

    def cast(self, x: Any, dtype: str) -> Any:
        wanted = dtypes.canonical(dtype)
        if dtypes.of(x) == wanted:
            return x
        if dtypes.of(x).startswith("complex") and not wanted.startswith("complex"):
            x = self.xp.real(x)
        return self.xp.astype(x, getattr(self.xp, wanted))

    def is_tensor(self, x: Any) -> bool:
        return isinstance(x, self.array_type)

    def new_variable(self, value: Any, dtype: str, trainable: bool) -> Any:
        return self.xp.asarray(np.array(to_host(value, dtype), numpy_dtype(dtype)), copy=True)


def wrap(namespace: Any) -> ArrayApi:
    """Return a backend over a namespace that has the functions of the array-API standard.

    Raises:
        TypeError: if it does not say that it has.
    """
    if not hasattr(namespace, "__array_namespace_info__"):
        raise TypeError(f"Expected a namespace of the array-API standard, 2023.12 or later; received {namespace!r}.")
    return ArrayApi(namespace)


# ---- where the standard calls things otherwise --------------------------------------------------------------------

_OWN: dict[str, Callable[..., Any]] = {}


def _own(fn: Callable[..., Any]) -> Callable[..., Any]:
    _OWN[fn.__name__.removesuffix("_")] = fn
    return fn


@_own
def _full(self: ArrayApi, shape: Any, fill_value: Any, dtype: str) -> Any:
    if isinstance(fill_value, (bool, int, float)):
        host = np.full(tuple(shape), fill_value).astype(numpy_dtype(dtype))
        return self.tensor(host, dtype)
    return self.xp.broadcast_to(self.tensor(fill_value, dtype), tuple(shape))


@_own
def _arange(self: ArrayApi, start: Any, stop: Any, step: Any, dtype: str) -> Any:
    return self.tensor(np.arange(start, stop, step), dtype)


@_own
def copy(self: ArrayApi, x: Any) -> Any:
    return self.xp.asarray(x, copy=True)


@_own
def reshape(self: ArrayApi, x: Any, newshape: Any) -> Any:
    return self.xp.reshape(x, tuple(newshape) if hasattr(newshape, "__iter__") else (newshape,))


@_own
def transpose(self: ArrayApi, x: Any, axes: Any = None) -> Any:
    return self.xp.permute_dims(x, tuple(reversed(range(x.ndim))) if axes is None else tuple(axes))


@_own
def expand_dims(self: ArrayApi, x: Any, axis: Any) -> Any:
    for place in sorted(i % (x.ndim + len(axis)) for i in axis) if hasattr(axis, "__iter__") else [axis]:
        x = self.xp.expand_dims(x, axis=place)
    return x


@_own
def squeeze(self: ArrayApi, x: Any, axis: Any = None) -> Any:
    axes = tuple(i for i, n in enumerate(x.shape) if n == 1) if axis is None else axis
    return self.xp.squeeze(x, axis=axes)


@_own
def concatenate(self: ArrayApi, xs: Any, axis: int = 0) -> Any:
    return self.xp.concat(list(xs), axis=axis)


@_own
def stack(self: ArrayApi, x: Any, axis: int = 0) -> Any:
    return self.xp.stack(list(x), axis=axis)


@_own
def where(self: ArrayApi, condition: Any, x1: Any = None, x2: Any = None) -> Any:
    if x1 is None:
        return nonzero(self, condition)
    return self.xp.where(self.cast(condition, "bool"), x1, x2)


@_own
def nonzero(self: ArrayApi, x: Any) -> Any:
    found = self.xp.nonzero(self.xp.reshape(x, (-1,)) if x.ndim == 0 else x)
    return tuple(self.cast(part, "int32") for part in found)


def _extremum(name: str) -> Callable[..., Any]:
    def run(self: ArrayApi, x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
        kind = dtypes.of(x)
        x = self.cast(x, "uint8") if kind == "bool" else x
        if initial is not None:
            axes = (
                range(x.ndim)
                if axis is None
                else [i % x.ndim for i in (axis if hasattr(axis, "__iter__") else (axis,))]
            )
            for i in axes:
                size = [1 if i == j else n for j, n in enumerate(x.shape)]
                x = self.xp.concat([x, self.xp.broadcast_to(self.tensor(initial, dtypes.of(x)), tuple(size))], axis=i)
        return self.cast(getattr(self.xp, name)(x, axis=axis, keepdims=keepdims), kind)

    return run


_OWN["max"], _OWN["min"] = _extremum("max"), _extremum("min")


def _of_numbers(name: str) -> Callable[..., Any]:
    """A question that the standard lets one ask of numbers only, asked of truth values too."""
    return lambda self, x: getattr(self.xp, name)(self.cast(x, "uint8") if dtypes.of(x) == "bool" else x)


_OWN |= {name: _of_numbers(name) for name in ("isfinite", "isinf", "isnan")}


def _running(name: str) -> Callable[..., Any]:
    def run(self: ArrayApi, x: Any, axis: int | None = None, dtype: Any = None) -> Any:
        x, place = (self.xp.reshape(x, (-1,)), 0) if axis is None else (x, axis)
        return getattr(self.xp, name)(x, axis=place)

    return run


_OWN["cumsum"], _OWN["cumprod"] = _running("cumulative_sum"), _running("cumulative_prod")


@_own
def imag(self: ArrayApi, x: Any) -> Any:
    return self.xp.imag(x) if dtypes.of(x).startswith("complex") else self.xp.zeros_like(x)


@_own
def round_(self: ArrayApi, x: Any, decimals: int = 0) -> Any:
    if not dtypes.is_float(dtypes.of(x)):
        return self.tensor(np.round(self.to_numpy(x), decimals), dtypes.of(x))
    unit = 10.0**decimals
    return self.xp.round(x * unit) / unit


@_own
def sort(self: ArrayApi, x: Any, axis: int | None = -1) -> Any:
    return self.xp.sort(self.xp.reshape(x, (-1,))) if axis is None else self.xp.sort(x, axis=axis)


@_own
def argsort(self: ArrayApi, x: Any, axis: int | None = -1) -> Any:
    return self.xp.argsort(self.xp.reshape(x, (-1,))) if axis is None else self.xp.argsort(x, axis=axis)


@_own
def flip(self: ArrayApi, x: Any, axis: Any = None) -> Any:
    return self.xp.flip(x, axis=axis)


@_own
def tile(self: ArrayApi, x: Any, repeats: Any) -> Any:
    return self.xp.tile(x, tuple(repeats) if hasattr(repeats, "__iter__") else (repeats,))


def _from_front(self: ArrayApi, indices: Any, size: int) -> Any:
    indices = self.cast(indices, "int32")
    return self.xp.where(indices < 0, indices + size, indices)


@_own
def take(self: ArrayApi, x: Any, indices: Any, axis: int | None = None) -> Any:
    x, place = (self.xp.reshape(x, (-1,)), 0) if axis is None else (x, axis % x.ndim)
    flat = self.xp.reshape(_from_front(self, indices, x.shape[place]), (-1,))
    found = self.xp.take(x, flat, axis=place)
    return self.xp.reshape(found, (*x.shape[:place], *indices.shape, *x.shape[place + 1 :]))


@_own
def take_along_axis(self: ArrayApi, x: Any, indices: Any, axis: int | None = None) -> Any:
    x, place = (self.xp.reshape(x, (-1,)), 0) if axis is None else (x, axis % x.ndim)
    return self.xp.take_along_axis(x, _from_front(self, indices, x.shape[place]), axis=place)


@_own
def get_item(self: ArrayApi, x: Any, key: Any) -> Any:
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(p, list) or hasattr(p, "shape") for p in parts):
        raise NotImplementedError(f"The {self.name} backend cannot index with arrays. Use `ops.take`.")
    used = sum(part is not None for part in parts if part is not Ellipsis)
    whole = parts if any(p is Ellipsis for p in parts) or used >= x.ndim else (*parts, Ellipsis)  # as strict rules ask
    return x[whole]


@_own
def _pad_constant(self: ArrayApi, x: Any, pad_width: Any, value: Any) -> Any:
    for axis, pair in enumerate(pad_width):
        sizes = [tuple(n if i == axis else m for i, m in enumerate(x.shape)) for n in pair]
        ends = [self.xp.full(size, value, dtype=x.dtype) for size in sizes]
        x = self.xp.concat([ends[0], x, ends[1]], axis=axis)
    return x
