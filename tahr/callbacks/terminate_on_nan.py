"""`TerminateOnNaN`: no further once the loss is no number."""

import math

from tahr.callbacks.callback import Callback, Logs

__all__ = ["TerminateOnNaN"]


class TerminateOnNaN(Callback):
    """Ends training at the batch where the loss becomes NaN or infinite; batches then go one by one.

    Args:
        raise_error: whether it ends with a `RuntimeError` instead of quietly.

    Raises:
        RuntimeError: at that batch, if `raise_error`.

    >>> stop = callbacks.TerminateOnNaN(raise_error=True)
    >>> stop.on_batch_end(7, {"loss": float("nan")})
    Traceback (most recent call last):
    RuntimeError: TerminateOnNaN: the loss is nan after batch 7...
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Look at the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(float(loss)):
            return
        if self.raise_error:
            raise RuntimeError(
                f"TerminateOnNaN: the loss is {float(loss)} after batch {batch} (counted from 0). Look for NaN in the "
                "data, lower the learning rate, or clip the gradients (clipnorm=1.0 in the optimizer)."
            )
        self.say(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
