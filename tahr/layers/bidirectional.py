"""`Bidirectional`: a recurrent layer run from both ends."""

from typing import Any

from tahr import ops
from tahr.layers.arguments import choice, who
from tahr.layers.layer import Layer

__all__ = ["Bidirectional"]


class Bidirectional(Layer):
    """Run a recurrent layer forwards and a copy of it backwards, and merge their outputs.

    Args:
        layer: an `RNN` layer; its name gets the prefix `forward_`, that of its copy `backward_`.
        merge_mode: `"concat"`, `"sum"`, `"mul"`, `"ave"`, or None for a list of both outputs.
        weights: weights to start from, or None.
        backward_layer: the layer to run backwards instead of a copy; it has `go_backwards=True`.

    Call arguments:
        sequences: array of shape `(batch, steps, ...)`.
        initial_state: states of the forward layer, then those of the backward layer.
        mask: booleans of shape `(batch, steps)`.
        training: passed to both.

    >>> keras.layers.Bidirectional(keras.layers.GRU(3))(ops.zeros((2, 4, 5))).shape
    (2, 6)
    """

    supports_masking = True
    unrecorded = frozenset({"weights"})

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for given in (layer, backward_layer):
            if given is not None and not hasattr(given, "go_backwards"):
                raise ValueError(
                    f"{who(self)}: expected a recurrent layer such as keras.layers.LSTM; received {given!r:.80}."
                )
        self.merge_mode = choice(merge_mode, ("concat", "sum", "mul", "ave", None), "merge_mode", self)
        plain = layer.name.removeprefix("forward_")
        self.forward_layer = _copy(layer, name=f"forward_{plain}")
        self.backward_layer = backward_layer or _copy(
            layer, name=f"backward_{plain}", go_backwards=not layer.go_backwards
        )
        one, two = self.forward_layer, self.backward_layer
        if one.go_backwards == two.go_backwards:
            raise ValueError(
                f"{who(self)}: expected one of the layers with go_backwards=True; both have "
                f"go_backwards={one.go_backwards}."
            )
        for name in ("stateful", "return_sequences", "return_state"):
            if getattr(one, name) != getattr(two, name):
                raise ValueError(
                    f"{who(self)}: expected both layers to have the same `{name}`; received "
                    f"{getattr(one, name)} and {getattr(two, name)}."
                )
        self.stateful, self.return_sequences, self.return_state = one.stateful, one.return_sequences, one.return_state
        if self.return_sequences:  # so that the two outputs of a step that a mask leaves out do not depend on its place
            one.zero_output_for_mask = two.zero_output_for_mask = True
        self._first_weights = weights

    @property
    def layer(self) -> Any:
        """The forward layer."""
        return self.forward_layer

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Build both layers."""
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)
        if self._first_weights is not None:
            self.set_weights(self._first_weights)
            self._first_weights = None

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool | None = None) -> Any:
        """Return the merged outputs, then the states of both layers if asked for."""
        half = len(initial_state) // 2 if initial_state is not None else 0
        states = (list(initial_state[:half]), list(initial_state[half:])) if initial_state is not None else (None, None)
        found = [
            layer(sequences, initial_state=state, mask=mask, training=training)
            for layer, state in zip((self.forward_layer, self.backward_layer), states, strict=True)
        ]
        one, two = [f[0] for f in found] if self.return_state else found
        if self.return_sequences:
            two = ops.flip(two, 1)
        merged = self._merge(one, two)
        if not self.return_state:
            return merged
        outputs = merged if isinstance(merged, list) else [merged]
        return (*outputs, *found[0][1:], *found[1][1:])

    def _merge(self, one: Any, two: Any) -> Any:
        match self.merge_mode:
            case "concat":
                return ops.concatenate([one, two], axis=-1)
            case "sum":
                return one + two
            case "mul":
                return one * two
            case "ave":
                return (one + two) / 2
        return [one, two]

    def compute_mask(self, _: Any, mask: Any = None) -> Any:
        """Return the mask for outputs with steps, None for other outputs and for states."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        kept = mask if self.return_sequences else None
        outputs = [kept, kept] if self.merge_mode is None else [kept]
        if not self.return_state:
            return outputs if self.merge_mode is None else kept
        count = len(self.states) if self.stateful and self.states else 2 * _number_of_states(self.forward_layer)
        return [*outputs, *(None for _ in range(count))]

    @property
    def states(self) -> Any:
        """The states of both layers, or None unless they are stateful."""
        if self.forward_layer.states is None:
            return None
        return (*self.forward_layer.states, *self.backward_layer.states)

    def reset_state(self) -> None:
        """Set the states of stateful layers to zero."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state


def _number_of_states(layer: Any) -> int:
    return len(layer.state_size) if isinstance(layer.state_size, (list, tuple)) else 1


def _copy(layer: Any, **changes: Any) -> Any:
    """Return a new layer with the arguments of `layer`, some of them changed."""
    return type(layer).from_config({**layer.get_config(), **changes})
