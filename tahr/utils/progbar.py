"""Keras's progress bar for a user's own loops."""

from collections.abc import Iterable
from typing import Any

from tahr.trainer.progress import Progress

__all__ = ["Progbar"]


class Progbar:
    """Show the progress of a loop and the running means of its numbers.

    Args:
        target: how many steps there are, or None if nobody knows.
        width: length of the bar in characters.
        verbose: 0 for nothing, 1 for a bar (whole lines now and then where no terminal is), 2 for one line at the end.
        interval: least time between two redraws, in seconds.
        stateful_metrics: names of numbers shown as given; all others are shown as means over the steps.
        stateless_metrics: names of numbers shown as means; all others are shown as given. Not with `stateful_metrics`.
        unit_name: what a step is called.

    Raises:
        ValueError: if both lists of names are given, or `verbose` is none of 0, 1 and 2.

    >>> bar = keras.utils.Progbar(2, verbose=2)
    >>> bar.add(1, [("loss", 1.0)])
    >>> bar.add(1, [("loss", 0.5)])  # doctest: +ELLIPSIS
    2/2 - 0s - .../step - loss: 0.5000
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ):
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                "Progbar: give stateful_metrics (names shown as they are, the rest averaged) or stateless_metrics "
                "(names averaged, the rest shown as they are), not both."
            )
        self.target = target
        self.stateful_metrics = set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._progress = Progress(target, verbose=verbose, unit=unit_name, width=width, interval=interval)
        self._seen = 0
        self._sums: dict[str, tuple[Any, int]] = {}

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Show that `current` steps are done.

        Args:
            current: number of steps done since the beginning.
            values: pairs of a name and a number for the steps since the last call. When finalizing they are shown as
                given, since they are then the numbers of the whole run.
            finalize: whether this is the last call; `current >= target` by default.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        for name, value in values or ():
            self._add(name, value, max(current - self._seen, 1), finalize)
        self._seen = current
        if finalize:
            self._progress.done = current
            self._progress.finish(self._means)
        else:
            self._progress.update(current, self._means)

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that `n` more steps are done; `values` as in `update`."""
        self.update(self._seen + n, values)

    def _add(self, name: str, value: Any, steps: int, finalize: bool) -> None:
        listed = self.stateless_metrics
        as_given = finalize or (name in self.stateful_metrics if listed is None else name not in listed)
        if as_given or name not in self._sums:
            self._sums[name] = (value, 1) if as_given else (value * steps, steps)
        else:
            total, count = self._sums[name]
            self._sums[name] = (total + value * steps, count + steps)

    def _means(self) -> dict[str, Any]:
        return {name: total if count == 1 else total / count for name, (total, count) in self._sums.items()}
