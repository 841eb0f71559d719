"""`CSVLogger`: a line of metrics an epoch, in a file."""

import csv
import os
import warnings
from typing import Any, ClassVar

from tahr.callbacks.callback import Callback, Logs

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes the metrics of every epoch to a CSV file, at once.

    The columns are `epoch` (counted from 0) and the metrics in alphabetical order; what an epoch lacks is `NA`. When a
    training is resumed, lines of epochs that come again are taken away.

    Args:
        filename: name of the file.
        separator: character between columns.
        append: whether lines are added to an existing file, whose header then says which columns there are.

    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> log = callbacks.CSVLogger(os.path.join(folder.name, "log.csv"))
    >>> log.on_train_begin()
    >>> log.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.75})
    >>> log.on_train_end()
    >>> print(open(log.filename).read())
    epoch,loss,val_loss
    0,0.5,0.75
    >>> folder.cleanup()
    """

    state_names: ClassVar[tuple[str, ...]] = ("keys", "size")

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self.keys: list[str] | None = None
        self.size = 0
        self._begun = False
        self._file: Any = None
        self._warned = False

    def on_train_begin(self, logs: Logs = None) -> None:
        """Open the file; what it holds goes with the first line, unless a training goes on that wrote it."""
        self.keys = self._columns_of_file() if self.append else None
        self._file = open(self.filename, "a", newline="", encoding="utf-8")  # noqa: SIM115
        self.size = os.path.getsize(self.filename) if self.append else 0
        self._begun = False

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write a line, after those that the state knows of."""
        logs = logs or {}
        if not self._begun:
            self._take_off_the_rest()
        writer = csv.writer(self._file, delimiter=self.sep)
        if self.keys is None:
            self.keys = _columns(logs)
            writer.writerow(["epoch", *self.keys])
        left_out = [name for name in logs if name not in self.keys]
        if left_out and not self._warned:
            self._warned = True
            warnings.warn(
                f"CSVLogger: {self.filename} has no column for {', '.join(left_out)}, so that its values are left out. "
                f"The columns are epoch, {', '.join(self.keys)}.",
                stacklevel=2,
            )
        writer.writerow([epoch, *(_cell(logs[key]) if key in logs else "NA" for key in self.keys)])
        self._file.flush()
        self.size = os.path.getsize(self.filename)

    def on_train_end(self, logs: Logs = None) -> None:
        """Close the file."""
        self.leave()

    def leave(self) -> None:
        """Close the file, also after an exception."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_file": None}

    def _take_off_the_rest(self) -> None:
        """Before the first line, shorten the file to what belongs to this training."""
        self._begun = True
        if os.path.getsize(self.filename) > self.size:
            self._file.truncate(self.size)
        elif self.size and not os.path.getsize(self.filename):  # it is gone, and its header with it
            self.keys = None

    def _columns_of_file(self) -> list[str] | None:
        """Return the columns of an existing file but for the first; None if there is none, or it is empty."""
        if not os.path.exists(self.filename):
            return None
        with open(self.filename, newline="", encoding="utf-8") as file:
            header = next(csv.reader(file, delimiter=self.sep), None)
        return header[1:] if header else None


def _columns(logs: dict[str, Any]) -> list[str]:
    """Return the names of the columns: validation may come in a later epoch, so there is always room for it."""
    names = sorted(logs)
    if not any(name.startswith("val_") for name in names):
        names += [f"val_{name}" for name in names if name != "learning_rate"]
    return names


def _cell(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
