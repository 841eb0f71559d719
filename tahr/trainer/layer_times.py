"""How long each layer takes, alone, on the arrays that it sees in a step."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tahr import backends, dtypes, ops, tree
from tahr.backends.choices import Choice, noted
from tahr.layers.layer import Layer
from tahr.layers.watching import watching
from tahr.naming import current_path
from tahr.variables import StatelessScope

__all__ = ["time_layers"]

LONGEST = 20.0  # seconds for all layers; those that are left then have no times
ROUNDS, ENOUGH = (3, 20), 0.1  # least and most runs of a layer, and the seconds after which they are enough


class Call:
    """One call of a layer: its arguments, the arrays apart from what else there is."""

    def __init__(self, layer: Layer, args: Any, kwargs: Any, fixed: Any):
        engine = backends.current()
        self.layer: Any = layer
        self.structure = list(args), kwargs
        leaves = tree.flatten(self.structure)
        self.places = [i for i, x in enumerate(leaves) if engine.is_tensor(x)]
        self.arrays = [leaves[i] for i in self.places]
        self.leaves = [None if i in self.places else x for i, x in enumerate(leaves)]
        self.given = [any(a is x for x in fixed) for a in self.arrays]  # by the data, so no gradient is asked for

    def run(self, values: list[Any], arrays: list[Any]) -> list[Any]:
        """Return the outputs for values of the layer's variables and arrays among its arguments."""
        scope = StatelessScope(collect_losses=True)
        scope.values = {id(v): value for v, value in zip(self.layer.variables, values, strict=True)}
        leaves = list(self.leaves)
        for i, x in zip(self.places, arrays, strict=True):
            leaves[i] = x
        args, kwargs = tree.pack_sequence_as(self.structure, leaves)
        with scope:
            return [x for x in tree.flatten(self.layer(*args, **kwargs)) if backends.current().is_tensor(x)]

    @property
    def key(self) -> Any:
        """What the time depends on; calls that share it are measured once."""
        args, kwargs = self.layer._recorded
        made = repr((args, {name: value for name, value in kwargs.items() if name != "name"}))
        shapes = tuple((tuple(x.shape), str(x.dtype)) for x in self.arrays)
        return type(self.layer), made, shapes, tuple(self.given), repr(self.leaves), self.layer.trainable


def time_layers(model: Any, x: Any) -> list[dict[str, Any]]:
    """Return a dict for each layer: its `name`, `class`, `calls`, seconds `forward` and `backward`, and `way`.

    A forward pass in training mode shows what every layer gets; each is then compiled and run alone on that, without
    and with gradients. What a compiler makes of several layers together is faster than their sum. Layers of one kind
    and shape are measured once; after `LONGEST` seconds the times of those that are left are None.
    """
    calls, choices = _see(model, x)
    engine, deadline = backends.current(), time.perf_counter() + LONGEST
    known: dict[Any, tuple[float, float]] = {}
    rows: dict[int, dict[str, Any]] = {}
    empty = engine.compile(lambda x: x + 1)
    base = _clock(lambda: empty(engine.tensor(np.ones(1, "float32")))) if calls else 0.0
    for call in calls:
        if call.key not in known and time.perf_counter() < deadline:
            known[call.key] = _times(call, base)
        forward, backward = known.get(call.key, (None, None))
        layer = call.layer
        row = {"name": layer.name, "class": type(layer).__name__, "calls": 0, "forward": 0.0, "backward": 0.0}
        row = rows.setdefault(id(layer), row)
        row["calls"] += 1
        for part, seconds in (("forward", forward), ("backward", backward)):
            row[part] = None if seconds is None or row[part] is None else row[part] + seconds
        of = [c for c in choices if c.layer == layer.path or c.layer.startswith(f"{layer.path}/")]
        row["way"] = "; ".join(dict.fromkeys(f"{c.operation} goes by {c.way} ({c.reason})" for c in of))
    return list(rows.values())


def _leaves(model: Any) -> Iterator[Layer]:
    """Yield the layers of a model, those of models inside it instead of these."""
    for layer in model.layers:
        if hasattr(layer, "layers") and hasattr(layer, "fit"):
            yield from _leaves(layer)
        else:
            yield layer


def _see(model: Any, x: Any) -> tuple[list[Call], list[Choice]]:
    """Run a model forward, compiled; return its layers' calls, and what was chosen in them."""
    engine, variables = backends.current(), model.variables
    wanted = {id(layer) for layer in _leaves(model)}
    calls: list[Call] = []

    def forward(values: list[Any], x: Any) -> Any:
        calls.clear()
        fixed = tree.flatten(x)

        def look(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> None:
            if id(layer) in wanted:
                calls.append(Call(layer, args, kwargs, fixed))

        scope = StatelessScope(collect_losses=True)
        scope.values = {id(v): value for v, value in zip(variables, values, strict=True)}
        with scope, watching(look), noted(current_path) as found:
            model(x, training=True)
        choices[:] = found
        return [call.arrays for call in calls]

    choices: list[Choice] = []
    with engine.no_grad():
        arrays = engine.compile(forward)([v.value for v in variables], x)
    for call, given in zip(calls, arrays, strict=True):
        call.arrays = list(given)
    return calls, choices


def _times(call: Call, base: float) -> tuple[float, float]:
    """Return the seconds of a call forward, and of what comes on top with gradients."""
    engine, layer = backends.current(), call.layer
    values = [v.value for v in layer.variables]
    with engine.no_grad():
        compiled = engine.compile(lambda values, arrays: call.run(values, arrays))
        outputs = compiled(list(values), call.arrays)
        forward = max(_clock(lambda: compiled(list(values), call.arrays)) - base, 0.0)
        trained = {id(v) for v in layer.trainable_variables}
        weights = [i for i, v in enumerate(layer.variables) if id(v) in trained]
        inputs = [i for i, x in enumerate(call.arrays) if dtypes.is_float(dtypes.of(x)) and not call.given[i]]
        outputs = [x for x in outputs if dtypes.is_float(dtypes.of(x))]
        if not outputs or not (weights or inputs):
            return forward, 0.0
        step = engine.compile(_with_gradients(call, weights, inputs))
        rng = np.random.default_rng(0)
        slopes = [engine.tensor(rng.standard_normal(tuple(x.shape)), dtypes.of(x)) for x in outputs]
        both = _clock(lambda: step([values[i] for i in weights], values, call.arrays, slopes))
    return forward, max(both - base - forward, 0.0)


def _with_gradients(call: Call, weights: list[int], inputs: list[int]) -> Callable[..., Any]:
    """Return a function of what a call depends on, and of slopes, to (value, gradients)."""
    engine = backends.current()

    def objective(leaves: list[Any], values: list[Any], arrays: list[Any], slopes: list[Any]) -> Any:
        values, arrays = list(values), list(arrays)
        for i, x in zip(weights, leaves, strict=False):
            values[i] = x
        for i, x in zip(inputs, leaves[len(weights) :], strict=True):
            arrays[i] = x
        outputs = [x for x in call.run(values, arrays) if dtypes.is_float(dtypes.of(x))]
        products = [ops.sum(x * slope) for x, slope in zip(outputs, slopes, strict=True)]
        return sum(products[1:], products[0]), None

    def step(trained: list[Any], values: list[Any], arrays: list[Any], slopes: list[Any]) -> Any:
        leaves = [*trained, *(arrays[i] for i in inputs)]
        (value, _), gradients = engine.value_and_grad(objective)(leaves, values, arrays, slopes)
        return [value, *gradients]

    return step


def _clock(run: Callable[[], Any]) -> float:
    """Return the median of the seconds of runs after a first one."""
    engine, seconds = backends.current(), []
    engine.synchronize(run())
    while len(seconds) < ROUNDS[0] or (sum(seconds) < ENOUGH and len(seconds) < ROUNDS[1]):
        began = time.perf_counter()
        engine.synchronize(run())
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
