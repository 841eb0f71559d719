"""`SwapEMAWeights`: evaluation with the moving averages of the weights."""

from typing import Any, ClassVar

from tahr import ops
from tahr.callbacks.callback import Callback, Logs

__all__ = ["SwapEMAWeights"]


class SwapEMAWeights(Callback):
    """Gives the model the moving averages of its weights for evaluation and prediction, and its own ones back after.

    The optimizer has to keep averages: `use_ema=True`.

    Args:
        swap_on_epoch: whether the model also has the averages between the end of an epoch and the next one, so that
            callbacks after this one, such as `ModelCheckpoint`, save them.

    Raises:
        ValueError: if the optimizer keeps no averages.

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    >>> model.compile(keras.optimizers.SGD(0.25, use_ema=True, ema_momentum=0.5), "mse")
    >>> data = np.ones((4, 1)), np.zeros((4, 1))
    >>> history = model.fit(*data, validation_data=data, verbose=0, callbacks=[callbacks.SwapEMAWeights()])
    """

    state_names: ClassVar[tuple[str, ...]] = ("_own",)  # the model's own weights while it has the averages

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._own: list[Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_own": None}

    def _optimizer(self) -> Any:
        """Return the optimizer that keeps the averages."""
        given = getattr(self.model, "optimizer", None)
        optimizer: Any = getattr(given, "inner_optimizer", given)
        if not getattr(optimizer, "use_ema", False):
            raise ValueError(
                "SwapEMAWeights needs an optimizer that keeps moving averages of the weights, for example "
                f"keras.optimizers.Adam(use_ema=True); received {optimizer!r}."
            )
        return optimizer

    def _put_in(self) -> None:
        """Give the model the averages, keeping copies of its own weights; the averages stay as they are."""
        optimizer = self._optimizer()
        if not optimizer.built or self._own is not None:
            return
        variables = self.model.trainable_variables
        self._own = [ops.copy(v.value) for v in variables]
        optimizer.finalize_variable_values(variables)

    def _take_out(self) -> None:
        if self._own is None:
            return
        for variable, value in zip(self.model.trainable_variables, self._own, strict=True):
            variable.assign(value)
        self._own = None

    def on_train_begin(self, logs: Logs = None) -> None:
        """Check that there are averages."""
        self._optimizer()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Give the model its own weights back."""
        self._take_out()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Give the model the averages if `swap_on_epoch`."""
        if self.swap_on_epoch:
            self._put_in()

    def on_train_end(self, logs: Logs = None) -> None:
        """Leave the averages in the model, as training with averages ends."""
        self._own = None

    def on_test_begin(self, logs: Logs = None) -> None:
        """Give the model the averages."""
        self._put_in()

    def on_test_end(self, logs: Logs = None) -> None:
        """Give the model its own weights back."""
        self._take_out()

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Give the model the averages."""
        self._put_in()

    def on_predict_end(self, logs: Logs = None) -> None:
        """Give the model its own weights back."""
        self._take_out()
