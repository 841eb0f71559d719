"""Images shifted, turned and coloured one by one on the host, as Keras 1 and 2 did before batches were made."""

import math
from typing import Any

import numpy as np

from tahr.random import host_generator, host_seed

__all__ = [
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "flip_axis",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
]

FILL_MODES = ("constant", "nearest", "reflect", "wrap")


def _inside(index: np.ndarray, size: int, mode: str) -> np.ndarray:
    """Return the index of the pixel that stands at a place possibly outside."""
    if mode == "reflect":  # d c b a | a b c d | d c b a
        folded = index % (2 * size)
        return np.minimum(folded, 2 * size - 1 - folded)
    return np.clip(index, 0, size - 1)


def _wrapped(coordinate: np.ndarray, size: int) -> np.ndarray:
    """Return coordinates brought back inside, where first and last pixel fall together, as in SciPy's mode `wrap`."""
    return coordinate % (size - 1) if size > 1 else coordinate * 0


def _looked_up(image: np.ndarray, at: list[np.ndarray], fill_mode: str, cval: float, order: int) -> np.ndarray:
    """Return the values of an image (height, width, channels) at places between its pixels."""
    sizes = image.shape[:2]
    outside = np.zeros(at[0].shape, bool)
    if fill_mode == "constant":
        for places, size in zip(at, sizes, strict=True):
            outside |= (places < 0) | (places > size - 1)
    elif fill_mode == "wrap":
        beyond = [(p < 0) | (p > n - 1) for p, n in zip(at, sizes, strict=True)]
        at = [np.where(b, _wrapped(p, n), p) for p, n, b in zip(at, sizes, beyond, strict=True)]
    if order == 0:
        if fill_mode == "reflect":  # before rounding, so that halves round as they do inside
            at = [size - np.abs((p + 0.5) % (2 * size) - size) - 0.5 for p, size in zip(at, sizes, strict=True)]
        rows, columns = (
            _inside(np.floor(p + 0.5).astype(np.intp), n, fill_mode) for p, n in zip(at, sizes, strict=True)
        )
        found = image[rows, columns]
    else:
        below = [np.floor(p).astype(np.intp) for p in at]
        parts = [(p - b).astype(image.dtype)[..., None] for p, b in zip(at, below, strict=True)]
        r0, r1 = (_inside(below[0] + i, sizes[0], fill_mode) for i in (0, 1))
        c0, c1 = (_inside(below[1] + i, sizes[1], fill_mode) for i in (0, 1))
        top = image[r0, c0] * (1 - parts[1]) + image[r0, c1] * parts[1]
        bottom = image[r1, c0] * (1 - parts[1]) + image[r1, c1] * parts[1]
        found = top * (1 - parts[0]) + bottom * parts[0]
    if outside.any():
        found[outside] = cval
    return found


def _matrix(theta: float, tx: float, ty: float, shear: float, zx: float, zy: float) -> np.ndarray:
    """Return the matrix from places in the result to places in the image, both counted from the centre."""
    angle, slant = math.radians(theta), math.radians(shear)
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    move = np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    lean = np.array([[1, -math.sin(slant), 0], [0, math.cos(slant), 0], [0, 0, 1]])
    return turn @ move @ lean @ np.diag([zx, zy, 1.0])


def apply_affine_transform(
    x: Any,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
) -> np.ndarray:
    """Return an image turned, shifted, sheared and zoomed about its centre.

    Args:
        x: array of 3 dimensions.
        theta: angle in degrees.
        tx: shift down, in pixels.
        ty: shift to the right, in pixels.
        shear: angle of the shear in degrees.
        zx: factor by which the image is seen smaller in height.
        zy: factor by which the image is seen smaller in width.
        row_axis: axis of the rows.
        col_axis: axis of the columns.
        channel_axis: axis of the channels.
        fill_mode: what stands outside: `"constant"`, `"nearest"`, `"reflect"` or `"wrap"`.
        cval: value outside for `"constant"`.
        order: 0 takes the nearest pixel, 1 interpolates between four.

    Raises:
        ValueError: for another `fill_mode` or `order`.

    >>> from tahr.preprocessing import image
    >>> x = np.arange(4.0).reshape(1, 4, 1)
    >>> image.apply_affine_transform(x, ty=1, row_axis=0, col_axis=1, channel_axis=2)[0, :, 0]
    [1.0, 2.0, 3.0, 3.0]
    """
    if fill_mode not in FILL_MODES:
        raise ValueError(f"Images: expected fill_mode to be one of {', '.join(FILL_MODES)}; received {fill_mode!r}.")
    if order not in (0, 1):
        raise ValueError(f"Images: expected an interpolation order of 0 or 1; received {order!r}.")
    x = np.asarray(x)
    if (theta, tx, ty, shear, zx, zy) == (0, 0, 0, 0, 1, 1):
        return x
    image = np.transpose(x, (row_axis, col_axis, channel_axis))
    image = image if image.dtype.kind == "f" else image.astype("float32")
    height, width = image.shape[:2]
    matrix = _matrix(theta, tx, ty, shear, zx, zy)
    middle = np.array([height / 2 - 0.5, width / 2 - 0.5])
    offset = matrix[:2, :2] @ -middle + matrix[:2, 2] + middle
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    at = [matrix[i, 0] * rows + matrix[i, 1] * columns + offset[i] for i in (0, 1)]
    found = _looked_up(image, at, fill_mode, cval, order).astype(x.dtype)
    return np.transpose(found, np.argsort((row_axis, col_axis, channel_axis)))


def apply_channel_shift(x: Any, intensity: float, channel_axis: int = 0) -> np.ndarray:
    """Return an image with a number added to every value, kept between its smallest and its largest value.

    >>> from tahr.preprocessing import image
    >>> image.apply_channel_shift(np.array([[[0.0, 5.0, 9.0]]]), 3.0).tolist()
    [[[3.0, 8.0, 9.0]]]
    """
    x = np.asarray(x)
    return np.clip(x + intensity, x.min(), x.max()).astype(x.dtype)


def apply_brightness_shift(x: Any, brightness: float, scale: bool = True) -> np.ndarray:
    """Return an image of values from 0 to 255 with brightness multiplied, in whole numbers as screens have them.

    Args:
        x: array of 3 dimensions.
        brightness: 0 is black, 1 leaves the image as it is.
        scale: whether values are first brought to the range from 0 to 255; else that is done only for an image which
            leaves this range, and taken back.

    >>> from tahr.preprocessing import image
    >>> image.apply_brightness_shift(np.array([[[100.0]]]), 0.5, scale=False).tolist()
    [[[50.0]]]
    """
    x = np.asarray(x)
    low, high = float(x.min()), float(x.max())
    beyond = low < 0 or high > 255
    values = x.astype("float32")
    if scale or beyond:
        values = (values - low) * (255 / (high - low) if high > low else 1)
    bright = np.clip(np.floor(np.floor(values) * np.float32(brightness)), 0, 255)
    if beyond and not scale:
        bright = bright / 255 * (high - low) + low
    return bright.astype(x.dtype)


def flip_axis(x: Any, axis: int) -> np.ndarray:
    """Return an array turned round along an axis.

    >>> from tahr.preprocessing import image
    >>> image.flip_axis(np.array([1, 2, 3]), 0)
    [3, 2, 1]
    """
    return np.flip(np.asarray(x), axis)


def _draw(low: Any, high: Any) -> float:
    return float(host_generator(host_seed()).uniform(low, high))


def random_rotation(x: Any, rg: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
                    fill_mode: str = "nearest", cval: float = 0.0,
                    interpolation_order: int = 1) -> np.ndarray:  # fmt: skip
    """Return an image turned by an angle of at most `rg` degrees."""
    return apply_affine_transform(x, theta=_draw(-rg, rg), row_axis=row_axis, col_axis=col_axis,
                                  channel_axis=channel_axis, fill_mode=fill_mode, cval=cval,
                                  order=interpolation_order)  # fmt: skip


def random_shift(x: Any, wrg: float, hrg: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
                 fill_mode: str = "nearest", cval: float = 0.0,
                    interpolation_order: int = 1) -> np.ndarray:  # fmt: skip
    """Return an image shifted by shares of its width and height of at most `wrg` and `hrg`."""
    height, width = np.shape(x)[row_axis], np.shape(x)[col_axis]
    return apply_affine_transform(x, tx=_draw(-hrg, hrg) * height, ty=_draw(-wrg, wrg) * width, row_axis=row_axis,
                                  col_axis=col_axis, channel_axis=channel_axis, fill_mode=fill_mode, cval=cval,
                                  order=interpolation_order)  # fmt: skip


def random_shear(x: Any, intensity: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
                 fill_mode: str = "nearest", cval: float = 0.0,
                    interpolation_order: int = 1) -> np.ndarray:  # fmt: skip
    """Return an image sheared by an angle of at most `intensity` degrees."""
    return apply_affine_transform(x, shear=_draw(-intensity, intensity), row_axis=row_axis, col_axis=col_axis,
                                  channel_axis=channel_axis, fill_mode=fill_mode, cval=cval,
                                  order=interpolation_order)  # fmt: skip


def random_zoom(x: Any, zoom_range: Any, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
                fill_mode: str = "nearest", cval: float = 0.0,
                    interpolation_order: int = 1) -> np.ndarray:  # fmt: skip
    """Return an image zoomed in height and width by factors between the two numbers of `zoom_range`."""
    if np.shape(zoom_range) != (2,):
        raise ValueError(f"random_zoom: expected zoom_range to be two numbers; received {zoom_range!r}.")
    return apply_affine_transform(x, zx=_draw(*zoom_range), zy=_draw(*zoom_range), row_axis=row_axis,
                                  col_axis=col_axis, channel_axis=channel_axis, fill_mode=fill_mode, cval=cval,
                                  order=interpolation_order)  # fmt: skip


def random_channel_shift(x: Any, intensity_range: float, channel_axis: int = 0) -> np.ndarray:
    """Return an image with a number of at most `intensity_range` added to its values."""
    return apply_channel_shift(x, _draw(-intensity_range, intensity_range), channel_axis)


def random_brightness(x: Any, brightness_range: Any, scale: bool = True) -> np.ndarray:
    """Return an image with brightness multiplied by a number between the two of `brightness_range`."""
    if np.shape(brightness_range) != (2,):
        raise ValueError(f"random_brightness: expected two numbers; received {brightness_range!r}.")
    return apply_brightness_shift(x, _draw(*brightness_range), scale)
