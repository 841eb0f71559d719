"""Layers that move, repeat, cut or pad elements."""

import math
from typing import Any

from tahr import config, ops
from tahr.layers.arguments import choice, pairs, sizes, who, whole
from tahr.layers.input_spec import InputSpec
from tahr.layers.layer import Layer

__all__ = [
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "Flatten",
    "Permute",
    "RepeatVector",
    "Reshape",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
]


class Flatten(Layer):
    """Return the inputs with all axes but the batch joined into one.

    Args:
        data_format: `"channels_last"` or `"channels_first"`, whose channels are moved last before.

    >>> keras.layers.Flatten()(ops.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, data_format: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        rank = len(inputs.shape)
        if self.data_format == "channels_first" and rank > 2:
            inputs = ops.transpose(inputs, (0, *range(2, rank), 1))
        rest = inputs.shape[1:]
        return ops.reshape(inputs, (ops.shape(inputs)[0], None if None in rest else math.prod(rest)))


class Reshape(Layer):
    """Return the inputs in another shape.

    Args:
        target_shape: sizes after the batch; one may be -1, for what is left.

    >>> keras.layers.Reshape((2, -1))(ops.zeros((5, 6))).shape
    (5, 2, 3)
    """

    def __init__(self, target_shape: Any, **kwargs: Any):
        super().__init__(**kwargs)
        target = (target_shape,) if hasattr(target_shape, "__index__") else tuple(target_shape)
        if any(not hasattr(n, "__index__") or n < -1 for n in target) or target.count(-1) > 1:
            raise ValueError(
                f"{who(self)}: expected `target_shape` to be whole numbers with at most one -1; "
                f"received {target_shape!r}."
            )
        self.target_shape = target

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        batch, *rest = inputs.shape
        target = list(self.target_shape)
        if None not in rest:
            total, known = math.prod(rest), math.prod([n for n in target if n != -1])
            fits = known and total % known == 0 if -1 in target else total == known
            if not fits:
                raise ValueError(
                    f"{who(self)}: {total} elements of shape {tuple(rest)} do not fill "
                    f"target_shape={self.target_shape}."
                )
            target = [total // known if n == -1 else n for n in target]
        elif batch is None:
            target = [None if n == -1 else n for n in target]
        return ops.reshape(inputs, (ops.shape(inputs)[0], *target))


class Permute(Layer):
    """Return the inputs with their axes in another order.

    Args:
        dims: the axes in their new order; the first after the batch is 1.

    >>> keras.layers.Permute((2, 1))(ops.zeros((5, 2, 3))).shape
    (5, 3, 2)
    """

    def __init__(self, dims: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"{who(self)}: expected `dims` to hold each of 1 to {len(self.dims)} once; received {dims!r}."
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return ops.transpose(inputs, (0, *self.dims))


class RepeatVector(Layer):
    """Return the inputs repeated along a new axis after the batch.

    Args:
        n: how often.

    Input shape: `(batch, features)`. Output shape: `(batch, n, features)`.

    >>> keras.layers.RepeatVector(2)(ops.array([[1.0, 2.0]]))
    [[[1.0, 2.0], [1.0, 2.0]]]
    """

    def __init__(self, n: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.n = whole(n, "n", self)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return ops.repeat(ops.expand_dims(inputs, 1), self.n, axis=1)


class _Spatial(Layer):
    """A layer with spatial axes: all but the batch and the channels."""

    rank: int

    def _take_format(self, data_format: Any) -> None:
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _first(self) -> int:
        """The first spatial axis."""
        return 1 if self.data_format == "channels_last" else 2


class _Cropping(_Spatial):
    def _cut(self, cropping: Any, data_format: Any) -> None:
        found = pairs(cropping, self.rank, "cropping", self)
        self.cropping: Any = found[0] if self.rank == 1 else found
        self._take_format(data_format)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        found = (self.cropping,) if self.rank == 1 else self.cropping
        index = [slice(None)] * self._first
        for axis, (before, after) in enumerate(found, self._first):
            size = inputs.shape[axis]
            if size is not None and before + after >= size:
                raise ValueError(
                    f"{who(self)}: cropping {(before, after)} leaves nothing of axis {axis} of "
                    f"inputs of shape {tuple(inputs.shape)}."
                )
            index.append(slice(before, -after or None))
        return inputs[tuple(index)]


class Cropping1D(_Cropping):
    """Return sequences without their first and last steps.

    Args:
        cropping: how many steps to cut at both ends, or (before, after).

    Input shape: `(batch, steps, channels)`.

    >>> keras.layers.Cropping1D(1)(ops.array([[[1.0], [2.0], [3.0]]]))
    [[[2.0]]]
    """

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any):
        super().__init__(**kwargs)
        self._cut(cropping, "channels_last")


class Cropping2D(_Cropping):
    """Return images without their borders.

    Args:
        cropping: a number for all sides, two for rows and columns, or ((top, bottom), (left, right)).
        data_format: `"channels_last"` or `"channels_first"`.

    Input shape: `(batch, rows, columns, channels)`.

    >>> keras.layers.Cropping2D(((1, 0), (0, 2)))(ops.zeros((1, 4, 5, 1))).shape
    (1, 3, 3, 1)
    """

    rank = 2

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._cut(cropping, data_format)


class Cropping3D(_Cropping):
    """Return volumes without their borders.

    Args:
        cropping: a number for all sides, three for the axes, or three pairs (before, after).
        data_format: `"channels_last"` or `"channels_first"`.

    Input shape: `(batch, depth, rows, columns, channels)`.

    >>> keras.layers.Cropping3D(1)(ops.zeros((1, 4, 5, 6, 1))).shape
    (1, 2, 3, 4, 1)
    """

    rank = 3

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._cut(cropping, data_format)


class _ZeroPadding(_Spatial):
    def _surround(self, padding: Any, data_format: Any) -> None:
        found = pairs(padding, self.rank, "padding", self)
        self.padding: Any = found[0] if self.rank == 1 else found
        self._take_format(data_format)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        spatial = [self.padding] if self.rank == 1 else list(self.padding)
        before = [(0, 0)] * self._first
        return ops.pad(inputs, [*before, *spatial, *[(0, 0)] * (2 - self._first)])


class ZeroPadding1D(_ZeroPadding):
    """Return sequences with zeros before and after.

    Args:
        padding: how many steps to add at both ends, or (before, after).
        data_format: `"channels_last"` or `"channels_first"`.

    Input shape: `(batch, steps, channels)`.

    >>> keras.layers.ZeroPadding1D((0, 2))(ops.array([[[1.0]]]))
    [[[1.0], [0.0], [0.0]]]
    """

    rank = 1

    def __init__(self, padding: Any = 1, data_format: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._surround(padding, data_format)


class ZeroPadding2D(_ZeroPadding):
    """Return images with a border of zeros.

    Args:
        padding: a number for all sides, two for rows and columns, or ((top, bottom), (left, right)).
        data_format: `"channels_last"` or `"channels_first"`.

    Input shape: `(batch, rows, columns, channels)`.

    >>> keras.layers.ZeroPadding2D((1, 2))(ops.ones((1, 2, 2, 1))).shape
    (1, 4, 6, 1)
    """

    rank = 2

    def __init__(self, padding: Any = (1, 1), data_format: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._surround(padding, data_format)


class ZeroPadding3D(_ZeroPadding):
    """Return volumes with a border of zeros.

    Args:
        padding: a number for all sides, three for the axes, or three pairs (before, after).
        data_format: `"channels_last"` or `"channels_first"`.

    Input shape: `(batch, depth, rows, columns, channels)`.

    >>> keras.layers.ZeroPadding3D(1)(ops.ones((1, 2, 2, 2, 1))).shape
    (1, 4, 4, 4, 1)
    """

    rank = 3

    def __init__(self, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._surround(padding, data_format)


class _UpSampling(_Spatial):
    size: Any

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        for axis, times in enumerate((self.size,) if self.rank == 1 else self.size, self._first):
            inputs = ops.repeat(inputs, times, axis=axis)
        return inputs


class UpSampling1D(_UpSampling):
    """Return sequences with each step repeated.

    Args:
        size: how often.

    Input shape: `(batch, steps, channels)`.

    >>> keras.layers.UpSampling1D(2)(ops.array([[[1.0], [2.0]]]))
    [[[1.0], [1.0], [2.0], [2.0]]]
    """

    rank = 1

    def __init__(self, size: int = 2, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = whole(size, "size", self)
        self._take_format("channels_last")


class UpSampling2D(_UpSampling):
    """Return images made larger.

    Args:
        size: how many times larger, for rows and columns.
        data_format: `"channels_last"` or `"channels_first"`.
        interpolation: `"nearest"` repeats, `"bilinear"`, `"bicubic"`, `"lanczos3"` and `"lanczos5"` interpolate.

    Input shape: `(batch, rows, columns, channels)`.

    >>> keras.layers.UpSampling2D((2, 3))(ops.ones((1, 2, 2, 1))).shape
    (1, 4, 6, 1)
    """

    rank = 2

    def __init__(self, size: Any = (2, 2), data_format: Any = None, interpolation: str = "nearest", **kwargs: Any):
        super().__init__(**kwargs)
        self.size = sizes(size, 2, "size", self)
        self.interpolation = choice(
            interpolation, ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"), "interpolation", self
        )
        self._take_format(data_format)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        if self.interpolation == "nearest":
            return super().call(inputs)
        spatial = inputs.shape[self._first : self._first + 2]
        target = tuple(None if n is None else n * times for n, times in zip(spatial, self.size, strict=True))
        return ops.image.resize(inputs, target, interpolation=self.interpolation, data_format=self.data_format)


class UpSampling3D(_UpSampling):
    """Return volumes with each element repeated.

    Args:
        size: how often, for each spatial axis.
        data_format: `"channels_last"` or `"channels_first"`.

    Input shape: `(batch, depth, rows, columns, channels)`.

    >>> keras.layers.UpSampling3D(2)(ops.ones((1, 1, 2, 3, 1))).shape
    (1, 2, 4, 6, 1)
    """

    rank = 3

    def __init__(self, size: Any = (2, 2, 2), data_format: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = sizes(size, 3, "size", self)
        self._take_format(data_format)
