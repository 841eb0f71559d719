"""Images of other sizes: as tensors, and on the host, for threads that read files."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import backends, ops
from tahr.ops.image_resize import METHODS, kernel_weights, window

__all__ = ["HOST_METHODS", "resize_on_host", "smart_resize"]


def smart_resize(
    x: Any, size: Any, interpolation: str = "bilinear", data_format: str = "channels_last", **kwargs: Any
) -> Any:
    """Return images of another size, with edges cut off so that nothing is distorted.

    Args:
        x: image or batch of images, array or tensor.
        size: height and width of the result.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        A NumPy array for a NumPy array, else a tensor.

    Raises:
        ValueError: if an argument is none of these.

    >>> keras.preprocessing.image.smart_resize(np.ones((4, 8, 3)), (2, 2)).shape
    (2, 2, 3)
    """
    kwargs.pop("backend_module", None)
    if kwargs:
        raise TypeError(f"smart_resize: unexpected arguments {sorted(kwargs)}.")
    found = ops.image.resize(
        x, size, interpolation=interpolation, crop_to_aspect_ratio=True, data_format=data_format or "channels_last"
    )
    return backends.current().to_numpy(found) if isinstance(x, np.ndarray) else found


def _gaussian(m: Any, x: Any) -> Any:
    return m.where(x < 1.5, m.exp(-2 * x * x), 0)  # of standard deviation 1/2


def _mitchell(m: Any, x: Any) -> Any:
    """Mitchell and Netravali's cubic with B = C = 1/3."""
    near = ((7 * x - 12) * x * x) / 6 + 8 / 9
    far = ((-7 / 3 * x + 12) * x - 20) * x / 6 + 16 / 9
    return m.where(x >= 2, 0, m.where(x >= 1, far, near))


_MORE_KERNELS: dict[str, Callable[[Any, Any], Any]] = {"gaussian": _gaussian, "mitchellcubic": _mitchell}
HOST_METHODS = (*METHODS, "area", *_MORE_KERNELS)


def resize_on_host(
    image: np.ndarray, size: tuple[int, int], interpolation: str = "bilinear", crop: bool = False, pad: bool = False
) -> np.ndarray:
    """Return an image of shape (height, width, channels) in another size, in float32, by NumPy alone.

    Args:
        image: of any type of numbers.
        size: height and width of the result.
        interpolation: one of `HOST_METHODS`.
        crop: whether edges are cut off first, so that nothing is distorted.
        pad: whether edges of zeros are added first, so that nothing is distorted.
    """
    height, width = image.shape[:2]
    if crop:
        top, left, height, width = window(height, width, size, pad=False)
        image = image[top : top + height, left : left + width]
    elif pad:
        top, left, full_height, full_width = window(height, width, size, pad=True)
        framed = np.zeros((full_height, full_width, image.shape[2]), image.dtype)
        framed[-top : height - top, -left : width - left] = image
        image = framed
    found = image.astype("float32")
    if interpolation == "nearest":
        rows, columns = (
            np.minimum(np.floor((np.arange(m) + 0.5) * (n / m)).astype(int), n - 1)
            for m, n in zip(size, found.shape, strict=False)
        )
        return found[rows[:, None], columns]
    for axis, wanted in enumerate(size):
        given = found.shape[axis]
        if given != wanted:
            found = np.moveaxis(_few(np.moveaxis(found, axis, 0), _host_weights(given, wanted, interpolation)), 0, axis)
    return np.ascontiguousarray(found)


def _host_weights(given: int, wanted: int, method: str) -> np.ndarray:
    if method == "area":
        edges = np.arange(wanted + 1) * (given / wanted)
        pixels = np.arange(given)[:, None]
        shared = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
        return np.maximum(shared, 0) * (wanted / given)
    return kernel_weights(np, given, wanted, wanted / given, 0.0, _MORE_KERNELS.get(method, method), False)


def _few(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted means over axis 0, adding only pixels that have a weight: a few neighbours."""
    weights = weights.astype("float32")
    first = (weights != 0).argmax(axis=0)
    last = len(x) - 1 - (weights[::-1] != 0).argmax(axis=0)
    found = np.zeros((weights.shape[1], *x.shape[1:]), "float32")
    for i in range(int((last - first).max()) + 1):
        at = np.minimum(first + i, last)
        weight = np.where(first + i <= last, weights[at, np.arange(weights.shape[1])], 0)
        found += x[at] * weight.reshape(-1, *[1] * (x.ndim - 1))
    return found
