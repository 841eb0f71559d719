"""Images sharpened and blurred at random."""

from typing import Any

import numpy as np

from tahr import ops, random
from tahr.layers.arguments import sizes as sizes_of
from tahr.layers.arguments import who
from tahr.layers.image.base import RangedImageLayer, Sizes, chosen, factor_range, per_image, uniform
from tahr.ops.image import filtered

__all__ = ["RandomGaussianBlur", "RandomSharpness", "normal_weights"]


def normal_weights(count: int, deviation: Any) -> Any:
    """Return the values of a normal density at `count` places around its middle, brought to sum 1.

    Args:
        count: how many.
        deviation: standard deviation, an array of shape (); at 0 all weight is in the middle.

    >>> from tahr.layers.image.filters import normal_weights
    >>> normal_weights(3, 0.0)
    [0.0, 1.0, 0.0]
    """
    distance = ops.convert_to_tensor(np.arange(count) - (count - 1) / 2, "float32")
    weights = ops.exp(-0.5 * (distance / ops.maximum(deviation, 1e-3)) ** 2)
    return weights / ops.sum(weights)


class RandomSharpness(RangedImageLayer):
    """Blur or sharpen images by a random amount.

    Args:
        factor: smallest and largest amount, from -1 to 1: 0 blurs, 0.5 changes nothing, 1 sharpens; one number x
            stands for `(0, x)`.
        value_range: smallest and largest value of a pixel.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        seed: whole number that makes the draws repeatable.

    Blurring takes 5/13 of each pixel and 1/13 of each of its neighbours, of which those outside count as 0; an amount f
    takes 2 f of the image and 1 - 2 f of the blurred one.

    >>> keras.layers.RandomSharpness((0.5, 0.5))(np.array([[[1.0], [3.0]]]))
    [[[1.0], [3.0]]]
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
        self.factor = factor_range(factor, "factor", self, -1, 1)
        self._seed_with(seed)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        return {"factor": uniform(sizes, self.factor, seed)}

    def _change_images(self, images: Any, transformation: Any) -> Any:
        ones = np.ones(3, "float32")
        blurred = (filtered(images, [ones, ones], "same", self.data_format) + 4 * images) / 13
        share = ops.cast(per_image(2 * transformation["factor"]), images.dtype)
        return ops.clip(blurred + (images - blurred) * share, *self.value_range)


class RandomGaussianBlur(RangedImageLayer):
    """Blur images at random, by a normal density.

    Args:
        factor: smallest and largest probability for an image to be changed; one number x stands for `(0, x)`.
        kernel_size: width and height of the window, odd numbers; one number stands for both.
        sigma: smallest and largest standard deviation of the density, from 0 to 1 pixel; one number x stands for
            `(0, x)`. One is drawn a call for the width, another for the height.
        value_range: smallest and largest value of a pixel.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        seed: whole number that makes the draws repeatable.

    >>> keras.layers.RandomGaussianBlur(factor=0.0)(np.array([[[1.0], [3.0]]]))
    [[[1.0], [3.0]]]
    """

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: Any = 3,
        sigma: Any = 1.0,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.factor, self.sigma = factor_range(factor, "factor", self), factor_range(sigma, "sigma", self)
        self.kernel_size = sizes_of(kernel_size, 2, "kernel_size", self)
        if any(n % 2 == 0 for n in self.kernel_size):
            raise ValueError(f"{who(self)}: expected `kernel_size` of odd numbers; received {kernel_size!r}.")
        self._seed_with(seed)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        deviations = random.uniform((2,), self.sigma[0], self.sigma[1], dtype="float32", seed=seed)
        return {"should_apply_blur": chosen(sizes, self.factor, seed), "blur_factor": deviations}

    def _change_images(self, images: Any, transformation: Any) -> Any:
        across, down = (normal_weights(n, transformation["blur_factor"][i]) for i, n in enumerate(self.kernel_size))
        blurred = ops.clip(filtered(images, [down, across], "same", self.data_format), *self.value_range)
        return ops.where(per_image(transformation["should_apply_blur"]), blurred, images)
