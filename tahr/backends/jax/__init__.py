"""JAX: the default backend. Everything traces, so the duties are thin."""

import contextlib
import mmap
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from tahr import config, dtypes
from tahr.backends.backend import Backend, numpy_dtype, to_host
from tahr.backends.forward import forward_mode
from tahr.backends.jax.attention import Attention
from tahr.backends.jax.compile_cache import keep_compiled
from tahr.backends.jax.convolution import Convolution
from tahr.backends.jax.random import Draws
from tahr.backends.jax.recurrent import Recurrent
from tahr.backends.jax.rows import Rows
from tahr.backends.jax.sparse import Sparse
from tahr.backends.jax.trees import LayerTree, know
from tahr.backends.jax.windows import Windows

MAPPED_BYTES = 2**20  # data from this size on have pages of their own; the allocator would keep what they leave

if config.floatx() == "float64":
    jax.config.update("jax_enable_x64", True)
keep_compiled()


class Jax(Attention, Convolution, Draws, Windows, Recurrent, Rows, Sparse, Backend):
    """Operations are `jax.numpy` functions; training steps are jitted with donated state."""

    name = "jax"
    exports = {"stablehlo": "tahr.backends.jax.stablehlo", "tf_saved_model": "tahr.backends.jax.saved_model"}
    layer_base = LayerTree
    spaces = (jnp, jnp.linalg, jnp.fft, jax.nn, jax.scipy.special, lax)
    names = {"conj": "conjugate"}
    numbers = "all"
    trains = True
    _known: ClassVar[set[type]] = set()  # classes that jax.jit and its kin see the values of

    def tensor(self, x: Any, dtype: str | None = None) -> Any:
        if isinstance(x, jax.Array):
            return x if dtype is None or x.dtype == dtype else x.astype(dtype)
        if hasattr(x, "__jax_array__"):
            return self.tensor(x.__jax_array__(), dtype)
        if self.is_sparse(x):
            return self.sparse_tensor(x, dtype)
        if isinstance(x, (list, tuple)) and _holds_tracer(x):
            x = jnp.stack([self.tensor(v) for v in x])
            return x if dtype is None else x.astype(dtype)
        return jnp.asarray(to_host(x, dtype))

    def resident(self, x: Any) -> Any:
        host = x if isinstance(x, jax.Array) or self.is_sparse(x) else to_host(x)
        if not isinstance(host, np.ndarray) or host.nbytes < MAPPED_BYTES or jax.default_backend() != "cpu":
            return self.tensor(host)
        own = np.frombuffer(mmap.mmap(-1, host.nbytes), host.dtype).reshape(host.shape)
        np.copyto(own, host)
        return jax.device_put(own)  # which begins where a page does, so JAX takes it over as it is

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
        return isinstance(x, jax.Array) or self.is_sparse(x)

    def to_numpy(self, x: Any) -> np.ndarray:
        return np.asarray(self.dense(x))

    def concrete(self) -> contextlib.AbstractContextManager[Any]:
        return jax.ensure_compile_time_eval()

    def know_layers(self, kind: type) -> None:
        super().know_layers(kind)
        know(kind)

    def know_variables(self, kind: type) -> None:
        if kind not in self._known:
            self._known.add(kind)
            jax.tree_util.register_pytree_node(kind, lambda v: ((v.value,), None), lambda _, found: found[0])

    def new_variable(self, value: Any, dtype: str, trainable: bool) -> Any:
        with jax.ensure_compile_time_eval():
            if isinstance(value, jax.Array):
                return jax.device_put(self.cast(value, dtype), may_alias=False)
            # JAX may keep the memory of a NumPy array, whatever `may_alias` says
            return jax.device_put(np.array(to_host(value, dtype), copy=True))

    def adopt(self, array: np.ndarray, dtype: str, trainable: bool) -> Any:
        with jax.ensure_compile_time_eval():
            return jax.device_put(to_host(array, dtype))

    def assign(self, old: Any, new: Any) -> Any:
        # a buffer of its own: training donates those of variables, which would take a shared one from its other holder
        return new if isinstance(new, Tracer) else jax.device_put(new, may_alias=False)

    def value_and_grad(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return jax.value_and_grad(fn, has_aux=True)

    def jvp(self, fn: Callable[..., Any], primals: Any, tangents: Any) -> Any:
        with forward_mode():
            return jax.jvp(fn, tuple(primals), tuple(tangents), has_aux=True)

    def vjp(self, fn: Callable[..., Any], primals: Any) -> Any:
        return jax.vjp(fn, *primals, has_aux=True)

    def vmap(self, fn: Callable[..., Any], in_axes: list[int | None], out_axis: int) -> Callable[..., Any]:
        return jax.vmap(fn, tuple(in_axes), (out_axis, None))

    def custom_gradient(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return jax.custom_gradient(fn)

    def rematerialize(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return jax.checkpoint(fn)

    def compile(self, fn: Callable[..., Any], donate: tuple[int, ...] = ()) -> Callable[..., Any]:
        return jax.jit(fn, donate_argnums=donate)

    def repeat(self, step: Callable[..., Any], state: Any, start: Any, stop: Any) -> Any:
        if isinstance(start, int) and isinstance(stop, int):  # run eagerly
            return super().repeat(step, state, start, stop)
        shapes = jax.eval_shape(lambda i, s: step(i, s)[1], start, state)
        extra = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

        def body(i: Any, carry: Any) -> Any:
            return step(i, carry[0])

        return lax.fori_loop(start, stop, body, (state, extra))

    def scalars(self, numbers: tuple[int, ...]) -> tuple[Any, ...]:
        return tuple([np.int32(n) for n in numbers])

    def reorder(self, arrays: Any, order: Any) -> Any:
        return _reorder(arrays, order)

    def rows(self, array: Any, order: Any, start: Any, size: int) -> Any:
        if order is None:
            return lax.dynamic_slice_in_dim(array, start, size)
        picked = lax.dynamic_slice_in_dim(order, start, size)
        return jnp.take(array, picked, axis=0, mode="clip", unique_indices=True)

    def stop_gradient(self, x: Any) -> Any:
        return lax.stop_gradient(x)

    def abstract(self, fn: Callable[..., Any], specs: Any) -> Any:
        arrays = jax.tree.map(
            lambda s: jax.ShapeDtypeStruct(s[0], numpy_dtype(s[1])), specs, is_leaf=lambda s: isinstance(s, tuple)
        )
        return jax.tree.map(lambda s: (tuple(s.shape), dtypes.of(s)), jax.eval_shape(fn, *arrays))

    def compiling(self) -> bool:
        return isinstance(lax.add(np.uint32(0), np.uint32(0)), Tracer)

    def synchronize(self, x: Any) -> Any:
        return jax.block_until_ready(x)

    def devices(self) -> list[str]:
        return [f"{d.platform}:{d.id}" for d in jax.devices()]

    def profiling(self, folder: str) -> contextlib.AbstractContextManager[Any]:
        return jax.profiler.trace(folder)

    def device(self, name: str | None) -> contextlib.AbstractContextManager[Any]:
        if name is None:
            return contextlib.nullcontext()
        kind, _, number = name.lower().partition(":")
        found = [d for d in jax.devices() + jax.devices("cpu") if d.platform == kind and d.id == int(number or 0)]
        if not found:
            raise ValueError(f"device: jax has {', '.join(self.devices())}; received {name!r}.")
        return jax.default_device(found[0])


@jax.jit
def _reorder(arrays: Any, order: Any) -> Any:
    return jax.tree.map(lambda a: jnp.take(a, order, axis=0, mode="clip", unique_indices=True), arrays)


def _holds_tracer(x: Any) -> bool:
    return any(
        _holds_tracer(v) if isinstance(v, (list, tuple)) else hasattr(v, "__jax_array__") or isinstance(v, jax.Array)
        for v in x
    )


backend = Jax()
from tahr.backends.jax import math, nn  # noqa: E402  (they register themselves on `backend`)
