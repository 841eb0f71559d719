"""SavedModels from JAX, by way of `jax2tf`."""

import importlib
from collections.abc import Callable
from typing import Any

import jax

from tahr.backends.jax.stablehlo import polymorphic

__all__ = ["read", "write"]


def write(folder: str, exports: Any, jax2tf_kwargs: Any = None, **options: Any) -> None:
    """Write a SavedModel; `jax2tf_kwargs` are arguments of `jax2tf.convert`."""
    try:
        convert = importlib.import_module("jax.experimental.jax2tf").convert
    except ImportError as error:
        raise ImportError(
            "A SavedModel is written from JAX by jax2tf, which this JAX does not have, or which lacks TensorFlow "
            "(pip install 'tahr[tensorflow]'). Use format='stablehlo', or TAHR_BACKEND=tensorflow."
        ) from error

    def converted(export: Any) -> Any:
        count = iter(range(10**6))
        shapes = jax.tree.map(lambda x: f"({polymorphic(x, next(count))})", export.signature)
        return convert(
            export.pure, polymorphic_shapes=[None, *shapes], **{"with_gradient": False, **(jax2tf_kwargs or {})}
        )

    _saved_model().write(folder, exports, convert=converted, **options)


def read(folder: str) -> Callable[..., Any]:
    """Return the endpoint `serve` of a SavedModel as a function of NumPy arrays."""
    return _saved_model().read(folder)


def _saved_model() -> Any:
    from tahr.backends.tensorflow.beside import saved_model

    return saved_model
