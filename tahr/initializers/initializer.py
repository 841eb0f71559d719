"""`Initializer`: a function of shape and type that gives first weights."""

from typing import Any

import numpy as np

from tahr import backends, dtypes
from tahr.recording import Recorded

__all__ = ["Initializer"]


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
        name = dtypes.canonical(dtypes.standardize_dtype(dtype))
        backend = backends.current()
        # not `tensor`, whose copies JAX compiles for each shape: building a model compiles nothing
        return backend.read(backend.new_variable(self.values(shape, name), name, trainable=False))

    def values(self, shape: Any, dtype: str) -> np.ndarray:
        """Return the values as an array of the host that nobody else holds, of any type that can be cast to `dtype`."""
        raise NotImplementedError(f"{type(self).__name__} defines no `__call__(self, shape, dtype=None)`.")

    def on_host(self, shape: Any, dtype: str) -> np.ndarray | None:
        """Return `values` in C order for a variable to take in, or None where a call may give something else."""
        if type(self).__call__ is not Initializer.__call__:
            return None
        return np.asarray(self.values(shape, dtype), order="C")

    def clone(self) -> Any:
        """Return an equal initializer; an unseeded one gives other values."""
        return type(self).from_config(self.get_config())
