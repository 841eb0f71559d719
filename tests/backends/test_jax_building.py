"""On JAX, building a model compiles nothing: values are made on the host and laid on the device as they are.

Excepted is what a layer computes of its weights alone while its output's shape is found out, such as the halves of
GRU's bias.
"""

import logging

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import tahr as keras  # noqa: E402
from tahr import config, layers  # noqa: E402

pytestmark = [pytest.mark.once, pytest.mark.skipif(config.backend() != "jax", reason="is about JAX")]
# sizes that no other test has, so that nothing is compiled already
INPUTS = {
    "dense": ((29,), lambda: [layers.Dense(31), layers.LayerNormalization(), layers.Dropout(0.5)]),
    "convolution": ((29, 31, 3), lambda: [layers.Conv2D(37, 3), layers.BatchNormalization(), layers.MaxPooling2D()]),
    "recurrent": ((29,), lambda: [layers.Embedding(41, 43), layers.Bidirectional(layers.LSTM(47))]),
    "attention": ((29, 53), lambda: [layers.TimeDistributed(layers.Dense(59)), layers.SimpleRNN(61)]),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_building_compiles_nothing(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    shape, make = INPUTS[kind]
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        model = keras.Sequential([keras.Input(shape), *make()])
        built = [record.getMessage() for record in caplog.records if "ompil" in record.getMessage()]
        model(np.zeros((1, *shape), "float32"))
        called = [record.getMessage() for record in caplog.records if "ompil" in record.getMessage()]
    assert not built
    assert called  # so that silence means something
