"""Layers that prepare data, called inside of data pipelines of TensorFlow: the same outputs on every backend."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers

TEXT = np.array([["a b"], ["b c"], ["c c a"], ["zz"]])
WORDS = np.array([["a"], ["b"], ["q"], ["c"]])
IDS = np.array([[1], [2**40], [7], [3]])
NUMBERS = np.array([[0.1], [0.2], [0.7], [3.0]], "float32")
IMAGES = np.random.default_rng(0).uniform(size=(4, 8, 8, 3)).astype("float32")
ROWS = {"w": WORDS[:, 0], "n": NUMBERS[:, 0]}


@pytest.fixture(scope="module")
def tf() -> Any:
    return pytest.importorskip("tensorflow")


def adapted(layer: Any, data: Any) -> Any:
    layer.adapt(data)
    return layer


def features() -> Any:
    made = keras.utils.FeatureSpace({"w": "string_categorical", "n": "float_normalized"}, output_mode="concat")
    made.adapt([ROWS])
    return made


LAYERS: dict[str, tuple[Any, Any]] = {
    "StringLookup": (lambda: layers.StringLookup(vocabulary=["a", "b", "c"]), WORDS),
    "vectors": (lambda: layers.StringLookup(vocabulary=["a", "b", "c"], output_mode="multi_hot"), WORDS),
    "inverted": (lambda: layers.StringLookup(vocabulary=["a", "é"], invert=True), np.array([[1], [2], [7]])),
    "TextVectorization": (lambda: layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=4), TEXT),
    "tf-idf": (lambda: adapted(layers.TextVectorization(output_mode="tf_idf"), TEXT), TEXT),
    "Hashing": (lambda: layers.Hashing(5), WORDS),
    "Hashing of numbers": (lambda: layers.Hashing(5), IDS),
    "HashedCrossing": (lambda: layers.HashedCrossing(7), (WORDS, IDS)),
    "IntegerLookup": (lambda: layers.IntegerLookup(vocabulary=[2**40, 3]), IDS),
    "CategoryEncoding": (lambda: layers.CategoryEncoding(8, output_mode="one_hot"), IDS % 8),
    "Discretization": (lambda: layers.Discretization([0.0, 0.5, 1.0]), NUMBERS),
    "Normalization": (lambda: adapted(layers.Normalization(), NUMBERS), NUMBERS),
    "Rescaling": (lambda: layers.Rescaling(2.0), NUMBERS),
    "Resizing": (lambda: layers.Resizing(4, 5), IMAGES),
    "CenterCrop": (lambda: layers.CenterCrop(4, 4), IMAGES),
    "at rest": (lambda: layers.Pipeline([layers.RandomFlip(), layers.CenterCrop(4, 4)]), IMAGES),
    "FeatureSpace": (features, ROWS),
}


@pytest.mark.parametrize("name", LAYERS)
def test_they_map_batches(name: str, tf: Any) -> None:
    make, data = LAYERS[name]
    layer = make()
    options = {"training": False} if "rest" in name else {}
    expected = keras.ops.convert_to_numpy(layer(data, **options))
    pipeline = tf.data.Dataset.from_tensor_slices(data).batch(3).map(lambda *x: layer(x if x[1:] else x[0], **options))
    assert pipeline.element_spec.shape.as_list() == [None, *expected.shape[1:]]
    found = np.concatenate(list(pipeline.as_numpy_iterator()))
    if expected.dtype.kind == "U":
        np.testing.assert_array_equal(np.char.decode(found.astype("S"), "utf-8"), expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5)


SINGLE: dict[str, tuple[Any, Any, Any]] = {
    "text": (lambda: layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=4), TEXT[:, 0], (4,)),
    "row": (features, ROWS, (6,)),
    "image": (lambda: layers.RandomCrop(4, 4), IMAGES, (4, 4, 3)),
}


@pytest.mark.parametrize("name", SINGLE)
def test_they_map_single_items(name: str, tf: Any) -> None:
    make, data, shape = SINGLE[name]
    pipeline = tf.data.Dataset.from_tensor_slices(data).map(make())
    assert tuple(pipeline.element_spec.shape) == shape
    assert all(x.shape == shape for x in pipeline.as_numpy_iterator())


def test_random_layers_draw_anew_and_take_boxes_along(tf: Any) -> None:
    layer = layers.RandomFlip("horizontal", bounding_box_format="xyxy", seed=1)
    data = {"images": IMAGES, "bounding_boxes": {"boxes": np.ones((4, 2, 4), "float32"), "labels": np.ones((4, 2))}}
    pipeline = tf.data.Dataset.from_tensor_slices(data).batch(2).repeat(8).map(layer, num_parallel_calls=2)
    found = [batch["images"] for batch in pipeline.as_numpy_iterator()][::2]
    assert any(not np.array_equal(found[0], other) for other in found[1:])
    for images in found:
        for image, original in zip(images, IMAGES, strict=False):
            assert np.array_equal(image, original) or np.array_equal(image, original[:, ::-1])


def frozen() -> Any:
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3), layers.Flatten()])
    model.trainable = False
    return model


def functional() -> Any:
    x = keras.Input((8, 8, 3))
    return keras.Model(x, {"half": layers.Rescaling(0.5)(x), "small": layers.Resizing(4, 4)(x)})


MODELS: dict[str, tuple[Any, Any]] = {
    "images": (
        lambda: keras.Sequential([layers.Resizing(6, 6), layers.RandomFlip(), layers.Rescaling(2.0)]),
        IMAGES,
    ),
    "nested": (lambda: keras.Sequential([keras.Sequential([layers.Rescaling(2.0)]), layers.Resizing(4, 4)]), IMAGES),
    "several outputs": (functional, IMAGES),
    "text": (
        lambda: keras.Sequential(
            [layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=3), layers.CategoryEncoding(4)]
        ),
        TEXT,
    ),
    "features": (frozen, IMAGES),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_without_weights_to_train_map_batches(name: str, tf: Any) -> None:
    make, data = MODELS[name]
    model = make()
    expected = keras.tree.map_structure(keras.ops.convert_to_numpy, model(data, training=False))
    pipeline = tf.data.Dataset.from_tensor_slices(data).batch(3).map(lambda x: model(x, training=False))
    batches = list(pipeline.as_numpy_iterator())
    found = keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)
    keras.tree.map_structure(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected)
    specs = keras.tree.flatten(pipeline.element_spec)
    assert [s.shape.as_list()[1:] for s in specs] == [list(a.shape[1:]) for a in keras.tree.flatten(expected)]


@pytest.mark.skipif(keras.config.backend() == "tensorflow", reason="is at home in its own pipelines")
def test_models_with_weights_to_train_say_what_to_do_in_pipelines(tf: Any) -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Rescaling(2.0), layers.Conv2D(2, 3)])
    pipeline = tf.data.Dataset.from_tensor_slices(IMAGES).batch(2)
    with pytest.raises(ValueError, match="weights to train .*kernel, 2 in all"):
        pipeline.map(model)


@pytest.mark.trains
def test_models_of_text_on_data_sets(tf: Any) -> None:
    words, labels = np.array([["good film"], ["bad film"]] * 6), np.array([1.0, 0.0] * 6, "float32")
    x = keras.Input((1,), dtype="string")
    vectorize = layers.TextVectorization(output_mode="multi_hot", vocabulary=["good", "bad", "film"])
    model = keras.Model(x, layers.Dense(1, activation="sigmoid")(vectorize(x)))
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy")
    data = tf.data.Dataset.from_tensor_slices((words, labels)).batch(4)
    losses = model.fit(data, epochs=5, verbose=0, validation_data=data).history["val_loss"]
    assert losses[-1] < 0.8 * losses[0]
    assert model.evaluate(data, verbose=0) == pytest.approx(losses[-1], rel=1e-4)
    expected = model.predict(words, verbose=0)
    for given in (data, data.map(lambda x, y: x), tf.constant(words), words.astype("S").astype(object)):
        np.testing.assert_allclose(model.predict(given, verbose=0), expected, rtol=1e-5)


@pytest.mark.trains
@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="elsewhere the host is no part of a step")
def test_ids_of_any_size_in_steps(tmp_path: Any, tf: Any) -> None:
    x = keras.Input((1,), dtype="int32")
    model = keras.Model(x, layers.Dense(1)(layers.Embedding(5, 3)(layers.Hashing(5)(x))[:, 0]))
    model.compile("sgd", "mse")
    ids = np.arange(16)[:, None]
    losses = model.fit(ids, np.ones(16), epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    expected = keras.ops.convert_to_numpy(model(ids))
    np.testing.assert_allclose(model.predict(ids, verbose=0), expected, rtol=1e-5)
    with pytest.raises(TypeError, match="compute on the host"):
        model.export(tmp_path / "model", format="tf_saved_model", verbose=False)
