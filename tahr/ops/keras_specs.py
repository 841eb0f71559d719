"""Where Keras describes a symbol otherwise than the array that comes out, and what it then says.

Every operation here knows the right shape and type (`Op.infer` gives them, and layers and compositions use that). But
Keras 3.15 answers `ops.slogdet(KerasTensor((None, 3, 3)))` and some others with another shape or type, and graphs and
tests made with it hold that answer. So a symbol in a user's own graph is described as Keras describes it. Only the
description differs: what is computed does not. Deleting an entry makes the description right.
"""

from collections.abc import Callable
from typing import Any

from tahr import dtypes, shapes
from tahr.symbolic import KerasTensor


def _described(x: Any, shape: Any = None, dtype: str | None = None) -> KerasTensor:
    return KerasTensor(x.shape if shape is None else shape, dtype or x.dtype, record_history=False)


def _clip(out: Any, x: Any, **_: Any) -> Any:
    return _described(out, dtype=dtypes.of(x)) if dtypes.is_int(dtypes.of(x)) else out  # bounds count for nothing


def _complex_only(out: Any, x: Any, **_: Any) -> Any:
    return _described(out, dtype=dtypes.of(x)) if dtypes.of(x).startswith("complex") else out


def _float32_for_float16(out: Any, x: Any, **_: Any) -> Any:
    return _described(out, dtype="float32") if dtypes.of(x) == "float16" else out


def _float32_for_short_floats(out: Any, x: Any, **_: Any) -> Any:
    return _described(out, dtype="float32") if dtypes.of(x) in ("float16", "bfloat16") else out


def _corrcoef(out: Any, x: Any) -> Any:
    return _described(out, shapes.of(x))


def _rot90(out: Any, array: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    if k % 2:
        return out
    sizes = list(shapes.of(array))  # two axes are exchanged whatever k is
    sizes[axes[0]], sizes[axes[1]] = sizes[axes[1]], sizes[axes[0]]
    return _described(out, sizes)


def _vstack(out: Any, xs: Any) -> Any:
    parts = [shapes.of(x) for x in xs]
    if any(len(p) != 1 for p in parts):
        return out
    sizes = [n for p in parts for n in p if n is not None]
    return _described(out, (sum(sizes) if len(sizes) == len(parts) else None,))


def _kron(out: Any, x1: Any, x2: Any) -> Any:
    pairs = zip(shapes.of(x1), shapes.of(x2), strict=False)  # the longer shape is cut
    return _described(out, [None if a is None or b is None else a * b for a, b in pairs])


def _cross(out: Any, x1: Any, x2: Any, axis: Any = None, **_: Any) -> Any:
    if axis in (None, -1) or len(out.shape) < 2 or shapes.of(x1)[axis] is not None:
        return out
    return _described(out, shapes.of(x1)[1:] if axis == 0 else out.shape)


def _as_given(out: Any, x: Any, **_: Any) -> Any:
    return _described(out, dtype=dtypes.of(x))  # integers and booleans stay, though floats come out


def _multi_hot(out: Any, dtype: Any = None, **_: Any) -> Any:
    return out if dtype is not None else _described(out, dtype="int32")


def _adaptive_pool(out: Any, inputs: Any, output_size: Any, data_format: Any = None) -> Any:
    from tahr.ops.spatial import channels_last

    if isinstance(output_size, int) or not channels_last(data_format):
        return out
    shape = shapes.of(inputs)
    return _described(out, (*shape[:2], *output_size, shape[-1]))


def _first_axes(out: Any, target: Any, **_: Any) -> Any:
    return _described(out, shapes.of(target)[:-1])  # whatever the axis of the classes is


def _slogdet(out: Any, x: Any) -> Any:
    return _described(out[0], ()), out[1]


def _lu_factor(out: Any, x: Any) -> Any:
    return out[0], _described(out[1], dtype=out[0].dtype)


def _eig(out: Any, x: Any) -> Any:
    return tuple(_described(part, dtype=dtypes.of(x)) for part in out) if dtypes.is_float(dtypes.of(x)) else out


_FLOATS_OF_INTS = (
    "leaky_relu",
    "rsqrt",
    "sigmoid",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
    "tanh_shrink",
)

SPECS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("absolute", "angle", "imag", "real"), _complex_only),
    **dict.fromkeys(_FLOATS_OF_INTS, _as_given),
    **dict.fromkeys(("adaptive_average_pool", "adaptive_max_pool"), _adaptive_pool),
    "batch_normalization": lambda out, x, **_: _described(out, dtype=dtypes.of(x)),
    "categorical_crossentropy": _first_axes,
    "clip": _clip,
    "corrcoef": _corrcoef,
    "cross": _cross,
    "dot_product_attention": lambda out, query, **_: _described(out, shapes.of(query)),  # whatever size values have
    "eig": _eig,
    "kron": _kron,
    "logsumexp": _float32_for_float16,
    "lu_factor": _lu_factor,
    "multi_hot": _multi_hot,
    "normalize": _float32_for_short_floats,
    "polar": lambda out, abs_, **_: _described(out, dtype=dtypes.of(abs_)),
    "reciprocal": _float32_for_float16,
    "rot90": _rot90,
    "searchsorted": lambda out, **_: _described(out, dtype="int64"),
    "slogdet": _slogdet,
    "vstack": _vstack,
}
