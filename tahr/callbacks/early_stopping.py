"""`EarlyStopping`: no further once a metric has stopped getting better."""

from typing import Any, ClassVar

from tahr.callbacks.callback import Logs
from tahr.callbacks.monitor import MonitorCallback

__all__ = ["EarlyStopping"]


class EarlyStopping(MonitorCallback):
    """Ends training when a metric has not got better for some epochs.

    Args:
        monitor: name of the metric.
        min_delta: least change that counts as better.
        patience: number of epochs without a better value after which training ends.
        verbose: 1 to say when it ends, and which weights are restored.
        mode: "min" if less is better, "max" if more is, "auto" to tell by the metric.
        baseline: value that has to be reached; as long as it is not, epochs count as without a better value, but
            training goes on as long as the best value gets better.
        restore_best_weights: whether the model gets the weights of its best epoch when training ends.
        start_from_epoch: number of epochs before the first one that counts.

    Attributes:
        best, best_epoch: best value, and the epoch (counted from 0) it is from.
        best_weights: the weights of that epoch if they are to be restored.
        stopped_epoch: the epoch after which training was ended, or 0.
        wait: number of epochs since.

    Raises:
        ValueError: before training, for a metric that does not exist, or whose better direction cannot be told.

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.0), "mse")
    >>> stop = callbacks.EarlyStopping(monitor="loss", patience=2)
    >>> model.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=9, verbose=0, callbacks=[stop]).epoch
    [0, 1, 2]
    """

    state_names: ClassVar[tuple[str, ...]] = ("best", "best_epoch", "best_weights", "stopped_epoch", "wait")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self._forget()

    def _forget(self) -> None:
        self.best: float | None = None
        self.best_epoch = 0
        self.best_weights: list[Any] | None = None
        self.stopped_epoch = 0
        self.wait = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        """Forget what an earlier training left."""
        self._forget()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Compare the metric with the best so far."""
        value = self.get_monitor_value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self._is_improvement(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._is_improvement(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        """Restore the best weights."""
        if self.stopped_epoch > 0 and self.verbose:
            self.say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                self.say(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
