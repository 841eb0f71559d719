"""Initializers whose values do not depend on chance."""

from typing import Any

import numpy as np

from tahr import backends
from tahr.backends.backend import numpy_dtype
from tahr.initializers.initializer import Initializer

__all__ = ["STFT", "Constant", "Identity", "Ones", "Zeros"]


def _filled(shape: Any, value: Any, dtype: str) -> np.ndarray:
    kind = np.dtype("float32") if dtype == "string" else numpy_dtype(dtype)
    zero = isinstance(value, (int, float)) and value == 0
    return np.zeros(shape, kind) if zero else np.full(shape, value, kind)


class Constant(Initializer):
    """Gives `value`, a number or an array that broadcasts to the shape.

    >>> initializers.Constant(3.0)((2,))
    [3.0, 3.0]
    """

    def __init__(self, value: Any = 0.0):
        self.value = value

    def values(self, shape: Any, dtype: str) -> np.ndarray:
        value = self.value
        if hasattr(value, "shape") and not isinstance(value, np.ndarray):
            value = backends.current().to_numpy(value.value if hasattr(value, "handle") else value)
        return _filled(shape, value, dtype)


class Zeros(Initializer):
    """Gives zeros.

    >>> initializers.Zeros()((2,))
    [0.0, 0.0]
    """

    def values(self, shape: Any, dtype: str) -> np.ndarray:
        return _filled(shape, 0, dtype)


class Ones(Initializer):
    """Gives ones.

    >>> initializers.Ones()((2,))
    [1.0, 1.0]
    """

    def values(self, shape: Any, dtype: str) -> np.ndarray:
        return _filled(shape, 1, dtype)


class Identity(Initializer):
    """Gives `gain` on the diagonal of a matrix and 0 elsewhere.

    As in Keras, the gain is no part of the config: one made from it has a gain of 1.

    Raises:
        ValueError: when called for a shape that is no matrix's.

    >>> initializers.Identity()((2, 2))
    [[1.0, 0.0], [0.0, 1.0]]
    """

    unrecorded = frozenset({"gain"})

    def __init__(self, gain: float = 1.0):
        self.gain = gain

    def values(self, shape: Any, dtype: str) -> np.ndarray:
        if len(shape) != 2:
            raise ValueError(f"Identity: expected the shape of a matrix; received {tuple(shape)}.")
        return self.gain * np.eye(*shape, dtype="float32")


class STFT(Initializer):
    """Gives the kernel with which a one-dimensional convolution computes a short-time Fourier transform.

    Args:
        side: `"real"` for the cosine part, `"imag"` for the sine part.
        window: window function by name, an array, or None for none.
        scaling: `"density"` divides by the root of the window's energy, `"spectrum"` by its sum, None by nothing.
        periodic: whether the window is one period of a function rather than symmetric.

    Raises:
        ValueError: if `side` or `scaling` is something else.

    >>> initializers.STFT(window=None, scaling=None)((2, 1, 2))
    [[[1.0, 1.0]], [[1.0, -1.0]]]
    """

    def __init__(
        self, side: str = "real", window: Any = "hann", scaling: str | None = "density", periodic: bool = False
    ):
        if side not in ("real", "imag"):
            raise ValueError(f"STFT: expected side to be 'real' or 'imag'; received {side!r}.")
        if scaling not in ("density", "spectrum", None):
            raise ValueError(f"STFT: expected scaling to be 'density', 'spectrum' or None; received {scaling!r}.")
        self.side, self.window, self.scaling, self.periodic = side, window, scaling, periodic

    def values(self, shape: Any, dtype: str) -> np.ndarray:
        if len(shape) != 3:
            raise ValueError(f"STFT: expected a shape (window length, 1, frequencies); received {tuple(shape)}.")
        from tahr.ops.signal import window_values

        length, _, bins = shape
        window = window_values(self.window, length, self.periodic)
        scale = {"density": np.sqrt(np.sum(window**2)), "spectrum": np.sum(window), None: 1.0}[self.scaling]
        # bins of the one-sided transform of length 2 * (bins - 1), each frequency for each sample
        angle = 2 * np.pi * np.outer(np.arange(length), np.arange(bins)) / (2 * (bins - 1) if bins > 1 else 1)
        wave = np.cos(angle) if self.side == "real" else -np.sin(angle)
        return (wave * (window / scale)[:, None])[:, None, :].astype("float32")
