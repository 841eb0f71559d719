"""Settings for some variables only, and variables that begin to be trained later."""

from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import layers, ops, optimizers

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
Y = X[:, :1].copy()
KINDS = {
    "sgd": lambda **more: optimizers.SGD(0.1, momentum=0.9, **more),
    "adam": lambda **more: optimizers.Adam(0.1, **more),
    "nadam": lambda **more: optimizers.Nadam(0.1, **more),
    "adafactor": lambda **more: optimizers.Adafactor(0.1, **more),
    "average": lambda **more: optimizers.Adam(0.1, use_ema=True, **more),
    "lamb": lambda **more: optimizers.Lamb(0.1, **more),
}


def variables() -> list[Any]:
    with keras.name_scope("backbone"):
        first = keras.Variable(np.ones((2, 3), "float32"), name="kernel")
    with keras.name_scope("head"):
        return [first, keras.Variable(np.ones(3, "float32"), name="bias")]


GRADIENTS = [[np.full((2, 3), 0.5 + i, "float32"), np.full(3, 1.5 - i, "float32")] for i in range(3)]


def moved(optimizer: Any, chosen: slice, kept: list[Any]) -> list[np.ndarray]:
    for step in GRADIENTS:
        optimizer.apply([ops.convert_to_tensor(g) for g in step[chosen]], kept[chosen])
    return [v.numpy() for v in kept]


@pytest.mark.parametrize("name", KINDS)
def test_groups_are_optimizers_of_their_own(name: str) -> None:
    groups = {"backbone/*": {"learning_rate": 0.01, "weight_decay": 0.1}}
    found = moved(KINDS[name](groups=groups), slice(0, 2), variables())
    slow = KINDS[name](weight_decay=0.1)
    slow.learning_rate = 0.01
    first = moved(slow, slice(0, 1), variables())[0]
    second = moved(KINDS[name](), slice(1, 2), variables())[1]
    np.testing.assert_allclose(found[0], first, rtol=1e-6)
    np.testing.assert_allclose(found[1], second, rtol=1e-6)


def test_a_schedule_and_a_config() -> None:
    schedule = optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.0])
    optimizer = optimizers.SGD(0.0, groups={"head/*": {"learning_rate": schedule}, "*": {"learning_rate": 1.0}})
    copy = optimizers.deserialize(optimizers.serialize(optimizer))
    for made in (optimizer, copy):
        found = moved(made, slice(0, 2), variables())
        np.testing.assert_allclose(found[0], 1 - sum(g[0] for g in GRADIENTS), rtol=1e-6)
        np.testing.assert_allclose(found[1], 1 - 0.5 * (GRADIENTS[0][1] + GRADIENTS[1][1]), rtol=1e-6)
    assert "groups" not in optimizers.SGD().get_config()


@pytest.mark.parametrize("groups", [{"a": {"rate": 1}}, {"a": 0.1}, [0.1]])
def test_groups_that_say_nothing(groups: Any) -> None:
    with pytest.raises(ValueError, match="groups"):
        optimizers.SGD(groups=groups)


@pytest.mark.parametrize("name", KINDS)
def test_rebuilding_keeps_the_state(name: str) -> None:
    kept, other = variables(), variables()
    whole, later = KINDS[name](), KINDS[name]()
    whole.build(kept[:1])
    later.build(other[:1])
    for number, step in enumerate(GRADIENTS):
        whole.apply([ops.convert_to_tensor(step[0])], kept[:1])
        if number == 1:
            later.rebuild(other)
            later.rebuild(other[::-1])
        later.apply([ops.convert_to_tensor(step[0])], other[:1])
    np.testing.assert_array_equal(kept[0].numpy(), other[0].numpy())
    for a, b in zip(whole.state_of(kept[0]), later.state_of(other[0]), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert len(later.variables) == len({id(v) for v in later.variables}) > len(whole.variables)


@pytest.mark.trains
@pytest.mark.parametrize("scaled", [False, True])
def test_unfreezing_keeps_the_moments(scaled: bool) -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="backbone"), layers.Dense(1)])
    model.layers[0].trainable = False
    adam = optimizers.Adam(0.01)
    model.compile(optimizers.LossScaleOptimizer(adam) if scaled else adam, "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    moments = [v.numpy() for v in adam.state_of(model.layers[1].kernel)]
    frozen = model.layers[0].get_weights()
    model.layers[0].trainable = True
    model.fit(X, Y, epochs=1, verbose=0)
    after = [v.numpy() for v in adam.state_of(model.layers[1].kernel)]
    assert int(adam.iterations.numpy()) == 3
    assert not any(np.array_equal(a, b) for a, b in zip(frozen, model.layers[0].get_weights(), strict=True))
    assert (after[1] >= 0.999 * moments[1] * (1 - 1e-6)).all()  # the mean of squares, which one step hardly lowers
    assert moments[1].min() > 0


@pytest.mark.trains
def test_unfreezing_with_several_optimizers() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="backbone"), layers.Dense(1)])
    model.layers[0].trainable = False
    chosen = optimizers.OptimizerMap(optimizers.Adam(), {"backbone/.*": optimizers.SGD(0.1)})
    model.compile(optimizers.MultiOptimizer(chosen), "mse")
    model.fit(X, Y, verbose=0)
    model.layers[0].trainable = True
    before = model.layers[0].get_weights()
    model.fit(X, Y, verbose=0)
    assert not np.array_equal(before[0], model.layers[0].get_weights()[0])


class Own(optimizers.Optimizer):
    def build(self, variables: Any) -> None:
        if not self.built:
            super().build(variables)
            self.sums = [self.add_variable_from_reference(v, "sum") for v in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        self.assign_sub(variable, learning_rate * gradient)


def test_state_that_nobody_knows() -> None:
    optimizer, kept = Own(0.1), variables()
    optimizer.build(kept[:1])
    with pytest.raises(ValueError, match="Call compile again"):
        optimizer.rebuild(kept)
