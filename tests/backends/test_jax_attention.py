"""Attention to many tokens on JAX: what the compiled program keeps in memory, and the program that a GPU is given."""

import math
import re
from typing import Any

import pytest

jax: Any = pytest.importorskip("jax")

from tahr import config, ops  # noqa: E402

pytestmark = [pytest.mark.once, pytest.mark.skipif(config.backend() != "jax", reason="is about JAX")]


def slope(tokens: int, dtype: str) -> tuple[Any, Any]:
    """Return the gradient of causal attention, and its argument as a shape."""

    def loss(x: Any) -> Any:
        return ops.sum(ops.dot_product_attention(x, x, x, is_causal=True) ** 2)

    return jax.jit(jax.grad(loss)), jax.ShapeDtypeStruct((1, tokens, 8, 64), dtype)


def test_memory_doubles_with_the_tokens() -> None:
    def taken(tokens: int) -> int:
        compiled, x = slope(tokens, "float32")
        return compiled.lower(x).compile().memory_analysis().temp_size_in_bytes

    assert taken(4096) < 2.1 * taken(2048)


def test_no_array_of_a_gpu_s_program_grows_with_the_square() -> None:
    def largest(tokens: int) -> int:
        compiled, x = slope(tokens, "bfloat16")
        text = jax.export.export(compiled, platforms=["cuda"])(x).mlir_module()
        return max(math.prod(map(int, found.split("x"))) for found in re.findall(r"tensor<(\d+(?:x\d+)*)x\w+>", text))

    assert largest(4096) == 2 * largest(2048)
