"""How far a long piece of work is: a bar in a terminal, now and then a plain line anywhere else.

It imports nothing else of tahr, writes at most ten times a second, and costs a clock reading between two writings.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

__all__ = ["Progress"]

REDRAW_SECONDS = 0.1
LINE_SECONDS = 30.0
LATER = 6.0  # of plain lines, each comes after so many times the time of the one before
FILLED, HALF, EMPTY = "━", "╸", "━"
GREEN, GREY, PLAIN = "\x1b[32m", "\x1b[90m", "\x1b[0m"

Metrics = Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None


class Progress:
    """Show how much of `total` is done, how fast it goes, when it will end, and some numbers.

    In a terminal or a notebook it is one line redrawn in place. Elsewhere (a file, a pipe) it is whole lines without
    any control character: one at the end, and before it a few, after 30 seconds, 3 minutes, 18 minutes... Times leave
    out the first update, which in training is mostly compilation.

    Args:
        total: how many units there are, or None if nobody knows.
        label: text in front, such as `"Epoch 1/5"`.
        verbose: 0 for nothing, 1 for the above, 2 for one plain line at the end, `"auto"` for 1.
        unit: name of a unit; `"B"` shows bytes as kB, MB and so on.
        width: length of the bar in characters.
        stream: where to write; standard output, as it is at that moment, by default.
        interval: least time between two redraws, in seconds.

    >>> bar = Progress(2, label="Epoch 1/1", verbose=2)
    >>> bar.update(1)
    >>> bar.finish({"loss": 0.25})  # doctest: +ELLIPSIS
    Epoch 1/1 - 1/2 - 0s - .../step - loss: 0.2500
    """

    def __init__(
        self,
        total: int | None,
        label: str = "",
        verbose: int | str = "auto",
        unit: str = "step",
        width: int = 20,
        stream: TextIO | None = None,
        interval: float = REDRAW_SECONDS,
    ):
        if verbose not in (0, 1, 2, "auto", True, False):
            raise ValueError(f"verbose must be 0, 1, 2 or 'auto'; received {verbose!r}.")
        self.total = total
        self.label = label
        self.verbose = 1 if verbose == "auto" else int(verbose)
        self.unit = unit
        self.width = width
        self.done = 0
        self.metrics: Metrics = None
        self._stream = stream
        self._drawn = 0  # length of the line on the screen, 0 if the cursor stands at the start of a line
        self._start = self._clock = time.perf_counter()
        self._warm: tuple[float, int] | None = None
        self._moving = self.verbose == 1 and _is_interactive(self.stream)
        self._interval = {0: float("inf"), 1: interval if self._moving else LINE_SECONDS, 2: float("inf")}[self.verbose]
        self._next = self._start + self._interval  # what is over sooner is drawn once, at its end

    @property
    def stream(self) -> TextIO:
        """Where it writes."""
        return self._stream or sys.stdout

    def due(self) -> bool:
        """Return whether the next `update` will write, so that numbers have to be read only then."""
        return time.perf_counter() >= self._next

    def update(self, done: int, metrics: Metrics = None) -> None:
        """Note that `done` units are done in all; `metrics` may be a function, called only if something is written."""
        self.done = done
        if metrics is not None:
            self.metrics = metrics
        now = time.perf_counter()
        if self._warm is None:
            self._warm = (now, done)
        if now < self._next:
            return
        if not self._moving:
            self._interval *= LATER
        self._next = (now if self._moving else self._start) + self._interval
        self._clock = now
        if self._moving:
            self._redraw(self._bar_line(final=False))
        else:
            self._print(self._plain_line(final=False))

    def finish(self, metrics: Metrics = None) -> None:
        """Write the last form of the line, with the time that everything took."""
        if metrics is not None:
            self.metrics = metrics
        self._clock = time.perf_counter()
        if self.verbose == 0:
            return
        if self._moving:
            self._redraw(self._bar_line(final=True))
            self.close()
        else:
            self._print(self._plain_line(final=True))
        self._next = float("inf")

    def close(self) -> None:
        """Leave the line as it is and go to the next, so that other output starts on a line of its own."""
        if self._drawn:
            self._print("")
            self._drawn = 0

    # ---- text ---------------------------------------------------------------------------------------------------

    def _bar_line(self, final: bool) -> tuple[str, str]:
        """Return the line without colours, cut to the terminal, and the same with colours."""
        columns = shutil.get_terminal_size((100, 24)).columns - 1
        head = f"{self.label} " if self.label else ""
        head += f"{self._percent(final)}{self._count()} "
        filled, rest = self._bar()
        tail = f" {self._times(final)}"
        for name, value in self._numbers():
            more = f" - {name}: {value}"
            if len(head) + len(filled) + len(rest) + len(tail) + len(more) > columns:
                break
            tail += more
        if len(head) + len(filled) + len(rest) + len(tail) > columns:
            filled = rest = ""
        plain = (head + filled + rest + tail)[:columns]
        if _has_colours(self.stream) and filled + rest:
            return plain, f"{head}{GREEN}{filled}{GREY}{rest}{PLAIN}{tail}"
        return plain, plain

    def _plain_line(self, final: bool) -> str:
        parts = [self.label] if self.label else []
        parts += [self._count(), self._times(final, " - ")]
        return " - ".join(parts + [f"{name}: {value}" for name, value in self._numbers()])

    def _bar(self) -> tuple[str, str]:
        if not self.total:
            return "", ""
        full, half, empty = _shapes(self.stream)
        halves = int(2 * self.width * min(self.done / self.total, 1.0))
        filled = full * (halves // 2) + half * (halves % 2)
        return filled, empty * (self.width - len(filled))

    def _percent(self, final: bool) -> str:
        if final or not self.total:
            return ""
        return f"{int(100 * min(self.done / self.total, 1.0)):3d}% "

    def _count(self) -> str:
        if self.unit == "B":
            return f"{size(self.done)}/{size(self.total)}" if self.total else size(self.done)
        if self.total is None:
            return f"{self.done} {self.unit}{'s' * (self.done != 1)}"
        return f"{self.done:>{len(str(self.total))}}/{self.total}"

    def _times(self, final: bool, between: str = " ") -> str:
        """Return the time gone, the time a unit takes, and until the end the time left."""
        gone = self._clock - self._start
        each = self._seconds_each()
        parts = [clock_time(gone)]
        if each is not None:
            parts.append(f"{size(int(1 / max(each, 1e-12)))}/s" if self.unit == "B" else f"{short(each)}/{self.unit}")
            if not final and self.total and self.done < self.total:
                parts.append(f"ETA {clock_time(each * (self.total - self.done))}")
        return between.join(parts)

    def _seconds_each(self) -> float | None:
        if self._warm is not None and self.done > self._warm[1]:
            return (self._clock - self._warm[0]) / (self.done - self._warm[1])
        return (self._clock - self._start) / self.done if self.done else None

    def _numbers(self) -> Iterable[tuple[str, str]]:
        found = self.metrics() if callable(self.metrics) else self.metrics
        return [(name, number(value)) for name, value in (found or {}).items()]

    # ---- writing ------------------------------------------------------------------------------------------------

    def _redraw(self, line: tuple[str, str]) -> None:
        plain, coloured = line
        stream = self.stream
        stream.write("\r" + coloured + " " * (self._drawn - len(plain)))
        stream.flush()
        self._drawn = max(len(plain), 1)

    def _print(self, line: str) -> None:
        stream = self.stream
        stream.write(line + "\n")
        stream.flush()


def number(value: Any) -> str:
    """Return a metric (of several numbers their mean) with four decimals, or a power of ten where these would be 0.

    >>> number(0.12345678), number(0.00001234)
    ('0.1235', '1.2340e-05')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and value:
        return number(sum(value) / len(value))
    try:
        found: Any = value
        value = float(found.mean() if getattr(found, "ndim", 0) else found)
    except (TypeError, ValueError):
        return str(value)
    return f"{value:.4f}" if abs(value) > 1e-3 else f"{value:.4e}"


def clock_time(seconds: float) -> str:
    """Return seconds as people say them: 7s, 1:30, 2:05:00.

    >>> clock_time(7.4), clock_time(90), clock_time(7500)
    ('7s', '1:30', '2:05:00')
    """
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def short(seconds: float) -> str:
    """Return a short time with three digits in its best unit.

    >>> short(1.5), short(0.00165), short(0.0000021)
    ('1.50s', '1.65ms', '2.10us')
    """
    if seconds >= 60:
        return clock_time(seconds)
    factor, unit = next(((f, u) for f, u in ((1, "s"), (1e3, "ms")) if seconds * f >= 1), (1e6, "us"))
    value = seconds * factor
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}{unit}"


def size(count: int) -> str:
    """Return a number of bytes in its best unit.

    >>> size(512), size(1_500), size(11_490_434)
    ('512 B', '1.5 kB', '11.5 MB')
    """
    value, units = float(count), ("B", "kB", "MB", "GB", "TB")
    place = 0
    while value >= 1000 and place < len(units) - 1:
        value, place = value / 1000, place + 1
    return f"{value:.1f} {units[place]}" if place else f"{count} B"


def _is_interactive(stream: TextIO) -> bool:
    """Return whether a line can be redrawn in place: a terminal that knows how, or a notebook."""
    if type(stream).__module__.startswith("ipykernel"):
        return True
    return bool(getattr(stream, "isatty", lambda: False)()) and os.environ.get("TERM") != "dumb"


def _has_colours(stream: TextIO) -> bool:
    return "NO_COLOR" not in os.environ and bool(getattr(stream, "isatty", lambda: False)())


def _shapes(stream: TextIO) -> tuple[str, str, str]:
    """Return the characters of a bar that the stream can show."""
    try:
        (FILLED + HALF).encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "=", "-", "."
    return FILLED, HALF, EMPTY if _has_colours(stream) else " "
