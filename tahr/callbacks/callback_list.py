"""`CallbackList`: many callbacks as one."""

from collections.abc import Callable, Iterable
from typing import Any

from tahr import tree
from tahr.callbacks.callback import HOOKS, Callback, Logs, overrides
from tahr.callbacks.history import History
from tahr.callbacks.progbar_logger import ProgbarLogger

__all__ = ["CallbackList"]


class CallbackList(Callback):
    """Calls each hook of several callbacks, in their order; it costs nothing for those that none of them defines.

    Args:
        callbacks: a callback, or a list of callbacks, or None.
        add_history: whether a `History` is added if there is none.
        add_progbar: whether a `ProgbarLogger` is added if there is none.
        model: the model at work.
        params: parameters of the run, such as `verbose`, `epochs`, `steps`.

    Raises:
        TypeError: if one of them is no callback.

    >>> lines = []
    >>> note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: lines.append((epoch, logs["loss"])))
    >>> listeners = callbacks.CallbackList([note])
    >>> listeners.on_epoch_end(3, {"loss": 0.5})
    >>> lines
    [(3, 0.5)]
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        self.callbacks: list[Callback] = [_checked(item) for item in tree.flatten(callbacks) if item is not None]
        self._history = self._find(History)
        self._progbar = self._find(ProgbarLogger)
        if add_history and self._history is None:
            self._history = History()
            self.callbacks.append(self._history)
        if add_progbar and self._progbar is None:
            self._progbar = ProgbarLogger()
            self.callbacks.append(self._progbar)
        self._hooks: dict[str, list[Callable[..., Any]]] = {}
        self._pausing: list[Callback] = []
        for callback in self.callbacks:
            callback._bar = self._progbar
        if model is not None:
            self.set_model(model)
        if params:
            self.set_params(params)

    def _find(self, kind: type) -> Any:
        return next((item for item in self.callbacks if isinstance(item, kind)), None)

    def append(self, callback: Callback) -> None:
        """Add a callback."""
        self.callbacks.append(_checked(callback))
        callback._bar = self._progbar
        self._hooks.clear()

    def set_params(self, params: Any) -> None:
        """Hand the parameters of the run to all."""
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Hand the model of the run to all; its `history` becomes that of this list."""
        super().set_model(model)
        if self._history is not None:
            model.history = self._history
        for callback in self.callbacks:
            callback.set_model(model)

    # ---- what the trainer asks ----------------------------------------------------------------------------------

    @property
    def wants_batches(self) -> bool:
        """Whether a callback has to see each batch of training, so that they go one by one."""
        return any(callback.listens_to_batches("train") for callback in self.callbacks)

    @property
    def wants_test_batches(self) -> bool:
        """Whether a callback has to see each batch of evaluation."""
        return any(callback.listens_to_batches("test") for callback in self.callbacks)

    @property
    def wants_predict_batches(self) -> bool:
        """Whether a callback has to see each batch of prediction."""
        return any(callback.listens_to_batches("predict") for callback in self.callbacks)

    def first_epoch(self, initial_epoch: int) -> int:
        """Return the epoch to begin with: a later one if a callback restored a run that was cut off."""
        return max([initial_epoch, *(getattr(callback, "restored_epoch", 0) for callback in self.callbacks)])

    def check_monitors(self, names: Iterable[str]) -> None:
        """Refuse callbacks that need a log which none of `names` is.

        A user's own callback may add logs; what stands after one is not checked.

        Args:
            names: names of the logs that an epoch ends with.

        Raises:
            ValueError: if a callback monitors another name, or puts it into a file's name.
        """
        names = list(names)
        for callback in self.callbacks:
            callback.check_logs(names)
            own = not type(callback).__module__.startswith("tahr.") or "on_epoch_end" in vars(callback)
            if own and overrides(callback, ("on_epoch_end", "on_test_end"), Callback):
                return

    def follow(self, training: Any) -> None:
        """Hand the training that begins to those who save it."""
        for callback in self.callbacks:
            callback.follow(training)
        self._pausing = [c for c in self.callbacks if overrides(c, ("pause", "batches_to_pause"), Callback)]

    @property
    def saves_training(self) -> bool:
        """Whether a callback may save between any two dispatches."""
        return bool(self._pausing)

    def batches_to_pause(self) -> int | None:
        """Return after how many batches at most a callback wants to be asked."""
        found = [count for callback in self._pausing if (count := callback.batches_to_pause()) is not None]
        return min(found, default=None)

    def pause(self) -> None:
        """Let those act who act between dispatches."""
        for callback in self._pausing:
            callback.pause()

    def leave(self) -> None:
        """Let all put away what they hold."""
        self._pausing = []
        for callback in self.callbacks:
            callback.leave()

    def due(self) -> bool:
        """Return whether the progress bar would be redrawn now, so that logs are fetched only then."""
        return self._progbar is not None and self._progbar.due()

    def on_progress(self, step: int, logs: Logs = None) -> None:
        """Show that `step` batches of the epoch are done; `logs` None leaves the numbers as they were."""
        if self._progbar is not None:
            self._progbar.on_progress(step, logs)

    # ---- hooks --------------------------------------------------------------------------------------------------

    def _each(self, name: str) -> list[Callable[..., Any]]:
        """Return the hooks of this name that a callback really has."""
        found = self._hooks.get(name)
        if found is None:
            older = name.replace("_train_", "_")  # on_train_batch_end calls on_batch_end
            wanted = (name, older) if older in HOOKS else (name,)
            ordered = sorted(self.callbacks, key=lambda callback: callback.runs_last)
            found = [getattr(c, name) for c in ordered if overrides(c, wanted, Callback)]
            self._hooks[name] = found
        return found

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """The older name of `on_train_batch_begin`."""
        self.on_train_batch_begin(batch, logs)

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """The older name of `on_train_batch_end`."""
        self.on_train_batch_end(batch, logs)


def _at_batch(name: str) -> Callable[..., None]:
    def hook(self: CallbackList, batch: int, logs: Logs = None) -> None:
        for call in self._each(name):
            call(batch, logs)

    return hook


def _at_epoch(name: str) -> Callable[..., None]:
    def hook(self: CallbackList, epoch: int, logs: Logs = None) -> None:
        logs = {} if logs is None else logs
        if self._progbar is not None:
            self._progbar.holds_lines = name == "on_epoch_end"
        for call in self._each(name):
            call(epoch, logs)

    return hook


def _at_run(name: str) -> Callable[..., None]:
    def hook(self: CallbackList, logs: Logs = None) -> None:
        logs = {} if logs is None else logs
        for call in self._each(name):
            call(logs)

    return hook


def _define_hooks() -> None:
    for name in HOOKS:
        if name in vars(CallbackList):
            continue
        make = _at_batch if "_batch_" in name else _at_epoch if "_epoch_" in name else _at_run
        hook = make(name)
        hook.__name__, hook.__qualname__ = name, f"CallbackList.{name}"
        hook.__doc__ = getattr(Callback, name).__doc__
        setattr(CallbackList, name, hook)


_define_hooks()


def _checked(callback: Any) -> Callback:
    if isinstance(callback, Callback):
        return callback
    if isinstance(callback, type) and issubclass(callback, Callback):
        raise TypeError(f"callbacks: received the class {callback.__name__}; make one: {callback.__name__}(...).")
    raise TypeError(
        f"callbacks: expected objects of keras.callbacks.Callback; received {callback!r:.80} of type "
        f"{type(callback).__name__}. To call a function, wrap it: callbacks.LambdaCallback(on_epoch_end=function)."
    )
