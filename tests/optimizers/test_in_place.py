"""Updates of all variables at once, in place, equal the plain formula step by step."""

import numpy as np
import pytest

import tahr as keras
from tahr import backends, ops, optimizers

RNG = np.random.default_rng(0)
SHAPES = ((3, 2), (4,), ())


@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.Adam(0.1),
        lambda: optimizers.Adam(0.1, amsgrad=True, beta_1=0.7),
        lambda: optimizers.AdamW(0.1, weight_decay=0.1),
        lambda: optimizers.RMSprop(0.1),
        lambda: optimizers.RMSprop(0.1, momentum=0.5, centered=True, epsilon=1e-3),
        lambda: optimizers.SGD(0.1),
        lambda: optimizers.SGD(0.1, momentum=0.9),
        lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), clipnorm=0.5),
    ],
)
def test_in_place_equals_the_plain_formula(make, monkeypatch):
    starts = [RNG.normal(size=s).astype("float32") for s in SHAPES]
    gradients = [[RNG.normal(size=s).astype("float32") for s in SHAPES] for _ in range(6)]
    found = []
    for in_place in (True, False):
        if not in_place:
            for duty in ("update_in_place", "multiply_in_place"):
                monkeypatch.setattr(type(backends.current()), duty, lambda *args: False)
        variables = [keras.Variable(v) for v in starts]
        optimizer = make()
        for step in gradients:
            # the first gradient lies in memory column by column
            flipped = ops.transpose(ops.convert_to_tensor(step[0].T.copy()))
            optimizer.apply([flipped, *(ops.convert_to_tensor(g) for g in step[1:])], variables)
        found.append([v.numpy() for v in (*variables, *optimizer.variables)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_arrays_that_lie_otherwise_in_memory_are_updated_in_place_too(monkeypatch):
    taken = []
    kind = type(backends.current())
    plain = kind.update_in_place
    monkeypatch.setattr(kind, "update_in_place", lambda *args: taken.append(plain(*args)) or taken[-1])
    flipped = keras.Variable(ops.transpose(ops.convert_to_tensor(np.zeros((2, 3), "float32"))))
    optimizers.Adam(0.1).apply([ops.ones((3, 2))], [flipped])
    optimizers.Adam(0.1).apply([ops.ones((3, 2))], [keras.Variable(np.zeros((3, 2)))])
    assert len(set(taken)) == 1  # both or neither, as the backend has such updates or not


@pytest.mark.trains
@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.Adam(0.1),
        lambda: optimizers.Adam(0.1, use_ema=True, ema_overwrite_frequency=3),
        lambda: optimizers.Adam(0.1, gradient_accumulation_steps=2),
        lambda: optimizers.SGD(0.1),
    ],
)
def test_in_a_compiled_step_too(make, monkeypatch):
    """Several steps a dispatch, with a table that SGD moves by rows and a constraint that comes after the update."""
    x, y = np.arange(24).reshape(12, 2) % 7, RNG.normal(size=(12, 3)).astype("float32")
    found = []
    for in_place in (True, False):
        if not in_place:
            kind = type(backends.current())
            monkeypatch.setattr(kind, "update_in_place", lambda *args: False)
            plain = kind.put_rows
            monkeypatch.setattr(
                kind, "put_rows", lambda self, x, ids, rows, donated, f=plain: f(self, x, ids, rows, False)
            )
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                *(keras.layers.Embedding(7, 4), keras.layers.Flatten()),
                keras.layers.Dense(3, kernel_constraint=keras.constraints.MaxNorm(0.5)),
            ]
        )
        model.compile(make(), "mse")
        model.fit(x, y, batch_size=2, epochs=3, shuffle=False, verbose=0)
        found.append([v.numpy() for v in (*model.variables, *model.optimizer.variables)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
