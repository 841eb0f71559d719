"""`ProgbarLogger`: the progress bar of `fit`, `evaluate` and `predict`."""

from typing import Any

from tahr.callbacks.callback import Callback, Logs
from tahr.trainer.progress import Progress

__all__ = ["ProgbarLogger"]


class ProgbarLogger(Callback):
    """Shows how far an epoch, an evaluation or a prediction is, with its metrics.

    `fit` adds one unless `verbose=0`. The parameters `verbose`, `epochs` and `steps` of the run say what it shows.

    >>> bar = callbacks.ProgbarLogger()
    >>> bar.set_params({"verbose": 2, "epochs": 5, "steps": 10})
    >>> bar.on_epoch_begin(0)
    >>> bar.on_train_batch_end(9, {"loss": 0.5})
    >>> bar.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.75})  # doctest: +ELLIPSIS
    Epoch 1/5 - 10/10 - 0s - .../step - loss: 0.5000 - val_loss: 0.7500
    """

    def __init__(self) -> None:
        super().__init__()
        self.progbar: Progress | None = None
        self.target: int | None = None
        self.seen = 0
        self.verbose: Any = 1
        self.epochs = 1
        self.holds_lines = False
        self._lines: list[str] = []
        self._in_fit = False

    def set_params(self, params: Any) -> None:
        """Take what is shown and how often."""
        super().set_params(params)
        self.verbose = params.get("verbose", 1)
        self.epochs = params.get("epochs", 1)
        self.target = params.get("steps")

    def listens_to_batches(self, kind: str) -> bool:
        """Return False: batches that go together are shown together, by `on_progress`."""
        return False

    def due(self) -> bool:
        """Return whether the next `on_progress` will redraw the bar."""
        return self.progbar is not None and self.progbar.due()

    def on_progress(self, step: int, logs: Logs = None) -> None:
        """Show that `step` batches are done; `logs` None leaves the numbers as they were."""
        self.seen = step
        if self.progbar is not None:
            self.progbar.update(step, logs)

    def print_line(self, text: str) -> None:
        """Print a line where it does not break the bar: at the end of an epoch, after it."""
        if self.holds_lines and self.progbar is not None:
            self._lines.append(text)
            return
        if self.progbar is not None:
            self.progbar.close()
        print(text)

    def _begin(self, label: str) -> None:
        self.seen = 0
        self.progbar = Progress(self.target, label=label, verbose=self.verbose)

    def _finish(self, logs: Logs) -> None:
        bar, self.progbar, self.holds_lines = self.progbar, None, False
        if bar is not None:
            bar.done = self.seen
            bar.total = self.target = self.target or self.seen or None
            bar.finish(logs)
        lines, self._lines = self._lines, []
        for line in lines:
            print(line)

    # ---- hooks --------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs = None) -> None:
        """Note that evaluation belongs to `fit` from now on, and gets no bar of its own."""
        self._in_fit = True

    def on_train_end(self, logs: Logs = None) -> None:
        """Note that `fit` is over."""
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Begin a bar."""
        self._begin(f"Epoch {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Move the bar."""
        self.on_progress(batch + 1, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Finish the bar with the metrics of the epoch."""
        self._finish(logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        """Begin a bar, outside of `fit`."""
        if not self._in_fit:
            self._begin("Evaluation")

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Move the bar, outside of `fit`."""
        if not self._in_fit:
            self.on_progress(batch + 1, logs)

    def on_test_end(self, logs: Logs = None) -> None:
        """Finish the bar, outside of `fit`."""
        if not self._in_fit:
            self._finish(logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Begin a bar."""
        self._begin("Predict")

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Move the bar; outputs are not shown."""
        self.on_progress(batch + 1)

    def on_predict_end(self, logs: Logs = None) -> None:
        """Finish the bar."""
        self._finish(None)
