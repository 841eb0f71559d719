"""`Session`: a model's state as one flat list, and the compiled functions that move it on."""

import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import backends, ops, tree
from tahr.arithmetic import OPERATIONS
from tahr.backends.backend import Backend
from tahr.layers.layer import Layer
from tahr.layers.structure import Snapshot, known_structure, swaps
from tahr.metrics import Metric
from tahr.optimizers import Optimizer
from tahr.random import SeedGenerator
from tahr.trainer.guards import Guard
from tahr.trainer.padding import counts_rows_alone
from tahr.trainer.sources import Chunk
from tahr.trainer.sources.source import Filled
from tahr.trainer.stateless import run_step
from tahr.trainer.step import counting, quiet
from tahr.variables import DirectScope, StatelessScope, Variable

__all__ = ["Session", "session_of"]

# Long enough that what a dispatch costs by itself is lost in it, above all fresh memory for what a step keeps for the
# gradient, which on CPU is a third of the time of a small convolutional network; short enough for a bar that moves.
DISPATCH_SECONDS = 0.2
LONGEST_SECONDS, FEW = 4.0, 4  # long steps go up to four at once: the memory that one frees is warm for the next
ALONE = 2  # what `sys.getrefcount` says of an object that one attribute holds, and the call itself


class _NewVariables(Exception):
    """Raised while a step is traced that assigns variables which the session does not hold yet."""

    def __init__(self, variables: list[Variable]):
        self.variables = variables


class _StepScope(StatelessScope):
    """The scope of a step, which begins anew if it made variables, before any value has been overwritten."""

    def __init__(self, known: set[int]):
        super().__init__(collect_losses=True)
        self.known = known

    def may_overwrite(self) -> bool:
        self.refuse_new()
        return self.donated

    def refuse_new(self) -> None:
        unknown = [v for key, v in self.updated.items() if key not in self.known]
        if unknown:
            raise _NewVariables(unknown)


class Session:
    """The state of a model and its optimizers and metrics, and what is compiled for it.

    State goes into a compiled function as one list, donated, and is published to the variables when it comes back. The
    lock makes that one step for other threads.
    """

    def __init__(self, model: Any):
        self._model = weakref.ref(model)
        self.lock = threading.RLock()
        self.engine = backends.current()
        compiled = model._compiled
        self.eager = compiled is not None and (compiled.run_eagerly or compiled.jit_compile is False)
        self.fused = compiled is not None and compiled.jit_compile is True and not self.eager
        self.compiles = self.fused or (not self.eager and type(self.engine).compile is not Backend.compile)
        cls = type(model)
        from tahr.models.model import Model

        usual = (cls.compute_metrics, cls.get_metrics_result) == (Model.compute_metrics, Model.get_metrics_result)
        self.own_logs = {
            "train": not usual or cls.train_step is not Model.train_step,
            "test": not usual or cls.test_step is not Model.test_step,
        }
        self._fused_keys: set[Any] = set()  # of functions that are compiled where others run as they are
        self.tried: set[Any] = set()  # the chunks for which it has been tried, see `AutoCompile`
        self._functions: dict[Any, Any] = {}
        self._structure: dict[Any, Any] = {}
        self._order: dict[str, list[str]] = {}  # of the logs; compiled functions give dicts back in that of the keys
        self.pace = _Pace()
        self.checks: dict[Any, Callable[[Any], None]] = {}  # of single batches, by their forms
        self.collect(model)

    def collect(self, model: Any) -> None:
        """Find all state anew; what was compiled for other state is forgotten."""
        optimizers = _optimizers_of(model)
        parts = {
            "model": model.variables,
            "metrics": [v for m in model.metrics for v in m.variables],
            "optimizer": [v for o in optimizers for v in o.variables],
        }
        self.signature, self.swaps = signature_of(model), swaps()
        self._note_parts(model)
        self.checks.clear()
        self._fills: dict[str, bool] = {}
        known: dict[int, Variable] = {}
        groups: dict[str, list[Variable]] = {}
        for name, variables in parts.items():
            groups[name] = [v for v in variables if id(v) not in known]
            known.update({id(v): v for v in variables})
        self._take(groups)

    def _take(self, groups: dict[str, list[Variable]]) -> None:
        self.groups = groups
        self.of = {
            "train": [*groups["model"], *groups["metrics"], *groups["optimizer"]],
            "test": [*groups["model"], *groups["metrics"]],
            "predict": groups["model"],
            "metrics": groups["metrics"],
        }
        self._functions.clear()
        self._fused_keys.clear()
        self._structure.clear()
        self._complete = False

    @property
    def model(self) -> Any:
        found = self._model()
        if found is None:
            raise ReferenceError("The model of this session is gone.")
        return found

    def _direct(self, kind: str) -> bool:
        """Return whether steps of a kind assign the variables themselves, which a step of the user's own may expect."""
        return self.own_logs.get(kind, False) and self.engine.reads

    def _state(self, kind: str) -> list[Variable]:
        return [] if self._direct(kind) else self.of[kind]

    def settle(self) -> None:
        """Give every variable a buffer that nobody else holds, since training donates it."""
        for v in self.of["train"]:
            if sys.getrefcount(v._value) > ALONE:
                v.publish(self.engine.assign(v._value, v._value))

    def is_current(self, model: Any) -> bool:
        """Return whether the model has the state and the trained part that this session knows."""
        if self.swaps != swaps():
            return False
        if self._compiled == _compiled_parts(model) and self._parts.holds():
            return True
        if self.signature != signature_of(model):
            return False
        self._note_parts(model)
        return True

    def _note_parts(self, model: Any) -> None:
        roots = [*model._flatten_layers(), *model.metrics, *_optimizers_of(model)]
        self._parts = Snapshot(roots, (Layer, Metric, Optimizer, SeedGenerator, Variable))
        self._compiled = _compiled_parts(model)
        self._guard = Guard(model, None, [])

    # ---- pure functions -----------------------------------------------------------------------------------------

    def _scoped(self, kind: str, values: list[Any], run: Callable[[Any], Any]) -> tuple[list[Any], Any]:
        """Return the new values of the state of `kind` and the result of `run(model)`, from the values before."""
        variables = self._state(kind)
        held = {id(v): value for v, value in zip(variables, values, strict=True)}
        donated = kind == "train" and (self._complete or not self.own_logs[kind])
        scope = DirectScope() if self._direct(kind) else _StepScope(set(held))
        scope.values, scope.donated = held, donated
        with scope, known_structure(self._structure):
            found = run(self.model)
        if kind in ("train", "test") and isinstance(scope, _StepScope):
            scope.refuse_new()
        return [scope.values[id(v)] for v in variables], found

    # What follows is kept by the session, so it holds the session weakly: no cycle keeps a model's weights alive.

    def _step(self, kind: str) -> Callable[[list[Any], Any], tuple[list[Any], Any]]:
        known = weakref.ref(self)

        def step(values: list[Any], batch: Any) -> tuple[list[Any], Any]:
            session: Any = known()
            if session.own_logs[kind]:
                with session.engine.enable_grad():  # a step of the user's own may call `loss.backward()`
                    new, logs = session._scoped(kind, values, lambda model: run_step(model, kind, batch))
                values = [session.engine.leaf(value, old) for value, old in zip(new, values, strict=True)]
                session._order[kind] = list(logs or {})
                return values, _scalars(logs, session.engine)
            batch, counts = batch if isinstance(batch, Filled) else (batch, None)
            with quiet(), counting(counts):
                return session._scoped(kind, values, lambda model: run_step(model, kind, batch))[0], None

        return step

    def _fuse(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        for name in ops.__all__:  # what is imported when first used would be in the way of a graph
            if callable(getattr(ops, name)):
                OPERATIONS[name]
        return self.engine.fuse(fn)

    def _chunk_function(self, kind: str, chunk: Chunk) -> Callable[..., Any]:
        key = (kind, chunk.key)
        found = self._functions.get(key)
        if found is None:
            step, fetch, engine = self._step(kind), chunk.fetch, self.engine
            if self.fused or key in self._fused_keys:
                step = self._fuse(step)

            def run(values: list[Any], arrays: Any, start: Any, stop: Any, offset: Any) -> Any:
                return engine.repeat(lambda i, s: step(s, fetch(arrays, i, offset)), values, start, stop)

            found = self._functions[key] = run if self.eager else engine.compile(run, donate=(0,))
        return found

    def fills(self, kind: str) -> bool:
        """Return whether a batch with fewer rows is filled up, since that saves a compilation and changes nothing."""
        if kind not in self._fills:
            possible = self.compiles and not self.own_logs[kind]
            self._fills[kind] = possible and counts_rows_alone(self.model, kind == "train")
        return self._fills[kind]

    def use_fused(self, kind: str, chunk: Chunk, fused: bool) -> None:
        """Let the steps of chunks like this one be compiled, or run as they are, from now on."""
        key = (kind, chunk.key)
        self._functions.pop(key, None)
        (self._fused_keys.add if fused else self._fused_keys.discard)(key)

    # ---- dispatch -----------------------------------------------------------------------------------------------

    def dispatch(self, kind: str, chunk: Chunk) -> Any:
        """Run the steps of a chunk, publish the state, and return the logs of the last step (None: ask `results`)."""
        began = time.perf_counter()
        function = self._chunk_function(kind, chunk)
        fresh = chunk.key not in self.pace.seen
        with self.lock:
            variables = self._state(kind)
            values = [v._value for v in variables]
            if kind == "train" and not self._complete and not self.own_logs[kind] and self._optimizes_its_own_way():
                values = self.engine.copies(values)  # a step that finds new variables runs once more
            try:
                with self.engine.no_grad():
                    numbers = (chunk.start, chunk.stop, chunk.offset)
                    args = numbers if self.eager else self.engine.scalars(numbers)
                    values, logs = function(values, chunk.arrays, *args)
            except _NewVariables as found:
                self._adopt(found.variables)
                return self.dispatch(kind, chunk)
            self.engine.publish(variables, values)
            self._complete |= kind == "train"
        if values:
            self.engine.synchronize(values[0])
        self.pace.note(chunk.key, chunk.batches, time.perf_counter() - began, fresh)
        return logs if logs is None else {name: logs[name] for name in self._order.get(kind) or logs}

    def _optimizes_its_own_way(self) -> bool:
        """Return whether an optimizer of the user's own may make variables while values are overwritten."""
        given = _optimizers_of(self.model)
        inner = [o.inner_optimizer for o in given if hasattr(o, "inner_optimizer")]
        return any(not type(o).__module__.startswith("tahr.") for o in [*given, *inner])

    def _adopt(self, variables: list[Variable]) -> None:
        """Take in variables that were made while a step was traced; some belong to nothing that the model knows."""
        self.collect(self.model)
        known = {id(v) for v in self.of["train"]}
        strangers = [v for v in variables if id(v) not in known]
        if strangers:
            self._take({**self.groups, "model": [*self.groups["model"], *strangers]})

    def results(self) -> dict[str, float]:
        """Return the values of the metrics as numbers."""
        function, session = self._functions.get("results"), weakref.proxy(self)
        if function is None:

            def run(values: list[Any]) -> Any:
                found = session._scoped("metrics", values, lambda model: model.get_metrics_result())[1]
                session._order["results"] = list(found)
                return found

            function = self._functions["results"] = run if self.eager else self.engine.compile(run)
        with self.lock, self.engine.no_grad():
            found = function([v._value for v in self.of["metrics"]])
        return to_numbers({name: found[name] for name in self._order.get("results") or found}, self.engine)

    def reset_metrics(self) -> None:
        """Set the metrics back, in one dispatch."""
        variables = self.of["metrics"]
        if not variables:
            return
        function, session = self._functions.get("reset"), weakref.proxy(self)
        if function is None:

            def run(values: list[Any]) -> Any:
                return session._scoped("metrics", values, lambda model: model.reset_metrics())[0]

            function = self._functions["reset"] = run if self.eager else self.engine.compile(run, donate=(0,))
        with self.lock, self.engine.no_grad():
            self.engine.publish(variables, function([v._value for v in variables]))

    def predict(self, batch: Any) -> Any:
        """Return the outputs for a batch; state that moves on in inference (a stateful RNN's) is published."""
        if self.swaps != swaps():  # the path for one batch does not look at the model first
            self.collect(self.model)
        self._guard.check_ids(batch)
        found = self._functions.get("predict")
        if found is None:
            known, moved = weakref.ref(self), []

            def run(values: list[Any], data: Any) -> Any:
                session: Any = known()
                new, outputs = session._scoped("predict", values, lambda model: run_step(model, "predict", (data,)))
                moved[:] = [i for i, (a, b) in enumerate(zip(values, new, strict=True)) if a is not b]
                return outputs, [new[i] for i in moved]

            looks = any(getattr(layer, "refuses_values", False) for layer in self.model._flatten_layers())
            eager = self.eager or looks or holds_text(batch)  # lookups of text and of refused values run on the host
            made = self._fuse(run) if self.fused and not eager else run
            found = self._functions["predict"] = (run if eager else self.engine.compile(made), moved)
        function, moved = found
        variables = self.of["predict"]
        if self.fused:
            batch = tree.map_structure(self.engine.tensor, batch)
        with self.lock, self.engine.no_grad():
            outputs, new = function([v._value for v in variables], batch)
            if new:
                self.engine.publish([variables[i] for i in moved], new)
        return outputs


def holds_text(data: Any) -> bool:
    """Return whether any array of a structure is of text or of Python objects."""
    return any(isinstance(x, np.ndarray) and x.dtype.kind in "OSUT" for x in tree.flatten(data))


class _Pace:
    """How many steps a dispatch: so many that it lasts about `DISPATCH_SECONDS`, a few if `LONGEST_SECONDS` allow."""

    def __init__(self) -> None:
        self.seen: set[Any] = set()
        self.seconds: float | None = None

    def note(self, key: Any, batches: int, seconds: float, fresh: bool) -> None:
        """Learn from a dispatch; the first of its kind is mostly compilation and teaches nothing."""
        self.seen.add(key)
        if not fresh and batches:
            each = seconds / batches
            self.seconds = each if self.seconds is None else min(each, 0.7 * self.seconds + 0.3 * each)

    def steps(self) -> int:
        """Return how many steps the next dispatch should have."""
        if self.seconds is None:
            return 1 if not self.seen else 2
        each = max(self.seconds, 1e-7)
        return max(1, min(FEW, int(LONGEST_SECONDS / each)), min(int(DISPATCH_SECONDS / each), 100_000))


def session_of(model: Any) -> Session:
    """Return the model's session, a new one if its state or its trainable part has changed."""
    session = model._session
    if session is None:
        session = model._session = Session(model)
    elif not session.is_current(model):
        with session.lock:
            session.collect(model)
    return session


def signature_of(model: Any) -> Any:
    """Return what compiled functions depend on beside the values: which variables there are, and which are trained."""
    with known_structure({}):
        return (
            tuple(id(v) for v in model.variables),
            tuple(id(v) for v in model.trainable_variables),
            tuple(layer.trainable for layer in model._flatten_layers()),
            tuple(id(v) for m in model.metrics for v in m.variables),
            tuple(id(v) for o in _optimizers_of(model) for v in o.variables),
        )


def _compiled_parts(model: Any) -> tuple[int, bool]:
    """Return what tells whether the optimizer is another, or losses and metrics have been made since."""
    return id(model.optimizer), model._compiled is not None and model._compiled.built


def _optimizers_of(model: Any) -> list[Any]:
    found = [model.optimizer] if model.optimizer is not None else []
    for layer in model._flatten_layers():
        found += [o for o in layer._parts(Optimizer) if o not in found]
    return found


def _scalars(logs: Any, engine: Any) -> Any:
    """Return the logs of a step as arrays; what a step returns may hold numbers and variables."""
    return tree.map_structure(lambda x: engine.leaf(engine.tensor(getattr(x, "value", x))), dict(logs) if logs else {})


def to_numbers(logs: Any, engine: Any) -> dict[str, Any]:
    """Return logs as Python floats where they are scalars, else as NumPy arrays."""

    def number(x: Any) -> Any:
        array = engine.to_numpy(x) if engine.is_tensor(x) else np.asarray(x)
        return float(array) if getattr(array, "ndim", 0) == 0 else array

    return {k: tree.map_structure(number, v) for k, v in logs.items()}
