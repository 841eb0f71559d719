"""Data sets of `tf.data` on the backend of TensorFlow: batches stay its tensors and lead to what arrays lead to."""

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import config, layers
from tahr.trainer.sources.make import make_source
from tahr.trainer.sources.native import NativeSource

pytestmark = [pytest.mark.trains, pytest.mark.skipif(config.backend() != "tensorflow", reason="is about TensorFlow")]
if config.backend() == "tensorflow":
    tf: Any = importlib.import_module("tensorflow")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(22, 6)).astype("float32")
Y = RNG.integers(0, 3, 22)
W = RNG.uniform(size=22).astype("float32")


def slices(*data: Any) -> Any:
    return tf.data.Dataset.from_tensor_slices(data if data[1:] else next(iter(data)))


def train(data: Any, **options: Any) -> Any:
    """Return losses and weights after three epochs."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4, "tanh"), layers.Dense(3, "softmax")])
    model.compile(
        keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy", run_eagerly=options.pop("eager", False)
    )
    history = model.fit(*data, epochs=3, verbose=0, shuffle=False, **options).history
    return [*map(list, history.values()), *model.get_weights()]


def uneven() -> Iterator[Any]:
    for start, stop in ((0, 5), (5, 10), (10, 12), (12, 13), (13, 18), (18, 22)):
        yield X[start:stop], Y[start:stop]


class Uneven:
    """Batches of several sizes, one after the other."""

    def __iter__(self) -> Iterator[Any]:
        return uneven()


def generated(shape: Any) -> Any:
    spec = (tf.TensorSpec(shape, tf.float32), tf.TensorSpec(shape and shape[:1], tf.int64))
    return tf.data.Dataset.from_generator(uneven, output_signature=spec)


CASES: dict[str, Any] = {  # a data set, what leads to the same, and options of both
    "plain": (lambda: slices(X, Y).batch(5), (X, Y), {"batch_size": 5}),
    "64 bits": (lambda: slices(X.astype("float64"), Y.astype("uint8")).batch(5), (X, Y), {"batch_size": 5}),
    "unknown length": (lambda: slices(X, Y).batch(5).filter(lambda x, y: True), (X, Y), {"batch_size": 5}),
    "sample weights": (lambda: slices(X, Y, W).batch(5), (X, Y, W), {"batch_size": 5}),
    "class weights": (lambda: slices(X, Y).batch(5), (X, Y), {"batch_size": 5, "class_weight": {0: 2.0, 1: 0.5}}),
    "both weights": (
        lambda: slices(X, Y, W).batch(5), (X, Y, W), {"batch_size": 5, "class_weight": {0: 2.0, 2: 0.1}}
    ),
    "at once": (lambda: slices(X, Y).batch(5), (X, Y), {"batch_size": 5, "eager": True}),
    "no end": (lambda: slices(X, Y).batch(5).repeat(), (X, Y), {"batch_size": 5, "steps_per_epoch": 4}),
    "steps": (lambda: slices(X, Y).batch(5), (X, Y), {"batch_size": 5, "steps_per_epoch": 7}),
    "validation": (lambda: slices(X, Y).batch(5), (X, Y), {"batch_size": 5, "validation_data": (X, Y)}),
    "uneven": (lambda: generated([None, 6]), (Uneven(),), {}),
    "uneven and nothing known": (lambda: generated(None), (Uneven(),), {}),
    "one by one": (
        lambda: slices(X, Y).batch(5), (X, Y),
        {"batch_size": 5, "callbacks": [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_they_train_as_arrays_do(name: str) -> None:
    make, arrays, options = CASES[name]
    x, y, *w = *arrays, None, None
    given = (arrays[0],) if len(arrays) == 1 else (x, y)
    extra = {"sample_weight": w[0]} if len(arrays) == 3 else {}
    expected = train(given, **options, **extra)
    data = make()
    if "validation_data" in options:
        options = {**options, "validation_data": data}
    found = train((data,), **{k: v for k, v in options.items() if k != "batch_size"})
    for a, b in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_batches_stay_tensors_and_are_read_in_blocks() -> None:
    source = make_source(slices({"a": X, "b": Y}, Y).batch(5).prefetch(2))
    assert isinstance(source, NativeSource) and source.steps == 5
    feed, found, sizes = source.feed(0), [], []
    while (chunk := feed.take(3)) is not None:
        sizes.append(chunk.batches)
        found += [chunk.fetch(chunk.arrays, i, 0) for i in range(chunk.start, chunk.stop)]
    assert sum(sizes) == 5 and max(sizes) > 1
    assert all(isinstance(leaf, tf.Tensor) for leaf in keras.tree.flatten(found))
    np.testing.assert_array_equal(np.concatenate([batch[0]["a"] for batch in found]), X)
    np.testing.assert_array_equal(np.concatenate([batch[1] for batch in found]), Y)


def spoiled(place: int, value: float) -> Any:
    x = X.copy()
    x[place, 2] = value
    return slices(x, Y).batch(2)


WRONG = {
    "nan": (lambda: spoiled(13, np.nan), "Batch 6, from 0, of the .*: x holds nan at index"),
    "labels": (lambda: slices(X, np.where(np.arange(22) == 17, 3, Y)).batch(2), "Batch 8, .*row 1 of y holds 3"),
    "the first batch": (lambda: spoiled(1, np.inf), "x holds inf"),
    "no batch": (lambda: slices(X, Y).batch(2).take(0), "gave no batch at all"),
    "no end": (lambda: slices(X, Y).batch(2).repeat(), "has no end"),
    "class weights": (lambda: slices(X).batch(2), "class_weight needs exactly one target"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name: str) -> None:
    make, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        train((make(),), **({"class_weight": {0: 2.0}} if name == "class weights" else {}))


class Stop(keras.callbacks.Callback):
    def __init__(self, at: int):
        super().__init__()
        self.at = at

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.at -= 1
        if self.at == 0:
            raise KeyboardInterrupt


RESUMED: dict[str, Any] = {
    "in order": (lambda: slices(X, Y).batch(5), {}),
    "shuffled by a seed": (lambda: slices(X, Y).shuffle(22, seed=3).batch(5), {}),
    "by steps": (lambda: slices(X, Y).shuffle(22, seed=3).batch(5), {"steps_per_epoch": 7}),
    "no end": (lambda: slices(X, Y).batch(5).repeat(), {"steps_per_epoch": 4}),
}


@pytest.mark.parametrize("at", [2, 8])
@pytest.mark.parametrize("name", RESUMED)
def test_exact_resume(name: str, at: int, tmp_path: Any) -> None:
    make, options = RESUMED[name]
    keras.utils.set_random_seed(1)  # a data set takes its seed from this one and its own when it is made
    whole = train((make(),), **options)
    with pytest.raises(KeyboardInterrupt):
        train((make(),), **options, callbacks=[Stop(at)], resume=tmp_path / "state", save_every=1)
    found = train((make(),), **options, resume=tmp_path / "state")
    for a, b in zip(keras.tree.flatten(found), keras.tree.flatten(whole), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["plain", "64 bits", "unknown length", "uneven", "uneven and nothing known"])
def test_evaluate_and_predict(name: str) -> None:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax")])
    model.compile(loss="sparse_categorical_crossentropy")
    data = CASES[name][0]()
    assert model.evaluate(data, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-5)
    expected = model.predict(X, verbose=0)
    np.testing.assert_allclose(model.predict(data, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(model.predict(data.map(lambda x, y: x), steps=2, verbose=0)[:5], expected[:5], rtol=1e-5)
