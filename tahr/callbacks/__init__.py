"""What looks on while a model trains, evaluates or predicts, and may step in."""

import importlib
from typing import TYPE_CHECKING, Any

_NAMES = {
    "BackupAndRestore": "backup_and_restore",
    "CSVLogger": "csv_logger",
    "Callback": "callback",
    "CallbackList": "callback_list",
    "EarlyStopping": "early_stopping",
    "History": "history",
    "LambdaCallback": "lambda_callback",
    "LearningRateScheduler": "learning_rate",
    "ModelCheckpoint": "model_checkpoint",
    "OrbaxCheckpoint": "orbax_checkpoint",
    "ProgbarLogger": "progbar_logger",
    "ReduceLROnPlateau": "learning_rate",
    "RemoteMonitor": "remote_monitor",
    "SwapEMAWeights": "swap_ema_weights",
    "TensorBoard": "tensorboard",
    "TerminateOnNaN": "terminate_on_nan",
}

if TYPE_CHECKING:
    from tahr.callbacks.backup_and_restore import BackupAndRestore
    from tahr.callbacks.callback import Callback
    from tahr.callbacks.callback_list import CallbackList
    from tahr.callbacks.csv_logger import CSVLogger
    from tahr.callbacks.early_stopping import EarlyStopping
    from tahr.callbacks.history import History
    from tahr.callbacks.lambda_callback import LambdaCallback
    from tahr.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
    from tahr.callbacks.model_checkpoint import ModelCheckpoint
    from tahr.callbacks.orbax_checkpoint import OrbaxCheckpoint
    from tahr.callbacks.progbar_logger import ProgbarLogger
    from tahr.callbacks.remote_monitor import RemoteMonitor
    from tahr.callbacks.swap_ema_weights import SwapEMAWeights
    from tahr.callbacks.tensorboard import TensorBoard
    from tahr.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = list(_NAMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'tahr.callbacks' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
