"""Images of another size: resized, or parts of them."""

from typing import Any

from tahr import ops, random
from tahr.layers.arguments import choice, who, whole
from tahr.layers.image.base import BaseImageLayer, Sizes, input_shape
from tahr.ops.image_resize import METHODS, window

__all__ = ["CenterCrop", "RandomCrop", "Resizing"]


class _OtherSize(BaseImageLayer):
    """A layer whose images all have one size."""

    _moves = True
    height: int
    width: int

    def _image_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        sizes = list(shape)
        sizes[self.height_axis], sizes[self.width_axis] = self.height, self.width
        return tuple(sizes)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        return {"input_shape": input_shape(sizes, self)}

    def _resized(self, images: Any, method: str, **options: Any) -> Any:
        return ops.image.resize(images, (self.height, self.width), method, data_format=self.data_format, **options)

    def _window(self, images: Any, top: Any, left: Any) -> Any:
        """Return the part of images, of this layer's size, that begins at a row and column."""
        starts: list[Any] = [0] * 4
        sizes = list(images.shape)
        starts[self.height_axis], starts[self.width_axis] = top, left
        sizes[self.height_axis], sizes[self.width_axis] = self.height, self.width
        return ops.slice(images, ops.stack([ops.cast(n, "int32") for n in starts]), tuple(sizes))

    def _boxes_from(self, boxes: dict[str, Any], top: Any, left: Any, height: Any, width: Any) -> dict[str, Any]:
        """Return boxes as those of the part of the image that is brought to this layer's size."""
        x, y = self.width / width, self.height / height
        shift = ops.stack([ops.cast(n, "float32") for n in (left, top, left, top)])
        return {**boxes, "boxes": (boxes["boxes"] - shift) * ops.convert_to_tensor([x, y, x, y], "float32")}

    def _is_part(self, transformation: Any) -> bool:
        """Return whether images are at least as large as this layer makes them."""
        height, width = self._before(transformation)
        return height >= self.height and width >= self.width

    def _before(self, transformation: Any) -> tuple[int, int]:
        shape = transformation["input_shape"]
        return shape[self.height_axis], shape[self.width_axis]

    def _whole(self, transformation: Any) -> tuple[int, int, int, int]:
        """Return the largest part in the middle of the image that has the proportions of this layer's size."""
        return window(*self._before(transformation), (self.height, self.width), pad=False)


class Resizing(_OtherSize):
    """Resize images.

    Args:
        height: of the result.
        width: of the result.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        crop_to_aspect_ratio: whether edges are cut off first, so that nothing is distorted.
        pad_to_aspect_ratio: whether edges are added first, so that nothing is distorted.
        fill_mode: `"constant"`: added edges have one value.
        fill_value: which value.
        antialias: whether a smaller image takes every pixel into account.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Whole numbers stay whole numbers; masks take the nearest pixel.

    >>> keras.layers.Resizing(1, 4)(np.array([[[1.0], [3.0]]]))
    [[[1.0], [1.5], [2.5], [3.0]]]
    """

    _at_rest = True
    _keeps_integers = True

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.height, self.width = whole(height, "height", self), whole(width, "width", self)
        self.interpolation = choice(interpolation, METHODS, "interpolation", self)
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError(f"{who(self)}: only one of crop_to_aspect_ratio and pad_to_aspect_ratio can be True.")
        self.crop_to_aspect_ratio, self.pad_to_aspect_ratio = crop_to_aspect_ratio, pad_to_aspect_ratio
        self.fill_mode, self.fill_value = choice(fill_mode, ("constant",), "fill_mode", self), fill_value
        self.antialias = antialias

    def _change_images(self, images: Any, transformation: Any) -> Any:
        return self._framed(images, self.interpolation, antialias=self.antialias)

    def _change_masks(self, masks: Any, transformation: Any) -> Any:
        return self._framed(masks, "nearest")

    def _framed(self, images: Any, method: str, **options: Any) -> Any:
        return self._resized(
            images,
            method,
            crop_to_aspect_ratio=self.crop_to_aspect_ratio,
            pad_to_aspect_ratio=self.pad_to_aspect_ratio,
            fill_value=self.fill_value,
            **options,
        )

    def _change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> dict[str, Any]:
        part = (0, 0, *self._before(transformation))
        if self.crop_to_aspect_ratio or self.pad_to_aspect_ratio:
            part = window(*part[2:], (self.height, self.width), pad=self.pad_to_aspect_ratio)
        return self._boxes_from(bounding_boxes, *part)


class CenterCrop(_OtherSize):
    """Keep the middle of images; resize what is too small, without distorting it, and cut off the rest.

    Args:
        height: of the result.
        width: of the result.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    >>> keras.layers.CenterCrop(1, 1)(np.arange(9.0).reshape(3, 3, 1))
    [[[4.0]]]
    """

    _at_rest = True

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.height, self.width = whole(height, "height", self), whole(width, "width", self)

    def _middle(self, transformation: Any) -> tuple[int, int]:
        height, width = self._before(transformation)
        return (height - self.height) // 2, (width - self.width) // 2

    def _change_images(self, images: Any, transformation: Any) -> Any:
        return self._cut(images, transformation, "bilinear")

    def _change_masks(self, masks: Any, transformation: Any) -> Any:
        return self._cut(masks, transformation, "nearest")

    def _cut(self, images: Any, transformation: Any, method: str) -> Any:
        if self._is_part(transformation):
            return self._window(images, *self._middle(transformation))
        return self._resized(images, method, crop_to_aspect_ratio=True)

    def _change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> dict[str, Any]:
        if self._is_part(transformation):
            return self._boxes_from(bounding_boxes, *self._middle(transformation), self.height, self.width)
        return self._boxes_from(bounding_boxes, *self._whole(transformation))


class RandomCrop(_OtherSize):
    """Keep a part of images that begins anywhere, at the same place for a whole batch.

    Args:
        height: of the result.
        width: of the result.
        seed: whole number that makes the draws repeatable.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    When not training, images stay as they are. Of images that are too small, the largest part in the middle that has
    the right proportions is resized.

    >>> keras.layers.RandomCrop(2, 2)(np.ones((1, 4, 3, 1))).shape
    (1, 2, 2, 1)
    """

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, name=name, **kwargs)
        self.height, self.width = whole(height, "height", self), whole(width, "width", self)
        self._seed_with(random.host_seed() if seed is None else seed)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        found: dict[str, Any] = {"input_shape": input_shape(sizes, self), "start": None}
        if self._is_part(found):
            last = ops.convert_to_tensor([sizes.height - self.height, sizes.width - self.width], "int32")
            draws = random.uniform((2,), dtype="float32", seed=seed)
            places = ops.cast(ops.floor(draws * ops.cast(last + 1, "float32")), "int32")
            found["start"] = ops.minimum(places, last)
        return found

    def _change_images(self, images: Any, transformation: Any) -> Any:
        return self._cut(images, transformation, "bilinear")

    def _change_masks(self, masks: Any, transformation: Any) -> Any:
        return self._cut(masks, transformation, "nearest")

    def _cut(self, images: Any, transformation: Any, method: str) -> Any:
        start = transformation["start"]
        if start is None:
            return self._resized(images, method, crop_to_aspect_ratio=True)
        return self._window(images, start[0], start[1])

    def _change_boxes(self, bounding_boxes: dict[str, Any], transformation: Any) -> dict[str, Any]:
        start = transformation["start"]
        if start is None:
            return self._boxes_from(bounding_boxes, *self._whole(transformation))
        return self._boxes_from(bounding_boxes, start[0], start[1], self.height, self.width)
