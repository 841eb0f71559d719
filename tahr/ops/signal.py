"""Fourier transforms, of whole arrays and of overlapping parts of them. Complex numbers are pairs (real, imaginary)."""

from typing import Any

import numpy as np

from tahr import backends, dtypes, shapes
from tahr.arithmetic import OPERATIONS
from tahr.dtypes import floating, moved
from tahr.ops.declare import op
from tahr.ops.elementwise import imag, real
from tahr.ops.normalization import wide
from tahr.symbolic import KerasTensor
from tahr.variables import LoadingScope


def _pair_of(x: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(f"{what}: expected a pair (real part, imaginary part); received {type(x).__name__}.")
    if shapes.of(x[0]) != shapes.of(x[1]):
        raise ValueError(f"{what}: expected parts of equal shape; received {shapes.of(x[0])} and {shapes.of(x[1])}.")
    return x[0], x[1]


def _spec(shape: Any, dtype: str) -> KerasTensor:
    return KerasTensor(shape, "float64" if dtype == "float64" else "float32", record_history=False)


def _complex(x: Any) -> Any:
    return OPERATIONS["view_as_complex"](OPERATIONS["stack"]([wide(part) for part in x], axis=-1))


def _parts(x: Any) -> tuple[Any, Any]:
    return real(x), imag(x)


def _same_pair(axes: int, what: str) -> Any:
    def rule(x: Any) -> Any:
        part, _ = _pair_of(x, what)
        if len(part.shape) < axes:
            raise ValueError(f"{what}: expected at least {axes} dimensions; received shape {tuple(part.shape)}.")
        return _spec(part.shape, dtypes.of(part)), _spec(part.shape, dtypes.of(part))

    return rule


@op(floating("x"), shape=_same_pair(1, "fft"), lists=("x",), native=False)
def fft(x: Any) -> Any:
    """Return the discrete Fourier transform over the last axis.

    Args:
        x: pair of real and imaginary part.

    Returns:
        Pair of real and imaginary part.

    Raises:
        ValueError: if `x` is no pair of arrays of equal shape.

    >>> ops.fft(([1.0, 2.0], [0.0, 0.0]))
    ([3.0, -1.0], [0.0, 0.0])
    """
    _pair_of(x, "fft")
    return _parts(backends.current().fourier("fft", _complex(x)))


@op(floating("x"), shape=_same_pair(2, "fft2"), lists=("x",), native=False)
def fft2(x: Any) -> Any:
    """Return the discrete Fourier transform over the last two axes.

    Args:
        x: pair of real and imaginary part.

    Returns:
        Pair of real and imaginary part.

    Raises:
        ValueError: if `x` is no pair of arrays of equal shape.

    >>> ops.fft2(([[1.0, 2.0]], [[0.0, 0.0]]))
    ([[3.0, -1.0]], [[0.0, 0.0]])
    """
    _pair_of(x, "fft2")
    return _parts(backends.current().fourier("fft2", _complex(x)))


@op(floating("x"), shape=_same_pair(2, "ifft2"), lists=("x",), native=False)
def ifft2(x: Any) -> Any:
    """Return the inverse of `fft2`.

    Args:
        x: pair of real and imaginary part.

    Returns:
        Pair of real and imaginary part.

    Raises:
        ValueError: if `x` is no pair of arrays of equal shape.

    >>> ops.ifft2(([[3.0, -1.0]], [[0.0, 0.0]]))
    ([[1.0, 2.0]], [[0.0, 0.0]])
    """
    _pair_of(x, "ifft2")
    return _parts(backends.current().fourier("ifft2", _complex(x)))


def _rfft_shape(x: Any, fft_length: int | None = None) -> Any:
    shape = shapes.of(x)
    if fft_length is not None and fft_length < 1:
        raise ValueError(f"rfft: expected fft_length >= 1; received {fft_length}.")
    size = fft_length if fft_length is not None else shape[-1]
    found = _spec((*shape[:-1], None if size is None else size // 2 + 1), dtypes.of(x))
    return found, _spec(found.shape, dtypes.of(x))


@op(floating("x"), shape=_rfft_shape, native=False)
def rfft(x: Any, fft_length: int | None = None) -> Any:
    """Return the half of the Fourier transform over the last axis that determines the rest for real `x`.

    Args:
        x: real array.
        fft_length: length of the transform; `x` is cut or filled up with zeros. None takes the length of `x`.

    Returns:
        Pair of real and imaginary part, of `fft_length // 2 + 1` frequencies.

    >>> ops.rfft([1.0, 2.0])
    ([3.0, -1.0], [0.0, 0.0])
    """
    _rfft_shape(x, fft_length)
    return _parts(backends.current().fourier("rfft", wide(x), n=fft_length))


def _irfft_shape(x: Any, fft_length: int | None = None) -> Any:
    part, _ = _pair_of(x, "irfft")
    size = fft_length if fft_length is not None else part.shape[-1] and 2 * (part.shape[-1] - 1)
    return _spec((*part.shape[:-1], size), dtypes.of(part))


@op(floating("x"), shape=_irfft_shape, lists=("x",), native=False)
def irfft(x: Any, fft_length: int | None = None) -> Any:
    """Return the inverse of `rfft`.

    Args:
        x: pair of real and imaginary part.
        fft_length: length of the result; None takes twice the number of frequencies less two.

    Raises:
        ValueError: if `x` is no pair of arrays of equal shape.

    >>> ops.irfft(([3.0, -1.0], [0.0, 0.0]))
    [1.0, 2.0]
    """
    _pair_of(x, "irfft")
    return backends.current().fourier("irfft", _complex(x), n=fft_length)


def _sequences_shape(x: Any, sequence_length: int, sequence_stride: int) -> shapes.Shape:
    shape = shapes.of(x)
    for name, value in (("sequence_length", sequence_length), ("sequence_stride", sequence_stride)):
        if not hasattr(value, "__index__") or value < 1:
            raise ValueError(f"extract_sequences: expected a positive whole {name}; received {value!r}.")
    if shape[-1] is not None and shape[-1] < sequence_length:
        raise ValueError(
            f"extract_sequences: a sequence of length {sequence_length} does not fit into an axis of {shape[-1]}."
        )
    count = None if shape[-1] is None else (shape[-1] - sequence_length) // sequence_stride + 1
    return (*shape[:-1], count, sequence_length)


@op(moved("x"), shape=_sequences_shape, native=False)
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """Return the parts of length `sequence_length` of the last axis that begin every `sequence_stride` elements.

    Raises:
        ValueError: if the axis is shorter than a part.

    >>> ops.extract_sequences([1.0, 2.0, 3.0, 4.0], 2, 1)
    [[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]]
    """
    *_, count, _ = _sequences_shape(x, sequence_length, sequence_stride)
    places = np.arange(count)[:, None] * sequence_stride + np.arange(sequence_length)
    found = OPERATIONS["take"](x, places.reshape(-1).astype("int32"), axis=-1)
    return OPERATIONS["reshape"](found, (*x.shape[:-1], count, sequence_length))


_COSINES = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46), "blackman": (0.42, 0.5, 0.08), "boxcar": (1.0,)}


def window_values(window: Any, length: int, periodic: bool = True) -> np.ndarray:
    """Return the values of a window function given by name, as an array, or as None for ones.

    Raises:
        ValueError: if the name is unknown or an array has another length.
    """
    if (loading := LoadingScope.current()) is not None:
        loading.count(f"of the window {window!r:.50}", (length,))
    if window is None:
        return np.ones(length)
    if isinstance(window, str):
        name = window.lower()
        if name == "bartlett":
            turn = np.arange(length) / max(1, length if periodic else length - 1)
            return 1 - np.abs(2 * turn - 1)
        if name not in _COSINES:
            raise ValueError(f"window: expected one of {', '.join([*_COSINES, 'bartlett'])}; received {window!r}.")
        if length == 1:
            return np.ones(1)
        angle = 2 * np.pi * np.arange(length) / (length if periodic else length - 1)
        return sum((-1) ** k * a * np.cos(k * angle) for k, a in enumerate(_COSINES[name]))  # type: ignore[return-value]
    values = np.asarray(backends.current().to_numpy(window) if not isinstance(window, (list, tuple)) else window)
    if values.shape != (length,):
        raise ValueError(f"window: expected an array of shape ({length},); received shape {values.shape}.")
    return values


def _framed(window: Any, sequence_length: int, fft_length: int, what: str) -> np.ndarray:
    """Return the window's values in the middle of `fft_length` zeros."""
    if fft_length < sequence_length:
        raise ValueError(f"{what}: fft_length {fft_length} must not be less than sequence_length {sequence_length}.")
    if window is None:
        return np.ones(fft_length, "float32")
    before = (fft_length - sequence_length) // 2
    values = window_values(window, sequence_length)
    return np.pad(values, (before, fft_length - sequence_length - before)).astype("float32")


def _stft_shape(
    x: Any, sequence_length: int, sequence_stride: int, fft_length: int, window: Any = "hann", center: bool = True
) -> Any:
    shape = shapes.of(x)
    if fft_length < sequence_length:
        raise ValueError(f"stft: fft_length {fft_length} must not be less than sequence_length {sequence_length}.")
    size = shape[-1]
    if size is not None:
        size = (size + (2 * (fft_length // 2) if center else 0) - fft_length) // sequence_stride + 1
    found = _spec((*shape[:-1], size, fft_length // 2 + 1), dtypes.of(x))
    return found, _spec(found.shape, dtypes.of(x))


@op(floating("x"), shape=_stft_shape, native=False)
def stft(
    x: Any, sequence_length: int, sequence_stride: int, fft_length: int, window: Any = "hann", center: bool = True
) -> Any:
    """Return the Fourier transforms of overlapping, windowed parts of the last axis.

    Args:
        x: real array.
        sequence_length: length of the window.
        sequence_stride: distance between parts.
        fft_length: length of the transforms, at least `sequence_length`.
        window: `"hann"`, `"hamming"`, `"blackman"`, `"bartlett"`, an array of `sequence_length`, or None for none.
        center: whether `x` is mirrored at its ends so that part i is centred on element `i * sequence_stride`.

    Returns:
        Pair of real and imaginary part of shape (..., parts, fft_length // 2 + 1).

    Raises:
        ValueError: if lengths do not fit together.

    >>> ops.stft([1.0, 1.0, 1.0, 1.0], 2, 2, 2, window=None, center=False)
    ([[2.0, 0.0], [2.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]])
    """
    values = OPERATIONS["cast"](_framed(window, sequence_length, fft_length, "stft"), wide(x).dtype)
    x = wide(x)
    if center:
        side = fft_length // 2
        x = OPERATIONS["pad"](x, (*((0, 0),) * (len(x.shape) - 1), (side, side)), mode="reflect")
    return rfft(extract_sequences(x, fft_length, sequence_stride) * values)


def _istft_shape(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    part, _ = _pair_of(x, "istft")
    *batch, count, _ = part.shape
    size = length
    if size is None and count is not None:
        size = (count - 1) * sequence_stride + fft_length - (2 * (fft_length // 2) if center else 0)
    return _spec((*batch, size), dtypes.of(part))


@op(floating("x"), shape=_istft_shape, lists=("x",), native=False)
def istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """Return the array whose `stft` is nearest to `x`: the parts, windowed again, added and divided by the windows.

    Args:
        x: pair of real and imaginary part of shape (..., parts, fft_length // 2 + 1).
        sequence_length: length of the window.
        sequence_stride: distance between parts.
        fft_length: length of the transforms.
        length: length of the result; None takes all of it.
        window: as given to `stft`.
        center: as given to `stft`.

    Raises:
        ValueError: if lengths do not fit together.

    >>> ops.istft(ops.stft([1.0, 2.0, 3.0, 4.0], 2, 1, 2), 2, 1, 2)
    [1.0, 2.0, 3.0, 4.0]
    """
    run = OPERATIONS
    values = _framed(window, sequence_length, fft_length, "istft")
    parts = irfft(x, fft_length)
    *batch, count, _ = parts.shape
    full = (count - 1) * sequence_stride + fft_length
    places = (np.arange(count)[:, None] * sequence_stride + np.arange(fft_length)).reshape(-1)
    weights = np.bincount(places, np.tile(values**2, count), full).astype("float32")
    flat = run["reshape"](parts * run["cast"](values, parts.dtype), (-1, places.size))
    sums = run["transpose"](run["segment_sum"](run["transpose"](flat), places.astype("int32"), full))
    found = run["reshape"](sums, (*batch, full)) / run["cast"](np.where(weights > 1e-11, weights, 1), parts.dtype)
    start = fft_length // 2 if center else 0
    stop = start + length if length is not None else full - start
    if stop > full:
        found = run["pad"](found, (*((0, 0),) * len(batch), (0, stop - full)))
    return found[..., start:stop]
