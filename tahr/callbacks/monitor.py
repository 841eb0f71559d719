"""What callbacks share that watch one metric for the better or the worse."""

import difflib
import math
import operator
import re
import warnings
from collections.abc import Callable
from typing import Any

from tahr import naming
from tahr.callbacks.callback import Callback, Logs

__all__ = ["MonitorCallback"]

# Parts of the names of metric classes, metric functions and logs.
LOWER_IS_BETTER = re.compile(
    r"(^|_)(loss|losses|error|mse|mae|mape|msle|rmse|bce|crossentropy|cross_entropy|kld|divergence|poisson|hinge"
    r"|log_?cosh|huber|perplexity)(_|$)"
)
HIGHER_IS_BETTER = re.compile(
    r"(^|_)(acc|accuracy|auc|precision|recall|sensitivity|specificity|iou|io_u|f1|fbeta|fmeasure|score|r2"
    r"|cosine_similarity|correlation|dice)(_|$)"
)


class MonitorCallback(Callback):
    """Watches one entry of the logs.

    Args:
        monitor: name of the entry.
        mode: "min" if less is better, "max" if more is, "auto" to tell by the metric.
        baseline: the value to begin with, or None.
        min_delta: least change that counts, without regard to its sign.

    Attributes:
        best: best value so far, or None.
        monitor_op: function of two numbers, whether the first is the better one; None before it is known.
    """

    needs_monitor = True  # whether anything depends on the value

    def __init__(self, monitor: str, mode: str, baseline: float | None = None, min_delta: float = 0) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"{type(self).__name__}: expected mode to be 'auto', 'min' or 'max'; received {mode!r}.")
        if not isinstance(monitor, str):
            raise TypeError(f"{type(self).__name__}: expected monitor to be the name of a log; received {monitor!r}.")
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        self.best = baseline
        self.monitor_op: Callable[[Any, Any], bool] | None = None
        self._warned = False

    # ---- which way ----------------------------------------------------------------------------------------------

    def _find_direction(self) -> None:
        """Find out which way is better.

        Raises:
            ValueError: if `mode` is "auto" and nothing tells.
        """
        if self.monitor_op is not None:
            return
        mode = self.mode if self.mode != "auto" else _direction(self.model, self.monitor)
        if mode is None:
            raise ValueError(
                f"{type(self).__name__}: whether more or less of {self.monitor!r} is better cannot be told from its "
                "name. Pass mode='max' or mode='min'."
            )
        self.monitor_op = operator.gt if mode == "max" else operator.lt

    def _is_improvement(self, value: float, reference: float | None) -> bool:
        """Return whether a value is better than a reference by more than `min_delta`; a number is better than NaN."""
        self._find_direction()
        better = self.monitor_op or operator.lt
        if reference is None or (math.isnan(reference) and not math.isnan(value)):
            return True
        return better(value - self.min_delta if better is operator.gt else value + self.min_delta, reference)

    # ---- the value ----------------------------------------------------------------------------------------------

    def check_logs(self, names: list[str]) -> None:
        """Refuse a monitor that no log has the name of, and a direction that nothing tells.

        Raises:
            ValueError: for these.
        """
        if not self.needs_monitor:
            return
        if self.monitor not in names:
            from tahr.compat.logs import today_of_log

            self.monitor = today_of_log(self.monitor, names)
        if self.monitor not in names:
            raise ValueError(unknown_log(f"{type(self).__name__}: monitor={self.monitor!r}", self.monitor, names))
        self._find_direction()
        self._warned = True  # the log will come, if not in every epoch

    def get_monitor_value(self, logs: Logs) -> Any:
        """Return the value of the monitored entry of the logs; None, after one warning, if there is none."""
        logs = logs or {}
        value = logs.get(self.monitor)
        if value is None:
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"{type(self).__name__} watches {self.monitor!r}, which is not available. Available metrics are: "
                    f"{', '.join(logs)}.",
                    stacklevel=3,
                )
            return None
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{type(self).__name__}: expected {self.monitor!r} to be a single number; received {value!r}."
            ) from error


def unknown_log(what: str, name: str, names: list[str]) -> str:
    """Return the message about a log that will not exist: what was expected, what comes close, the way out."""
    text = f"{what} is none of the logs of this training: {', '.join(names)}."
    if name.startswith("val_") and name[4:] in names and not any(n.startswith("val_") for n in names):
        return f"{text} Logs named val_... need validation: pass validation_data or validation_split to fit."
    close = difflib.get_close_matches(name, names, 1)
    return f"{text} Did you mean {close[0]!r}?" if close else text


def _direction(model: Any, monitor: str) -> str | None:
    """Return "min" or "max", told by the metric's class, its function, or the name of the log; None if by none."""
    name = monitor.removeprefix("val_")
    for words in [*_words_about(model, name), name]:
        if LOWER_IS_BETTER.search(words):
            return "min"
        if HIGHER_IS_BETTER.search(words):
            return "max"
    return None


def _words_about(model: Any, name: str) -> list[str]:
    """Return the names of the class and the function of the metric that is reported under `name`."""
    compiled = getattr(model, "_compiled", None)
    reported = {report.name: report.metric for report in getattr(compiled, "_reports", ())}
    metric = reported.get(name) or next((m for m in getattr(model, "metrics", ()) if m.name == name), None)
    if metric is None:
        return []
    function = getattr(metric, "fn", None)
    return [naming.snake_case(type(metric).__name__), getattr(function, "__name__", "")]
