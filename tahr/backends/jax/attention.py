"""Attention by cuDNN's flash kernel, on the GPUs that have it; elsewhere XLA compiles the chunks of the composition."""

from typing import Any

import jax
import jax.numpy as jnp

from tahr.backends.forward import is_forward

LARGEST = 128  # numbers a head that every GPU's kernel takes, in eights


class Attention:
    """The attention duty of the JAX backend."""

    def attend(
        self, query: Any, key: Any, value: Any, bias: Any, mask: Any, scale: Any, causal: bool, asked: bool
    ) -> Any:
        size = query.shape[-1]
        fits = (
            size == value.shape[-1] and size % 8 == 0 and size <= LARGEST and query.dtype in (jnp.bfloat16, jnp.float16)
        )
        if not (asked and fits and jax.default_backend() == "gpu") or is_forward():
            return None
        bias, mask = (None if x is None else x.reshape(*[1] * (4 - x.ndim), *x.shape) for x in (bias, mask))
        return jax.nn.dot_product_attention(
            query, key, value, None if bias is None else bias.astype(query.dtype),
            None if mask is None else mask.astype(bool), scale=scale, is_causal=causal, implementation="cudnn",
        )  # fmt: skip
