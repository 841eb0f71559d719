"""The memory of a variable is its own, also where a framework would rather keep a NumPy array."""

import numpy as np

import tahr as keras


def aligned(size: int) -> np.ndarray:
    """Return ones in memory that begins at a multiple of 64 bytes, which XLA takes without a copy."""
    room = np.empty(4 * size + 64, "u1")
    start = -room.ctypes.data % 64
    array = room[start : start + 4 * size].view("float32")
    array[:] = 1
    return array


def test_changed_arrays_leave_variables_alone() -> None:
    given, assigned = aligned(4096), aligned(4096)
    first, second = keras.Variable(given), keras.Variable(np.zeros(4096, "float32"))
    second.assign(assigned)
    given[:] = assigned[:] = 5
    for variable in (first, second):
        assert set(variable.numpy()) == {1.0}
