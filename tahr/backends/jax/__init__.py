"""JAX: the default backend. Everything traces, so the duties are thin."""

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tahr import config, dtypes
from tahr.backends.backend import Backend, numpy_dtype, to_host
from tahr.backends.jax.random import Draws

if config.floatx() == "float64":
    jax.config.update("jax_enable_x64", True)


class Jax(Draws, Backend):
    """Operations are `jax.numpy` functions; training steps are jitted with donated state."""

    name = "jax"
    spaces = (jnp, jnp.linalg, jnp.fft, jax.nn, jax.scipy.special, lax)
    names = {"conj": "conjugate"}
    numbers = "all"
    trains = True

    def tensor(self, x: Any, dtype: str | None = None) -> Any:
        if isinstance(x, jax.Array):
            return x if dtype is None or x.dtype == dtype else x.astype(dtype)
        if hasattr(x, "__jax_array__"):
            return self.tensor(x.__jax_array__(), dtype)
        if isinstance(x, (list, tuple)) and _holds_tracer(x):
            x = jnp.stack([self.tensor(v) for v in x])
            return x if dtype is None else x.astype(dtype)
        return jnp.asarray(to_host(x, dtype))

    def cast(self, x: Any, dtype: str) -> Any:
        return x if x.dtype == dtype else x.astype(dtypes.canonical(dtype))

    def settler(self, dtype: str) -> Callable[[Any], Any]:
        wanted = numpy_dtype(dtypes.canonical(dtype))

        def settle(out: Any) -> Any:
            if type(out) is tuple or type(out) is list or out.dtype is wanted or out.dtype == wanted:
                return out
            return out.astype(wanted)

        return settle

    def is_tensor(self, x: Any) -> bool:
        return isinstance(x, jax.Array)

    def new_variable(self, value: Any, dtype: str, trainable: bool) -> Any:
        if isinstance(value, jax.Array):
            return jnp.array(value, dtype=dtype, copy=True)
        return jnp.array(to_host(value, dtype), dtype=numpy_dtype(dtype), copy=True)

    def value_and_grad(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return jax.value_and_grad(fn, has_aux=True)

    def compile(self, fn: Callable[..., Any], donate: tuple[int, ...] = ()) -> Callable[..., Any]:
        return jax.jit(fn, donate_argnums=donate)

    def repeat(self, step: Callable[..., Any], state: Any, batches: Any) -> Any:
        state, extras = lax.scan(step, state, batches)
        return state, jax.tree.map(lambda e: e[-1], extras)

    def stop_gradient(self, x: Any) -> Any:
        return lax.stop_gradient(x)

    def abstract(self, fn: Callable[..., Any], specs: Any) -> Any:
        arrays = jax.tree.map(
            lambda s: jax.ShapeDtypeStruct(s[0], numpy_dtype(s[1])), specs, is_leaf=lambda s: isinstance(s, tuple)
        )
        return jax.tree.map(lambda s: (tuple(s.shape), dtypes.of(s)), jax.eval_shape(fn, *arrays))

    def compiling(self) -> bool:
        return isinstance(lax.add(np.uint32(0), np.uint32(0)), jax.core.Tracer)

    def synchronize(self, x: Any) -> Any:
        return jax.block_until_ready(x)

    def devices(self) -> list[str]:
        return [f"{d.platform}:{d.id}" for d in jax.devices()]

    def device(self, name: str | None) -> contextlib.AbstractContextManager[Any]:
        if name is None:
            return contextlib.nullcontext()
        kind, _, number = name.lower().partition(":")
        found = [d for d in jax.devices() + jax.devices("cpu") if d.platform == kind and d.id == int(number or 0)]
        if not found:
            raise ValueError(f"device: jax has {', '.join(self.devices())}; received {name!r}.")
        return jax.default_device(found[0])


def _holds_tracer(x: Any) -> bool:
    return any(_holds_tracer(v) if isinstance(v, (list, tuple)) else hasattr(v, "__jax_array__") or isinstance(v, jax.Array) for v in x)


backend = Jax()
from tahr.backends.jax import math, nn  # noqa: E402, F401  (they register themselves on `backend`)

