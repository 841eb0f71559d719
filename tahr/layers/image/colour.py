"""Colours and brightness of images changed at random."""

from typing import Any

from tahr import dtypes, ops, random
from tahr.layers.arguments import fraction
from tahr.layers.image.base import (
    BaseImageLayer,
    RangedImageLayer,
    Sizes,
    chosen,
    factor_range,
    per_image,
    signs,
    uniform,
)

__all__ = [
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPosterization",
    "RandomSaturation",
    "Solarization",
]


def _greyscale(images: Any, layer: BaseImageLayer) -> Any:
    """Return the brightness of images as one channel; images of one channel are their own."""
    if images.shape[layer.channel_axis] == 1:
        return images
    return ops.image.rgb_to_grayscale(images, data_format=layer.data_format)


class RandomBrightness(RangedImageLayer):
    """Add a random number to the pixels of each image.

    Args:
        factor: smallest and largest number, from -1 to 1, as parts of the range of values; one number x stands for
            `(-x, x)`.
        value_range: smallest and largest value of a pixel.
        seed: whole number that makes the draws repeatable.

    Whole numbers stay whole numbers.

    >>> keras.layers.RandomBrightness((0.5, 0.5), value_range=(0, 1))(np.array([[[0.25], [0.75]]]))
    [[[0.75], [1.0]]]
    """

    _keeps_integers = True

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any):
        super().__init__(value_range, **kwargs)
        self._seed_with(seed)
        self.factor = factor_range(factor, "factor", self, -1, 1, symmetric=True)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        low, high = self.value_range
        return {"rgb_delta": per_image(uniform(sizes, self.factor, seed) * (high - low))}

    def _change_images(self, images: Any, transformation: Any) -> Any:
        kind = images.dtype if dtypes.is_float(ops.dtype(images)) else self.compute_dtype
        brighter = ops.cast(images, kind) + ops.cast(transformation["rgb_delta"], kind)
        return ops.clip(brighter, *self.value_range)


class RandomContrast(RangedImageLayer):
    """Move the pixels of each image and channel away from their mean, or towards it, by a random factor.

    Args:
        factor: two numbers from 0 to 1: the factor is drawn from 1 less the smaller to 1 plus the larger one; one
            number x stands for `(0, x)`.
        value_range: smallest and largest value of a pixel.
        seed: whole number that makes the draws repeatable.

    >>> keras.layers.RandomContrast(0.0)(np.array([[[1.0], [3.0]]]))
    [[[1.0], [3.0]]]
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any):
        super().__init__(value_range, **kwargs)
        self._seed_with(seed)
        self.factor = factor_range(factor, "factor", self)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        low, high = self.factor
        return {"contrast_factor": per_image(uniform(sizes, (1 - low, 1 + high), seed))}

    def _change_images(self, images: Any, transformation: Any) -> Any:
        mean = ops.mean(images, axis=(self.height_axis, self.width_axis), keepdims=True)
        factor = ops.cast(transformation["contrast_factor"], images.dtype)
        return ops.clip((images - mean) * factor + mean, *self.value_range)


class RandomHue(RangedImageLayer):
    """Turn the colour circle of each image by a random angle.

    Args:
        factor: smallest and largest angle to either side, from 0 to 1 for none to half a turn; one number x stands for
            `(0, x)`.
        value_range: smallest and largest value of a pixel.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        seed: whole number that makes the draws repeatable.

    >>> keras.layers.RandomHue((1.0, 1.0), value_range=(0, 1))(np.array([[[1.0, 0.0, 0.0]]]))
    [[[0.0, 1.0, 1.0]]]
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self._seed_with(seed)
        self.factor = factor_range(factor, "factor", self)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        return {"factor": uniform(sizes, self.factor, seed) * signs(sizes, seed) * 0.5}

    def _change_images(self, images: Any, transformation: Any) -> Any:
        found = ops.image.rgb_to_hsv(self._scaled(images), data_format=self.data_format)
        hue, saturation, value = ops.unstack(found, 3, axis=self.channel_axis)
        turn = ops.reshape(ops.cast(transformation["factor"], images.dtype), (-1, 1, 1))
        turned = ops.stack([hue + turn, saturation, value], axis=self.channel_axis)
        return self._back(ops.image.hsv_to_rgb(turned, data_format=self.data_format))


class RandomSaturation(RangedImageLayer):
    """Make the colours of each image paler or stronger by a random amount.

    Args:
        factor: smallest and largest amount, from -1 to 1: 0 and less leave grey, 0.5 changes nothing, 1 gives pure
            colours; one number x stands for `(-x, x)`.
        value_range: smallest and largest value of a pixel.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        seed: whole number that makes the draws repeatable.

    The saturation of HSV is multiplied by `f / (1 - f)` for an amount f.

    >>> keras.layers.RandomSaturation((0.0, 0.0), value_range=(0, 1))(np.array([[[1.0, 0.5, 0.0]]]))
    [[[1.0, 1.0, 1.0]]]
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self._seed_with(seed)
        self.factor = factor_range(factor, "factor", self, -1, 1, symmetric=True)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        amount = uniform(sizes, self.factor, seed)
        return {"factor": amount / (1 - amount + 1e-7)}

    def _change_images(self, images: Any, transformation: Any) -> Any:
        found = ops.image.rgb_to_hsv(self._scaled(images), data_format=self.data_format)
        hue, saturation, value = ops.unstack(found, 3, axis=self.channel_axis)
        factor = ops.reshape(transformation["factor"], (-1, 1, 1))
        stronger = ops.cast(ops.clip(ops.cast(saturation, "float32") * factor, 0, 1), images.dtype)
        changed = ops.stack([hue, stronger, value], axis=self.channel_axis)
        return self._back(ops.image.hsv_to_rgb(changed, data_format=self.data_format))


class RandomColorDegeneration(RangedImageLayer):
    """Mix images with their greyscale by a random share.

    Args:
        factor: smallest and largest share of the greyscale, from -1 to 1; one number x stands for `(-x, x)`.
        value_range: smallest and largest value of a pixel.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        seed: whole number that makes the draws repeatable.

    >>> keras.layers.RandomColorDegeneration((1.0, 1.0))(np.array([[[100.0, 0.0, 0.0]]]))
    [[[29.89, 29.89, 29.89]]]
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self._seed_with(seed)
        self.factor = factor_range(factor, "factor", self, -1, 1, symmetric=True)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        return {"factor": per_image(uniform(sizes, self.factor, seed))}

    def _change_images(self, images: Any, transformation: Any) -> Any:
        grey = _greyscale(images, self)
        share = ops.cast(transformation["factor"], images.dtype)
        return ops.clip(images + (grey - images) * share, *self.value_range)


class RandomColorJitter(RangedImageLayer):
    """Change brightness, contrast, saturation and hue of images at random, in this order.

    Args:
        value_range: smallest and largest value of a pixel.
        brightness_factor: for `RandomBrightness`, or None to leave it out.
        contrast_factor: for `RandomContrast`, or None.
        saturation_factor: for `RandomSaturation`, or None.
        hue_factor: for `RandomHue`, or None.
        seed: whole number that makes the draws repeatable.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    >>> jitter = keras.layers.RandomColorJitter((0, 1), brightness_factor=(0.5, 0.5))
    >>> jitter(np.array([[[0.25, 0.25, 0.5]]]))
    [[[0.75, 0.75, 1.0]]]
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self._seed_with(seed)
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.hue_factor = saturation_factor, hue_factor
        kinds = {
            "brightness": (RandomBrightness, brightness_factor),
            "contrast": (RandomContrast, contrast_factor),
            "saturation": (RandomSaturation, saturation_factor),
            "hue": (RandomHue, hue_factor),
        }
        shared = {"value_range": value_range, "data_format": data_format, "dtype": self.dtype_policy}
        self._steps = {
            name: kind(factor, seed=seed, **shared) for name, (kind, factor) in kinds.items() if factor is not None
        }

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        return {name: layer._draw(sizes, seed) for name, layer in self._steps.items()}

    def _change_images(self, images: Any, transformation: Any) -> Any:
        for name, layer in self._steps.items():
            images = layer._change_images(images, transformation[name])
        return images


class RandomGrayscale(BaseImageLayer):
    """Turn images grey at random; they keep their channels.

    Args:
        factor: probability for an image to be changed.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        seed: whole number that makes the draws repeatable.

    Whole numbers stay whole numbers.

    >>> keras.layers.RandomGrayscale(1.0)(np.array([[[100.0, 0.0, 0.0]]]))
    [[[29.89, 29.89, 29.89]]]
    """

    _keeps_integers = True

    def __init__(self, factor: float = 0.5, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.factor = fraction(factor, "factor", self)
        self._seed_with(seed)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        return per_image(random.uniform((sizes.batch,), dtype="float32", seed=seed) < self.factor)

    def _change_images(self, images: Any, transformation: Any) -> Any:
        grey = _greyscale(images, self)
        return ops.where(transformation, grey, images)

    def get_random_transformation(self, images: Any, training: bool = True, seed: Any = None) -> Any:
        """Return which images turn grey, of shape (batch, 1, 1, 1); None when not training."""
        return super().get_random_transformation(images, training, seed)

    def transform_labels(self, labels: Any, transformations: Any = None, training: bool = True, **kwargs: Any) -> Any:
        """Return the labels, which do not change."""
        return labels

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformations: Any = None, training: bool = True, **kwargs: Any
    ) -> Any:
        """Return the masks, which do not change."""
        return segmentation_masks


class RandomInvert(RangedImageLayer):
    """Turn images into their negatives at random.

    Args:
        factor: smallest and largest probability for an image to be changed; one number x stands for `(0, x)`.
        value_range: smallest and largest value of a pixel.
        seed: whole number that makes the draws repeatable.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    >>> keras.layers.RandomInvert((1.0, 1.0))(np.array([[[55.0]]]))
    [[[200.0]]]
    """

    def __init__(
        self,
        factor: Any = 1.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self._seed_with(seed)
        self.factor = factor_range(factor, "factor", self)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        return {"apply_inversion": chosen(sizes, self.factor, seed)}

    def _change_images(self, images: Any, transformation: Any) -> Any:
        low, high = self.value_range
        return ops.where(per_image(transformation["apply_inversion"]), high + low - images, images)


class RandomPosterization(RangedImageLayer):
    """Keep a random number of the leading bits, of 8, of the pixels.

    Args:
        factor: smallest and largest number of bits, from 1 to 8; one number x stands for `(1, x)`.
        value_range: smallest and largest value of a pixel.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        seed: whole number that makes the draws repeatable.

    >>> keras.layers.RandomPosterization((1, 1))(np.array([[[127.0], [200.0]]]))
    [[[0.0], [128.0]]]
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self._seed_with(seed)
        self.factor = factor_range(factor, "factor", self, 1, 8)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        low, high = (int(n) for n in self.factor)
        bits = random.randint((sizes.batch,), low, high + 1, seed=seed)
        return {"shift_factor": ops.cast(8 - bits, "uint8")}

    def _change_images(self, images: Any, transformation: Any) -> Any:
        step = per_image(2 ** ops.cast(transformation["shift_factor"], images.dtype))
        return self._back(ops.floor(ops.floor(self._scaled(images, 255.0)) / step) * step, 255.0)


class Solarization(RangedImageLayer):
    """Add a random number to the pixels of each image and turn those above a random threshold into their negatives.

    Args:
        addition_factor: smallest and largest number, from 0 to 1, as parts of the range of values; one number x stands
            for `(0, x)`.
        threshold_factor: smallest and largest threshold, likewise.
        value_range: smallest and largest value of a pixel.
        seed: whole number that makes the draws repeatable.

    >>> keras.layers.Solarization(threshold_factor=(0.5, 0.5))(np.array([[[100.0], [200.0]]]))
    [[[100.0], [55.0]]]
    """

    def __init__(
        self,
        addition_factor: Any = 0.0,
        threshold_factor: Any = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(value_range, **kwargs)
        self._seed_with(seed)
        self.addition_factor = factor_range(addition_factor, "addition_factor", self)
        self.threshold_factor = factor_range(threshold_factor, "threshold_factor", self)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        return {
            "additions": per_image(255 * uniform(sizes, self.addition_factor, seed)),
            "thresholds": per_image(255 * uniform(sizes, self.threshold_factor, seed)),
        }

    def _change_images(self, images: Any, transformation: Any) -> Any:
        addition, threshold = (ops.cast(transformation[key], images.dtype) for key in ("additions", "thresholds"))
        brighter = ops.clip(self._scaled(images, 255.0) + addition, 0, 255)
        return self._back(ops.where(brighter < threshold, brighter, 255 - brighter), 255.0)
