"""Layers around JAX functions, Flax and PyTorch modules, and SavedModels: values, weights, training, files, errors."""

import importlib
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import config, layers, ops
from tahr.saving.errors import UnsafeFileError

on_jax = pytest.mark.skipif(config.backend() != "jax", reason="these layers run on JAX")
on_torch = pytest.mark.skipif(config.backend() != "torch", reason="this layer runs on PyTorch")
X = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
Y = X[:, :1] - X[:, 1:2]


def host(x: Any) -> np.ndarray:
    return ops.convert_to_numpy(x)


# ---- JAX -------------------------------------------------------------------------------------------------------------


def first(rng: Any, inputs: Any) -> Any:
    import jax

    return {"w": 0.1 * jax.random.normal(rng, (inputs.shape[-1], 1)), "b": np.zeros(1, "float32")}


def affine(params: Any, inputs: Any) -> Any:
    return inputs @ params["w"] + params["b"]


def counted(params: Any, state: Any, rng: Any, inputs: Any, training: bool) -> Any:
    import jax

    noise = jax.random.normal(rng, inputs.shape) if training else 0
    return affine(params, inputs + noise), {"calls": state["calls"] + 1}


def first_counted(rng: Any, inputs: Any) -> Any:
    return first(rng, inputs), {"calls": np.zeros((), "int32")}


@on_jax
def test_functions_have_weights_train_and_are_saved(tmp_path: Any) -> None:
    layer = layers.JaxLayer(affine, first, seed=1)
    model = keras.Sequential([keras.Input((3,)), layer])
    assert model.output_shape == (None, 1)
    assert [(w.shape, w.trainable) for w in layer.weights] == [((1,), True), ((3, 1), True)]
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(X, Y, epochs=40, verbose=0)
    assert model.evaluate(X, Y, verbose=0) < 0.05
    with keras.saving.custom_object_scope({"affine": affine, "first": first}):
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5)


@on_jax
def test_state_and_random_keys_move_on() -> None:
    layer = layers.JaxLayer(counted, first_counted, seed=1)
    one, two = host(layer(X, training=True)), host(layer(X, training=True))
    assert not np.allclose(one, two)
    np.testing.assert_allclose(host(layer(X)), host(layer(X)))
    assert [w.name for w in layer.trainable_weights] == ["variable", "variable"]
    assert int(layer.non_trainable_weights[0].numpy()) == 4
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=4, verbose=0)
    assert int(layer.non_trainable_weights[0].numpy()) == 8


@on_jax
def test_given_parameters_and_structures() -> None:
    layer = layers.JaxLayer(affine, params={"w": np.ones((3, 1), "float32"), "b": np.zeros(1, "float32")})
    np.testing.assert_allclose(host(layer(X)), X.sum(1, keepdims=True), rtol=1e-5)
    pair = layers.JaxLayer(lambda inputs: {"sum": inputs[0] + inputs[1], "first": inputs[0]})
    found = pair([X, X])
    np.testing.assert_allclose(host(found["sum"]), 2 * X)


@on_jax
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.JaxLayer(affine), ValueError, "one of init_fn, params and state"),
        (lambda: layers.JaxLayer(3, first), TypeError, "call_fn to be a function"),
        (lambda: layers.JaxLayer(lambda params, other, inputs: 0, first), ValueError, "'other', which nothing gives"),
        (lambda: layers.JaxLayer(lambda params: 0, first), ValueError, "to take `inputs`"),
        (lambda: layers.JaxLayer(counted, first)(X), ValueError, r"init_fn to return \(params, state\)"),
    ],
    ids=range(5),
)
def test_functions_that_do_not_fit_are_named(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@on_jax
def test_modules_of_flax() -> None:
    from flax import linen

    class Block(linen.Module):
        @linen.compact
        def __call__(self, x: Any, training: bool = False) -> Any:
            x = linen.BatchNorm(use_running_average=not training, momentum=0.9)(linen.Dense(4)(x))
            return linen.Dense(1)(linen.Dropout(0.1, deterministic=not training)(linen.relu(x)))

        def halved(self, x: Any, training: bool = False) -> Any:
            return self(x, training) / 2

    layer = layers.FlaxLayer(Block(), seed=0)
    model = keras.Sequential([keras.Input((3,)), layer])
    assert model.output_shape == (None, 1)
    assert (len(layer.trainable_weights), len(layer.non_trainable_weights)) == (6, 2)
    start = [w.numpy() for w in layer.non_trainable_weights]
    model.compile(keras.optimizers.Adam(0.05), "mse")
    before = model.evaluate(X, Y, verbose=0)
    model.fit(X, Y, epochs=15, verbose=0)
    assert model.evaluate(X, Y, verbose=0) < before
    assert not np.allclose(start[0], layer.non_trainable_weights[0].numpy())
    block: Any = Block()
    variables = block.init(np.zeros(2, "uint32"), X)
    plain = host(layers.FlaxLayer(Block(), variables=variables)(X))
    np.testing.assert_allclose(plain, np.asarray(block.apply(variables, X)), rtol=1e-5, atol=1e-6)
    for method in ("halved", lambda module, x: module(x) / 2):
        found = layers.FlaxLayer(Block(), method=method, variables=variables)(X)
        np.testing.assert_allclose(host(found), plain / 2, rtol=1e-5, atol=1e-6)


# ---- PyTorch ---------------------------------------------------------------------------------------------------------


def module() -> Any:
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(8, 1)
    )


@on_torch
def test_modules_train_with_the_model_and_keep_their_parameters(tmp_path: Any) -> None:
    import torch

    own = module()
    layer = layers.TorchModuleWrapper(own)
    model = keras.Sequential([keras.Input((3,)), layer])
    assert model.output_shape == (None, 1)
    assert (len(layer.trainable_weights), len(layer.non_trainable_weights)) == (6, 3)
    model.compile(keras.optimizers.Adam(0.05), "mse")
    before, mean = model.evaluate(X, Y, verbose=0), own[1].running_mean.clone()
    model.fit(X, Y, epochs=20, verbose=0)
    assert model.evaluate(X, Y, verbose=0) < before / 2
    assert not torch.equal(mean, own[1].running_mean)
    own.eval()
    np.testing.assert_allclose(own(torch.tensor(X)).detach().numpy(), model.predict(X, verbose=0), rtol=1e-4, atol=1e-5)
    model.save_weights(tmp_path / "w.weights.h5")
    other = layers.TorchModuleWrapper(module())
    again = keras.Sequential([keras.Input((3,)), other])
    again.load_weights(tmp_path / "w.weights.h5")
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5)
    held: dict[str, Any] = {}
    layer.save_own_variables(held)
    assert sorted(held) == sorted(own.state_dict())


@on_torch
def test_frozen_modules_and_modules_without_sizes_yet() -> None:
    import torch

    frozen = layers.TorchModuleWrapper(module())
    frozen.trainable = False
    assert frozen.trainable_weights == []
    lazy = layers.TorchModuleWrapper(torch.nn.LazyLinear(5), output_shape=(None, 5))
    model = keras.Sequential([keras.Input((3,)), lazy])
    assert model.output_shape == (None, 5) and [w.shape for w in lazy.weights] == [(5, 3), (5,)]
    assert lazy.compute_output_shape((7, 3)) == (None, 5)
    assert len(list(lazy.parameters())) == 2


@on_torch
def test_pickled_modules_are_refused() -> None:
    with pytest.raises(UnsafeFileError, match="pickled module"):
        layers.TorchModuleWrapper.from_config({"name": "a", "module": "gAJjdG9yY2g="})
    with pytest.raises(TypeError, match=r"torch\.nn\.Module"):
        layers.TorchModuleWrapper(3)
    with pytest.raises(TypeError, match="'module' cannot be part of a config"):
        layers.TorchModuleWrapper(module()).get_config()


# ---- other backends, SavedModels -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "make"),
    [("jax", lambda: layers.JaxLayer(affine, first)), ("torch", lambda: layers.TorchModuleWrapper(None))],
    ids=["jax", "torch"],
)
def test_the_wrong_backend_is_named(wanted: str, make: Any) -> None:
    if config.backend() == wanted:
        return
    with pytest.raises(ValueError, match=f"needs the {wanted} backend"):
        make()


def test_saved_models_need_tensorflow_and_trust(tmp_path: Any) -> None:
    with pytest.raises(UnsafeFileError, match="is a program"):
        layers.TFSMLayer.from_config({"filepath": "somewhere"})
    try:
        tf: Any = importlib.import_module("tensorflow")
    except ImportError:
        with pytest.raises(ImportError, match=r"tahr\[tensorflow\]"):
            layers.TFSMLayer("somewhere")
        return
    holder: Any = tf.Module()
    holder.w = tf.Variable(np.ones((3, 2), "float32"))
    holder.serve = tf.function(lambda x: x @ holder.w, input_signature=[tf.TensorSpec((None, 3))])
    tf.saved_model.save(holder, tmp_path, signatures=tf.function(lambda x: {"y": x @ holder.w}).get_concrete_function(
        tf.TensorSpec((None, 3), name="x")))  # fmt: skip
    layer = layers.TFSMLayer(tmp_path)
    np.testing.assert_allclose(host(layer(X)), X @ np.ones((3, 2)), rtol=1e-5)
    assert layer(keras.Input((3,))).shape == (None, 2)
    named = layers.TFSMLayer(tmp_path, call_endpoint="serving_default")
    np.testing.assert_allclose(host(named(X)["y"]), X @ np.ones((3, 2)), rtol=1e-5)
    with pytest.raises(ValueError, match="one of the endpoints"):
        layers.TFSMLayer(tmp_path, call_endpoint="other")
    again = layers.TFSMLayer.from_config(layer.get_config(), safe_mode=False)
    np.testing.assert_allclose(host(again(X)), host(layer(X)))
    with pytest.raises(FileNotFoundError, match="no SavedModel"):
        layers.TFSMLayer(tmp_path / "other")
