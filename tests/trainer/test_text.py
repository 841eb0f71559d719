"""`fit` and its kin on text, which layers of the model turn into numbers."""

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers

pytestmark = pytest.mark.trains

WORDS = ["good film", "bad film", "very good", "very bad"]
X = np.array(WORDS * 8)
Y = np.array([1.0, 0.0] * 16, "float32")


def vectorization() -> Any:
    layer = layers.TextVectorization(output_sequence_length=3)
    layer.adapt(X)
    return layer


def stack(*first: Any) -> Any:
    keras.utils.set_random_seed(1)
    rest = [layers.Embedding(9, 8), layers.GlobalAveragePooling1D(), layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential([*first, *rest])
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    return model


def weights(model: Any) -> list[np.ndarray]:
    return [np.asarray(w) for w in model.get_weights()]


def trained(kind: str) -> Any:
    """Return a model trained on the text itself, given in one of the ways there are."""
    model = stack(vectorization()) if kind == "no input" else stack(keras.Input((), dtype="string"), vectorization())
    batches = [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 32, 8)]

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> Any:
            return batches[index]

    given: Any = {
        "generator": ((b for _ in range(3) for b in batches),),
        "dataset": (Batches(),),
        "objects": (X.astype(object), Y),
    }.get(kind, (X, Y))
    options: dict[str, Any] = {"steps_per_epoch": 4} if kind == "generator" else {}
    if len(given) == 2:
        options["batch_size"] = 8
    model.fit(*given, epochs=3, verbose=0, shuffle=False, **options)
    return model


@pytest.mark.parametrize("kind", ["arrays", "objects", "no input", "generator", "dataset"])
def test_training_on_text_is_training_on_its_numbers(kind: str) -> None:
    model, plain = trained(kind), stack(keras.Input((3,), dtype="int32"))
    numbers = np.asarray(vectorization()(X))
    plain.fit(numbers, Y, batch_size=8, epochs=3, verbose=0, shuffle=False)
    for found, wanted in zip(weights(model), weights(plain), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    measured = model.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(measured, plain.evaluate(numbers, Y, verbose=0), rtol=1e-4)
    np.testing.assert_allclose(model.predict(X, verbose=0), plain.predict(numbers, verbose=0), rtol=1e-4, atol=1e-6)
    assert model.optimizer.iterations.numpy() == 12


def test_text_beside_numbers_with_validation_and_single_batches() -> None:
    text = keras.Input((1,), dtype="string", name="city")
    size = keras.Input((2,), name="size")
    codes = layers.StringLookup(vocabulary=["oslo", "rome"], output_mode="one_hot")(text)
    model = keras.Model([text, size], layers.Dense(1)(layers.concatenate([codes, size])))
    model.compile("sgd", "mse")
    cities, sizes = np.array([["oslo"], ["rome"], ["bonn"], ["oslo"]]), np.ones((4, 2), "float32")
    x = {"city": cities, "size": sizes}
    before = weights(model)
    history = model.fit(x, np.ones(4), validation_data=(x, np.ones(4)), verbose=0, epochs=2)
    assert history.history["val_loss"][1] < history.history["val_loss"][0]
    assert not np.array_equal(before[0], weights(model)[0])
    first = model.train_on_batch(x, np.ones(4))
    assert model.test_on_batch([cities, sizes], np.ones(4)) < first


def test_the_step_of_a_subclass_runs_on_the_numbers() -> None:
    class Counting(keras.Model):
        steps = 0

        def train_step(self, data: Any) -> Any:
            Counting.steps += 1
            return super().train_step(data)

    text = keras.Input((), dtype="string")
    model = Counting(text, layers.Dense(1)(layers.Embedding(9, 4)(vectorization()(text))[:, 0]))
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert Counting.steps > 0


def test_a_model_trained_on_text_can_be_freed() -> None:
    model = trained("arrays")
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


class Reader(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.vectorization, self.dense = vectorization(), layers.Dense(1)

    def call(self, x: Any) -> Any:
        return self.dense(keras.ops.cast(self.vectorization(x), "float32"))


def test_what_cannot_be_split_is_refused_before_training() -> None:
    model = Reader()
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="no graph of layers"):
        model.fit(X, Y, verbose=0)
    inner = stack(keras.Input((), dtype="string"), vectorization())
    text = keras.Input((), dtype="string")
    outer = keras.Model(text, inner(text))
    outer.compile("sgd", "mse")
    with pytest.raises(ValueError, match="has weights to train"):
        outer.fit(X, Y, verbose=0)


def test_bytes_are_decoded_by_the_layer_that_reads_them() -> None:
    words = ["film élégant", "film fade"] * 4
    layer = layers.TextVectorization(vocabulary=["film", "élégant", "fade"], encoding="latin-1", standardize=None)
    model = keras.Sequential([keras.Input((), dtype="string"), layer])
    given = np.array([word.encode("latin-1") for word in words], dtype=object)
    expected = [[2, 3], [2, 4]] * 4
    assert model.predict(given, batch_size=3, verbose=0).tolist() == expected
    assert model.predict(given.astype("S"), batch_size=3, verbose=0).tolist() == expected
    assert model.predict((b for b in (given[:4], given[4:])), verbose=0).tolist() == expected
    model.compile(loss="mse")
    with pytest.raises(TypeError, match="y holds objects that are no numbers"):
        model.evaluate(given, given, verbose=0)
