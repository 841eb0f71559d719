"""`History`: the metrics of every epoch."""

from typing import Any, ClassVar

from tahr.callbacks.callback import Callback, Logs

__all__ = ["History"]


class History(Callback):
    """Keeps the metrics of every epoch; `fit` returns it.

    Attributes:
        epoch: list of the epochs, counted from 0.
        history: dict of lists, a value an epoch.
        waiting: the share of time spent waiting for data in each epoch of the last `fit`, from 0 to 1.
        profile: where a step's time goes, from `fit(profile=True)`, else None.

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    >>> model.compile(keras.optimizers.SGD(0.0), "mse")
    >>> found = model.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=2, verbose=0)
    >>> found.epoch, found.history
    ([0, 1], {'loss': [1.0, 1.0]})
    """

    state_names: ClassVar[tuple[str, ...]] = ("epoch", "history")

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.waiting: list[float] = []
        self.profile: Any = None
        from tahr.compat.logs import Epochs

        self.history: dict[str, list[Any]] = Epochs()

    def on_train_begin(self, logs: Logs = None) -> None:
        """Begin a list of epochs."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Add the metrics of an epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
