"""Policies: several changes of images, chosen at random."""

import math
from typing import Any

from tahr import ops, random, tree
from tahr.layers.arguments import who, whole
from tahr.layers.image.base import (
    BaseImageLayer,
    RangedImageLayer,
    Sizes,
    check_interpolation,
    factor_range,
    input_shape,
)
from tahr.layers.image.colour import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomContrast,
    RandomPosterization,
    Solarization,
)
from tahr.layers.image.contrast import AutoContrast, Equalization
from tahr.layers.image.filters import RandomSharpness
from tahr.layers.image.geometry import RandomRotation, RandomShear, RandomTranslation

__all__ = ["AugMix", "RandAugment"]


class _Policy(RangedImageLayer):
    """A layer that applies changes of a list, each of the same strength."""

    _moves = True

    def _choose_from(self, factor: Any, interpolation: str, seed: int | None, geometry_alone: bool = False) -> None:
        """Make the layers that are chosen from; `geometry_alone` leaves those of colours out."""
        self.factor = factor_range(factor, "factor", self)
        self.interpolation = check_interpolation(interpolation, self)
        self._seed_with(seed)
        shared = {"data_format": self.data_format, "dtype": self.dtype_policy, "seed": seed}
        coloured = {**shared, "value_range": self.value_range}
        fixed = {key: value for key, value in coloured.items() if key != "seed"}
        moved = {**shared, "interpolation": self.interpolation, "bounding_box_format": self.bounding_box_format}
        share = self.factor
        bits = tuple(max(1, round(8 * n)) for n in share)
        self._choices: dict[str, BaseImageLayer] = {
            "random_shear": RandomShear(share, share, **moved),
            "random_translation": RandomTranslation(share, share, **moved),
            "random_rotation": RandomRotation(share, **moved),
            "random_posterization": RandomPosterization(bits, **coloured),
            "solarization": Solarization(share, share, **coloured),
            "auto_contrast": AutoContrast(**fixed),
            "equalization": Equalization(**fixed),
        }
        if not geometry_alone:
            self._choices |= {
                "random_brightness": RandomBrightness(share, **coloured),
                "random_color_degeneration": RandomColorDegeneration(share, **coloured),
                "random_contrast": RandomContrast(share, **coloured),
                "random_sharpness": RandomSharpness(share, **coloured),
            }

    def _draw_steps(self, shape: tuple[int, ...], sizes: Sizes, seed: Any) -> dict[str, Any]:
        """Return which layer is chosen for each of some steps, and a transformation for each layer and step.

        Args:
            shape: of the steps; all that is drawn begins with these axes.
            sizes: of the batch.
            seed: to draw with.
        """
        count = math.prod(shape)
        many = sizes._replace(batch=count * sizes.batch)  # one draw for all steps: fewer for a compiler to lay out

        def split(drawn: dict[str, Any] | None) -> dict[str, Any]:
            arrays = {key: part for key, part in (drawn or {}).items() if key != "input_shape"}
            return {key: ops.reshape(x, (*shape, sizes.batch, *x.shape[1:])) for key, x in arrays.items()}

        return {
            "index": random.randint(shape, 0, len(self._choices), seed=seed),
            "transforms": {name: split(layer._draw(many, seed)) for name, layer in self._choices.items()},
            "input_shape": input_shape(sizes, self),
        }

    def chosen_step(self, transformation: dict[str, Any], *place: int) -> tuple[Any, dict[str, Any]]:
        """Return which layer is chosen for the step at a place, and a transformation for each of them by name."""
        shape = {"input_shape": transformation["input_shape"]}
        drawn = tree.map_structure(lambda x: x[place], transformation["transforms"])
        return transformation["index"][place], {name: {**parts, **shape} for name, parts in drawn.items()}

    def _step(self, method: str, given: Any, transformation: dict[str, Any], *place: int) -> Any:
        """Return what a method of the layer that is chosen for a step makes of something."""
        index, drawn = self.chosen_step(transformation, *place)

        def branch(name: str, layer: BaseImageLayer) -> Any:
            return lambda x: getattr(layer, method)(x, drawn[name])

        return ops.switch(index, [branch(name, layer) for name, layer in self._choices.items()], given)


class RandAugment(_Policy):
    """Apply a number of changes, chosen at random for each batch, of random strength.

    Args:
        value_range: smallest and largest value of a pixel.
        num_ops: how many changes.
        factor: smallest and largest strength, from 0 to 1; one number x stands for `(0, x)`.
        interpolation: `"bilinear"` or `"nearest"`, for what moves pixels.
        seed: whole number that makes the draws repeatable.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Chosen are among shear, translation, rotation, posterization, solarization, automatic contrast, equalization,
    brightness, colour degeneration, contrast and sharpness.

    Source: Cubuk et al., RandAugment, 2019.

    >>> keras.layers.RandAugment(seed=1)(np.ones((1, 4, 4, 3))).shape
    (1, 4, 4, 3)
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.num_ops = whole(num_ops, "num_ops", self, 0)
        self._choose_from(factor, interpolation, seed)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        return self._draw_steps((self.num_ops,), sizes, seed)

    def _steps(self, method: str, given: Any, transformation: Any) -> Any:
        for i in range(self.num_ops):
            given = self._step(method, given, transformation, i)
        return given

    def _change_images(self, images: Any, transformation: Any) -> Any:
        return self._steps("_change_images", images, transformation)

    def _change_masks(self, masks: Any, transformation: Any) -> Any:
        return self._steps("_change_masks", masks, transformation)

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """Return boxes after the changes that were chosen."""
        return self._steps("transform_bounding_boxes", bounding_boxes, transformation) if training else bounding_boxes


class AugMix(_Policy):
    """Mix images with the results of several chains of changes, chosen at random for each batch.

    Args:
        value_range: smallest and largest value of a pixel.
        num_chains: how many chains.
        chain_depth: how many changes a chain has.
        factor: smallest and largest strength, from 0 to 1; one number x stands for `(0, x)`.
        alpha: parameter of the distributions that shares come from: Dirichlet's for the chains, beta for the images
            themselves.
        all_ops: whether brightness, colour degeneration, contrast and sharpness are among the changes, which overlap
            with the corruptions of ImageNet-C.
        interpolation: `"bilinear"` or `"nearest"`, for what moves pixels.
        seed: whole number that makes the draws repeatable.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Boxes and masks stay: a mixture shows things at several places at once.

    Source: Hendrycks et al., AugMix, 2019.

    >>> keras.layers.AugMix(seed=1)(np.ones((1, 4, 4, 3))).shape
    (1, 4, 4, 3)
    """

    _moves = False

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Any = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.num_chains, self.chain_depth = (
            whole(num_chains, "num_chains", self),
            whole(chain_depth, "chain_depth", self),
        )
        if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or alpha <= 0:
            raise ValueError(f"{who(self)}: expected `alpha` to be a positive number; received {alpha!r}.")
        self.alpha, self.all_ops = alpha, all_ops
        self._choose_from(factor, interpolation, seed, geometry_alone=not all_ops)

    def _draw(self, sizes: Sizes, seed: Any) -> Any:
        shares = random.gamma((self.num_chains,), self.alpha, dtype="float32", seed=seed)
        return {
            "chain_mixing_weights": shares / ops.sum(shares),
            "weight_sample": random.beta((), self.alpha, self.alpha, dtype="float32", seed=seed),
            "chain_transforms": self._draw_steps((self.num_chains, self.chain_depth), sizes, seed),
        }

    def _change_images(self, images: Any, transformation: Any) -> Any:
        mixture: Any = 0
        for i in range(self.num_chains):
            changed = images
            for j in range(self.chain_depth):
                changed = self._step("_change_images", changed, transformation["chain_transforms"], i, j)
            mixture = mixture + changed * ops.cast(transformation["chain_mixing_weights"][i], images.dtype)
        share = ops.cast(transformation["weight_sample"], images.dtype)
        return images * share + mixture * (1 - share)
