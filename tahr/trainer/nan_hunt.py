"""`fit(debug="nan")`: which layer, gradient or update of which batch made the first NaN or infinity."""

from typing import Any

import numpy as np

from tahr import tree
from tahr.autodiff import value_and_grad
from tahr.layers.layer import Layer
from tahr.layers.watching import watching
from tahr.trainer.resume import Training
from tahr.trainer.session import Session
from tahr.trainer.sources import Chunk
from tahr.trainer.step import unpack
from tahr.variables import StatelessScope

__all__ = ["NanHunt"]


class NanHunt:
    """Dispatches that look at the state after every batch, and go back and search when it is not finite any more.

    Args:
        session: the state on the device.
        training: where the training is.
    """

    def __init__(self, session: Session, training: Training):
        self.session, self.training = session, training

    def dispatch(self, kind: str, chunk: Chunk) -> Any:
        """Run the steps of a chunk one by one.

        Raises:
            FloatingPointError: for the first that makes a NaN or infinity; the state is that of before the step.
        """
        logs: Any = None
        for index in range(chunk.start, chunk.stop):
            variables = self.session.of[kind]
            before = [np.array(v.numpy()) for v in variables]
            was_finite = [_finite(value) for value in before]
            one = chunk.part(index, index + 1)
            logs = self.session.dispatch(kind, one)
            if self.session.of[kind] == variables and any(
                ok and not _finite(v.numpy()) for v, ok in zip(variables, was_finite, strict=True)
            ):
                for variable, value in zip(variables, before, strict=True):
                    variable.assign(value)
                raise FloatingPointError(self._explain(chunk, index))
        return logs

    def _explain(self, chunk: Chunk, index: int) -> str:
        engine = self.session.engine
        number = self.training.step + index - chunk.start
        place = f"Epoch {self.training.epoch + 1}, batch {number + 1}"
        after = "The weights are those of before this batch."
        with engine.no_grad():
            batch = chunk.batch(index)
        x, y, sample_weight = unpack(batch)
        found = self._forward(x)
        if found is not None:
            return f"{place}: {found} {after}"
        found = self._backward(x, y, sample_weight)
        return f"{place}: {found} {after}"

    def _forward(self, x: Any) -> str | None:
        """Run the model layer by layer; say which layer first turned finite numbers into others."""
        guilty: list[str] = []

        def look(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> None:
            if guilty or _all_finite(outputs, self.session.engine) is not False:
                return
            wrong = [v.path for v in layer.weights if not _finite(v.numpy())]
            sizes = _sizes(args, self.session.engine)
            guilty.append(
                f"the layer {layer.path} ({type(layer).__name__}) made the first NaN or infinity, from inputs {sizes}"
                + (f"; its weights {wrong} are not finite." if wrong else ".")
            )

        with StatelessScope(), self.session.engine.no_grad(), watching(look):
            self.session.model(x, training=True)
        return guilty[0] if guilty else None

    def _backward(self, x: Any, y: Any, sample_weight: Any) -> str:
        model = self.session.model

        def objective() -> Any:
            y_pred = model(x, training=True)
            return model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)

        variables = model.trainable_variables
        with StatelessScope(collect_losses=True):
            loss, gradients = value_and_grad(objective, variables)()
        if not _finite(self.session.engine.to_numpy(loss)):
            return "all layers gave finite numbers, but the loss is not finite. Check its arguments and the targets."
        wrong = [
            v.path
            for v, g in zip(variables, gradients, strict=True)
            if g is not None and not _finite(self.session.engine.to_numpy(g))
        ]
        if wrong:
            return (
                f"the loss is finite, but the gradients of {wrong[:5]} are not: a square root, a logarithm or a "
                "division at its edge. Add a small number there, or clip the gradients (clipnorm)."
            )
        return "loss and gradients are finite, but the update is not. Lower the learning rate, or clip (clipnorm)."


def _finite(value: Any) -> bool:
    array = np.asarray(value)
    if array.dtype.kind not in "fc" and str(array.dtype) not in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        return True
    return bool(np.isfinite(array.astype("float32") if array.dtype.kind not in "fc" else array).all())


def _all_finite(outputs: Any, engine: Any) -> bool | None:
    """Return whether all arrays are finite, None inside a loop that is being traced, where nobody knows."""
    try:
        return all(_finite(engine.to_numpy(x)) for x in tree.flatten(outputs) if engine.is_tensor(x))
    except Exception:  # a tracer has no values
        return None


def _sizes(args: Any, engine: Any) -> str:
    arrays = [np.asarray(engine.to_numpy(x), "float32") for x in tree.flatten(args) if engine.is_tensor(x)]
    arrays = [a for a in arrays if a.size]
    if not arrays:
        return "of no numbers"
    return f"between {min(a.min() for a in arrays):.4g} and {max(a.max() for a in arrays):.4g}"
