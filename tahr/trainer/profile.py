"""`fit(profile=True)`: where a step's time goes, and what would help."""

import importlib
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tahr.callbacks import CallbackList
from tahr.trainer.layer_times import LONGEST, time_layers
from tahr.trainer.resume import Training
from tahr.trainer.session import Session
from tahr.trainer.sources import Chunk
from tahr.trainer.sources.source import Timed
from tahr.trainer.step import unpack

__all__ = ["Profile", "Profiler", "asked"]

WARM = 2  # dispatches that are not measured, beside those that compile
FEWEST, MOST, SECONDS = 4, 100, 2.0  # dispatches to measure, and the time after which they are enough
EMPTY = 20  # dispatches of no steps, which show what one costs by itself
MUCH_DATA, MUCH_HOST, MUCH_LAYER = 0.1, 0.2, 0.5  # shares of a step from which on there is advice

asked: list[Callable[["Profile"], None]] = []  # they get the profile of every `fit`, see `tahr profile`


@dataclass
class Profile:
    """Where a step's time goes, as data.

    Attributes:
        steps: number of steps that were measured.
        batch_size: rows of each.
        seconds: of one step, in the mean: `data` (waiting for it), `host` (the loop, its callbacks, starting a
            dispatch, and Python between operations where these run one by one), `device` (the rest), `step` (the sum).
        rows: a dict for each layer in the order of their first calls: `name`, `class`, `calls`, seconds `forward` and
            `backward` in one step, `share` of the time of all layers, and `way`, which `explain_kernels` tells.
        advice: sentences on what would help.

    The first three are taken from a few dispatches after the first ones. The times of layers are not parts of these
    steps: each layer is compiled and run alone on what it gets in a step, which leaves out the loss and the optimizer,
    and takes longer than within a step that is compiled as a whole.

    >>> model = keras.Sequential([keras.Input((3,)), layers.Dense(1, name="out")])
    >>> model.compile("sgd", "mse")
    >>> found = model.fit(np.ones((64, 3)), np.ones((64, 1)), batch_size=4, profile=True, verbose=0).profile
    >>> [row["name"] for row in found.rows], sorted(found.seconds)
    (['out'], ['data', 'device', 'host', 'step'])
    """

    steps: int
    batch_size: int
    seconds: dict[str, float]
    rows: list[dict[str, Any]]
    advice: list[str] = field(default_factory=list)

    def to_pandas(self) -> Any:
        """Return `rows` as a pandas frame."""
        return importlib.import_module("pandas").DataFrame(self.rows)

    def show(self, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print it as a table with what would help; `print_fn` gets the text instead of the terminal."""
        from tahr.models.summary import print_table

        total = self.seconds["step"]
        parts = (("data", "waiting for data"), ("host", "on the host"), ("device", "on the device"))
        said = ", ".join(f"{_readable(self.seconds[key])} ({self._share(key):.0%}) {name}" for key, name in parts)
        head = f"A step of {self.batch_size} rows takes {_readable(total)}: {said}; mean of {self.steps} steps"
        lines = [
            [
                f"{row['name']} ({row['class']})" + (f" x {row['calls']}" if row["calls"] > 1 else ""),
                *("not measured" if row[key] is None else _readable(row[key]) for key in ("forward", "backward")),
                "" if row["share"] is None else f"{row['share']:.0%}",
            ]
            for row in self.rows
        ]
        titles = ["Layer (type), alone", "Forward", "Backward", "Share"]
        print_table(head, titles, lines, [44, 14, 14, 8], [f"Advice: {line}" for line in self.advice], print_fn)

    def _share(self, key: str) -> float:
        return self.seconds[key] / max(self.seconds["step"], 1e-12)


class Profiler:
    """Dispatches that are timed, a few of them, and the profile that comes of it.

    Args:
        session: the state on the device.
        training: where the training is.
        listeners: the callbacks.
    """

    def __init__(self, session: Session, training: Training, listeners: CallbackList):
        self.session, self.training = session, training
        self.looking = [type(c).__name__ for c in listeners.callbacks if c.listens_to_batches("train")]
        self.profile: Profile | None = None
        self._feed: Timed | None = None
        self._chunk: Chunk | None = None
        self._waited = self._ended = 0.0
        self._warm = self._dispatches = self._steps = 0
        self._sums = {"data": 0.0, "loop": 0.0, "dispatch": 0.0}

    def dispatch(self, kind: str, chunk: Chunk) -> Any:
        """Run the steps of a chunk; once enough of them have been measured, make the profile."""
        if self.profile is not None:
            return self.session.dispatch(kind, chunk)
        began, fresh = time.perf_counter(), chunk.key not in self.session.pace.seen
        feed: Any = self.training.feed
        data = feed.waited - (self._waited if feed is self._feed else 0.0)
        loop = began - self._ended - data if feed is self._feed else 0.0
        logs = self.session.dispatch(kind, chunk)
        self._ended, self._feed, self._waited, self._chunk = time.perf_counter(), feed, feed.waited, chunk
        if fresh:
            return logs
        self._warm += 1
        if self._warm == WARM + 1:  # what came before only counts if nothing comes after
            self._sums, self._steps, self._dispatches = dict.fromkeys(self._sums, 0.0), 0, 0
        spent = {"data": data, "loop": loop, "dispatch": self._ended - began}
        self._sums = {key: self._sums[key] + spent[key] for key in spent}
        self._steps, self._dispatches = self._steps + chunk.batches, self._dispatches + 1
        enough = self._dispatches >= FEWEST and sum(self._sums.values()) > SECONDS
        if enough or self._dispatches >= MOST:
            self.finish()
        return logs

    def finish(self) -> None:
        """Make the profile of what has been measured so far, unless it is there; warn if that is nothing."""
        chunk = self._chunk
        if self.profile is not None:
            return
        if chunk is None or not self._steps:
            warnings.warn(
                f"fit(profile=True): training was over after {self.training.steps} steps, before more than the first "
                "dispatch, which compiles, was measured, so there is no profile. Train for more epochs.",
                stacklevel=2,
            )
            return
        empty = chunk.part(chunk.start, chunk.start)
        overhead = statistics.median(self._time_of(empty) for _ in range(EMPTY)) * self._dispatches
        seconds = {key: value / self._steps for key, value in self._sums.items()}
        host = min(overhead / self._steps, seconds["dispatch"])
        python, rows = self._look_at_layers(chunk)
        host += python * (seconds["dispatch"] - host)
        step = sum(seconds.values())
        found = {"data": seconds["data"], "host": seconds["loop"] + host, "step": step}
        found["device"] = step - found["data"] - found["host"]
        self._feed = self._chunk = None
        self.profile = Profile(self._steps, chunk.rows, found, rows)
        self.profile.advice = list(self._advise(self.profile, python))
        for take in asked:
            take(self.profile)

    def report(self, verbose: Any) -> None:
        """Keep the profile with the history, and print it."""
        self.finish()
        found, history = self.profile, self.session.model.history
        if history is not None:
            history.profile = found
        if found is not None and verbose != 0 and not asked:
            found.show()

    def _time_of(self, chunk: Chunk) -> float:
        began = time.perf_counter()
        self.session.dispatch("train", chunk)
        return time.perf_counter() - began

    def _look_at_layers(self, chunk: Chunk) -> tuple[float, list[dict[str, Any]]]:
        """Return the share of a forward pass in which operations wait for Python, and the times of the layers."""
        session, engine = self.session, self.session.engine
        with engine.no_grad():
            batch = chunk.batch(chunk.start)
        x = unpack(batch)[0]
        python = 0.0
        if not session.fused:
            busy = engine.busy_share(lambda: session.predict(x))
            python = 0.0 if busy is None else 1.0 - busy
        rows = time_layers(session.model, x)
        total = sum(row["forward"] + row["backward"] for row in rows if row["forward"] is not None)
        for row in rows:
            known = row["forward"] is not None
            row["share"] = (row["forward"] + row["backward"]) / (total or 1.0) if known else None
        return python, rows

    def _advise(self, profile: Profile, python: float) -> Any:
        """Yield what would help."""
        if profile._share("data") > MUCH_DATA:
            yield (
                f"{profile._share('data'):.0%} of the time is spent waiting for data. Give the data set more workers, "
                "prefetch more, or keep what it computes (in memory, or in a file)."
            )
        if profile._share("host") > MUCH_HOST:
            yield f"{profile._share('host'):.0%} of the time is the host's. Take a larger batch_size."
            if self.looking:
                yield (
                    f"{', '.join(self.looking)} look at every batch, so steps are dispatched one by one. Let them look "
                    "at epochs, or do without them."
                )
            if python > MUCH_HOST:
                yield "Operations run one by one. compile(jit_compile=True) makes one program of a step."
        heavy = max(profile.rows, key=lambda row: row["share"] or 0.0, default=None)
        if heavy is not None and (heavy["share"] or 0.0) > MUCH_LAYER and len(profile.rows) > 1:
            way = f" There, {heavy['way']}; utils.forced_kernels takes another way." if heavy["way"] else ""
            yield f"{heavy['name']} ({heavy['class']}) takes {heavy['share']:.0%} of what the layers take.{way}"
        if any(row["forward"] is None for row in profile.rows):
            yield f"Measuring layers ended after {LONGEST:.0f} s, so some have no times, and shares are of the others."


def _readable(seconds: float) -> str:
    """Return a time in the largest unit that keeps the number above 1.

    >>> from tahr.trainer.profile import _readable
    >>> _readable(0.00125)
    '1.25 ms'
    """
    unit, factor = next(((u, f) for u, f in (("s", 1.0), ("ms", 1e3)) if seconds * f >= 1), ("us", 1e6))
    return f"{seconds * factor:.3g} {unit}"
