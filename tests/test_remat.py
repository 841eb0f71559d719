"""Rematerialization: the same results and gradients, fewer kept values, and state that changes once."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import backends, layers, losses, ops

X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


def host(x: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(x))


def network(scope: keras.RematScope | None) -> keras.Sequential:
    keras.utils.set_random_seed(1)
    if scope is None:
        scope = keras.RematScope(None)
    with scope:
        return keras.Sequential(
            [
                layers.Input((3,)),
                layers.Dense(5, activation="tanh", kernel_regularizer="l2", name="first"),
                layers.BatchNormalization(),
                layers.Dropout(0.5, seed=3),
                layers.ActivityRegularization(l2=0.1),
                layers.Activation("gelu"),
                layers.Dense(2, name="last"),
            ]
        )


def loss_and_gradients(model: Any, scope: Any = None) -> list[np.ndarray]:
    def objective() -> Any:
        return ops.sum(model(ops.array(X), training=True) ** 2)

    value, gradients = keras.value_and_grad(objective, model.trainable_variables)()
    return [host(value), *map(host, gradients), *(host(v.value) for v in model.non_trainable_variables)]


SCOPES = {
    "full": {"mode": "full"},
    "activations": {"mode": "activations"},
    "larger": {"mode": "larger_than", "output_size_threshold": 10},
    "list": {"mode": "list_of_layers", "layer_names": ["first"]},
    "none": {"mode": None},
}


@pytest.mark.trains
@pytest.mark.parametrize("name", SCOPES)
def test_same_gradients_and_state(name: str) -> None:
    plain, ours = network(None), network(keras.RematScope(**SCOPES[name]))
    for _ in range(2):  # the second step draws other numbers, from the state that the first one left
        for f, e in zip(loss_and_gradients(ours), loss_and_gradients(plain), strict=True):
            np.testing.assert_allclose(f, e, rtol=5e-5, atol=1e-6)


@pytest.mark.trains
def test_fits_and_trains_the_same() -> None:
    found = []
    for scope in (None, keras.RematScope()):
        model = network(scope)
        model.compile("sgd", losses.MeanSquaredError())
        found.append(model.fit(X, X[:, :2], epochs=2, batch_size=2, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


@pytest.mark.trains
def test_a_scope_around_the_call_counts_too() -> None:
    runs: list[str] = []

    class Noted(layers.Layer):
        def call(self, x: Any) -> Any:
            runs.append("call")
            return ops.tanh(x)

    layer = Noted()
    with keras.RematScope():
        gradient = keras.grad(lambda x: ops.sum(layer(x)))(ops.array(X))
    np.testing.assert_allclose(host(gradient), 1 - np.tanh(X) ** 2, rtol=1e-4, atol=1e-6)
    if backends.current().name == "torch":  # which runs the layer again itself; a compiler keeps the recipe instead
        assert runs == ["call", "call"]


@pytest.mark.trains
def test_keeps_fewer_arrays() -> None:
    """What the gradient waits with is the input alone, not the values in between."""

    def count(f: Any) -> int:
        if backends.current().name == "jax":
            import jax

            return len(jax.tree.leaves(jax.vjp(f, ops.ones((3,)))[1]))
        import torch

        kept: list[int] = []
        x = torch.ones((3,), requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(1) or t, lambda t: t):
            f(x).sum()
        return len(kept)

    def deep(x: Any) -> Any:
        for _ in range(5):
            x = ops.sin(x) * x
        return x

    def times_computed(f: Any) -> int:
        import tensorflow as tf

        traced = tf.function(keras.grad(lambda x: ops.sum(f(x))), autograph=False)
        graph = traced.get_concrete_function(tf.TensorSpec((3,))).graph.as_graph_def()
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        return sum(node.op == "Sin" for node in nodes)

    if backends.current().name == "tensorflow":  # which does not tell what a tape keeps
        assert times_computed(keras.remat(deep)) >= 2 * times_computed(deep)
    else:
        assert count(keras.remat(deep)) < count(deep) / 2


def test_functions_with_other_arguments() -> None:
    f = keras.remat(lambda x, power, flag=False: {"y": [x**power, None], "flag": flag})
    found = f(ops.array(X), 2, flag=True)
    np.testing.assert_allclose(host(found["y"][0]), X**2, rtol=1e-6)
    assert found["y"][1] is None and found["flag"] is True
    assert f(keras.KerasTensor((None, 3)), 2)["y"][0].shape == (None, 3)


def test_errors() -> None:
    with pytest.raises(ValueError, match="expected mode"):
        keras.RematScope("some")
    with pytest.raises(TypeError, match="expected a function"):
        keras.remat(3)  # type: ignore[arg-type]
