"""`ImageDataGenerator`: images transformed at random on the host while batches are made, as in Keras 1 and 2."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import config
from tahr.compat.image_batches import DataFrameIterator, DirectoryIterator, NumpyArrayIterator
from tahr.compat.image_transforms import FILL_MODES, apply_affine_transform, apply_brightness_shift, apply_channel_shift
from tahr.compat.notices import notice
from tahr.random import host_generator, host_seed

__all__ = ["ImageDataGenerator"]


class ImageDataGenerator:
    """Makes batches of images, transformed at random and standardised.

    Args:
        featurewise_center: whether the mean image value of each channel, found by `fit`, is taken off.
        samplewise_center: whether each image's own mean is taken off.
        featurewise_std_normalization: whether values are divided by the standard deviation that `fit` found.
        samplewise_std_normalization: whether values are divided by each image's own standard deviation.
        zca_whitening: whether pixels are decorrelated by what `fit` found.
        zca_epsilon: added to the singular values of the images in that.
        rotation_range: largest angle in degrees.
        width_shift_range: largest shift to the side: a share of the width if below 1, else pixels; a list of pixels.
        height_shift_range: largest shift up or down, likewise.
        brightness_range: two numbers that brightness is multiplied by one between.
        shear_range: largest angle of shear in degrees.
        zoom_range: two factors, or a number z for 1 - z and 1 + z.
        channel_shift_range: largest number added to values.
        fill_mode: what stands outside of images: `"constant"`, `"nearest"`, `"reflect"` or `"wrap"`.
        cval: value outside for `"constant"`.
        horizontal_flip: whether half of the images are turned round from left to right.
        vertical_flip: whether half of them are turned upside down.
        rescale: number that values are multiplied by, or None.
        preprocessing_function: function of one image, called before that, or None.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        validation_split: share of the first rows that is `subset="validation"`.
        interpolation_order: 0 takes the nearest pixel, 1 interpolates between four.
        dtype: type of the images; None takes `floatx`.

    Raises:
        ValueError: for values out of range.

    >>> from tahr.preprocessing import image
    >>> batches = image.ImageDataGenerator(rescale=0.5).flow(np.full((4, 2, 2, 1), 3.0), np.arange(4), batch_size=2)
    >>> x, y = next(batches)
    >>> x.shape, float(x.max())
    ((2, 2, 2, 1), 1.5)
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Any = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[Any], Any] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: Any = None,
        **kwargs: Any,
    ):
        notice("preprocessing.image.ImageDataGenerator", "use utils.image_dataset_from_directory and layers.Random*")
        order = kwargs.pop("dim_ordering", None)
        if kwargs:
            raise TypeError(f"ImageDataGenerator: unexpected arguments {sorted(kwargs)}.")
        if order in ("th", "tf"):
            data_format = {"th": "channels_first", "tf": "channels_last"}[order]
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.featurewise_center = featurewise_center or zca_whitening or featurewise_std_normalization
        self.samplewise_center = samplewise_center or samplewise_std_normalization
        if zca_whitening and featurewise_std_normalization:
            raise ValueError("ImageDataGenerator: zca_whitening divides by deviations itself; leave out "
                             "featurewise_std_normalization.")  # fmt: skip
        self.rotation_range, self.shear_range, self.channel_shift_range = (
            rotation_range, shear_range, channel_shift_range)  # fmt: skip
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.brightness_range = _pair("brightness_range", brightness_range)
        self.zoom_range = (1 - zoom_range, 1 + zoom_range) if isinstance(zoom_range, (int, float)) else _pair(
            "zoom_range", zoom_range
        )  # fmt: skip
        if fill_mode not in FILL_MODES:
            raise ValueError(
                f"ImageDataGenerator: expected fill_mode of {', '.join(FILL_MODES)}; received {fill_mode!r}."
            )
        if not 0 <= validation_split < 1:
            raise ValueError(
                f"ImageDataGenerator: expected validation_split from 0 to below 1; received {validation_split!r}."
            )
        self.fill_mode, self.cval, self.interpolation_order = fill_mode, cval, interpolation_order
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.data_format = config.standardize_data_format(data_format)
        self.validation_split, self.dtype = validation_split, dtype or config.floatx()
        first = self.data_format == "channels_first"
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if first else (3, 1, 2)
        self.mean: Any = None
        self.std: Any = None
        self.zca_whitening_matrix: Any = None

    # ---- batches ------------------------------------------------------------------------------------------------

    def part(self, subset: str | None, rows: int, where: str) -> slice:
        """Return which of so many rows are a subset: the first ones are for validation.

        Raises:
            ValueError: for another name than `"training"` and `"validation"`.
        """
        cut = int(rows * self.validation_split)
        if subset not in (None, "training", "validation"):
            raise ValueError(f"{where}: expected subset to be 'training' or 'validation'; received {subset!r}.")
        return slice(None) if subset is None else slice(cut) if subset == "validation" else slice(cut, None)

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Return batches of transformed images from an array.

        Args:
            x: array of 4 dimensions, or `(images, [further arrays])`.
            y: targets, or None.
            batch_size: rows a batch.
            shuffle: whether each pass has an order of its own.
            sample_weight: one weight a row, or None.
            seed: of orders and transformations; None takes the next one.
            save_to_dir: folder where the images that are made are also saved, or None.
            save_prefix: how their names begin.
            save_format: how they end.
            ignore_class_split: whether the subsets may have different classes.
            subset: `"training"` or `"validation"`, or None for all rows.
        """
        return NumpyArrayIterator(
            x, y, self, batch_size, shuffle, sample_weight, seed, self.data_format, save_to_dir, save_prefix,
            save_format, subset, ignore_class_split, self.dtype,
        )  # fmt: skip

    def flow_from_directory(
        self,
        directory: Any,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> DirectoryIterator:
        """Return batches of transformed images from a folder with one folder for each class.

        Args:
            directory: the folder.
            target_size: (height, width) of the images.
            color_mode: `"grayscale"`, `"rgb"` or `"rgba"`.
            classes: names of the folders in the order of class numbers; None takes all, in order of the alphabet.
            class_mode: `"categorical"` (one-hot), `"binary"`, `"sparse"`, `"input"` (the images) or None (no targets).
            batch_size: images a batch.
            shuffle: whether each pass has an order of its own.
            seed: as for `flow`.
            save_to_dir: as for `flow`.
            save_prefix: as for `flow`.
            save_format: as for `flow`.
            follow_links: whether links to folders are followed.
            subset: as for `flow`, within each class.
            interpolation: as for `utils.load_img`.
            keep_aspect_ratio: whether edges are cut off so that nothing is distorted.
        """
        return DirectoryIterator(
            directory, self, classes, class_mode, batch_size, shuffle, seed, subset, follow_links,
            target_size=target_size, color_mode=color_mode, save_to_dir=save_to_dir, save_prefix=save_prefix,
            save_format=save_format, interpolation=interpolation, keep_aspect_ratio=keep_aspect_ratio,
        )  # fmt: skip

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: Any = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: str | None = None,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        **kwargs: Any,
    ) -> DataFrameIterator:
        """Return batches of transformed images whose files and targets stand in a pandas frame.

        Args:
            dataframe: the frame.
            directory: folder that the names of files are in; None if they are whole paths.
            x_col: column of the names of files.
            y_col: column of the targets, or list of columns.
            weight_col: column of the sample weights, or None.
            target_size: as for `flow_from_directory`.
            color_mode: as for `flow_from_directory`.
            classes: the classes in the order of their numbers; None takes all, in order.
            class_mode: `"categorical"` (also for lists of classes), `"binary"`, `"sparse"`, `"input"`,
                `"multi_output"` (one target for each column), `"raw"` (the values as they are) or None.
            batch_size: as for `flow`.
            shuffle: as for `flow`.
            seed: as for `flow`.
            save_to_dir: as for `flow`.
            save_prefix: as for `flow`.
            save_format: as for `flow`.
            subset: as for `flow`.
            interpolation: as for `utils.load_img`.
            validate_filenames: whether rows whose file is no image are left out.
        """
        keep = kwargs.pop("keep_aspect_ratio", False)
        for old in ("has_ext", "sort", "drop_duplicates"):
            kwargs.pop(old, None)
        if kwargs:
            raise TypeError(f"flow_from_dataframe: unexpected arguments {sorted(kwargs)}.")
        return DataFrameIterator(
            dataframe, directory, self, x_col, y_col, weight_col, classes, class_mode, batch_size, shuffle, seed,
            subset, validate_filenames, target_size=target_size, color_mode=color_mode, save_to_dir=save_to_dir,
            save_prefix=save_prefix, save_format=save_format, interpolation=interpolation, keep_aspect_ratio=keep,
        )  # fmt: skip

    # ---- one image ----------------------------------------------------------------------------------------------

    def get_random_transform(self, img_shape: Any, seed: Any = None) -> dict[str, Any]:
        """Return the parameters of a random transformation of an image of a shape; `seed` may be a NumPy generator."""
        draw = _generator(seed)
        height, width = img_shape[self.row_axis - 1], img_shape[self.col_axis - 1]
        nearest, farthest = self.zoom_range
        zoom = (1, 1) if nearest == farthest == 1 else tuple(draw.uniform(nearest, farthest, 2))
        return {
            "theta": _within(draw, self.rotation_range),
            "tx": _shift(draw, self.height_shift_range, height),
            "ty": _shift(draw, self.width_shift_range, width),
            "shear": _within(draw, self.shear_range),
            "zx": zoom[0],
            "zy": zoom[1],
            "flip_horizontal": self.horizontal_flip and bool(draw.random() < 0.5),
            "flip_vertical": self.vertical_flip and bool(draw.random() < 0.5),
            "channel_shift_intensity": _within(draw, self.channel_shift_range) if self.channel_shift_range else None,
            "brightness": draw.uniform(*self.brightness_range) if self.brightness_range is not None else None,
        }

    def apply_transform(self, x: Any, transform_parameters: dict[str, Any]) -> np.ndarray:
        """Return an image transformed by parameters such as those of `get_random_transform`; any may be absent."""
        rows, columns, channels = self.row_axis - 1, self.col_axis - 1, self.channel_axis - 1
        given = transform_parameters
        x = apply_affine_transform(
            x, given.get("theta", 0), given.get("tx", 0), given.get("ty", 0), given.get("shear", 0),
            given.get("zx", 1), given.get("zy", 1), rows, columns, channels, self.fill_mode, self.cval,
            self.interpolation_order,
        )  # fmt: skip
        if given.get("channel_shift_intensity") is not None:
            x = apply_channel_shift(x, given["channel_shift_intensity"], channels)
        if given.get("flip_horizontal"):
            x = np.flip(x, columns)
        if given.get("flip_vertical"):
            x = np.flip(x, rows)
        if given.get("brightness") is not None:
            x = apply_brightness_shift(x, given["brightness"], scale=False)
        return x

    def random_transform(self, x: Any, seed: Any = None) -> np.ndarray:
        """Return an image transformed at random."""
        return self.apply_transform(x, self.get_random_transform(np.shape(x), seed))

    def standardize(self, x: Any) -> np.ndarray:
        """Return an image, or a batch, with the standardisation that the arguments ask for."""
        if self.preprocessing_function is not None:
            x = self.preprocessing_function(x)
        x = np.asarray(x)
        x = x * np.asarray(self.rescale, x.dtype if x.dtype.kind == "f" else self.dtype) if self.rescale else x
        if self.samplewise_center:
            x = x - x.mean(keepdims=True)
        if self.samplewise_std_normalization:
            x = x / (x.std(keepdims=True) + 1e-6)
        if self.featurewise_center:
            x = x - self.mean if self._fitted("mean", "featurewise_center") else x
        if self.featurewise_std_normalization:
            x = x / (self.std + 1e-6) if self._fitted("std", "featurewise_std_normalization") else x
        if self.zca_whitening and self._fitted("zca_whitening_matrix", "zca_whitening"):
            flat = x.reshape(-1, int(np.prod(x.shape[-3:])))
            x = (flat @ self.zca_whitening_matrix).reshape(x.shape)
        return x.astype(self.dtype, copy=False)

    def _fitted(self, name: str, what: str) -> bool:
        if getattr(self, name) is None:
            warnings.warn(f"ImageDataGenerator asks for {what}, but `fit(x)` has not been called; it is left out.",
                          stacklevel=3)  # fmt: skip
            return False
        return True

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Find means, deviations and whitening from images.

        Args:
            x: array of 4 dimensions.
            augment: whether the images are transformed at random first.
            rounds: how often, if so.
            seed: of that; None takes the next one.

        Raises:
            ValueError: for another number of dimensions.
        """
        x = np.array(x, dtype=self.dtype)
        if x.ndim != 4:
            raise ValueError(f"fit: expected images of 4 dimensions; received shape {x.shape}.")
        if augment:
            draw = _generator(seed)
            x = np.concatenate([np.stack([self.random_transform(image, draw) for image in x]) for _ in range(rounds)])
        axes = (0, self.row_axis, self.col_axis)
        if self.featurewise_center:
            self.mean = x.mean(axis=axes, keepdims=True)[0]
            x = x - self.mean
        if self.featurewise_std_normalization:
            self.std = x.std(axis=axes, keepdims=True)[0]
            x = x / (self.std + 1e-6)
        if self.zca_whitening:
            flat = x.reshape(len(x), -1)
            _, sizes, directions = np.linalg.svd(flat, full_matrices=False)
            scale = np.sqrt(len(flat)) / (sizes + self.zca_epsilon)
            self.zca_whitening_matrix = (directions.T * scale) @ directions


def _pair(name: str, value: Any) -> Any:
    if value is not None and np.shape(value) != (2,):
        raise ValueError(f"ImageDataGenerator: expected {name} to be two numbers; received {value!r}.")
    return value


def _generator(seed: Any) -> np.random.Generator:
    if isinstance(seed, np.random.Generator):
        return seed
    return host_generator(host_seed() if seed is None else seed)


def _within(draw: np.random.Generator, most: float) -> float:
    return float(draw.uniform(-most, most)) if most else 0


def _shift(draw: np.random.Generator, most: Any, size: int) -> float:
    """Return a shift in pixels: a share of the size for numbers below 1, else pixels, or one of a list, either way."""
    if np.ndim(most):
        return float(draw.choice(most) * draw.choice([-1, 1]))
    if not most:
        return 0
    if isinstance(most, (int, np.integer)):
        return float(draw.integers(-most, most + 1))
    return float(draw.uniform(-most, most)) * (size if most < 1 else 1)
