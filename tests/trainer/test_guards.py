"""How a model ends is checked against its losses, and shapes of targets against those of outputs, before training."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, losses, ops
from tahr.trainer.sources import rows as rows_module

pytestmark = pytest.mark.trains

X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
LABELS = np.arange(20) % 3
CODES = np.eye(3, dtype="float32")[LABELS]
BITS = (LABELS > 0).astype("float32")
ROW = X[:, :1].copy()


def fit(ending: list[Any], loss: Any, y: Any) -> Any:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(8, activation="relu"), *ending])
    model.compile("sgd", loss)
    before = model.get_weights()
    try:
        model.fit(X, y, verbose=0)
    except ValueError:
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        raise
    return model


def nested() -> Any:
    x = keras.Input((8,))
    return keras.Model(x, [layers.Dense(3, name="inner")(x)])


REFUSED = {
    "logits, sparse": (
        lambda: [layers.Dense(3, name="top")],
        "sparse_categorical_crossentropy",
        LABELS,
        "'top'.*softmax",
    ),
    "logits, codes": (lambda: [layers.Dense(3)], losses.CategoricalCrossentropy(), CODES, "from_logits=True"),
    "logits, bits": (lambda: [layers.Dense(1)], "binary_crossentropy", BITS, "activation='sigmoid'"),
    "logits, nested": (lambda: [nested()], "categorical_crossentropy", CODES, "'inner'"),
    "logits, activation": (
        lambda: [layers.Dense(3, activation="softmax"), layers.Dense(3)],
        "categorical_crossentropy",
        CODES,
        "expects probabilities",
    ),
    "probabilities": (
        lambda: [layers.Dense(3, activation="softmax")],
        losses.SparseCategoricalCrossentropy(from_logits=True),
        LABELS,
        "ends in softmax",
    ),
    "sigmoid": (
        lambda: [layers.Dense(1), layers.Activation("sigmoid")],
        losses.BinaryCrossentropy(from_logits=True),
        BITS,
        "ends in sigmoid",
    ),
    "twice": (
        lambda: [layers.Dense(3, activation="softmax"), layers.Softmax()],
        "categorical_crossentropy",
        CODES,
        "through softmax and then",
    ),
    "stretched columns": (lambda: [layers.Dense(3)], "mse", ROW, r"\(None, 3\)|\(20, 1\)"),
    "stretched rows": (lambda: [layers.Dense(3)], "mae", ROW[:, 0], "one by one"),
    "other columns": (lambda: [layers.Dense(2)], "huber", CODES, "one by one"),
    "sparse labels for codes": (
        lambda: [layers.Dense(3, activation="softmax")],
        "categorical_crossentropy",
        LABELS,
        "one by one",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    ending, loss, y, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        fit(ending(), loss, y)


ACCEPTED = {
    "softmax": (lambda: [layers.Dense(3, activation="softmax")], "sparse_categorical_crossentropy", LABELS),
    "softmax layer": (lambda: [layers.Dense(3), layers.Softmax()], "categorical_crossentropy", CODES),
    "logits": (lambda: [layers.Dense(3)], losses.SparseCategoricalCrossentropy(from_logits=True), LABELS),
    "numbers by hand": (
        lambda: [layers.Dense(3), layers.Lambda(ops.softmax)],
        "sparse_categorical_crossentropy",
        LABELS[:, None],
    ),
    "attention inside": (
        lambda: [layers.Dense(3, activation="softmax"), layers.Dense(1, activation="sigmoid")],
        "binary_crossentropy",
        BITS,
    ),
    "one column": (lambda: [layers.Dense(1)], "mse", ROW[:, 0]),
    "no column": (lambda: [layers.Dense(1), layers.Flatten(), layers.Reshape(())], "mse", ROW),
    "one's own loss": (lambda: [layers.Dense(3)], lambda y, found: ops.mean(ops.square(y - found)), ROW),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    ending, loss, y = ACCEPTED[name]
    assert int(fit(ending(), loss, y).optimizer.iterations.numpy()) == 1


def test_graph_of_operations() -> None:
    x = keras.Input((4,))
    model = keras.Model(x, ops.sigmoid(layers.Dense(1)(x)))
    model.compile("sgd", losses.BinaryCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="sigmoid"):
        model.fit(X, BITS, verbose=0)


def test_the_second_output_of_an_inner_model() -> None:
    x, z = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(z, [layers.Dense(3, activation="softmax")(z), layers.Dense(3, name="raw")(z)])
    model = keras.Model(x, inner(x))
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="'raw'"):
        model.fit(X, [LABELS, LABELS], verbose=0)


def test_an_input_that_leads_nowhere() -> None:
    x, unused = keras.Input((4,)), keras.Input((4,), name="spare")
    model = keras.Model([x, unused], layers.Dense(1)(x))
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="'spare'"):
        model.fit([X, X], ROW, verbose=0)


# ---- batches that are read later -------------------------------------------------------------------------------------

IDS = np.arange(20, dtype="int32").reshape(10, 2) % 5


class Words(keras.Model):
    """A model that is no graph."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.top = layers.Embedding(5, 2, name="words"), layers.Dense(3, activation="softmax")

    def call(self, x: Any) -> Any:
        return self.top(ops.mean(self.words(x["ids"]), axis=1) + x["more"])


def words_graph() -> Any:
    x = {"ids": keras.Input((2,), dtype="int32", name="ids"), "more": keras.Input((2,), name="more")}
    y = ops.mean(layers.Embedding(5, 2, name="words")(x["ids"]), axis=1) + x["more"]
    return keras.Model(x, layers.Dense(3, activation="softmax")(y))


class Later(keras.utils.PyDataset):
    """Batches of which the one at 3 has a fault."""

    def __init__(self, fault: str, **options: Any):
        super().__init__(**options)
        self.fault = fault

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        rows = slice(2 * index, 2 * index + 2)
        ids, more, labels = IDS[rows].copy(), X[rows, :2].copy(), LABELS[rows].copy()
        if index == 3 and self.fault == "id":
            ids[1, 0] = 7
        if index == 3 and self.fault == "nan":
            more[1, 0] = np.nan
        if index == 3 and self.fault == "label":
            labels[1] = 3
        return {"ids": ids, "more": more}, labels


FAULTS = {
    "id": "words.*expected ids from 0 to 4; received 7",
    "nan": r"x\['more'\] holds nan at index \(1, 0\)",
    "label": "class labels from 0 to 2.*row 1 of y holds 3",
}


@pytest.mark.parametrize("build", [words_graph, Words])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["dataset", "workers", "generator"])
def test_later_batches(build: Any, fault: str, kind: str) -> None:
    data = Later(fault, workers=2 if kind == "workers" else 1)
    place = "Batch 3, from 0, of the generator" if kind == "generator" else r"Later\[3\]"
    model = build()
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    source: Any = (data[i] for i in range(5)) if kind == "generator" else data
    with pytest.raises(ValueError, match=f"{place}: .*{FAULTS[fault]}"):
        model.fit(source, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations.numpy()) <= 3  # a step before the fault may still be on its way
    with pytest.raises(ValueError, match=FAULTS[fault]):
        model.evaluate(data, verbose=0)


def test_later_rows_of_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rows_module, "READ_AT_ONCE", 0)
    zarr: Any = importlib.import_module("zarr")
    x = X.copy()
    x[9, 1] = np.inf
    stored = zarr.array(x, chunks=(4, 4), store=str(tmp_path / "x.zarr"))
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(ValueError, match=r"Batch 2 of epoch 1, from 0: x holds inf at index \(1, 1\)"):
        model.fit(stored, ROW, batch_size=4, shuffle=False, verbose=0)


@pytest.mark.parametrize("rows", [1, 100])
@pytest.mark.parametrize("method", ["predict", "predict_on_batch"])
def test_ids_outside_are_no_predictions(method: str, rows: int) -> None:
    model = words_graph()
    x = {"ids": np.zeros((rows, 2), "int32"), "more": np.zeros((rows, 2), "float32")}
    for _ in range(2):
        getattr(model, method)(x)
    x["ids"][rows - 1, 1] = 5
    with pytest.raises(ValueError, match=FAULTS["id"].replace("7", "5")):
        getattr(model, method)(x)
