"""On JAX, layers and models are pytrees, and their state goes through JAX's own transformations, on several devices."""

import copy
import os
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

jax: Any = pytest.importorskip("jax")

import tahr as keras  # noqa: E402
from tahr import config, layers, ops  # noqa: E402

pytestmark = [pytest.mark.trains, pytest.mark.skipif(config.backend() != "jax", reason="is about JAX")]
X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")


class Own(keras.Model):
    """A model in Python code, with a bound method and a plain object that hold layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = layers.Dense(4)
        self.table = {"last": [layers.Dense(1), self.first.add_loss]}

    def call(self, inputs: Any) -> Any:
        return self.table["last"][0](ops.tanh(self.first(inputs)))


def graph() -> Any:
    x = keras.Input((3,))
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(4, "tanh"), layers.BatchNormalization()])
    h = inner(x)
    return keras.Model(x, layers.Dense(1)(h + ops.sin(h)))


def lora() -> Any:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Dense(1)])
    model.layers[0].enable_lora(2)
    return model


MODELS = {"graph": graph, "own": Own, "lora": lora}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_a_tree(name: str) -> None:
    model = MODELS[name]()
    expected = np.asarray(model(X))
    leaves, form = jax.tree.flatten(model)
    assert [x.shape for x in leaves] == [v.shape for v in model.variables]
    other = jax.tree.unflatten(form, leaves)
    assert type(other) is type(model) and other is not model and jax.tree.structure(other) == form
    assert not {id(v) for v in other.variables} & {id(v) for v in model.variables}
    np.testing.assert_allclose(other(X), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda m, x: m(x))(model, X), expected, rtol=1e-5, atol=1e-6)
    zeros = jax.tree.map(lambda w: w * 0, model)
    np.testing.assert_array_equal(zeros(X), 0 * expected)
    np.testing.assert_array_equal(model(X), expected)
    slopes = jax.grad(lambda m: (m(X) ** 2).mean())(model)
    loss, theirs = keras.value_and_grad(lambda: ops.mean(model(X) ** 2), model.trainable_variables)()
    for mine, own in zip(slopes.trainable_variables, theirs, strict=True):
        np.testing.assert_allclose(mine.value, own, rtol=1e-4, atol=1e-6)
    better = jax.tree.map(lambda w, g: w - 0.01 * g, model, slopes)
    assert float(ops.mean(better(X) ** 2)) < float(loss)
    better.compile("sgd", "mse")
    assert better.fit(X, X[:, :1], verbose=0).history["loss"]
    np.testing.assert_array_equal(model(X), expected)


def test_state_that_changes_comes_back_in_the_model() -> None:
    model = keras.Sequential([keras.Input((3,)), layers.BatchNormalization(), layers.Dropout(0.5, seed=3)])

    @jax.jit
    def run(model: Any, x: Any) -> Any:
        return model(x, training=True), model

    first, after = run(model, X)
    second, last = run(after, X)
    assert step_count(run) == 1  # of one form, so nothing was compiled twice
    assert not np.array_equal(first, second)
    eager = copy.deepcopy(model)
    np.testing.assert_allclose(first, eager(X, training=True), rtol=1e-5)
    np.testing.assert_allclose(second, eager(X, training=True), rtol=1e-5)
    for mine, own in zip(last.variables, eager.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), own.numpy(), rtol=1e-5)
    assert not np.array_equal(model.variables[2].numpy(), last.variables[2].numpy())


def step_count(function: Any) -> int:
    return function._cache_size()


def test_freezing_is_another_form() -> None:
    model = lora()
    form = jax.tree.structure(model)
    assert jax.tree.structure(model) == form
    model.layers[1].trainable = False
    assert jax.tree.structure(model) != form
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(model)]
    assert paths == [f"['{v.path}']" for v in model.variables]


def test_optax_and_vmap() -> None:
    optax: Any = pytest.importorskip("optax")
    model = graph()
    optimizer = optax.adam(0.05)
    state = optimizer.init(model)

    @jax.jit
    def step(model: Any, state: Any) -> Any:
        loss, slopes = jax.value_and_grad(lambda m: ((m(X) - 2) ** 2).mean())(model)
        updates, state = optimizer.update(slopes, state)
        return optax.apply_updates(model, updates), state, loss

    losses = []
    for _ in range(30):
        model, state, loss = step(model, state)
        losses.append(float(loss))
    assert losses[-1] < 0.3 * losses[0]
    several = jax.tree.map(lambda w: np.stack([w, 0 * w]), model)  # an ensemble
    found = jax.vmap(lambda m: m(X))(several)
    np.testing.assert_allclose(found[0], model(X), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[1], 0 * found[1])


DEVICES = """
import jax, numpy as np, tahr as keras
from functools import partial
from jax.sharding import Mesh, PartitionSpec as P
keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
optimizer = keras.optimizers.Adam(0.1)
optimizer.build(model.trainable_variables)
values = lambda variables: [v.value for v in variables]
state = values(model.trainable_variables), values(model.non_trainable_variables), values(optimizer.variables)

def step(trainable, other, slots, x, mean=lambda g: g):
    def loss(trainable):
        out, new = model.stateless_call(trainable, other, x)
        return ((out - 1) ** 2).mean(), new
    (value, new), gradients = jax.value_and_grad(loss, has_aux=True)(trainable)
    trainable, slots = optimizer.stateless_apply(slots, [mean(g) for g in gradients], trainable)
    return trainable, new, slots, mean(value)

expected = jax.jit(step)(*state, x)
assert jax.device_count() == 4
average = partial(step, mean=partial(jax.lax.pmean, axis_name="d"))
by_pmap = jax.pmap(average, "d", in_axes=(None, None, None, 0))(*state, x.reshape(4, 2, 3))
mesh = Mesh(jax.devices(), ("d",))
by_map = jax.jit(jax.shard_map(average, mesh=mesh, in_specs=(P(), P(), P(), P("d")), out_specs=P(), check_vma=False))(
    *state, x)
for found, pick in ((by_pmap, 0), (by_map, ...)):
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        np.testing.assert_allclose(a, np.asarray(b)[pick], rtol=1e-4, atol=1e-5)
tree = jax.jit(jax.shard_map(lambda m, x: m(x), mesh=mesh, in_specs=(P(), P("d")), out_specs=P("d")))(model, x)
np.testing.assert_allclose(tree, model(x), rtol=1e-5, atol=1e-6)
many = jax.vmap(lambda x: model.stateless_call(state[0], state[1], x[None])[0][0])(x)
np.testing.assert_allclose(many, model(x), rtol=1e-5, atol=1e-6)
print("equal")
"""


@pytest.mark.slow
def test_several_devices() -> None:
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4", "TAHR_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(DEVICES)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.strip() == "equal", done.stderr[-2000:]
