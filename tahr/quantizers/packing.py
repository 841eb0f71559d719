"""Two numbers of four bits in one byte."""

from typing import Any

from tahr import dtypes, ops
from tahr.symbolic import KerasTensor, Operation

__all__ = ["pack_int4", "unpack_int4"]


def _checked(dtype: str, given: Any, what: str) -> str:
    if dtype not in ("int8", "uint8"):
        raise ValueError(f"dtype: expected 'int8' or 'uint8'; received {dtype!r}.")
    if dtypes.of(given) != dtype:
        raise TypeError(f"{what}: expected an array of {dtype}; received {dtypes.of(given)}.")
    return dtype


def pack_int4(arr: Any, axis: int = 0, dtype: str = "int8") -> tuple[Any, tuple[int, ...], int]:
    """Return numbers of four bits packed in pairs along an axis, the shape of that, and the size of the axis before.

    Of two neighbours the first takes the lower four bits. An odd size is filled up with 0.

    Args:
        arr: numbers from -8 to 7 (from 0 to 15 for uint8).
        axis: the axis to halve.
        dtype: `"int8"` or `"uint8"`, the type of `arr` and of the result.

    Raises:
        TypeError: if `arr` is of another type.
        ValueError: if `dtype` is no 8-bit type.

    >>> quantizers.pack_int4(np.array([1, -2, 3], "int8"))
    ([-31, 3], (2,), 3)
    """
    dtype = _checked(dtype, arr, "pack_int4")
    size = arr.shape[axis]
    x = ops.cast(ops.moveaxis(arr, axis, 0), "int32")
    if size % 2:
        x = ops.pad(x, [(0, 1)] + [(0, 0)] * (len(x.shape) - 1))
    bytes_of = (x[::2] & 15) | ops.left_shift(x[1::2] & 15, 4)
    if dtype == "int8":
        bytes_of = ops.where(bytes_of > 127, bytes_of - 256, bytes_of)
    packed = ops.moveaxis(ops.cast(bytes_of, dtype), 0, axis)
    return packed, tuple(packed.shape), size


def unpack_int4(packed: Any, orig_len: int, axis: int = 0, dtype: str = "int8") -> Any:
    """Return what `pack_int4` packed.

    Args:
        packed: pairs of numbers of four bits.
        orig_len: size of the axis before it was packed.
        axis: the axis to double.
        dtype: `"int8"` or `"uint8"`, the type of `packed` and of the result.

    Raises:
        TypeError: if `packed` is of another type.
        ValueError: if `dtype` is no 8-bit type.

    >>> quantizers.unpack_int4(np.array([-31, 3], "int8"), 3)
    [1, -2, 3]
    """
    return _Unpack(orig_len, axis, _checked(dtype, packed, "unpack_int4"))(packed)


class _Unpack(Operation):
    def __init__(self, orig_len: int, axis: int, dtype: str):
        super().__init__()
        self.orig_len, self.axis, self.kind = orig_len, axis, dtype

    def call(self, packed: Any) -> Any:
        x = ops.cast(ops.moveaxis(packed, self.axis, 0), "int32")
        x = ops.stack([x & 15, ops.right_shift(x, 4) & 15], axis=1)
        x = ops.reshape(x, (-1, *x.shape[2:]))[: self.orig_len]
        if self.kind == "int8":
            x = ops.where(x > 7, x - 16, x)
        return ops.moveaxis(ops.cast(x, self.kind), 0, self.axis)

    def compute_output_spec(self, packed: Any) -> Any:
        sizes = list(packed.shape)
        sizes[self.axis] = None  # as Keras describes it
        return KerasTensor(sizes, self.kind, record_history=False)
