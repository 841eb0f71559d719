"""Arrays as whole numbers of few bits."""

from typing import Any

import numpy as np

from tahr import dtypes, ops
from tahr.backends.backend import numpy_dtype
from tahr.symbolic import is_keras_tensor

__all__ = ["abs_max_quantize", "abs_max_quantize_grouped_with_zero_point", "fake_quant_with_min_max_vars"]


class _Host:
    """The few operations that quantizing needs, on NumPy arrays."""

    absolute, amax, amin, clip = np.absolute, np.amax, np.amin, np.clip
    round, where, reshape, pad, equal = np.round, np.where, np.reshape, np.pad, np.equal

    @staticmethod
    def cast(x: Any, dtype: str) -> np.ndarray:
        return np.asarray(x).astype(numpy_dtype(dtype))


def _start(inputs: Any, to_numpy: bool) -> tuple[Any, Any]:
    if to_numpy:
        return _Host, ops.convert_to_numpy(inputs)
    return ops, inputs if is_keras_tensor(inputs) else ops.convert_to_tensor(inputs)


def abs_max_quantize(
    inputs: Any,
    axis: Any,
    value_range: tuple[int, int] = (-127, 127),
    dtype: str = "int8",
    epsilon: float = 1e-7,
    to_numpy: bool = False,
) -> tuple[Any, Any]:
    """Return `round(inputs * scale)`, clipped, and the scale with which the largest size becomes the largest number.

    Args:
        inputs: floats of any shape.
        axis: axis or axes that share a scale; None for all.
        value_range: least and largest number.
        dtype: type of the result.
        epsilon: added to the largest size, so that zeros have a scale.
        to_numpy: whether to compute on the host and return NumPy arrays, without a copy on the device.

    Returns:
        The numbers, of the shape of `inputs`, and the scale, in which `axis` has size 1.

    >>> numbers, scale = quantizers.abs_max_quantize(np.array([[1.0, -2.0]], "float32"), axis=-1)
    >>> numbers, scale
    ([[64, -127]], [[63.5]])
    """
    run, inputs = _start(inputs, to_numpy)
    low, high = value_range
    kind = dtypes.of(inputs) if not to_numpy else str(inputs.dtype)
    scale = high / (run.amax(run.absolute(inputs), axis=axis, keepdims=True) + epsilon)
    scale = run.cast(scale, kind)
    return run.cast(run.clip(run.round(inputs * scale), low, high), dtype), scale


def abs_max_quantize_grouped_with_zero_point(
    inputs: Any,
    block_size: int,
    value_range: tuple[int, int] = (-8, 7),
    dtype: str = "int8",
    epsilon: float = 1e-7,
    to_numpy: bool = False,
) -> tuple[Any, Any, Any]:
    """Return a matrix as whole numbers with a scale and a zero point for each column of each block of rows.

    `(numbers - zero_point) * scale` is close to the inputs. The last block is filled up with zeros.

    Args:
        inputs: matrix of floats.
        block_size: rows that share a scale.
        value_range: least and largest number.
        dtype: type of the numbers and zero points.
        epsilon: least distance between the least and the largest value of a block.
        to_numpy: whether to compute on the host and return NumPy arrays.

    Returns:
        Numbers `(rows, columns)`, scales and zero points `(blocks, columns)`.

    Raises:
        ValueError: if `inputs` is no matrix of known size, or `block_size` is not positive.

    >>> x = np.array([[0.0], [3.0], [-1.0], [0.5]], "float32")
    >>> quantizers.abs_max_quantize_grouped_with_zero_point(x, 2)
    ([[-8], [7], [-8], [7]], [[0.2], [0.1]], [[-8], [2]])
    """
    run, inputs = _start(inputs, to_numpy)
    sizes = tuple(inputs.shape)
    if len(sizes) != 2 or None in sizes:
        raise ValueError(f"inputs: expected a matrix of known size; received shape {sizes}.")
    if isinstance(block_size, bool) or not isinstance(block_size, int) or block_size < 1:
        raise ValueError(f"block_size: expected a positive whole number; received {block_size!r}.")
    (rows, columns), (low, high) = sizes, value_range
    blocks = -(-rows // block_size)
    x = run.reshape(run.pad(inputs, ((0, blocks * block_size - rows), (0, 0))), (blocks, block_size, columns))
    least, largest = run.amin(x, axis=1, keepdims=True), run.amax(x, axis=1, keepdims=True)
    flat = largest - least < epsilon  # one value in a block: a range of 2 around it
    least, largest = run.where(flat, least - 1, least), run.where(flat, largest + 1, largest)
    scale = (largest - least) / (high - low)
    zero = run.clip(run.round(low - least / scale), low, high)
    numbers = run.reshape(run.clip(run.round(x / scale) + zero, low, high), (blocks * block_size, columns))[:rows]
    scale, zero = run.reshape(scale, (blocks, columns)), run.reshape(zero, (blocks, columns))
    return run.cast(numbers, dtype), scale, run.cast(zero, dtype)


def fake_quant_with_min_max_vars(
    inputs: Any,
    min_vals: Any,
    max_vals: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    axis: int | None = None,
) -> Any:
    """Return floats brought to the values that whole numbers of `num_bits` bits can stand for.

    The range is moved a little, so that 0 is one of its values. Gradients pass inside of the range; outside they go to
    the bound (Jacob et al., 2018, "Quantization and Training of Neural Networks for Efficient Inference").

    Args:
        inputs: floats of any shape.
        min_vals: least value, or one for each index of `axis`.
        max_vals: largest value, likewise.
        num_bits: bits of a number, from 2 to 16.
        narrow_range: whether the least number is left out.
        axis: the axis along which the bounds differ, or None.

    Raises:
        ValueError: if `num_bits` is outside its range.

    >>> quantizers.fake_quant_with_min_max_vars(np.array([0.3, 2.0], "float32"), -1.0, 1.5, num_bits=4)
    [0.333333, 1.5]
    """
    if isinstance(num_bits, bool) or not isinstance(num_bits, int) or not 2 <= num_bits <= 16:
        raise ValueError(f"num_bits: expected a whole number from 2 to 16; received {num_bits!r}.")
    inputs = inputs if is_keras_tensor(inputs) else ops.convert_to_tensor(inputs)
    low, high = int(narrow_range), 2**num_bits - 1
    kind = dtypes.of(inputs)
    least, largest = (ops.cast(ops.convert_to_tensor(v), kind) for v in (min_vals, max_vals))
    if axis is not None:
        around = [1] * len(inputs.shape)
        around[axis] = -1
        least, largest = ops.reshape(least, around), ops.reshape(largest, around)
    scale = (largest - least) / (high - low)
    zero = ops.clip(ops.round(low - least / scale), low, high)
    bottom, top = (low - zero) * scale, (high - zero) * scale
    # the value is that of the moved bounds, the gradient that of the given ones
    bottom, top = (b + ops.stop_gradient(moved - b) for b, moved in ((least, bottom), (largest, top)))
    kept = ops.minimum(ops.maximum(inputs, bottom), top)
    stepped = ops.floor((kept - bottom) / scale + 0.5) * scale + bottom
    return kept + ops.stop_gradient(stepped - kept)
