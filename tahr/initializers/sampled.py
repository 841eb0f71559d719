"""Initializers that draw; on the host, so that a seed gives the same bits on every backend and nothing is compiled."""

import math
from typing import Any

import numpy as np

from tahr import random
from tahr.initializers.initializer import Initializer
from tahr.random import SeedGenerator

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
]

_TRUNCATED_STDDEV = 0.87962566103423978  # of the standard normal distribution cut off at two standard deviations


class Sampled(Initializer):
    """Base of initializers that draw. One and the same object gives the same values at every call.

    Raises:
        ValueError: if `seed` is neither None, a whole number, nor a `SeedGenerator`.
    """

    def __init__(self, seed: Any = None):
        if seed is not None and not isinstance(seed, SeedGenerator) and not hasattr(seed, "__index__"):
            raise ValueError(
                f"{type(self).__name__}: expected seed to be None, a whole number or a keras.random.SeedGenerator; "
                f"received {seed!r}."
            )
        self.seed = seed
        self._start = random.host_seed() if seed is None else seed

    def generator(self) -> np.random.Generator:
        """Return the host generator that this call draws from."""
        if isinstance(self._start, SeedGenerator):
            low, high = (int(word) for word in np.asarray(self._start.state.numpy()))
            self._start.next()
            return random.host_generator(low + high * 2**32)
        return random.host_generator(int(self._start))


def _normal(generator: np.random.Generator, shape: Any, mean: float, stddev: float) -> np.ndarray:
    values = generator.standard_normal(tuple(shape), np.float32)
    values *= np.float32(stddev)
    if mean:
        values += np.float32(mean)
    return values


def _truncated(generator: np.random.Generator, shape: Any, mean: float, stddev: float) -> np.ndarray:
    """Return normal draws, those more than two standard deviations off being drawn again."""
    values = np.empty(math.prod(shape), np.float32)
    for start in range(0, values.size, 2**16):  # parts that stay in the processor's cache
        part = values[start : start + 2**16]
        generator.standard_normal(out=part, dtype=np.float32)
        wrong = np.flatnonzero(np.abs(part) > 2)
        while wrong.size:
            part[wrong] = again = generator.standard_normal(wrong.size, np.float32)
            wrong = wrong[np.abs(again) > 2]
        part *= np.float32(stddev)
        if mean:
            part += np.float32(mean)
    return values.reshape(tuple(shape))


def _uniform(generator: np.random.Generator, shape: Any, minval: float, maxval: float) -> np.ndarray:
    values = generator.random(tuple(shape), np.float32)
    values *= np.float32(maxval - minval)
    values += np.float32(minval)
    return values


class RandomNormal(Sampled):
    """Draws from the normal distribution.

    >>> initializers.RandomNormal(stddev=0.1, seed=1)((2, 3)).shape
    (2, 3)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None):
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def values(self, shape: Any, dtype: str) -> np.ndarray:
        return _normal(self.generator(), shape, self.mean, self.stddev)


class TruncatedNormal(Sampled):
    """Draws from the normal distribution without what is more than two standard deviations from the mean.

    >>> float(ops.max(initializers.TruncatedNormal(stddev=0.1, seed=1)((100,)))) <= 0.2
    True
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None):
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def values(self, shape: Any, dtype: str) -> np.ndarray:
        return _truncated(self.generator(), shape, self.mean, self.stddev)


class RandomUniform(Sampled):
    """Draws numbers equally likely from `minval` up to, but not including, `maxval`.

    >>> float(ops.min(initializers.RandomUniform(0.5, 1.0, seed=1)((100,)))) >= 0.5
    True
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None):
        super().__init__(seed)
        self.minval, self.maxval = minval, maxval

    def values(self, shape: Any, dtype: str) -> np.ndarray:
        return _uniform(self.generator(), shape, self.minval, self.maxval)


class VarianceScaling(Sampled):
    """Draws with variance `scale / n`, where n counts the inputs (`fan_in`), the outputs or the mean of both.

    Args:
        scale: positive factor of the variance.
        mode: `"fan_in"`, `"fan_out"` or `"fan_avg"`.
        distribution: `"truncated_normal"` (or `"normal"`), `"untruncated_normal"` or `"uniform"`.
        seed: number, `SeedGenerator`, or None.
        input_axes: axes whose sizes multiply to the number of inputs, if not the usual ones; needs `output_axes`.
        output_axes: axes whose sizes multiply to the number of outputs.

    Raises:
        ValueError: if an argument is none of these.

    >>> initializers.VarianceScaling(2.0, "fan_out", seed=1)((3, 4)).shape
    (3, 4)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ):
        super().__init__(seed)
        if not scale > 0:
            raise ValueError(f"{type(self).__name__}: expected a positive scale; received {scale!r}.")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(
                f"{type(self).__name__}: expected mode to be 'fan_in', 'fan_out' or 'fan_avg'; received {mode!r}."
            )
        distribution = "truncated_normal" if distribution == "normal" else distribution
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(
                f"{type(self).__name__}: expected distribution to be 'truncated_normal', 'untruncated_normal' or "
                f"'uniform'; received {distribution!r}."
            )
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes

    def values(self, shape: Any, dtype: str) -> np.ndarray:
        fan_in, fan_out = fans(shape, self.input_axes, self.output_axes)
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, count)
        generator = self.generator()
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            values = _uniform(generator, shape, -limit, limit)
        elif self.distribution == "untruncated_normal":
            values = _normal(generator, shape, 0.0, math.sqrt(variance))
        else:
            values = _truncated(generator, shape, 0.0, math.sqrt(variance) / _TRUNCATED_STDDEV)
        return values


def fans(shape: Any, input_axes: Any = None, output_axes: Any = None) -> tuple[float, float]:
    """Return how many inputs an output of a weight of this shape has, and how many outputs an input has."""
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[i] for i in input_axes), math.prod(shape[i] for i in output_axes)
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


class GlorotUniform(VarianceScaling):
    """Draws uniformly with variance 1 / the mean of both fans (Glorot and Bengio 2010).

    >>> initializers.GlorotUniform(seed=1)((3, 4)).shape
    (3, 4)
    """

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None):
        super().__init__(1.0, "fan_avg", "uniform", seed, input_axes, output_axes)


class GlorotNormal(VarianceScaling):
    """Draws truncated normals with variance 1 / the mean of both fans (Glorot and Bengio 2010).

    >>> initializers.GlorotNormal(seed=1)((3, 4)).shape
    (3, 4)
    """

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None):
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, input_axes, output_axes)


class HeUniform(VarianceScaling):
    """Draws uniformly with variance 2 / fan-in (He et al. 2015).

    >>> initializers.HeUniform(seed=1)((3, 4)).shape
    (3, 4)
    """

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None):
        super().__init__(2.0, "fan_in", "uniform", seed, input_axes, output_axes)


class HeNormal(VarianceScaling):
    """Draws truncated normals with variance 2 / fan-in (He et al. 2015).

    >>> initializers.HeNormal(seed=1)((3, 4)).shape
    (3, 4)
    """

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None):
        super().__init__(2.0, "fan_in", "truncated_normal", seed, input_axes, output_axes)


class LecunUniform(VarianceScaling):
    """Draws uniformly with variance 1 / fan-in (LeCun et al. 1998).

    >>> initializers.LecunUniform(seed=1)((3, 4)).shape
    (3, 4)
    """

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None):
        super().__init__(1.0, "fan_in", "uniform", seed, input_axes, output_axes)


class LecunNormal(VarianceScaling):
    """Draws truncated normals with variance 1 / fan-in (LeCun et al. 1998).

    >>> initializers.LecunNormal(seed=1)((3, 4)).shape
    (3, 4)
    """

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None):
        super().__init__(1.0, "fan_in", "truncated_normal", seed, input_axes, output_axes)


class Orthogonal(Sampled):
    """Gives a matrix with orthonormal rows or columns, times `gain` (Saxe et al. 2013); leading axes count as one.

    Raises:
        ValueError: when called for a shape of fewer than two dimensions.

    >>> w = initializers.Orthogonal(seed=1)((3, 3))
    >>> ops.matmul(ops.transpose(w), w)
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """

    def __init__(self, gain: float = 1.0, seed: Any = None):
        super().__init__(seed)
        self.gain = gain

    def values(self, shape: Any, dtype: str) -> np.ndarray:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: expected a shape of at least two dimensions; received {tuple(shape)}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        draws = self.generator().standard_normal((max(rows, columns), min(rows, columns)), np.float32)
        q, r = np.linalg.qr(draws)
        q *= np.where(np.diag(r) < 0, -1, 1).astype(np.float32)  # makes q unique, and uniformly distributed
        q = q if rows >= columns else q.T
        return np.float32(self.gain) * q.reshape(tuple(shape))
