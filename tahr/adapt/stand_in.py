"""What stands in the place of a weight: it reads as an array, and knows better ways to use it."""

from typing import Any

from tahr import ops
from tahr.arithmetic import Arithmetic

__all__ = ["StandIn"]


class StandIn(Arithmetic):
    """An object that reads as an array; subclasses define `value`.

    Args:
        of: the variable, or stand-in, whose path, shape and type it has.

    >>> from tahr.adapt.stand_in import StandIn
    >>> class Twice(StandIn):
    ...     @property
    ...     def value(self):
    ...         return 2 * ops.convert_to_tensor(self.of)
    >>> made = Twice(keras.Variable([1.0, 2.0]))
    >>> made + 1, made.shape
    ([3.0, 5.0], (2,))
    """

    value: Any

    def __init__(self, of: Any):
        self.of = of

    @property
    def handle(self) -> Any:
        return self.value

    @property
    def path(self) -> str:
        return self.of.path

    @property
    def shape(self) -> tuple[int, ...]:
        return self.of.shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> str:
        return self.of.dtype

    def numpy(self) -> Any:
        """Return the value as a NumPy array."""
        return ops.convert_to_numpy(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        found = self.numpy()
        return found if dtype is None else found.astype(dtype)

    def __jax_array__(self) -> Any:
        return self.value
