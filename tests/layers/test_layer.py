"""The base class: tracking, freezing, losses, state, configuration, paths, types, errors."""

import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, ops
from tahr.layers import layer as layer_module

X = np.ones((2, 3), "float32")


class Block(layers.Layer):
    """A user's layer with layers in a list, a dict and an attribute, and no build of its own."""

    def __init__(self, units: int, rate: float = 0.5, **kwargs: Any):
        super().__init__(**kwargs)
        self.stack = [layers.Dense(units, name=f"d{i}") for i in range(2)]
        self.named = {"norm": layers.BatchNormalization(name="norm")}
        self.drop = layers.Dropout(rate, seed=1)

    def call(self, x: Any, training: bool = False) -> Any:
        for layer in self.stack:
            x = layer(x)
        return self.drop(self.named["norm"](x))


def test_layers_in_lists_and_dicts_are_tracked() -> None:
    block = Block(4, name="block")
    block(X)
    assert [v.path for v in block.weights] == [
        "block/d0/kernel",
        "block/d0/bias",
        "block/d1/kernel",
        "block/d1/bias",
        "block/norm/gamma",
        "block/norm/beta",
        "block/norm/moving_mean",
        "block/norm/moving_variance",
    ]
    assert (len(block.trainable_weights), len(block.non_trainable_weights)) == (6, 2)
    assert len(block.variables) == 9  # and the state of the dropout's generator
    assert block.count_params() == 3 * 4 + 4 + 4 * 4 + 4 + 4 * 4


def test_training_reaches_the_layers_inside() -> None:
    block = Block(4)
    block(X)
    before = block.named["norm"].moving_mean.numpy().copy()
    block(np.random.default_rng(0).normal(size=(8, 3)).astype("float32"), training=True)
    assert not np.array_equal(before, block.named["norm"].moving_mean.numpy())


def test_freezing_and_thawing() -> None:
    block = Block(4)
    block(X)
    block.trainable = False
    assert block.trainable_weights == []
    assert len(block.non_trainable_weights) == 8
    block.trainable = True
    assert len(block.trainable_weights) == 6  # moving statistics are not trained even so
    block.stack[0].trainable = False
    assert len(block.trainable_weights) == 4


def test_a_layer_made_frozen_has_frozen_weights_inside_another() -> None:
    model = keras.Sequential([layers.Dense(2, trainable=False), layers.Dense(1)])
    model(X)
    assert len(model.trainable_weights) == 2


def test_recorded_config_of_a_users_layer() -> None:
    block = Block(4, rate=0.25, name="b")
    config = block.get_config()
    assert {k: config[k] for k in ("units", "rate", "name", "trainable")} == {
        "units": 4,
        "rate": 0.25,
        "name": "b",
        "trainable": True,
    }
    again = Block.from_config(config)
    assert again.drop.rate == 0.25
    assert again.get_config() == config


def test_losses_of_the_last_call_and_of_weights() -> None:
    class Penalty(layers.Layer):
        def call(self, x: Any) -> Any:
            self.add_loss(ops.sum(x))
            return x

    layer = Penalty()
    layer(X)
    layer(X)
    assert [float(x) for x in layer.losses] == [6.0]
    dense = layers.Dense(2, kernel_initializer="ones", kernel_regularizer="l2", activity_regularizer="l1")
    dense(X)
    np.testing.assert_allclose([float(x) for x in dense.losses], [0.01 * 12 / 2, 0.01 * 6], rtol=1e-5)
    with pytest.raises(ValueError, match="scalars"):
        layer.add_loss(ops.ones((2,)))


def test_losses_end_with_the_next_outer_call_and_with_their_layer() -> None:
    block = keras.Sequential([keras.Input((3,)), layers.ActivityRegularization(l1=1.0), layers.Dense(2)])
    inner, other = block.layers[0], layers.ActivityRegularization(l1=2.0)
    inner(X)
    other(X)
    block(2 * X)
    assert [float(x) for x in block.losses] == [float(x) for x in inner.losses] == [6.0]
    assert [float(x) for x in other.losses] == [6.0]
    layers.Dense(1)(X)  # another's call leaves them
    assert len(block.losses) == len(other.losses) == 1
    again = pickle.loads(pickle.dumps(block))
    assert again.losses == [] and len(block.losses) == 1
    again(X)
    assert [float(x) for x in again.losses] == [3.0]
    known = {id(inner), id(other), id(again.layers[0])}
    assert known <= set(layer_module._with_losses)
    del block, inner, other, again
    gc.collect()
    assert not known & set(layer_module._with_losses)


def test_stateless_call_changes_nothing_and_returns_the_state() -> None:
    layer = layers.BatchNormalization(momentum=0.5)
    layer.build((None, 3))
    before = layer.get_weights()
    values = [v.value for v in layer.trainable_variables], [v.value for v in layer.non_trainable_variables]
    outputs, state = layer.stateless_call(*values, X * 3, training=True)
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(ops.convert_to_numpy(state[0]), 1.5)
    assert outputs.shape == (2, 3)
    with pytest.raises(ValueError, match="expected 2 trainable_variables; received 0"):
        layer.stateless_call([], values[1], X)


@pytest.mark.parametrize(
    ("policy", "given", "weight", "result"),
    [
        ("float32", "float32", "float32", "float32"),
        ("mixed_float16", "float32", "float32", "float16"),
        ("mixed_bfloat16", "float32", "float32", "bfloat16"),
        ("float16", "float32", "float16", "float16"),
        ("float32", "int32", "float32", "float32"),
    ],
)
def test_types(policy: str, given: str, weight: str, result: str) -> None:
    layer = layers.Dense(2, dtype=policy)
    found = layer(ops.cast(X, given))
    assert (layer.kernel.dtype, ops.dtype(found)) == (weight, result)


def test_shapes_follow_from_call() -> None:
    assert layers.Dense(5).compute_output_shape((None, 3)) == (None, 5)
    assert layers.Concatenate().compute_output_shape([(None, 3), (None, 4)]) == (None, 7)
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)])
    assert model.output_shape == (None, 2)


def test_weights_argument_of_embedding_and_set_weights() -> None:
    table = np.arange(6, dtype="float32").reshape(3, 2)
    layer = layers.Embedding(3, 2, weights=[table])
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(np.array([2]))), table[[2]])
    assert "weights" not in layer.get_config()
    with pytest.raises(ValueError, match=r"has shape \(3, 2\); received \(2, 2\)"):
        layer.set_weights([table[:2]])


def test_a_layer_goes_when_nobody_holds_it() -> None:
    layer = Block(4)
    layer(X)
    gone = weakref.ref(layer)
    del layer
    gc.collect()
    assert gone() is None


def _functional() -> Any:
    x = keras.Input((3,))
    return keras.Model(x, layers.Dense(2, name="head")(x))


SEQUENCE, WRONG = np.ones((2, 4, 3), "float32"), np.ones((2, 5), bool)
ERRORS = [
    (lambda: layers.Dense(0), ValueError, "`units` to be a positive whole number; received 0"),
    (lambda: layers.Dense(2.5), ValueError, "received 2.5"),
    (lambda: layers.Dense(2, activation="rellu"), ValueError, "rellu"),
    (lambda: layers.Dense(2, colour=1), TypeError, "colour"),
    (lambda: layers.Dense(2, name="a/b"), ValueError, "without '/'"),
    (lambda: layers.Dense(2)(np.ones(3, "float32")), ValueError, "at least 2 dimensions; received 1"),
    (lambda: layers.Dense(2)(keras.Input((None,))), ValueError, "size of axis -1"),
    (lambda: _functional()(np.ones((2, 4), "float32")), ValueError, "3"),
    (lambda: layers.Dense(2)("text"), TypeError, "expected an array"),
    (lambda: layers.Dropout(1.5), ValueError, "from 0 to 1; received 1.5"),
    (lambda: layers.Conv2D(4, 3, padding="full"), ValueError, "'valid', 'same'; received 'full'"),
    (lambda: layers.Conv2D(4, (3, 3, 3)), ValueError, "`kernel_size` to be a whole number or 2 of them"),
    (lambda: layers.Conv2D(4, 3, strides=2, dilation_rate=2), ValueError, "exclude each other"),
    (lambda: layers.Conv2D(4, 5)(np.ones((1, 3, 3, 1), "float32")), ValueError, "do not fit"),
    (lambda: layers.Conv2D(4, 3, groups=2)(np.ones((1, 5, 5, 3), "float32")), ValueError, "groups=2"),
    (lambda: layers.MaxPooling2D(4)(np.ones((1, 3, 3, 1), "float32")), ValueError, "do not fit"),
    (lambda: layers.Add()(X), ValueError, "list of at least 1 inputs"),
    (lambda: layers.Add()([X, np.ones((2, 4), "float32")]), ValueError, "broadcast together"),
    (lambda: layers.Concatenate(axis=0)([X, np.ones((2, 4), "float32")]), ValueError, "equal sizes in all axes but 0"),
    (lambda: layers.Dot(1)([X, np.ones((2, 4), "float32")]), ValueError, "3 and 4"),
    (lambda: layers.Reshape((4, 2))(np.ones((1, 6), "float32")), ValueError, r"do not fill target_shape=\(4, 2\)"),
    (lambda: layers.Permute((1, 1)), ValueError, "each of 1 to 2 once"),
    (lambda: layers.Embedding(3, 2)(np.array([3])), ValueError, "ids from 0 to 2; received 3"),
    (lambda: layers.Embedding(3, 2)(np.array([-1])), ValueError, "received -1"),
    (lambda: layers.LSTM(4, stateful=True)(keras.Input((5, 3))), ValueError, "fixed batch size"),
    (lambda: layers.Bidirectional(layers.Dense(2)), ValueError, "recurrent layer"),
    (lambda: layers.RNN(layers.Dense(2)), ValueError, "`state_size`"),
    (lambda: layers.EinsumDense("ab->ab", 3)(X), ValueError, "equation of two operands"),
    (lambda: layers.GroupNormalization(2)(X), ValueError, "divide the number of channels, 3"),
    (lambda: layers.TimeDistributed(layers.Dense(2))(X), ValueError, "at least 3 axes"),
    (lambda: layers.GroupQueryAttention(4, 3, 2), ValueError, "multiple of num_key_value_heads=2"),
    (lambda: layers.Lambda("x + 1"), TypeError, "to be a function"),
    # ranks
    (lambda: layers.LSTM(3)(X), ValueError, "LSTM.*expected 3 dimensions; received 2"),
    (lambda: layers.Conv2D(3, 2)(SEQUENCE), ValueError, "Conv2D.*at least 4 dimensions; received 3"),
    (lambda: layers.ConvLSTM2D(2, 2)(SEQUENCE), ValueError, "expected 5 dimensions; received 3"),
    (lambda: layers.MaxPooling2D()(SEQUENCE), ValueError, "expected 4 dimensions; received 3"),
    (lambda: layers.MultiHeadAttention(2, 3)(X, X), ValueError, "of one rank, at least 3"),
    (lambda: layers.Concatenate()([X, SEQUENCE]), ValueError, "of one rank"),
    (lambda: layers.BatchNormalization(axis=4)(X), ValueError, r"shape \(2, 3\) have no axis 4"),
    (lambda: layers.LayerNormalization(axis=4)(X), ValueError, "have no axis 4"),
    (lambda: layers.LSTM(-1), ValueError, "`units` to be a positive whole number; received -1"),
    # masks
    (lambda: layers.LSTM(3)(SEQUENCE, mask=WRONG), ValueError, r"LSTM.*`mask` .* \(2, 4\) .* received \(2, 5\)"),
    (lambda: layers.GRU(3)(SEQUENCE, mask=WRONG[0]), ValueError, r"GRU.*received \(5,\)"),
    (lambda: layers.Bidirectional(layers.LSTM(2))(SEQUENCE, mask=WRONG), ValueError, "forward_.*`mask`"),
    (lambda: layers.TimeDistributed(layers.Dense(2))(SEQUENCE, mask=WRONG), ValueError, "TimeDistributed.*`mask`"),
    (lambda: layers.GlobalAveragePooling1D()(SEQUENCE, mask=WRONG), ValueError, "`mask` to have the shape"),
    (lambda: layers.BatchNormalization()(SEQUENCE, mask=WRONG, training=True), ValueError, "`mask` to have the shape"),
    (lambda: layers.Softmax()(np.ones((2, 4)), mask=WRONG), ValueError, "`mask` to have the shape"),
    (lambda: layers.Attention()([SEQUENCE, SEQUENCE], mask=[None, WRONG]), ValueError, "mask of the value"),
    (lambda: layers.MultiHeadAttention(2, 3)(SEQUENCE, SEQUENCE, value_mask=WRONG), ValueError, "cover 4 keys"),
    # states
    (lambda: layers.LSTM(3)(SEQUENCE, initial_state=[X]), ValueError, r"states of shapes \[\(2, 3\), \(2, 3\)\]"),
    (lambda: layers.GRU(5)(SEQUENCE, initial_state=X), ValueError, r"\[\(2, 5\)\]; received \[\(2, 3\)\]"),
    # names and vocabularies
    (lambda: layers.LSTM(3, activation="tnah"), ValueError, "Expected an activation"),
    (lambda: layers.Dense(3, kernel_initializer="glorot"), ValueError, "Expected an initializer"),
    (lambda: layers.Dense(3, kernel_regularizer="l3"), ValueError, "Expected a regularizer"),
    (lambda: layers.StringLookup()(np.array(["a"])), ValueError, "Call `adapt"),
    (lambda: layers.Discretization(num_bins=3)(X), ValueError, "Call `adapt"),
    (lambda: layers.CategoryEncoding(num_tokens=3)(np.array([[5]])), ValueError, "from 0 to 2; received 5"),
    (
        lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0)(np.array(["z"])),
        ValueError,
        r"\['z'\], and num_oov_indices=0",
    ),
    (lambda: layers.deserialize(keras.saving.serialize_keras_object(keras.losses.Hinge())), ValueError, "of a layer"),
]


@pytest.mark.parametrize(("act", "kind", "words"), ERRORS, ids=range(len(ERRORS)))
def test_errors_say_what_is_wrong(act: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        act()


def test_errors_name_the_path_of_the_layer() -> None:
    model = keras.Sequential([layers.Dense(3, name="one"), Block(2, name="outer")])
    model(X)
    with pytest.raises(ValueError, match="outer/d0") as caught:
        model.layers[1](np.ones((2, 7), "float32"))
    assert "size 3" in str(caught.value)


def test_a_lambda_takes_mask_and_training() -> None:
    seen: list[Any] = []

    def note(x: Any, training: Any = None) -> Any:
        seen.append(training)
        return x

    layers.Lambda(note)(X, training=True)
    assert seen == [True]


def test_time_distributed_statistics_move_once_a_step() -> None:
    x = np.random.default_rng(0).normal(size=(4, 3, 5)).astype("float32")
    mask = np.array([[True, True, False]] * 4)
    inner, masked = layers.BatchNormalization(), layers.BatchNormalization()
    found = ops.convert_to_numpy(layers.TimeDistributed(inner)(x, training=True))
    layers.TimeDistributed(masked)(x, training=True, mask=mask)
    mean, expected = np.zeros(5), []
    for t in range(3):
        mean = 0.99 * mean + 0.01 * x[:, t].mean(0)
        expected.append((x[:, t] - x[:, t].mean(0)) / np.sqrt(x[:, t].var(0) + 1e-3))
    np.testing.assert_allclose(inner.moving_mean.numpy(), mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found, np.stack(expected, 1), rtol=1e-4, atol=1e-4)
    recorded = [-0.00238829, 0.00340331, 0.00557301, 0.00969865, 0.00460191]  # of Keras 3.15.1
    np.testing.assert_allclose(masked.moving_mean.numpy(), recorded, rtol=1e-4, atol=1e-6)
