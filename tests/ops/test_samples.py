"""Every row of samples.py: value, type, symbols, gradient, compiled, and native function against composition."""

import os
from typing import Any

import numpy as np
import pytest

from tahr import KerasTensor, autodiff, backends, dtypes, ops, tree
from tahr.ops.declare import OPERATIONS, Op
from tests.ops.samples import SAMPLES, Sample

IDS = [f"{s.name}-{i}" for i, s in enumerate(SAMPLES)]


def find(name: str) -> Any:
    return getattr(ops, name)


def is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray)


def to_backend(structure: Any) -> Any:
    return tree.map_structure(lambda x: ops.convert_to_tensor(x) if is_array(x) else x, structure)


def wide(structure: Any) -> Any:
    """Return arguments for the oracle, in double precision."""

    def widen(x: Any) -> Any:
        return x.astype("float64") if is_array(x) and x.dtype.kind == "f" else x

    return tree.map_structure(widen, structure)


def host(structure: Any) -> list[Any]:
    return [np.asarray(ops.convert_to_numpy(x)) for x in tree.flatten(structure) if x is not None]


def agree(found: Any, expected: Any, rtol: float, atol: float = 1e-5) -> None:
    found, expected = host(found), [np.asarray(x) for x in tree.flatten(expected)]
    if len(found) == 1 and len(expected) > 1:  # the expected result of a row may be a plain list of numbers
        expected = [np.asarray(expected)]
    assert len(found) == len(expected)
    for f, e in zip(found, expected, strict=True):
        assert f.shape == e.shape
        np.testing.assert_allclose(f.astype(e.dtype if e.dtype.kind == "c" else "float64"), e, rtol=rtol, atol=atol)


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
def test_value(sample: Sample) -> None:
    with np.errstate(all="ignore"):
        expected = sample.oracle(*wide(list(sample.args)))
    agree(find(sample.name)(*to_backend(list(sample.args)), **sample.kwargs), expected, sample.rtol)


def symbol_of(x: Any, unknown: bool) -> Any:
    shape = (None, *x.shape[1:]) if unknown and x.shape else x.shape
    return KerasTensor(shape, dtypes.canonical(x.dtype.name), record_history=False)


@pytest.mark.parametrize("unknown", [False, True], ids=["known", "none"])
@pytest.mark.parametrize(
    "sample", [s for s in SAMPLES if any(map(is_array, tree.flatten(list(s.args))))], ids=lambda s: s.name
)
def test_symbols(sample: Sample, unknown: bool) -> None:
    symbolic = tree.map_structure(lambda x: symbol_of(x, unknown) if is_array(x) else x, list(sample.args))
    given = find(sample.name)(*to_backend(list(sample.args)), **sample.kwargs)
    said = find(sample.name)(*symbolic, **sample.kwargs)
    pairs = list(zip(tree.flatten(said), tree.flatten(given), strict=True))
    assert pairs
    for spec, array in pairs:
        assert spec.dtype == dtypes.of(array)
        assert len(spec.shape) == len(array.shape)
        assert all(n in (None, m) for n, m in zip(spec.shape, array.shape, strict=True)), (spec.shape, array.shape)
        if not unknown and sample.jit:
            assert None not in spec.shape


def first_float(sample: Sample) -> int | None:
    places = [
        i for i, a in enumerate(sample.args) if is_array(a) and a.dtype == "float32" and np.isfinite(a).all() and a.size
    ]
    return places[0] if places and sample.grad else None


@pytest.mark.trains
@pytest.mark.parametrize("sample", [s for s in SAMPLES if first_float(s) is not None], ids=lambda s: s.name)
def test_gradient(sample: Sample) -> None:
    place = first_float(sample)
    assert place is not None
    args = wide(list(sample.args))
    with np.errstate(all="ignore"):
        outputs = [np.asarray(y) for y in tree.flatten(sample.oracle(*args))]
    if all(y.dtype.kind in "biu" for y in outputs):
        pytest.skip("whole numbers have no gradient")
    random = np.random.default_rng(0)
    weights = [random.normal(size=y.shape) for y in outputs]

    def weighted(results: Any, total: Any) -> Any:
        return sum(
            total(w * y) for w, y in zip(weights, tree.flatten(results), strict=True) if y.dtype.kind not in "biu"
        )

    def oracle(x: Any) -> float:
        return float(
            weighted(tree.map_structure(np.asarray, sample.oracle(*args[:place], x, *args[place + 1 :])), np.sum)
        )

    def loss(arrays: list[Any]) -> Any:
        given = to_backend(list(sample.args))
        given[place] = arrays[0]
        results = tree.flatten(find(sample.name)(*given, **sample.kwargs))
        parts = [(w, y) for w, y in zip(weights, results, strict=True) if dtypes.is_inexact(dtypes.of(y))]
        return sum(ops.sum(y * ops.convert_to_tensor(w.astype("float32"))) for w, y in parts), None

    x = ops.convert_to_tensor(sample.args[place])
    gradient = ops.convert_to_numpy(backends.current().value_and_grad(loss)([x])[1][0])
    step, slope = 1e-5, np.zeros(args[place].shape)
    for i in np.ndindex(slope.shape):
        high, low = args[place].copy(), args[place].copy()
        high[i] += step
        low[i] -= step
        slope[i] = (oracle(high) - oracle(low)) / (2 * step)
    np.testing.assert_allclose(gradient, slope, rtol=2e-3, atol=2e-3)


def compiled_agrees(sample: Sample, compile: Any) -> None:
    args, kwargs = to_backend(list(sample.args)), to_backend(dict(sample.kwargs))
    places = [i for i, a in enumerate(sample.args) if is_array(a)]

    def fn(*arrays: Any) -> Any:
        given = list(args)
        for i, array in zip(places, arrays, strict=True):
            given[i] = array
        return find(sample.name)(*given, **kwargs)

    arrays = [args[i] for i in places]
    expected = fn(*arrays)
    agree(compile(fn)(*arrays), host(expected), 1e-5)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.jit], ids=lambda s: s.name)
def test_compiled(sample: Sample) -> None:
    compiled_agrees(sample, backends.current().compile)


# torch.compile wants the size of a result before its values, and torch's `unique` counts before it cuts
MANY_GRAPHS = {"unique"}


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("TAHR_BACKEND") != "torch", reason="checks that torch.compile makes one graph of it")
@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.jit and s.name not in MANY_GRAPHS], ids=lambda s: s.name)
def test_one_graph(sample: Sample) -> None:
    import torch

    torch.compiler.reset()
    compiled_agrees(sample, lambda fn: torch.compile(fn, fullgraph=True, backend="eager"))


def composed_and_native() -> list[Sample]:
    found = []
    for sample in SAMPLES:
        op = find(sample.name)
        if isinstance(op, Op) and op.compose is not None and first_float(sample) is not None:
            found.append(sample)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("sample", composed_and_native(), ids=lambda s: s.name)
def test_composition_says_the_same(sample: Sample, dtype: str) -> None:
    op = find(sample.name)
    if backends.current().explain(op)[1] is op.compose:
        return  # there is one way only, which the other tests check
    rtol, atol = {"float32": (2e-5, 1e-5), "float16": (2e-2, 2e-3)}[dtype]
    cast = {"float32": lambda x: x, "float16": lambda x: ops.cast(x, "float16")}[dtype]
    args = [cast(a) if ops.is_tensor(a) and dtypes.is_float(dtypes.of(a)) else a for a in to_backend(list(sample.args))]
    composed = Op(op.compose, op.rule, None, tuple(op.parameters[i] for i in op.tensors), native=False)
    composed.name = "only-composed"  # no backend has a function of that name
    agree(composed(*args, **sample.kwargs), host(op(*args, **sample.kwargs)), rtol, atol)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.jit and first_float(s) is not None], ids=lambda s: s.name)
def test_vmap(sample: Sample) -> None:
    """Over two copies of an argument, the results are two copies of the result."""
    place = first_float(sample)
    assert place is not None
    args, kwargs = to_backend(list(sample.args)), to_backend(dict(sample.kwargs))

    def fn(x: Any) -> Any:
        return find(sample.name)(*args[:place], x, *args[place + 1 :], **kwargs)

    x = args[place]
    expected = host(fn(x))
    found = host(autodiff.vmap(fn)(ops.stack([x, x])))
    for f, e in zip(found, expected, strict=True):
        assert f.shape == (2, *e.shape) and f.dtype == e.dtype
        np.testing.assert_allclose(f, np.stack([e, e]), rtol=1e-4, atol=1e-5)


KINDS = [k for k in dtypes.KIND if k not in ("int4", "int64", "uint64", "float64", "complex128") and "float8" not in k]
ORDERLESS = ("bool", "complex64")  # which have no differences, or no order, or make matrices singular


# division of whole numbers by zeros, real numbers out of complex ones, and sizes that depend on the type
NOT_BY_TYPE = ("mod", "fmod", "floor_divide", "svd", "view")


def one_sample_an_op() -> list[Sample]:
    found = {
        s.name: s for s in reversed(SAMPLES) if s.jit and any(is_array(a) and a.dtype == "float32" for a in s.args)
    }
    return [s for s in reversed(found.values()) if s.name not in NOT_BY_TYPE]


@pytest.mark.parametrize("kind", KINDS)
def test_types_of_one(kind: str) -> None:
    """The type of the result is that of the description, and what is refused is refused as a wrong type."""
    engine = backends.current()
    wrong = []
    for sample in one_sample_an_op():
        args = [
            ops.cast(ops.convert_to_tensor(a), kind) if is_array(a) and a.dtype == "float32" else a for a in sample.args
        ]
        args = to_backend(args)
        places = [i for i, a in enumerate(args) if ops.is_tensor(a)]
        symbols = [symbol_like(a) if i in places else a for i, a in enumerate(args)]

        def run(*arrays: Any, sample: Sample = sample, args: Any = args, places: Any = places) -> Any:
            given = list(args)
            for i, array in zip(places, arrays, strict=True):
                given[i] = array
            return tree.flatten(find(sample.name)(*given, **sample.kwargs))

        try:
            if engine.name == "jax":  # which compiles whatever it computes
                found = [
                    d for _, d in engine.abstract(run, [(tuple(args[i].shape), dtypes.of(args[i])) for i in places])
                ]
            else:
                with np.errstate(all="ignore"):
                    found = [dtypes.of(y) for y in run(*(args[i] for i in places))]
            said = [s.dtype for s in tree.flatten(find(sample.name)(*symbols, **sample.kwargs))]
        except (TypeError, ValueError) as error:
            if kind not in ORDERLESS:
                wrong.append(f"{sample.name}: {error!r:.100}")
            continue
        if said != found:
            wrong.append(f"{sample.name}: said {said}, found {found}")
    assert not wrong, "\n".join(wrong)


def symbol_like(x: Any) -> Any:
    return KerasTensor(tuple(x.shape), dtypes.of(x), record_history=False)


BINARY = [
    "add",
    "multiply",
    "maximum",
    "power",
    "equal",
    "less",
    "logical_and",
    "divide",
    "where",
    "arctan2",
    "matmul",
    "floor_divide",
]


@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("name", BINARY)
def test_types_of_pairs(name: str, left: str) -> None:
    ones = ops.cast(ops.ones((2, 2)), left)
    for right in KINDS:
        if "complex64" in (left, right) and name not in ("add", "multiply", "equal", "divide", "where"):
            continue
        if name == "add" and left == right == "bool":
            continue
        other = ops.cast(ops.ones((2, 2)), right)
        args = (True, ones, other) if name == "where" else (ones, other)
        symbols = [KerasTensor((2, 2), a, record_history=False) for a in (left, right)]
        said = find(name)(*((True, *symbols) if name == "where" else symbols))
        found = find(name)(*args)
        assert dtypes.of(found) == said.dtype, (left, right)
        expected = {"add": 2, "matmul": 2, "arctan2": np.pi / 4}.get(name, name != "less")
        if not (name == "matmul" and said.dtype == "bool"):
            np.testing.assert_allclose(
                np.asarray(ops.convert_to_numpy(ops.cast(ops.real(found), "float32"))), expected, rtol=1e-2
            )


def test_every_operation_has_a_row() -> None:
    import importlib

    mine = [
        "elementwise",
        "comparison",
        "reduction",
        "shaping",
        "creation",
        "indexing",
        "products",
        "statistics",
        "linalg",
        "segment",
        "views",
    ]
    listed = {name for family in mine for name in ops.FAMILIES[family].split()}
    elsewhere = {"eig", "eigh", "qr", "empty", "empty_like", "argpartition"}  # see test_others.py
    for family in mine:
        importlib.import_module(f"tahr.ops.{family}")
    assert listed - elsewhere <= {s.name for s in SAMPLES}
    assert {n for n in listed if n in OPERATIONS}
