"""`BackupAndRestore`: training that was cut off goes on where it was."""

import contextlib
import json
import os
from typing import Any

from tahr.callbacks.callback import Callback, Logs
from tahr.callbacks.model_checkpoint import BatchCounter, checked_frequency, listens_if

__all__ = ["BackupAndRestore"]


class BackupAndRestore(Callback):
    """Saves weights, optimizer and epoch while training; the next `fit` with the same folder goes on from there.

    Files are replaced as a whole, and weights are used only with the note of the epoch that belongs to them, so that a
    stop at any moment does no harm.

    Args:
        backup_dir: folder of the files; it is made.
        save_freq: "epoch", or a number of batches, which then go one by one. Training goes on with the first batch of
            the epoch that was cut off.
        double_checkpoint: whether the files before the newest ones are kept, too, and used if those cannot be read.
        delete_checkpoint: whether the files are removed when training is complete.

    Raises:
        ValueError: for an empty `backup_dir` or a wrong `save_freq`, and if the files belong to another model.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> def train(stop_at=None):
    ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    ...     model.compile("adam", "mse")
    ...     stop = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: [][1] if epoch == stop_at else None)
    ...     backup = callbacks.BackupAndRestore(folder.name)
    ...     return model.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=4, verbose=0, callbacks=[backup, stop])
    >>> train(stop_at=2)
    Traceback (most recent call last):
    IndexError: list index out of range
    >>> train().epoch
    [2, 3]
    >>> folder.cleanup()
    """

    def __init__(
        self,
        backup_dir: Any,
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not backup_dir:
            raise ValueError(f"BackupAndRestore: expected backup_dir to be a folder; received {backup_dir!r}.")
        self.backup_dir, self.save_freq = os.fspath(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self.restored_epoch = 0
        self._counter = None if save_freq == "epoch" else BatchCounter(checked_frequency(self, save_freq))
        self._epoch = 0

    def listens_to_batches(self, kind: str) -> bool:
        """Return whether it saves after a number of batches."""
        return listens_if(self, kind, self._counter is not None, BackupAndRestore)

    # ---- hooks --------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs = None) -> None:
        """Restore what is in the folder, if anything is."""
        os.makedirs(self.backup_dir, exist_ok=True)
        self.restored_epoch = self._restore()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note which epoch it is."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Save if `save_freq` batches have gone by."""
        if self._counter is not None and self._counter.passed(batch):
            self._save(self._epoch, batch)
        super().on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Save if `save_freq` is "epoch"."""
        if self._counter is None:
            self._save(epoch + 1, 0)

    def on_train_end(self, logs: Logs = None) -> None:
        """Remove the files if `delete_checkpoint`."""
        if self.delete_checkpoint:
            for path in (*self._paths("latest"), *self._paths("previous")):
                with contextlib.suppress(FileNotFoundError):
                    os.remove(path)
            with contextlib.suppress(OSError):  # there may be files of others
                os.rmdir(self.backup_dir)

    # ---- files --------------------------------------------------------------------------------------------------

    def _paths(self, which: str) -> tuple[str, str]:
        """Return the names of the files with the weights and with the note about them."""
        note = "training_metadata.json" if which == "latest" else f"{which}_training_metadata.json"
        return os.path.join(self.backup_dir, f"{which}.weights.h5"), os.path.join(self.backup_dir, note)

    def _save(self, epoch: int, batch: int) -> None:
        """Write note and weights. The note comes first and holds the one before, so that each state has its own."""
        from pathlib import Path

        from tahr.saving.atomic import replacing

        weights, note = self._paths("latest")
        before = _read_notes(note)
        if self.double_checkpoint and os.path.exists(weights):
            for old, kept in zip((note, weights), self._paths("previous")[::-1], strict=True):
                os.replace(old, kept)
        new = {"epoch": epoch, "batch": batch, "iterations": self._iterations(), "before": before[:1]}
        with replacing(Path(note)) as file:
            file.write(json.dumps(new).encode())
        self.model.save_weights(weights, overwrite=True)

    def _iterations(self) -> int | None:
        """Return the optimizer's count of updates, by which weights and notes find one another."""
        optimizer = getattr(self.model, "optimizer", None)
        iterations = getattr(optimizer, "_iterations", getattr(optimizer, "iterations", None))
        return None if iterations is None else int(iterations)

    def _restore(self) -> int:
        """Load the newest weights that can be read, and return the epoch to go on with."""
        pairs = [self._paths("latest"), self._paths("previous")]
        notes = [note for _, path in pairs for note in _read_notes(path)]
        unreadable = ""
        for weights, _ in pairs:
            if not os.path.exists(weights):
                continue
            try:
                self.model.load_weights(weights)
            except (OSError, ValueError) as error:
                if unreadable or not os.path.exists(pairs[1][0]):
                    raise
                self.say(f"BackupAndRestore: {weights} cannot be used ({error}); going back to the one before it.")
                unreadable = weights
                continue
            if unreadable:
                os.remove(unreadable)  # or the next save would keep it in the place of the good one
            found = next((n for n in notes if n["iterations"] in (None, self._iterations())), None)
            if found is not None:
                return int(found["epoch"])
            raise ValueError(
                f"BackupAndRestore: {weights} holds weights after {self._iterations()} updates, but no note in "
                f"{self.backup_dir} says which epoch that was. Remove the folder to train from the start."
            )
        return 0


def _read_notes(path: str) -> list[dict[str, Any]]:
    """Return the note in a file, and the one it holds of the state before; nothing if there is no file."""
    try:
        with open(path, encoding="utf-8") as file:
            note = json.load(file)
    except FileNotFoundError:
        return []
    before = note.pop("before", [])
    note.setdefault("iterations", None)
    return [note, *before]
