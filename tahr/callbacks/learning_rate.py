"""Callbacks that set the learning rate: by the epoch, or by how a metric gets on."""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from tahr.callbacks.callback import Callback, Logs
from tahr.callbacks.monitor import MonitorCallback

__all__ = ["LearningRateScheduler", "ReduceLROnPlateau"]


class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of every epoch; the history gets it as `learning_rate`.

    Args:
        schedule: function of the epoch (counted from 0), or of the epoch and the learning rate so far, that returns
            the new learning rate.
        verbose: 1 to say so.

    Raises:
        TypeError: if `schedule` is no function, or the optimizer follows a `LearningRateSchedule`.
        ValueError: if the function returns no number.

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(1.0), "mse")
    >>> halve = callbacks.LearningRateScheduler(lambda epoch, lr: lr / 2)
    >>> model.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=2, verbose=0, callbacks=[halve]).history["learning_rate"]
    [0.5, 0.25]
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise TypeError(
                f"LearningRateScheduler: expected a function of the epoch; received {schedule!r}. A fixed learning "
                "rate is the optimizer's: keras.optimizers.SGD(learning_rate=...)."
            )
        self.schedule, self.verbose = schedule, verbose
        self._takes_rate = _takes_two(schedule)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Set the learning rate."""
        optimizer = self.model.optimizer
        rate = self.schedule(epoch, _rate_of(optimizer)) if self._takes_rate else self.schedule(epoch)
        value = _number(rate)
        if value is None:
            raise ValueError(
                f"LearningRateScheduler: expected the schedule to return a number for epoch {epoch}; received {rate!r}."
            )
        optimizer.learning_rate = value
        if self.verbose:
            self.say(f"Epoch {epoch + 1}: LearningRateScheduler setting learning rate to {value}.")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Add the learning rate to the logs."""
        if logs is not None:
            logs["learning_rate"] = _rate_of(self.model.optimizer)


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate when a metric has not got better for some epochs; the history gets `learning_rate`.

    Args:
        monitor: name of the metric.
        factor: what the learning rate is multiplied by, below 1.
        patience: number of epochs without a better value before that.
        verbose: 1 to say so.
        mode: "min" if less is better, "max" if more is, "auto" to tell by the metric.
        min_delta: least change that counts as better.
        cooldown: number of epochs after a reduction that do not count.
        min_lr: learning rate below which it is not lowered.

    Raises:
        ValueError: for a factor of 1 or more; before training, for a metric that does not exist, or whose better
            direction cannot be told.
        TypeError: before training, if the optimizer follows a `LearningRateSchedule`.

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(1e-9), "mse")
    >>> lower = callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=2)
    >>> history = model.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=4, verbose=0, callbacks=[lower])
    >>> [rate / 1e-9 for rate in history.history["learning_rate"]]
    [1.0, 1.0, 1.0, 0.5]
    """

    state_names: ClassVar[tuple[str, ...]] = ("best", "cooldown_counter", "wait")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 0.0001,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if "epsilon" in kwargs:  # the name of min_delta in Keras 1 and 2
            min_delta = kwargs.pop("epsilon")
        if kwargs:
            raise TypeError(f"ReduceLROnPlateau: unexpected arguments {sorted(kwargs)}.")
        if not factor < 1.0:
            raise ValueError(f"ReduceLROnPlateau: expected a factor below 1; received {factor!r}.")
        super().__init__(monitor, mode, min_delta=min_delta)
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self._forget()

    def _forget(self) -> None:
        self.best: float | None = None
        self.cooldown_counter = 0
        self.wait = 0

    def in_cooldown(self) -> bool:
        """Return whether epochs do not count because the learning rate was just lowered."""
        return self.cooldown_counter > 0

    def on_train_begin(self, logs: Logs = None) -> None:
        """Forget what an earlier training left, and check that the learning rate can be set."""
        self._forget()
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None:
            optimizer.learning_rate = _rate_of(optimizer)  # refused now rather than after hours

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Add the learning rate to the logs, and lower it if it is time."""
        optimizer = self.model.optimizer
        rate = _rate_of(optimizer)
        if logs is not None:
            logs["learning_rate"] = rate
        value = self.get_monitor_value(logs)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(value, self.best):
            self.best, self.wait = value, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                self._lower(epoch, optimizer, max(rate * self.factor, self.min_lr))

    def _lower(self, epoch: int, optimizer: Any, rate: float) -> None:
        optimizer.learning_rate = rate
        if self.verbose:
            self.say(f"Epoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate}.")
        self.cooldown_counter, self.wait = self.cooldown, 0


def _rate_of(optimizer: Any) -> float:
    return float(optimizer.learning_rate)


def _number(value: Any) -> float | None:
    """Return a scalar of any kind as a float, None if it is none."""
    if isinstance(value, (bool, str)) or getattr(value, "ndim", 0) != 0:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _takes_two(function: Callable[..., Any]) -> bool:
    """Return whether a function can be called with two positional arguments."""
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # written in C without a signature
        return True
    return True
