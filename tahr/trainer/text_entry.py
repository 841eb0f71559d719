"""Text in the data of a graph: layers that read it run on the host before the steps, the others in the steps."""

import weakref
from typing import Any

from tahr import backends, tree
from tahr.layers.input_spec import InputSpec
from tahr.layers.layer import Layer
from tahr.models.function import Function, fit_input, match_structure
from tahr.symbolic import KerasTensor
from tahr.trainer.prepare import build
from tahr.trainer.session import holds_text

__all__ = ["TextEntry"]

_behind: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()  # model: what of it is behind the text


class TextEntry:
    """The way of data into a model. It does nothing until it sees text; then `model` is the part behind the text.

    That part shares the layers, the optimizer and the metrics with the whole, which keeps nothing of the training to
    itself, and has a session of its own.
    """

    def __init__(self, model: Any):
        self.whole = self.model = model
        self._head: Function | None = None

    def __call__(self, data: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        """Return `(x, y, sample_weight)` with numbers in the place of the text of `x`.

        Raises:
            TypeError: if the model is no graph, so that it cannot be told which layers read text.
            ValueError: if a layer that reads text has weights to train.
        """
        x, y, sample_weight = data
        if not holds_text(x):
            return data
        _refuse_text(self.whole, x)
        if self._head is None:
            self._head = self._enter(x)
        inputs = self.whole._function.inputs
        flat = match_structure(self.whole._function._inputs_struct, inputs, x, self.whole.name)
        values = [fit_input(given, symbol) for given, symbol in zip(flat, inputs, strict=True)]
        numbers = [a for a, symbol in zip(flat, inputs, strict=True) if symbol.dtype != "string"]
        engine = backends.current()
        with engine.no_grad():
            numbers = [engine.to_numpy(a) for a in self._head.run(values)] + numbers
        return (numbers if len(numbers) > 1 else numbers[0]), y, sample_weight

    def _enter(self, x: Any) -> Function:
        """Take the part behind the text for the model, as the whole is now, and return what comes before it."""
        whole = self.whole
        if not whole.built:
            build(whole, x)
        function = whole._function
        if function is None:
            raise TypeError(
                f"{whole.name}: the data hold text, and the model is no graph of layers, so the layers that read text "
                "cannot run ahead of the steps. Build it with keras.Input(..., dtype='string') and "
                "keras.Model(inputs, outputs), or turn the text into numbers first: x = vectorization(text)."
            )
        known = _behind.get(whole)
        if known is None or known[0] is not function:
            known = _behind[whole] = (function, *_split(whole.name, function), object.__new__(type(whole)))
        _, head, tail, model = known
        own = {"_session": model.__dict__.get("_session"), "_function": tail, "history": None}
        specs = [InputSpec(shape=(None, *x.shape[1:]), name=x.name) for x in tail.inputs]
        model.__dict__.update(whole.__dict__ | own | {"input_spec": specs})
        self.model = model
        return head


def _refuse_text(model: Any, x: Any) -> None:
    """Raise an error if the model is a graph that takes no text."""
    if model._function is None or any(symbol.dtype == "string" for symbol in model._function.inputs):
        return
    found = next(a for a in tree.flatten(x) if holds_text(a))
    raise TypeError(
        f"{model.name}: x holds objects that are no numbers, such as {found.reshape(-1)[:1]!r}, and the model takes "
        "numbers. Turn text into numbers first (StringLookup, TextVectorization), and fill missing values."
    )


def _split(name: str, function: Function) -> tuple[Function, Function]:
    """Return the graph from the inputs to the first numbers made of text, and that from there on."""
    texts = {id(x) for x in function.inputs if x.dtype == "string"}
    front: list[KerasTensor] = []
    for node in function._plan:
        if not any(id(x) in texts for x in node.inputs):
            continue
        operation = node.operation
        if isinstance(operation, Layer) and operation.trainable_variables:
            raise ValueError(
                f"{name}: the layer {operation.name!r} reads text and has weights to train; these would get no "
                "gradient. Let a layer without weights, such as TextVectorization, read the text, outside of it."
            )
        for x in node.outputs:
            if x is not None and x.dtype == "string":
                texts.add(id(x))
            elif x is not None:
                front.append(x)
    numbers = [x for x in function.inputs if x.dtype != "string"]
    inputs: Any = [*front, *numbers]
    tail = Function(inputs if len(inputs) > 1 else inputs[0], function._outputs_struct, name=name)
    return Function(function._inputs_struct, front), tail
