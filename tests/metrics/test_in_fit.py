"""Metrics that make their variables at the first batch do so inside a compiled step, too."""

import numpy as np
import pytest

import tahr as keras
from tahr import metrics

RNG = np.random.default_rng(2)
X = RNG.normal(size=(25, 5)).astype("float32")
Y = np.eye(3, dtype="float32")[RNG.integers(0, 3, size=25)]


@pytest.mark.trains
@pytest.mark.parametrize(
    "make",
    [metrics.F1Score, metrics.R2Score, lambda: metrics.AUC(multi_label=True, name="auc")],
    ids=["f1", "r2", "auc"],
)
def test_late_variables(make):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, activation="softmax")])
    metric = make()
    model.compile(keras.optimizers.SGD(0.0), "categorical_crossentropy", metrics=[metric])
    history = model.fit(X, Y, epochs=2, batch_size=10, verbose=0).history[metric.name]  # the last batch has 5 rows
    alone = make()
    alone.update_state(Y, model.predict(X, verbose=0))
    expected = np.asarray(keras.ops.convert_to_numpy(alone.result()))
    for value in (*history, model.evaluate(X, Y, verbose=0, return_dict=True)[metric.name]):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
