"""Graphs of models as data: every operation goes by Keras's name, calls keep their places, clones are equal models."""

import gc
import inspect
import json
import pickle
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, ops
from tahr.ops.declare import Op
from tahr.saving import operations
from tahr.symbolic import Node
from tests.saving.models import MODELS, inputs_of, outputs_of, scramble

# What Keras 3.15.1 writes: name -> module, class, settings, number of array arguments, keyword arguments.
FACTS = json.loads(Path(__file__).parents[1].joinpath("data/keras_operations.json").read_text())
KNOWN = sorted(set(FACTS) & {*ops.__all__, *ops.image.__all__})
# Wrappers of functions, which no file can hold, and calls whose arguments have names of the user's own.
CALLABLES = {"associative_scan", "jvp", "map", "scan", "switch", "rearrange"}


def public(name: str) -> Any:
    return getattr(ops.image if name in ops.image.__all__ else ops, name)


@pytest.mark.once
@pytest.mark.parametrize("name", KNOWN)
def test_operations_have_the_names_of_keras(name: str) -> None:
    module, cls, settings, _, _ = FACTS[name]
    assert operations._place(name) == (f"keras.src.ops.{module}", cls)
    found = operations.find_operation(f"keras.src.ops.{module}", cls)
    assert found is not None and (found.__name__ != name or found is public(name))


@pytest.mark.once
@pytest.mark.parametrize("name", sorted(set(KNOWN) - CALLABLES))
def test_operations_have_the_settings_of_keras(name: str) -> None:
    op = public(name)
    _, _, settings, _, keywords = FACTS[op.name if isinstance(op, Op) else name]  # some names are second names
    x = keras.KerasTensor((2, 3, 4), "float32")
    if not isinstance(op, Op):  # a function around an operation inside it, which is what graphs hold
        settings_of = {p.name for p in inspect.signature(op).parameters.values() if p.kind is not p.VAR_POSITIONAL}
        assert {*settings, *keywords} <= settings_of
        return
    required = [p for p in inspect.signature(op).parameters.values() if p.default is p.empty]
    call = operations.OpCall(op)
    node = Node(call, tuple(x for _ in required), {}, keras.KerasTensor((1,)))
    written, _, kwargs = operations.write_operation(call, node)
    assert sorted(set(written["config"]) - {"name"}) == settings
    assert sorted(kwargs) == keywords


def test_structures_and_calls() -> None:
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    start = keras.Input((4,), name="start")
    head = keras.Model(start, layers.Dense(4, name="inner")(start), name="head")
    tower = layers.Dense(4, name="tower")
    first, second = head(tower(a)), head(tower(b))
    model = keras.Model({"x": a, "y": [b]}, [second, {"sum": layers.Add(name="add")([first, second])}])
    config = model.get_config()
    assert config["input_layers"] == {"x": ["a", 0, 0], "y": [["b", 0, 0]]}
    assert config["output_layers"] == [["head", 2, 0], {"sum": ["add", 0, 0]}]  # Keras counts the making of `head`
    nodes = {layer["name"]: layer["inbound_nodes"] for layer in config["layers"]}
    history = [node["args"][0]["config"]["keras_history"] for node in nodes["head"]]
    assert history == [["tower", 0, 0], ["tower", 1, 0]]
    assert [x["config"]["keras_history"] for x in nodes["add"][0]["args"][0]] == [["head", 0, 0], ["head", 1, 0]]
    again = keras.Model.from_config(config)
    assert again.get_config() == config


def test_operations_of_images_are_written_and_read() -> None:
    x, volume = keras.Input((8, 8, 3)), keras.Input((4, 4, 4, 2))
    found = [ops.image.resize(x, (4, 5)), ops.image.extract_patches(x, 2), ops.image.extract_patches_3d(volume, 2),
             ops.image.extract_patches_3d(volume, (2, 2, 2)), ops.image.rgb_to_grayscale(x)]  # fmt: skip
    model = keras.Model([x, volume], found)
    values = [np.random.default_rng(1).random((2, *v.shape[1:]), "float32") for v in (x, volume)]
    again = keras.models.model_from_json(model.to_json())
    for one, other in zip(model(values), again(values), strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))


def test_calls_outside_of_the_model_do_not_count() -> None:
    x, other = keras.Input((2,)), keras.Input((2,))
    layer = layers.Dense(2, name="both")
    layer(other)
    model = keras.Model(x, layers.ReLU()(layer(x)))
    again = keras.models.model_from_json(model.to_json())
    assert [x.name for x in again.layers][1:] == ["both", model.layers[-1].name]


def test_operations_of_a_taken_name_get_another() -> None:
    x = keras.Input((2,))
    model = keras.Model(x, layers.Dense(2, name="tanh")(ops.tanh(x)))
    keras.utils.clear_session()
    y = keras.Input((2,))
    model = keras.Model(y, layers.Dense(2, name="tanh")(ops.tanh(y)))
    names = [layer["name"] for layer in model.get_config()["layers"]]
    assert len(set(names)) == 3
    assert keras.models.model_from_json(model.to_json()).output_shape == (None, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["layers"][1]["inbound_nodes"][0]["args"][0]["config"].update(keras_history=["no", 0, 0]), "'no'"),
        (lambda c: c["layers"].append(c["layers"][1]), "two of its layers"),
        (lambda c: c.update(output_layers=["d", 7, 0]), "call|wait|listed"),
        (
            lambda c: c["layers"][1]["inbound_nodes"][0]["args"][0]["config"].update(keras_history=["d", 0, 0]),
            "wait for inputs",
        ),
    ],
)
def test_graphs_that_do_not_connect(change: Any, message: str) -> None:
    x = keras.Input((2,))
    config = keras.Model(x, layers.Dense(2, name="d")(x)).get_config()
    change(config)
    if message == "call|wait|listed":  # older files count calls elsewhere, so the one call there is is meant
        assert keras.Model.from_config(config).output_shape == (None, 2)
        return
    with pytest.raises(ValueError, match=message):
        keras.Model.from_config(config)


@pytest.mark.parametrize("name", MODELS)
def test_clone(name: str) -> None:
    model, inputs = scramble(MODELS[name]()), inputs_of(name)
    clone = keras.models.clone_model(model)
    if not clone.weights:
        clone(inputs)  # a subclassed model makes its weights in its first call
    assert not {id(v) for v in clone.weights} & {id(v) for v in model.weights}
    clone.set_weights(model.get_weights())
    for a, b in zip(outputs_of(model, inputs), outputs_of(clone, inputs), strict=True):
        np.testing.assert_array_equal(a, b)
    if name != "subclassed":  # its layers are named when it is made
        assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]


def test_clone_with_functions() -> None:
    seen: list[str] = []

    def clone(layer: Any) -> Any:
        seen.append(layer.name)
        config = layer.get_config()
        return type(layer).from_config({**config, "units": 3} if "units" in config else config)

    x = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="deep")], name="inner")
    model = keras.Model(x, layers.Dense(4, name="top")(inner(x)))
    made = keras.models.clone_model(model, clone_function=clone, recursive=True)
    assert seen == ["deep", "top"] and made.output_shape == (None, 3)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return 2 * layer(*args, **kwargs) if isinstance(layer, layers.Dense) else layer(*args, **kwargs)

    doubled = keras.models.clone_model(model, call_function=call)
    doubled.set_weights(model.get_weights())
    data = np.ones((1, 4), "float32")
    np.testing.assert_allclose(outputs_of(doubled, data)[0], 2 * outputs_of(model, data)[0], rtol=1e-6)


def test_clone_on_other_inputs() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    fresh = keras.Input((4,), batch_size=5, name="fresh")
    assert keras.models.clone_model(model, input_tensors=fresh).output_shape == (5, 2)
    functional = MODELS["functional"]()
    inputs = [keras.Input((4,), name="p"), keras.Input((3,), name="q")]
    assert keras.models.clone_model(functional, input_tensors=inputs).input_names == ["p", "q"]


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (lambda: "no model", {}, "expected a model"),
        (MODELS["subclassed"], {"clone_function": lambda x: x}, "subclassed"),
        (MODELS["sequential"], {"call_function": lambda f, x: f(x)}, "functional models"),
        (MODELS["functional"], {"input_tensors": [keras.Input((4,))]}, "2 inputs; received 1"),
        (MODELS["functional"], {"clone_function": lambda x: 1}, "must return a layer"),
    ],
)
def test_clone_refuses(make: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        keras.models.clone_model(make(), **arguments)


def test_values_are_let_go_when_nothing_needs_them() -> None:
    alive: list[weakref.ref[Any]] = []
    most = 0

    class Next(layers.Layer):
        """Makes an array of its own and counts those of its like that are still there."""

        def call(self, x: Any) -> Any:
            nonlocal most
            found = ops.convert_to_tensor(ops.convert_to_numpy(x) + 1)
            alive.append(weakref.ref(found))
            most = max(most, sum(ref() is not None for ref in alive))
            return found

        def compute_output_spec(self, x: Any) -> Any:
            return keras.KerasTensor(x.shape, x.dtype)

    start = y = keras.Input((2,))
    early = None
    for i in range(12):
        y = Next()(y)
        early = y if i == 1 else early
    model = keras.Model(start, [y, keras.layers.Add()([early, y])])
    del y, early
    last, total = model(np.zeros((1, 2), "float32"))
    np.testing.assert_array_equal(ops.convert_to_numpy(last), np.full((1, 2), 12.0))
    np.testing.assert_array_equal(ops.convert_to_numpy(total), np.full((1, 2), 14.0))
    assert 3 <= most <= 4  # its input, its output, the early one, and at most the one before


class Pair(layers.Layer):
    """Gives three outputs."""

    def call(self, x: Any) -> Any:
        return x + 1, [x + 2, x + 3]


def test_a_graph_with_unused_outputs_runs_after_they_are_gone() -> None:
    x = keras.Input((2,))
    first, (_, third) = Pair()(x)
    function = keras.Function(x, [third, x])
    del first, _, third
    gc.collect()
    for again in (function, pickle.loads(pickle.dumps(keras.Model(x, function.outputs[0])))):
        found = again(ops.zeros((1, 2)))
        found = found[0] if isinstance(found, list) else found
        np.testing.assert_array_equal(ops.convert_to_numpy(found), np.full((1, 2), 3.0))
