"""Data that stay on the device for a whole `fit`: the user's numbers, in memory that is given back at once."""

import numpy as np
import pytest

from tahr import backends, config, ops
from tahr.backends.backend import numpy_dtype


@pytest.mark.parametrize("kind", ["float32", "float64", "uint8", "bfloat16", "bool"])
@pytest.mark.parametrize("rows", [0, 3, 2000])
def test_numbers(kind: str, rows: int) -> None:
    engine = backends.current()
    given = np.arange(rows * 1000).reshape(1000, rows).T.astype(numpy_dtype(kind))
    held = engine.resident(given)
    assert tuple(held.shape) == (rows, 1000)
    np.testing.assert_array_equal(engine.to_numpy(held).astype("float32"), given.astype("float32"))
    assert engine.resident(held) is held


@pytest.mark.skipif(config.backend() != "jax", reason="JAX copies data; others read them where they are")
def test_large_data_have_pages_of_their_own() -> None:
    data = np.ones((2**22,), "float32")
    held = backends.current().resident(data)
    assert held.unsafe_buffer_pointer() % 4096 == 0
    data[:] = 0
    assert float(ops.min(held)) == 1
