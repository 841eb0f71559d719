"""`explain_kernels` says which way operations go, and `forced_kernels` makes them go another with equal numbers."""

import numpy as np
import pytest

import tahr as keras
from tahr import config, layers

RANDOM = np.random.default_rng(0)


def pictures():
    model = keras.Sequential(
        [keras.Input((9, 8, 12)), layers.Conv2D(4, 3, name="many"), layers.MaxPooling2D(name="pool")]
    )
    return model, RANDOM.normal(size=(2, 9, 8, 12)).astype("float32")


def sequences():
    x = keras.Input((5, 8))
    model = keras.Model(x, layers.MultiHeadAttention(2, 4, name="heads")(layers.GRU(8, return_sequences=True)(x), x))
    return model, RANDOM.normal(size=(2, 5, 8)).astype("float32")


CASES = [
    (pictures, "convolution", "native", {"jax": "direct"}),
    (pictures, "convolution", "patches", {"jax": "direct"}),
    (pictures, "pooling", "native", {"jax": "slices"}),
    (sequences, "recurrence", "steps", {"jax": "fused", "torch": "fused"}),
    (sequences, "attention", "whole", {"jax": "whole", "numpy": "whole", "tensorflow": "whole"}),
]


@pytest.mark.parametrize("make, operation, other, usual", CASES)
def test_choices_are_shown_and_forced(make, operation, other, usual):
    model, x = make()
    texts = []
    rows = [r for r in model.explain_kernels(x, print_fn=texts.append) if r.operation == operation]
    wanted = usual.get(config.backend())
    if wanted is not None:
        assert [r.way for r in rows] == [wanted]
        assert rows[0].layer.split("/")[-1] in texts[0]
        assert rows[0].reason in texts[0]
    before = np.asarray(model.predict(x, verbose=0))
    again = keras.models.clone_model(model)
    again.set_weights(model.get_weights())
    with keras.utils.forced_kernels(**{operation: other}):
        for row in again.explain_kernels(x, print_fn=texts.append):
            assert row.operation != operation or row.way == other
            assert "cell" not in row.layer
        np.testing.assert_allclose(again.predict(x, verbose=0), before, rtol=1e-4, atol=1e-5)


def test_unknown_ways_are_refused():
    with (
        pytest.raises(ValueError, match="expected attention among .*received convolution='fast'"),
        keras.utils.forced_kernels(convolution="fast"),
    ):
        pass
