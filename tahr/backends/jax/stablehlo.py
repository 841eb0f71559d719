"""Functions of `jax.export`: models in StableHLO, one file, with any number of rows."""

from collections.abc import Callable
from typing import Any

import jax
import jax.export
import numpy as np

from tahr.backends.backend import numpy_dtype

__all__ = ["read", "specs_of", "write"]


def specs_of(signature: Any) -> Any:
    """Return what stands for the arguments of a signature, with names for sizes that may vary."""
    scope, count = jax.export.SymbolicScope(), iter(range(10**6))

    def spec(x: Any) -> Any:
        return jax.ShapeDtypeStruct(
            jax.export.symbolic_shape(polymorphic(x, next(count)), scope=scope), numpy_dtype(x.dtype)
        )

    return jax.tree.map(spec, signature)


def polymorphic(x: Any, place: int) -> str:
    """Return a shape as JAX writes it, with names for sizes that may vary; the number of rows has one name."""
    names = [
        ("batch" if axis == 0 else f"size{place}_{axis}") if n is None else str(n) for axis, n in enumerate(x.shape)
    ]
    return ", ".join(names)


def write(export: Any, **options: Any) -> bytes:
    """Return an exported model as bytes; `options` are those of `jax.export.export`, such as `platforms`."""
    values = [v.value for v in export.variables]
    function = jax.jit(lambda *arguments: export.pure(values, *arguments))
    return bytes(jax.export.export(function, **options)(*specs_of(export.signature)).serialize())


def read(file: Any) -> Callable[..., Any]:
    """Return an exported model as a function of NumPy arrays."""
    run = jax.export.deserialize(bytearray(file.read())).call
    return lambda *arguments: jax.tree.map(np.asarray, run(*arguments))
