"""Pooling: the largest or mean value of windows, of everything, or of a given number of parts."""

from typing import Any

from tahr import config, ops
from tahr.layers.arguments import check_mask, choice, sizes, who
from tahr.layers.input_spec import InputSpec
from tahr.layers.layer import Layer

__all__ = [
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
]


class _Pooling(Layer):
    """Reduce windows of the spatial axes to one value.

    Args:
        pool_size: size of the windows, one number or one for each spatial axis.
        strides: step between windows; None is `pool_size`.
        padding: `"valid"`, or `"same"` to pad so that every position is covered.
        data_format: `"channels_last"` or `"channels_first"`.
        name: name.
    """

    rank: int

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.pool_size = sizes(pool_size, self.rank, "pool_size", self)
        self.strides = sizes(pool_size if strides is None else strides, self.rank, "strides", self)
        self.padding = choice(padding, ("valid", "same"), "padding", self)
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        first = 1 if self.data_format == "channels_last" else 2
        spatial = inputs.shape[first : first + self.rank]
        if self.padding == "valid" and any(
            n is not None and n < k for n, k in zip(spatial, self.pool_size, strict=True)
        ):
            raise ValueError(
                f"{who(self)}: windows of size {self.pool_size} do not fit into inputs of shape "
                f"{tuple(inputs.shape)}. Make pool_size smaller, or use padding='same'."
            )
        return self.reduce(inputs)

    def reduce(self, inputs: Any) -> Any:
        """Return the value of each window."""
        raise NotImplementedError


class _MaxPooling(_Pooling):
    def reduce(self, inputs: Any) -> Any:
        """Return the largest value of each window."""
        return ops.max_pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class _AveragePooling(_Pooling):
    def reduce(self, inputs: Any) -> Any:
        """Return the mean of each window; padding does not count."""
        return ops.average_pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class MaxPooling1D(_MaxPooling):
    """Return the largest value of each window of steps.

    Args:
        pool_size: size of the windows.
        strides: step between windows; None is `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        name: name.

    Input shape: `(batch, steps, channels)`.

    >>> keras.layers.MaxPooling1D(2)(ops.array([[[1.0], [3.0], [2.0], [0.0]]]))
    [[[3.0], [2.0]]]
    """

    rank = 1


class MaxPooling2D(_MaxPooling):
    """Return the largest value of each window of an image.

    Args:
        pool_size: size of the windows, one number or (rows, columns).
        strides: step between windows; None is `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        name: name.

    Input shape: `(batch, rows, columns, channels)`.

    >>> keras.layers.MaxPooling2D(2)(ops.zeros((1, 4, 6, 3))).shape
    (1, 2, 3, 3)
    """

    rank = 2


class MaxPooling3D(_MaxPooling):
    """Return the largest value of each window of a volume.

    Args:
        pool_size: size of the windows, one number or three.
        strides: step between windows; None is `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        name: name.

    Input shape: `(batch, depth, rows, columns, channels)`.

    >>> keras.layers.MaxPooling3D(2)(ops.zeros((1, 2, 4, 6, 3))).shape
    (1, 1, 2, 3, 3)
    """

    rank = 3


class AveragePooling1D(_AveragePooling):
    """Return the mean of each window of steps.

    Args:
        pool_size: size of the windows.
        strides: step between windows; None is `pool_size`.
        padding: `"valid"` or `"same"`, where padding does not count.
        data_format: `"channels_last"` or `"channels_first"`.
        name: name.

    Input shape: `(batch, steps, channels)`.

    >>> keras.layers.AveragePooling1D(2)(ops.array([[[1.0], [3.0], [2.0], [0.0]]]))
    [[[2.0], [1.0]]]
    """

    rank = 1


class AveragePooling2D(_AveragePooling):
    """Return the mean of each window of an image.

    Args:
        pool_size: size of the windows, one number or (rows, columns).
        strides: step between windows; None is `pool_size`.
        padding: `"valid"` or `"same"`, where padding does not count.
        data_format: `"channels_last"` or `"channels_first"`.
        name: name.

    Input shape: `(batch, rows, columns, channels)`.

    >>> keras.layers.AveragePooling2D(2)(ops.zeros((1, 4, 6, 3))).shape
    (1, 2, 3, 3)
    """

    rank = 2


class AveragePooling3D(_AveragePooling):
    """Return the mean of each window of a volume.

    Args:
        pool_size: size of the windows, one number or three.
        strides: step between windows; None is `pool_size`.
        padding: `"valid"` or `"same"`, where padding does not count.
        data_format: `"channels_last"` or `"channels_first"`.
        name: name.

    Input shape: `(batch, depth, rows, columns, channels)`.

    >>> keras.layers.AveragePooling3D(2)(ops.zeros((1, 2, 4, 6, 3))).shape
    (1, 1, 2, 3, 3)
    """

    rank = 3


class _GlobalPooling(Layer):
    """Reduce all spatial axes to one value.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: whether the spatial axes stay, with size 1.
    """

    rank: int

    def __init__(self, data_format: Any = None, keepdims: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = config.standardize_data_format(data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _axes(self) -> tuple[int, ...]:
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(range(first, first + self.rank))


class _GlobalMaxPooling(_GlobalPooling):
    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return ops.max(inputs, self._axes, self.keepdims)


class _GlobalAveragePooling(_GlobalPooling):
    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return ops.mean(inputs, self._axes, self.keepdims)


class GlobalMaxPooling1D(_GlobalMaxPooling):
    """Return the largest value of each channel of a sequence.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: whether the axis of steps stays, with size 1.

    Input shape: `(batch, steps, channels)`. Output shape: `(batch, channels)`.

    >>> keras.layers.GlobalMaxPooling1D()(ops.array([[[1.0], [3.0]]]))
    [[3.0]]
    """

    rank = 1


class GlobalMaxPooling2D(_GlobalMaxPooling):
    """Return the largest value of each channel of an image.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: whether the spatial axes stay, with size 1.

    Input shape: `(batch, rows, columns, channels)`. Output shape: `(batch, channels)`.

    >>> keras.layers.GlobalMaxPooling2D()(ops.zeros((1, 4, 6, 3))).shape
    (1, 3)
    """

    rank = 2


class GlobalMaxPooling3D(_GlobalMaxPooling):
    """Return the largest value of each channel of a volume.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: whether the spatial axes stay, with size 1.

    Input shape: `(batch, depth, rows, columns, channels)`. Output shape: `(batch, channels)`.

    >>> keras.layers.GlobalMaxPooling3D()(ops.zeros((1, 2, 4, 6, 3))).shape
    (1, 3)
    """

    rank = 3


class GlobalAveragePooling1D(_GlobalAveragePooling):
    """Return the mean of each channel of a sequence, over the steps that its mask keeps.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: whether the axis of steps stays, with size 1.

    Input shape: `(batch, steps, channels)`. Output shape: `(batch, channels)`.

    >>> keras.layers.GlobalAveragePooling1D()(ops.array([[[1.0], [3.0]]]))
    [[2.0]]
    """

    rank = 1
    supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Compute the outputs; a sequence of which the mask keeps nothing gives zero."""
        if mask is None:
            return super().call(inputs)
        axis = self._axes[0]
        check_mask(mask, (inputs.shape[0], inputs.shape[axis]), self)
        kept = ops.expand_dims(ops.cast(mask, ops.dtype(inputs)), 2 if axis == 1 else 1)
        total = ops.sum(inputs * kept, axis, self.keepdims)
        return ops.divide_no_nan(total, ops.sum(kept, axis, self.keepdims))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return None: no steps are left."""
        return None


class GlobalAveragePooling2D(_GlobalAveragePooling):
    """Return the mean of each channel of an image.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: whether the spatial axes stay, with size 1.

    Input shape: `(batch, rows, columns, channels)`. Output shape: `(batch, channels)`.

    >>> keras.layers.GlobalAveragePooling2D()(ops.zeros((1, 4, 6, 3))).shape
    (1, 3)
    """

    rank = 2


class GlobalAveragePooling3D(_GlobalAveragePooling):
    """Return the mean of each channel of a volume.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: whether the spatial axes stay, with size 1.

    Input shape: `(batch, depth, rows, columns, channels)`. Output shape: `(batch, channels)`.

    >>> keras.layers.GlobalAveragePooling3D()(ops.zeros((1, 2, 4, 6, 3))).shape
    (1, 3)
    """

    rank = 3


class _AdaptivePooling(Layer):
    """Split the spatial axes into a given number of parts, nearly equal, and reduce each to one value.

    Args:
        output_size: number of parts, one number or one for each spatial axis.
        data_format: `"channels_last"` or `"channels_first"`.
    """

    rank: int

    def __init__(self, output_size: Any, data_format: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.output_size = sizes(output_size, self.rank, "output_size", self)
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)


class _AdaptiveMaxPooling(_AdaptivePooling):
    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return ops.adaptive_max_pool(inputs, self.output_size, self.data_format)


class _AdaptiveAveragePooling(_AdaptivePooling):
    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        return ops.adaptive_average_pool(inputs, self.output_size, self.data_format)


class AdaptiveMaxPooling1D(_AdaptiveMaxPooling):
    """Return the largest value of each of `output_size` parts of a sequence.

    Args:
        output_size: number of parts.
        data_format: `"channels_last"` or `"channels_first"`.

    Input shape: `(batch, steps, channels)`.

    >>> keras.layers.AdaptiveMaxPooling1D(2)(ops.zeros((1, 5, 3))).shape
    (1, 2, 3)
    """

    rank = 1


class AdaptiveMaxPooling2D(_AdaptiveMaxPooling):
    """Return the largest value of each of `output_size` parts of an image.

    Args:
        output_size: number of parts, one number or (rows, columns).
        data_format: `"channels_last"` or `"channels_first"`.

    Input shape: `(batch, rows, columns, channels)`.

    >>> keras.layers.AdaptiveMaxPooling2D((2, 3))(ops.zeros((1, 5, 7, 3))).shape
    (1, 2, 3, 3)
    """

    rank = 2


class AdaptiveMaxPooling3D(_AdaptiveMaxPooling):
    """Return the largest value of each of `output_size` parts of a volume.

    Args:
        output_size: number of parts, one number or three.
        data_format: `"channels_last"` or `"channels_first"`.

    Input shape: `(batch, depth, rows, columns, channels)`.

    >>> keras.layers.AdaptiveMaxPooling3D(2)(ops.zeros((1, 4, 5, 6, 3))).shape
    (1, 2, 2, 2, 3)
    """

    rank = 3


class AdaptiveAveragePooling1D(_AdaptiveAveragePooling):
    """Return the mean of each of `output_size` parts of a sequence.

    Args:
        output_size: number of parts.
        data_format: `"channels_last"` or `"channels_first"`.

    Input shape: `(batch, steps, channels)`.

    >>> keras.layers.AdaptiveAveragePooling1D(2)(ops.array([[[1.0], [3.0], [2.0], [0.0]]]))
    [[[2.0], [1.0]]]
    """

    rank = 1


class AdaptiveAveragePooling2D(_AdaptiveAveragePooling):
    """Return the mean of each of `output_size` parts of an image.

    Args:
        output_size: number of parts, one number or (rows, columns).
        data_format: `"channels_last"` or `"channels_first"`.

    Input shape: `(batch, rows, columns, channels)`.

    >>> keras.layers.AdaptiveAveragePooling2D((2, 3))(ops.zeros((1, 5, 7, 3))).shape
    (1, 2, 3, 3)
    """

    rank = 2


class AdaptiveAveragePooling3D(_AdaptiveAveragePooling):
    """Return the mean of each of `output_size` parts of a volume.

    Args:
        output_size: number of parts, one number or three.
        data_format: `"channels_last"` or `"channels_first"`.

    Input shape: `(batch, depth, rows, columns, channels)`.

    >>> keras.layers.AdaptiveAveragePooling3D(2)(ops.zeros((1, 4, 5, 6, 3))).shape
    (1, 2, 2, 2, 3)
    """

    rank = 3
