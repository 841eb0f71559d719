"""Draws from Philox, whose key is the seed state."""

from typing import Any

import numpy as np

from tahr.backends.backend import numpy_dtype


def _generator(state: Any) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=int(state[0]) | int(state[1]) << 64))


def _wide(dtype: str) -> Any:
    return np.float64 if dtype == "float64" else np.float32


class Draws:
    """The random duties of the NumPy backend."""

    def random_uniform(self, state: Any, shape: tuple[int, ...], dtype: str) -> Any:
        draws = _generator(state).random(shape, _wide(dtype))
        if dtype in ("float32", "float64"):
            return draws
        below = 1 - np.finfo(np.float16).epsneg if dtype == "float16" else 1 - 2.0**-8
        return np.minimum(draws, below).astype(numpy_dtype(dtype))  # rounding must not reach 1

    def random_normal(self, state: Any, shape: tuple[int, ...], dtype: str) -> Any:
        return _generator(state).standard_normal(shape, _wide(dtype)).astype(numpy_dtype(dtype), copy=False)

    def random_integers(self, state: Any, shape: tuple[int, ...], minval: Any, maxval: Any, dtype: str) -> Any:
        return _generator(state).integers(minval, maxval, shape, np.int64).astype(numpy_dtype(dtype))

    def random_gamma(self, state: Any, alpha: Any) -> Any:
        return np.asarray(_generator(state).standard_gamma(alpha), alpha.dtype)

    def random_binomial(self, state: Any, counts: Any, probabilities: Any) -> Any:
        return np.asarray(_generator(state).binomial(counts.astype(np.int64), probabilities), counts.dtype)

    def random_permutation(self, state: Any, count: int) -> Any:
        return _generator(state).permutation(count)

    def random_mask(self, state: Any, shape: tuple[int, ...], probability: Any) -> Any:
        return _generator(state).random(shape, np.float32) < probability
