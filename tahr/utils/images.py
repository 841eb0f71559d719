"""Images in files and as arrays, by way of Pillow."""

import importlib
import io
import os
from typing import Any

import numpy as np

from tahr import config

__all__ = ["array_to_img", "img_to_array", "load_img", "save_img"]

# Pillow's name for each interpolation of Keras
_FILTERS = {
    "nearest": "NEAREST",
    "bilinear": "BILINEAR",
    "bicubic": "BICUBIC",
    "hamming": "HAMMING",
    "box": "BOX",
    "lanczos": "LANCZOS",
}
_MODES = {"grayscale": ("L", "I;16", "I"), "rgba": ("RGBA",), "rgb": ("RGB",)}


def _pillow(what: str) -> Any:
    try:
        return importlib.import_module("PIL.Image")
    except ImportError as error:
        raise ImportError(f"{what} needs Pillow. Install it with: pip install 'tahr[image]'") from error


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """Return an array as an image of Pillow.

    Args:
        x: array of shape (height, width, channels) with 1, 3 or 4 channels; channels first for `channels_first`.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        scale: whether the smallest value becomes 0 and the largest 255; otherwise values are taken as they are.
        dtype: type to compute in; None takes `floatx`.

    Raises:
        ImportError: if Pillow is missing.
        ValueError: if the shape is none of these.

    >>> keras.utils.array_to_img(np.zeros((2, 3, 1))).size
    (3, 2)
    """
    image = _pillow("array_to_img")
    kind = np.dtype(config.floatx() if dtype is None else dtype)
    pixels = np.asarray(x).astype(kind if kind.kind == "f" else "float32")
    if pixels.ndim != 3:
        raise ValueError(f"array_to_img: expected an image of 3 dimensions; received shape {pixels.shape}.")
    if config.standardize_data_format(data_format) == "channels_first":
        pixels = pixels.transpose(1, 2, 0)
    if pixels.shape[-1] not in (1, 3, 4):
        raise ValueError(f"array_to_img: expected 1, 3 or 4 channels; received shape {pixels.shape}.")
    if scale:
        pixels = pixels - pixels.min()
        most = pixels.max()
        pixels = pixels * (255 / most) if most != 0 else pixels
    if pixels.shape[-1] > 1:
        return image.fromarray(pixels.astype("uint8"))
    wide = pixels.max(initial=0) > 255
    return image.fromarray(pixels[..., 0].astype("int32" if wide else "uint8"))


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """Return an image of Pillow, or an array of 2 or 3 dimensions, as an array of 3 dimensions.

    Args:
        img: image.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        dtype: type of the result; None takes `floatx`.

    Raises:
        ValueError: if the image has neither 2 nor 3 dimensions.

    >>> keras.utils.img_to_array(np.zeros((2, 3))).shape
    (2, 3, 1)
    """
    found = np.asarray(img, dtype=config.floatx() if dtype is None else dtype)
    first = config.standardize_data_format(data_format) == "channels_first"
    if found.ndim == 2:
        return found[None] if first else found[..., None]
    if found.ndim != 3:
        raise ValueError(f"img_to_array: expected an image of 2 or 3 dimensions; received shape {found.shape}.")
    return found.transpose(2, 0, 1) if first else found


def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array to an image file.

    Args:
        path: path, or file open for writing.
        x: as for `array_to_img`.
        data_format: as for `array_to_img`.
        file_format: of the file; None takes what the path ends with.
        scale: as for `array_to_img`.
        **kwargs: further arguments of Pillow's `Image.save`.

    An image with an alpha channel loses it in a JPEG file, which has none.

    Raises:
        ImportError: if Pillow is missing.

    >>> import io
    >>> keras.utils.save_img(io.BytesIO(), np.zeros((2, 3, 3)), file_format="png")
    """
    img = array_to_img(x, data_format=config.standardize_data_format(data_format), scale=scale)
    ends = os.path.splitext(os.fspath(path))[1][1:] if isinstance(path, (str, os.PathLike)) else ""
    if img.mode == "RGBA" and (file_format or ends).lower() in ("jpg", "jpeg"):
        img = img.convert("RGB")
    img.save(path, format=file_format, **kwargs)


def _opened(image: Any, path: Any) -> Any:
    """Return the image in a file, which is closed again."""
    if isinstance(path, io.IOBase):
        return image.open(path)
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"load_img: expected a path or an open file; received {type(path).__name__}.")
    with open(path, "rb") as file:
        return image.open(io.BytesIO(file.read()))


def _in_mode(img: Any, color_mode: str) -> Any:
    modes = _MODES[color_mode]
    return img if img.mode in modes else img.convert(modes[0])


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: Any = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """Return the image in a file, as an image of Pillow.

    Args:
        path: path, or file open for reading.
        color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
        target_size: (height, width) to bring it to, or None.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"hamming"`, `"box"` or `"lanczos"`.
        keep_aspect_ratio: whether edges are cut off first, so that nothing is distorted.

    Raises:
        ImportError: if Pillow is missing.
        ValueError: if a mode or an interpolation is unknown.
        TypeError: if `path` is neither a path nor a file.

    >>> import io
    >>> file = io.BytesIO()
    >>> keras.utils.save_img(file, np.zeros((4, 6, 3)), file_format="png")
    >>> keras.utils.load_img(file, target_size=(2, 2)).size
    (2, 2)
    """
    image = _pillow("load_img")
    if color_mode not in _MODES:
        raise ValueError(f"load_img: expected a color_mode of {', '.join(_MODES)}; received {color_mode!r}.")
    img = _in_mode(_opened(image, path), color_mode)
    if target_size is None:
        return img
    if interpolation not in _FILTERS:
        raise ValueError(f"load_img: expected an interpolation of {', '.join(_FILTERS)}; received {interpolation!r}.")
    height, width = target_size
    if img.size == (width, height):
        return img
    box = None
    if keep_aspect_ratio:
        kept_width = min(img.width, max(1, int(img.height * width / height)))
        kept_height = min(img.height, max(1, int(img.width * height / width)))
        left, top = (img.width - kept_width) // 2, (img.height - kept_height) // 2
        box = (left, top, left + kept_width, top + kept_height)
    return img.resize((width, height), getattr(image.Resampling, _FILTERS[interpolation]), box=box)
