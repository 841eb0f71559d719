"""Layers of Keras 1 and 2 that have another name or another form today."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from tahr import config, layers, ops
from tahr.layers.arguments import keep, sizes, weight, whole

__all__ = [
    "AtrousConvolution1D",
    "AtrousConvolution2D",
    "Convolution1D",
    "Convolution2D",
    "Convolution3D",
    "CuDNNGRU",
    "CuDNNLSTM",
    "Deconvolution2D",
    "Highway",
    "LocallyConnected1D",
    "LocallyConnected2D",
    "MaxoutDense",
    "Merge",
    "ThresholdedReLU",
    "TimeDistributedDense",
    "merge",
]

_MERGES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate", "dot": "Dot",
           "cos": "Dot"}  # fmt: skip


def Merge(layers: Any = None, mode: str = "sum", concat_axis: int = -1, dot_axes: Any = -1, **kwargs: Any) -> Any:
    """Return today's layer for merging in one way.

    Args:
        layers: layers to merge, of which there are none today: call the result on their outputs.
        mode: `"sum"`, `"mul"`, `"ave"`, `"max"`, `"concat"`, `"dot"` or `"cos"`.
        concat_axis: axis to concatenate along.
        dot_axes: axes to multiply and add up along.
        **kwargs: such as `name`.

    Raises:
        ValueError: for another mode, or if layers are given.
    """
    from tahr import layers as room

    if layers is not None:
        raise ValueError(
            "Merge: a model of several inputs is made from symbols today. Call the branches on keras.Input(...), merge "
            "their outputs with keras.layers.concatenate([...]) or the like, and make keras.Model(inputs, outputs)."
        )
    if mode not in _MERGES:
        raise ValueError(f"Merge: expected a mode of {', '.join(_MERGES)}; received {mode!r}.")
    kwargs = {k: v for k, v in kwargs.items() if k in ("name", "trainable", "dtype")}
    if mode == "concat":
        kwargs["axis"] = concat_axis
    elif mode in ("dot", "cos"):
        axes = dot_axes if isinstance(dot_axes, int) else tuple(a[0] if hasattr(a, "__len__") else a for a in dot_axes)
        kwargs.update(axes=axes, normalize=mode == "cos")
    return getattr(room, _MERGES[mode])(**kwargs)


def merge(inputs: Any, mode: str = "sum", **kwargs: Any) -> Any:
    """Return the inputs merged in one way; see `Merge`."""
    return Merge(mode=mode, **kwargs)(inputs)


def _numbers_first(cls: Any, axes: int) -> Callable[..., Any]:
    """Return a maker of convolutions whose kernel sizes come one by one: `Convolution2D(32, 3, 3)`."""

    def make(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 + axes and all(isinstance(a, int) for a in args) and axes > 1:
            args = args[0], args[1:]
        return cls(*args, **kwargs)

    make.__name__ = make.__qualname__ = cls.__name__
    return make


Convolution1D = _numbers_first(layers.Conv1D, 1)
Convolution2D = _numbers_first(layers.Conv2D, 2)
Convolution3D = _numbers_first(layers.Conv3D, 3)
AtrousConvolution1D, AtrousConvolution2D = Convolution1D, Convolution2D


def Deconvolution2D(*args: Any, output_shape: Any = None, **kwargs: Any) -> Any:
    """Return a transposed convolution; its output shape follows from its input today."""
    return _numbers_first(layers.Conv2DTranspose, 2)(*args, **kwargs)


def CuDNNLSTM(units: int, **kwargs: Any) -> Any:
    """Return an LSTM, which is fast on its own today."""
    return layers.LSTM(units, **kwargs)


def CuDNNGRU(units: int, **kwargs: Any) -> Any:
    """Return a GRU, which is fast on its own today."""
    return layers.GRU(units, **{"reset_after": True, **kwargs})


def TimeDistributedDense(*args: Any, **kwargs: Any) -> Any:
    """Return a `Dense`, which goes over every step by itself today."""
    return layers.Dense(*args, **kwargs)


def ThresholdedReLU(theta: float = 1.0, **kwargs: Any) -> Any:
    """Return a layer of `x` where it is above `theta`, else 0."""
    return layers.ReLU(threshold=theta, **kwargs)


class _Old(layers.Layer):
    """A layer with a kernel and a bias, whose arguments are those of `Dense` from the activation on."""

    def __init__(self, activation: Any = None, use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, bias_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        keep(self, activation=activation, use_bias=use_bias, kernel_initializer=kernel_initializer,
             bias_initializer=bias_initializer, kernel_regularizer=kernel_regularizer,
             bias_regularizer=bias_regularizer, kernel_constraint=kernel_constraint,
             bias_constraint=bias_constraint)  # fmt: skip


class Highway(_Old):
    """Return `gate * activation(x @ W + b) + (1 - gate) * x` with `gate = sigmoid(x @ W_carry + b_carry)`.

    Source: R. K. Srivastava, K. Greff & J. Schmidhuber, "Highway Networks", 2015.
    """

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1]
        self.kernel, self.carry = (weight(self, name, (size, size), of="kernel") for name in ("kernel", "carry"))
        self.bias = weight(self, "bias", (size,)) if self.use_bias else 0.0
        self.carry_bias = weight(self, "carry_bias", (size,), of="bias", initializer="ones") if self.use_bias else 0.0

    def call(self, inputs: Any) -> Any:
        gate = ops.sigmoid(ops.matmul(inputs, self.carry) + self.carry_bias)
        return gate * self.activation(ops.matmul(inputs, self.kernel) + self.bias) + (1 - gate) * inputs


class MaxoutDense(_Old):
    """Return the largest of several linear functions of the inputs.

    Source: I. J. Goodfellow et al., "Maxout Networks", 2013.
    """

    def __init__(self, units: int, nb_feature: int = 4, **kwargs: Any):
        super().__init__(**kwargs)
        self.units, self.nb_feature = whole(units, "units", self), whole(nb_feature, "nb_feature", self)

    def build(self, input_shape: Any) -> None:
        self.kernel = weight(self, "kernel", (self.nb_feature, input_shape[-1], self.units))
        self.bias = weight(self, "bias", (self.nb_feature, self.units)) if self.use_bias else 0.0

    def call(self, inputs: Any) -> Any:
        return ops.max(ops.einsum("bi,fio->bfo", inputs, self.kernel) + self.bias, axis=1)


class _LocallyConnected(_Old):
    """A convolution whose kernel is another one at every place."""

    rank = 0

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: Any = None, implementation: int = 1, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        if padding != "valid":
            raise ValueError(f"{type(self).__name__}: expected padding='valid'; received {padding!r}.")
        self.filters = whole(filters, "filters", self)
        self.kernel_size = sizes(kernel_size, self.rank, "kernel_size", self)
        self.strides = sizes(strides, self.rank, "strides", self)
        self.padding, self.data_format, self.implementation = padding, data_format, implementation
        self.channels_first = config.standardize_data_format(data_format) == "channels_first"

    def build(self, input_shape: Any) -> None:
        places = self._places(input_shape)
        features = math.prod(self.kernel_size) * input_shape[1 if self.channels_first else -1]
        self.kernel = weight(self, "kernel", (math.prod(places), features, self.filters))
        self.bias = weight(self, "bias", (*places, self.filters)) if self.use_bias else None

    def _places(self, shape: Any) -> tuple[int, ...]:
        inner = shape[2:] if self.channels_first else shape[1:-1]
        return tuple((n - k) // s + 1 for n, k, s in zip(inner, self.kernel_size, self.strides, strict=True))

    def windows(self, inputs: Any) -> Iterator[Any]:
        """Yield the part of the inputs that each place sees, in order."""
        for place in itertools.product(*(range(n) for n in self._places(inputs.shape))):
            window = (slice(i * s, i * s + k) for i, s, k in zip(place, self.strides, self.kernel_size, strict=True))
            yield inputs[(slice(None),) * (2 if self.channels_first else 1) + tuple(window)]

    def call(self, inputs: Any) -> Any:
        places = self._places(inputs.shape)
        parts = [ops.reshape(part, (-1, self.kernel.shape[1])) for part in self.windows(inputs)]
        found = ops.einsum("pbf,pfo->bop" if self.channels_first else "pbf,pfo->bpo", ops.stack(parts), self.kernel)
        shape = (self.filters, *places) if self.channels_first else (*places, self.filters)
        found = ops.reshape(found, (-1, *shape))
        if self.bias is not None:
            found = found + ops.reshape(self.bias, shape)  # so did Keras 2, without a move of the axes
        return self.activation(found)


class LocallyConnected1D(_LocallyConnected):
    """A 1D convolution with kernels of its own at every place."""

    rank = 1


class LocallyConnected2D(_LocallyConnected):
    """A 2D convolution with kernels of its own at every place."""

    rank = 2
