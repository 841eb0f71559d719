"""JAX's own versions of neural-network operations."""

from typing import Any

import jax

from tahr.backends.jax import backend

implements = backend.implements


def _axes(x: Any, axis: Any) -> Any:
    return tuple(range(x.ndim)) if axis is None else axis


@implements
def softmax(x: Any, axis: Any = -1) -> Any:
    return jax.nn.softmax(x, _axes(x, axis))


@implements
def log_softmax(x: Any, axis: Any = -1) -> Any:
    return jax.nn.log_softmax(x, _axes(x, axis))
