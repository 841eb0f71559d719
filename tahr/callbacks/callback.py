"""`Callback`: the hooks that training, evaluation and prediction call."""

import weakref
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from tahr import tree
from tahr.recording import OldArguments

__all__ = ["Callback"]

BATCH_HOOKS = {
    "train": ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}

Logs = dict[str, Any] | None


class Callback(OldArguments):
    """Looks on while a model trains: a subclass defines the hooks that it wants to be called at.

    `logs` is a dict of metrics by name, the same one for all callbacks, so that one may add an entry for those after
    it and for the history. Training goes several batches at a time unless a callback defines a hook for batches.

    Attributes:
        model: the model at work, or None; the callback does not keep it alive.
        params: dict with `"verbose"`, `"epochs"` and `"steps"`.
        state_names: names of the attributes that `state_dict` returns.

    >>> class Halve(callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         logs["half"] = logs["loss"] / 2
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    >>> model.compile(keras.optimizers.SGD(0.0), "mse")
    >>> model.fit(np.ones((4, 1)), np.zeros((4, 1)), verbose=0, callbacks=[Halve()]).history
    {'loss': [1.0], 'half': [0.5]}
    """

    state_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.params: Any = None
        self._model: Any = None

    # Outside of `fit` messages are printed; `CallbackList` puts in the bar, which knows where its line ends.
    _bar: Any = None

    @property
    def model(self) -> Any:
        """The model at work, or None if there is none (any more)."""
        held = self.__dict__.get("_model")
        return held() if isinstance(held, weakref.ref) else held

    @model.setter
    def model(self, model: Any) -> None:
        self._model = None if model is None else weakref.ref(model)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_model": None, "_bar": None}  # neither can be copied or pickled

    def set_params(self, params: Any) -> None:
        """Take the parameters of the run."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Take the model of the run."""
        self.model = model

    # ---- state --------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return what the callback has learnt so far, as numbers, text, lists, dicts and arrays.

        It is part of every checkpoint that training is resumed from.

        >>> callbacks.EarlyStopping("loss").state_dict()["wait"]
        0
        """
        return {name: _fresh(getattr(self, name)) for name in self.state_names}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` returned; it is called after `on_train_begin`, which forgets.

        Raises:
            ValueError: if `state` has other entries than this callback.
        """
        if set(state) != set(self.state_names):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: expected the entries {sorted(self.state_names)}; received "
                f"{sorted(state)}."
            )
        for name, value in state.items():
            setattr(self, name, _fresh(value))

    # ---- checks and messages ------------------------------------------------------------------------------------

    def check_logs(self, names: list[str]) -> None:
        """Refuse, before training, to need a log that will not be among `names`."""

    def say(self, text: str) -> None:
        """Print a line, on a line of its own if a progress bar is shown."""
        if self._bar is None:
            print(text)
        else:
            self._bar.print_line(text)

    # ---- what the trainer asks ----------------------------------------------------------------------------------

    runs_last: ClassVar[bool] = False  # whether its hooks come after those of all others

    def listens_to_batches(self, kind: str) -> bool:
        """Return whether hooks for single batches have to be called; `kind` is "train", "test" or "predict"."""
        return overrides(self, BATCH_HOOKS[kind], Callback)

    def follow(self, training: Any) -> None:
        """Take the `Training` that begins; `leave` has to let go of it."""

    def batches_to_pause(self) -> int | None:
        """Return after how many batches of training at most `pause` has to be called; None for any number."""
        return None

    def pause(self) -> None:
        """Called by the trainer between any two dispatches, which may have many batches."""

    def leave(self) -> None:
        """Called when training is left, after its end or by an exception."""

    # ---- hooks --------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs = None) -> None:
        """Called before the first epoch; `logs` is empty."""

    def on_train_end(self, logs: Logs = None) -> None:
        """Called after the last epoch, with its logs."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Called before an epoch, counted from 0; `logs` is empty."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Called after an epoch, counted from 0, with its metrics; those of validation begin with `val_`."""

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """The older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """The older name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of training, counted from 0 in each epoch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch of training, with the metrics since the epoch began."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        """Called before evaluation, also that of `fit`; `logs` is empty."""

    def on_test_end(self, logs: Logs = None) -> None:
        """Called after evaluation, with its metrics."""

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of evaluation, counted from 0."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch of evaluation, with the metrics so far."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Called before prediction; `logs` is empty."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """Called after prediction; `logs` is empty."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of prediction, counted from 0."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch of prediction, with its `"outputs"`."""


def _fresh(value: Any) -> Any:
    """Return a value in containers of its own; numbers and arrays in them are shared."""
    return tree.map_structure(lambda leaf: leaf, value)


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


def overrides(callback: Callback, names: Iterable[str], base: type) -> bool:
    """Return whether a callback has any of these hooks from elsewhere than `base`: a subclass, or the object itself."""
    own, cls = vars(callback), type(callback)
    return any(name in own or getattr(cls, name) is not getattr(base, name) for name in names)
