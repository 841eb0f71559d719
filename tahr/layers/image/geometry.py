"""Images flipped, shifted, turned, sheared, zoomed, seen from elsewhere and bent, at random."""

import math
from typing import Any

from tahr import ops, random
from tahr.layers.arguments import choice, who
from tahr.layers.image.base import (
    BaseImageLayer,
    RangedImageLayer,
    Sizes,
    check_fill_mode,
    check_interpolation,
    chosen,
    factor_range,
    input_shape,
    per_image,
    signs,
    uniform,
)
from tahr.layers.image.filters import normal_weights
from tahr.ops.image import filtered
from tahr.ops.image_warp import homography, warp
from tahr.utils import bounding_boxes as boxes_

__all__ = [
    "RandomElasticTransform",
    "RandomFlip",
    "RandomPerspective",
    "RandomRotation",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
]


class RandomFlip(BaseImageLayer):
    """Mirror images at random, each with a probability of one half for each direction.

    Args:
        mode: `"horizontal"` (left becomes right), `"vertical"` or `"horizontal_and_vertical"`.
        seed: whole number that makes the draws repeatable.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    >>> keras.layers.RandomFlip(seed=1)(np.ones((1, 2, 2, 1)))
    [[[[1.0], [1.0]], [[1.0], [1.0]]]]
    """

    _moves = True

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.mode = choice(mode, ("horizontal", "vertical", "horizontal_and_vertical"), "mode", self)
        self._seed_with(seed)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        draws = random.uniform((2, sizes.batch), dtype="float32", seed=seed) < 0.5
        found = {way: draws[i] for i, way in enumerate(("horizontal", "vertical")) if way in self.mode}
        return {**found, "input_shape": input_shape(sizes, self)}

    def _change_images(self, images: Any, transformation: Any) -> Any:
        for way, axis in (("horizontal", self.width_axis), ("vertical", self.height_axis)):
            if way in transformation:
                images = ops.where(per_image(transformation[way]), ops.flip(images, axis=axis), images)
        return images

    def _change_masks(self, masks: Any, transformation: Any) -> Any:
        return self._change_images(masks, transformation)

    def _change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> dict[str, Any]:
        left, top, right, bottom = ops.unstack(bounding_boxes["boxes"], 4, axis=-1)
        shape = transformation["input_shape"]
        if "horizontal" in transformation:
            flip, width = transformation["horizontal"][:, None], shape[self.width_axis]
            left, right = ops.where(flip, width - right, left), ops.where(flip, width - left, right)
        if "vertical" in transformation:
            flip, height = transformation["vertical"][:, None], shape[self.height_axis]
            top, bottom = ops.where(flip, height - bottom, top), ops.where(flip, height - top, bottom)
        return {**bounding_boxes, "boxes": ops.stack([left, top, right, bottom], axis=-1)}


class _Warp(BaseImageLayer):
    """A layer whose images come from a projection: pixel (x, y) from (x', y'), by `ops.image.affine_transform`."""

    _moves = True
    interpolation: str
    fill_value: float

    def _look_up(self, how: str, fill_value: float, seed: int | None, fill: str = "constant") -> None:
        self.fill_mode = check_fill_mode(fill, self)
        self.interpolation, self.fill_value = check_interpolation(how, self), fill_value
        self._seed_with(seed)

    def _matrix(self, transformation: Any) -> Any:
        """Return the eight numbers of `ops.image.affine_transform` for each image."""
        raise NotImplementedError

    def _change_images(self, images: Any, transformation: Any) -> Any:
        return self._warped(images, transformation, self.interpolation)

    def _change_masks(self, masks: Any, transformation: Any) -> Any:
        return self._warped(masks, transformation, "nearest")

    def _warped(self, images: Any, transformation: Any, how: str) -> Any:
        matrix = self._matrix(transformation)
        return ops.image.affine_transform(images, matrix, how, self.fill_mode, self.fill_value, self.data_format)

    def _change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> dict[str, Any]:
        matrix = self._matrix(transformation)
        whole = ops.concatenate([matrix, ops.ones_like(matrix[:, :1])], axis=-1)
        to_result = ops.inv(ops.reshape(whole, (-1, 3, 3)))
        # The middle of the first pixel is (0, 0) for the projection and (0.5, 0.5) for boxes.
        middle = ops.convert_to_tensor([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]], "float32")
        edge = ops.convert_to_tensor([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]], "float32")
        moved = boxes_.project(bounding_boxes["boxes"], ops.matmul(edge, ops.matmul(to_result, middle)))
        return {**bounding_boxes, "boxes": moved}

    def get_transformed_x_y(self, x: Any, y: Any, transform: Any) -> tuple[Any, Any]:
        """Return where the eight numbers of `ops.image.affine_transform` take a point."""
        a0, a1, a2, b0, b1, b2, c0, c1 = ops.unstack(transform, 8, axis=-1)
        k = c0 * x + c1 * y + 1
        return (a0 * x + a1 * y + a2) / k, (b0 * x + b1 * y + b2) / k

    def get_shifted_bbox(self, bounding_boxes: dict[str, Any], w_shift_factor: Any, h_shift_factor: Any) -> Any:
        """Return boxes in xyxy with one number taken off along the width and another along the height."""
        left, top, right, bottom = ops.unstack(bounding_boxes["boxes"], 4, axis=-1)
        parts = [left - w_shift_factor, top - h_shift_factor, right - w_shift_factor, bottom - h_shift_factor]
        return {**bounding_boxes, "boxes": ops.stack(parts, axis=-1)}

    def _size(self, transformation: Any) -> tuple[int, int]:
        shape = transformation["input_shape"]
        return shape[self.height_axis], shape[self.width_axis]


def _rows(*numbers: Any) -> Any:
    """Return numbers, of shape (batch,) or the same for each image, as rows of shape (batch, 8) that end in zeros."""
    first = next(n for n in numbers if hasattr(n, "shape"))
    zero = ops.zeros_like(first)
    parts = [zero + n for n in numbers]
    return ops.stack(parts + [zero] * (8 - len(parts)), axis=-1)


class RandomRotation(_Warp):
    """Turn images by a random angle around their middle.

    Args:
        factor: smallest and largest angle, as parts of a full turn, counter-clockwise; one number x stands for
            `(-x, x)`.
        fill_mode: what stands outside: `"reflect"`, `"constant"`, `"wrap"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: whole number that makes the draws repeatable.
        fill_value: what stands outside for `"constant"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    >>> keras.layers.RandomRotation((0.5, 0.5))(np.array([[[1.0], [2.0]]]))
    [[[2.0], [1.0]]]
    """

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.factor = factor_range(factor, "factor", self, -1, 1, symmetric=True)
        self._look_up(interpolation, fill_value, seed, fill_mode)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        turn = 360 * uniform(sizes, self.factor, seed)
        return {"angle": turn, "input_shape": input_shape(sizes, self)}

    def _matrix(self, transformation: Any) -> Any:
        angle = transformation["angle"] * (math.pi / 180)
        sine, cosine = ops.sin(angle), ops.cos(angle)
        height, width = self._size(transformation)
        x, y = (width - 1) / 2, (height - 1) / 2
        return _rows(cosine, -sine, x - cosine * x + sine * y, sine, cosine, y - sine * x - cosine * y)


class RandomTranslation(_Warp):
    """Shift images by random distances.

    Args:
        height_factor: smallest and largest shift downwards, as parts of the height; one number x stands for `(-x, x)`.
        width_factor: smallest and largest shift to the right, as parts of the width; one number x stands for
            `(-x, x)`.
        fill_mode: what stands outside: `"reflect"`, `"constant"`, `"wrap"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: whole number that makes the draws repeatable.
        fill_value: what stands outside for `"constant"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    >>> shift = keras.layers.RandomTranslation(0.0, (0.5, 0.5), fill_mode="constant")
    >>> shift(np.array([[[1.0], [2.0]]]))
    [[[0.0], [1.0]]]
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height_range = factor_range(height_factor, "height_factor", self, -1, 1, symmetric=True)
        self._width_range = factor_range(width_factor, "width_factor", self, -1, 1, symmetric=True)
        self._look_up(interpolation, fill_value, seed, fill_mode)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        down = sizes.height * uniform(sizes, self._height_range, seed)
        right = sizes.width * uniform(sizes, self._width_range, seed)
        return {"translations": ops.stack([right, down], axis=-1), "input_shape": input_shape(sizes, self)}

    def _matrix(self, transformation: Any) -> Any:
        shifts = transformation["translations"]
        return _rows(1, 0, -shifts[:, 0], 0, 1, -shifts[:, 1])


class RandomZoom(_Warp):
    """Scale images by random factors around their middle.

    Args:
        height_factor: smallest and largest share by which more of the height is seen: 0.2 makes things smaller by
            1 / 1.2, -0.2 larger by 1 / 0.8; one number x stands for `(-x, x)`.
        width_factor: the same for the width; None takes what was drawn for the height, which keeps proportions.
        fill_mode: what stands outside: `"reflect"`, `"constant"`, `"wrap"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: whole number that makes the draws repeatable.
        fill_value: what stands outside for `"constant"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    >>> keras.layers.RandomZoom((-0.5, -0.5))(np.array([[[1.0], [2.0]]]))
    [[[1.25], [1.75]]]
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height_range = factor_range(height_factor, "height_factor", self, -1, 1, symmetric=True)
        self._width_range = None
        if width_factor is not None:
            self._width_range = factor_range(width_factor, "width_factor", self, -1, 1, symmetric=True)
        self._look_up(interpolation, fill_value, seed, fill_mode)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        height = 1 + uniform(sizes, self._height_range, seed)
        width = height if self._width_range is None else 1 + uniform(sizes, self._width_range, seed)
        found = {"height_zoom": height[:, None], "width_zoom": width[:, None]}
        return {**found, "input_shape": input_shape(sizes, self)}

    def get_clipped_bbox(
        self, bounding_boxes: dict[str, Any], h_end: Any, h_start: Any, w_end: Any, w_start: Any
    ) -> Any:
        """Return boxes in xyxy as those of the part of the image between given rows and columns."""
        left, top, right, bottom = ops.unstack(bounding_boxes["boxes"], 4, axis=-1)
        across = [ops.clip(x, w_start, w_end) - w_start for x in (left, right)]
        down = [ops.clip(y, h_start, h_end) - h_start for y in (top, bottom)]
        return {**bounding_boxes, "boxes": ops.stack([across[0], down[0], across[1], down[1]], axis=-1)}

    def _matrix(self, transformation: Any) -> Any:
        down, right = transformation["height_zoom"][:, 0], transformation["width_zoom"][:, 0]
        height, width = self._size(transformation)
        return _rows(right, 0, (1 - right) * (width - 1) / 2, 0, down, (1 - down) * (height - 1) / 2)


class RandomShear(_Warp):
    """Slant images at random: rows move by a part of their distance from the first row, columns likewise.

    Args:
        x_factor: smallest and largest part by which rows move to either side, from 0 to 1; one number x stands for
            `(-x, x)`.
        y_factor: the same for columns.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: what stands outside: `"reflect"`, `"constant"`, `"wrap"` or `"nearest"`.
        fill_value: what stands outside for `"constant"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        seed: whole number that makes the draws repeatable.

    >>> keras.layers.RandomShear(0.2)(np.ones((1, 2, 1)))
    [[[1.0], [1.0]]]
    """

    def __init__(
        self,
        x_factor: Any = 0.0,
        y_factor: Any = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.x_factor, self.y_factor = _share(x_factor, "x_factor", self), _share(y_factor, "y_factor", self)
        self._look_up(interpolation, fill_value, seed, fill_mode)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        size = ops.stack([uniform(sizes, bounds, seed) for bounds in (self.x_factor, self.y_factor)], axis=-1)
        return {"shear_factor": size * signs(sizes, seed, 2), "input_shape": input_shape(sizes, self)}

    def _matrix(self, transformation: Any) -> Any:
        shear = transformation["shear_factor"]
        return _rows(1, shear[:, 0], 0, shear[:, 1], 1, 0)


def _share(value: Any, name: str, layer: Any) -> tuple[Any, Any]:
    """Return the range of a shear: `(-x, x)` for one number x; a pair like that, as it stands in a config, is one."""
    if isinstance(value, (list, tuple)) and not (len(value) == 2 and -value[0] == value[1]):
        return factor_range(value, name, layer)
    _, most = factor_range(value[1] if isinstance(value, (list, tuple)) else value, name, layer)
    return -most, most


class RandomPerspective(_Warp):
    """See images from elsewhere at random: three corners move away from the upper left one or towards it.

    Args:
        factor: smallest and largest probability for an image to be changed; one number x stands for `(0, x)`.
        scale: how far corners move, from 0 to 1: each coordinate is multiplied by up to `1 - scale / 2` or
            `1 + scale / 2`.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_value: what stands outside.
        seed: whole number that makes the draws repeatable.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    >>> keras.layers.RandomPerspective(factor=0.0)(np.ones((1, 2, 1)))
    [[[1.0], [1.0]]]
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.factor = factor_range(factor, "factor", self)
        factor_range(scale, "scale", self)
        if isinstance(scale, (list, tuple)):
            raise ValueError(f"{who(self)}: expected `scale` to be a number from 0 to 1; received {scale!r}.")
        self.scale = scale
        self._look_up(interpolation, fill_value, seed)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        x, y = max(1.0, sizes.width - 1.0), max(1.0, sizes.height - 1.0)
        start = ops.convert_to_tensor([[0.0, 0.0], [x, 0.0], [0.0, y], [x, y]], "float32")
        start = ops.broadcast_to(start, (sizes.batch, 4, 2))
        moved = random.uniform((sizes.batch, 4, 2), 1 - self.scale / 2, 1 + self.scale / 2, dtype="float32", seed=seed)
        return {
            "apply_perspective": chosen(sizes, self.factor, seed),
            "start_points": start,
            "end_points": start * moved,
            "input_shape": input_shape(sizes, self),
        }

    def _matrix(self, transformation: Any) -> Any:
        found = homography(transformation["end_points"], transformation["start_points"])
        same = _rows(ops.ones_like(found[:, 0]), 0, 0, 0, 1)
        return ops.where(transformation["apply_perspective"][:, None], found, same)


class RandomElasticTransform(RangedImageLayer):
    """Bend images at random, by shifts that vary smoothly.

    Args:
        factor: smallest and largest probability for an image to be changed; one number x stands for `(0, x)`.
        scale: smallest and largest strength, from 0 to 1: strength s shifts by up to `s / 10` of the longer side,
            smoothed over `s / 20` of the shorter one; one number x stands for `(0, x)`.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: what stands outside: `"reflect"`, `"constant"`, `"wrap"` or `"nearest"`.
        fill_value: what stands outside for `"constant"`.
        value_range: smallest and largest value of a pixel.
        seed: whole number that makes the draws repeatable.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Masks follow the images; boxes have no exact counterpart and are refused.

    Source: Simard et al., Best Practices for Convolutional Neural Networks, 2003.

    >>> keras.layers.RandomElasticTransform(factor=0.0)(np.ones((1, 2, 1)))
    [[[1.0], [1.0]]]
    """

    _moves = True

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.factor, self.scale = factor_range(factor, "factor", self), factor_range(scale, "scale", self)
        self.interpolation = check_interpolation(interpolation, self)
        self.fill_mode, self.fill_value = check_fill_mode(fill_mode, self), fill_value
        self._seed_with(seed)

    def get_elastic_transform_params(self, height: int, width: int, factor: Any) -> tuple[Any, Any]:
        """Return how far pixels are shifted at most before smoothing, and over how many pixels shifts are smoothed."""
        return max(height, width) * 0.1 * factor, min(height, width) * 0.05 * factor

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        strength = random.uniform((), self.scale[0], self.scale[1], dtype="float32", seed=seed)
        alpha, sigma = self.get_elastic_transform_params(sizes.height, sizes.width, strength)
        _, widest = self.get_elastic_transform_params(sizes.height, sizes.width, self.scale[1])
        shifts = random.uniform((sizes.batch, sizes.height, sizes.width, 2), -1.0, 1.0, dtype="float32", seed=seed)
        weights = normal_weights(2 * math.ceil(3 * widest) + 1, sigma)
        return {
            "apply_transform": chosen(sizes, self.factor, seed),
            "distortion_factor": strength,
            "shifts": alpha * filtered(shifts, [weights, weights], "same", "channels_last"),
        }

    def _change_images(self, images: Any, transformation: Any) -> Any:
        return ops.clip(self._bent(images, transformation, self.interpolation), *self.value_range)

    def _change_masks(self, masks: Any, transformation: Any) -> Any:
        return self._bent(masks, transformation, "nearest")

    def _bent(self, images: Any, transformation: Any, how: str) -> Any:
        shifts = transformation["shifts"]
        rows = ops.arange(shifts.shape[1], dtype="float32")[None, :, None] + shifts[..., 0]
        columns = ops.arange(shifts.shape[2], dtype="float32")[None, None, :] + shifts[..., 1]
        order, last = ("nearest", "bilinear").index(how), self.data_format == "channels_last"
        found = warp(images, rows, columns, order, self.fill_mode, self.fill_value, last)
        return ops.where(per_image(transformation["apply_transform"]), ops.cast(found, images.dtype), images)

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """Refuse boxes when training: none is bent into another.

        Raises:
            NotImplementedError: if `training`.
        """
        if training:
            raise NotImplementedError(
                f"{who(self)}: boxes cannot be bent. Leave out `bounding_boxes`, or use masks, which can."
            )
        return bounding_boxes
