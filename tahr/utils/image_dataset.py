"""Folders of images as batches."""

from typing import Any

import numpy as np

from tahr import config
from tahr.utils.directories import FileSamples, Listing, list_files, make, parts_of
from tahr.utils.images import img_to_array, load_img
from tahr.utils.resizing import HOST_METHODS, resize_on_host
from tahr.utils.samples import Samples
from tahr.utils.timeseries import check_format

__all__ = ["ImageFiles", "image_dataset_from_directory"]

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
COLOR_MODES = ("rgb", "rgba", "grayscale")


def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: list[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: Any = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Samples | tuple[Samples, Samples]:
    """Return the images in a folder as batches, a data source that needs no TensorFlow.

    Threads read the files (bmp, gif, jpeg, png, webp) as they are asked for.

    Args:
        directory: folder, with a folder for each class if the labels are inferred.
        labels: `"inferred"` from the folders, None, or a list of a label for each file in the order of their paths.
        label_mode: `"int"` for int32 numbers, `"categorical"` for one-hot rows, `"binary"` for a column of 0.0 and 1.0,
            None for images without labels.
        class_names: folders in the order in which their classes are numbered; None takes the alphabetical order.
        color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
        batch_size: images a batch; None gives single images.
        image_size: height and width of the images.
        shuffle: whether the images come in a new order each epoch.
        seed: of the orders and of the parts.
        validation_split: share of the files kept for validation.
        subset: `"training"`, `"validation"`, or `"both"` for a pair of data sources.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"area"`, `"lanczos3"`, `"lanczos5"`, `"gaussian"` or
            `"mitchellcubic"`.
        follow_links: whether linked folders are looked into.
        crop_to_aspect_ratio: whether edges are cut off, so that nothing is distorted.
        pad_to_aspect_ratio: whether black edges are added, so that nothing is distorted.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        format: `"tf"` or `"grain"`, which make no difference.
        verbose: whether to print how many files there are.

    Returns:
        Batches of float32 images with values from 0 to 255, or pairs of images and labels, with the attributes
        `class_names` and `file_paths`.

    Raises:
        ImportError: if Pillow is missing.
        ValueError: if an argument is none of these or does not fit the files.
        FileNotFoundError: if there is no such folder.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("cat", "dog"):
    ...     (folder / name).mkdir()
    ...     keras.utils.save_img(folder / name / "0.png", np.ones((4, 6, 3)))
    >>> data = keras.utils.image_dataset_from_directory(folder, image_size=(2, 3))
    Found 2 files belonging to 2 classes.
    >>> data.class_names, data[0][0].shape
    (['cat', 'dog'], (2, 2, 3, 3))
    """
    check_format(format, "image_dataset_from_directory")
    if color_mode not in COLOR_MODES:
        raise ValueError(f"color_mode: expected one of {', '.join(COLOR_MODES)}; received {color_mode!r}.")
    if interpolation not in HOST_METHODS:
        raise ValueError(f"interpolation: expected one of {', '.join(HOST_METHODS)}; received {interpolation!r}.")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("Only one of crop_to_aspect_ratio and pad_to_aspect_ratio can be True.")
    height, width = image_size if np.ndim(image_size) == 1 and len(image_size) == 2 else (0, 0)
    if height < 1 or width < 1:
        raise ValueError(f"image_size: expected (height, width), two numbers >= 1; received {image_size!r}.")
    first = config.standardize_data_format(data_format) == "channels_first"
    parts = parts_of(shuffle, seed, validation_split, subset)
    listing = list_files(directory, labels, label_mode, class_names, ENDINGS, follow_links)
    return make(
        ImageFiles, listing, label_mode, batch_size, parts, verbose, color_mode=color_mode, size=(height, width),
        interpolation=interpolation, crop=crop_to_aspect_ratio, pad=pad_to_aspect_ratio, channels_first=first,
    )  # fmt: skip


class ImageFiles(FileSamples):
    """Images in files, brought to one size."""

    def __init__(self, listing: Listing, label_mode: str | None, batch_size: int | None, shuffle: bool, seed: int,
                 color_mode: str, size: tuple[int, int], interpolation: str, crop: bool, pad: bool,
                 channels_first: bool):  # fmt: skip
        super().__init__(listing, label_mode, batch_size, shuffle, seed)
        self.color_mode, self.size, self.interpolation = color_mode, size, interpolation
        self.crop, self.pad, self.channels_first = crop, pad, channels_first

    def read(self, path: str) -> np.ndarray:
        try:
            image = img_to_array(load_img(path, self.color_mode), "channels_last", "float32")
        except OSError as error:
            raise ValueError(f"{path!r} cannot be read as an image: {error}") from error
        found = resize_on_host(image, self.size, self.interpolation, self.crop, self.pad)
        return found.transpose(2, 0, 1) if self.channels_first else found
