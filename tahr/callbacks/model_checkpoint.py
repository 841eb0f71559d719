"""`ModelCheckpoint`: files of the model while it trains."""

import os
import re
import string
from typing import Any, ClassVar

from tahr.callbacks.callback import BATCH_HOOKS, Callback, Logs, overrides
from tahr.callbacks.monitor import MonitorCallback, unknown_log

__all__ = ["ModelCheckpoint", "PeriodicSaver"]


class BatchCounter:
    """Counts the batches of training over the ends of epochs, and says when `every` have gone by."""

    def __init__(self, every: int):
        self.every = every
        self.count = 0
        self.last: int | None = None

    def passed(self, batch: int) -> bool:
        """Note that `batch`, its number in the epoch, is done; return whether it is time."""
        new_epoch = self.last is None or batch <= self.last
        self.count += batch + 1 if new_epoch else batch - (self.last or 0)
        self.last = batch
        if self.count < self.every:
            return False
        self.count = 0
        return True


class PeriodicSaver(MonitorCallback):
    """Saves after epochs or after a number of batches: always, or when a metric is the best so far.

    Args:
        monitor: name of the metric that tells which model is the best.
        verbose: 1 to say what is saved.
        save_best_only: whether only models better than all before are saved.
        mode: "min" if less is better, "max" if more is, "auto" to tell by the metric.
        save_freq: "epoch", or a number of batches, which then go one by one.
        initial_value_threshold: value that the first saved model has to beat.
    """

    state_names: ClassVar[tuple[str, ...]] = ("batches_counted", "best")

    def __init__(
        self,
        monitor: str,
        verbose: int,
        save_best_only: bool,
        mode: str,
        save_freq: str | int,
        initial_value_threshold: float | None,
    ) -> None:
        super().__init__(monitor, mode, baseline=initial_value_threshold)
        self.verbose, self.save_best_only, self.save_freq = verbose, save_best_only, save_freq
        self.needs_monitor = save_best_only
        self._counter = None if save_freq == "epoch" else BatchCounter(checked_frequency(self, save_freq))
        self._epoch = 0

    def place_of(self, epoch: int, batch: int | None, logs: Logs) -> Any:
        """Return where the model after a batch, or after an epoch, is to be saved."""
        raise NotImplementedError

    def save_to(self, place: Any) -> None:
        """Save the model there."""
        raise NotImplementedError

    @property
    def batches_counted(self) -> list[Any] | None:
        """With a number as `save_freq`: batches since the last file, and the last one's number in its epoch."""
        return None if self._counter is None else [self._counter.count, self._counter.last]

    @batches_counted.setter
    def batches_counted(self, value: list[Any] | None) -> None:
        if self._counter is not None and value is not None:
            self._counter.count, self._counter.last = value

    def listens_to_batches(self, kind: str) -> bool:
        """Return whether it saves after a number of batches."""
        return listens_if(self, kind, self._counter is not None, PeriodicSaver)

    def check_logs(self, names: list[str]) -> None:
        """Refuse a monitor that no log has.

        Raises:
            ValueError: for it.
        """
        super().check_logs(self._known(names))

    def _known(self, names: list[str]) -> list[str]:
        """Return the names of the logs that there are when it saves."""
        if self._counter is None:
            return names
        return [name for name in names if not name.startswith("val_") and name != "learning_rate"]

    # ---- hooks --------------------------------------------------------------------------------------------------

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note which epoch it is."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Save if `save_freq` batches have gone by."""
        if self._counter is not None and self._counter.passed(batch):
            self._consider(self._epoch, batch, logs)
        super().on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Save if `save_freq` is "epoch"."""
        if self._counter is None:
            self._consider(epoch, None, logs)

    def _consider(self, epoch: int, batch: int | None, logs: Logs) -> None:
        """Save unless only the best is to be saved and this is not it."""
        value = None
        why = ""
        if self.save_best_only:
            value = self.get_monitor_value(logs)
            if value is None:
                return
            if not self._is_improvement(value, self.best):
                if self.verbose:
                    self.say(f"Epoch {epoch + 1}: {self.monitor} did not improve from {_five(self.best)}")
                return
            why = f"{self.monitor} improved from {_five(self.best)} to {_five(value)}, "
        place = self.place_of(epoch, batch, logs)
        if self.verbose:
            self.say(f"Epoch {epoch + 1}: {why}saving model to {place}")
        self.save_to(place)
        if self.save_best_only:
            self.best = value


class ModelCheckpoint(PeriodicSaver):
    """Saves the model after epochs or after a number of batches: always, or when a metric is the best so far.

    A file is written under another name and then renamed, so that a stop at any moment leaves the old or the new one.

    Args:
        filepath: name of the file, ending in `.keras` (or `.h5`), or in `.weights.h5` with `save_weights_only`. It may
            hold `{epoch}` (counted from 1), with a whole number as `save_freq` also `{batch}`, and names of logs, with
            formats such as `{epoch:02d}` and `{val_loss:.2f}`. Its folder is made.
        monitor: name of the metric that tells which model is the best.
        verbose: 1 to say what is saved.
        save_best_only: whether only models better than all before are saved.
        save_weights_only: whether the weights are saved instead of the model.
        mode: "min" if less is better, "max" if more is, "auto" to tell by the metric.
        save_freq: "epoch", or a number of batches, which then go one by one.
        initial_value_threshold: value that the first saved model has to beat.

    Attributes:
        best: value of the best saved model, or None.

    Raises:
        ValueError: for a wrong ending or `save_freq`; before training, for a metric that does not exist, or whose
            better direction cannot be told.

    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> save = callbacks.ModelCheckpoint(folder.name + "/{epoch:02d}.weights.h5", save_weights_only=True)
    >>> _ = model.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=2, verbose=0, callbacks=[save])
    >>> sorted(os.listdir(folder.name))
    ['01.weights.h5', '02.weights.h5']
    >>> folder.cleanup()
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, verbose, save_best_only, mode, save_freq, initial_value_threshold)
        self.filepath, self.save_weights_only = os.fspath(filepath), save_weights_only
        endings = (".weights.h5",) if save_weights_only else (".keras", ".h5")
        if not self.filepath.endswith((*endings, ".h5", ".hdf5")):  # which saving itself says what is to be said of
            raise ValueError(
                f"{type(self).__name__}: expected a filepath that ends in {' or '.join(endings)} with "
                f"save_weights_only={save_weights_only}; received {self.filepath!r}."
            )

    def check_logs(self, names: list[str]) -> None:
        """Refuse a monitor, and names within `filepath`, that no log has.

        Raises:
            ValueError: for these.
        """
        super().check_logs(names)
        names = self._known(names)
        extra = ["epoch"] if self._counter is None else ["epoch", "batch"]
        for field in _fields(self.filepath):
            if field not in [*names, *extra]:
                what = f"{type(self).__name__}: {{{field}}} in filepath={self.filepath!r}"
                raise ValueError(unknown_log(what, field, [*names, *extra]))

    def save_to(self, place: str) -> None:
        """Write the file."""
        os.makedirs(os.path.dirname(place) or ".", exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(place, overwrite=True)
        else:
            self.model.save(place, overwrite=True)

    def place_of(self, epoch: int, batch: int | None, logs: Logs) -> str:
        """Return the path of the file."""
        values = {**(logs or {}), "epoch": epoch + 1}
        if batch is not None:
            values["batch"] = batch + 1
        try:
            return self.filepath.format(**values)
        except KeyError as error:
            raise KeyError(
                f"{type(self).__name__}: filepath={self.filepath!r} names {error}; there is only {', '.join(values)}."
            ) from error


def checked_frequency(owner: Callback, save_freq: Any) -> int:
    """Return a number of batches; refuse anything else."""
    if isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1:
        raise ValueError(
            f"{type(owner).__name__}: expected save_freq to be 'epoch' or a number of batches; received {save_freq!r}."
        )
    return save_freq


def listens_if(callback: Callback, kind: str, needed: bool, base: type) -> bool:
    """Return whether a callback whose own hook for batches is not always `needed` listens, or a subclass of it does."""
    return (kind == "train" and needed) or overrides(callback, BATCH_HOOKS[kind], base)


def _fields(filepath: str) -> list[str]:
    """Return the names in braces."""
    return [re.split(r"[.\[]", field)[0] for _, field, _, _ in string.Formatter().parse(filepath) if field]


def _five(value: float | None) -> str:
    return "None" if value is None else f"{value:.5f}"
