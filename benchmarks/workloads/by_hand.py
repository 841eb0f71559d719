"""What hand-written JAX networks need: parameters that are made at a first look and taken in order afterwards."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from workloads.base import glorot


class Parameters:
    """Gives parameters by shape: new ones, which it remembers, or those it was given, one after the other."""

    def __init__(self, given: Any = None) -> None:
        self.made: list[np.ndarray] = []
        self.given: Iterator[Any] | None = None if given is None else iter(given)
        self.rng = np.random.default_rng(2)

    def take(self, make: Callable[[], np.ndarray]) -> Any:
        """Return the next parameter."""
        if self.given is not None:
            return next(self.given)
        import jax.numpy as jnp

        self.made.append(make())
        return jnp.asarray(self.made[-1])

    def kernel(self, *shape: int) -> Any:
        return self.take(lambda: glorot(self.rng, *shape))

    def vector(self, size: int, value: float = 0.0) -> Any:
        return self.take(lambda: np.full(size, value, "float32"))

    def table(self, rows: int, width: int) -> Any:
        return self.take(lambda: self.rng.uniform(-0.05, 0.05, (rows, width)).astype("float32"))

    def dense(self, x: Any, units: int) -> Any:
        return x @ self.kernel(x.shape[-1], units) + self.vector(units)

    def convolution(self, x: Any, filters: int, size: int, stride: int = 1, groups: int = 1) -> Any:
        from jax import lax

        kernel = self.kernel(size, size, x.shape[-1] // groups, filters)
        return lax.conv_general_dilated(
            x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups
        )

    def transposed(self, x: Any, filters: int, size: int, stride: int) -> Any:
        from jax import lax

        kernel = self.kernel(size, size, x.shape[-1], filters)
        found = lax.conv_transpose(x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return found + self.vector(filters)

    def batch_norm(self, x: Any) -> Any:
        """Return x by the statistics of the batch; moving ones, which others also keep, are left out."""
        import jax.numpy as jnp
        from jax import lax

        mean, variance = jnp.mean(x, (0, 1, 2)), jnp.var(x, (0, 1, 2))
        return (x - mean) * (lax.rsqrt(variance + 1e-3) * self.vector(x.shape[-1], 1.0)) + self.vector(x.shape[-1])

    def layer_norm(self, x: Any) -> Any:
        import jax.numpy as jnp
        from jax import lax

        mean, variance = jnp.mean(x, -1, keepdims=True), jnp.var(x, -1, keepdims=True)
        return (x - mean) * lax.rsqrt(variance + 1e-5) * self.vector(x.shape[-1], 1.0) + self.vector(x.shape[-1])


def by_hand(network: Callable[[Parameters, Any], Any], shape: tuple[int, ...], dtype: str = "float32") -> Any:
    """Return (parameters, function of parameters and x) of a network that takes its parameters as it goes."""
    import jax

    first = Parameters()
    jax.eval_shape(lambda x: network(first, x), jax.ShapeDtypeStruct(shape, dtype))
    return first.made, lambda params, x: network(Parameters(params), x)
