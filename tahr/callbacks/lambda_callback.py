"""`LambdaCallback`: hooks given as functions."""

import difflib
from collections.abc import Callable
from typing import Any

from tahr.callbacks.callback import HOOKS, Callback

__all__ = ["LambdaCallback"]

Hook = Callable[..., Any] | None


class LambdaCallback(Callback):
    """Calls functions as hooks, each with the arguments of the hook it is named after.

    Args:
        on_epoch_begin: called with `epoch, logs`.
        on_epoch_end: called with `epoch, logs`.
        on_train_begin: called with `logs`.
        on_train_end: called with `logs`.
        on_train_batch_begin: called with `batch, logs`.
        on_train_batch_end: called with `batch, logs`.
        kwargs: functions for further hooks of `Callback`, such as `on_test_end`.

    Raises:
        TypeError: for a name that is no hook, and for what is no function.

    >>> done = callbacks.LambdaCallback(on_train_end=lambda logs: print("done"))
    >>> done.on_train_end({})
    done
    """

    def __init__(
        self,
        on_epoch_begin: Hook = None,
        on_epoch_end: Hook = None,
        on_train_begin: Hook = None,
        on_train_end: Hook = None,
        on_train_batch_begin: Hook = None,
        on_train_batch_end: Hook = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, function in given.items():
            if name not in HOOKS:
                close = difflib.get_close_matches(name, HOOKS, 1)
                hint = f" Did you mean {close[0]}?" if close else ""
                raise TypeError(f"LambdaCallback: there is no hook {name!r}.{hint} The hooks are {', '.join(HOOKS)}.")
            if function is not None and not callable(function):
                raise TypeError(f"LambdaCallback: expected {name} to be a function; received {function!r}.")
            if function is not None:
                setattr(self, name, function)
