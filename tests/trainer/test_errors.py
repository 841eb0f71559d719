"""Bad input: the error names the place, what was expected, what came and the fix, and no weight has changed."""

import numpy as np
import pytest

import tahr as keras
from tahr import layers

pytestmark = pytest.mark.trains

X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
Y = X[:, :1].copy()
LABELS = np.arange(20, dtype="int32") % 3


def classifier():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def regressor(**options):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, name="top")], name="regressor")
    model.compile("sgd", "mse", **options)
    return model


def embedder():
    model = keras.Sequential(
        [keras.Input((2,), dtype="int32"), layers.Embedding(5, 2, name="words"), layers.Flatten(), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    return model


def nested_embedder():
    inner = keras.Sequential([keras.Input((2,), dtype="int32"), layers.Embedding(5, 2, name="words")])
    model = keras.Sequential([keras.Input((2,), dtype="int32"), inner, layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def with_nan():
    x = X.copy()
    x[3, 2] = np.nan
    return x


def empty():
    yield from ()


CASES = {
    "feature count": (
        regressor,
        lambda m: m.fit(X[:, :3], Y),
        ValueError,
        r"regressor.*size 4.*received 3|expected shape",
    ),
    "rank": (regressor, lambda m: m.fit(X[:, :, None, None], Y), ValueError, "regressor|dimensions"),
    "sample counts": (regressor, lambda m: m.fit(X, Y[:7]), ValueError, "x has 20, y has 7"),
    "nan": (regressor, lambda m: m.fit(with_nan(), Y), ValueError, r"x holds nan at index \(3, 2\)"),
    "nan in y": (regressor, lambda m: m.fit(X, with_nan()[:, 2:3]), ValueError, r"y holds nan at index \(3, 0\)"),
    "text": (
        regressor,
        lambda m: m.fit(np.full((20, 4), "a", object), Y),
        TypeError,
        "x holds objects that are no numbers",
    ),
    "label outside": (classifier, lambda m: m.fit(X, LABELS + 1), ValueError, "from 0 to 2.*row 2 of y holds 3"),
    "negative label": (classifier, lambda m: m.fit(X, LABELS - 1), ValueError, "row 0 of y holds -1"),
    "id outside": (embedder, lambda m: m.fit(np.full((20, 2), 5), Y), ValueError, "words"),
    "id outside, inside": (nested_embedder, lambda m: m.fit(np.full((20, 2), 5), Y), ValueError, "words"),
    "no batch": (regressor, lambda m: m.fit(empty()), ValueError, "gave no batch"),
    "batch size": (
        regressor,
        lambda m: m.fit(X, Y, batch_size=0),
        ValueError,
        "batch_size: expected a whole number >= 1",
    ),
    "no data": (regressor, lambda m: m.fit(None), ValueError, "received None"),
    "empty data": (regressor, lambda m: m.fit(X[:0], Y[:0]), ValueError, "0 rows"),
    "no targets": (regressor, lambda m: m.fit(X), ValueError, "needs targets"),
    "monitor": (
        regressor,
        lambda m: m.fit(X, Y, callbacks=[keras.callbacks.EarlyStopping(monitor="val_los")], validation_split=0.2),
        ValueError,
        "val_loss",
    ),
    "validation split": (regressor, lambda m: m.fit(X, Y, validation_split=1.5), ValueError, "between 0 and 1"),
    "y beside a generator": (regressor, lambda m: m.fit(iter([(X, Y)]), Y), ValueError, "leave y out"),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_data_are_refused_before_anything_changes(name):
    make, run, error, words = CASES[name]
    model = make()
    before = model.get_weights()
    with pytest.raises(error, match=words):
        run(model)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(model.optimizer.iterations.numpy()) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimizer": "adm", "loss": "mse"}, "adam"),
        ({"optimizer": "adam", "loss": "mean_square_error"}, "mean_squared_error"),
        ({"optimizer": "adam", "loss": "mse", "metrics": ["acuracy"]}, "accuracy"),
    ],
)
def test_unknown_names_have_close_matches(options, words):
    with pytest.raises(ValueError, match=words):
        regressor().compile(**options)


def test_metrics_in_the_place_of_loss_weights():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    with pytest.raises(ValueError, match=r"loss_weights.*\['accuracy'\].*metrics="):
        model.compile("sgd", "mse", ["accuracy"])


def test_fit_before_compile():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    for method in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(ValueError, match="has not been compiled"):
            method(X, Y)


def test_losses_that_name_no_output():
    model = regressor()
    model.compile("sgd", {"tip": "mse"})
    with pytest.raises(ValueError, match=r"names \['tip'\], but the outputs are \['top'\]"):
        model.fit(X, Y)
