"""Contrast of images changed by what values occur in them: nothing is random here."""

from typing import Any

import numpy as np

from tahr import dtypes, ops
from tahr.layers.arguments import sizes as sizes_of
from tahr.layers.arguments import who, whole
from tahr.layers.image.base import RangedImageLayer

__all__ = ["AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "Equalization"]


def _counts(ids: Any, groups: int, bins: int) -> Any:
    """Return how often each bin occurs in each group, of shape (groups, bins), for ids `group * bins + bin`."""
    flat = ops.reshape(ids, (-1,))
    return ops.reshape(ops.segment_sum(ops.ones_like(flat, dtype="float32"), flat, groups * bins), (groups, bins))


class AutoContrast(RangedImageLayer):
    """Stretch the values of each image and channel over the whole range; one that has a single value stays.

    Args:
        value_range: smallest and largest value of a pixel.

    >>> keras.layers.AutoContrast()(np.array([[[1.0], [2.0], [3.0]]]))
    [[[0.0], [127.5], [255.0]]]
    """

    _at_rest = True

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any):
        super().__init__(value_range, **kwargs)

    def _change_images(self, images: Any, transformation: Any) -> Any:
        axes, (low, high) = (self.height_axis, self.width_axis), self.value_range
        least, most = ops.min(images, axis=axes, keepdims=True), ops.max(images, axis=axes, keepdims=True)
        flat = most == least
        stretched = (images - least) * ((high - low) / ops.where(flat, 1, most - least)) + low
        return ops.where(flat, images, ops.clip(stretched, low, high))


class Equalization(RangedImageLayer):
    """Change values so that all of them occur about equally often, in each channel of a batch.

    Args:
        value_range: smallest and largest value of a pixel.
        bins: number of values that are told apart.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Values are counted over all images of a batch together. A channel that has a single value stays.

    >>> keras.layers.Equalization()(np.array([[[1.0], [2.0], [3.0]]]))
    [[[0.0], [128.0], [255.0]]]
    """

    def __init__(self, value_range: Any = (0, 255), bins: int = 256, data_format: str | None = None, **kwargs: Any):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.bins = whole(bins, "bins", self)

    def _change_images(self, images: Any, transformation: Any) -> Any:
        scaled = self._scaled(ops.cast(images, "float32"), 255.0)
        bins = ops.cast(ops.clip(scaled / 255 * (self.bins - 1), 0, self.bins - 1), "int32")
        channels = images.shape[self.channel_axis]
        shape = [1, 1, 1, 1]
        shape[self.channel_axis] = channels
        ids = bins + ops.reshape(ops.arange(channels, dtype="int32") * self.bins, shape)
        below = ops.cumsum(_counts(ids, channels, self.bins), axis=1)
        least = ops.min(ops.where(below > 0, below, below[:, -1:]), axis=1, keepdims=True)
        total = below[:, -1:] - least
        table = ops.clip(ops.round((below - least) / ops.where(total == 0, 1, total) * 255), 0, 255)
        flat = ops.reshape(total == 0, shape)
        found = ops.where(flat, scaled, ops.take(ops.reshape(table, (-1,)), ids))
        return ops.cast(self._back(found, 255.0), images.dtype)


class ContrastLimitedAdaptiveHistogramEqualization(RangedImageLayer):
    """Equalize images tile by tile, blending between the tiles, with a limit on how much contrast grows.

    Args:
        value_range: smallest and largest value of a pixel.
        clip_limit: how often a value may occur in a tile, as a multiple of the mean; what is more is spread over all
            values. 0 sets no limit.
        tile_grid_size: number of rows and columns of tiles.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Whole numbers stay whole numbers.

    Source: Zuiderveld, Contrast Limited Adaptive Histogram Equalization, 1994.

    >>> clahe = keras.layers.ContrastLimitedAdaptiveHistogramEqualization(clip_limit=0, tile_grid_size=(1, 1))
    >>> clahe(np.array([[[0.0], [2.0], [3.0]]]))
    [[[0.0], [127.5], [255.0]]]
    """

    _at_rest = True
    _keeps_integers = True

    def __init__(
        self,
        value_range: Any = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Any = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        if not isinstance(clip_limit, (int, float)) or clip_limit < 0:
            raise ValueError(f"{who(self)}: expected `clip_limit` to be a number >= 0; received {clip_limit!r}.")
        self.clip_limit = clip_limit
        self.tile_grid_size = sizes_of(tile_grid_size, 2, "tile_grid_size", self)

    def _change_images(self, images: Any, transformation: Any) -> Any:
        kind = ops.dtype(images)
        values = self._scaled(ops.cast(images, "float32"), 255.0)
        last = self.data_format == "channels_last"
        values = ops.transpose(values, (0, 3, 1, 2)) if last else values
        found = self._back(self._equalized(ops.cast(ops.clip(values, 0, 255), "int32")), 255.0)
        found = ops.transpose(found, (0, 2, 3, 1)) if last else found
        return ops.cast(found, kind if dtypes.is_float(kind) else self.compute_dtype)

    def _equalized(self, values: Any) -> Any:
        """Return equalized values of shape (batch, channels, height, width), from 0 to 255."""
        batch, channels, height, width = values.shape
        rows, columns = self.tile_grid_size
        tall, wide = -(-height // rows), -(-width // columns)
        padded = ops.pad(
            values, [(0, 0), (0, 0), (0, rows * tall - height), (0, columns * wide - width)], mode="symmetric"
        )
        groups = batch * channels * rows * columns
        tiles = ops.reshape(padded, (batch * channels, rows, tall, columns, wide))
        starts = ops.reshape(ops.arange(groups, dtype="int32") * 256, (batch * channels, rows, 1, columns, 1))
        table = ops.reshape(self._tables(_counts(tiles + starts, groups, 256), tall * wide), (-1,))
        image = ops.reshape(ops.arange(batch * channels, dtype="int32"), (batch, channels, 1, 1)) * rows

        (top, bottom, down), (left, right, across) = _between(height, tall, rows), _between(width, wide, columns)
        top, bottom, down = (ops.reshape(part, (-1, 1)) for part in (top, bottom, down))

        def at(row: Any, column: Any) -> Any:
            """Return the values by the tables of the tiles in given rows and columns, one an image row or column."""
            return ops.take(table, ((image + row) * columns + column) * 256 + values)

        upper = at(top, left) * (1 - across) + at(top, right) * across
        lower = at(bottom, left) * (1 - across) + at(bottom, right) * across
        return upper * (1 - down) + lower * down

    def _tables(self, counts: Any, pixels: int) -> Any:
        """Return what becomes of each value, for counts of shape (tiles, 256)."""
        if self.clip_limit > 0:
            kept = ops.minimum(counts, self.clip_limit * pixels / 256)
            counts = kept + ops.sum(counts - kept, axis=1, keepdims=True) / 256
        below = ops.cumsum(counts, axis=1)
        least = below[:, :1]
        rest = pixels - least
        return ops.clip((below - least) * 255 / ops.where(rest > 1e-6, rest, 1), 0, 255)


def _between(size: int, tile: int, count: int) -> tuple[Any, Any, Any]:
    """Return for each pixel along an axis the tiles before and after it, and the share of the one after."""
    place = np.clip(np.arange(size) / tile - 0.5, 0, count - 1)
    before = np.floor(place)
    tiles = (ops.convert_to_tensor(n, "int32") for n in (before, np.minimum(before + 1, count - 1)))
    return (*tiles, ops.convert_to_tensor(place - before, "float32"))
