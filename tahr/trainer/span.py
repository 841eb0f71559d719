"""How long `fit` trains: for epochs, for steps, or for a time."""

import math
import re
import time
from typing import Any

from tahr import config

__all__ = ["Span", "seconds_of"]

SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
ENDLESS = 2**31 - 1


def seconds_of(said: Any) -> float | None:
    """Return the seconds of a time such as "30s", "10min", "2h" or "1.5 d", None for what is no time.

    >>> from tahr.trainer.span import seconds_of
    >>> seconds_of("10min"), seconds_of("soon")
    (600.0, None)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|min|h|d)", said) if isinstance(said, str) else None
    return None if found is None else float(found[1]) * SECONDS[found[2]]


class Span:
    """When training is over.

    Args:
        epochs: number of epochs, if nothing else is said.
        steps_per_epoch: batches an epoch, None for all of the data.
        steps: batches in all, instead of `epochs`.
        validate_every: batches between two reports, with `steps` or `max_time`.
        max_time: seconds, or a time such as "2h", from now.

    Raises:
        ValueError: for numbers below 1, a time that cannot be read, or arguments that exclude one another.
    """

    def __init__(
        self, epochs: int, steps_per_epoch: int | None, steps: int | None, validate_every: int | None, max_time: Any
    ):
        for name, value in (
            ("steps_per_epoch", steps_per_epoch), ("steps", steps), ("validate_every", validate_every)
        ):  # fmt: skip
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{name}: expected a whole number >= 1; received {value!r}.")
        if steps is not None and epochs != 1:
            raise ValueError(f"fit: expected epochs or steps; received epochs={epochs} and steps={steps}.")
        if validate_every is not None and steps is None and max_time is None:
            raise ValueError("fit: validate_every goes with steps or max_time; with epochs use steps_per_epoch.")
        if validate_every is not None and steps_per_epoch is not None:
            raise ValueError("fit: expected steps_per_epoch or validate_every; received both.")
        self.steps = steps
        self._counts = steps is not None or validate_every is not None
        self._epochs = epochs
        self.steps_per_epoch = _least(steps_per_epoch or validate_every, config.max_steps_per_epoch())
        self._deadline = None if max_time is None else time.monotonic() + _limit(max_time)

    def epochs(self, per_epoch: int | None) -> int:
        """Return the number of epochs for data that give so many batches an epoch, None if nobody knows.

        Raises:
            ValueError: if nothing says when an epoch ends.
        """
        epochs = self._epochs
        if self.steps is not None:
            if per_epoch is None:
                raise ValueError(
                    "fit: the data do not say how many batches they give; with steps, give validate_every, too."
                )
            epochs = math.ceil(self.steps / per_epoch)
        elif self._counts:
            epochs = ENDLESS
        return _least(epochs, config.max_epochs()) or epochs

    def left(self, done: int) -> int | None:
        """Return how many batches are left after `done` of them, None if epochs say."""
        return None if self.steps is None else max(0, self.steps - done)

    def is_over(self, done: int) -> bool:
        """Return whether training ends after `done` batches."""
        return self.left(done) == 0 or (self._deadline is not None and time.monotonic() >= self._deadline)


def _least(value: int | None, most: int | None) -> int | None:
    return value if most is None else most if value is None else min(value, most)


def _limit(max_time: Any) -> float:
    seconds = seconds_of(max_time) if isinstance(max_time, str) else max_time
    if not isinstance(seconds, (int, float)) or not seconds > 0:
        raise ValueError(
            f"max_time: expected seconds, or a time such as '90s', '10min' or '2h'; received {max_time!r}."
        )
    return float(seconds)
