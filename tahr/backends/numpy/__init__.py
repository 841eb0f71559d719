"""NumPy: runs everything, trains nothing; the reference for the other backends."""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import dtypes
from tahr.backends.backend import Backend, numpy_dtype, to_host
from tahr.backends.numpy.random import Draws
from tahr.backends.numpy.windows import Windows


class NumPy(Draws, Windows, Backend):
    """Operations are NumPy functions; compositions do the rest."""

    name = "numpy"
    gathers = True
    spaces = (np, np.linalg, np.fft)
    numbers = "all"
    compute_as = {"bfloat16": "float32", "float16": "float32"}

    def tensor(self, x: Any, dtype: str | None = None) -> Any:
        if isinstance(x, (np.ndarray, np.generic)):
            wanted = dtype or dtypes.canonical(dtypes.of(x))
            if wanted != "string":
                return x if dtypes.of(x) == wanted and isinstance(x, np.ndarray) else np.asarray(x, numpy_dtype(wanted))
        if hasattr(x, "handle"):  # a Variable
            return self.tensor(x.value, dtype)  # type: ignore[attr-defined]
        return to_host(x, dtype)

    def is_plain(self, x: Any, dtype: str) -> bool:
        return type(x) is np.ndarray and ((name := dtypes.of(x)) == dtype or name in dtypes.LASTING)

    def cast(self, x: Any, dtype: str) -> Any:
        wanted = dtypes.canonical(dtype)
        return x if isinstance(x, np.ndarray) and dtypes.of(x) == wanted else np.asarray(x).astype(numpy_dtype(wanted))

    def settler(self, dtype: str) -> Callable[[Any], Any]:
        wanted = numpy_dtype(dtypes.canonical(dtype))

        def settle(out: Any) -> Any:
            if type(out) is tuple or type(out) is list or (type(out) is np.ndarray and out.dtype is wanted):
                return out
            return np.asarray(out).astype(wanted, copy=False)

        return settle

    def is_tensor(self, x: Any) -> bool:
        return isinstance(x, (np.ndarray, np.generic))

    def new_variable(self, value: Any, dtype: str, trainable: bool) -> Any:
        return np.array(to_host(value, dtype), copy=True)

    def adopt(self, array: np.ndarray, dtype: str, trainable: bool) -> Any:
        return to_host(array, dtype)

    def assign(self, old: Any, new: Any) -> Any:
        return np.array(new, copy=True)

    def abstract(self, fn: Any, specs: Any) -> Any:
        import optree

        arrays = optree.tree_map(
            lambda s: np.zeros(s[0], numpy_dtype(s[1])), specs, is_leaf=lambda s: isinstance(s, tuple)
        )
        return optree.tree_map(lambda a: (tuple(a.shape), dtypes.of(a)), fn(*arrays))

    def no_grad(self) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext()


backend = NumPy()
from tahr.backends.numpy import math, nn  # noqa: E402  (they register themselves on `backend`)
