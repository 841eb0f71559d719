"""`RNN`: any cell run along the steps of a sequence, and cells stacked on one another."""

from typing import Any

from tahr import ops, random, tree
from tahr.layers.arguments import check_mask, who
from tahr.layers.layer import Layer
from tahr.layers.signature import call_takes
from tahr.symbolic import KerasTensor
from tahr.variables import Variable

__all__ = ["RNN", "StackedRNNCells"]


class DropoutRNNCell:
    """Dropout masks that stay the same along a sequence, for cells with `dropout` and `recurrent_dropout`.

    `RNN` draws them before the first step of a training call and forgets them after the last.
    """

    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    seed_generator: Any = None
    _dropout_mask: Any = None
    _recurrent_dropout_mask: Any = None

    def fused_duty(self) -> str | None:
        """Return the name of the backend's duty that does all steps of this cell at once, or None."""
        return None

    def get_dropout_mask(self, step_input: Any) -> Any:
        """Return the mask for the inputs of every step, or None without dropout."""
        if self._dropout_mask is None and self.dropout > 0:
            self._dropout_mask = random.dropout(ops.ones_like(step_input), self.dropout, seed=self.seed_generator)
        return self._dropout_mask

    def get_recurrent_dropout_mask(self, step_input: Any) -> Any:
        """Return the mask for the states of every step, or None without recurrent dropout."""
        if self._recurrent_dropout_mask is None and self.recurrent_dropout > 0:
            made = random.dropout(ops.ones_like(step_input), self.recurrent_dropout, seed=self.seed_generator)
            self._recurrent_dropout_mask = made
        return self._recurrent_dropout_mask

    def reset_dropout_mask(self) -> None:
        """Forget the mask for inputs."""
        self._dropout_mask = None

    def reset_recurrent_dropout_mask(self) -> None:
        """Forget the mask for states."""
        self._recurrent_dropout_mask = None


def zero_states(cell: Any, batch_size: Any, dtype: str) -> Any:
    """Return zeros for the states of a cell: of its own `get_initial_state`, or of its `state_size`."""
    if hasattr(cell, "get_initial_state"):
        return cell.get_initial_state(batch_size=batch_size)

    def zeros(size: Any) -> Any:
        shape = (batch_size, *(size if isinstance(size, (list, tuple)) else (size,)))
        return KerasTensor(shape, dtype, record_history=False) if batch_size is None else ops.zeros(shape, dtype)

    return [zeros(size) for size in _listed(cell.state_size)]


def _listed(x: Any) -> list[Any]:
    return list(x) if isinstance(x, (list, tuple)) else [x]


class StackedRNNCells(Layer):
    """Several cells as one: the output of each is the input of the next.

    Args:
        cells: cells, the first one gets the inputs.

    >>> cells = keras.layers.StackedRNNCells([keras.layers.LSTMCell(3), keras.layers.GRUCell(2)])
    >>> keras.layers.RNN(cells)(ops.zeros((4, 5, 6))).shape
    (4, 2)
    """

    def __init__(self, cells: Any, **kwargs: Any):
        super().__init__(**kwargs)
        for cell in cells:
            _check_cell(cell, self)
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The state sizes of the cells, in order."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        """The size of the last cell's output."""
        return _output_size(self.cells[-1])

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Return zeros for the states of each cell."""
        return [zero_states(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def build(self, input_shape: Any) -> None:
        """Build each cell for the outputs of the one before."""
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
            input_shape = (input_shape[0], *_listed(_output_size(cell)))

    def call(self, inputs: Any, states: Any, training: bool = False, **kwargs: Any) -> Any:
        """Return the last cell's output, and the new states of each cell."""
        found = []
        for cell, state in zip(self.cells, states, strict=True):
            inputs, new = call_cell(cell, inputs, _listed(state), training, kwargs)
            found.append(new)
        return inputs, found


def _output_size(cell: Any) -> Any:
    size = getattr(cell, "output_size", None)
    return size if size is not None else _listed(cell.state_size)[0]


def _check_cell(cell: Any, layer: Layer) -> None:
    missing = [name for name in ("call", "state_size") if not hasattr(cell, name)]
    if missing:
        raise ValueError(
            f"{who(layer)}: expected a cell, an object with `call(inputs, states)` and "
            f"`state_size`; received {cell!r:.80}, which has no {' and no '.join(missing)}."
        )


def call_cell(cell: Any, inputs: Any, states: list[Any], training: Any, kwargs: dict[str, Any] | None = None) -> Any:
    """Return the output of one step and the list of new states."""
    given = dict(kwargs or {})
    if isinstance(cell, Layer) and call_takes(type(cell), "training"):
        given["training"] = training
    output, new = cell(inputs, states, **given)
    return output, _listed(new)


class RNN(Layer):
    """Run a cell along the steps of sequences.

    Args:
        cell: an object with `call(inputs, states)` that gives (output, new states) and with `state_size` (sizes of the
            states); or a list of cells, which are stacked.
        return_sequences: whether to return the output of each step instead of the last one.
        return_state: whether to return the last states as well.
        go_backwards: whether to begin at the end; outputs come in the order in which they were computed.
        stateful: whether a call goes on from the states in which the one before ended; needs a fixed batch size.
        unroll: whether to lay out all steps, which is faster for short sequences.
        zero_output_for_mask: whether the output of a step that the mask leaves out is zero instead of the one before.

    Call arguments:
        sequences: array of shape `(batch, steps, ...)`.
        initial_state: states to begin with, zeros by default.
        mask: booleans of shape `(batch, steps)`; a step that it leaves out changes no state.
        training: passed to the cell.

    >>> keras.layers.RNN(keras.layers.SimpleRNNCell(3), return_sequences=True)(ops.zeros((2, 4, 5))).shape
    (2, 4, 3)
    """

    supports_masking = True
    _untracked = Layer._untracked | {"states"}

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        _check_cell(cell, self)
        self.cell = cell
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.stateful, self.unroll, self.zero_output_for_mask = stateful, unroll, zero_output_for_mask
        self.states: Any = None

    @property
    def state_size(self) -> Any:
        """The state sizes of the cell."""
        return self.cell.state_size

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Build the cell for one step, and the states of a stateful layer."""
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
        if self.stateful and self.states is None and sequences_shape[0] is not None:
            self.states = tree.map_structure(
                lambda zeros: Variable(zeros, dtype=self.variable_dtype, trainable=False, name="rnn_state"),
                self.first_states(sequences_shape),
            )

    def __call__(self, sequences: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the outputs, and the last states if asked for."""
        shape = getattr(sequences, "shape", (None,))
        if self.stateful and shape[0] is None:
            raise ValueError(
                f"{who(self)}: stateful=True needs a fixed batch size; received inputs of shape "
                f"{tuple(shape)}. Give it with keras.Input(batch_shape=(size, steps, features))."
            )
        return super().__call__(sequences, *args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Return symbols for the outputs; for a cell with a single state that state itself, as Keras does."""
        found = super().compute_output_spec(*args, **kwargs)
        if not self.return_state:
            return found
        return tuple(s[0] if isinstance(s, list) and len(s) == 1 else s for s in found)

    def _state_variables(self) -> list[Variable]:
        return [*super()._state_variables(), *(tree.flatten(self.states) if self.states is not None else ())]

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """Return zeros for the states."""
        return _listed(zero_states(self.cell, batch_size, self.compute_dtype))

    def first_states(self, sequences_shape: Any) -> list[Any]:
        """Return zeros for the states that fit inputs of a shape."""
        return self.get_initial_state(sequences_shape[0])

    def reset_state(self) -> None:
        """Set the states of a stateful layer to zero."""
        if self.states is not None:
            for state in tree.flatten(self.states):
                state.assign(ops.zeros(state.shape, state.dtype))

    reset_states = reset_state

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Return the outputs, and the last states if asked for."""
        if self.unroll and sequences.shape[1] is None:
            raise ValueError(
                f"{who(self)}: unroll=True needs a known number of steps; received inputs of "
                f"shape {tuple(sequences.shape)}."
            )
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        check_mask(mask, sequences.shape[:2], self)
        if initial_state is None:
            kept = self.stateful and self.states is not None
            initial_state = self.states if kept else self.first_states(sequences.shape)
            initial_state = tree.map_structure(lambda s: _in_rows_of(sequences, s), initial_state)
        else:
            self._check_states(initial_state, sequences.shape)
        states = tree.map_structure(lambda s: ops.cast(s, self.compute_dtype), _listed(initial_state))
        if self.go_backwards:
            sequences = ops.flip(sequences, 1)
            mask = mask if mask is None else ops.flip(mask, 1)
        last, outputs, states = self._run(sequences, states, mask, training)
        if self.stateful and self.states is not None:
            for variable, state in zip(tree.flatten(self.states), tree.flatten(states), strict=True):
                variable.assign(state)
        output = outputs if self.return_sequences else last
        return (output, *states) if self.return_state else output

    def _check_states(self, states: Any, sequences_shape: Any) -> None:
        first = self.first_states(sequences_shape)
        wanted, given = ([tuple(s.shape) for s in tree.flatten(x)] for x in (first, states))
        fits = len(wanted) == len(given) and all(
            len(a) == len(b) and all(None in pair or pair[0] == pair[1] for pair in zip(a, b, strict=True))
            for a, b in zip(wanted, given, strict=True)
        )
        if not fits:
            raise ValueError(f"{who(self)}: expected initial states of shapes {wanted}; received {given}.")

    def _run(self, sequences: Any, states: list[Any], mask: Any, training: Any) -> Any:
        """Run the loop with the dropout masks of the cells drawn before it and forgotten after it."""
        cells = self._dropping_cells() if training else []
        if not cells:
            return self.inner_loop(sequences, states, mask, training)
        _forget_masks(cells)
        try:
            call_cell(self.cell, sequences[:, 0], states, training)
            return self.inner_loop(sequences, states, mask, training)
        finally:
            _forget_masks(cells)

    def _dropping_cells(self) -> list[Any]:
        cells = getattr(self.cell, "cells", [self.cell])
        return [c for c in cells if isinstance(c, DropoutRNNCell) and (c.dropout > 0 or c.recurrent_dropout > 0)]

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """Return (last output, outputs of all steps, last states)."""

        def step(carry: Any, now: Any) -> Any:
            (states, before), (x, kept) = carry, now
            output, new = call_cell(self.cell, x, states, training)
            if kept is not None:
                output = _choose(kept, output, ops.zeros_like(output) if before is None else before)
                new = tree.map_structure(lambda a, b: _choose(kept, a, b), new, states)
            return (new, None if before is None else output), output

        before = None
        if mask is not None and not self.zero_output_for_mask:
            before = ops.zeros_like(call_cell(self.cell, sequences[:, 0], initial_state, training)[0])
        xs = ops.moveaxis(sequences, 1, 0), None if mask is None else ops.moveaxis(mask, 1, 0)
        if self.unroll:
            return _unrolled(step, (initial_state, before), xs)
        (states, _), outputs = ops.scan(step, (initial_state, before), xs)
        return outputs[-1], ops.moveaxis(outputs, 0, 1), states

    def compute_mask(self, _: Any, mask: Any = None) -> Any:
        """Return the mask if the output has steps, else None; None for states."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        kept = mask if self.return_sequences else None
        return [kept, *(None for _ in _listed(self.state_size))] if self.return_state else kept


def _in_rows_of(sequences: Any, state: Any) -> Any:
    """Return zeros for a state that is a symbol because the number of rows, in a graph, is not known yet."""
    if not isinstance(state, KerasTensor) or isinstance(sequences, KerasTensor):
        return state
    column = ops.zeros_like(sequences[(slice(None), *[0] * (sequences.ndim - 1))], state.dtype)
    return ops.reshape(column, (-1, *[1] * (state.ndim - 1))) + ops.zeros((1, *state.shape[1:]), state.dtype)


def _unrolled(step: Any, carry: Any, xs: Any) -> Any:
    outputs = []
    for i in range(xs[0].shape[0]):
        carry, output = step(carry, [x if x is None else x[i] for x in xs])
        outputs.append(output)
    return outputs[-1], ops.stack(outputs, axis=1), carry[0]


def _forget_masks(cells: list[Any]) -> None:
    for cell in cells:
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()


def _choose(kept: Any, new: Any, old: Any) -> Any:
    """Return `new` for the examples that are kept, else `old`."""
    for _ in range(len(new.shape) - len(kept.shape)):
        kept = ops.expand_dims(kept, -1)
    return ops.where(kept, new, old)
