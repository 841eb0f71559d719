"""`GRU`: the gated recurrent unit."""

from typing import Any

from tahr import activations, ops
from tahr.layers.recurrent_cell import RecurrentCell, RecurrentLayer, plus, split_gates

__all__ = ["GRU", "GRUCell"]


class GRUCell(RecurrentCell):
    """One step of a `GRU`.

    With `z, r` gates of inputs and state, the state becomes `h = z * h + (1 - z) * tanh(candidate)`, where the state's
    part of the candidate is multiplied by `r` after its product with the kernel (`reset_after`) or before it.

    Args: those of `GRU` that do not say how steps follow one another.

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014.

    >>> cell = keras.layers.GRUCell(2)
    >>> output, states = cell(ops.zeros((3, 4)), [ops.zeros((3, 2))])
    >>> output.shape
    (3, 2)
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        reset_after: bool = True,
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
        self.reset_after = reset_after
        self.bias_rows = (2,) if reset_after else ()

    def fused_duty(self) -> str | None:
        usual = self.activation is activations.tanh and self.recurrent_activation is activations.sigmoid
        return "gru" if usual and self.reset_after and type(self) is GRUCell else None

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Return the output of a step and the new state."""
        before = states[0] if isinstance(states, (list, tuple)) else states
        x, h = self._drop(inputs, before, training)
        bias = None if self.bias is None else ops.convert_to_tensor(self.bias)
        from_inputs, from_state = (bias[0], bias[1]) if bias is not None and self.reset_after else (bias, None)
        squash = self.recurrent_activation
        x_z, x_r, x_h = split_gates(plus(ops.matmul(x, self.kernel), from_inputs), 3)
        if self.reset_after:
            h_z, h_r, h_h = split_gates(plus(ops.matmul(h, self.recurrent_kernel), from_state), 3)
            z, r = squash(x_z + h_z), squash(x_r + h_r)
            candidate = self.activation(x_h + r * h_h)
        else:
            kernel, n = ops.convert_to_tensor(self.recurrent_kernel), self.units
            h_z, h_r = split_gates(ops.matmul(h, kernel[:, : 2 * n]), 2)
            z, r = squash(x_z + h_z), squash(x_r + h_r)
            candidate = self.activation(x_h + ops.matmul(r * h, kernel[:, 2 * n :]))
        h = z * before + (1 - z) * candidate
        return h, [h]


class GRU(RecurrentLayer, shows=("recurrent_activation", "reset_after")):
    """Run the gated recurrent unit along the steps of sequences.

    Args:
        units: size of state and output.
        activation: function of the candidate; None is the identity.
        recurrent_activation: function of the gates.
        use_bias: whether a bias is added.
        kernel_initializer: start of the kernel, of shape `(features, 3 * units)`: update, reset, candidate.
        recurrent_initializer: start of the recurrent kernel, of shape `(units, 3 * units)`.
        bias_initializer: start of the bias, of shape `(2, 3 * units)` if `reset_after`, else `(3 * units,)`.
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
        return_state: whether to return the last state as well.
        go_backwards: whether to begin at the end.
        stateful: whether a call goes on from the state in which the one before ended.
        unroll: whether to lay out all steps.
        reset_after: whether the reset gate comes after the product with the recurrent kernel.
        use_cudnn: kept for Keras's sake; the fastest way that fits the arguments is taken.

    Input shape: `(batch, steps, features)`. Output shape: `(batch, units)`, or `(batch, steps, units)`.

    >>> keras.layers.GRU(3)(ops.zeros((2, 4, 5))).shape
    (2, 3)
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
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ):
        kwargs.pop("implementation", None)
        cell = GRUCell(
            units,
            activation,
            recurrent_activation,
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
            reset_after,
            seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="gru_cell",
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
