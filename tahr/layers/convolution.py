"""Convolutions over one, two and three spatial axes: plain, transposed, depthwise and separable."""

from typing import Any

from tahr import activations, config, ops
from tahr.layers.adaptable import Adaptable
from tahr.layers.arguments import choice, keep, known, sizes, weight, who, whole
from tahr.layers.input_spec import InputSpec
from tahr.layers.layer import Layer

__all__ = [
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
]


class _AnyConv(Layer):
    """What all convolutions share: windows, a bias along the channels, and an activation."""

    rank: int
    kernel: Any = None
    bias: Any = None
    _always_written = frozenset({"activity_regularizer"})

    def _take_windows(
        self, kernel_size: Any, strides: Any, padding: str, data_format: Any, dilation_rate: Any, causal: bool = False
    ) -> None:
        self.kernel_size = sizes(kernel_size, self.rank, "kernel_size", self)
        self.strides = sizes(strides, self.rank, "strides", self)
        self.padding = choice(padding, ("valid", "same", "causal") if causal else ("valid", "same"), "padding", self)
        self.data_format = config.standardize_data_format(data_format)
        self.dilation_rate = sizes(dilation_rate, self.rank, "dilation_rate", self)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{who(self)}: strides above 1 and dilation above 1 exclude each other; received "
                f"strides={self.strides}, dilation_rate={self.dilation_rate}."
            )
        self.input_spec = InputSpec(min_ndim=self.rank + 2)

    @property
    def _channel_axis(self) -> int:
        return -1 if self.data_format == "channels_last" else -1 - self.rank

    def _see_channels(self, input_shape: Any) -> int:
        """Return the number of input channels and demand it from now on."""
        channels = known(input_shape, self._channel_axis, self)
        self.input_spec = InputSpec(min_ndim=self.rank + 2, axes={self._channel_axis: channels})
        return channels

    def _check_windows(self, input_shape: Any) -> None:
        if self.padding != "valid":
            return
        end = len(input_shape) + self._channel_axis if self._channel_axis == -1 else len(input_shape)
        spatial = input_shape[end - self.rank : end]
        spans = [d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation_rate, strict=True)]
        if any(n is not None and n < span for n, span in zip(spatial, spans, strict=True)):
            raise ValueError(
                f"{who(self)}: windows of size {tuple(spans)} do not fit into inputs of shape "
                f"{tuple(input_shape)}. Make kernel_size or dilation_rate smaller, or use padding='same'."
            )

    def _add_bias(self, size: int) -> None:
        self.bias = weight(self, "bias", (size,)) if self.use_bias else None

    def _finish(self, outputs: Any) -> Any:
        """Return the outputs with bias and activation."""
        if self.bias is not None:
            bias = self.bias if self._channel_axis == -1 else ops.reshape(self.bias, (-1, *(1,) * self.rank))
            outputs = ops.add(outputs, bias)
        return self.activation(outputs)

    use_bias: bool
    activation: Any


class _Conv(_AnyConv, Adaptable):
    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: Any = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters, self.groups = whole(filters, "filters", self), whole(groups, "groups", self)
        if filters % groups:
            raise ValueError(
                f"{who(self)}: expected `filters` to be a multiple of groups={groups}; received {filters}."
            )
        self._take_windows(kernel_size, strides, padding, data_format, dilation_rate, causal=self.rank == 1)
        self.activation, self.use_bias = activations.get(activation), use_bias
        self.lora_rank, self.lora_alpha = lora_rank, lora_alpha
        keep(
            self,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Make the kernel, of shape `(*kernel_size, channels / groups, filters)`, and the bias."""
        self._check_windows(input_shape)
        channels = self._see_channels(input_shape)
        if channels % self.groups:
            raise ValueError(
                f"{who(self)}: expected a number of input channels that groups={self.groups} "
                f"divides; received {channels}, shape {tuple(input_shape)}."
            )
        self.kernel = weight(self, "kernel", (*self.kernel_size, channels // self.groups, self.filters))
        self._add_bias(self.filters)
        self._adapt_as_told()

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Return the convolution of the inputs with a kernel, without bias and activation."""
        padding = self.padding
        if padding == "causal":
            before = self.dilation_rate[0] * (self.kernel_size[0] - 1)
            spatial = [(before, 0), (0, 0)] if self._channel_axis == -1 else [(0, 0), (before, 0)]
            inputs, padding = ops.pad(inputs, [*[(0, 0)] * (len(inputs.shape) - 2), *spatial]), "valid"
        return ops.conv(inputs, kernel, self.strides, padding, self.data_format, self.dilation_rate)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return self._finish(_with_one_batch(lambda x: self.convolution_op(x, self.kernel), inputs, self.rank))


def _with_one_batch(convolve: Any, inputs: Any, rank: int) -> Any:
    """Return `convolve(inputs)`, with several batch axes joined into one meanwhile."""
    batch = inputs.shape[: len(inputs.shape) - rank - 1]
    if len(batch) == 1:
        return convolve(inputs)
    outputs = convolve(ops.reshape(inputs, (-1, *inputs.shape[len(batch) :])))
    return ops.reshape(outputs, (*batch, *outputs.shape[1:]))


class Conv1D(_Conv):
    """Convolve sequences with trained windows of steps.

    Args: those of `Conv2D`; `padding="causal"` lets an output step depend on no later input step.

    Input shape: `(batch, steps, channels)`. Output shape: `(batch, new_steps, filters)`.

    >>> keras.layers.Conv1D(4, 3)(ops.zeros((2, 10, 5))).shape
    (2, 8, 4)
    """

    rank = 1


class Conv2D(_Conv):
    """Convolve images with trained windows.

    Args:
        filters: number of output channels.
        kernel_size: size of the windows, one number or (rows, columns).
        strides: step between windows.
        padding: `"valid"`, or `"same"` to pad with zeros so that every position is covered.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: distance between the elements of a window.
        groups: number of parts into which the channels are split, each convolved with its own filters.
        activation: name or function; None is the identity.
        use_bias: whether a bias is added.
        kernel_initializer: start of the kernel, of shape `(rows, columns, channels / groups, filters)`.
        bias_initializer: start of the bias, of shape `(filters,)`.
        kernel_regularizer: function of the kernel that is added to the loss.
        bias_regularizer: function of the bias that is added to the loss.
        activity_regularizer: function of the outputs that is added to the loss.
        kernel_constraint: function applied to the kernel after every update.
        bias_constraint: function applied to the bias after every update.

    Input shape: `(batch, rows, columns, channels)`. Output shape: `(batch, new_rows, new_columns, filters)`.

    Raises:
        ValueError: if an argument is out of range, or the windows do not fit into the inputs.

    >>> keras.layers.Conv2D(8, 3, padding="same")(ops.zeros((2, 28, 28, 1))).shape
    (2, 28, 28, 8)
    """

    rank = 2


class Conv3D(_Conv):
    """Convolve volumes with trained windows.

    Args: those of `Conv2D`, with three sizes instead of two.

    Input shape: `(batch, depth, rows, columns, channels)`.

    >>> keras.layers.Conv3D(4, 2)(ops.zeros((1, 3, 4, 5, 1))).shape
    (1, 2, 3, 4, 4)
    """

    rank = 3


class _ConvTranspose(_AnyConv):
    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: Any = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = whole(filters, "filters", self)
        self._take_windows(kernel_size, strides, padding, data_format, dilation_rate)
        self.output_padding = output_padding
        if output_padding is not None:
            self.output_padding = sizes(output_padding, self.rank, "output_padding", self, 0)
            if any(p >= s for p, s in zip(self.output_padding, self.strides, strict=True)):
                raise ValueError(
                    f"{who(self)}: expected `output_padding` below strides={self.strides}; received {output_padding!r}."
                )
        self.activation, self.use_bias = activations.get(activation), use_bias
        keep(
            self,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Make the kernel, of shape `(*kernel_size, filters, channels)`, and the bias."""
        channels = self._see_channels(input_shape)
        self.kernel = weight(self, "kernel", (*self.kernel_size, self.filters, channels))
        self._add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return self._finish(
            ops.conv_transpose(
                inputs,
                self.kernel,
                self.strides,
                self.padding,
                self.output_padding,
                self.data_format,
                self.dilation_rate,
            )
        )


class Conv1DTranspose(_ConvTranspose):
    """Enlarge sequences by the transpose of a convolution.

    Args: those of `Conv2DTranspose`.

    Input shape: `(batch, steps, channels)`.

    >>> keras.layers.Conv1DTranspose(4, 3, strides=2)(ops.zeros((2, 5, 3))).shape
    (2, 11, 4)
    """

    rank = 1


class Conv2DTranspose(_ConvTranspose):
    """Enlarge images by the transpose of a convolution.

    Args:
        filters: number of output channels.
        kernel_size: size of the windows, one number or (rows, columns).
        strides: how many times larger the outputs are.
        padding: `"valid"`, or `"same"` for outputs of `strides` times the input's size.
        output_padding: rows and columns added to one side of the outputs, or None.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: distance between the elements of a window.
        activation: name or function; None is the identity.
        use_bias: whether a bias is added.
        kernel_initializer: start of the kernel, of shape `(rows, columns, filters, channels)`.
        bias_initializer: start of the bias, of shape `(filters,)`.
        kernel_regularizer: function of the kernel that is added to the loss.
        bias_regularizer: function of the bias that is added to the loss.
        activity_regularizer: function of the outputs that is added to the loss.
        kernel_constraint: function applied to the kernel after every update.
        bias_constraint: function applied to the bias after every update.

    Input shape: `(batch, rows, columns, channels)`. Source: Zeiler et al., Deconvolutional Networks, 2010.

    >>> keras.layers.Conv2DTranspose(4, 2, strides=2)(ops.zeros((2, 5, 6, 3))).shape
    (2, 10, 12, 4)
    """

    rank = 2


class Conv3DTranspose(_ConvTranspose):
    """Enlarge volumes by the transpose of a convolution.

    Args: those of `Conv2DTranspose`, with three sizes instead of two.

    Input shape: `(batch, depth, rows, columns, channels)`.

    >>> keras.layers.Conv3DTranspose(4, 2, strides=2)(ops.zeros((1, 2, 3, 4, 1))).shape
    (1, 4, 6, 8, 4)
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: Any = None,
        output_padding: Any = None,
        dilation_rate: Any = 1,
        **kwargs: Any,
    ):
        super().__init__(filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate, **kwargs)


class _DepthwiseConv(_AnyConv):
    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: Any = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.depth_multiplier = whole(depth_multiplier, "depth_multiplier", self)
        self._take_windows(kernel_size, strides, padding, data_format, dilation_rate)
        self.activation, self.use_bias = activations.get(activation), use_bias
        keep(
            self,
            depthwise_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            depthwise_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Make the kernel, of shape `(*kernel_size, channels, depth_multiplier)`, and the bias."""
        self._check_windows(input_shape)
        channels = self._see_channels(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = weight(self, "kernel", shape, of="depthwise")
        self._add_bias(channels * self.depth_multiplier)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return self._finish(
            ops.depthwise_conv(inputs, self.kernel, self.strides, self.padding, self.data_format, self.dilation_rate)
        )


class DepthwiseConv1D(_DepthwiseConv):
    """Convolve each channel of sequences with windows of its own.

    Args: those of `DepthwiseConv2D`.

    Input shape: `(batch, steps, channels)`.

    >>> keras.layers.DepthwiseConv1D(3)(ops.zeros((2, 10, 5))).shape
    (2, 8, 5)
    """

    rank = 1


class DepthwiseConv2D(_DepthwiseConv):
    """Convolve each channel of images with windows of its own.

    Args:
        kernel_size: size of the windows, one number or (rows, columns).
        strides: step between windows.
        padding: `"valid"`, or `"same"` to pad with zeros so that every position is covered.
        depth_multiplier: number of output channels for each input channel.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: distance between the elements of a window.
        activation: name or function; None is the identity.
        use_bias: whether a bias is added.
        depthwise_initializer: start of the kernel, of shape `(rows, columns, channels, depth_multiplier)`.
        bias_initializer: start of the bias, of shape `(channels * depth_multiplier,)`.
        depthwise_regularizer: function of the kernel that is added to the loss.
        bias_regularizer: function of the bias that is added to the loss.
        activity_regularizer: function of the outputs that is added to the loss.
        depthwise_constraint: function applied to the kernel after every update.
        bias_constraint: function applied to the bias after every update.

    Input shape: `(batch, rows, columns, channels)`.

    >>> keras.layers.DepthwiseConv2D(3, depth_multiplier=2)(ops.zeros((2, 8, 8, 5))).shape
    (2, 6, 6, 10)
    """

    rank = 2


class _SeparableConv(_AnyConv):
    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: Any = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = whole(filters, "filters", self)
        self.depth_multiplier = whole(depth_multiplier, "depth_multiplier", self)
        self._take_windows(kernel_size, strides, padding, data_format, dilation_rate)
        self.activation, self.use_bias = activations.get(activation), use_bias
        keep(
            self,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer,
            bias_regularizer=bias_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Make a kernel for each channel, a kernel of single elements across channels, and the bias."""
        self._check_windows(input_shape)
        channels = self._see_channels(input_shape)
        depth = channels * self.depth_multiplier
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = weight(self, "depthwise_kernel", shape, of="depthwise")
        shape = (*(1,) * self.rank, depth, self.filters)
        self.pointwise_kernel = weight(self, "pointwise_kernel", shape, of="pointwise")
        self._add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        kernels = self.depthwise_kernel, self.pointwise_kernel
        return self._finish(
            ops.separable_conv(inputs, *kernels, self.strides, self.padding, self.data_format, self.dilation_rate)
        )


class SeparableConv1D(_SeparableConv):
    """Convolve each channel of sequences with its own windows, then mix the channels step by step.

    Args: those of `SeparableConv2D`.

    Input shape: `(batch, steps, channels)`.

    >>> keras.layers.SeparableConv1D(4, 3)(ops.zeros((2, 10, 5))).shape
    (2, 8, 4)
    """

    rank = 1


class SeparableConv2D(_SeparableConv):
    """Convolve each channel of images with its own windows, then mix the channels at each position.

    Args:
        filters: number of output channels.
        kernel_size: size of the windows, one number or (rows, columns).
        strides: step between windows.
        padding: `"valid"`, or `"same"` to pad with zeros so that every position is covered.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: distance between the elements of a window.
        depth_multiplier: number of channels between the two steps for each input channel.
        activation: name or function; None is the identity.
        use_bias: whether a bias is added.
        depthwise_initializer: start of the first kernel, of shape `(rows, columns, channels, depth_multiplier)`.
        pointwise_initializer: start of the second kernel, of shape `(1, 1, channels * depth_multiplier, filters)`.
        bias_initializer: start of the bias, of shape `(filters,)`.
        depthwise_regularizer: function of the first kernel that is added to the loss.
        pointwise_regularizer: function of the second kernel that is added to the loss.
        bias_regularizer: function of the bias that is added to the loss.
        activity_regularizer: function of the outputs that is added to the loss.
        depthwise_constraint: function applied to the first kernel after every update.
        pointwise_constraint: function applied to the second kernel after every update.
        bias_constraint: function applied to the bias after every update.

    Input shape: `(batch, rows, columns, channels)`. Source: Chollet, Xception, 2016.

    >>> keras.layers.SeparableConv2D(4, 3)(ops.zeros((2, 8, 8, 5))).shape
    (2, 6, 6, 4)
    """

    rank = 2
