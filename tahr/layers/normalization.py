"""Normalisation within each example: layer, root-mean-square, group and unit."""

from typing import Any

from tahr import dtypes, ops
from tahr.layers.arguments import keep, known, weight, who
from tahr.layers.input_spec import InputSpec
from tahr.layers.layer import Layer
from tahr.ops.core import as_type

__all__ = ["GroupNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"]


def in_full_precision(layer: Layer, inputs: Any) -> Any:
    """Return 16-bit inputs as float32, in which sums of squares stay finite."""
    return as_type(inputs, "float32") if layer.compute_dtype in ("float16", "bfloat16") else inputs


class LayerNormalization(Layer):
    """Give each example mean 0 and variance 1 along some axes, then scale and shift.

    `gamma * (x - mean) / sqrt(variance + epsilon) + beta`

    Args:
        axis: axis or axes to take mean and variance over.
        epsilon: added to the variance.
        center: whether `beta` is added.
        scale: whether to multiply by `gamma`.
        beta_initializer: start of `beta`, of the sizes of the axes.
        gamma_initializer: start of `gamma`, of the sizes of the axes.
        beta_regularizer: function of `beta` that is added to the loss.
        gamma_regularizer: function of `gamma` that is added to the loss.
        beta_constraint: function applied to `beta` after every update.
        gamma_constraint: function applied to `gamma` after every update.
        rms_scaling: whether the mean is not subtracted (kept for old files; use RMSNormalization).

    Source: Ba et al., Layer Normalization, 2016.

    >>> keras.layers.LayerNormalization()(ops.array([[1.0, 3.0]]))
    [[-0.9995, 0.9995]]
    """

    supports_masking = True

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.axis = _axes(axis, self)
        self.epsilon, self.center, self.scale, self.rms_scaling = epsilon, center, scale, rms_scaling
        keep(
            self,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Make `gamma` and `beta`."""
        shape = [known(input_shape, a, self) for a in self.axis]
        self.gamma = weight(self, "gamma", shape) if self.scale or self.rms_scaling else None
        self.beta = weight(self, "beta", shape) if self.center and not self.rms_scaling else None

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        axes = tuple(a % len(inputs.shape) for a in self.axis)
        gamma, beta = (None if w is None else _spread(w, inputs, axes) for w in (self.gamma, self.beta))
        found = ops.layer_normalization(inputs, gamma, beta, axes, self.epsilon, self.rms_scaling)
        return as_type(found, self.compute_dtype)


def _axes(axis: Any, layer: Layer) -> list[int]:
    found = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    if not found or any(not isinstance(a, int) for a in found):
        raise TypeError(f"{who(layer)}: expected `axis` to be a whole number or a list of them; received {axis!r}.")
    return found


def _spread(parameter: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """Return a weight of the sizes of `axes` in the type of `x`, shaped to broadcast to it."""
    value = as_type(parameter, dtypes.of(x))
    rank = len(x.shape)
    if axes == tuple(range(rank - len(axes), rank)):
        return value
    shape = [1] * rank
    for axis, size in zip(axes, parameter.shape, strict=True):
        shape[axis] = size
    return ops.reshape(ops.transpose(value, sorted(range(len(axes)), key=lambda i: axes[i])), shape)


class RMSNormalization(Layer):
    """Divide each example by its root mean square along some axes, then scale.

    `scale * x / sqrt(mean(x^2) + epsilon)`

    Args:
        axis: axis or axes to take the mean over.
        epsilon: added to the mean square.

    Source: Zhang and Sennrich, Root Mean Square Layer Normalization, 2019.

    >>> keras.layers.RMSNormalization()(ops.array([[3.0, 4.0]]))
    [[0.84853, 1.13137]]
    """

    supports_masking = True

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis, self.epsilon = _axes(axis, self), epsilon

    def build(self, input_shape: Any) -> None:
        """Make the scale."""
        self.scale = self.add_weight([known(input_shape, a, self) for a in self.axis], "ones", name="scale")

    def call(self, x: Any) -> Any:
        """Compute the outputs."""
        axes = tuple(a % len(x.shape) for a in self.axis)
        return ops.cast(ops.rms_normalization(x, _spread(self.scale, x, axes), axes, self.epsilon), self.compute_dtype)


class GroupNormalization(Layer):
    """Give each group of channels of each example mean 0 and variance 1, then scale and shift each channel.

    Args:
        groups: number of groups; -1 makes one of each channel, 1 a single one.
        axis: the axis of the channels.
        epsilon: added to the variance.
        center: whether `beta` is added.
        scale: whether to multiply by `gamma`.
        beta_initializer: start of `beta`, of shape `(channels,)`.
        gamma_initializer: start of `gamma`, of shape `(channels,)`.
        beta_regularizer: function of `beta` that is added to the loss.
        gamma_regularizer: function of `gamma` that is added to the loss.
        beta_constraint: function applied to `beta` after every update.
        gamma_constraint: function applied to `gamma` after every update.

    Source: Wu and He, Group Normalization, 2018.

    >>> keras.layers.GroupNormalization(groups=1)(ops.array([[1.0, 3.0]]))
    [[-0.9995, 0.9995]]
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.groups, self.axis, self.epsilon, self.center, self.scale = groups, axis, epsilon, center, scale
        keep(
            self,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )

    supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Make `gamma` and `beta`."""
        channels = known(input_shape, self.axis, self)
        if self.groups == -1:
            self.groups = channels
        if self.groups < 1 or channels % self.groups:
            raise ValueError(
                f"{who(self)}: expected `groups` to divide the number of channels, {channels}; "
                f"received groups={self.groups}, input shape {tuple(input_shape)}."
            )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})
        self.gamma = weight(self, "gamma", (channels,)) if self.scale else None
        self.beta = weight(self, "beta", (channels,)) if self.center else None

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        x = in_full_precision(self, inputs)
        axis = self.axis % len(x.shape)
        shape = (*x.shape[:axis], self.groups, x.shape[axis] // self.groups, *x.shape[axis + 1 :])
        grouped = ops.reshape(x, shape)
        axes = tuple(i for i in range(1, len(shape)) if i != axis)
        mean = ops.mean(grouped, axes, keepdims=True)
        variance = ops.mean(ops.square(grouped - mean), axes, keepdims=True)
        x = ops.reshape((grouped - mean) * ops.rsqrt(variance + self.epsilon), x.shape)
        if self.gamma is not None:
            x = x * _spread(self.gamma, x, (axis,))
        if self.beta is not None:
            x = x + _spread(self.beta, x, (axis,))
        return ops.cast(x, self.compute_dtype)


class UnitNormalization(Layer):
    """Give each example length 1 along some axes: `x / sqrt(sum(x^2))`.

    Args:
        axis: axis or axes to take the sum over.

    >>> keras.layers.UnitNormalization()(ops.array([[3.0, 4.0]]))
    [[0.6, 0.8]]
    """

    supports_masking = True

    def __init__(self, axis: Any = -1, **kwargs: Any):
        super().__init__(**kwargs)
        if not (isinstance(axis, int) or (isinstance(axis, (list, tuple)) and all(isinstance(a, int) for a in axis))):
            raise TypeError(f"{who(self)}: expected `axis` to be a whole number or a list of them; received {axis!r}.")
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis

    def call(self, inputs: Any) -> Any:
        """Compute the outputs; an example of length 0 stays 0."""
        x = in_full_precision(self, inputs)
        axis = tuple(self.axis) if isinstance(self.axis, list) else self.axis
        square = ops.sum(ops.square(x), axis, keepdims=True)
        return ops.cast(x * ops.rsqrt(ops.maximum(square, 1e-12)), self.compute_dtype)
