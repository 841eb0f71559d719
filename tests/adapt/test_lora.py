"""Low-rank adaptation against the sum it stands for: outputs, what trains, configs, files, errors."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, ops

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(4, 6)).astype("float32")
LAYERS: dict[str, Any] = {
    "Dense": (lambda **k: layers.Dense(3, **k), X),
    "EinsumDense": (
        lambda **k: layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="e", **k),
        X.reshape(2, 2, 6),
    ),
    "Embedding": (lambda **k: layers.Embedding(7, 3, **k), np.array([[1, 6], [0, 2]])),
    "ReversibleEmbedding": (lambda **k: layers.ReversibleEmbedding(7, 3, **k), np.array([[1, 6], [0, 2]])),
    "Conv1D": (lambda **k: layers.Conv1D(4, 2, groups=2, **k), X.reshape(2, 2, 6)),
    "Conv2D": (lambda **k: layers.Conv2D(3, 2, **k), RANDOM.normal(size=(1, 4, 4, 2)).astype("float32")),
}


def adapted(kind: str, **options: Any) -> tuple[Any, np.ndarray]:
    make, x = LAYERS[kind]
    layer = make()
    layer(x)
    layer.enable_lora(2, **options)
    return layer, x


@pytest.mark.parametrize("kind", LAYERS)
def test_outputs_are_those_of_the_sum(kind: str) -> None:
    make, x = LAYERS[kind]
    layer, _ = adapted(kind, lora_alpha=3, b_initializer="ones")
    name = layer.adapted
    base, a, b = (w.numpy() for w in (getattr(layer, name).base, getattr(layer, name).a, getattr(layer, name).b))
    assert [w.name for w in layer.weights if "lora" in w.name] == [f"lora_{name}_a", f"lora_{name}_b"]
    plain = make()
    plain(x)
    plain.set_weights([base + 1.5 * a @ b, *(w.numpy() for w in layer.weights if w.name == "bias")])
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (layer(x), plain(x))), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.asarray(getattr(layer, name)), base + 1.5 * a @ b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", LAYERS)
def test_starts_where_the_layer_was(kind: str) -> None:
    make, x = LAYERS[kind]
    layer = make()
    before = ops.convert_to_numpy(layer(x))
    layer.enable_lora(1)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), before, rtol=1e-6, atol=1e-6)


def test_the_way_back_of_an_embedding_is_adapted() -> None:
    layer, _ = adapted("ReversibleEmbedding", b_initializer="ones")
    found = layer(np.eye(3, dtype="float32"), reverse=True)
    np.testing.assert_allclose(ops.convert_to_numpy(found), layer.embeddings.numpy().T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["Dense", "EinsumDense", "Embedding", "Conv1D", "Conv2D"])
def test_config_makes_an_adapted_layer(kind: str) -> None:
    make, x = LAYERS[kind]
    layer = make(lora_rank=2, lora_alpha=4)
    config = layer.get_config()
    assert (config["lora_rank"], config["lora_alpha"]) == (2, 4)
    again = type(layer).from_config(config)
    again(x)
    assert again.lora_enabled and getattr(again, again.adapted).scale == 2


@pytest.mark.trains
def test_training_leaves_the_weight_as_it_was() -> None:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(5, "relu"), layers.Dense(1)])
    model.compile("adam", "mse")
    y = X[:, :1]
    model.fit(X, y, verbose=0)
    first = model.layers[0]
    first.enable_lora(2)
    base, bias = first.kernel.base.numpy(), first.bias.numpy()
    model.compile(keras.optimizers.Adam(0.05), "mse")
    start = model.evaluate(X, y, verbose=0)
    model.fit(X, y, epochs=5, verbose=0)
    assert model.evaluate(X, y, verbose=0) < start
    np.testing.assert_array_equal(first.kernel.base.numpy(), base)
    assert not np.array_equal(first.bias.numpy(), bias) and first.kernel.b.numpy().any()


def test_stays_frozen_when_the_layer_thaws() -> None:
    layer, _ = adapted("Dense")
    layer.trainable = False
    assert layer.trainable_weights == []
    layer.trainable = True
    assert [w.name for w in layer.trainable_weights] == ["bias", "lora_kernel_a", "lora_kernel_b"]


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_files_hold_the_sum(suffix: str, tmp_path: Any) -> None:
    def build(**options: Any) -> Any:
        return keras.Sequential([keras.Input((6,)), layers.Dense(3, **options)])

    model = build(lora_rank=2)
    model.layers[0].kernel.b.assign(np.ones((2, 3)))
    path = tmp_path / f"model{suffix}"
    if suffix == ".keras":
        model.save(path)
        again = keras.saving.load_model(path)
        assert again.layers[0].lora_enabled
    else:
        model.save_weights(path)
        again = build()  # a plain layer reads the file of an adapted one
        again.load_weights(path)
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda layer: layer.enable_lora(2), "there is no kernel"),
        (lambda layer: (layer.build((None, 3)), layer.enable_lora(2), layer.enable_lora(2)), "enabled already"),
        (lambda layer: (layer.build((None, 3)), layer.enable_lora(0)), "`rank` to be a positive whole number"),
    ],
)
def test_errors_name_the_layer(act: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"(?s)Dense.*{message}"):
        act(layers.Dense(2))
