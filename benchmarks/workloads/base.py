"""What a workload is: a name, the peers that can do it, what was expected of them, and how one of them runs it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

LEARNING_RATE = 1e-3
SLOW_UNIT = 10.0  # seconds; a first unit slower than this is followed by one more, not two


class Runner(Protocol):
    """One peer doing one workload, kept alive between rounds."""

    fresh: bool  # the work is done by child processes
    warm_units: int  # units of work that `start` did

    def start(self) -> float:
        """Build, compile and warm up; return the seconds that this took beyond steady work."""
        ...

    def round(self, seconds: float) -> float:
        """Work for about `seconds`; return the seconds that one step (or call) took."""
        ...

    def facts(self) -> dict[str, Any]:
        """Return what shows that the work was done: parameter count, loss, accuracy..."""
        ...


class Repeated:
    """A runner that repeats units of work (epochs, bundles of calls) inside this process."""

    fresh = False
    steps = 1  # steps in a unit
    warm_units = 0  # units done by `start`

    def build(self) -> None:
        """Make the model and the data; overridden."""
        raise NotImplementedError

    def units(self, count: int) -> None:
        """Do `count` units and return when the last result is there; overridden."""
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        return {}

    def start(self) -> float:
        began = time.perf_counter()
        self.build()
        self.units(1)
        first = time.perf_counter() - began
        again = 2 if first < SLOW_UNIT else 1
        self.warm_units = 1 + again
        self.unit_seconds = self._timed(again) / again
        return first - self.unit_seconds

    def round(self, seconds: float) -> float:
        count = min(max(1, math.ceil(seconds / self.unit_seconds)), 1000)
        self.unit_seconds = self._timed(count) / count
        return self.unit_seconds / self.steps

    def _timed(self, count: int) -> float:
        began = time.perf_counter()
        self.units(count)
        return time.perf_counter() - began


@dataclass(frozen=True)
class Bar:
    """A promise: the peer's figure is at most `factor` times the reference's, plus `offset` in the workload's unit."""

    text: str
    peer: str
    factor: float = 0.0
    reference: str | None = None
    offset: float = 0.0


ON_TENSORFLOW = Bar("at least 0.95 x as fast as Keras on it", "tahr_tensorflow", 1 / 0.95, "keras_tensorflow")


@dataclass(frozen=True)
class Workload:
    """One row of the results. `expected` holds the figures of the design's table, in `unit`."""

    name: str
    title: str
    unit: str
    scale: float
    peers: tuple[str, ...]
    runner: Callable[[Any], Runner]
    expected: dict[str, float] = field(default_factory=dict)
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True)
class Task:
    """A training task said once for every peer.

    `loss` is "binary", "classes" (of rows or tokens) or "values" (mean squared error). `keras_model` takes the module
    (keras or tahr); `jax_network` returns (parameters, logits function); `torch_network` returns a module that maps the
    data's x to logits.
    """

    data: Callable[[], tuple[np.ndarray, np.ndarray]]
    batch_size: int
    loss: str
    keras_model: Callable[[Any], Any]
    jax_network: Callable[..., tuple[Any, Callable[..., Any]]]
    torch_network: Callable[[], Any]
    steps_per_dispatch: int
    torch_layout: Callable[[np.ndarray], np.ndarray] = lambda x: x


def training_runner(task: Task) -> Callable[[Any], Runner]:
    """Return the function that makes the runner of a training task for a peer."""

    def runner(peer: Any) -> Runner:
        if peer.module:
            from keras_api import Fit

            return Fit(task, peer.module)
        if peer.backend == "jax":
            from raw_jax import Training

            return Training(task, peer.name)
        from raw_torch import Training

        return Training(task, fused=peer.name == "torch_fused", compiled=peer.name == "torch_compiled")

    return runner


API_PEERS = ("tahr_jax", "tahr_torch", "tahr_tensorflow", "keras_jax", "keras_torch", "keras_tensorflow")
TRAINING_PEERS = (*API_PEERS, "jax_loop", "torch", "torch_compiled")


def training_workload(name: str, title: str, task: Task) -> Workload:
    """Return the workload that trains on a task, step by step, with every peer."""
    return Workload(
        name=name,
        title=f"fit: {title}, batch {task.batch_size}",
        unit="ms a step",
        scale=1e3,
        peers=TRAINING_PEERS,
        runner=training_runner(task),
    )


def glorot(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return float32 weights drawn uniformly with Glorot and Bengio's limit, for the hand-written networks."""
    receptive = math.prod(shape[:-2])
    limit = math.sqrt(6 / (receptive * (shape[-2] + shape[-1])))
    return rng.uniform(-limit, limit, shape).astype("float32")
