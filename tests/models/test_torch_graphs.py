"""Models are one graph for torch.compile, in inference and in training."""

from typing import Any

import pytest

import tahr as keras
from tahr import config, layers, ops

pytestmark = [
    pytest.mark.slow,
    pytest.mark.trains,
    pytest.mark.skipif(config.backend() != "torch", reason="is about torch.compile"),
]


def joined(make: Any, shape: tuple[int, ...]) -> Any:
    x = keras.Input(shape)
    return keras.Model(x, make(x))


MODELS: dict[str, Any] = {
    "attention": lambda: joined(lambda x: layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(x, x)), (7, 8)),
    "grouped": lambda: joined(lambda x: layers.GroupQueryAttention(4, 4, 2)(x, x), (7, 8)),
    "recurrent": lambda: keras.Sequential([layers.Bidirectional(layers.GRU(5, return_sequences=True)), layers.LSTM(3)]),
    "images": lambda: keras.Sequential(
        [
            layers.UpSampling2D(2, interpolation="bilinear"),
            layers.Conv2DTranspose(3, 3, strides=2),
            layers.SeparableConv2D(2, 3),
            layers.BatchNormalization(),
            layers.AdaptiveAveragePooling2D(2),
        ]
    ),
    "noise": lambda: keras.Sequential([layers.Dropout(0.5), layers.GaussianNoise(0.1), layers.SpatialDropout1D(0.2)]),
    "shapes": lambda: keras.Sequential(
        [layers.EinsumDense("abc,cd->abd", (None, 3)), layers.Permute((2, 1)), layers.Reshape((21,)), layers.PReLU()]
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_one_graph(name: str) -> None:
    import tensorflow  # noqa: F401  # beside which models look for its graphs
    import torch

    model = MODELS[name]()
    x = ops.ones((2, 9, 9, 4) if name == "images" else (2, 7, 8))
    training = name in ("images", "noise")  # which differ in training
    keras.utils.set_random_seed(1)
    model(x, training=training)
    found = torch.compile(lambda x: model(x, training=training), fullgraph=True, dynamic=False, backend="eager")(x)
    assert found.shape == model(x).shape
    if not training:
        torch.testing.assert_close(found, model(x))
