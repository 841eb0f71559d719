"""`OrbaxCheckpoint`: checkpoints in the format of Orbax, JAX's library for them."""

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from tahr import tree
from tahr.callbacks.callback import Logs
from tahr.callbacks.model_checkpoint import PeriodicSaver

__all__ = ["OrbaxCheckpoint"]


class OrbaxCheckpoint(PeriodicSaver):
    """Saves the state of the model to a folder of Orbax checkpoints, one for each epoch or number of batches.

    A checkpoint is a tree of arrays, `model.get_state_tree()`; `model.set_state_tree` takes what Orbax restores. It
    needs the package orbax-checkpoint: `pip install 'tahr[orbax]'`.

    Args:
        directory: the folder; it is made.
        monitor: name of the metric that tells which model is the best.
        verbose: 1 to say what is saved.
        save_best_only: whether only models better than all before are saved.
        mode: "min" if less is better, "max" if more is, "auto" to tell by the metric.
        save_freq: "epoch", or a number of batches, which then go one by one.
        initial_value_threshold: value that the first saved model has to beat.
        max_to_keep: number of checkpoints kept; None keeps all.
        save_on_background: whether files are written in a thread while training goes on.
        save_weights_only: whether the state of optimizer and metrics is left out.

    Raises:
        ImportError: if Orbax is not installed.
        ValueError: for a wrong `save_freq`, and before training for a metric that does not exist.

    >>> import orbax.checkpoint, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> save = callbacks.OrbaxCheckpoint(folder.name, max_to_keep=2)
    >>> _ = model.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=3, verbose=0, callbacks=[save])
    >>> with orbax.checkpoint.CheckpointManager(folder.name) as manager:
    ...     steps = sorted(manager.all_steps())
    ...     state = manager.restore(steps[-1], args=orbax.checkpoint.args.StandardRestore())
    >>> model.set_state_tree(state)
    >>> steps
    [1, 2]
    >>> folder.cleanup()
    """

    def __init__(
        self,
        directory: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
        max_to_keep: int | None = 1,
        save_on_background: bool = True,
        save_weights_only: bool = False,
    ) -> None:
        super().__init__(monitor, verbose, save_best_only, mode, save_freq, initial_value_threshold)
        self.directory = Path(os.path.abspath(os.fspath(directory)))
        self.max_to_keep, self.save_on_background = max_to_keep, save_on_background
        self.save_weights_only = save_weights_only
        self._batches = 0
        self._manager: Any = None
        _orbax()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_manager": None}

    def is_multihost_enabled(self) -> bool:
        """Return whether several processes save together."""
        return _orbax().multihost.process_count() > 1

    def is_primary_host(self) -> bool:
        """Return whether this is the process that says what is saved."""
        return _orbax().multihost.process_index() == 0

    def place_of(self, epoch: int, batch: int | None, logs: Logs) -> Path:
        """Return the folder of the checkpoint, called by the epoch or by the number of batches so far."""
        if batch is not None:
            self._batches += self.save_freq if isinstance(self.save_freq, int) else 0
        return self.directory / str(epoch if batch is None else self._batches)

    def save_to(self, place: Path) -> None:
        """Give the state to Orbax; its arrays are copied first, as training goes on."""
        ocp = _orbax()
        if self._manager is None:
            options = ocp.CheckpointManagerOptions(
                max_to_keep=self.max_to_keep, enable_async_checkpointing=self.save_on_background, create=True
            )
            self._manager = ocp.CheckpointManager(self.directory, options=options)
        state = self.model.get_state_tree("numpy_array")
        wanted = ("trainable_variables", "non_trainable_variables") if self.save_weights_only else tuple(state)
        kept = tree.map_structure(np.array, {name: state[name] for name in wanted if state[name]})
        self._manager.save(int(place.name), args=ocp.args.StandardSave(kept), force=True)

    def wait_until_finished(self) -> None:
        """Wait until everything is on disk."""
        if self._manager is not None:
            self._manager.wait_until_finished()

    def on_train_end(self, logs: Logs = None) -> None:
        """Wait until everything is on disk."""
        if self._manager is not None:
            self._manager.wait_until_finished()
            self._manager.close()
            self._manager = None


def _orbax() -> Any:
    try:
        return importlib.import_module("orbax.checkpoint")
    except ImportError as error:
        raise ImportError(
            "OrbaxCheckpoint needs Orbax. Install it with: pip install 'tahr[orbax]', or use ModelCheckpoint."
        ) from error
