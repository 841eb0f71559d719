"""Long short-term memory whose products are convolutions, over one, two and three spatial axes."""

from typing import Any

from tahr import activations, config, ops, random, shapes
from tahr.layers.arguments import choice, fraction, keep, known, sizes, weight, whole
from tahr.layers.input_spec import InputSpec
from tahr.layers.layer import Layer
from tahr.layers.recurrent_cell import RecurrentLayer, forgetting_bias, plus, split_gates
from tahr.layers.rnn import DropoutRNNCell
from tahr.symbolic import KerasTensor

__all__ = ["ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"]

_WINDOWS = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate")


class ConvLSTMCell(DropoutRNNCell, Layer):
    """One step of a convolutional LSTM."""

    bias_initializer: Any

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: Any,
        dilation_rate: Any,
        activation: Any,
        recurrent_activation: Any,
        use_bias: bool,
        unit_forget_bias: bool,
        dropout: float,
        recurrent_dropout: float,
        seed: Any,
        functions: dict[str, Any],
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.rank, self.filters = rank, whole(filters, "filters", self)
        self.kernel_size = sizes(kernel_size, rank, "kernel_size", self)
        self.strides = sizes(strides, rank, "strides", self)
        self.padding = choice(padding, ("valid", "same"), "padding", self)
        self.data_format = config.standardize_data_format(data_format)
        self.dilation_rate = sizes(dilation_rate, rank, "dilation_rate", self)
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias, self.unit_forget_bias = use_bias, unit_forget_bias
        self.dropout = fraction(dropout, "dropout", self)
        self.recurrent_dropout = fraction(recurrent_dropout, "recurrent_dropout", self)
        self.seed_generator = random.SeedGenerator(seed) if dropout > 0 or recurrent_dropout > 0 else None
        keep(self, **functions)

    @property
    def state_size(self) -> list[int]:
        """The number of channels of both states; their spatial sizes follow from the inputs."""
        return [self.filters, self.filters]

    def build(self, input_shape: Any) -> None:
        """Make the kernels and the bias."""
        channels = known(input_shape, -1 if self.data_format == "channels_last" else -1 - self.rank, self)
        width = 4 * self.filters
        self.kernel = weight(self, "kernel", (*self.kernel_size, channels, width))
        shape = (*self.kernel_size, self.filters, width)
        self.recurrent_kernel = weight(self, "recurrent_kernel", shape, of="recurrent")
        first = self.bias_initializer
        if self.unit_forget_bias:
            first = forgetting_bias(first, self.filters)
        self.bias = weight(self, "bias", (width,), initializer=first) if self.use_bias else None

    def state_shape(self, step_shape: Any) -> tuple[Any, ...]:
        """Return the shape of a state for inputs of one step."""
        last = self.data_format == "channels_last"
        spatial = step_shape[1:-1] if last else step_shape[2:]
        windows = zip(spatial, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        made = [shapes.window(n, k, s, self.padding, d) for n, k, s, d in windows]
        return (step_shape[0], *made, self.filters) if last else (step_shape[0], self.filters, *made)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Return the output of a step and the new states."""
        h, c = states
        x, kept = inputs, h
        if training and self.dropout > 0:
            x = x * self.get_dropout_mask(x)
        if training and self.recurrent_dropout > 0:
            kept = kept * self.get_recurrent_dropout_mask(kept)
        given = ops.conv(x, self.kernel, self.strides, self.padding, self.data_format, self.dilation_rate)
        z = given + ops.conv(kept, self.recurrent_kernel, 1, "same", self.data_format)
        if self.data_format == "channels_first":
            z = ops.moveaxis(z, 1, -1)
        gates = split_gates(plus(z, self.bias), 4)
        i, f, g, o = [ops.moveaxis(q, -1, 1) for q in gates] if self.data_format == "channels_first" else gates
        squash = self.recurrent_activation
        c = squash(f) * c + squash(i) * self.activation(g)
        h = squash(o) * self.activation(c)
        return h, [h, c]


class _ConvLSTM(RecurrentLayer, shows=(*_WINDOWS, "recurrent_activation", "unit_forget_bias"), hides=("units",)):
    rank: int

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: Any = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ):
        cell = ConvLSTMCell(
            self.rank,
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            recurrent_activation,
            use_bias,
            unit_forget_bias,
            dropout,
            recurrent_dropout,
            seed,
            {
                "kernel_initializer": kernel_initializer,
                "recurrent_initializer": recurrent_initializer,
                "bias_initializer": bias_initializer,
                "kernel_regularizer": kernel_regularizer,
                "recurrent_regularizer": recurrent_regularizer,
                "bias_regularizer": bias_regularizer,
                "kernel_constraint": kernel_constraint,
                "recurrent_constraint": recurrent_constraint,
                "bias_constraint": bias_constraint,
            },
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="conv_lstm_cell",
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.seed, self.input_spec = seed, InputSpec(ndim=self.rank + 3)

    def first_states(self, sequences_shape: Any) -> list[Any]:
        """Return zeros for the states that fit inputs of a shape."""
        shape = self.cell.state_shape((sequences_shape[0], *sequences_shape[2:]))
        if None in shape:
            return [KerasTensor(shape, self.compute_dtype, record_history=False) for _ in range(2)]
        return [ops.zeros(shape, self.compute_dtype) for _ in range(2)]


class ConvLSTM1D(_ConvLSTM):
    """Run a convolutional LSTM along sequences of sequences.

    Args: those of `ConvLSTM2D`.

    Input shape: `(batch, steps, rows, channels)`.

    >>> keras.layers.ConvLSTM1D(3, 2)(ops.zeros((2, 3, 5, 1))).shape
    (2, 4, 3)
    """

    rank = 1


class ConvLSTM2D(_ConvLSTM):
    """Run a convolutional LSTM along sequences of images.

    It is an `LSTM` whose products with inputs and state are convolutions; that of the state keeps its size.

    Args:
        filters: number of channels of states and output.
        kernel_size: size of the windows, one number or (rows, columns).
        strides: step between windows of the inputs.
        padding: `"valid"` or `"same"`, for the inputs.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: distance between the elements of a window of the inputs.
        activation: function of the candidates and of the memory.
        recurrent_activation: function of the gates.
        use_bias: whether a bias is added.
        kernel_initializer: start of the kernel for inputs.
        recurrent_initializer: start of the kernel for the state.
        bias_initializer: start of the bias, of shape `(4 * filters,)`.
        unit_forget_bias: whether the bias of the forget gate starts at 1.
        kernel_regularizer: function of the kernel that is added to the loss.
        recurrent_regularizer: function of the recurrent kernel that is added to the loss.
        bias_regularizer: function of the bias that is added to the loss.
        activity_regularizer: function of the outputs that is added to the loss.
        kernel_constraint: function applied to the kernel after every update.
        recurrent_constraint: function applied to the recurrent kernel after every update.
        bias_constraint: function applied to the bias after every update.
        dropout: fraction of the inputs to drop while training, the same ones at each step.
        recurrent_dropout: fraction of the state to drop while training, the same ones at each step.
        seed: whole number that makes the dropout repeatable.
        return_sequences: whether to return the output of each step instead of the last one.
        return_state: whether to return the last states (h, c) as well.
        go_backwards: whether to begin at the end.
        stateful: whether a call goes on from the states in which the one before ended.

    Input shape: `(batch, steps, rows, columns, channels)`.

    Source: Shi et al., Convolutional LSTM Network, 2015.

    >>> keras.layers.ConvLSTM2D(3, 2)(ops.zeros((2, 3, 5, 6, 1))).shape
    (2, 4, 5, 3)
    """

    rank = 2


class ConvLSTM3D(_ConvLSTM):
    """Run a convolutional LSTM along sequences of volumes.

    Args: those of `ConvLSTM2D`, with three sizes instead of two.

    Input shape: `(batch, steps, depth, rows, columns, channels)`.

    >>> keras.layers.ConvLSTM3D(3, 2)(ops.zeros((1, 2, 3, 4, 5, 1))).shape
    (1, 2, 3, 4, 3)
    """

    rank = 3
