"""Layers, optimizers, metrics and variables as what `tf.train.Checkpoint` and `tf.Module` keep track of."""

from typing import Any

from tahr.backends.tensorflow.beside import saved_model
from tahr.backends.tensorflow.loading import tf

__all__ = ["Keeper", "KeptVariable", "catch_up"]

Trackable = tf.__internal__.tracking.Trackable


class Keeper(Trackable):
    """What makes a layer, an optimizer or a metric trackable: its parts by name, found when they are asked for.

    Layers and weights have the names that they have in the layer around; the state of optimizers and metrics has none
    that lasts, and is numbered.
    """

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        this: Any = self
        if not hasattr(this, "_named_variables"):
            return {str(i): v._value for i, v in enumerate(this.variables)}
        found = {name: v._value for name, v in this._named_variables().items()}
        found.update({f"{name}_layer" if name in found else name: x for name, x in this._named_layers().items()})
        if getattr(this, "optimizer", None) is not None:
            found["optimizer"] = this.optimizer
        if (
            save_type == "savedmodel"
            and hasattr(this, "optimizer")
            and (serve := saved_model.serving(this)) is not None
        ):
            found.update(serve=serve, _default_save_signature=serve)  # the second is what TensorFlow looks for
        return found


class KeptVariable(Trackable):
    """What makes a variable trackable."""

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        return {"value": self._value}  # type: ignore[attr-defined]


def catch_up(keeper: Any) -> None:
    """Give parts that have just been made the values of a checkpoint that was restored before."""
    if keeper.__dict__.get("_self_unconditional_deferred_dependencies"):
        for name, part in keeper._trackable_children().items():
            keeper._handle_deferred_dependencies(name, part)
