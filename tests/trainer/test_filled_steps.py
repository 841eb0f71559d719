"""`fit` and `evaluate` fill up a last short batch with rows that do not count, where that changes nothing."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import config, layers, losses, metrics, ops
from tahr.trainer import session as sessions
from tahr.trainer.padding import counts_rows_alone

RNG = np.random.default_rng(0)
ROWS, BATCH = 70, 32
X = RNG.normal(size=(ROWS, 6)).astype("float32")
Y = RNG.normal(size=(ROWS, 3)).astype("float32")
SHARES = np.abs(Y) / np.abs(Y).sum(-1, keepdims=True)
BITS = (Y > 0).astype("float32")
CLASSES = Y.argmax(-1).astype("int32")
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]
WEIGHTS = RNG.uniform(0.2, 2, size=ROWS).astype("float32")
SEQUENCES = RNG.normal(size=(ROWS, 5, 4)).astype("float32")
SEQUENCES[::3, 3:] = 0


def both_ways(run: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """Return what `run` gives with batches filled up where that is known to be exact, on any backend, and without."""
    found = []
    for fills in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(sessions.Session, "fills", lambda self, kind, on=fills: on and _asked(self, kind))
            keras.utils.set_random_seed(3)
            found.append(run())
    return found[0], found[1]


def _asked(session: Any, kind: str) -> bool:
    assert counts_rows_alone(session.model, kind == "train"), "this case shall be filled up"
    return True


def agree(found: Any, wanted: Any) -> None:
    for a, b in zip(keras.tree.flatten(found), keras.tree.flatten(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)


def dense(activation: str | None) -> Any:
    return keras.Sequential([keras.Input((6,)), layers.Dense(8, "tanh"), layers.Dense(3, activation)])


def trained(model: Any, x: Any, y: Any, loss: Any, measured: Any = (), weights: Any = None, eager: bool = False) -> Any:
    optimizer = keras.optimizers.Adam(0.02)
    model.compile(optimizer, loss, None, list(measured), list(measured)[:1], run_eagerly=eager)
    logs = model.fit(x, y, BATCH, 2, 0, sample_weight=weights).history | {}
    return logs, model.get_weights(), model.evaluate(x, y, BATCH, 0, sample_weight=weights)


KINDS = {  # activation, targets
    "numbers": (None, Y),
    "shares": ("softmax", SHARES),
    "bits": ("sigmoid", BITS),
    "classes": ("softmax", CLASSES),
    "one hot": ("softmax", ONE_HOT),
    "signs": ("tanh", np.sign(Y)),
}
LOSSES = {
    "mean_squared_error": "numbers",
    "mean_absolute_error": "numbers",
    "mean_absolute_percentage_error": "numbers",
    "mean_squared_logarithmic_error": "shares",
    "cosine_similarity": "numbers",
    "huber": "numbers",
    "log_cosh": "numbers",
    "kl_divergence": "shares",
    "poisson": "shares",
    "hinge": "signs",
    "squared_hinge": "signs",
    "categorical_hinge": "one hot",
    "binary_crossentropy": "bits",
    "binary_focal_crossentropy": "bits",
    "categorical_crossentropy": "one hot",
    "categorical_focal_crossentropy": "one hot",
    "sparse_categorical_crossentropy": "classes",
}
METRICS: dict[str, Callable[[], list[Any]]] = {
    "numbers": lambda: [
        metrics.MeanSquaredError(), metrics.RootMeanSquaredError(), metrics.MeanAbsoluteError(),
        metrics.MeanAbsolutePercentageError(), metrics.LogCoshError(), metrics.CosineSimilarity(),
        metrics.PearsonCorrelation(), metrics.ConcordanceCorrelation(),
    ],
    "shares": lambda: [metrics.KLDivergence(), metrics.Poisson(), metrics.MeanSquaredLogarithmicError()],
    "bits": lambda: [
        metrics.BinaryAccuracy(), metrics.AUC(), metrics.AUC(multi_label=True, name="labels"), metrics.Precision(),
        metrics.Recall(class_id=1), metrics.TruePositives(), metrics.TrueNegatives(), metrics.FalsePositives(),
        metrics.FalseNegatives(), metrics.F1Score(threshold=0.5), metrics.FBetaScore(beta=2.0, threshold=0.5),
        metrics.BinaryIoU(), metrics.BinaryCrossentropy(), metrics.SensitivityAtSpecificity(0.5),
        metrics.PrecisionAtRecall(0.5),
    ],
    "classes": lambda: [
        "accuracy", metrics.SparseCategoricalAccuracy(name="exact"), metrics.SparseTopKCategoricalAccuracy(2),
        metrics.SparseCategoricalCrossentropy(), metrics.MeanIoU(3, sparse_y_pred=False),
    ],
    "one hot": lambda: [
        metrics.CategoricalAccuracy(), metrics.TopKCategoricalAccuracy(2), metrics.CategoricalCrossentropy(),
        metrics.OneHotIoU(3, (0, 2)), metrics.OneHotMeanIoU(3), metrics.CategoricalHinge(),
    ],
    "signs": lambda: [metrics.Hinge(), metrics.SquaredHinge()],
}  # fmt: skip


@pytest.mark.trains
@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    activation, y = KINDS[LOSSES[loss]]
    agree(*both_ways(lambda: trained(dense(activation), X, y, loss, eager=True), monkeypatch))


@pytest.mark.parametrize("kind", METRICS)
def test_metrics(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    activation, y = KINDS[kind]

    def run() -> Any:
        model = dense(activation)
        model.compile(
            None,
            "mse" if kind != "classes" else "sparse_categorical_crossentropy",
            metrics=METRICS[kind](),
            run_eagerly=True,
        )
        return model.evaluate(X, y, BATCH, 0)

    agree(*both_ways(run, monkeypatch))


@pytest.mark.trains
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_reductions_and_weights(reduction: str, weights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = losses.MeanSquaredError(reduction=reduction)
    agree(*both_ways(lambda: trained(dense(None), X, Y, loss, ["mae", "mse"], weights, True), monkeypatch))


@pytest.mark.trains
def test_steps_of_time_with_masks_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    y = RNG.integers(0, 3, size=(ROWS, 5))
    y[::7, 1] = -1

    def run() -> Any:
        x = keras.Input((5, 4))
        found = layers.LSTM(4, return_sequences=True)(layers.Masking()(x))
        model = keras.Model(x, layers.Dense(3, "softmax")(found))
        loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
        return trained(model, SEQUENCES, y, loss, ["accuracy"])

    agree(*both_ways(run, monkeypatch))


@pytest.mark.trains
def test_several_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Any:
        x = keras.Input((5, 4))
        shared = layers.MultiHeadAttention(2, 3)(x, x)
        outputs = {"a": layers.Dense(3)(layers.Flatten()(shared)), "b": layers.GRU(1)(shared)}
        model = keras.Model(x, outputs)
        y = {"a": Y, "b": WEIGHTS[:, None]}
        model.compile("sgd", {"a": "mse", "b": "mae"}, {"a": 2.0, "b": 0.5}, metrics={"b": ["mse"]})
        logs = model.fit(SEQUENCES, y, BATCH, 2, 0).history | {}
        return logs, model.get_weights(), model.evaluate(SEQUENCES, y, BATCH, 0)

    agree(*both_ways(run, monkeypatch))


@pytest.mark.trains
def test_layers_that_keep_rows_apart_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Any:
        parts = [
            keras.Input((5, 4)), layers.Conv1D(4, 2, activation="relu", kernel_regularizer="l2"), layers.Dropout(0.0),
            layers.LayerNormalization(), layers.GlobalAveragePooling1D(), layers.Dense(3),
        ]  # fmt: skip
        return trained(keras.Sequential(parts), SEQUENCES, Y, "mse", ["mae"])

    agree(*both_ways(run, monkeypatch))


class Batches(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> Any:
        return X[i * BATCH : (i + 1) * BATCH], Y[i * BATCH : (i + 1) * BATCH]


def generated(*sizes: int) -> Iterator[Any]:
    start = 0
    for size in sizes:
        yield X[start : start + size], Y[start : start + size]
        start += size


SOURCES: dict[str, Callable[[Any], Any]] = {
    "arrays": lambda model: model.fit(X, Y, BATCH, 3, 0, shuffle=True, validation_data=(X[:40], Y[:40])),
    "steps": lambda model: model.fit(X, Y, BATCH, 3, 0, steps_per_epoch=2),
    "batches": lambda model: model.fit(Batches(), epochs=3, verbose=0, validation_data=Batches()),
    "some batches": lambda model: model.fit(Batches(), epochs=3, verbose=0, steps_per_epoch=2),
    "generator": lambda model: model.fit(generated(32, 32, 6), verbose=0),
    "sizes": lambda model: model.fit(generated(20, 3, 15, 20, 12), verbose=0),
    "growing": lambda model: model.fit(generated(6, 32, 32), verbose=0),
    "one short batch": lambda model: model.fit(X[:9], Y[:9], BATCH, 2, 0),
}


@pytest.mark.trains
@pytest.mark.parametrize("source", SOURCES)
def test_sources(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Any:
        model = dense(None)
        model.compile("adam", "mse", metrics=["mae"])
        return SOURCES[source](model).history | {}, model.get_weights()

    agree(*both_ways(run, monkeypatch))


@pytest.mark.trains
def test_data_that_stay_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tahr.trainer.sources.arrays.RESIDENT_BYTES", 100)
    agree(*both_ways(lambda: trained(dense(None), X, Y, "mse", ["mae"]), monkeypatch))


@pytest.mark.trains
def test_data_sets_of_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH)

    def run() -> Any:
        model = dense(None)
        model.compile("adam", "mse", metrics=["mae"])
        logs = model.fit(data, epochs=3, verbose=0, validation_data=data).history | {}
        return logs, model.get_weights(), model.evaluate(data.repeat(2), verbose=0)

    agree(*both_ways(run, monkeypatch))


@pytest.mark.trains
@pytest.mark.skipif(config.backend() == "torch", reason="where steps are not compiled, none is filled up")
@pytest.mark.parametrize("source", ["arrays", "steps", "batches"])
def test_no_second_program(source: str) -> None:
    model, seen = dense(None), set()
    model.compile("adam", "mse")

    def looking(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def look(data: Any) -> Any:
            seen.add(tuple(data[0].shape))
            return step(data)

        return look

    model.train_step, model.test_step = looking(model.train_step), looking(model.test_step)
    SOURCES[source](model)
    model.evaluate(X, Y, BATCH, 0)
    assert seen == {(BATCH, 6)}


class OwnLoss(losses.MeanSquaredError):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        found = super().call(y_true, y_pred)
        return found / ops.max(found)


class OwnStep(keras.Sequential):
    def train_step(self, data: Any) -> Any:
        return super().train_step(data)


DENSE = [keras.Input((6,)), layers.Dense(3)]
LEFT: dict[str, tuple[Callable[[], Any], Any, Any, dict[str, bool]]] = {
    "normalised": (lambda: [*DENSE, layers.BatchNormalization()], "mse", [], {"test": True}),
    "dropout": (lambda: [*DENSE, layers.Dropout(0.5)], "mse", [], {"test": True}),
    "noise": (lambda: [*DENSE, layers.GaussianNoise(0.5)], "mse", [], {"test": True}),
    "activity": (lambda: [keras.Input((6,)), layers.Dense(3, activity_regularizer="l2")], "mse", [], {"test": False}),
    "regularizer": (lambda: [*DENSE, layers.ActivityRegularization(0.1)], "mse", [], {"test": False}),
    "own loss": (lambda: DENSE, OwnLoss(), [], {"test": False}),
    "function": (lambda: DENSE, lambda y, p: ops.mean(ops.square(y - p), -1), [], {"test": False}),
    "dice": (lambda: DENSE, "dice", [], {"test": False}),
    "axis": (lambda: DENSE, losses.CosineSimilarity(axis=0), [], {"test": False}),
    "own metric": (lambda: DENSE, "mse", [lambda y, p: ops.max(p, -1)], {"test": False}),
    "r2": (lambda: DENSE, "mse", ["r2_score"], {"test": False}),
    "flat": (lambda: [*DENSE, layers.Dense(1), layers.Reshape(())], "mse", [], {"test": False}),
}


@pytest.mark.trains
@pytest.mark.parametrize("name", LEFT)
def test_left_as_it_is(name: str) -> None:
    made, loss, measured, tells = LEFT[name]
    model = keras.Sequential(made())
    model.compile("adam", loss, metrics=measured)
    model.fit(X[:4], Y[:4] if name != "flat" else WEIGHTS[:4], verbose=0)
    assert not counts_rows_alone(model, True)
    assert counts_rows_alone(model, False) is tells["test"]


@pytest.mark.trains
def test_steps_of_ones_own_see_batches_as_they_are() -> None:
    model = OwnStep(DENSE)
    model.compile("adam", "mse")
    model.fit(X, Y, BATCH, 1, 0)
    assert not model._session.fills("train")


@pytest.mark.trains
def test_a_model_that_runs_eagerly_is_given_no_more_rows() -> None:
    model = dense(None)
    model.compile("adam", "mse", run_eagerly=True)
    model.fit(X, Y, BATCH, 1, 0)
    assert not model._session.fills("train")


@pytest.mark.trains
@pytest.mark.skipif(config.backend() == "torch", reason="where steps are not compiled, none is filled up")
def test_looking_at_steps_that_are_filled_up() -> None:
    model = dense(None)
    model.compile("adam", "mse")
    x = X.copy()
    model.fit(x, Y, BATCH, 3, 0, profile=True)
    assert model._session.fills("train")
    logs = model.fit(x, Y, BATCH, 1, 0, shuffle=False, debug="nan").history | {}
    assert np.isfinite(logs["loss"]).all()
    model.optimizer.learning_rate = 1e30
    with pytest.raises(FloatingPointError, match="batch"):
        model.fit(x, Y, BATCH, 2, 0, shuffle=False, debug="nan")
