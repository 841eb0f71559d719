"""What the cells of SimpleRNN, LSTM and GRU share."""

from typing import Any

import numpy as np

from tahr import activations, backends, ops, random
from tahr.backends.choices import choose, wish
from tahr.layers.arguments import fraction, keep, known, weight, whole
from tahr.layers.input_spec import InputSpec
from tahr.layers.layer import Layer
from tahr.layers.rnn import RNN, DropoutRNNCell, zero_states
from tahr.symbolic import is_keras_tensor

_SHARED = (
    "units",
    "activation",
    "use_bias",
    "kernel_initializer",
    "recurrent_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "recurrent_regularizer",
    "bias_regularizer",
    "kernel_constraint",
    "recurrent_constraint",
    "bias_constraint",
    "dropout",
    "recurrent_dropout",
)


class RecurrentCell(DropoutRNNCell, Layer):
    """A cell with a kernel for its inputs, one for its state, and a bias, each for a number of gates."""

    gates: int
    state_count = 1
    bias: Any = None
    bias_initializer: Any
    use_bias: bool
    bias_rows: tuple[int, ...] = ()
    units: int

    def _start(
        self,
        units: int,
        activation: Any,
        use_bias: bool,
        dropout: float,
        recurrent_dropout: float,
        seed: Any,
        **functions: Any,
    ) -> None:
        self.units, self.use_bias, self.seed = whole(units, "units", self), use_bias, seed
        self.activation = activations.get(activation)
        keep(self, **functions)
        self.dropout = fraction(dropout, "dropout", self)
        self.recurrent_dropout = fraction(recurrent_dropout, "recurrent_dropout", self)
        self.seed_generator = random.SeedGenerator(seed) if dropout > 0 or recurrent_dropout > 0 else None
        self.state_size = [self.units] * self.state_count if self.state_count > 1 else self.units
        self.output_size = self.units

    def build(self, input_shape: Any) -> None:
        """Make the kernels and the bias."""
        width = self.gates * self.units
        self.kernel = weight(self, "kernel", (known(input_shape, -1, self), width))
        self.recurrent_kernel = weight(self, "recurrent_kernel", (self.units, width), of="recurrent")
        shape = (*self.bias_rows, width)
        self.bias = weight(self, "bias", shape, initializer=self.first_bias) if self.use_bias else None

    @property
    def first_bias(self) -> Any:
        """The initializer of the bias."""
        return self.bias_initializer

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Return zeros for the states."""
        return zero_states(_Sizes([self.units] * self.state_count), batch_size, self.compute_dtype)

    def _drop(self, inputs: Any, state: Any, training: Any) -> tuple[Any, Any]:
        """Return inputs and state, in training times their dropout masks."""
        if training and self.dropout > 0:
            inputs = inputs * self.get_dropout_mask(inputs)
        if training and self.recurrent_dropout > 0:
            state = state * self.get_recurrent_dropout_mask(state)
        return inputs, state


class _Sizes:
    """State sizes alone, for cells without anything to say about their first states."""

    def __init__(self, state_size: Any):
        self.state_size = state_size


class RecurrentLayer(RNN):
    """An RNN over a cell of its own, whose arguments are its own."""

    unrecorded = frozenset({"cell"})
    _always_written = frozenset({"activity_regularizer"})
    input_spec = InputSpec(ndim=3)

    def __init_subclass__(cls, shows: tuple[str, ...] = (), hides: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in {*_SHARED, *shows} - {*hides}:
            setattr(cls, name, property(lambda self, name=name: getattr(self.cell, name)))

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """Return (last output, outputs of all steps, last states), by the backend's own loop if it fits."""
        found = None if wish("recurrence") == "steps" else self._fused(sequences, initial_state, mask, training)
        if self.cell.fused_duty() is not None:
            choose(
                "recurrence",
                ("fused", found is not None, "the backend has a loop for these arguments"),
                ("steps", True, "the backend has no loop for these arguments, so the cell runs a step at a time"),
            )
        if found is None:
            return super().inner_loop(sequences, initial_state, mask, training)
        outputs, states = found
        if mask is not None:
            seen = mask if self.zero_output_for_mask else ops.cumsum(ops.cast(mask, "int32"), axis=1) > 0
            outputs = ops.where(ops.expand_dims(seen, -1), outputs, 0)
        return outputs[:, -1], outputs, states

    def _fused(self, sequences: Any, states: Any, mask: Any, training: bool) -> Any:
        """Return (outputs of all steps, last states) of the backend's own loop, or None."""
        cell = self.cell
        duty = cell.fused_duty() if not self.unroll and not is_keras_tensor(sequences) else None
        if duty is None or (training and cell.recurrent_dropout > 0):
            return None
        if training and cell.dropout > 0:
            sequences = sequences * ops.expand_dims(cell.get_dropout_mask(sequences[:, 0]), 1)
        parts = (
            None if w is None else ops.convert_to_tensor(w) for w in (cell.kernel, cell.recurrent_kernel, cell.bias)
        )
        return getattr(backends.current(), duty)(sequences, *parts, states, mask)


def split_gates(x: Any, count: int) -> list[Any]:
    """Return the parts of the last axis that belong to the gates."""
    width = x.shape[-1] // count
    return [x[..., i * width : (i + 1) * width] for i in range(count)]


def plus(x: Any, bias: Any) -> Any:
    """Return `x + bias`, or `x` without one."""
    return x if bias is None else ops.add(x, bias)


def forgetting_bias(start: Any, units: int) -> Any:
    """Return an initializer of LSTM biases: that of `start`, and 1 for the forget gate."""

    def initialize(shape: Any, dtype: Any = None) -> Any:
        parts = [start((units,), dtype=dtype), np.ones(units, "float32"), start((2 * units,), dtype=dtype)]
        return np.concatenate([np.asarray(part, "float32") for part in parts])

    return initialize
