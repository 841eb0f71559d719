"""Layers of Keras 1 and 2 that have another name or another form today."""

from collections.abc import Callable
from typing import Any

from tahr import activations, layers, ops
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


class Highway(layers.Layer):
    """Return `gate * activation(x @ W + b) + (1 - gate) * x` with `gate = sigmoid(x @ W_carry + b_carry)`.

    Source: R. K. Srivastava, K. Greff & J. Schmidhuber, "Highway Networks", 2015.
    """

    def __init__(self, init: Any = "glorot_uniform", activation: Any = None, bias: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self.init, self.bias, self.activation = init, bias, activations.get(activation)

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1]
        self.kernel, self.carry = self.add_weight((size, size), self.init), self.add_weight((size, size), self.init)
        self.shift = self.add_weight((size,), "zeros") if self.bias else 0.0
        self.carry_shift = self.add_weight((size,), "ones") if self.bias else 0.0

    def call(self, inputs: Any) -> Any:
        gate = ops.sigmoid(ops.matmul(inputs, self.carry) + self.carry_shift)
        return gate * self.activation(ops.matmul(inputs, self.kernel) + self.shift) + (1 - gate) * inputs


class MaxoutDense(layers.Layer):
    """Return the largest of several linear functions of the inputs.

    Source: I. J. Goodfellow et al., "Maxout Networks", 2013.
    """

    def __init__(self, output_dim: int, nb_feature: int = 4, init: Any = "glorot_uniform", bias: bool = True,
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.output_dim, self.nb_feature, self.init, self.bias = output_dim, nb_feature, init, bias

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight((self.nb_feature, input_shape[-1], self.output_dim), self.init)
        self.shift = self.add_weight((self.nb_feature, self.output_dim), "zeros") if self.bias else 0.0

    def call(self, inputs: Any) -> Any:
        return ops.max(ops.einsum("bi,fio->bfo", inputs, self.kernel) + self.shift, axis=1)


class _LocallyConnected(layers.Layer):
    """A convolution whose kernel is another one at every place."""

    rank = 0

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: Any = None, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, bias_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, implementation: int = 1,
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        if padding != "valid":
            raise ValueError(f"{type(self).__name__}: expected padding='valid'; received {padding!r}.")
        if data_format not in (None, "channels_last"):
            raise ValueError(f"{type(self).__name__}: expected data_format='channels_last'; received {data_format!r}.")
        self.filters, self.use_bias = whole(filters, "filters", self), use_bias
        self.kernel_size = sizes(kernel_size, self.rank, "kernel_size", self)
        self.strides = sizes(strides, self.rank, "strides", self)
        self.padding, self.data_format, self.implementation = padding, data_format, implementation
        keep(self, activation=activation, kernel_initializer=kernel_initializer, bias_initializer=bias_initializer,
             kernel_regularizer=kernel_regularizer, bias_regularizer=bias_regularizer,
             kernel_constraint=kernel_constraint, bias_constraint=bias_constraint)  # fmt: skip

    def build(self, input_shape: Any) -> None:
        places = self._places(input_shape)
        features = input_shape[-1]
        for size in self.kernel_size:
            features *= size
        count = 1
        for size in places:
            count *= size
        self.kernel = weight(self, "kernel", (count, features, self.filters))
        self.bias = weight(self, "bias", (*places, self.filters)) if self.use_bias else None

    def _places(self, shape: Any) -> tuple[int, ...]:
        between = zip(shape[1:-1], self.kernel_size, self.strides, strict=True)
        return tuple((n - k) // s + 1 for n, k, s in between)

    def call(self, inputs: Any) -> Any:
        places = self._places(inputs.shape)
        parts = []
        for place in _indices(places):
            window = (slice(i * s, i * s + k) for i, s, k in zip(place, self.strides, self.kernel_size, strict=True))
            parts.append(ops.reshape(inputs[(slice(None), *window)], (-1, self.kernel.shape[1])))
        found = ops.einsum("pbf,pfo->bpo", ops.stack(parts), self.kernel)
        found = ops.reshape(found, (-1, *places, self.filters))
        return self.activation(found if self.bias is None else found + self.bias)


def _indices(places: tuple[int, ...]) -> Any:
    import itertools

    return itertools.product(*(range(n) for n in places))


class LocallyConnected1D(_LocallyConnected):
    """A 1D convolution with kernels of its own at every place."""

    rank = 1


class LocallyConnected2D(_LocallyConnected):
    """A 2D convolution with kernels of its own at every place."""

    rank = 2
