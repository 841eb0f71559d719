"""Arrays as 8-bit floats, with a scale that follows the largest sizes seen of late.

Formulas: Micikevicius et al., 2022, "FP8 Formats for Deep Learning", and delayed scaling as in
NVIDIA's Transformer Engine.
"""

from typing import Any

from tahr import dtypes, ops

__all__ = ["compute_float8_amax_history", "compute_float8_scale", "quantize_and_dequantize"]


def compute_float8_scale(amax: Any, scale: Any, dtype_max: float, margin: int = 0) -> Any:
    """Return the scale that takes values of size up to `amax` into an 8-bit type.

    Args:
        amax: largest size.
        scale: the scale so far, kept where `amax` is 0 or no finite number.
        dtype_max: largest number of the type.
        margin: how many powers of two to stay below it.

    >>> quantizers.compute_float8_scale(np.array([2.0], "float32"), np.array([1.0], "float32"), 448.0)
    [0.00446429]
    """
    usable = ops.logical_and(amax > 0, ops.isfinite(amax))
    safe = ops.where(usable, amax, ops.ones_like(amax))
    return ops.where(usable, safe / dtype_max * 2**margin, scale)


def compute_float8_amax_history(x: Any, amax_history: Any) -> Any:
    """Return the history of largest sizes moved on by one, with that of `x` at its start.

    Args:
        x: array of any shape.
        amax_history: vector, the newest size first and the oldest second.

    >>> quantizers.compute_float8_amax_history(np.array([-5.0], "float32"), np.array([1.0, 2.0, 3.0], "float32"))
    [5.0, 3.0, 1.0]
    """
    newest = ops.cast(ops.amax(ops.absolute(x)), amax_history.dtype)
    moved = ops.roll(amax_history, -1)
    return ops.concatenate([ops.reshape(newest, (1,)), moved[1:]])


def quantize_and_dequantize(inputs: Any, scale: Any, quantized_dtype: str, compute_dtype: str) -> Any:
    """Return floats brought to values of an 8-bit type and back.

    Args:
        inputs: floats of any shape.
        scale: what a value of 1 in the 8-bit type stands for.
        quantized_dtype: `"float8_e4m3fn"` or `"float8_e5m2"`.
        compute_dtype: type of the result.

    Raises:
        ValueError: if `quantized_dtype` is no 8-bit type of floats.

    >>> quantizers.quantize_and_dequantize(np.array([4.5, 100.0], "float32"), 0.1, "float8_e4m3fn", "float32")
    [4.4, 44.8]
    """
    if quantized_dtype not in ("float8_e4m3fn", "float8_e5m2"):
        raise ValueError(f"quantized_dtype: expected 'float8_e4m3fn' or 'float8_e5m2'; received {quantized_dtype!r}.")
    largest = dtypes.limits(quantized_dtype)[1]
    scale = ops.cast(scale, compute_dtype)
    x = ops.clip(ops.cast(inputs, compute_dtype) / scale, -largest, largest)
    return ops.cast(ops.cast(x, quantized_dtype), compute_dtype) * scale
