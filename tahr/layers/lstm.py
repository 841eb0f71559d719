"""`LSTM`: long short-term memory."""

from typing import Any

from tahr import activations, ops
from tahr.layers.recurrent_cell import RecurrentCell, RecurrentLayer, forgetting_bias, plus, split_gates

__all__ = ["LSTM", "LSTMCell"]


class LSTMCell(RecurrentCell):
    """One step of an `LSTM`.

    With `i, f, g, o` the four parts of `inputs @ kernel + h @ recurrent_kernel + bias`, the states become
    `c = sigmoid(f) * c + sigmoid(i) * tanh(g)` and `h = sigmoid(o) * tanh(c)`, which is the output.

    Args: those of `LSTM` that do not say how steps follow one another.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997.

    >>> cell = keras.layers.LSTMCell(2)
    >>> output, (h, c) = cell(ops.zeros((3, 4)), [ops.zeros((3, 2)), ops.zeros((3, 2))])
    >>> output.shape
    (3, 2)
    """

    gates, state_count = 4, 2

    def __init__(
        self,
        units: int,
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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        kwargs.pop("implementation", None)  # of Keras 2, a choice between two orders of the same sums
        super().__init__(**kwargs)
        self._start(
            units,
            activation,
            use_bias,
            dropout,
            recurrent_dropout,
            seed,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    @property
    def first_bias(self) -> Any:
        """The initializer of the bias, which is 1 for the forget gate if `unit_forget_bias`."""
        plain = self.bias_initializer
        return forgetting_bias(plain, self.units) if self.unit_forget_bias else plain

    def fused_duty(self) -> str | None:
        usual = self.activation is activations.tanh and self.recurrent_activation is activations.sigmoid
        return "lstm" if usual and type(self) is LSTMCell else None

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Return the output of a step and the new states."""
        x, h = self._drop(inputs, states[0], training)
        z = plus(ops.matmul(x, self.kernel), self.bias) + ops.matmul(h, self.recurrent_kernel)
        i, f, g, o = split_gates(z, 4)
        squash = self.recurrent_activation
        c = squash(f) * states[1] + squash(i) * self.activation(g)
        h = squash(o) * self.activation(c)
        return h, [h, c]


class LSTM(RecurrentLayer, shows=("recurrent_activation", "unit_forget_bias")):
    """Run long short-term memory along the steps of sequences.

    Args:
        units: size of states and output.
        activation: function of the candidates and of the memory; None is the identity.
        recurrent_activation: function of the gates.
        use_bias: whether a bias is added.
        kernel_initializer: start of the kernel, of shape `(features, 4 * units)`: input, forget, candidate, output.
        recurrent_initializer: start of the recurrent kernel, of shape `(units, 4 * units)`.
        bias_initializer: start of the bias, of shape `(4 * units,)`.
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
        unroll: whether to lay out all steps.
        use_cudnn: kept for Keras's sake; the fastest way that fits the arguments is taken.

    Input shape: `(batch, steps, features)`. Output shape: `(batch, units)`, or `(batch, steps, units)`.

    >>> keras.layers.LSTM(3, return_sequences=True)(ops.zeros((2, 4, 5))).shape
    (2, 4, 3)
    """

    def __init__(
        self,
        units: int,
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
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ):
        kwargs.pop("implementation", None)
        cell = LSTMCell(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            unit_forget_bias,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="lstm_cell",
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.seed, self.use_cudnn = seed, use_cudnn
