"""`Initializer`: a function of shape and type that gives first weights."""

from typing import Any

import numpy as np

from tahr import backends, dtypes
from tahr.recording import Recorded

__all__ = ["Initializer", "to_tensor"]


class Initializer(Recorded):
    """Base of initializers; a subclass defines `__call__(self, shape, dtype=None)`.

    >>> class Sevens(keras.Initializer):
    ...     def __call__(self, shape, dtype=None):
    ...         return ops.full(shape, 7, dtype)
    >>> layers.Dense(1, kernel_initializer=Sevens()).get_config()["kernel_initializer"]["class_name"]
    'Sevens'
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Return an array of the given shape and type."""
        raise NotImplementedError(f"{type(self).__name__} defines no `__call__(self, shape, dtype=None)`.")

    def clone(self) -> Any:
        """Return an equal initializer; an unseeded one gives other values."""
        return type(self).from_config(self.get_config())


def to_tensor(values: np.ndarray, dtype: Any) -> Any:
    """Return values made on the host as this backend's array of `dtype` (None: `floatx`)."""
    name = dtypes.canonical(dtypes.standardize_dtype(dtype))
    # not `tensor`, whose copies JAX compiles for each shape: building a model compiles nothing
    backend = backends.current()
    return backend.read(backend.new_variable(values, name, trainable=False))
