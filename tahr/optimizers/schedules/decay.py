"""Schedules that let the learning rate fall with the number of updates."""

import math
from collections.abc import Sequence
from typing import Any

from tahr import config, ops
from tahr.optimizers.schedules.schedule import LearningRateSchedule

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
]


def _float(step: Any) -> Any:
    return ops.cast(ops.convert_to_tensor(step), config.floatx())


def _positive(what: str, **values: float) -> None:
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"{what}: expected {name} > 0; received {value!r}.")


class ExponentialDecay(LearningRateSchedule):
    """A rate multiplied by `decay_rate` every `decay_steps` updates: initial * rate^(step / steps).

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: number of updates, > 0.
        decay_rate: factor.
        staircase: whether it falls in stairs instead of continuously.
        name: name shown to people.

    >>> float(optimizers.schedules.ExponentialDecay(1.0, 10, 0.5)(20))
    0.25
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ):
        _positive("ExponentialDecay", decay_steps=decay_steps)
        self.initial_learning_rate, self.decay_steps, self.decay_rate = initial_learning_rate, decay_steps, decay_rate
        self.staircase, self.name = staircase, name

    def __call__(self, step: Any) -> Any:
        periods = _float(step) / self.decay_steps
        return self.initial_learning_rate * ops.power(
            self.decay_rate, ops.floor(periods) if self.staircase else periods
        )


class InverseTimeDecay(LearningRateSchedule):
    """A rate divided by a growing line: initial / (1 + rate * step / steps).

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: number of updates, > 0.
        decay_rate: how much the divisor grows over them.
        staircase: whether it falls in stairs instead of continuously.
        name: name shown to people.

    >>> float(optimizers.schedules.InverseTimeDecay(1.0, 10, 0.5)(20))
    0.5
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ):
        _positive("InverseTimeDecay", decay_steps=decay_steps)
        self.initial_learning_rate, self.decay_steps, self.decay_rate = initial_learning_rate, decay_steps, decay_rate
        self.staircase, self.name = staircase, name

    def __call__(self, step: Any) -> Any:
        periods = _float(step) / self.decay_steps
        return self.initial_learning_rate / (
            1.0 + self.decay_rate * (ops.floor(periods) if self.staircase else periods)
        )


class PolynomialDecay(LearningRateSchedule):
    """A rate that falls to `end_learning_rate` along (1 - step / steps)^power and stays there.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: number of updates, > 0.
        end_learning_rate: the rate after them.
        power: 1 is a straight line.
        cycle: whether the rate jumps up and falls again each time, over as many updates as have then been made.
        name: name shown to people.

    >>> float(optimizers.schedules.PolynomialDecay(1.0, 10, 0.0)(5))
    0.5
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ):
        _positive("PolynomialDecay", decay_steps=decay_steps)
        self.initial_learning_rate, self.decay_steps, self.power = initial_learning_rate, decay_steps, power
        self.end_learning_rate, self.cycle, self.name = end_learning_rate, cycle, name

    def __call__(self, step: Any) -> Any:
        step = _float(step)
        steps: Any = self.decay_steps
        if self.cycle:
            steps = steps * ops.maximum(ops.ceil(step / steps), 1.0)
        else:
            step = ops.minimum(step, steps)
        height = self.initial_learning_rate - self.end_learning_rate
        return height * ops.power(1.0 - step / steps, self.power) + self.end_learning_rate


class PiecewiseConstantDecay(LearningRateSchedule):
    """One rate up to and including the first boundary, the next up to the second, and so on.

    Args:
        boundaries: numbers of updates, growing.
        values: rates, one more than boundaries.
        name: name shown to people.

    Raises:
        ValueError: if their numbers do not fit.

    >>> schedule = optimizers.schedules.PiecewiseConstantDecay([10], [1.0, 0.5])
    >>> float(schedule(10)), float(schedule(11))
    (1.0, 0.5)
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"):
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                f"PiecewiseConstantDecay: expected one more value than boundaries; received {len(boundaries)} "
                f"boundaries and {len(values)} values."
            )
        self.boundaries, self.values, self.name = boundaries, values, name

    def __call__(self, step: Any) -> Any:
        step = ops.convert_to_tensor(step)
        rate: Any = ops.convert_to_tensor(self.values[0], dtype=config.floatx())
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            rate = ops.where(step > boundary, value, rate)
        return rate


class CosineDecay(LearningRateSchedule):
    """A rate that falls along half a cosine to `alpha` of itself, after a warmup along a straight line.

    Source: I. Loshchilov & F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2016.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: number of updates over which it falls, > 0.
        alpha: the last rate as a share of the rate it falls from.
        name: name shown to people.
        warmup_target: the rate at the end of the warmup, from which it then falls; None does without warmup.
        warmup_steps: number of updates of the warmup.

    >>> float(optimizers.schedules.CosineDecay(1.0, 10)(5))
    0.5
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ):
        _positive("CosineDecay", decay_steps=decay_steps)
        self.initial_learning_rate, self.decay_steps, self.alpha = initial_learning_rate, decay_steps, alpha
        self.name, self.warmup_target, self.warmup_steps = name, warmup_target, warmup_steps

    def __call__(self, step: Any) -> Any:
        step, warmup = _float(step), self.warmup_steps
        if self.warmup_target is None:
            return _half_cosine(step / self.decay_steps, self.initial_learning_rate, self.alpha)
        falling = _half_cosine((step - warmup) / self.decay_steps, self.warmup_target, self.alpha)
        if not warmup:
            return falling
        rising = self.initial_learning_rate + (self.warmup_target - self.initial_learning_rate) * step / warmup
        return ops.where(step < warmup, rising, falling)


class CosineDecayRestarts(LearningRateSchedule):
    """A rate that falls along half a cosine, jumps up and falls again, each time over `t_mul` times as many updates.

    Source: I. Loshchilov & F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2016.

    Args:
        initial_learning_rate: the rate at step 0.
        first_decay_steps: number of updates of the first fall, > 0.
        t_mul: how much longer each fall is than the one before, >= 1.
        m_mul: how much higher each start is than the one before.
        alpha: the last rate of a fall as a share of the first rate of all.
        name: name shown to people.

    >>> schedule = optimizers.schedules.CosineDecayRestarts(1.0, 10)
    >>> float(schedule(5)), float(schedule(10)), float(schedule(20))
    (0.5, 1.0, 0.5)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ):
        _positive("CosineDecayRestarts", first_decay_steps=first_decay_steps)
        if t_mul < 1:
            raise ValueError(f"CosineDecayRestarts: expected t_mul >= 1; received {t_mul!r}.")
        self.initial_learning_rate, self.first_decay_steps, self.t_mul = initial_learning_rate, first_decay_steps, t_mul
        self.m_mul, self.alpha, self.name = m_mul, alpha, name

    def __call__(self, step: Any) -> Any:
        done = _float(step) / self.first_decay_steps
        if self.t_mul == 1.0:
            restarts = ops.floor(done)
            done = done - restarts
        else:  # after n falls, (t_mul^n - 1) / (t_mul - 1) times the first fall's updates have been made
            restarts = ops.floor(ops.log(1.0 - done * (1.0 - self.t_mul)) / math.log(self.t_mul))
            length = ops.power(self.t_mul, restarts)
            done = (done - (length - 1.0) / (self.t_mul - 1.0)) / length
        height = ops.power(self.m_mul, restarts)
        wave = 0.5 * height * (1.0 + ops.cos(math.pi * done))
        return self.initial_learning_rate * ((1.0 - self.alpha) * wave + self.alpha)


def _half_cosine(share: Any, start: float, alpha: float) -> Any:
    """Return the rate after `share` of the way from `start` to `alpha` of it."""
    wave = 0.5 * (1.0 + ops.cos(math.pi * ops.clip(share, 0.0, 1.0)))
    return start * ((1.0 - alpha) * wave + alpha)
