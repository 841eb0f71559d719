"""THE table of operations: a row says how to call one, and what must come out.

The oracle of a row is NumPy's function of that name, unless it gives another one (NumPy or SciPy code, or the known
result). It is called with float64 arrays. Every row is checked for its value, its description of symbols and its
gradient, and once more compiled.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
import scipy.special

A = np.array([[0.5, -1.25, 2.0], [3.0, -0.75, 0.125]], "float32")
B = np.array([[1.5, 0.25, -2.0], [0.5, 1.75, 3.0]], "float32")
POSITIVE = np.array([[0.5, 1.25, 2.0], [3.0, 0.75, 0.125]], "float32")
UNIT = np.array([[0.5, -0.25, 0.9], [-0.7, 0.1, 0.3]], "float32")
V = np.array([0.5, -1.5, 2.5, 1.0], "float32")
SPECIAL = np.array([0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan], "float32")
NAN = np.array([[1.0, np.nan, 3.0], [4.0, 0.5, np.nan]], "float32")
INTS = np.array([[1, 5, 2], [7, 0, 3]], "int32")
JNTS = np.array([[2, 3, 6], [1, 4, 3]], "int32")
BOOLS = np.array([[True, False, True], [False, False, True]])
CUBE = np.arange(24, dtype="float32").reshape(2, 3, 4) / 7 - 1.5
SQUARE = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -0.25], [0.5, -0.25, 2.0]], "float32")
EMPTY = np.zeros((0, 3), "float32")
SCALAR = np.array(0.75, "float32")


@dataclass(frozen=True)
class Sample:
    """One call of an operation.

    Attributes:
        name: operation.
        args: positional arguments; NumPy arrays become arrays of the backend.
        kwargs: keyword arguments.
        expect: oracle with the same arguments, or the result itself; None is NumPy's function of that name.
        grad: whether a gradient is checked where an argument is a floating-point array.
        jit: whether it can be compiled (its shapes do not depend on values).
        symbols: whether arrays may be replaced by symbols.
        rtol: tolerance of values.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    expect: Any = None
    grad: bool = True
    jit: bool = True
    symbols: bool = True
    rtol: float = 2e-5

    def oracle(self, *args: Any) -> Any:
        """Return what the oracle gives for arguments in place of the row's own."""
        if self.expect is None:
            return getattr(np, self.name)(*args, **self.kwargs)
        return self.expect(*args, **self.kwargs) if callable(self.expect) else self.expect


def row(name: str, *args: Any, **options: Any) -> Sample:
    """Return a row; options that Sample does not have are keyword arguments of the operation."""
    own = {k: options.pop(k) for k in ("expect", "grad", "jit", "symbols", "rtol") if k in options}
    return Sample(name, args, options, **own)


def each(names: str, *args: Any, **options: Any) -> list[Sample]:
    """Return a row for each of several operations."""
    return [row(name, *args, **options) for name in names.split()]


def scatter_into(combine: Any) -> Callable[..., Any]:
    """Return an oracle of scatter_update with one of NumPy's combining functions."""

    def run(x: Any, indices: Any, updates: Any, **_: Any) -> Any:
        out = np.array(x)
        key = tuple(np.moveaxis(np.asarray(indices), -1, 0))
        if combine is None:
            out[key] = updates
        else:
            combine.at(out, key, updates)
        return out

    return run


def segments(combine: Any, start: float) -> Callable[..., Any]:
    """Return an oracle of segment operations."""

    def run(data: Any, ids: Any, num_segments: int) -> Any:
        out = np.full((num_segments, *data.shape[1:]), start, data.dtype)
        combine.at(out, ids, data)
        return out

    return run


ELEMENTWISE = [
    *each("abs absolute negative square exp expm1 sin cos tan sinh cosh tanh arctan arcsinh sinc i0 cbrt", A),
    *each("exp2 deg2rad rad2deg fabs conj conjugate real imag copy nan_to_num", A),
    *each("sqrt log log10 log2 log1p reciprocal", POSITIVE),
    *each("arcsin arccos arctanh", UNIT),
    row("arccosh", POSITIVE + 1),
    *each("ceil floor trunc sign round", A, grad=False),
    row("round", A, 1, grad=False),
    row("round", np.array([15, 25, -35, 44], "int32"), -1, expect=[20, 20, -40, 40], grad=False),
    row("rsqrt", POSITIVE, expect=lambda x: 1 / np.sqrt(x)),
    row("erf", A, expect=scipy.special.erf),
    row("erfc", A, expect=scipy.special.erfc),
    row("erfinv", UNIT, expect=scipy.special.erfinv),
    row("angle", A, grad=False),
    *each("isfinite isinf isnan isposinf isneginf signbit isreal logical_not", SPECIAL, grad=False),
    *each("isreal isfinite isinf isnan isposinf isneginf", BOOLS, grad=False),
    row("nan_to_num", SPECIAL, nan=1.0, posinf=9.0, neginf=-9.0, grad=False),
    *each("add subtract multiply maximum minimum fmax fmin arctan2 hypot logaddexp logaddexp2", A, B),
    *each("divide true_divide power", POSITIVE, B),
    *each("mod fmod floor_divide", A, B, grad=False),
    *each("add multiply subtract divide floor_divide mod power gcd lcm", INTS, JNTS, grad=False),
    *each(
        "bitwise_and bitwise_or bitwise_xor left_shift right_shift bitwise_left_shift bitwise_right_shift", INTS, JNTS
    ),
    *each("bitwise_not bitwise_invert", INTS),
    *each("equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor", INTS, JNTS),
    *each("add maximum", A, V[:3]),
    *each("add multiply", EMPTY, V[:3]),
    row("add", A, 2),
    row("subtract", 1.5, A),
    row(
        "divide_no_nan",
        A,
        np.array([1.0, 0.0, 2.0], "float32"),
        expect=lambda x, y: np.divide(x, y, where=y != 0, out=0 * x),
    ),
    row("heaviside", A, 0.5, grad=False),
    row("nextafter", A, B, expect=lambda x, y: np.nextafter(x.astype("float32"), y.astype("float32")), grad=False),
    row("ldexp", A, INTS, expect=lambda x, n: np.ldexp(x, n)),
    row("clip", A, -1.0, 1.0),
    row("isclose", A, A + 1e-6, grad=False),
    row("allclose", A, A + 1e-6, expect=True, grad=False),
    row("isin", INTS, np.array([5, 7], "int32")),
    row("where", BOOLS, A, B),
    row("where", BOOLS, expect=np.nonzero, jit=False),
    row("select", [BOOLS, ~BOOLS], [A, B], default=7.0),
]
REDUCTIONS = [
    *each("sum mean max min amax amin prod var std ptp median", A, axis=1),
    row("logsumexp", A, axis=1, expect=scipy.special.logsumexp),
    *each("sum mean prod var std", CUBE, axis=(0, 2), keepdims=True),
    *each("max min", CUBE, axis=(0, -1)),
    *each("sum mean max all any", A),
    *each("all any count_nonzero", BOOLS, axis=0),
    *each("argmax argmin", A, axis=-1),
    *each("argmax argmin", A),
    *each("cumsum cumprod", A, axis=1),
    *each("cumsum cumprod", A),
    *each("nansum nanmean nanmax nanmin nanprod nanvar nanstd nanmedian", NAN, axis=1, grad=False),
    *each("nancumsum nancumprod", NAN, axis=1, grad=False),
    *each("nanargmax nanargmin", NAN, axis=1),
    row("max", EMPTY, axis=0, initial=2.0, grad=False),
    row("sum", EMPTY, axis=0),
    row("average", A, axis=1, weights=np.abs(B)),
    row("quantile", A, 0.3, axis=1),
    row("quantile", A, np.array([0.1, 0.5], "float32"), axis=0, keepdims=True),
    *[row("quantile", V, 0.4, method=m) for m in ("lower", "higher", "midpoint", "nearest")],
    row("percentile", A, 30.0, axis=1),
    row("nanquantile", NAN, 0.3, axis=1, grad=False),
    row("nanpercentile", NAN, 30.0, axis=1, grad=False),
]
SHAPES = [
    row("reshape", A, (3, 2)),
    row("reshape", A, (-1,)),
    *each("ravel transpose fliplr flipud rot90 tril triu diagonal diag diagflat trace", A),
    row("transpose", CUBE, (1, 2, 0)),
    row("swapaxes", CUBE, 0, -1),
    row("moveaxis", CUBE, (0, 1), (-1, 0)),
    row("expand_dims", A, (0, -1)),
    row("squeeze", A[:, :1], 1),
    row("broadcast_to", V, (2, 4)),
    row("flip", CUBE, axis=(0, 2)),
    row("roll", CUBE, (1, -1), axis=(0, 2)),
    row("roll", A, 2),
    row("repeat", A, 2, axis=1),
    row("repeat", A, [1, 2], axis=0),
    row("tile", A, (2, 1, 2)),
    row("concatenate", [A, B], axis=1),
    row("stack", [A, B], axis=-1),
    row("append", A, B, axis=0),
    *each("hstack vstack dstack", [A, B]),
    *each("hstack vstack dstack stack concatenate", [[1, 2], [3, 4]]),
    row("concatenate", [[1, 2], [3.5]]),
    *each("zeros_like ones_like", [[1, 2], [3, 4]]),
    row("split", V, 2),
    row("split", A, [1, 2], axis=1),
    row("array_split", V, 3),
    row("hsplit", A, 3),
    row("vsplit", A, 2),
    row("dsplit", CUBE, 2),
    row("unstack", A, axis=1, expect=lambda x, axis: list(np.moveaxis(x, axis, 0))),
    *[row("pad", A, ((1, 1), (2, 1)), mode=m) for m in ("constant", "edge", "symmetric", "wrap")],
    row("pad", CUBE, ((1, 0), (1, 2), (2, 1)), mode="reflect"),
    row("pad", A, 1, constant_values=3.0),
    row("meshgrid", V, V[:2], expect=lambda *x: list(np.meshgrid(*x))),
    row("diff", A, n=2, axis=1),
    row("trapezoid", A, dx=0.5),
    row("vander", V, 3),
    row(
        "rearrange",
        CUBE,
        "a b (c d) -> (a c) d b",
        c=2,
        expect=lambda x, p, c: x.reshape(2, 3, 2, 2).transpose(0, 2, 3, 1).reshape(4, 2, 3),
    ),
    row("rearrange", CUBE, "a ... -> ... a", expect=lambda x, p: np.moveaxis(x, 0, -1)),
    row("view", A, "int32", expect=lambda x, d: x.astype("float32").view(d), grad=False),
    row("view_as_real", (A[0] + 1j * B[0]).astype("complex64"), expect=lambda z: np.stack([z.real, z.imag], -1)),
    row("view_as_complex", A[:, :2], expect=lambda x: x[:, 0] + 1j * x[:, 1], grad=False),
]
CREATION = [
    row("arange", 5),
    row("arange", 1, 2, 0.25),
    row("arange", 5, 0, -2),
    row("linspace", 0, 1, num=5),
    row("linspace", V, V + 1, num=3, axis=-1),
    row("logspace", 0, 2, num=4),
    row("geomspace", 1, 100, num=5),
    row("eye", 3, 4, 1),
    row("tri", 3, 4, -1),
    row("identity", 3),
    row("zeros", (2, 0)),
    row("ones", (2, 3)),
    row("full", (2, 2), 7.0),
    *each("zeros_like ones_like", A, grad=False),
    row("full_like", A, 3.0, grad=False),
    *each("bartlett hanning hamming blackman", 7),
    row("kaiser", 7, 5.0),
]
INDEXING = [
    row("take", A, np.array([2, -1, 0], "int32"), axis=1),
    row("take", A, np.array([[5, 0], [1, 1]], "int32")),
    row("take", A, np.array([[1, 0, 1]], "int32"), axis=0),
    row("take", A, np.array([[1, -1], [0, -2]], "int32"), axis=0),
    row("take_along_axis", A, np.array([[2, 0], [1, -1]], "int32"), axis=1),
    row("get_item", CUBE, (slice(None), -1), expect=lambda x, k: x[k]),
    row("get_item", CUBE, (Ellipsis, None, slice(None, None, -2)), expect=lambda x, k: x[k]),
    row("get_item", CUBE, ([1, 0], slice(None), [0, 3]), expect=lambda x, k: x[k]),
    row("get_item", A, (slice(1, None), slice(-2, None)), expect=lambda x, k: x[k]),
    row("slice", CUBE, (0, 1, 2), (2, 1, 2), expect=lambda x, s, n: x[0:2, 1:2, 2:4]),
    row("slice_update", A, (0, 1), np.ones((2, 2), "float32"), expect=lambda x, s, u: np.concatenate([x[:, :1], u], 1)),
    *[
        row("scatter_update", V, np.array([[0], [2], [0]], "int32"), V[:3] * 2, reduction=how, expect=scatter_into(fn))
        for how, fn in (("add", np.add), ("max", np.maximum), ("min", np.minimum), ("mul", np.multiply))
    ],
    row("scatter_update", A, np.array([[0, 1], [1, 2]], "int32"), V[:2], expect=scatter_into(None)),
    row("scatter", np.array([[1], [1]], "int32"), V[:2], (4,), expect=lambda i, v, s: np.array([0, v[0] + v[1], 0, 0])),
    row("sort", A, axis=0),
    row("sort", A, axis=None),
    row("argsort", A),
    row("top_k", A, 2, expect=lambda x, k: (-np.sort(-x, -1)[:, :k], np.argsort(-x, -1)[:, :k])),
    row("in_top_k", np.array([0, 1], "int32"), A, 1, expect=[False, False]),
    row("searchsorted", np.sort(V), A),
    row("digitize", A, np.sort(V)),
    row("nonzero", INTS, jit=False),
    row("unique", INTS[0], jit=False),
    row("unique", INTS, size=8, fill_value=-1, expect=[0, 1, 2, 3, 5, 7, -1, -1]),
    row("unravel_index", np.array([5, 3], "int32"), (2, 3), expect=lambda i, shape: tuple(np.unravel_index(i, shape))),
    row("bincount", INTS[0], jit=False),
    row("histogram", V, bins=3, grad=False),
    *[
        row(f"segment_{how}", CUBE[0], np.array([0, 1, 0], "int32"), num_segments=2, expect=segments(fn, start))
        for how, fn, start in (
            ("sum", np.add, 0),
            ("prod", np.multiply, 1),
            ("max", np.maximum, -math.inf),
            ("min", np.minimum, math.inf),
        )
    ],
]
PRODUCTS = [
    row("matmul", A, B.T),
    row("matmul", CUBE, CUBE[0].T),
    row("matmul", BOOLS, BOOLS.T),
    row("dot", CUBE, CUBE[0].T),
    row("inner", A, B),
    row("outer", A, V),
    row("vdot", A, B),
    row("kron", A, V),
    row("tensordot", CUBE, CUBE, axes=((0, 2), (0, 2))),
    row("cross", A, B),
    row("cross", A[:, :2], B),
    row("einsum", "abc,dc->bad", CUBE, CUBE[0], expect=np.einsum),
    row("einsum", "...i,...i", A, B, expect=np.einsum),
    row("cdist", A, B, expect=lambda x, y: np.linalg.norm(x[:, None] - y[None], axis=-1)),
    row("correlate", V, V[:2], mode="same"),
    row("corrcoef", A),
]
LINALG = [
    row("cholesky", SQUARE, expect=np.linalg.cholesky, grad=False),
    row("cholesky_inverse", np.linalg.cholesky(SQUARE), expect=lambda c: np.linalg.inv(c @ c.T), grad=False),
    row("det", SQUARE, expect=np.linalg.det),
    row("inv", SQUARE, expect=np.linalg.inv),
    row("slogdet", SQUARE, expect=lambda x: tuple(np.linalg.slogdet(x)), grad=False),
    row("logdet", SQUARE, expect=lambda x: np.linalg.slogdet(x)[1], grad=False),
    row("solve", SQUARE, A.T, expect=np.linalg.solve),
    row("solve", SQUARE, V[:3], expect=np.linalg.solve),
    row("solve_triangular", SQUARE, A.T, lower=True, expect=lambda a, b, lower: np.linalg.solve(np.tril(a), b)),
    row("lu_factor", A.T @ A + np.eye(3, dtype="float32"), expect=scipy.linalg.lu_factor, grad=False),
    row("svd", A, compute_uv=False, expect=np.linalg.svd, grad=False),
    row("pinv", A, expect=np.linalg.pinv, grad=False),
    row("matrix_rank", A, expect=np.linalg.matrix_rank),
    row("lstsq", A.T, V[:3], expect=lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], grad=False),
    *[row("norm", A, ord=o, axis=1, expect=np.linalg.norm) for o in (None, 1, 2, 3, math.inf)],
    *[row("norm", A, ord=o, axis=(0, 1), expect=np.linalg.norm, grad=False) for o in ("fro", "nuc", 2, -2, 1)],
]
SAMPLES = [*ELEMENTWISE, *REDUCTIONS, *SHAPES, *CREATION, *INDEXING, *PRODUCTS, *LINALG]
