"""Derivatives of functions, layers and models against known results, one in the other, and their errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import backends, dtypes, layers, ops, tree

X = np.array([0.5, -1.0, 2.0], "float32")
W = np.arange(6, dtype="float32").reshape(2, 3) / 4 - 0.5
E = np.eye(3, dtype="float32")


def host(structure: Any) -> Any:
    return tree.map_structure(lambda x: np.asarray(ops.convert_to_numpy(x)), structure)


def close(found: Any, expected: Any, rtol: float = 1e-4) -> None:
    tree.assert_same_structure(found, expected)
    for f, e in zip(tree.flatten(host(found)), tree.flatten(expected), strict=True):
        assert f.shape == np.shape(e)
        np.testing.assert_allclose(f, e, rtol=rtol, atol=1e-5)


def cubes(x: Any) -> Any:
    return ops.sum(x**3)


# (what to compute, its arguments, what comes out)
DERIVATIVES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Any]] = {
    "grad": (keras.grad(cubes), (X,), 3 * X**2),
    "grad of a structure": (
        keras.grad(lambda p: ops.sum(p["a"] * p["b"][0])),
        ({"a": X, "b": [2 * X]},),
        {"a": 2 * X, "b": [X]},
    ),
    "grad of what is not used": (keras.grad(lambda p: ops.sum(p[0])), ([X, W],), [np.ones(3), np.zeros((2, 3))]),
    "grad beside other arguments": (
        keras.grad(lambda x, y, power: ops.sum(x**power * y)),
        (X, W[0], 2),
        2 * X * W[0],
    ),
    "value and aux": (
        keras.value_and_grad(lambda x: (ops.sum(x), {"twice": 2 * x}), has_aux=True),
        (X,),
        ((X.sum(), {"twice": 2 * X}), np.ones(3)),
    ),
    "grad of grad": (keras.grad(lambda x: ops.sum(keras.grad(cubes)(x) ** 2)), (X,), 36 * X**3),
    "three deep": (keras.grad(keras.grad(keras.grad(lambda x: x**4))), (np.float32(2),), 48.0),
    "no confusion of derivatives": (keras.grad(lambda x: x * keras.grad(lambda y: x * y)(x)), (np.float32(3),), 6.0),
    "hessian": (keras.hessian(cubes), (X,), np.diag(6 * X)),
    "hessian of a structure": (
        keras.hessian(lambda p: ops.sum(p["a"] ** 2 * p["b"])),
        ({"a": X, "b": W[0]},),
        {"a": {"a": np.diag(2 * W[0]), "b": np.diag(2 * X)}, "b": {"a": np.diag(2 * X), "b": np.zeros((3, 3))}},
    ),
    "jacobian": (keras.jacobian(lambda x: ops.matmul(W, x)), (X,), W),
    "jacobian of several results": (
        keras.jacobian(lambda x: (x * x, {"sum": ops.sum(x)})),
        (X,),
        (np.diag(2 * X), {"sum": np.ones(3)}),
    ),
    "jacobian of a matrix": (
        keras.jacobian(lambda w: ops.matmul(w, X)),
        (W,),
        np.einsum("ij,k->ijk", np.eye(2), X),
    ),
    "jacobian of nothing": (keras.jacobian(lambda x: x[:0]), (X,), np.zeros((0, 3))),
    "jacobian of jacobian": (
        keras.jacobian(keras.jacobian(lambda x: x**3)),
        (X,),
        6 * np.einsum("i,ij,ik->ijk", X, E, E),
    ),
    "jvp": (lambda x: keras.jvp(lambda y: y**2, (x,), (W[0],)), (X,), (X**2, 2 * X * W[0])),
    "jvp of a structure": (
        lambda x: keras.jvp(lambda p: {"y": p["a"] * p["b"]}, ({"a": x, "b": x},), ({"a": x, "b": 0 * x},)),
        (X,),
        ({"y": X**2}, {"y": X**2}),
    ),
    "jvp of grad": (lambda x: keras.jvp(keras.grad(cubes), (x,), (W[0],))[1], (X,), 6 * X * W[0]),
    "grad of jvp": (lambda x: keras.grad(lambda y: ops.sum(keras.jvp(cubes, (y,), (x,))[1]))(x), (X,), 6 * X * X),
    "jvp with aux": (
        lambda x: keras.jvp(lambda y: (y * y, y + 1), (x,), (x,), has_aux=True),
        (X,),
        (X**2, 2 * X**2, X + 1),
    ),
    "vjp": (
        lambda x: keras.vjp(lambda y, z: ops.sum(y * z), x, W)[1](ops.array(2.0)),
        (X,),
        (2 * W.sum(0), 2 * W * 0 + 2 * X),
    ),
    "vjp with aux": (
        lambda x: (lambda value, pull, aux: (value, pull(x), aux))(
            *keras.vjp(lambda y: (y**2, ["a", y]), x, has_aux=True)
        )[:2],
        (X,),
        (X**2, (2 * X**2,)),
    ),
    "vjp of a structure": (
        lambda x: keras.vjp(lambda y: {"b": y, "c": (2 * y,)}, x)[1]({"b": x, "c": (x,)}),
        (X,),
        (3 * X,),
    ),
    "vjp under vmap": (
        lambda w: keras.vmap(lambda row: keras.vjp(lambda y: y**2, row)[1](row)[0])(w),
        (W,),
        2 * W**2,
    ),
    "gradient of each row": (keras.vmap(keras.grad(cubes)), (W,), 3 * W**2),
    "hessian of each row": (keras.vmap(keras.hessian(cubes)), (W,), np.einsum("ri,ij->rij", 6 * W, E)),
    "grad of vmap": (keras.grad(lambda w: ops.sum(keras.vmap(cubes)(w) ** 2)), (W,), 6 * (W**3).sum(1)[:, None] * W**2),
    "own gradient": (
        lambda x: keras.grad(lambda y: ops.sum(ops.custom_gradient(lambda z: (z * z, lambda g: 10 * g))(y)))(x),
        (X,),
        np.full(3, 10),
    ),
    "own gradient inside a gradient": (
        lambda x: keras.grad(
            lambda y: ops.sum(keras.grad(lambda z: ops.sum(ops.custom_gradient(lambda t: (t, lambda g: g * y))(z)))(y))
        )(x),
        (X,),
        np.ones(3),
    ),
    "own gradient of each row": (
        keras.vmap(keras.grad(lambda x: ops.sum(ops.custom_gradient(lambda t: (t, lambda g: g * 3.0))(x)))),
        (W,),
        np.full((2, 3), 3),
    ),
    "remat inside a gradient": (
        keras.grad(lambda x: ops.sum(keras.grad(ops.rematerialization(cubes))(x))),
        (X,),
        6 * X,
    ),
    "constants": (keras.grad(lambda x: ops.sum(x * ops.stop_gradient(x))), (X,), X),
    "a constant inside": (
        keras.grad(lambda x: keras.grad(lambda y: ops.sum(y**2 * ops.stop_gradient(y)))(x)[2]),
        (X,),
        np.array([0, 0, 2 * X[2]]),
    ),
}


@pytest.mark.trains
@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives(name: str) -> None:
    run, args, expected = DERIVATIVES[name]
    given = tree.map_structure(lambda x: ops.array(x) if isinstance(x, (np.ndarray, np.generic)) else x, list(args))
    close(run(*given), expected)


# (function, in_axes, out_axes, arguments, NumPy's result)
MAPS: dict[str, tuple[Callable[..., Any], Any, int, tuple[Any, ...], Any]] = {
    "rows": (ops.sum, 0, 0, (W,), W.sum(1)),
    "columns": (ops.sum, 1, 0, (W,), W.sum(0)),
    "last axis": (ops.sum, -1, 0, (W,), W.sum(0)),
    "one for all": (ops.multiply, (0, None), 0, (W, X), W * X),
    "each its own": (lambda a, b: a - b, (0, 1), 0, (W, W.T.copy()), W * 0),
    "results behind": (lambda x: 2 * x, 0, 1, (W,), 2 * W.T),
    "structures": (
        lambda p, q: {"sum": p["a"] + q, "all": [p["a"]]},
        0,
        0,
        ({"a": W}, W),
        {"sum": 2 * W, "all": [W]},
    ),
    "constants": (lambda x: ops.ones((2,)), 0, 0, (W,), np.ones((2, 2))),
    "numbers": (lambda x: 1.0, 0, 0, (W,), np.ones(2)),
    "whole numbers": (lambda i: ops.take(ops.array(X), i), 0, 0, (np.array([2, 0], "int32"),), X[[2, 0]]),
    "updates of slices": (
        lambda x: ops.slice_update(ops.zeros((3,)), (1,), x[:2]),
        0,
        0,
        (W,),
        np.concatenate([np.zeros((2, 1)), W[:, :2]], 1),
    ),
    "one in the other": (
        lambda a, b: keras.vmap(lambda p: keras.vmap(ops.multiply, (0, None))(b, p))(a),
        (0, None),
        0,
        (W, X),
        W[:, :, None] * X,
    ),
}


@pytest.mark.parametrize("name", MAPS)
def test_vmap(name: str) -> None:
    run, in_axes, out_axes, args, expected = MAPS[name]
    given = tree.map_structure(ops.array, list(args))
    close(keras.vmap(run, in_axes, out_axes)(*given), expected)


@pytest.mark.trains
def test_derivatives_keep_types() -> None:
    half = ops.array(X, "float16")
    assert dtypes.of(keras.grad(cubes)(half)) == dtypes.of(keras.jacobian(ops.square)(half)) == "float16"


# ---- layers and models --------------------------------------------------------------------------------------------


def small_model() -> keras.Sequential:
    model = keras.Sequential(
        [layers.Input((3,)), layers.Dense(4, activation="tanh"), layers.BatchNormalization(), layers.Dense(2)]
    )
    keras.utils.set_random_seed(0)
    return model


@pytest.mark.trains
def test_jacobian_of_a_model_by_its_input() -> None:
    model = small_model()
    x, step = W, 1e-2
    found = host(keras.jacobian(lambda one: model(one[None])[0])(ops.array(x[0])))
    slopes = [
        (host(model(ops.array(x[:1] + step * e)))[0] - host(model(ops.array(x[:1] - step * e)))[0]) / (2 * step)
        for e in E
    ]
    np.testing.assert_allclose(found, np.stack(slopes, 1), atol=1e-3)


@pytest.mark.trains
def test_derivatives_by_variables() -> None:
    layer = layers.Dense(2)
    layer.build((None, 3))
    kernel, bias = host([v.value for v in layer.trainable_variables])
    by_kernel, by_bias = keras.jacobian(layer, layer.trainable_variables)(ops.array(W))
    close(by_kernel, np.einsum("ni,jk->njik", W, np.eye(2)))
    close(by_bias, np.einsum("n,jk->njk", np.ones(2), np.eye(2)))
    second = keras.hessian(lambda: ops.sum(layer(ops.array(W)) ** 2) / 2, layer.trainable_variables)()
    close(second[1][1], len(W) * np.eye(2))
    close(second[0][1], np.einsum("i,jk->ijk", W.sum(0), np.eye(2)))
    close([v.value for v in layer.trainable_variables], [kernel, bias])  # and they are as they were


@pytest.mark.trains
def test_gradient_penalty() -> None:
    """The gradient of a network's slope by its weights, as critics of generative networks need it."""
    layer = layers.Dense(1, activation="tanh")
    layer.build((None, 3))

    def penalty() -> Any:
        slopes = keras.grad(lambda x: ops.sum(layer(x)))(ops.array(W))
        return ops.sum(slopes**2)

    found = host(keras.grad(penalty, layer.trainable_variables)())
    kernel, bias = host([v.value for v in layer.trainable_variables])

    def value(k: Any, b: Any) -> float:
        return float((((1 - np.tanh(W @ k + b) ** 2) * k[:, 0]) ** 2).sum())

    step = 1e-4
    kernel, bias = kernel.astype("float64"), bias.astype("float64")
    for i in range(3):
        e = step * np.eye(3)[:, i : i + 1]
        assert found[0][i, 0] == pytest.approx(
            (value(kernel + e, bias) - value(kernel - e, bias)) / (2 * step), rel=1e-2, abs=1e-3
        )
    assert found[1][0] == pytest.approx(
        (value(kernel, bias + step) - value(kernel, bias - step)) / (2 * step), rel=1e-2, abs=1e-3
    )


@pytest.mark.trains
def test_gradient_of_each_sample_of_a_model() -> None:
    model = small_model()
    weights = model.trainable_variables

    def loss(x: Any) -> Any:
        return ops.sum(model(x[None]) ** 2)

    each = keras.vmap(lambda x: keras.grad(loss, weights)(x))(ops.array(W))
    for i, row in enumerate(W):
        alone = keras.grad(loss, weights)(ops.array(row))
        close([g[i] for g in each], host(alone))


RUNS = {
    "value_and_grad": lambda fun, x: keras.value_and_grad(lambda y: ops.sum(fun(y)))(x),
    "vjp": lambda fun, x: keras.vjp(fun, x),
    "jvp": lambda fun, x: keras.jvp(fun, (x,), (x,)),
    "jacobian": lambda fun, x: keras.jacobian(fun)(x),
}


@pytest.mark.trains
@pytest.mark.parametrize("name", RUNS)
def test_moving_statistics_are_kept_once(name: str) -> None:
    layer = layers.BatchNormalization(momentum=0.9)
    layer.build((None, 3))
    RUNS[name](lambda x: layer(x, training=True), ops.array(W))
    close(layer.moving_mean.value, 0.1 * W.mean(0))


def test_vmap_keeps_what_elements_have_in_common() -> None:
    count, total = keras.Variable(0.0), keras.Variable(0.0)

    def counted(x: Any) -> Any:
        count.assign_add(1.0)
        return x

    def summed(x: Any) -> Any:
        total.assign_add(ops.sum(x))
        return x

    keras.vmap(counted)(ops.array(W))
    assert float(count) == 1.0
    with pytest.raises(ValueError, match="same value for all elements"):
        keras.vmap(summed)(ops.array(W))


# ---- errors -------------------------------------------------------------------------------------------------------

INTS = np.arange(3, dtype="int32")
REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "grad of a vector": (lambda: keras.grad(lambda x: x)(ops.array(X)), ValueError, "one scalar"),
    "grad of several": (lambda: keras.grad(lambda x: (ops.sum(x),) * 2)(ops.array(X)), ValueError, "one scalar"),
    "grad by whole numbers": (lambda: keras.grad(ops.sum)(ops.array(INTS)), TypeError, "floating-point"),
    "jacobian by whole numbers": (lambda: keras.jacobian(ops.abs)(ops.array(INTS)), TypeError, "floating-point"),
    "vjp by whole numbers": (lambda: keras.vjp(ops.abs, ops.array(INTS)), TypeError, "floating-point"),
    "no argument": (lambda: keras.grad(lambda: 1.0)(), TypeError, "neither"),
    "no function": (lambda: keras.grad(3)(ops.array(X)), TypeError, "expected a function"),  # type: ignore[arg-type]
    "no aux": (
        lambda: keras.value_and_grad(ops.sum, has_aux=True)(ops.array(X)),
        ValueError,
        r"\(value, aux\)",
    ),
    "jvp: number of tangents": (lambda: keras.jvp(ops.sum, (X,), ()), ValueError, "tangent for each"),
    "jvp: shape": (lambda: keras.jvp(ops.sum, (X,), (W,)), ValueError, "shapes of the primals"),
    "vjp: shape": (lambda: keras.vjp(ops.square, X)[1](ops.array(W)), ValueError, "result's shape"),
}


@pytest.mark.trains
@pytest.mark.parametrize("name", REFUSED)
def test_errors(name: str) -> None:
    call, kind, words = REFUSED[name]
    with pytest.raises(kind, match=words):
        call()


VMAP_REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "sizes": (lambda: keras.vmap(ops.add)(X, W), ValueError, "one size"),
    "all whole": (lambda: keras.vmap(ops.add, in_axes=None)(X, X), ValueError, "one size"),
    "axis": (lambda: keras.vmap(ops.sum, in_axes=2)(W), ValueError, "out of bounds"),
    "number of axes": (lambda: keras.vmap(ops.add, in_axes=(0,))(X, X), ValueError, "each of 2 arguments"),
}


@pytest.mark.parametrize("name", VMAP_REFUSED)
def test_vmap_errors(name: str) -> None:
    call, kind, words = VMAP_REFUSED[name]
    with pytest.raises(kind, match=words):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: keras.grad(cubes)(ops.array(X)),
        lambda: keras.jvp(cubes, (X,), (X,)),
        lambda: keras.vjp(cubes, X),
        lambda: keras.jacobian(cubes)(X),
    ],
    ids=["grad", "jvp", "vjp", "jacobian"],
)
def test_what_trains_nothing_says_so(call: Callable[[], Any]) -> None:
    if backends.current().trains:
        call()
        return
    with pytest.raises(NotImplementedError, match="TAHR_BACKEND=jax"):
        call()
