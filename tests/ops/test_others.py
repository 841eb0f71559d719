"""What the table of samples cannot say: factors up to signs, control flow, own gradients, variables as arguments."""

from typing import Any

import numpy as np
import pytest

from tahr import KerasTensor, Variable, backends, dtypes, layers, ops, random
from tests.ops.samples import CUBE, SQUARE, A, V


def host(x: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(x))


def test_qr() -> None:
    for mode, width in (("reduced", 2), ("complete", 3)):
        q, r = map(host, ops.qr(ops.array(A.T), mode=mode))
        assert q.shape == (3, width)
        np.testing.assert_allclose(q @ r, A.T, atol=1e-5)
        np.testing.assert_allclose(q.T @ q, np.eye(width), atol=1e-5)


def test_svd() -> None:
    u, s, vh = map(host, ops.svd(ops.array(CUBE), full_matrices=False))
    np.testing.assert_allclose((u * s[:, None]) @ vh, CUBE, atol=1e-5)


def test_eigen() -> None:
    values, vectors = map(host, ops.eigh(ops.array(SQUARE)))
    np.testing.assert_allclose(vectors * values @ vectors.T, SQUARE, atol=1e-5)
    assert (np.diff(values) > 0).all()
    general = np.array([[0.0, 1.0], [-1.0, 0.5]], "float32")
    values, vectors = map(host, ops.eig(ops.array(general)))
    assert values.dtype == "complex64"
    np.testing.assert_allclose(general @ vectors, vectors * values, atol=1e-5)


def test_lu_of_many() -> None:
    many = np.stack([SQUARE, SQUARE[::-1]])
    lu, pivots = map(host, ops.lu_factor(ops.array(many)))
    for matrix, factors, swaps in zip(many, lu, pivots, strict=True):
        product = (np.tril(factors, -1) + np.eye(3)) @ np.triu(factors)
        for i in range(2, -1, -1):
            product[[i, swaps[i]]] = product[[swaps[i], i]]
        np.testing.assert_allclose(product, matrix, atol=1e-5)


def test_argpartition() -> None:
    order = host(ops.argpartition(ops.array(V), 2))
    ranked = V[order]
    assert ranked[2] == np.sort(V)[2] and ranked[:2].max() <= ranked[2] <= ranked[3:].min()


@pytest.mark.parametrize(
    "made", [lambda: ops.empty((2, 3), "int32"), lambda: ops.empty_like(ops.ones((2, 3), "int32"))]
)
def test_empty(made: Any) -> None:
    assert tuple(made().shape) == (2, 3) and dtypes.of(made()) == "int32"


# ---- control flow -------------------------------------------------------------------------------------------------


def test_branches_and_loops_compile() -> None:
    def fn(x: Any) -> Any:
        x = ops.cond(ops.sum(x) > 0, lambda: x * 2, lambda: x * 1)
        x = ops.fori_loop(0, 3, lambda i, v: v + ops.cast(i, "float32"), x)
        total, steps = ops.scan(lambda c, v: (c + v, c * v), ops.zeros(()), x)
        return ops.associative_scan(lambda a, b: a * b, x), total, steps, ops.vectorized_map(ops.square, x)

    compiled = backends.current().compile(fn)
    for start in (V, -V):
        x = start * (2 if start.sum() > 0 else 1) + 3
        found = [host(y) for y in compiled(ops.array(start))]
        carry = np.concatenate([[0], np.cumsum(x)[:-1]])
        for f, e in zip(found, [np.cumprod(x), x.sum(), carry * x, x * x], strict=True):
            np.testing.assert_allclose(f, e, rtol=1e-5)


@pytest.mark.parametrize("size", range(1, 10))
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan_of_structures(size: int, reverse: bool) -> None:
    a, b = (np.random.default_rng(size + i).normal(size=(2, size)).astype("float32") for i in range(2))

    def affine(f: Any, g: Any) -> Any:
        return f[0] * g[0], f[1] * g[0] + g[1]

    found = [host(x) for x in ops.associative_scan(affine, (ops.array(a), ops.array(b)), reverse=reverse, axis=1)]
    left, right = (x[:, ::-1] if reverse else x for x in (a, b))
    state, steps = (np.ones(2), np.zeros(2)), []
    for i in range(size):
        state = affine(state, (left[:, i], right[:, i]))
        steps.append(np.stack(state))
    expected = np.stack(steps, -1)
    np.testing.assert_allclose(np.stack(found), expected[..., ::-1] if reverse else expected, rtol=2e-4, atol=1e-5)


def test_while_loop_limits_and_structures() -> None:
    i, x = ops.while_loop(lambda i, x: i < 10, lambda i, x: [i + 2, x * 2.0], [0, ops.ones((2,))], maximum_iterations=3)
    assert int(host(i)) == 6 and host(x).tolist() == [8.0, 8.0]
    assert int(host(ops.while_loop(lambda i: i < 3, lambda i: i + 1, 0))) == 3


def test_scan_without_inputs_and_reversed() -> None:
    carry, ys = ops.scan(lambda c, _: (c * 2, c), ops.array(1.0), length=4)
    assert float(host(carry)) == 16 and host(ys).tolist() == [1, 2, 4, 8]
    carry, ys = ops.scan(lambda c, x: (c + x, c), ops.array(0.0), ops.array(V), reverse=True)
    np.testing.assert_allclose(host(ys), np.cumsum(V[::-1])[::-1] - V)


def test_switch_takes_the_nearest_branch() -> None:
    branches = [lambda x: x + 1, lambda x: x * 10]
    assert [int(host(ops.switch(i, branches, ops.array(3)))) for i in (-1, 0, 1, 7)] == [4, 4, 30, 30]


def test_vectorize() -> None:
    dot = ops.vectorize(lambda a, b: ops.sum(a * b), signature="(n),(n)->()")
    np.testing.assert_allclose(host(dot(CUBE, CUBE[0])), (CUBE * CUBE[0]).sum(-1), rtol=1e-5)
    scaled = ops.vectorize(lambda x, how: x * {"twice": 2}[how], excluded={"how"})
    assert host(scaled(ops.array(V), how="twice")).tolist() == (2 * V).tolist()


def test_symbols_through_control_flow() -> None:
    x = KerasTensor((None, 3))
    assert ops.cond(True, lambda: x, lambda: x).shape == (None, 3)
    assert ops.map(lambda row: ops.sum(row), x).shape == (None,)
    assert ops.fori_loop(0, 2, lambda i, v: v * 2, x).shape == (None, 3)
    carry, ys = ops.scan(lambda c, row: (c + row, ops.sum(row)), ops.zeros((3,)), x)
    assert carry.shape == (3,) and ys.shape == (None,)
    with pytest.raises(ValueError, match="same types and shapes"):
        ops.cond(KerasTensor(()), lambda: ops.ones((2,)), lambda: ops.ones((3, 1)))


# ---- gradients ----------------------------------------------------------------------------------------------------


def gradient(fn: Any, *arrays: np.ndarray) -> list[np.ndarray]:
    run = backends.current().value_and_grad(lambda xs: (fn(*xs), None))
    return [host(g) for g in run([ops.array(a) for a in arrays])[1]]


@pytest.mark.trains
def test_custom_gradient() -> None:
    @ops.custom_gradient
    def product(x: Any, y: Any) -> Any:
        return x * y, lambda upstream: (upstream * 10, upstream * 20)

    found = gradient(lambda x, y: ops.sum(product(x, y)), V, V)
    assert found[0].tolist() == [10] * 4 and found[1].tolist() == [20] * 4


@pytest.mark.trains
def test_rematerialization_keeps_the_gradient() -> None:
    inner = ops.rematerialization(lambda x: ops.sin(x) * x)
    np.testing.assert_allclose(gradient(lambda x: ops.sum(inner(x)), V)[0], np.cos(V) * V + np.sin(V), rtol=1e-5)


@pytest.mark.trains
def test_stop_gradient_and_jvp() -> None:
    assert gradient(lambda x: ops.sum(x * ops.stop_gradient(x)), V)[0].tolist() == V.tolist()
    value, tangent, aux = ops.jvp(lambda x: (x * x, x + 1), (ops.array(V),), (ops.ones((4,)),), has_aux=True)
    np.testing.assert_allclose([host(value), host(tangent), host(aux)], [V * V, 2 * V, V + 1])


@pytest.mark.trains
def test_rows_of_complex_tables_have_gradients() -> None:
    found = gradient(lambda x: ops.sum(ops.real(ops.take(ops.cast(x, "complex64"), [1, 0, 1], 0))), A)
    assert found[0].tolist() == [[1] * 3, [2] * 3]


EDGES = {
    "divide_no_nan": lambda x: ops.divide_no_nan(1.0, x),
    "sinc": ops.sinc,
    "norm": ops.norm,
    "cdist": lambda x: ops.cdist(x[None], x[None]),
    "logsumexp of -inf": lambda x: ops.logsumexp(ops.concatenate([x, ops.full((1,), -float("inf"))])),
    "hypot": lambda x: ops.sum(ops.where(x > 0, ops.hypot(x, x), 0)),
    "logaddexp": lambda x: ops.logaddexp(x, -1e4),
    "clip": lambda x: ops.clip(x, -1, 1),
    "fmax": lambda x: ops.fmax(x, 0.5),
}


@pytest.mark.trains
@pytest.mark.parametrize("name", EDGES)
def test_gradients_are_finite_at_edges(name: str) -> None:
    assert np.isfinite(gradient(lambda x: ops.sum(EDGES[name](x)), np.zeros(3, "float32"))[0]).all()


# ---- arguments of every kind --------------------------------------------------------------------------------------


def test_variables_and_lists_are_arguments() -> None:
    v = Variable(V)
    assert host(ops.convert_to_tensor(v)).tolist() == V.tolist()
    assert host(ops.add(v, v)).tolist() == (2 * V).tolist()
    assert host(ops.concatenate([v, V])).shape == (8,)
    assert host(ops.stack([v, ops.array(V)])).shape == (2, 4)
    assert host(ops.take(v, Variable([1, 0], dtype="int32"))).tolist() == V[[1, 0]].tolist()
    assert host(ops.convert_to_tensor([v, V])).shape == (2, 4)
    assert host(v[1:]).tolist() == V[1:].tolist()


@pytest.mark.parametrize(
    "key", [3, -1, slice(None, None, -1), slice(3, 0, -2), (Ellipsis, None), [True, False, True, False]]
)
def test_get_item(key: Any) -> None:
    assert host(ops.get_item(ops.array(V), np.array(key) if isinstance(key, list) else key)).tolist() == (
        V[np.array(key) if isinstance(key, list) else key].tolist()
    )


@pytest.mark.parametrize("strided", [V[::-1], A.T, CUBE[:, ::-2, 1:]], ids=["reversed", "transposed", "window"])
def test_arrays_of_any_layout(strided: np.ndarray) -> None:
    np.testing.assert_array_equal(host(ops.multiply(strided, 2)), strided * 2)


def test_sixty_four_bits_count_as_thirty_two() -> None:
    assert dtypes.of(ops.add(np.ones(2), 1)) == "float32"
    assert dtypes.of(ops.sum(np.ones(2, "int64"))) == "int32"
    assert dtypes.of(ops.cast(V, "float64")) == "float32"


def test_unsigned_numbers_wrap_around() -> None:
    top = np.array([2**32 - 1, 1], "uint32")
    assert host(ops.add(top, top)).tolist() == [2**32 - 2, 2]
    assert host(ops.sum(np.array([200, 100], "uint8"))).tolist() == 300


@pytest.mark.parametrize(
    ("given", "dtype", "expected"),
    [
        ([-5.0, 300.0, 7.9], "uint8", [0, 255, 7]),
        ([3e9, -3e9], "int32", [2147483520, -2147483648]),
        ([70000, -70000], "int16", [32767, -32768]),
        ([1e6, -1e6], "float16", [65504, -65504]),
    ],
)
def test_saturate_cast(given: Any, dtype: str, expected: Any) -> None:
    assert host(ops.saturate_cast(ops.array(given), dtype)).tolist() == expected


def test_random_sizes_of_symbols() -> None:
    """Draws whose shape holds an unknown size have one, inside of a layer's call."""

    class Noise(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.seeds = random.SeedGenerator(1)

        def call(self, x: Any) -> Any:
            return x + random.normal(ops.shape(x), seed=self.seeds) * random.uniform((ops.shape(x)[0], 1), seed=3)

    assert Noise()(KerasTensor((None, 4))).shape == (None, 4)
