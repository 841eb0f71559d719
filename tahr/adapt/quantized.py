"""Weights kept in few bits: whole numbers of 8 or 4 bits with scales.

Formulas: with 8 bits and with one scale for each output, weight = number / scale; with 4 bits in blocks,
weight = (number - zero) * scale. Inputs of products are rounded the same way, for each example anew, where that is
asked for; gradients pass as if they were not.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tahr import ops, quantizers
from tahr.adapt.stand_in import StandIn
from tahr.variables import Variable

__all__ = ["Layout", "QuantizedWeight"]

FOUR_BITS = (-8, 7)


@dataclass(frozen=True)
class Layout:
    """Where the numbers and scales of a weight are kept.

    Args:
        shape: sizes of the weight.
        summed: its axes that a product sums over: they share a scale.
        scale_axes: for each axis of the stored scales of 8 bits, the weight's axis that it belongs to, or None for one
            of size 1.
        across: whether blocks of 4 bits run along the last axis of a matrix whose rows have scales, as in tables.
        pack_axis: which axis of the matrix holds two numbers in a byte.
        zero_dtype: type of stored zero points.
    """

    shape: tuple[int, ...]
    summed: tuple[int, ...]
    scale_axes: tuple[int | None, ...]
    across: bool = False
    pack_axis: int = -1
    zero_dtype: str = "int8"

    @property
    def free(self) -> tuple[int, ...]:
        return tuple(a for a in range(len(self.shape)) if a not in self.summed)

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """Sizes as a matrix: what is summed over, then the rest; the other way round `across`.

        Keras reshapes to it whatever the order of the axes, so that numbers that share a scale may belong to several
        outputs; files are shared, so this does as well.
        """
        summed, free = (int(np.prod([self.shape[a] for a in axes])) for axes in (self.summed, self.free))
        return (free, summed) if self.across else (summed, free)

    def stored_scale(self, scale: np.ndarray) -> np.ndarray:
        """Return scales, in which the summed axes have size 1, as they are stored."""
        kept = [a for a in self.scale_axes if a is not None]
        order = sorted(range(len(kept)), key=kept.__getitem__)
        scale = scale.reshape([self.shape[a] for a in self.free]).transpose(np.argsort(order))
        return scale.reshape([1 if a is None else self.shape[a] for a in self.scale_axes])

    def spread_scale(self, scale: Any) -> Any:
        """Return stored scales with an axis for each one of the weight."""
        kept = [a for a in self.scale_axes if a is not None]
        scale = ops.reshape(scale, [self.shape[a] for a in kept])
        scale = ops.transpose(scale, sorted(range(len(kept)), key=kept.__getitem__))
        return ops.reshape(scale, [1 if a in self.summed else n for a, n in enumerate(self.shape)])


class QuantizedWeight(StandIn):
    """What stands in the place of a weight: it reads as floats, and is kept as whole numbers and scales.

    Args:
        layout: where numbers and scales are.
        numbers: 8 bits each, or 4 bits in pairs.
        scale: the scales.
        zero: the zero points of blocks, or None.
        block_of: for each weight of a sum the number of its block, or None.
        block_size: how many weights of a sum share a scale; -1 is all of them.
        weights: what quantizes floats into numbers with one scale for each output, or None for the usual way.
        activations: what quantizes the inputs of products, or None.

    >>> layer = layers.Dense(2, kernel_initializer="ones")
    >>> layer.build((None, 3))
    >>> layer.quantize("int8")
    >>> layer.kernel.numbers.numpy()[0], layer.kernel.scale.numpy()
    ([127, 127], [127.0, 127.0])
    """

    def __init__(
        self,
        layout: Layout,
        numbers: Variable,
        scale: Variable,
        zero: Variable | None = None,
        block_of: Variable | None = None,
        block_size: int = -1,
        weights: Any = None,
        activations: Any = None,
    ):
        super().__init__(numbers)
        self.layout, self.numbers, self.scale, self.zero, self.block_of = layout, numbers, scale, zero, block_of
        self.block_size, self.weights, self.activations = block_size, weights, activations

    @property
    def four_bits(self) -> bool:
        return tuple(self.numbers.shape) != self.layout.shape or self.zero is not None

    @property
    def value(self) -> Any:
        """The weight as floats: the backend's array in the type of the scales."""
        scale = ops.convert_to_tensor(self.scale)
        if not self.four_bits:
            return ops.cast(self.numbers, scale.dtype) / self.layout.spread_scale(scale)
        rows, columns = self.layout.matrix_shape
        length = columns if self.layout.pack_axis == -1 else rows
        whole = quantizers.unpack_int4(ops.convert_to_tensor(self.numbers), length, self.layout.pack_axis)
        return ops.reshape(self._floats(ops.cast(whole, scale.dtype), scale, self.zero), self.layout.shape)

    def _floats(self, whole: Any, scale: Any, zero: Any) -> Any:
        """Return the matrix of floats that whole numbers of 4 bits stand for."""
        axis = 1 if self.layout.across else 0
        if zero is None:
            return whole / ops.expand_dims(scale, axis)
        block = ops.cast(self.block_of, "int32")
        each, offset = (ops.take(x, block, axis=axis) for x in (scale, ops.cast(zero, scale.dtype)))
        return (whole - offset) * each

    @property
    def shape(self) -> tuple[int, ...]:
        return self.layout.shape

    @property
    def dtype(self) -> str:
        return self.scale.dtype

    @property
    def trainable(self) -> bool:
        """Whole numbers are not trained."""
        return False

    @trainable.setter
    def trainable(self, value: bool) -> None:
        pass  # a layer that thaws thaws its other weights

    def rounded(self, x: Any, axes: tuple[int, ...] = (-1,)) -> Any:
        """Return inputs as quantized numbers stand for them, the axes that are summed over sharing a scale."""
        if self.activations is None or not axes:
            return x
        numbers, scale = self.activations(x, axis=axes)
        return x + ops.stop_gradient(ops.cast(numbers, scale.dtype) / scale - x)

    def product(self, x: Any) -> Any:
        """Return the matrix product of `x` and the weight."""
        return ops.matmul(self.rounded(x), ops.cast(self.value, x.dtype))

    def product_back(self, x: Any) -> Any:
        """Return the matrix product of `x` and the transposed weight."""
        return ops.matmul(self.rounded(x), ops.transpose(ops.cast(self.value, x.dtype)))

    def einsum(self, equation: str, x: Any) -> Any:
        """Return the product of `x` and the weight that an equation says."""
        given, rest = equation.replace(" ", "").split(",")
        result = rest.split("->")[1]
        place = [i - len(given) if "..." in given and i >= given.index("...") else i for i in range(len(given))]
        axes = tuple(p for p, a in zip(place, given, strict=True) if a != "." and a not in result)
        return ops.einsum(equation, self.rounded(x, axes), ops.cast(self.value, x.dtype))

    def rows(self, ids: Any) -> Any:
        """Return rows, without making floats of the other ones."""
        numbers, scale = ops.take(self.numbers, ids, axis=0), ops.take(self.scale, ids, axis=0)
        if not self.four_bits:
            return ops.cast(numbers, scale.dtype) / ops.expand_dims(scale, -1)
        flat = ops.reshape(numbers, (-1, numbers.shape[-1]))
        columns = self.layout.matrix_shape[1]
        whole = ops.cast(quantizers.unpack_int4(flat, columns, -1), scale.dtype)
        zero = None
        if self.zero is not None:
            scale = ops.reshape(scale, (-1, scale.shape[-1]))
            zero = ops.reshape(ops.take(self.zero, ids, axis=0), (-1, scale.shape[-1]))
        else:
            scale = ops.reshape(scale, (-1,))
        return ops.reshape(self._floats(whole, scale, zero), (*numbers.shape[:-1], columns))

    def assign(self, value: Any) -> None:
        """Take floats as the weight: round them."""
        for variable, part in zip(self.variables, self.parts_of(value), strict=True):
            variable.assign(part)

    @property
    def variables(self) -> list[Variable]:
        """What is stored: numbers, scales, and where there are blocks, zero points and the blocks' numbers."""
        return [v for v in (self.numbers, self.scale, self.zero, self.block_of) if v is not None]

    def parts_of(self, value: Any) -> list[np.ndarray]:
        """Return what `variables` hold after floats are rounded, as NumPy arrays."""
        layout, floats = self.layout, np.asarray(ops.convert_to_numpy(value), "float32")
        if not self.four_bits:
            quantizer = self.weights or quantizers.AbsMaxQuantizer(axis=layout.summed)
            numbers, scale = quantizer(floats, to_numpy=True)
            return [numbers, layout.stored_scale(np.asarray(scale))]
        matrix = floats.reshape(layout.matrix_shape)
        axis = 1 if layout.across else 0
        if self.zero is None:
            quantizer = self.weights or quantizers.AbsMaxQuantizer(axis=axis, value_range=FOUR_BITS)
            numbers, scale = quantizer(matrix, to_numpy=True)
            return [_packed(numbers, layout.pack_axis), np.asarray(scale).reshape(-1)]
        upright = matrix.T if layout.across else matrix
        size = self.block_size
        numbers, scale, zero = quantizers.abs_max_quantize_grouped_with_zero_point(upright, size, to_numpy=True)
        if layout.across:
            numbers, scale, zero = numbers.T, scale.T, zero.T
        return [_packed(numbers, layout.pack_axis), scale, zero, np.arange(len(upright)) // size]


def _packed(numbers: np.ndarray, axis: int) -> np.ndarray:
    return ops.convert_to_numpy(quantizers.pack_int4(np.ascontiguousarray(numbers, "int8"), axis)[0])
