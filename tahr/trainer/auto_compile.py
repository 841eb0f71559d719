"""`jit_compile="auto"` where steps run one operation at a time: compiled if that is worth its time, by measuring."""

import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tahr.trainer.session import Session
from tahr.trainer.sources import Chunk

__all__ = ["AutoCompile"]

COST = 60.0  # seconds that compiling a step takes, more or less
GAIN = 0.25  # the share of a step's time that it saves where it saves any, more or less
MARGIN = 0.95  # of the time of a step as it was, which a compiled one has to stay below
WARM, DISPATCHES = 3, 3  # dispatches before there is a decision, and compiled ones that are measured


class Trial(NamedTuple):
    """Compiled steps that are being measured: their chunks, the seconds of one before, of compiling, and since."""

    key: Any
    before: float
    compiling: float
    seconds: list[float]


class AutoCompile:
    """Dispatches that may change over to compiled steps, once in a fit at most, for batches of one shape.

    Compiling takes about a minute of the fit, so it is tried only if what is left of the fit would gain more than that:
    the steps to go times the time of one, or, where nobody knows the end, the time that the fit has taken already.

    Args:
        session: the state on the device.
        steps_to_go: gives the number of steps that are left, None if nobody knows.
        verbose: 0 keeps the outcome quiet.
    """

    def __init__(self, session: Session, steps_to_go: Callable[[], int | None], verbose: Any):
        self.session, self.steps_to_go, self.verbose = session, steps_to_go, verbose
        self.began, self.warm, self.decided = time.perf_counter(), 0, False
        self.trial: Trial | None = None

    @staticmethod
    def concerns(session: Session, jit_compile: Any) -> bool:
        """Return whether there is a choice to make."""
        return jit_compile == "auto" and session.engine.fuses and not session.eager and not session.own_logs["train"]

    def dispatch(self, kind: str, chunk: Chunk) -> Any:
        """Run the steps of a chunk, the first of them compiled if it is time to try."""
        if self.trial is not None and chunk.key == self.trial.key:
            return self._measure(kind, chunk, self.trial)
        if not self.decided and chunk.key in self.session.pace.seen and chunk.key not in self.session.tried:
            self.warm += 1
            if self.warm > WARM and self._is_worth_it():
                self.decided = True
                return self._try(kind, chunk)
        return self.session.dispatch(kind, chunk)

    def _is_worth_it(self) -> bool:
        left = self.steps_to_go()
        if left is None:
            return (time.perf_counter() - self.began) * GAIN > COST
        worth = left * (self.session.pace.seconds or 0.0) * GAIN > COST
        self.decided = not worth  # it will not be worth more later on
        return worth

    def _try(self, kind: str, chunk: Chunk) -> Any:
        """Run the steps of a chunk, the first of them alone, since it is compiled first."""
        session, before = self.session, self.session.pace.seconds or 0.0
        session.tried.add(chunk.key)
        session.use_fused(kind, chunk, True)
        began = time.perf_counter()
        try:
            logs = session.dispatch(kind, chunk.part(chunk.start, chunk.start + 1))
        except Exception as error:  # before any number has changed: what cannot be compiled runs as ever
            session.use_fused(kind, chunk, False)
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            self._say(f"the step cannot be compiled ({reason:.120}), so it runs as it is")
            return session.dispatch(kind, chunk)
        self.trial = Trial(chunk.key, before, time.perf_counter() - began, [])
        rest = chunk.part(chunk.start + 1, chunk.stop)
        return self.dispatch(kind, rest) if rest.batches else logs

    def _measure(self, kind: str, chunk: Chunk, trial: "Trial") -> Any:
        """Run the steps of a chunk and note their time; after some, keep them compiled or not."""
        began = time.perf_counter()
        logs = self.session.dispatch(kind, chunk)
        trial.seconds.append((time.perf_counter() - began) / chunk.batches)
        if len(trial.seconds) < DISPATCHES:
            return logs
        after, self.trial = min(trial.seconds), None
        kept = after < trial.before * MARGIN
        if not kept:
            self.session.use_fused(kind, chunk, False)
        found = f"a step takes {after * 1e3:.3g} ms compiled and {trial.before * 1e3:.3g} ms as it is"
        outcome = "compiled steps go on" if kept else "it stays as it is"
        self._say(f"{found}, so {outcome} (compiling took {trial.compiling:.0f} s)")
        return logs

    def _say(self, text: str) -> None:
        if self.verbose != 0:
            print(f"jit_compile='auto': {text}.", file=sys.stderr)
