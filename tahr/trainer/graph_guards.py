"""Checks of how a model ends against the losses that are to read it: what a graph tells without running."""

import warnings
from typing import Any

from tahr import activations, losses, tree
from tahr.models.model import Model

__all__ = ["check_endings", "check_shapes", "warn_of_unused_inputs"]

# of the losses that read probabilities or logits: what turns logits into what they read
_READ = {
    "binary_crossentropy": "sigmoid",
    "binary_focal_crossentropy": "sigmoid",
    "categorical_crossentropy": "softmax",
    "categorical_focal_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax",
}
_ELEMENTWISE = {
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "huber",
    "log_cosh",
    "poisson",
    "hinge",
    "squared_hinge",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "kl_divergence",
}
_ENDINGS = {
    activations.sigmoid: "sigmoid",
    activations.softmax: "softmax",
    activations.linear: "linear",
    None: "linear",
}


def check_endings(model: Any, terms: list[Any], names: list[str]) -> None:
    """Refuse a loss of logits behind a sigmoid, one of probabilities behind no sigmoid, and a sigmoid on another.

    Raises:
        ValueError: with the layer and the way out.
    """
    symbols = _outputs_of(model)
    if symbols is None:
        return
    for term in terms:
        reads = _READ.get(name_of(term.loss))
        if reads is None or term.index >= len(symbols):
            continue
        place, ending, before = _ending(symbols[term.index])
        logits = bool(getattr(term.loss, "from_logits", False))
        loss = f"Output {names[term.index]!r}: the loss {name_of(term.loss)}"
        if logits and ending in ("sigmoid", "softmax"):
            raise ValueError(
                f"{loss} with from_logits=True expects logits; {place} ends in {ending}, so the probabilities would go "
                f"through a {reads} again. Leave from_logits=True out, or give {place} no activation."
            )
        if not logits and ending == "linear":
            raise ValueError(
                f"{loss} expects probabilities; {place} ends without an activation, so its numbers may be below 0 and "
                f"above 1. Pass from_logits=True to the loss, or give {place} activation={reads!r}."
            )
        if not logits and ending in ("sigmoid", "softmax") and before in ("sigmoid", "softmax"):
            raise ValueError(
                f"{loss}: the output goes through {before} and then, in {place}, through {ending} again. "
                "Leave one of them out."
            )


def check_shapes(term: Any, y: Any, output: Any, name: str) -> None:
    """Refuse targets that would be stretched to the shape of the outputs, or the other way round.

    Raises:
        ValueError: with both shapes.
    """
    if name_of(term.loss) not in _ELEMENTWISE or not hasattr(y, "shape") or not hasattr(output, "shape"):
        return
    given, made = tuple(y.shape), tuple(output.shape)
    short, long = sorted((given, made), key=len)
    if len(long) == len(short) + 1 and long[-1] == 1:
        long = long[:-1]
    same = len(short) == len(long) and all(
        a is None or b is None or a == b for a, b in zip(short[1:], long[1:], strict=True)
    )
    if not same:
        raise ValueError(
            f"Output {name!r}: {name_of(term.loss)} compares targets and outputs one by one; y has the shape {given}, "
            f"the output {made}, and stretching one to the other would compare what does not belong together. Reshape "
            "y, or give the last layer as many units as y has columns."
        )


def warn_of_unused_inputs(model: Any) -> None:
    """Warn if an input of the graph leads nowhere."""
    function = getattr(model, "_function", None)
    if function is None:
        return
    used = {id(x) for node in function._plan for x in node.inputs} | {id(x) for x in function.outputs}
    for x in function.inputs:
        if id(x) not in used:
            warnings.warn(f"{model.name}: no output depends on the input {x.name!r}; it changes nothing.", stacklevel=4)


def name_of(loss: Any) -> str:
    """Return the name of the function behind one of this package's losses, else nothing."""
    fn = getattr(loss, "fn", loss)
    name = getattr(fn, "__name__", "")
    return name if getattr(losses, name, None) is fn else ""


def _outputs_of(model: Any) -> list[Any] | None:
    function = getattr(model, "_function", None)
    return None if function is None else list(function.outputs)


def _ending(symbol: Any) -> tuple[str, str, str]:
    """Return the name of the operation that a symbol comes from, what it ends in, and what the one before ends in."""
    if not symbol.history:
        return "the input", "", ""
    operation = symbol.history[0].operation
    inner = _outputs_of(operation) if isinstance(operation, Model) else None
    if inner is not None:
        return _ending(inner[min(symbol.history[1] if len(symbol.history) > 1 else 0, len(inner) - 1)])
    before = [x for x in tree.flatten(symbol.history[0].inputs) if x is not None]
    elementwise = not getattr(operation, "weights", None)
    name = getattr(operation, "path", None) or operation.name
    return f"layer {name!r}", _kind(operation), _ending(before[0])[1] if elementwise and len(before) == 1 else ""


def _kind(operation: Any) -> str:
    name = type(operation).__name__
    if name == "Softmax":
        return "softmax"
    if name == "OpCall":
        return operation.name if operation.name in ("sigmoid", "softmax") else ""
    if not hasattr(operation, "activation"):
        return ""
    found = _ENDINGS.get(operation.activation, "")
    return found if found != "linear" or getattr(operation, "kernel", None) is not None else ""
