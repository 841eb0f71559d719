"""Optimizers: recorded steps, one result however a step is made, state, decay, clipping, averages, loss scale."""

import json
from pathlib import Path

import numpy as np
import pytest

import tahr as keras
from tahr import backends, ops, optimizers

# Values of two variables of shapes (3, 2) and (4,) after one and six steps, recorded from Keras 3.15.1.
RECORDED = json.loads((Path(__file__).parent.parent / "data" / "optimizer_steps.json").read_text("utf-8"))
SHAPES = ((3, 2), (4,))
RNG = np.random.default_rng(5)
STARTS = [RNG.normal(size=s).astype("float32") for s in SHAPES]
STEPS = [[RNG.normal(size=s).astype("float32") for s in SHAPES] for _ in range(6)]

MAKERS = {
    "SGD": lambda **k: optimizers.SGD(0.1, momentum=0.9, nesterov=True, **k),
    "RMSprop": lambda **k: optimizers.RMSprop(0.05, momentum=0.5, centered=True, **k),
    "Adam": lambda **k: optimizers.Adam(0.05, amsgrad=True, **k),
    "AdamW": lambda **k: optimizers.AdamW(0.05, **k),
    "Adamax": lambda **k: optimizers.Adamax(0.05, **k),
    "Nadam": lambda **k: optimizers.Nadam(0.05, **k),
    "Lamb": lambda **k: optimizers.Lamb(0.05, **k),
    "Adagrad": lambda **k: optimizers.Adagrad(0.05, **k),
    "Adadelta": lambda **k: optimizers.Adadelta(0.5, **k),
    "Ftrl": lambda **k: optimizers.Ftrl(0.05, l1_regularization_strength=0.01, **k),
    "Lion": lambda **k: optimizers.Lion(0.05, **k),
    "Adafactor": lambda **k: optimizers.Adafactor(0.05, **k),
    "Muon": lambda **k: optimizers.Muon(0.05, **k),
    "ScheduleFreeAdamW": lambda **k: optimizers.ScheduleFreeAdamW(0.05, **k),
    "LossScaleOptimizer": lambda **k: optimizers.LossScaleOptimizer(optimizers.Adam(0.05, **k), 8.0, 3),
    "MultiOptimizer": lambda **k: optimizers.MultiOptimizer(
        optimizers.OptimizerMap(optimizers.Adam(0.05, **k), {"b": optimizers.SGD(0.1, **k)})
    ),
}
EVERY = pytest.mark.parametrize("name", MAKERS)


def variables(starts=STARTS):
    return [keras.Variable(x, name=n) for x, n in zip(starts, "ab", strict=True)]


def tensors(arrays):
    return [ops.convert_to_tensor(a) for a in arrays]


def host(values):
    return [np.asarray(backends.current().to_numpy(ops.convert_to_tensor(v))) for v in values]


def close(found, expected, rtol=2e-5, atol=2e-6):
    for a, b in zip(host(found), host(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def run(optimizer, steps=STEPS, starts=STARTS):
    own = variables(starts)
    for gradients in steps:
        optimizer.apply(tensors(gradients), own)
    return own


@pytest.mark.parametrize("row", RECORDED, ids=lambda r: f"{r['optimizer']}-{'-'.join(map(str, r['arguments']))}")
def test_steps_equal_the_recorded_ones(row):
    optimizer = getattr(optimizers, row["optimizer"])(**row["arguments"])
    own = variables([np.reshape(v, s) for v, s in zip(row["start"], SHAPES, strict=True)])
    for i, gradients in enumerate(row["gradients"]):
        shaped = [np.reshape(g, s).astype("float32") for g, s in zip(gradients, SHAPES, strict=True)]
        optimizer.apply_gradients(list(zip(tensors(shaped), own, strict=True)))
        if i in (0, 5):
            expected = [np.reshape(v, s) for v, s in zip(row["values"][i == 5], SHAPES, strict=True)]
            close(own, expected, rtol=2e-4, atol=2e-5)


@EVERY
def test_pure_and_compiled_steps_equal_the_objects(name):
    expected_of = MAKERS[name]()
    expected = run(expected_of)
    optimizer, own = MAKERS[name](), variables()
    optimizer.build(own)
    step = backends.current().compile(lambda state, grads, values: optimizer.stateless_apply(state, grads, values))
    state, values = [v.value for v in optimizer.variables], [v.value for v in own]
    for gradients in STEPS:
        values, state = step(state, tensors(gradients), values)
    close(values, expected)
    close(state, expected_of.variables)
    close(own, STARTS, rtol=0, atol=0)  # nothing but the returned values changed


@EVERY
def test_state_moves_to_another_optimizer(name):
    whole = run(MAKERS[name]())
    first, own = MAKERS[name](), variables()
    for gradients in STEPS[:3]:
        first.apply(tensors(gradients), own)
    store = {}
    first.save_own_variables(store)
    second = type(first).from_config(first.get_config())
    again = variables(host(own))
    second.build(again)
    second.load_own_variables(store)
    for gradients in STEPS[3:]:
        second.apply(tensors(gradients), again)
    close(again, whole)


@EVERY
def test_config_survives(name):
    made = MAKERS[name]()
    again = optimizers.deserialize(optimizers.serialize(made))
    assert type(again) is type(made) and again.get_config() == made.get_config()


@pytest.mark.parametrize("name", [n for n in MAKERS if n not in ("LossScaleOptimizer", "MultiOptimizer")])
def test_accumulated_gradients_equal_the_big_batch(name):
    small = [[g * scale for g in STEPS[i]] for i in range(3) for scale in (0.5, 1.5)]  # pairs with the same mean
    close(run(MAKERS[name](gradient_accumulation_steps=2), small), run(MAKERS[name](), STEPS[:3]), 1e-5, 1e-6)


@pytest.mark.parametrize("name", [n for n in MAKERS if n not in ("Muon", "LossScaleOptimizer", "MultiOptimizer")])
def test_half_precision_variables_keep_their_type(name):
    own = [keras.Variable(x, dtype="bfloat16", name=n) for x, n in zip(STARTS, "ab", strict=True)]
    optimizer = MAKERS[name]()
    for _ in range(300):  # a bfloat16 count of steps would stop at 256
        optimizer.apply([ops.zeros_like(v) for v in own], own)
    assert {v.dtype for v in own} == {"bfloat16"}
    assert all(np.isfinite(x.astype("float32")).all() for x in host(own))
    assert int(optimizer.iterations) == 300


def test_variables_have_keras_names_and_order():
    with keras.name_scope("layer"):
        own = variables()
    optimizer = optimizers.Adam(amsgrad=True, use_ema=True, gradient_accumulation_steps=2, name="adam")
    optimizer.build(own)
    slots = ["a_average", "b_average", "a_gradient_accumulator", "b_gradient_accumulator", "a_momentum", "a_velocity"]
    slots += ["b_momentum", "b_velocity", "a_velocity_hat", "b_velocity_hat"]
    expected = ["adam/iteration", "adam/learning_rate", *(f"adam/layer_{s}" for s in slots)]
    assert [v.path for v in optimizer.variables] == expected


@pytest.mark.parametrize("by", ["names", "variables"])
def test_weight_decay_leaves_excluded_variables_alone(by):
    own = variables()
    optimizer = optimizers.SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(**({"var_names": ["^b$"]} if by == "names" else {"var_list": [own[1]]}))
    optimizer.apply([ops.zeros_like(v) for v in own], own)
    close(own, [STARTS[0] * (1 - 0.05), STARTS[1]])
    with pytest.raises(ValueError, match="before"):
        optimizer.exclude_from_weight_decay(var_names=["a"])


@pytest.mark.parametrize(
    ("clipping", "clip"),
    [
        ({"clipnorm": 0.5}, lambda gs: [g * min(1, 0.5 / np.linalg.norm(g)) for g in gs]),
        ({"clipvalue": 0.3}, lambda gs: [np.clip(g, -0.3, 0.3) for g in gs]),
        (
            {"global_clipnorm": 0.5},
            lambda gs: [g * min(1, 0.5 / np.linalg.norm(np.hstack([*map(np.ravel, gs)]))) for g in gs],
        ),
        ({"global_clipnorm": 100.0}, lambda gs: gs),
    ],
)
def test_clipping(clipping, clip):
    close(
        run(optimizers.SGD(0.1, **clipping), STEPS[:1]),
        [x - 0.1 * g for x, g in zip(STARTS, clip(STEPS[0]), strict=True)],
    )


def test_moving_averages():
    optimizer = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8)
    own, average = variables(), None
    for gradients in STEPS:
        optimizer.apply(tensors(gradients), own)
        now = host(own)
        average = now if average is None else [0.8 * a + 0.2 * x for a, x in zip(average, now, strict=True)]
    optimizer.finalize_variable_values(own)
    close(own, average)


def test_averages_are_taken_on_every_so_often():
    optimizer = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=2)
    own, average = variables(), None
    for i, gradients in enumerate(STEPS):
        expected = [x - 0.1 * g for x, g in zip(host(own), gradients, strict=True)]
        average = expected if average is None else [0.8 * a + 0.2 * x for a, x in zip(average, expected, strict=True)]
        optimizer.apply(tensors(gradients), own)
        close(own, average if i % 2 else expected)


def test_learning_rates():
    optimizer = optimizers.SGD(0.5)
    optimizer.learning_rate = 0.25
    assert float(optimizer.learning_rate) == 0.25 and optimizer.get_config()["learning_rate"] == 0.25
    schedule = optimizers.schedules.PiecewiseConstantDecay([1], [1.0, 0.5])
    optimizer = optimizers.SGD(schedule)
    own = run(optimizer, STEPS[:3])
    close(own, [x - a - b - 0.5 * c for x, a, b, c in zip(STARTS, *STEPS[:3], strict=True)])
    with pytest.raises(TypeError, match="schedule"):
        optimizer.learning_rate = 0.1
    optimizer.learning_rate = optimizers.schedules.ExponentialDecay(1.0, 1, 0.5)
    assert float(optimizer.learning_rate) == 0.125
    close(run(optimizers.SGD(lambda: 0.5), STEPS[:1]), [x - 0.5 * g for x, g in zip(STARTS, STEPS[0], strict=True)])


def test_loss_scale_halves_at_overflow_and_doubles_in_peace():
    own = variables()
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(0.5), initial_scale=8.0, dynamic_growth_steps=2)
    optimizer.build(own)
    scales = []
    for bad in (False, True, False, False, False):
        scale = float(optimizer.scale_loss(ops.convert_to_tensor(1.0)))
        gradients = [np.full(s, np.inf if bad else scale, "float32") for s in SHAPES]
        optimizer.apply(tensors(gradients), own)
        scales.append(float(optimizer.dynamic_scale))
    assert scales == [8.0, 4.0, 4.0, 8.0, 8.0] and int(optimizer.iterations) == 4
    close(own, [x - 0.5 * 4 for x in STARTS])
    optimizer.learning_rate = 0.125
    assert float(optimizer.inner_optimizer.learning_rate) == 0.125


def test_constraints_hold_after_each_step():
    own = keras.Variable([1.0, -1.0])
    own.constraint = keras.constraints.NonNeg()
    optimizers.SGD(0.5).apply([ops.convert_to_tensor([4.0, -4.0])], [own])
    close([own], [[0.0, 1.0]])


def test_a_missing_gradient_leaves_its_variable_alone():
    own = variables()
    optimizer = optimizers.Adam(0.1)
    with pytest.warns(UserWarning, match="no gradient for a"):
        optimizer.apply([None, ops.convert_to_tensor(STEPS[0][1])], own)
    close(own[:1], STARTS[:1], 0, 0)
    assert not np.allclose(host(own)[1], STARTS[1])
    with pytest.warns(UserWarning):
        values, _ = optimizer.stateless_apply(
            [v.value for v in optimizer.variables], [None, tensors(STEPS[0])[1]], [v.value for v in own]
        )
    close(values[:1], STARTS[:1], 0, 0)


class Momentum(keras.Optimizer):
    """A user's optimizer, written as Keras says."""

    def __init__(self, learning_rate=0.1, share=0.9, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.share = share

    def build(self, variables):
        super().build(variables)
        self.moving = self.add_optimizer_variables(variables, "moving")

    def update_step(self, gradient, variable, learning_rate):
        moving = self.moving[self._get_variable_index(variable)]
        self.assign(moving, self.share * moving - learning_rate * gradient)
        self.assign_add(variable, moving)


class Signed(optimizers.Adam):
    """A user's change to a built-in formula."""

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(ops.sign(gradient), variable, learning_rate)


def test_users_optimizers_step_like_the_built_in_ones():
    close(run(Momentum()), run(optimizers.SGD(0.1, momentum=0.9)))
    close(
        run(Momentum(gradient_accumulation_steps=2), STEPS[:2] * 2),
        run(optimizers.SGD(0.1, momentum=0.9), [[(a + b) / 2 for a, b in zip(*STEPS[:2], strict=True)]] * 2),
    )
    close(run(Signed(0.05)), run(optimizers.Adam(0.05), [[np.sign(g) for g in step] for step in STEPS]))
    assert Momentum(share=0.5).get_config()["share"] == 0.5


def test_a_users_optimizer_is_a_pure_function_too():
    optimizer, own = Momentum(), variables()
    optimizer.build(own)
    step = backends.current().compile(lambda state, grads, values: optimizer.stateless_apply(state, grads, values))
    state, values = [v.value for v in optimizer.variables], [v.value for v in own]
    for gradients in STEPS:
        values, state = step(state, tensors(gradients), values)
    close(values, run(optimizers.SGD(0.1, momentum=0.9)))


@pytest.mark.trains
def test_minimize_finds_the_minimum():
    own = keras.Variable([3.0, -2.0])
    optimizer = optimizers.Adam(0.3)
    for _ in range(200):
        loss = optimizer.minimize(lambda: ops.sum(ops.square(own - 1.0)), [own])
    close([own], [[1.0, 1.0]], atol=1e-3)
    assert float(loss) < 1e-4


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: optimizers.get("adm"), ValueError, "'adam'"),
        (lambda: optimizers.get(len), ValueError, "an optimizer"),
        (lambda: optimizers.SGD("fast"), ValueError, "learning_rate to be a number, .* received 'fast'"),
        (lambda: optimizers.Adam(learning_rate=None), ValueError, "learning_rate to be a number, .* received None"),
        (lambda: optimizers.SGD(rate=0.1), ValueError, "unknown arguments"),
        (lambda: optimizers.SGD(momentum=2.0), ValueError, "momentum"),
        (lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0), ValueError, "one kind of clipping"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=1), ValueError, ">= 2"),
        (lambda: optimizers.Adam(use_ema=True, ema_momentum=1.5), ValueError, "ema_momentum"),
        (lambda: optimizers.Adam().apply([np.ones(2)]), ValueError, "build"),
        (lambda: optimizers.Adam().apply([None, None], variables()), ValueError, "no gradient for any variable"),
        (lambda: optimizers.Adam().apply_gradients([]), ValueError, "none"),
        (lambda: optimizers.Adam().apply([np.ones(2)], variables()), ValueError, "expected 2 gradients"),
        (lambda: optimizers.Adam().stateless_apply([], [], []), ValueError, "build"),
        (lambda: optimizers.LossScaleOptimizer("adam"), TypeError, "inner_optimizer"),
        (lambda: optimizers.MultiOptimizer("adam"), TypeError, "OptimizerMap"),
        (lambda: optimizers.OptimizerMap(optimizers.SGD(), {"a.*": optimizers.SGD(), ".*b": optimizers.SGD()})["a/b"],
         ValueError, "several keys"),
        (lambda: optimizers.schedules.PiecewiseConstantDecay([1], [1.0]), ValueError, "one more value"),
        (lambda: optimizers.schedules.CosineDecay(0.1, 0), ValueError, "decay_steps"),
    ],
)  # fmt: skip
def test_errors_say_what_is_wrong(act, error, words):
    with pytest.raises(error, match=words):
        act()


def test_a_variable_it_was_not_built_with_is_refused():
    optimizer = optimizers.Adam()
    run(optimizer, STEPS[:1])
    with pytest.raises(ValueError, match="unknown variable"):
        optimizer.apply(tensors(STEPS[0]), variables())


def test_old_names_and_arguments():
    old = optimizers.legacy.SGD(lr=0.01, momentum=0.9, decay=0.5, nesterov=False)
    assert isinstance(old, optimizers.SGD) and old.momentum == 0.9
    assert isinstance(optimizers.legacy.RMSprop(lr=0.001, rho=0.9, epsilon=None, decay=0.0), optimizers.RMSprop)


@pytest.mark.trains
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_decay_of_old(tmp_path):
    """The rate is `lr / (1 + decay * updates)`, `lr` can be set, and a file holds both in the form of today."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(optimizers.SGD(lr=0.5, decay=1.0), loss=lambda y, y_pred: ops.mean(y_pred))
    x, places = np.ones((2, 1), "float32"), [0.0]
    for i in range(4):
        if i == 2:
            model.optimizer.learning_rate = 2 * float(model.optimizer.learning_rate)
        model.train_on_batch(x, x)
        places.append(model.get_weights()[0].item())
    np.testing.assert_allclose(-np.diff(places), [0.5, 0.5 / 2, 1.0 / 3, 1.0 / 4], rtol=1e-6)
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=100)
    model.fit(x, x, epochs=2, verbose=0, callbacks=[plateau])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.5)
    model.compile(model.optimizer, "mse")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert int(again.iterations) == 6
    assert float(again.learning_rate) == pytest.approx(0.5 / (1 + 1.0 * 6))


def test_schedules_count_batches_also_where_gradients_are_accumulated() -> None:
    schedule = optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    optimizer = optimizers.SGD(schedule, gradient_accumulation_steps=3)
    variable = keras.Variable(np.ones(2, "float32"))
    rates, moves = [], []
    for _ in range(6):
        before = variable.numpy()[0]
        rates.append(float(optimizer.learning_rate))
        optimizer.apply([np.ones(2, "float32")], [variable])
        moves.append(before - variable.numpy()[0])
    np.testing.assert_allclose(rates, [0.1 * 0.5 ** (n / 2) for n in range(6)], rtol=1e-6)
    np.testing.assert_allclose(moves, [0, 0, 0.05, 0, 0, 0.01767767], atol=1e-6)  # what Keras 3.15.1 moves
    assert int(optimizer.iterations) == 2
