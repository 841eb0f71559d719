"""`SimpleRNN`: the output of the step before is part of the input."""

from typing import Any

from tahr import ops
from tahr.layers.recurrent_cell import RecurrentCell, RecurrentLayer, plus

__all__ = ["SimpleRNN", "SimpleRNNCell"]


class SimpleRNNCell(RecurrentCell):
    """One step of a `SimpleRNN`: `activation(inputs @ kernel + state @ recurrent_kernel + bias)`.

    Args: those of `SimpleRNN` that do not say how steps follow one another.

    >>> cell = keras.layers.SimpleRNNCell(2)
    >>> output, states = cell(ops.zeros((3, 4)), [ops.zeros((3, 2))])
    >>> output.shape
    (3, 2)
    """

    gates = 1

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
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

    def call(self, sequence: Any, states: Any, training: bool = False) -> Any:
        """Return the output of a step and the new states."""
        x, h = self._drop(sequence, states[0] if isinstance(states, (list, tuple)) else states, training)
        h = self.activation(plus(ops.matmul(x, self.kernel), self.bias) + ops.matmul(h, self.recurrent_kernel))
        return h, [h]


class SimpleRNN(RecurrentLayer):
    """Run `activation(inputs @ kernel + state @ recurrent_kernel + bias)` along the steps of sequences.

    Args:
        units: size of state and output.
        activation: function of the sum; None is the identity.
        use_bias: whether a bias is added.
        kernel_initializer: start of the kernel, of shape `(features, units)`.
        recurrent_initializer: start of the recurrent kernel, of shape `(units, units)`.
        bias_initializer: start of the bias, of shape `(units,)`.
        kernel_regularizer: function of the kernel that is added to the loss.
        recurrent_regularizer: function of the recurrent kernel that is added to the loss.
        bias_regularizer: function of the bias that is added to the loss.
        activity_regularizer: function of the outputs that is added to the loss.
        kernel_constraint: function applied to the kernel after every update.
        recurrent_constraint: function applied to the recurrent kernel after every update.
        bias_constraint: function applied to the bias after every update.
        dropout: fraction of the inputs to drop while training, the same ones at each step.
        recurrent_dropout: fraction of the state to drop while training, the same ones at each step.
        return_sequences: whether to return the output of each step instead of the last one.
        return_state: whether to return the last state as well.
        go_backwards: whether to begin at the end.
        stateful: whether a call goes on from the state in which the one before ended.
        unroll: whether to lay out all steps.
        seed: whole number that makes the dropout repeatable.

    Input shape: `(batch, steps, features)`. Output shape: `(batch, units)`, or `(batch, steps, units)`.

    >>> keras.layers.SimpleRNN(3)(ops.zeros((2, 4, 5))).shape
    (2, 3)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ):
        cell = SimpleRNNCell(
            units,
            activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
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
            name="simple_rnn_cell",
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
        self.seed = seed
