"""Sparse arrays: what they give equals what dense ones give, and what takes none says so, on every backend."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import tahr as keras
from tahr import KerasTensor, backends, layers, ops

D = np.array([[0, 1.5, 0, -2.0], [0, 0, 0, 0], [4.0, 0, 0, 0.25]], "float32")
E = np.array([[0, 0.5, 3.0, 2.0], [1.0, 0, 0, 0], [0, 0, 0, -1.0]], "float32")
W = np.arange(12, dtype="float32").reshape(4, 3) / 5 - 1
ROW = np.array([[1.0, 2.0, 0.5, 4.0]], "float32")
INTS = np.array([[1, 0, 3], [0, 2, 0]], "int32")

sparse_only = pytest.mark.skipif(not backends.current().has_sparse, reason="has no sparse arrays")


def sparse(x: np.ndarray) -> Any:
    """Return a sparse array of JAX, of what SciPy makes of a dense one."""
    return ops.convert_to_tensor(scipy.sparse.coo_array(x))


def is_sparse(x: Any) -> bool:
    return type(x).__name__ == "BCOO"


def host(x: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(x))


# (function of two arrays, whether the result is sparse for [both sparse, first sparse, second sparse])
CASES: dict[str, tuple[Callable[[Any, Any], Any], tuple[Any, Any, Any]]] = {
    "add": (ops.add, (True, False, False)),
    "subtract": (ops.subtract, (True, False, False)),
    "maximum": (ops.maximum, (True, False, False)),
    "minimum": (ops.minimum, (True, False, False)),
    "multiply": (ops.multiply, (True, True, True)),
    "divide": (lambda a, b: ops.divide(a, ops.array(E + 9)), (True, True, None)),
    "matmul": (lambda a, b: ops.matmul(a, ops.transpose(b)), (True, False, False)),
    "multiply a row": (lambda a, b: ops.multiply(a, ROW), (True, True, None)),
    "divide by a row": (lambda a, b: ops.divide(a, ROW), (True, True, None)),
    "multiply by a number": (lambda a, b: ops.multiply(a, 2), (True, True, None)),
    "number first": (lambda a, b: ops.multiply(2.5, a), (True, True, None)),
    "add a number": (lambda a, b: ops.add(a, 1), (False, False, None)),
    "matrix": (lambda a, b: ops.matmul(a, W), (False, False, None)),
    "vector": (lambda a, b: ops.matmul(a, ROW[0]), (False, False, None)),
    "matrix first": (lambda a, b: ops.matmul(W, a), (False, False, None)),
    "leaky_relu": (lambda a, b: ops.leaky_relu(a, negative_slope=0.3), (True, True, None)),
    "cast": (lambda a, b: ops.cast(a, "int32"), (True, True, None)),
    "half": (lambda a, b: ops.convert_to_tensor(a, "float16"), (True, True, None)),
    "transpose": (lambda a, b: ops.transpose(a), (True, True, None)),
    "reshape": (lambda a, b: ops.reshape(a, (2, -1)), (True, True, None)),
    "expand and squeeze": (lambda a, b: ops.squeeze(ops.expand_dims(a, (0, 2))), (True, True, None)),
    "concatenate": (lambda a, b: ops.concatenate([a, b], axis=-1), (True, False, False)),
    "sum": (lambda a, b: ops.sum(a, axis=0), (True, True, None)),
    "sum, kept": (lambda a, b: ops.sum(a, axis=-1, keepdims=True), (True, True, None)),
    "sum of all": (lambda a, b: ops.sum(a), (True, True, None)),
    "mean": (lambda a, b: ops.mean(a, axis=(0, 1), keepdims=True), (True, True, None)),
    "one row": (lambda a, b: ops.get_item(a, 2), (True, True, None)),
    "dense again": (lambda a, b: ops.convert_to_tensor(a, sparse=False), (False, False, None)),
}
ZERO_TO_ZERO = "abs arcsinh ceil erf expm1 floor gelu negative relu sign silu sin square tanh trunc copy"
ZERO_TO_OTHERS = "cos exp sigmoid softplus isfinite zeros_like ones_like"


def first(name: str) -> Callable[[Any, Any], Any]:
    return lambda a, b: getattr(ops, name)(a)


CASES.update({name: (first(name), (True, True, None)) for name in ZERO_TO_ZERO.split()})
CASES.update({name: (first(name), (False, False, None)) for name in ZERO_TO_OTHERS.split()})
SIDES = [(name, i) for name, (_, flags) in CASES.items() for i, flag in enumerate(flags) if flag is not None]


@sparse_only
@pytest.mark.parametrize(("name", "side"), SIDES)
def test_like_dense(name: str, side: int) -> None:
    run, flags = CASES[name]
    given = [sparse(x) if side in (0, i + 1) else ops.array(x) for i, x in enumerate((D, E))]
    found, expected = run(*given), run(ops.array(D), ops.array(E))
    assert is_sparse(found) == flags[side]
    assert ops.dtype(found) == ops.dtype(expected)
    np.testing.assert_allclose(host(found), host(expected), rtol=1e-5, atol=1e-6)
    if name in ("half", "copy", "dense again"):
        return
    symbols = [KerasTensor(x.shape, sparse=side in (0, i + 1), record_history=False) for i, x in enumerate((D, E))]
    said = run(*symbols)
    assert (said.shape, said.dtype, said.sparse) == (tuple(found.shape), ops.dtype(found), flags[side])


@sparse_only
def test_compiled() -> None:
    def fn(a: Any, b: Any) -> Any:
        return ops.matmul(ops.maximum(ops.tanh(a), b) / ROW, W), ops.sum(a * E, axis=0)

    compiled = backends.current().compile(fn)
    for f, e in zip(compiled(sparse(D), sparse(E)), fn(ops.array(D), ops.array(E)), strict=True):
        np.testing.assert_allclose(host(f), host(e), rtol=1e-5, atol=1e-6)


@sparse_only
def test_equal_places_count_together() -> None:
    twice = backends.current().sparse(ops.array([1.0, 2.0, 4.0]), ops.array([[0, 1], [0, 1], [1, 0]]), (2, 2))
    assert host(twice).tolist() == [[0, 3], [4, 0]]
    assert host(ops.square(twice)).tolist() == [[0, 9], [16, 0]]


@sparse_only
@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("name", ["one_hot", "multi_hot"])
def test_hot(name: str, axis: int) -> None:
    for numbers in (INTS, INTS[0], np.array([[5, -1, 1]], "int32")):
        if name == "multi_hot" and axis == 1 and numbers.ndim > 1:
            continue
        if axis > numbers.ndim:
            continue
        dense = getattr(ops, name)(numbers, 4, axis=axis, dtype="float32")
        found = getattr(ops, name)(numbers, 4, axis=axis, dtype="float32", sparse=True)
        assert is_sparse(found)
        np.testing.assert_array_equal(host(found), host(dense))


@sparse_only
@pytest.mark.parametrize("weights", [None, np.arange(6, dtype="float32").reshape(2, 3)])
def test_bincount(weights: Any) -> None:
    for part in (slice(None), 0):
        w = None if weights is None else weights[part]
        found = ops.bincount(INTS[part], w, minlength=5, sparse=True)
        assert is_sparse(found)
        np.testing.assert_array_equal(host(found), host(ops.bincount(INTS[part], w, minlength=5)))


@sparse_only
def test_layers_take_them() -> None:
    embedding, dense = layers.Embedding(4, 3), layers.Dense(2)
    np.testing.assert_allclose(host(embedding(sparse(INTS))), host(embedding(ops.array(INTS))))
    np.testing.assert_allclose(host(dense(sparse(D))), host(dense(ops.array(D))), rtol=1e-5)

    def loss(x: Any) -> Any:
        return ops.sum(dense(x) ** 2)

    found, expected = (keras.grad(loss, dense.trainable_variables)(x) for x in (sparse(D), ops.array(D)))
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(host(f), host(e), rtol=1e-5)


@sparse_only
def test_models_take_them() -> None:
    inputs = keras.Input((4,), sparse=True)
    assert inputs.sparse and ops.tanh(inputs).sparse and not ops.exp(inputs).sparse
    hidden = layers.Dense(3)(inputs * 2.0)
    assert not hidden.sparse and hidden.shape == (None, 3)
    model = keras.Model(inputs, hidden)
    np.testing.assert_allclose(host(model(sparse(D))), host(model(ops.array(D))), rtol=1e-5)


@sparse_only
def test_is_tensor_and_shape() -> None:
    x = sparse(D)
    assert ops.is_tensor(x) and ops.shape(x) == (3, 4) and ops.dtype(x) == "float32"
    np.testing.assert_array_equal(host(x), D)
    assert ops.convert_to_tensor(x) is x


REFUSE: dict[str, Callable[[Any], Any]] = {
    "softmax": ops.softmax,
    "cumsum": ops.cumsum,
    "sort": ops.sort,
    "max": ops.max,
    "power": lambda x: ops.power(x, 2),
    "equal": lambda x: ops.equal(x, x),
    "stack": lambda x: ops.stack([x, x]),
    "where": lambda x: ops.where(x, 1.0, 0.0),
    "einsum": lambda x: ops.einsum("ij,jk", x, W),
    "flip": lambda x: ops.flip(x),
}


@pytest.mark.parametrize("symbols", [False, True])
@pytest.mark.parametrize("name", REFUSE)
def test_what_takes_none_says_so(name: str, symbols: bool) -> None:
    if symbols:
        with pytest.raises(TypeError, match=r"sparse.*|dense"):
            REFUSE[name](KerasTensor((3, 4), sparse=True))
        return
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        REFUSE[name](sparse(D))


@pytest.mark.skipif(backends.current().has_sparse, reason="has sparse arrays")
def test_backends_without_them_say_so() -> None:
    with pytest.raises(TypeError, match=r"sparse .*TAHR_BACKEND=jax"):
        ops.add(scipy.sparse.coo_array(D), 1)
    with pytest.raises(NotImplementedError, match="TAHR_BACKEND=jax"):
        ops.one_hot(INTS, 4, sparse=True)
    with pytest.raises(NotImplementedError, match="TAHR_BACKEND=jax"):
        ops.bincount(INTS, sparse=True)
    with pytest.raises(ValueError, match="TAHR_BACKEND=jax"):
        keras.Input((4,), sparse=True)


@pytest.mark.skipif(backends.current().name != "torch", reason="is about torch's own sparse tensors")
def test_sparse_tensors_of_torch() -> None:
    with pytest.raises(TypeError, match=r"to_dense"):
        ops.convert_to_tensor(ops.array(D).to_sparse())
