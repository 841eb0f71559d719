"""On JAX, on a CPU, products with matrices join leading axes and give what XLA's own product gives."""

import re
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

from tahr import ops  # noqa: E402

pytestmark = pytest.mark.once

PRODUCTS = [
    # subscripts, shapes, whether leading axes are joined
    ("abc,cd->abd", (2, 3, 4), (4, 5), True),
    ("abc,cde->abde", (2, 3, 4), (4, 5, 6), True),
    ("abcd,cde->abe", (2, 3, 4, 5), (4, 5, 6), True),
    ("abc,cd->adb", (2, 3, 4), (4, 5), False),
    ("abc,dc->abd", (2, 3, 4), (5, 4), False),
    ("abc,acd->abd", (2, 3, 4), (2, 4, 5), False),
    ("abc,bcd->ad", (2, 3, 4), (3, 4, 5), True),
    ("abc,c->ab", (2, 3, 4), (4,), True),
    ("...c,cd->...d", (2, 3, 4), (4, 5), False),
    ("abc,cd->abd", (2, 3, 1), (4, 5), False),
    ("abc,cd->abd", (0, 3, 4), (4, 5), False),
]


@pytest.mark.parametrize("subscripts, first, second, joined", PRODUCTS)
def test_einsum(subscripts: str, first: Any, second: Any, joined: bool) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=shape).astype("float32") for shape in (first, second))
    found, back = jax.vjp(lambda x, y: ops.einsum(subscripts, x, y), x, y)
    wanted, forth = jax.vjp(lambda x, y: jax.numpy.einsum(subscripts, x, y), x, y)
    seed = rng.normal(size=wanted.shape).astype("float32")
    for one, other in zip((found, *back(seed)), (wanted, *forth(seed)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert (largest_rank(lambda x, y: ops.einsum(subscripts, x, y), x, y) == 2) is joined


def test_matmul() -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=shape).astype("float32") for shape in ((2, 3, 4), (4, 5)))
    np.testing.assert_allclose(ops.matmul(x, y), np.matmul(x, y), rtol=1e-5, atol=1e-5)
    assert largest_rank(ops.matmul, x, y) == 2
    assert largest_rank(ops.matmul, x, np.stack([y, y])) == 3
    mapped = jax.vmap(ops.matmul, (0, None))(np.stack([x, x]), y)
    np.testing.assert_allclose(mapped[1], np.matmul(x, y), rtol=1e-5, atol=1e-5)


def largest_rank(run: Any, *arrays: Any) -> int:
    """Return the most dimensions that an operand of a product has, in value or gradients."""

    def loss(*arrays: Any) -> Any:
        return jax.numpy.sum(jax.numpy.sin(run(*arrays)))

    program = jax.jit(jax.value_and_grad(loss, argnums=(0, 1))).lower(*arrays).as_text()
    operands = re.findall(r"dot_general.*: \(tensor<(\S+)>, tensor<(\S+)>\)", program)
    assert operands
    return max(shape.count("x") for pair in operands for shape in pair)
