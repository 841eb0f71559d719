"""Sequential, functional and subclassed models: structure, names, weights, errors."""

import json

import numpy as np
import pytest

import tahr as keras
from tahr import layers, ops

RNG = np.random.default_rng(0)


def rows(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("float32")


def value(x):
    return np.asarray(ops.convert_to_numpy(x))


def test_sequential_builds_at_once_behind_an_input():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu"), layers.Dense(2)], name="stack")
    assert [w.path for w in model.weights] == [
        f"stack/{layer.name}/{w}" for layer in model.layers for w in ("kernel", "bias")
    ]
    assert model.output_shape == (None, 2) and model.count_params() == 4 * 3 + 3 + 3 * 2 + 2


def test_sequential_builds_on_first_data_and_grows():
    model = keras.Sequential([layers.Dense(3)])
    assert not model.built and model.weights == []
    with pytest.raises(ValueError, match="unknown before the weights exist"):
        model.count_params()
    assert value(model(rows(2, 5))).shape == (2, 3)
    model.add(layers.Dense(1))
    assert value(model(rows(2, 5))).shape == (2, 1) and len(model.weights) == 4
    assert model.pop().units == 1
    assert value(model(rows(2, 5))).shape == (2, 3)


@pytest.mark.parametrize("how", ["input_shape", "input_dim", "batch_input_shape"])
def test_sequential_takes_keras_2_input_shapes(how):
    given = {"input_shape": (4,), "input_dim": 4, "batch_input_shape": (None, 4)}[how]
    model = keras.Sequential([layers.Dense(3, **{how: given})])
    assert model.input_shape == (None, 4)


def test_functional_with_structures_shared_layers_and_operations():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(3, name="shared")
    total = shared(a) + shared(b) * 2.0
    model = keras.Model({"a": a, "b": b}, {"sum": total, "mean": ops.mean(total, axis=-1)})
    x = {"a": rows(5, 4), "b": rows(5, 4)}
    kernel, bias = (value(w) for w in shared.weights)
    expected = x["a"] @ kernel + bias + 2 * (x["b"] @ kernel + bias)
    found = model(x)
    np.testing.assert_allclose(value(found["sum"]), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(value(found["mean"]), expected.mean(-1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(value(model([x["a"], x["b"]])["sum"]), expected, rtol=1e-5, atol=1e-5)
    assert len(model.weights) == 2 and model.get_layer("shared") is shared
    assert model.get_layer(index=0).name == "a"


def test_functional_orders_layers_by_distance_from_the_outputs():
    x = keras.Input((4,), name="x")
    long = layers.Dense(2, name="l2")(layers.Dense(2, name="l1")(x))
    short = layers.Dense(2, name="s1")(x)
    model = keras.Model(x, layers.Add(name="sum")([short, long]))
    assert [layer.name for layer in model.layers] == ["x", "l1", "s1", "l2", "sum"] or [
        layer.name for layer in model.layers
    ] == ["x", "l1", "l2", "s1", "sum"]


def test_nested_models_and_intermediate_outputs():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="d1")], name="inner")
    x = keras.Input((4,))
    outer = keras.Model(x, layers.Dense(1)(inner(x)))
    data = rows(3, 4)
    middle = keras.Model(inner.input, inner.output)
    np.testing.assert_allclose(value(middle(data)), value(inner(data)), rtol=1e-6)
    head = keras.Model(inner.input, inner.get_layer("d1").output)
    np.testing.assert_allclose(value(head(data)), value(inner(data)), rtol=1e-6)
    assert value(outer(data)).shape == (3, 1)


def test_model_from_the_middle_of_another():
    x = keras.Input((4,))
    hidden = layers.Dense(3, name="hidden")(x)
    model = keras.Model(x, layers.Dense(2, name="top")(hidden))
    top = keras.Model(hidden, model.output)
    data = rows(2, 4)
    np.testing.assert_allclose(value(top(model.get_layer("hidden")(data))), value(model(data)), rtol=1e-5, atol=1e-6)


class Branches(keras.Model):
    def __init__(self, units, count=2):
        super().__init__()
        self.parts = [layers.Dense(units) for _ in range(count)]
        self.by_name = {"out": layers.Dense(1)}

    def call(self, x, training=None):
        return self.by_name["out"](sum(part(x) for part in self.parts))


def test_subclassed_model_needs_no_build_and_records_its_arguments():
    model = Branches(3)
    assert value(model(rows(2, 4))).shape == (2, 1)
    assert len(model.weights) == 6 and len({w.path for w in model.weights}) == 6
    config = model.get_config()
    assert config["units"] == 3 and config["count"] == 2
    again = Branches.from_config(config)
    assert value(again(rows(2, 4))).shape == (2, 1)


class Pair(keras.Model):
    def __init__(self, units):
        x = keras.Input((4,))
        super().__init__(x, layers.Dense(units)(x))
        self.units = units


def test_subclass_may_pass_inputs_and_outputs_up():
    model = Pair(3)
    assert model.output_shape == (None, 3) and isinstance(model, Pair)
    assert value(model(rows(2, 4))).shape == (2, 3)


def test_weights_round_trip_and_reject_wrong_shapes():
    model = Branches(3)
    model(rows(2, 4))
    weights = model.get_weights()
    with pytest.raises(ValueError, match="set_weights expects 6 arrays"):
        model.set_weights(weights[:-1])
    wrong = [*weights[:-1], np.zeros((7,), "float32")]
    with pytest.raises(ValueError, match=r"shape \(1,\); received \(7,\)"):
        model.set_weights(wrong)
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.set_weights([w + 1 for w in weights])
    np.testing.assert_allclose(model.get_weights()[0], weights[0] + 1)


def test_json_round_trip():
    a = keras.Input((4,), name="a")
    model = keras.Model(a, layers.Dense(2, activation="relu", name="d")(a), name="m")
    text = model.to_json()
    again = keras.models.model_from_json(text)
    assert json.loads(again.to_json())["config"]["layers"] == json.loads(text)["config"]["layers"]
    again.set_weights(model.get_weights())
    data = rows(3, 4)
    np.testing.assert_allclose(value(again(data)), value(model(data)), rtol=1e-6)


def test_clone_has_new_weights_of_the_same_shapes():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)])
    clone = keras.models.clone_model(model)
    assert [w.shape for w in clone.weights] == [w.shape for w in model.weights]
    assert all(a is not b for a, b in zip(clone.weights, model.weights, strict=True))


def test_summary_goes_to_print_fn_without_control_bytes():
    lines: list[str] = []
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="first")], name="small")
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    assert "small" in text and "first" in text and "15" in text and "\x1b" not in text


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: keras.Model(rows(2, 2), rows(2, 2)), ValueError, "expected symbols"),
        (lambda: keras.Sequential(["dense"]), TypeError, "expected a layer"),
        (lambda: keras.Sequential([layers.Dense(1, name="a"), layers.Dense(1, name="a")]), ValueError, "'a' is there"),
        (lambda: keras.Input(), ValueError, "neither"),
        (lambda: keras.Input((None, -1)), ValueError, "sizes >= 0"),
        (
            lambda: keras.Sequential([keras.Input((4,)), layers.Dense(2)])(rows(3, 5)),
            ValueError,
            "expected size 4 in axis -1; received 5",
        ),
        (lambda: layers.Dense(0), ValueError, "positive whole number"),
        (lambda: layers.Dense(2, acivation="relu"), TypeError, "acivation"),
        (lambda: bool(keras.Input((3,))), ValueError, "ops.cond"),
        (lambda: np.asarray(keras.Input((3,))), ValueError, "is a symbol"),
    ],
)
def test_errors_name_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_disconnected_graph_names_the_missing_input():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    with pytest.raises(ValueError, match="'b'"):
        keras.Model(a, layers.Add()([a, b]))


def test_errors_inside_a_layer_name_its_path():
    class Broken(layers.Layer):
        def call(self, x):
            raise RuntimeError("boom")

    model = keras.Sequential([Broken(name="broken")], name="outer")
    with pytest.raises(RuntimeError, match="boom") as caught:
        model(rows(2, 3))
    assert any("broken" in note and "(2, 3)" in note for note in caught.value.__notes__)
