"""Masks reach losses and metrics also inside the compiled step, where arrays take no attributes."""

import numpy as np
import pytest

import tahr as keras

IDS = np.array([[1, 2, 0, 0], [3, 1, 2, 0], [2, 0, 0, 0]])
TARGETS = np.random.default_rng(3).normal(size=(3, 4, 1)).astype("float32")


@pytest.mark.trains
def test_masked_steps_are_no_part_of_loss_and_metrics():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Embedding(5, 3, mask_zero=True), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), loss="mse", metrics=["mae"])
    counted = IDS > 0
    errors = (np.asarray(model.predict(IDS, verbose=0)) - TARGETS)[..., 0]
    rows = np.abs(errors) * counted
    expected = {"loss": (errors[counted] ** 2).mean(), "mae": rows.mean(1).sum() / counted.mean(1).sum()}
    for found in (
        model.train_on_batch(IDS, TARGETS, return_dict=True),
        model.evaluate(IDS, TARGETS, batch_size=3, verbose=0, return_dict=True),
        {k: v[-1] for k, v in model.fit(IDS, TARGETS, batch_size=3, verbose=0).history.items()},
    ):
        for name, value in expected.items():
            np.testing.assert_allclose(float(found[name]), value, rtol=1e-5)
