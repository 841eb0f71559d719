"""Every row of samples.py: value, dtype policies, symbols, config, training, and bits that do not change."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, ops, tree
from tahr.masks import get_mask
from tests.layers.samples import MASK, SAMPLES, Sample

IDS = [f"{s.id}-{i}" for i, s in enumerate(SAMPLES)]
ROWS = pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
TOLERANCE = {"float32": (1e-4, 1e-5), "mixed_float16": (2e-2, 1e-2), "mixed_bfloat16": (8e-2, 8e-2)}


def make(sample: Sample, **more: Any) -> Any:
    keras.utils.set_random_seed(1)
    return getattr(layers, sample.name)(**sample.arguments, **more)


def call(layer: Any, sample: Sample, inputs: list[Any], **more: Any) -> Any:
    given = sample.call | more
    return layer(inputs, **given) if sample.as_list else layer(*inputs, **given)


def host(x: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(ops.cast(x, "float32")))


def expected(sample: Sample, layer: Any) -> Any:
    weights = [w.astype("float64") for w in layer.get_weights()]
    return sample.oracle(weights, *(x.astype("float64") if x.dtype.kind == "f" else x for x in sample.arrays()))


def stir(layer: Any) -> None:
    """Give weights that start at zero something to do, so that a bias in the wrong place shows."""
    generator = np.random.default_rng(2)
    for variable in layer.trainable_weights:
        if variable.name in ("bias", "beta"):
            variable.assign(generator.normal(size=variable.shape).astype("float32") * 0.1)


@ROWS
@pytest.mark.parametrize("policy", list(TOLERANCE))
def test_value_and_type(sample: Sample, policy: str) -> None:
    layer = make(sample, dtype=policy)
    inputs = sample.arrays()
    call(layer, sample, inputs)
    if layer.trainable_weights and sample.name not in ("BatchNormalization", "LayerNormalization"):
        stir(layer)
    found = call(layer, sample, inputs)
    assert ops.dtype(found) == layer.compute_dtype
    assert all(v.dtype == "float32" for v in layer.weights)
    rtol, atol = TOLERANCE[policy]
    np.testing.assert_allclose(host(found), expected(sample, layer), rtol=rtol, atol=atol)


@ROWS
def test_symbols_have_the_shape_of_arrays(sample: Sample) -> None:
    inputs = sample.arrays()
    found = call(make(sample), sample, inputs)
    for unknown in (False, True):
        symbols = [keras.KerasTensor((None if unknown else x.shape[0], *x.shape[1:]), x.dtype.name) for x in inputs]
        symbol = call(make(sample), sample, symbols)
        assert symbol.dtype == ops.dtype(found)
        assert len(symbol.shape) == len(found.shape)
        assert all(n in (None, m) for n, m in zip(symbol.shape, found.shape, strict=True))
        if not unknown:
            assert None not in symbol.shape or sample.name == "EinsumDense"


@ROWS
def test_config_makes_an_equal_layer(sample: Sample) -> None:
    layer = make(sample)
    inputs = sample.arrays()
    first = call(layer, sample, inputs)
    again = layers.deserialize(layers.serialize(layer))
    assert again.get_config() == layer.get_config()
    call(again, sample, inputs)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(host(call(again, sample, inputs)), host(first))
    assert [w.path for w in again.weights] == [w.path for w in layer.weights]


@ROWS
def test_same_seed_same_weights(sample: Sample) -> None:
    one, two = [], []
    for kept in (one, two):
        layer = make(sample)
        call(layer, sample, sample.arrays())
        kept.extend(layer.get_weights())
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.trains
@ROWS
def test_a_training_step_lowers_the_loss(sample: Sample) -> None:
    layer = make(sample)
    inputs = sample.arrays()
    call(layer, sample, inputs)
    if not layer.trainable_variables:
        return
    stir(layer)
    target = ops.convert_to_tensor(host(call(layer, sample, inputs)) * 0.5 + 0.1)

    def loss() -> Any:
        return ops.mean(ops.square(call(layer, sample, inputs, **_training(layer)) - target))

    value, gradients = keras.value_and_grad(loss, layer.trainable_variables)()
    norm = sum(float(ops.sum(ops.square(g))) for g in gradients)
    assert norm > 0
    for variable, gradient in zip(layer.trainable_variables, gradients, strict=True):
        variable.assign_sub(1e-3 / max(norm, 1.0) ** 0.5 * gradient)
    assert float(loss()) < float(value)


def _training(layer: Any) -> dict[str, Any]:
    return {"training": True} if isinstance(layer, (layers.BatchNormalization, layers.RNN)) else {}


NOISY = [
    ("Dropout", {"rate": 0.5}, (200, 50)),
    ("SpatialDropout1D", {"rate": 0.5}, (200, 3, 50)),
    ("SpatialDropout2D", {"rate": 0.5}, (100, 2, 2, 50)),
    ("AlphaDropout", {"rate": 0.3}, (200, 50)),
    ("GaussianDropout", {"rate": 0.5}, (200, 50)),
    ("GaussianNoise", {"stddev": 0.5}, (200, 50)),
]


@pytest.mark.parametrize(("name", "arguments", "shape"), NOISY, ids=[n[0] for n in NOISY])
def test_noise(name: str, arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    one, two = (getattr(layers, name)(**arguments, seed=3) for _ in range(2))
    np.testing.assert_array_equal(host(one(x)), x)
    assert one(keras.KerasTensor((None, *shape[1:])), training=True).shape == (None, *shape[1:])
    first, again = host(one(x, training=True)), host(one(x, training=True))
    assert not np.array_equal(first, x)
    assert not np.array_equal(first, again)
    np.testing.assert_array_equal(first, host(two(x, training=True)))
    assert abs(first.mean() - x.mean()) < 0.05
    assert one.weights == []
    assert len(one.variables) == 1


def test_spatial_dropout_drops_whole_channels() -> None:
    found = host(layers.SpatialDropout1D(0.5, seed=1)(np.ones((20, 7, 30), "float32"), training=True))
    assert set(np.unique(found)) == {0.0, 2.0}
    assert (found == found[:, :1]).all()
    with pytest.raises(ValueError, match="ndim=4|4 dimensions"):
        layers.SpatialDropout2D(0.5)(np.ones((20, 7, 30), "float32"))


MASKED = [
    ("Activation", {"activation": "relu"}, "same"),
    ("Dropout", {"rate": 0.5}, "same"),
    ("Dense", {"units": 2}, "same"),
    ("LayerNormalization", {}, "same"),
    ("BatchNormalization", {}, "same"),
    ("LSTM", {"units": 2, "return_sequences": True}, "same"),
    ("LSTM", {"units": 2}, None),
    ("GlobalAveragePooling1D", {}, None),
]


@pytest.mark.parametrize(("name", "arguments", "passed"), MASKED)
def test_masks_pass(name: str, arguments: dict[str, Any], passed: str | None) -> None:
    ids = np.where(MASK, 1, 0).astype("int32")
    masked = layers.Embedding(3, 4, mask_zero=True)(ids)
    found = get_mask(getattr(layers, name)(**arguments)(masked))
    if passed is None:
        assert found is None
    else:
        np.testing.assert_array_equal(ops.convert_to_numpy(found), MASK)


def test_merged_masks() -> None:
    ids = np.where(MASK, 1, 0).astype("int32")
    table = layers.Embedding(3, 4, mask_zero=True)
    a, b = table(ids), table(ids[::-1].copy())
    joined, either = layers.Concatenate(axis=1)([a, b]), layers.Add()([a, b])
    np.testing.assert_array_equal(ops.convert_to_numpy(get_mask(joined)), np.concatenate([MASK, MASK[::-1]], 1))
    np.testing.assert_array_equal(ops.convert_to_numpy(get_mask(either)), MASK | MASK[::-1])


def test_batch_normalization_statistics_are_exact_and_stay_when_frozen() -> None:
    x = np.random.default_rng(0).normal(3, 2, (6, 4)).astype("float32")
    layer = layers.BatchNormalization(momentum=0.9)
    layer(x, training=True)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.1 * x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.9 + 0.1 * x.var(0), rtol=1e-5)
    before = layer.get_weights()
    layer.trainable = False
    found = layer(x, training=True)
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(host(found), (x - before[2]) / np.sqrt(before[3] + 1e-3), rtol=1e-4, atol=1e-5)


def test_batch_normalization_leaves_out_what_the_mask_does() -> None:
    x = np.random.default_rng(0).normal(3, 2, (2, 4, 3)).astype("float32")
    layer = layers.BatchNormalization(momentum=0.0)
    layer(x, training=True, mask=MASK)
    np.testing.assert_allclose(layer.moving_mean.numpy(), x[MASK].mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), x[MASK].var(0), rtol=1e-4)


def test_stateful_goes_on_and_resets() -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    layer = layers.LSTM(4, stateful=True)
    whole = layers.LSTM(4)
    whole.build(x.shape)
    layer(x[:, :3])
    layer.set_weights(whole.get_weights())
    layer.reset_state()
    layer(x[:, :3])
    np.testing.assert_allclose(host(layer(x[:, 3:])), host(whole(x)), rtol=1e-4, atol=1e-6)
    assert len(layer.weights) == 3
    assert len(layer.variables) == 5


def test_recurrent_dropout_is_the_same_along_a_sequence() -> None:
    x = np.ones((3, 8, 5), "float32")
    for name in ("SimpleRNN", "LSTM", "GRU"):
        layer = getattr(layers, name)(4, dropout=0.5, recurrent_dropout=0.3, seed=1, return_sequences=True)
        first, second = host(layer(x, training=True)), host(layer(x, training=True))
        assert not np.array_equal(first, second)
        assert layer.cell._dropout_mask is None
        np.testing.assert_array_equal(host(layer(x)), host(layer(x)))


def test_return_state_and_initial_state() -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    layer = layers.GRU(4, return_sequences=True, return_state=True)
    outputs, state = layer(x)
    np.testing.assert_allclose(host(outputs)[:, -1], host(state), rtol=1e-5)
    _, half = layer(x[:, :3])
    rest, _ = layer(x[:, 3:], initial_state=half)
    np.testing.assert_allclose(host(rest), host(outputs)[:, 3:], rtol=1e-4, atol=1e-6)


def test_stacked_cells_and_own_cells() -> None:
    class Counter(layers.Layer):
        state_size = 1
        output_size = 1

        def call(self, inputs: Any, states: Any) -> Any:
            total = states[0] + ops.sum(inputs, -1, keepdims=True)
            return total, [total]

    x = np.arange(6, dtype="float32").reshape(1, 3, 2)
    assert float(layers.RNN(Counter())(x)[0, 0]) == 15.0
    keras.utils.clear_session()  # names are numbered from the start
    stacked = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_sequences=True)
    assert stacked(x).shape == (1, 3, 2)
    assert [w.path.split("/")[-2] for w in stacked.weights] == ["lstm_cell"] * 3 + ["gru_cell"] * 3


def test_time_distributed_equals_the_layer_at_each_step() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 5, 2)).astype("float32")
    inner = layers.Conv2D(3, 2)
    found = host(layers.TimeDistributed(inner)(x))
    for t in range(3):
        np.testing.assert_allclose(found[:, t], host(inner(x[:, t])), rtol=1e-5, atol=1e-6)


def test_attention_scores_and_dropout() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    result, scores = layer(x, x, return_attention_scores=True)
    assert scores.shape == (2, 2, 5, 5)
    np.testing.assert_allclose(host(scores).sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(host(result), host(layer(x, x)), rtol=1e-4, atol=1e-5)
    assert not np.allclose(host(layer(x, x, training=True)), host(result))
    assert tree.flatten(
        layer(keras.KerasTensor((None, 7, 4)), keras.KerasTensor((None, 5, 4)), return_attention_scores=True)
    )[1].shape == (None, 2, 7, 7)  # as Keras describes them: with as many keys as queries


def test_normalization_adapts_in_one_pass_over_a_stream() -> None:
    x = np.random.default_rng(0).normal(5, 3, (50, 4)).astype("float32")
    whole, stream = layers.Normalization(), layers.Normalization()
    whole.adapt(x)
    stream.adapt(x[i : i + 7] for i in range(0, 50, 7))
    for a, b in zip(whole.get_weights(), stream.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    np.testing.assert_allclose(host(stream(x)), (x - x.mean(0)) / x.std(0), rtol=1e-3, atol=1e-4)


def test_discretization() -> None:
    layer = layers.Discretization(num_bins=4)
    values = np.arange(100, dtype="float32")
    with pytest.raises(ValueError, match="adapt"):
        layer(values)
    layer.adapt(values)
    found = ops.convert_to_numpy(layer(values))
    assert np.bincount(found).tolist() == [24, 25, 25, 26]  # the k-th of n values is the quantile k / n
    again = layers.deserialize(layers.serialize(layers.Discretization([0.0, 1.0], output_mode="count")))
    np.testing.assert_array_equal(host(again(np.array([[-1.0, 0.0, 5.0]]))), [[1, 1, 1]])
