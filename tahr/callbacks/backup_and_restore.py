"""`BackupAndRestore`: training that was cut off goes on where it was, as if nothing had happened."""

import os
import re
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tahr.callbacks.callback import Callback, Logs
from tahr.callbacks.model_checkpoint import listens_if

__all__ = ["BackupAndRestore"]


class BackupAndRestore(Callback):
    """Saves everything that training needs; the next `fit` with the same folder goes on from there.

    The weights, the optimizer, the metrics, the state of all callbacks, the history, the place in the data and all
    random generators are restored, so that on a CPU the end is the same to the last bit as that of a training nobody
    cut off. The data have to be the same. A generator is gone through again up to its place.

    There is a file for each state, `step-00000024.ckpt`. A new one is complete before an older one goes, so that a stop
    at any moment does no harm. SIGTERM during `fit` saves after the step at work and ends the process with code 0, if
    `fit` runs in the main thread; a handler of your own is called after saving, instead.

    Args:
        backup_dir: folder of the files; it is made.
        save_freq: "epoch"; or a number of batches, or a time such as "30s", "10min" or "2h", after which it saves
            within an epoch, too.
        double_checkpoint: whether the file before the newest one is kept, too, and used if the newest cannot be read.
        delete_checkpoint: whether the files are removed when training is complete.
        asynchronous: whether files are written in a thread while training goes on, one at a time; it takes the memory
            of a second copy.

    Attributes:
        restored_epoch, restored_step: the epoch, counted from 0, that training went on with, and the number of its
            batches that were done.

    Raises:
        ValueError: for an empty `backup_dir` or a wrong `save_freq`, and if the files belong to another training.
        OSError: if no file can be read.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> def train(stop_at=None):
    ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    ...     model.compile("adam", "mse")
    ...     stop = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: [][1] if epoch == stop_at else None)
    ...     backup = callbacks.BackupAndRestore(folder.name)
    ...     model.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=4, verbose=0, callbacks=[backup, stop])
    ...     return backup.restored_epoch, model.history.epoch
    >>> train(stop_at=2)
    Traceback (most recent call last):
    IndexError: list index out of range
    >>> train()
    (2, [0, 1, 2, 3])
    >>> folder.cleanup()
    """

    runs_last = True  # what it saves holds what the others made of an epoch

    def __init__(
        self,
        backup_dir: Any,
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
        *,
        asynchronous: bool = False,
    ) -> None:
        super().__init__()
        if not backup_dir:
            raise ValueError(f"BackupAndRestore: expected backup_dir to be a folder; received {backup_dir!r}.")
        self.backup_dir, self.save_freq = os.fspath(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self.asynchronous = asynchronous
        self.restored_epoch = self.restored_step = 0
        self._batches, self._seconds = _frequency(save_freq)
        self._forget()

    def _forget(self) -> None:
        self._training: Any = None
        self._pending: tuple[Any, Path] | None = None
        self._handler: Any = None
        self._asked_to_stop = False
        self._saved = 0.0
        self._pool: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        nothing = {"_training": None, "_pending": None, "_handler": None, "_pool": None, "_writing": None}
        return {**super().__getstate__(), **nothing}

    # ---- what the trainer asks ----------------------------------------------------------------------------------

    def listens_to_batches(self, kind: str) -> bool:
        """Return whether a subclass looks at batches; to save after some, `pause` is enough."""
        return listens_if(self, kind, False, BackupAndRestore)

    def follow(self, training: Any) -> None:
        """Take what is to be saved."""
        self._training = training

    def batches_to_pause(self) -> int | None:
        """Return the number of batches up to the next one to save after."""
        return None if self._batches is None else self._batches - self._training.steps % self._batches

    def pause(self) -> None:
        """Save if it is time, or if the process was asked to end."""
        training = self._training
        if self._asked_to_stop:
            self._save()
            self._stop()
        elif not training.evaluating and self._is_time():
            self._save()

    def _is_time(self) -> bool:
        if self._batches is not None:
            return self._training.steps % self._batches == 0
        return self._seconds is not None and time.monotonic() - self._saved >= self._seconds

    def leave(self) -> None:
        """Wait for what is being written, and give SIGTERM back."""
        try:
            self._wait()
        finally:
            if self._pool is not None:
                self._pool.shutdown()
            self._give_signal_back()
            self._forget()

    # ---- hooks --------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs = None) -> None:
        """Restore what is in the folder, if anything is."""
        from tahr.trainer.resume import Training

        os.makedirs(self.backup_dir, exist_ok=True)
        if self._training is None:  # a loop of the user's own
            self._training = Training(self.model, [])
        self._saved = time.monotonic()
        self._take_signal()
        self._pending = self._newest()
        self.restored_epoch = self.restored_step = 0
        if self._pending is not None:
            position = self._pending[0]["position"]
            self.restored_epoch, self.restored_step = position["epoch"], position["step"]
            if not position["step"] or self.restored_epoch >= (self.params or {}).get("epochs", 1 << 62):
                self._restore()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Restore what was saved in the middle of this epoch."""
        if self._training.own_loop:
            self._training.begin_epoch(epoch)
        if self._pending is not None:
            self._restore()
            if epoch != self.restored_epoch:
                self._training.begin_epoch(epoch)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Save if it is time, in a loop of the user's own; `fit` calls `pause`."""
        if self._training.own_loop:
            self._training.advance(batch + 1)
            self.pause()
        super().on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Save."""
        if self._training.own_loop:
            self._training.end_epoch(logs)
        self._save()
        if self._asked_to_stop:
            self._stop()

    def on_train_end(self, logs: Logs = None) -> None:
        """Remove the files if `delete_checkpoint`."""
        self._wait()
        if self.delete_checkpoint:
            for path in self._files():
                path.unlink(missing_ok=True)
            if not os.listdir(self.backup_dir):
                os.rmdir(self.backup_dir)
        if self._training.own_loop:
            self.leave()

    # ---- files --------------------------------------------------------------------------------------------------

    def _files(self) -> list[Path]:
        """Return the files of the folder, the newest first."""
        found = [p for p in Path(self.backup_dir).iterdir() if re.fullmatch(r"step-\d+\.ckpt", p.name)]
        return sorted(found, key=lambda path: int(path.stem[5:]), reverse=True)

    def _save(self) -> None:
        state = self._training.state_dict(copy=self.asynchronous)
        self._wait()
        if not self.asynchronous:
            self._write(state)
        else:
            self._pool = self._pool or ThreadPoolExecutor(1, "checkpoint")
            self._writing = self._pool.submit(self._write, state)
        self._saved = time.monotonic()

    def _write(self, state: dict[str, Any]) -> None:
        """Write a file, then remove those that are too old."""
        from tahr.saving.checkpoint import write_checkpoint

        path = Path(self.backup_dir, f"step-{state['position']['steps']:08d}.ckpt")
        write_checkpoint(path, state)
        for old in self._files()[2 if self.double_checkpoint else 1 :]:
            old.unlink(missing_ok=True)

    def _wait(self) -> None:
        """Wait until nothing is being written, and raise what went wrong with it."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _newest(self) -> tuple[Any, Path] | None:
        """Return the newest state that can be read, and its file; None if there are no files."""
        from tahr.saving.checkpoint import read_checkpoint
        from tahr.saving.errors import UnreadableFileError, UnsafeFileError

        files = self._files()
        for i, path in enumerate(files):
            try:
                return read_checkpoint(path), path
            except (UnreadableFileError, UnsafeFileError) as error:
                if i == len(files) - 1:
                    error.add_note(f"No file in {self.backup_dir} can be read. Remove it to train from the start.")
                    raise
                self.say(f"BackupAndRestore: {path} cannot be used ({error}); going back to the one before it.")
                path.unlink()  # or it would still be the newest after the next save
        return None

    def _restore(self) -> None:
        if self._pending is None:
            return
        (state, path), self._pending = self._pending, None
        for remark in self._training.load_state_dict(state, str(path)):
            self.say(f"BackupAndRestore: {path}: {remark}.")
        if (self.params or {}).get("verbose"):
            position = state["position"]
            self.say(f"Going on from {path}: epoch {position['epoch'] + 1}, after {position['step']} steps.")

    # ---- SIGTERM ------------------------------------------------------------------------------------------------

    def _take_signal(self) -> None:
        if threading.current_thread() is not threading.main_thread() or self._training.own_loop:
            return
        handler = signal.getsignal(signal.SIGTERM)
        if handler is not None and handler is not signal.SIG_IGN:  # None: not a handler of Python's
            self._handler = handler
            signal.signal(signal.SIGTERM, self._ask_to_stop)

    def _ask_to_stop(self, number: int, frame: Any) -> None:
        self._asked_to_stop = True

    def _give_signal_back(self) -> None:
        if self._handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handler)
            self._handler = None

    def _stop(self) -> None:
        """End the process as SIGTERM asks, or let the user's own handler do what it does."""
        self._wait()
        self._asked_to_stop = False
        self.say(f"SIGTERM: training is saved in {self.backup_dir}; the same call goes on from there.")
        handler = self._handler
        if callable(handler):
            handler(signal.SIGTERM, None)
        else:
            raise SystemExit(0)


def _frequency(save_freq: Any) -> tuple[int | None, float | None]:
    """Return the number of batches or of seconds between two files within an epoch."""
    if isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq >= 1:
        return save_freq, None
    if save_freq == "epoch":
        return None, None
    from tahr.trainer.span import seconds_of

    found = seconds_of(save_freq)
    if found is None:
        raise ValueError(
            "BackupAndRestore: expected save_freq to be 'epoch', a number of batches, or a time such as '30s', '10min' "
            f"or '2h'; received {save_freq!r}."
        )
    return None, found
