"""`Model.generate`: the texts that passes over the whole text would give."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, ops

VOCABULARY, WIDTH, LENGTH = 11, 8, 12
PROMPT = np.array([[1, 2, 3], [9, 0, 4]], "int32")


class Places(layers.Layer):
    def __init__(self, length: int, asks: bool = True, **options: Any):
        super().__init__(**options)
        self.asks, self.table = asks, layers.Embedding(length, WIDTH, embeddings_initializer="random_normal")

    def call(self, x: Any) -> Any:
        first = keras.utils.first_place() if self.asks else 0
        return x + 40 * self.table(ops.arange(x.shape[1]) + first)


def decoder(length: int | None = LENGTH, causal: bool = True, asks: bool = True, final: Any = "softmax") -> Any:
    keras.utils.set_random_seed(2)
    x = keras.Input((length,), dtype="int32")
    y = Places(length or 40, asks)(layers.Embedding(VOCABULARY, WIDTH, embeddings_initializer="random_normal")(x))
    y = layers.Add()([y, layers.MultiHeadAttention(2, 4)(y, y, use_causal_mask=causal)])
    y = layers.LayerNormalization()(y)
    y = layers.Add()([y, layers.GroupQueryAttention(4, 4, 2)(y, y, use_causal_mask=True)])
    return keras.Model(x, layers.Dense(VOCABULARY, activation=final, kernel_initializer="random_normal")(y))


@pytest.fixture(scope="module")
def model() -> Any:
    return decoder()


def by_whole_passes(model: Any, length: int) -> np.ndarray:
    text = np.zeros((2, LENGTH), "int32")
    text[:, :3] = PROMPT
    for at in range(3, length):
        text[:, at] = np.asarray(model.predict_on_batch(text))[:, at - 1].argmax(-1)
    return text[:, :length]


def test_the_likeliest_tokens(model: Any) -> None:
    wanted = by_whole_passes(model, LENGTH)
    assert len(np.unique(wanted)) > 3  # else nothing is shown
    found = model.generate(PROMPT, LENGTH)
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(model.generate(PROMPT[0], 7), wanted[:1, :7])
    np.testing.assert_array_equal(model.generate(PROMPT, 2), PROMPT[:, :2])
    end = int(wanted[0, 5])
    ended = model.generate(PROMPT, LENGTH, end_token=end)
    for row, text in zip(ended, wanted, strict=True):
        at = next((i for i in range(3, LENGTH) if text[i] == end), LENGTH)
        np.testing.assert_array_equal(row, [*text[:at], *[end] * (LENGTH - at)])


def test_weights_that_change_are_seen(model: Any) -> None:
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, 50 * (np.arange(VOCABULARY) == 7)])
    assert (model.generate(PROMPT, LENGTH)[:, 3:] == 7).all()
    model.layers[-1].set_weights([kernel, bias])


def test_draws() -> None:
    model = decoder(length=None, final=None)
    model.layers[-1].set_weights([np.zeros((WIDTH, VOCABULARY)), np.where(np.arange(VOCABULARY) < 3, [0.0], [-50.0])])
    texts = [model.generate(np.ones((50, 1), int), 40, temperature=1.0, seed=seed)[:, 1:] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(*texts[:2])
    assert (texts[0] != texts[2]).any()
    shares = np.bincount(texts[0].ravel(), minlength=VOCABULARY) / texts[0].size
    np.testing.assert_allclose(shares[:3], 1 / 3, atol=0.05)  # 1,950 draws: five standard deviations
    assert not shares[3:].any()


def test_few_candidates(model: Any) -> None:
    likeliest = model.generate(PROMPT, LENGTH)
    np.testing.assert_array_equal(model.generate(PROMPT, LENGTH, temperature=2.0, top_k=1, seed=0), likeliest)


@pytest.mark.parametrize("broken", [{"causal": False}, {"asks": False}], ids=str)
def test_what_cannot_be_run_token_by_token(broken: Any) -> None:
    with pytest.raises(ValueError, match="use_causal_mask=True"):
        decoder(**broken).generate(PROMPT, LENGTH)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((np.ones((1, 2)), 4), "whole numbers of shape"),
        ((np.ones((1, 2, 3), int), 4), r"received shape \(1, 2, 3\)"),
        (([], 4), "at least one"),
        ((PROMPT, 0), "length to be a whole number"),
        ((PROMPT, 4, -1.0), "temperature >= 0"),
        ((PROMPT, 4, 1.0, 0), "top_k to be a whole number"),
    ],
    ids=["floats", "axes", "nothing", "length", "temperature", "top_k"],
)
def test_arguments(arguments: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        keras.Sequential([layers.Embedding(4, 4)]).generate(*arguments)
