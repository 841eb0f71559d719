"""Noise while training, and penalties on activity."""

import math
from typing import Any

from tahr import config, ops, random, regularizers
from tahr.layers.arguments import fraction, who
from tahr.layers.input_spec import InputSpec
from tahr.layers.layer import Layer
from tahr.symbolic import KerasTensor

__all__ = [
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
]


class _Noise(Layer):
    """A layer that changes its inputs at random while training, and only then."""

    supports_masking = True

    def _start(self, seed: Any, strength: float) -> None:
        self.seed = seed
        self._strength = strength
        self.seed_generator = random.SeedGenerator(seed) if strength > 0 else None

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Compute the outputs: the inputs themselves unless `training`."""
        noisy = training and self._strength > 0 and not isinstance(inputs, KerasTensor)
        return self.disturb(inputs) if noisy else inputs

    def disturb(self, inputs: Any) -> Any:
        """Return the inputs with noise."""
        raise NotImplementedError


class Dropout(_Noise):
    """Set a fraction of the inputs to zero while training and scale the others by `1 / (1 - rate)`.

    Args:
        rate: fraction to drop, from 0 to 1.
        noise_shape: shape of the mask, broadcast to the inputs; None in it takes the input's size.
        seed: whole number that makes the draws repeatable.

    Source: Srivastava et al., Dropout, 2014.

    >>> x = ops.ones((2, 3))
    >>> keras.layers.Dropout(0.5)(x)
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    >>> bool(ops.max(keras.layers.Dropout(0.5, seed=1)(x, training=True)) <= 2.0)
    True
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = fraction(rate, "rate", self)
        self.noise_shape = noise_shape
        self._start(seed, rate)

    def disturb(self, inputs: Any) -> Any:
        """Return the inputs with some set to zero."""
        return random.dropout(inputs, self.rate, noise_shape=self.mask_shape(inputs), seed=self.seed_generator)

    def mask_shape(self, inputs: Any) -> Any:
        """Return the shape of the mask, or None for that of the inputs."""
        if self.noise_shape is None:
            return None
        if len(self.noise_shape) != len(inputs.shape):
            raise ValueError(
                f"{who(self)}: expected noise_shape with one size for each of the input's "
                f"{len(inputs.shape)} axes; received {self.noise_shape}."
            )
        return tuple(n if m is None else m for m, n in zip(self.noise_shape, inputs.shape, strict=True))


class _SpatialDropout(Dropout):
    """Drop whole feature maps: the mask has size 1 along the spatial axes."""

    rank: int

    def __init__(
        self, rate: float, data_format: Any = None, seed: Any = None, name: Any = None, dtype: Any = None, **kwargs: Any
    ):
        super().__init__(rate, seed=seed, name=name, dtype=dtype, **kwargs)
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def mask_shape(self, inputs: Any) -> Any:
        """Return the shape of the mask: one value for each example and channel."""
        batch, channels = inputs.shape[0], inputs.shape[-1 if self.data_format == "channels_last" else 1]
        spatial = (1,) * self.rank
        return (batch, *spatial, channels) if self.data_format == "channels_last" else (batch, channels, *spatial)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that Keras's classes of these names take."""
        found = {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype_policy.name}
        return found if self.rank == 1 else {**found, "data_format": self.data_format}


class SpatialDropout1D(_SpatialDropout):
    """Drop whole channels of sequences while training.

    Args:
        rate: fraction to drop, from 0 to 1.
        seed: whole number that makes the draws repeatable.

    Input shape: `(batch, steps, channels)`. Source: Tompson et al., 2014.

    >>> keras.layers.SpatialDropout1D(0.5)(ops.ones((1, 2, 2)))
    [[[1.0, 1.0], [1.0, 1.0]]]
    """

    rank = 1

    def __init__(self, rate: float, seed: Any = None, name: Any = None, dtype: Any = None, **kwargs: Any):
        super().__init__(rate, "channels_last", seed, name, dtype, **kwargs)


class SpatialDropout2D(_SpatialDropout):
    """Drop whole channels of images while training.

    Args:
        rate: fraction to drop, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: whole number that makes the draws repeatable.

    Input shape: `(batch, rows, columns, channels)`. Source: Tompson et al., 2014.

    >>> keras.layers.SpatialDropout2D(0.5)(ops.ones((1, 1, 1, 2)))
    [[[[1.0, 1.0]]]]
    """

    rank = 2


class SpatialDropout3D(_SpatialDropout):
    """Drop whole channels of volumes while training.

    Args:
        rate: fraction to drop, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: whole number that makes the draws repeatable.

    Input shape: `(batch, depth, rows, columns, channels)`. Source: Tompson et al., 2014.

    >>> keras.layers.SpatialDropout3D(0.5)(ops.ones((1, 1, 1, 1, 2)))
    [[[[[1.0, 1.0]]]]]
    """

    rank = 3


class AlphaDropout(_Noise):
    """Drop inputs to the negative limit of SELU while training, keeping mean and variance.

    Args:
        rate: fraction to drop, from 0 to 1.
        noise_shape: shape of the mask, broadcast to the inputs; None in it takes the input's size.
        seed: whole number that makes the draws repeatable.

    Source: Klambauer et al., Self-Normalizing Neural Networks, 2017.

    >>> keras.layers.AlphaDropout(0.5)(ops.ones((1, 2)))
    [[1.0, 1.0]]
    """

    _LIMIT = -1.0507009873554805 * 1.6732632423543772  # of SELU, far below zero

    def __init__(self, rate: float, noise_shape: Any = None, seed: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate, self.noise_shape = fraction(rate, "rate", self), noise_shape
        self._start(seed, rate)

    def disturb(self, inputs: Any) -> Any:
        """Return the inputs with some at the limit, scaled and shifted."""
        shape = Dropout.mask_shape(self, inputs) or ops.shape(inputs)  # type: ignore[arg-type]
        kept = random.uniform(shape, dtype="float32", seed=self.seed_generator) >= self.rate
        scale = ((1 - self.rate) * (1 + self.rate * self._LIMIT**2)) ** -0.5 if self.rate < 1 else 0.0
        return (
            scale * ops.where(kept, inputs, ops.cast(self._LIMIT, ops.dtype(inputs))) - scale * self._LIMIT * self.rate
        )


class GaussianDropout(_Noise):
    """Multiply the inputs by normal noise of mean 1 and deviation `sqrt(rate / (1 - rate))` while training.

    Args:
        rate: as in Dropout, from 0 to below 1.
        seed: whole number that makes the draws repeatable.

    Source: Srivastava et al., Dropout, 2014, section 10.

    >>> keras.layers.GaussianDropout(0.5)(ops.ones((1, 2)))
    [[1.0, 1.0]]
    """

    def __init__(self, rate: float, seed: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = fraction(rate, "rate", self)
        if rate == 1:
            raise ValueError(f"{who(self)}: expected `rate` below 1; received {rate!r}.")
        self._start(seed, rate)

    def disturb(self, inputs: Any) -> Any:
        """Return the inputs times noise."""
        deviation = math.sqrt(self.rate / (1 - self.rate))
        return inputs * random.normal(ops.shape(inputs), 1.0, deviation, ops.dtype(inputs), self.seed_generator)


class GaussianNoise(_Noise):
    """Add normal noise of mean 0 while training.

    Args:
        stddev: deviation of the noise, from 0 to 1.
        seed: whole number that makes the draws repeatable.

    >>> keras.layers.GaussianNoise(0.1)(ops.ones((1, 2)))
    [[1.0, 1.0]]
    """

    def __init__(self, stddev: float, seed: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.stddev = fraction(stddev, "stddev", self)
        self._start(seed, stddev)

    def disturb(self, inputs: Any) -> Any:
        """Return the inputs plus noise."""
        return inputs + random.normal(ops.shape(inputs), 0.0, self.stddev, ops.dtype(inputs), self.seed_generator)


class ActivityRegularization(Layer):
    """Pass the inputs through and add `(l1 * sum(|x|) + l2 * sum(x^2)) / batch size` to the loss.

    Args:
        l1: factor of the sum of absolute values.
        l2: factor of the sum of squares.

    >>> layer = keras.layers.ActivityRegularization(l1=0.5)
    >>> _ = layer(ops.array([[1.0, -2.0]]))
    >>> float(layer.losses[0])
    1.5
    """

    supports_masking = True
    unrecorded = frozenset({"activity_regularizer"})

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any):
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1, self.l2 = l1, l2

    def call(self, inputs: Any) -> Any:
        """Return the inputs."""
        return inputs
