"""Quantized layers against what Keras 3.15.1 made of the same weights: numbers, scales, outputs, files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, ops, quantizers

FACTS = np.load(Path(__file__).parent.parent / "data" / "quantized_layers.npz")
CASES = json.loads(str(FACTS["cases"]))
X = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")


def name(i: int) -> str:
    case = CASES[i]
    config = case["config"][1] if case["config"] else {}
    return f"{i}-{case['cls']}-{case['mode']}-{'-'.join(f'{k}={v}' for k, v in config.items())}"


def parts(i: int, kind: str) -> list[np.ndarray]:
    count = len([k for k in FACTS.files if k.startswith(f"{i}/{kind}/")])
    return [FACTS[f"{i}/{kind}/{k}"] for k in range(count)]


def host(x: Any) -> np.ndarray:
    return ops.convert_to_numpy(ops.cast(x, "float32"))


def built(i: int) -> Any:
    case = CASES[i]
    layer = getattr(layers, case["cls"])(**case["kw"])
    layer.build(FACTS[f"{i}/x"].shape if case["cls"] != "ReversibleEmbedding" else None)
    layer.set_weights(parts(i, "float"))
    return layer


def tolerance(i: int) -> dict[str, Any]:
    if "bfloat16" in CASES[i]["policy"]:
        return {"rtol": 2e-2, "atol": 2e-2}
    if "float8" in CASES[i]["policy"]:
        return {"rtol": 4e-3, "atol": 4e-3}  # Keras rounds the bias to bfloat16, too
    return {"rtol": 1e-4, "atol": 1e-4}


@pytest.mark.parametrize("i", range(len(CASES)), ids=name)
def test_numbers_and_outputs_are_those_of_keras_also_for_a_layer_made_from_the_config(i: int) -> None:
    case, layer = CASES[i], built(i)
    config = getattr(quantizers, case["config"][0])(**case["config"][1]) if case["config"] else None
    layer.quantize(None if config else case["mode"], config=config)
    assert layer.dtype_policy.name == case["policy"]
    assert sorted([w.name, w.trainable] for w in layer.weights) == sorted(case["variables"])
    held: dict[str, Any] = {}
    layer.save_own_variables(held)
    for key, (_, shape, dtype), fact in zip(held, case["stored"], parts(i, "stored"), strict=True):
        assert (list(np.shape(held[key])), np.asarray(held[key]).dtype.name) == (shape, dtype)
        np.testing.assert_allclose(np.asarray(held[key], "float32"), fact.astype("float32"), rtol=1e-5, atol=1e-6)
    again = type(layer).from_config(layer.get_config())
    again.build(FACTS[f"{i}/x"].shape if case["cls"] != "ReversibleEmbedding" else None)
    again.load_own_variables({str(k): v for k, v in enumerate(parts(i, "stored"))})
    np.testing.assert_allclose(host(again(FACTS[f"{i}/x"], **case["call"])), FACTS[f"{i}/y"], **tolerance(i))
    assert json.loads(json.dumps(again.get_config())) == json.loads(json.dumps(layer.get_config()))


@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_files_of_quantized_models(mode: str, tmp_path: Any) -> None:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu"), layers.Dense(3)])
    before = model.predict(X, verbose=0)
    model.quantize(mode)
    after = model.predict(X, verbose=0)
    assert 0 < np.abs(after - before).max() < {"int8": 0.05, "int4": 0.6, "float8": 0.3}[mode]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(X, verbose=0), after, rtol=1e-5, atol=1e-6)
    assert [x.quantization_mode for x in again.layers] == [x.quantization_mode for x in model.layers]


def test_weights_of_8_bits_take_a_quarter() -> None:
    layer = layers.Dense(64, use_bias=False)
    layer.build((None, 64))
    layer.quantize("int8")
    assert sum(w.numpy().nbytes for w in layer.weights) == 64 * 64 + 4 * 64


@pytest.mark.trains
def test_gradients_pass_to_what_is_before() -> None:
    first, second = layers.Dense(4), layers.Dense(1)
    model = keras.Sequential([keras.Input((6,)), first, second])
    model.quantize("int8", filters=second.name)
    assert (first.quantization_mode, second.quantization_mode) == (None, "int8")
    model.compile(keras.optimizers.Adam(0.05), "mse")
    start = model.evaluate(X, X[:, :1], verbose=0)
    model.fit(X, X[:, :1], epochs=8, verbose=0)
    assert model.evaluate(X, X[:, :1], verbose=0) < start / 2


@pytest.mark.trains
def test_products_of_8_bit_floats_train_and_follow_the_sizes() -> None:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4, "relu"), layers.Dense(1)])
    model.quantize("float8")
    model.compile(keras.optimizers.Adam(0.05), "mse")
    start = model.evaluate(X, X[:, :1], verbose=0)
    model.fit(X, X[:, :1], epochs=12, verbose=0)
    assert model.evaluate(X, X[:, :1], verbose=0) < start / 2
    states = {w.name: w.numpy() for w in model.layers[0].weights}
    history = states["inputs_amax_history"]
    np.testing.assert_allclose(history[history > 0], np.abs(X).max(), rtol=1e-6)
    assert (history > 0).sum() == 12
    np.testing.assert_allclose(states["inputs_scale"], np.abs(X).max() / 448, rtol=1e-5)
    assert states["outputs_grad_scale"] < 1


@pytest.mark.parametrize("order", ["lora first", "lora last"])
@pytest.mark.parametrize("kind", ["Dense", "EinsumDense", "Embedding"])
def test_with_a_low_rank_addition(kind: str, order: str) -> None:
    made: Any = {
        "Dense": lambda: (layers.Dense(5), X),
        "EinsumDense": lambda: (layers.EinsumDense("ab,bcd->acd", (2, 3)), X),
        "Embedding": lambda: (layers.Embedding(9, 4), np.array([[1, 8]])),
    }
    layer, x = made[kind]()
    layer.build(x.shape)
    base = getattr(layer, layer.adapted).numpy()
    steps = [lambda: layer.quantize("int8"), lambda: layer.enable_lora(2, b_initializer="ones")]
    for step in steps if order == "lora last" else reversed(steps):
        step()
    adapted = getattr(layer, layer.adapted)
    whole = base + adapted.a.numpy() @ adapted.b.numpy()
    np.testing.assert_allclose(np.asarray(adapted), whole, atol=np.abs(base).max() / 200)
    held: dict[str, Any] = {}
    layer.save_own_variables(held)
    plain, _ = made[kind]()
    plain.build(x.shape)
    plain.quantize("int8")
    plain.load_own_variables(held)  # files hold the sum, rounded
    np.testing.assert_allclose(host(plain(x)), host(layer(x)), atol=0.1)
    layer.load_own_variables(held)
    np.testing.assert_array_equal(adapted.b.numpy(), 0)


def dense(**options: Any) -> Any:
    layer = layers.Dense(2, **options)
    layer.build((None, 3))
    return layer


class Derived(layers.Dense):
    pass


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: layers.Dense(2).quantize("int8"), ValueError, "is not built"),
        (lambda: dense().quantize(), ValueError, "received neither"),
        (lambda: dense().quantize("int2"), ValueError, "'int2'"),
        (lambda: dense().quantize("int8", config=quantizers.Int4QuantizationConfig()), ValueError, "not the same"),
        (lambda: dense(dtype="int8_from_float32").quantize("int8"), ValueError, "quantized already"),
        (lambda: dense().quantize("gptq"), NotImplementedError, "GPTQ and AWQ"),
        (lambda: dense(dtype="float16").quantize("int8"), ValueError, "overflow in float16"),
        (lambda: layers.Conv1D(2, 2).quantize("int8"), NotImplementedError, "Conv1D cannot be quantized"),
        (lambda: layers.Embedding(3, 2).quantize("float8"), NotImplementedError, "'int8', 'int4'"),
        (lambda: quantizers.Int4QuantizationConfig(block_size=0), ValueError, "block_size"),
        (lambda: quantizers.GPTQConfig([], None, weight_bits=5), ValueError, "weight_bits"),
        (lambda: keras.Sequential([layers.Dense(2)]).quantize("int8"), ValueError, "not built"),
        (lambda: keras.Sequential([keras.Input((2,)), layers.ReLU()]).quantize("int3"), ValueError, "'int3'"),
        (
            lambda: keras.Sequential([keras.Input((2,)), layers.ReLU()]).quantize("int8", filters=3),
            ValueError,
            "filters",
        ),
    ],
    ids=range(14),
)
def test_errors_say_what_to_do(act: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        act()


def test_derived_classes_are_refused_unless_said() -> None:
    layer = Derived(2)
    layer.build((None, 3))
    with pytest.raises(NotImplementedError, match="type_check=False"):
        layer.quantize("int8")
    layer.quantize("int8", type_check=False)
    assert layer.quantization_mode == "int8"


def test_zero_weights_have_variables_to_fill() -> None:
    layer = dense()
    layer.quantized_build((3, 2), "int8")
    assert [w.name for w in layer.weights] == ["bias", "kernel", "kernel_scale"]
    assert layer.variable_serialization_spec["int8"] == ["kernel", "bias", "kernel_scale"]
    np.testing.assert_array_equal(host(layer(np.ones((1, 3), "float32"))), [[0, 0]])
