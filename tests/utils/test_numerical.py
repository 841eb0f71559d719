"""`to_categorical` and `normalize` on NumPy arrays, lists and tensors."""

import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from tahr import ops
from tahr.utils import normalize, to_categorical


@pytest.mark.parametrize(
    ("x", "num_classes", "expected"),
    [
        ([0, 2, 1], None, np.eye(3)[[0, 2, 1]]),
        (np.array([0, 1]), 4, np.eye(4)[[0, 1]]),
        (np.array([[0, 1], [1, 0]]), 2, np.eye(2)[[[0, 1], [1, 0]]]),
        (np.array([[1], [0]]), 2, np.eye(2)[[1, 0]]),
        (np.array([1.0, 0.0]), None, np.eye(2)[[1, 0]]),
        ([True, False], None, np.eye(2)[[1, 0]]),
        (2, None, np.eye(3)[2]),
        (np.empty((0,), "int64"), 3, np.empty((0, 3))),
    ],
)
def test_to_categorical(x: Any, num_classes: int | None, expected: np.ndarray) -> None:
    found = to_categorical(x, num_classes)
    assert isinstance(found, np.ndarray) and found.dtype == "float64"
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("num_classes", [None, 5])
def test_to_categorical_of_a_tensor(num_classes: int | None) -> None:
    for labels in ([3, 0, 1], [[3], [0], [1]]):
        found = to_categorical(ops.convert_to_tensor(labels), num_classes)
        assert ops.is_tensor(found)
        np.testing.assert_array_equal(ops.convert_to_numpy(found), np.eye(num_classes or 4)[[3, 0, 1]])


@pytest.mark.parametrize(
    ("x", "num_classes", "message"),
    [
        ([-1, 0], None, r"must be from 0 to 0 .* received -1"),
        ([3], 2, r"must be from 0 to 1 \(num_classes=2\); received 3"),
        ([0.5], None, "needs whole numbers"),
        (["a"], None, "needs whole numbers"),
    ],
)
def test_to_categorical_refuses(x: Any, num_classes: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_categorical(x, num_classes)


@pytest.mark.parametrize(
    ("x", "arguments", "expected"),
    [
        ([[3, 4]], {}, [[0.6, 0.8]]),
        ([3.0, 4.0], {}, [[0.6, 0.8]]),
        ([[3.0, -1.0]], {"order": 1}, [[0.75, -0.25]]),
        ([[3.0, 0.0], [4.0, 0.0]], {"axis": 0}, [[0.6, 0.0], [0.8, 0.0]]),
        ([[1.0, 2.0]], {"order": 3}, [[1 / 9 ** (1 / 3), 2 / 9 ** (1 / 3)]]),
        ([[0.0, 0.0]], {}, [[0.0, 0.0]]),
    ],
)
def test_normalize(x: Any, arguments: dict[str, int], expected: Any) -> None:
    found = normalize(np.array(x), **arguments)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    if np.ndim(x) == 2:
        tensor = normalize(ops.convert_to_tensor(np.array(x, "float32")), **arguments)
        np.testing.assert_allclose(ops.convert_to_numpy(tensor), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_normalize_keeps_floats(dtype: str) -> None:
    assert normalize(np.ones((2, 3), dtype)).dtype == dtype


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (np.inf, [[0.75, -1.0, 0.0], [0.5, 1.0, 1.0]]),
        (-np.inf, [[3.0, -4.0, 0.0], [1.0, 2.0, 2.0]]),
        (0, [[1.5, -2.0, 0.0], [1 / 3, 2 / 3, 2 / 3]]),
        (0.5, [[0.21539031, -0.28718707, 0.0], [0.06822746, 0.13645493, 0.13645493]]),
        (-1, [[3.0, -4.0, 0.0], [2.0, 4.0, 4.0]]),
        (None, [[0.6, -0.8, 0.0], [1 / 3, 2 / 3, 2 / 3]]),
    ],
)
def test_normalize_by_any_norm_of_vectors(order: float | None, expected: Any) -> None:
    """The values of Keras 3.15.1, which has these orders for NumPy arrays alone."""
    found = normalize(np.array([[3, -4, 0], [1, 2, 2]], "float32"), order=order)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("order", [0, 1.5, np.inf, "2"])
def test_normalize_refuses(order: Any) -> None:
    with pytest.raises(ValueError, match="order must be a whole number"):
        normalize([[1.0, 2.0]], order=order)


def test_normalize_refuses_names_of_norms() -> None:
    with pytest.raises(ValueError, match="order must be a number; received 'fro'"):
        normalize(np.ones((2, 3)), order="fro")  # pyright: ignore[reportArgumentType]


def test_seeds_of_a_fresh_process() -> None:
    """Loading the framework, which the first seed does, takes no numbers from NumPy's stream."""
    code = "import numpy, tahr, random; tahr.utils.set_random_seed(3); print(numpy.random.rand(), random.random())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    rest = random.Random(3).random()
    assert [float(x) for x in found] == [np.random.RandomState(3).rand(), rest]
