"""Images mixed with others of their batch, and parts of images erased, at random."""

from typing import Any

from tahr import dtypes, ops, random
from tahr.layers.arguments import who
from tahr.layers.image.base import BaseImageLayer, RangedImageLayer, Sizes, chosen, factor_range, per_image, uniform

__all__ = ["CutMix", "MixUp", "RandomErasing"]


def _patches(layer: BaseImageLayer, sizes: Sizes, area: Any, seed: Any) -> tuple[Any, Any]:
    """Return rectangles anywhere inside of images, as masks, and the share of the pixels that they have.

    Args:
        layer: whose data format the masks have.
        sizes: of the batch.
        area: share of the image for each, of shape (batch,); sides are rounded down to whole pixels.
        seed: to draw with.
    """
    draws = random.uniform((2, sizes.batch), dtype="float32", seed=seed)
    side = ops.sqrt(area)
    inside, share = None, 1.0
    for i, size in enumerate((sizes.height, sizes.width)):
        length = ops.floor(size * side + 1e-4)
        start = ops.minimum(ops.floor(draws[i] * (size - length + 1)), size - length)
        places = ops.arange(size, dtype="float32")
        within = ops.logical_and(places >= start[:, None], places < (start + length)[:, None])
        within = within[:, :, None] if i == 0 else within[:, None, :]
        inside = within if inside is None else ops.logical_and(inside, within)
        share = share * length / size
    return ops.expand_dims(inside, layer.channel_axis), share


class RandomErasing(RangedImageLayer):
    """Erase a rectangle of images at random.

    Args:
        factor: smallest and largest probability for an image to be changed; one number x stands for `(0, x)`.
        scale: smallest and largest part of the image that is erased; one number x stands for `(0, x)`.
        fill_value: what is put there; None takes random numbers from the normal distribution, as multiples of the
            largest value, within the range of values.
        value_range: smallest and largest value of a pixel.
        seed: whole number that makes the draws repeatable.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Source: Zhong et al., Random Erasing Data Augmentation, 2017.

    >>> keras.layers.RandomErasing((1.0, 1.0), scale=(1.0, 1.0), fill_value=7.0)(np.ones((1, 2, 1)))
    [[[7.0], [7.0]]]
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: float | None = None,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.factor, self.scale = factor_range(factor, "factor", self), factor_range(scale, "scale", self)
        self.fill_value = fill_value
        self._seed_with(seed)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        masks, _ = _patches(self, sizes, uniform(sizes, self.scale, seed), seed)
        fill: Any = self.fill_value
        if fill is None:
            shape = [sizes.batch, 0, 0, 0]
            shape[self.height_axis], shape[self.width_axis] = sizes.height, sizes.width
            shape[self.channel_axis] = sizes.channels
            noise = random.normal(tuple(shape), dtype="float32", seed=seed)
            fill = ops.clip(noise * self.value_range[1], *self.value_range)
        return {"apply_erasing": chosen(sizes, self.factor, seed), "batch_masks": masks, "fill_value": fill}

    def _change_images(self, images: Any, transformation: Any) -> Any:
        erased = ops.logical_and(transformation["batch_masks"], per_image(transformation["apply_erasing"]))
        return ops.where(erased, ops.cast(transformation["fill_value"], images.dtype), images)


class _Mix(BaseImageLayer):
    """A layer that mixes images, labels and masks with those of other images of the batch."""

    _moves = True

    def _change_labels(self, labels: Any, transformation: Any) -> Any:
        labels = ops.convert_to_tensor(labels)
        if len(labels.shape) == 1 and dtypes.is_int(ops.dtype(labels)):
            raise ValueError(
                f"{who(self)}: class numbers cannot be mixed. Give labels as vectors: "
                "keras.utils.to_categorical(labels)."
            )
        labels = ops.cast(labels, self.compute_dtype)
        weight = ops.reshape(transformation["mix_weight"], (-1, *[1] * (len(labels.shape) - 1)))
        return _mixed(labels, transformation["permutation_order"], ops.cast(weight, labels.dtype))

    def _part_dtype(self, key: str, dtype: str) -> str:
        return self.compute_dtype if key == "labels" else dtype


def _mixed(x: Any, order: Any, weight: Any) -> Any:
    """Return `weight` of `x` and the rest of it in another order."""
    return weight * x + (1 - weight) * ops.take(x, order, axis=0)


class MixUp(_Mix):
    """Mix each image with another of the batch, and their labels in the same proportion.

    Args:
        alpha: both parameters of the beta distribution that shares come from.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        seed: whole number that makes the draws repeatable.

    Labels are vectors; boxes of both images are kept.

    Source: Zhang et al., mixup: Beyond Empirical Risk Minimization, 2017.

    >>> keras.layers.MixUp()(np.ones((2, 1, 1, 1)))
    [[[[1.0]]], [[[1.0]]]]
    """

    def __init__(self, alpha: float = 0.2, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or alpha <= 0:
            raise ValueError(f"{who(self)}: expected `alpha` to be a positive number; received {alpha!r}.")
        self.alpha = alpha
        self._seed_with(seed)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        return {
            "mix_weight": random.beta((sizes.batch,), self.alpha, self.alpha, dtype="float32", seed=seed),
            "permutation_order": random.shuffle(ops.arange(sizes.batch, dtype="int32"), seed=seed),
        }

    def _change_images(self, images: Any, transformation: Any) -> Any:
        weight = ops.cast(per_image(transformation["mix_weight"]), images.dtype)
        return _mixed(images, transformation["permutation_order"], weight)

    def _change_masks(self, masks: Any, transformation: Any) -> Any:
        return self._change_images(masks, transformation)

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """Return the boxes of each image and then those of the one that it is mixed with."""
        if not training:
            return bounding_boxes
        order = transformation["permutation_order"]
        return {
            key: ops.concatenate([part, ops.take(part, order, axis=0)], axis=1) for key, part in bounding_boxes.items()
        }

    def _box_count(self, count: Any) -> Any:
        return None if count is None else 2 * count


class CutMix(_Mix):
    """Put a rectangle of another image of the batch into each image, and mix their labels by the shares of pixels.

    Args:
        factor: smallest and largest value, from 0 to 1, of both parameters of the beta distribution that the shares
            come from; one number x stands for `(0, x)`.
        seed: whole number that makes the draws repeatable.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Labels are vectors; boxes are refused.

    Source: Yun et al., CutMix, 2019.

    >>> keras.layers.CutMix()(np.ones((2, 1, 1, 1)))
    [[[[1.0]]], [[[1.0]]]]
    """

    def __init__(self, factor: Any = 1.0, seed: int | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.factor = factor_range(factor, "factor", self)
        self._seed_with(seed)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        alpha = ops.maximum(uniform(sizes, self.factor, seed), 1e-3)
        kept = random.beta((sizes.batch,), alpha, alpha, dtype="float32", seed=seed)
        masks, share = _patches(self, sizes, 1 - kept, seed)
        return {
            "batch_masks": masks,
            "mix_weight": per_image(1 - share),
            "permutation_order": random.shuffle(ops.arange(sizes.batch, dtype="int32"), seed=seed),
        }

    def _change_images(self, images: Any, transformation: Any) -> Any:
        others = ops.take(images, transformation["permutation_order"], axis=0)
        return ops.where(transformation["batch_masks"], others, images)

    def _change_masks(self, masks: Any, transformation: Any) -> Any:
        return self._change_images(masks, transformation)

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """Refuse boxes when training: a rectangle may hold any part of the things in both images.

        Raises:
            NotImplementedError: if `training`.
        """
        if training:
            raise NotImplementedError(
                f"{who(self)}: boxes cannot be cut. Leave out `bounding_boxes`, or use MixUp, which keeps them."
            )
        return bounding_boxes
