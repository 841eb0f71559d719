"""The backend's own normalizations against the same formulas said with operations: values and gradients."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import backends, ops
from tahr.ops.declare import Op
from tahr.ops.normalization import batch_normalization, layer_normalization, normalize_batch

RANDOM = np.random.default_rng(4)
CONSTANT = RANDOM.normal(size=(4, 4, 3)).astype("float32")
CONSTANT[..., 1] = 0.5
# (what is normalised, the axis of its channels)
BATCHES: dict[str, Any] = {
    "last axis": (RANDOM.normal(3, 2, (5, 4, 3)), -1),
    "first axis": (RANDOM.normal(size=(3, 6)), 0),
    "channels first": (RANDOM.normal(size=(5, 3, 4, 2)), 1),
    "a constant channel": (CONSTANT, -1),
    "small beside epsilon": (RANDOM.normal(size=(64, 3)) * 1e-3, -1),
    "large": (RANDOM.normal(1e3, 1e2, (64, 3)), -1),
    "one value a channel": (RANDOM.normal(size=(1, 3)), -1),
}
# (shape, the axes)
LAYERS: dict[str, Any] = {
    "last axis": ((5, 4, 3), -1),
    "middle axis": ((5, 3, 4), 1),
    "two axes": ((5, 4, 3), (1, 2)),
    "axes apart": ((5, 4, 3), (0, 2)),
    "one value": ((5, 1), -1),
}


def composed(op: Any) -> Op:
    made = Op(op.compose, op.rule, None, tuple(op.parameters[i] for i in op.tensors), native=False)
    made.name = "only-composed"  # no backend has a function of that name
    return made


def agree(op: Any, arrays: list[Any], options: dict[str, Any], dtype: str) -> None:
    """Compare results, and the gradients of a function of them, with those of the composition in float32."""
    rtol, atol = {"float32": (2e-4, 2e-5), "bfloat16": (4e-2, 4e-2)}[dtype]
    arrays = [ops.convert_to_tensor(a, dtype) for a in arrays]
    exact = [ops.cast(a, "float32") for a in arrays]

    def loss(given: list[Any], run: Any) -> Any:
        found = run(given[0], options["axis"], *given[1:]) if op is normalize_batch else run(*given, **options)
        found = list(found) if isinstance(found, (tuple, list)) else [found]
        return ops.sum(ops.sin(ops.cast(found[0], "float32")) ** 2), found

    def host(values: list[Any]) -> list[np.ndarray]:
        return [ops.convert_to_numpy(ops.cast(v, "float32")) for v in values]

    both = []
    for run, given in ((op, arrays), (composed(op), exact)):
        if backends.current().trains:
            (_, found), slopes = backends.current().value_and_grad(lambda x, r=run: loss(x, r))(given)
        else:
            (_, found), slopes = loss(given, run), []
        assert all(ops.dtype(v) == ops.dtype(given[0]) for v in found)
        both.append(host(found) + host(slopes))
    for one, other in zip(*both, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol * max(1.0, float(np.abs(other).max())))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", BATCHES)
def test_batch(kind: str, dtype: str) -> None:
    x, axis = BATCHES[kind]
    scale, offset = np.random.default_rng(5).normal(size=(2, x.shape[axis]))
    if dtype == "bfloat16":  # whose three digits leave none for what differs little
        x = {"large": x / 100 - 8, "small beside epsilon": 10 * x}.get(kind, x)
    agree(normalize_batch, [x, offset, scale], {"axis": axis}, dtype)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("weighted", [(), ("offset",), ("scale",), ("offset", "scale")], ids="-".join)
@pytest.mark.parametrize("kind", BATCHES)
def test_batch_by_given_statistics_without_gradients(kind: str, weighted: tuple[str, ...], dtype: str) -> None:
    x, axis = BATCHES[kind]
    draw = np.random.default_rng(6)
    size = x.shape[axis]
    given = [x / max(1.0, float(np.abs(x).max()) / 8), draw.normal(size=size), draw.uniform(0.5, 2, size)]
    arrays = [ops.convert_to_tensor(a, dtype) for a in given]
    vectors = {name: ops.convert_to_tensor(draw.normal(size=size), dtype) for name in weighted}
    with backends.current().no_grad():
        found = batch_normalization(*arrays, axis, **vectors)
        exact = composed(batch_normalization)(
            *(ops.cast(a, "float32") for a in arrays), axis, **{n: ops.cast(v, "float32") for n, v in vectors.items()}
        )
        with pytest.raises(ValueError, match="expected variance of shape"):
            batch_normalization(arrays[0], arrays[1], ops.ones(size + 2, dtype), axis)
    assert ops.dtype(found) == dtype
    rtol, atol = {"float32": (2e-5, 2e-5), "bfloat16": (1e-2, 4e-2)}[dtype]
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(found, "float32")), ops.convert_to_numpy(exact), rtol=rtol, atol=atol
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", LAYERS)
def test_layer(kind: str, dtype: str) -> None:
    shape, axis = LAYERS[kind]
    axes, random = (axis,) if isinstance(axis, int) else axis, np.random.default_rng(5)
    weights = [random.normal(size=[shape[a] for a in axes]) for _ in range(2)]
    if kind in ("middle axis", "axes apart"):
        weights = [w.reshape([n if i in axes else 1 for i, n in enumerate(shape)]) for w in weights]
    agree(layer_normalization, [random.normal(2, 3, shape), *weights], {"axis": axis, "epsilon": 1e-3}, dtype)


def test_an_empty_batch() -> None:
    """Keeps its shape, and is refused where its statistics would make the moving ones NaN."""
    empty = np.zeros((0, 3), "float32")
    layer = keras.layers.BatchNormalization(name="norm")
    assert layer(empty).shape == (0, 3)
    with pytest.raises(ValueError, match=r"norm.*expected a batch to take mean and variance of"):
        layer(empty, training=True)
    assert layer.moving_variance.numpy().tolist() == [1, 1, 1]
    assert keras.layers.LayerNormalization()(empty).shape == (0, 3)


def test_in_double_precision() -> None:
    x = np.random.default_rng(5).normal(size=(6, 3))
    keras.config.set_floatx("float64")
    try:
        found = ops.convert_to_numpy(keras.layers.BatchNormalization(epsilon=1e-12)(x, training=True))
    finally:
        keras.config.set_floatx("float32")
    exact = 1e-12 if found.dtype == np.float64 else 1e-5  # JAX has doubles only where its own switch is on
    np.testing.assert_allclose(found, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-12), rtol=exact, atol=exact)
