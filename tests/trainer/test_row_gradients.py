"""Tables of which only the rows that were looked up are moved: the same numbers as when all are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import backends, layers, ops, optimizers
from tahr.backends.rows import RowGradient

pytestmark = pytest.mark.trains

RANDOM = np.random.default_rng(0)
IDS = RANDOM.integers(0, 7, (12, 5)).astype("int32")  # of 9 rows, many more than once, two never
Y = RANDOM.normal(size=(12, 3)).astype("float32")


def plain() -> Any:
    return keras.Sequential([keras.Input((5,), dtype="int32"), layers.Embedding(9, 3), layers.GlobalMaxPooling1D()])


def twice() -> Any:
    x, table = keras.Input((5,), dtype="int32"), layers.Embedding(9, 3)
    found = layers.concatenate([table(x), table(x[:, ::-1])])
    return keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling1D()(found)))


def regularized() -> Any:
    table = layers.Embedding(9, 3, embeddings_regularizer="l2")
    return keras.Sequential([keras.Input((5,), dtype="int32"), table, layers.GlobalAveragePooling1D()])


def tied() -> Any:
    x, table = keras.Input((5,), dtype="int32"), layers.ReversibleEmbedding(9, 3)
    return keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling1D()(table(table(x), reverse=True))))


def each_step() -> Any:
    x = keras.Input((5,), dtype="int32")
    inner = keras.Sequential([layers.Embedding(9, 3)])
    return keras.Model(x, layers.GlobalAveragePooling1D()(layers.TimeDistributed(inner)(x[..., None])[:, :, 0]))


class Loop(layers.Layer):
    """Looks up ids that exist only inside of a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.table = layers.Embedding(9, 3)

    def call(self, x: Any) -> Any:
        return ops.mean(ops.map(lambda ids: self.table(ids + 1), ops.transpose(x)), axis=0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], 3)


def in_a_loop() -> Any:
    return keras.Sequential([keras.Input((5,), dtype="int32"), Loop()])


def constrained() -> Any:
    table = layers.Embedding(9, 3, embeddings_constraint="unit_norm")
    return keras.Sequential([keras.Input((5,), dtype="int32"), table, layers.GlobalAveragePooling1D()])


MODELS = {f.__name__: f for f in (plain, twice, regularized, tied, each_step, in_a_loop, constrained)}
BY_ROWS = {"plain", "twice", "each_step"}
OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: optimizers.SGD(0.1),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "clipped": lambda: optimizers.SGD(0.1, clipnorm=0.01),
    "decayed": lambda: optimizers.SGD(0.1, weight_decay=0.1),
}


def train(build: Callable[[], Any], optimizer: Any, every_row: bool, **options: Any) -> tuple[Any, list[Any]]:
    """Return the model after three epochs, and the gradients by rows that its optimizer got."""
    keras.utils.set_random_seed(3)
    model, seen = build(), []
    update = optimizer.update_rows
    optimizer.update_rows = lambda gradient, *rest: (seen.append(gradient), update(gradient, *rest))[1]
    if every_row:
        optimizer.by_rows = lambda variables: []
    model.compile(optimizer, "mse", **options)
    model.fit(IDS, Y, batch_size=5, epochs=3, shuffle=False, verbose=0)
    return model, seen


@pytest.mark.parametrize(
    ("model", "optimizer"), [*((m, "sgd") for m in MODELS), *(("plain", o) for o in OPTIMIZERS if o != "sgd")]
)
def test_moving_rows_is_moving_the_whole_table(model: str, optimizer: str) -> None:
    found, seen = train(MODELS[model], OPTIMIZERS[optimizer](), every_row=False)
    wanted, none = train(MODELS[model], OPTIMIZERS[optimizer](), every_row=True)
    for a, b in zip(found.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    for a, b in zip(found.optimizer.variables, wanted.optimizer.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-5)
    assert not none
    if model != "in_a_loop":  # which is one graph on PyTorch
        assert bool(seen) == (model in BY_ROWS and optimizer in ("sgd", "adagrad"))


def test_mixed_precision_takes_rows_first() -> None:
    policy = keras.dtype_policies.DTypePolicy("mixed_bfloat16")

    def build() -> Any:
        table = layers.Embedding(9, 3, dtype=policy)
        return keras.Sequential([keras.Input((5,), dtype="int32"), table, layers.GlobalAveragePooling1D()])

    found, seen = train(build, optimizers.SGD(0.1), every_row=False)
    wanted, _ = train(build, optimizers.SGD(0.1), every_row=True)
    assert seen
    np.testing.assert_allclose(found.get_weights()[0], wanted.get_weights()[0], rtol=1e-2, atol=1e-3)


def test_rows_that_come_twice_are_added_up() -> None:
    engine = backends.current()
    gradient = RowGradient(ops.array([2, 0, 2]), ops.array([[1.0], [2.0], [5.0]]))
    ids, values = engine.sum_rows(gradient, 4)
    before = ops.zeros((4, 1))
    after = engine.put_rows(before, ids, engine.take_rows(before, ids) + values, donated=False)
    np.testing.assert_array_equal(ops.convert_to_numpy(after), [[2], [0], [6], [0]])
    np.testing.assert_array_equal(ops.convert_to_numpy(before), np.zeros((4, 1)))
