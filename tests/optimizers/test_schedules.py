"""Learning-rate schedules against their formulas, at numbers and inside a compiled function."""

import numpy as np
import pytest

from tahr import backends, ops
from tahr.optimizers import schedules

STEPS = np.array([0, 1, 3, 4, 5, 9, 10, 11, 17, 25])


def warmup(t):
    return np.where(t < 4, 0.1 + 0.4 * t / 4, 0.5 * (0.1 + 0.9 * half(np.minimum((t - 4) / 10, 1))))


def half(share):
    return 0.5 * (1 + np.cos(np.pi * share))


def restarts(t, first=5, factor=2.0, height=0.8, alpha=0.1):
    n = 0
    while t >= first:
        t, first, n = t - first, first * factor, n + 1
    return 0.1 * (alpha + (1 - alpha) * height**n * half(t / first))


ROWS = [
    (schedules.ExponentialDecay(0.1, 5, 0.9), lambda t: 0.1 * 0.9 ** (t / 5)),
    (schedules.ExponentialDecay(0.1, 5, 0.9, staircase=True), lambda t: 0.1 * 0.9 ** (t // 5)),
    (schedules.InverseTimeDecay(0.1, 5, 0.5), lambda t: 0.1 / (1 + 0.5 * t / 5)),
    (schedules.InverseTimeDecay(0.1, 5, 0.5, staircase=True), lambda t: 0.1 / (1 + 0.5 * (t // 5))),
    (schedules.PolynomialDecay(0.1, 10, 0.01, 2.0), lambda t: 0.09 * (1 - np.minimum(t, 10) / 10) ** 2 + 0.01),
    (
        schedules.PolynomialDecay(0.1, 10, 0.01, 2.0, cycle=True),
        lambda t: 0.09 * (1 - t / (10 * np.maximum(np.ceil(t / 10), 1))) ** 2 + 0.01,
    ),
    (
        schedules.PiecewiseConstantDecay([3, 9], [0.1, 0.05, 0.01]),
        lambda t: np.select([t <= 3, t <= 9], [0.1, 0.05], 0.01),
    ),
    (schedules.CosineDecay(0.1, 10, alpha=0.2), lambda t: 0.1 * (0.2 + 0.8 * half(np.minimum(t / 10, 1)))),
    (schedules.CosineDecay(0.1, 10, alpha=0.1, warmup_target=0.5, warmup_steps=4), warmup),
    (schedules.CosineDecayRestarts(0.1, 5, m_mul=0.8, alpha=0.1), np.vectorize(restarts)),
    (
        schedules.CosineDecayRestarts(0.1, 5, t_mul=1.0, m_mul=0.8, alpha=0.1),
        np.vectorize(lambda t: restarts(t, factor=1)),
    ),
]


@pytest.mark.parametrize(("schedule", "formula"), ROWS, ids=lambda x: getattr(x, "name", ""))
def test_rates_equal_the_formula(schedule, formula):
    expected = formula(STEPS)
    np.testing.assert_allclose([float(schedule(int(t))) for t in STEPS], expected, rtol=2e-5)
    compiled = backends.current().compile(lambda t: schedule(t))
    found = [float(compiled(ops.convert_to_tensor(t, dtype="int32"))) for t in STEPS]
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    again = schedules.deserialize(schedules.serialize(schedule))
    assert again.get_config() == schedule.get_config() and float(again(7)) == float(schedule(7))
