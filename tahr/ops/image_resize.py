"""Images of other sizes: every pixel of the result is a weighted mean of those near it in the original."""

import types
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import backends, dtypes, shapes
from tahr.arithmetic import OPERATIONS
from tahr.dtypes import floating, same
from tahr.ops import spatial
from tahr.ops.declare import op

METHODS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
_SHORT = {"linear": "bilinear", "cubic": "bicubic", "triangle": "bilinear"}


def _triangle(m: Any, x: Any) -> Any:
    return m.maximum(1 - x, 0)


def _cubic(m: Any, x: Any) -> Any:
    """Keys's cubic convolution with a = -1/2."""
    near = ((1.5 * x - 2.5) * x) * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return m.where(x >= 2, 0, m.where(x >= 1, far, near))


def _lanczos(radius: int) -> Callable[[Any, Any], Any]:
    def kernel(m: Any, x: Any) -> Any:
        angle = np.pi * x
        safe = m.where(x > 1e-3, angle, 1)
        wave = radius * m.sin(safe) * m.sin(safe / radius) / (safe * safe)
        return m.where(x > radius, 0, m.where(x > 1e-3, wave, 1))

    return kernel


_KERNELS = {"bilinear": _triangle, "bicubic": _cubic, "lanczos3": _lanczos(3), "lanczos5": _lanczos(5)}


def kernel_weights(m: Any, given: int, wanted: int, scale: Any, shift: Any, method: Any, antialias: bool) -> Any:
    """Return the weight of each given pixel (axis 0) in each wanted one, by the functions of NumPy or of ops.

    `method` is a name, or a function of these functions and a distance in pixels.
    """
    step = 1 / scale
    width = m.maximum(step, 1) if antialias else 1  # a smaller image is blurred first, so that nothing is skipped
    at = (m.arange(wanted, dtype="float32") + 0.5) * step - shift * step - 0.5
    distance = m.absolute(at[None, :] - m.arange(given, dtype="float32")[:, None]) / width
    weights = (method if callable(method) else _KERNELS[method])(m, distance)
    total = m.sum(weights, axis=0, keepdims=True)
    weights = m.where(m.absolute(total) > 1e-4, weights / m.where(total == 0, 1, total), 0)
    return m.where((at >= -0.5)[None, :] & (at <= given - 0.5)[None, :], weights, 0)


def _weights(given: int, wanted: int, method: str, antialias: bool) -> np.ndarray:
    return kernel_weights(np, given, wanted, wanted / given, 0.0, method, antialias).astype("float32")


def _nearest(given: int, wanted: int) -> np.ndarray:
    places = np.floor((np.arange(wanted) + 0.5) * (given / wanted)).astype("int32")
    return np.minimum(places, given - 1)


def _along(x: Any, weights: Any, axis: int) -> Any:
    """Return the product of `x` and a matrix over one axis."""
    run = OPERATIONS
    found = run["matmul"](run["moveaxis"](x, axis, -1), run["cast"](weights, x.dtype))
    return run["moveaxis"](found, -1, axis)


def method_name(name: Any, what: str) -> str:
    found = _SHORT.get(name, name)
    if found not in METHODS:
        raise ValueError(f"{what}: expected an interpolation of {', '.join(METHODS)}; received {name!r}.")
    return found


def _resize_shape(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: Any = None,
) -> shapes.Shape:
    shape = shapes.of(images)
    if len(shape) not in (3, 4):
        raise ValueError(
            f"resize: expected an image or a batch of images, of 3 or 4 dimensions; received shape {shape}."
        )
    method_name(interpolation, "resize")
    if not hasattr(size, "__iter__") or len(tuple(size)) != 2:
        raise ValueError(f"resize: expected a pair (height, width) as size; received {size!r}.")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("resize: only one of crop_to_aspect_ratio and pad_to_aspect_ratio can be True.")
    if fill_mode != "constant":
        raise ValueError(f"resize: expected fill_mode 'constant'; received {fill_mode!r}.")
    height, width = spatial.per_axis(size, 2, "resize size")
    last = spatial.channels_last(data_format)
    return (*shape[:-3], height, width, shape[-1]) if last else (*shape[:-2], height, width)


@op(same("images"), shape=_resize_shape, native=False)
def resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    """Return images of another size.

    Args:
        images: image or batch of images.
        size: height and width of the result.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        antialias: whether a smaller image takes every pixel into account.
        crop_to_aspect_ratio: whether edges are cut off first, so that nothing is distorted.
        pad_to_aspect_ratio: whether edges are added first, so that nothing is distorted.
        fill_mode: `"constant"`.
        fill_value: value of added edges.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Raises:
        ValueError: if an argument is none of these.

    >>> ops.image.resize([[[1.0], [3.0]]], (1, 4))
    [[[1.0], [1.5], [2.5], [3.0]]]
    """
    run, engine, dtype = OPERATIONS, backends.current(), dtypes.of(images)
    _resize_shape(images, size, interpolation, antialias, crop_to_aspect_ratio, pad_to_aspect_ratio, fill_mode)
    axis = len(images.shape) - (3 if spatial.channels_last(data_format) else 2)
    target = spatial.per_axis(size, 2, "resize size")
    if crop_to_aspect_ratio:
        images = _cropped(images, axis, target)
    elif pad_to_aspect_ratio:
        images = _padded(images, axis, target, fill_value)
    method = method_name(interpolation, "resize")
    if method == "nearest":
        for i, wanted in enumerate(target):
            given = images.shape[axis + i]
            images = run["take"](images, engine.constant(_nearest, given, wanted), axis=axis + i)
        return images
    found = images if dtypes.is_float(dtype) else run["cast"](images, "float32")
    for i, wanted in enumerate(target):
        given = found.shape[axis + i]
        if given != wanted:
            found = _along(found, engine.constant(_weights, given, wanted, method, antialias), axis + i)
    return found if dtypes.is_float(dtype) else run["saturate_cast"](run["round"](found), dtype)


def window(height: int, width: int, target: Any, pad: bool) -> tuple[int, int, int, int]:
    """Return the part of an image, or with `pad` its surroundings, that has the proportions of a target size.

    Returns:
        `(top, left, height, width)` in the image's pixels; top and left are negative for surroundings.
    """
    other_height, other_width = int(width * target[0] / target[1]), int(height * target[1] / target[0])
    if pad:
        above, left = max(0, other_height - height) // 2, max(0, other_width - width) // 2
        return -above, -left, height + 2 * above, width + 2 * left  # as much on both sides, as Keras
    other_height, other_width = max(1, min(height, other_height)), max(1, min(width, other_width))
    return (height - other_height) // 2, (width - other_width) // 2, other_height, other_width


def _cropped(images: Any, axis: int, target: tuple[int, ...]) -> Any:
    height, width = images.shape[axis : axis + 2]
    top, left, height, width = window(height, width, target, pad=False)
    places = [slice(None)] * len(images.shape)
    places[axis : axis + 2] = [slice(top, top + height), slice(left, left + width)]
    return images[tuple(places)]


def _padded(images: Any, axis: int, target: tuple[int, ...], value: float) -> Any:
    height, width = given = images.shape[axis : axis + 2]
    top, left, *sizes = window(height, width, target, pad=True)
    widths = [(0, 0)] * len(images.shape)
    widths[axis : axis + 2] = [(-o, m - n + o) for o, m, n in zip((top, left), sizes, given, strict=True)]
    return OPERATIONS["pad"](images, widths, constant_values=value)


def _translated_shape(images: Any, output_shape: Any, **_: Any) -> shapes.Shape:
    if len(output_shape) != len(shapes.of(images)):
        raise ValueError(
            f"scale_and_translate: expected an output_shape of {len(shapes.of(images))} sizes; received {output_shape}."
        )
    return tuple(output_shape)


@op(floating("images"), arrays=("scale", "translation"), shape=_translated_shape, native=False)
def scale_and_translate(
    images: Any,
    output_shape: Any,
    scale: Any,
    translation: Any,
    spatial_dims: Any,
    method: str,
    antialias: bool = True,
) -> Any:
    """Return images in which position x comes to `x * scale + translation`; what comes from outside is 0.

    Args:
        images: array.
        output_shape: shape of the result.
        scale: factors, one for each of `spatial_dims`.
        translation: shifts in pixels of the result, one for each of `spatial_dims`.
        spatial_dims: axes that are scaled.
        method: `"linear"`, `"cubic"`, `"lanczos3"` or `"lanczos5"`.
        antialias: whether a smaller image takes every pixel into account.

    Raises:
        ValueError: if the method is unknown or the numbers of sizes differ.

    >>> ops.image.scale_and_translate([[1.0, 3.0]], (1, 4), [2.0], [0.0], (1,), "linear")
    [[1.0, 1.5, 2.5, 3.0]]
    """
    _translated_shape(images, output_shape)
    name = method_name(method, "scale_and_translate")
    if name == "nearest":
        raise ValueError(
            "scale_and_translate: expected method linear, cubic, lanczos3 or lanczos5; received 'nearest'."
        )
    functions = types.SimpleNamespace(
        **{key: OPERATIONS[key] for key in ("absolute", "arange", "maximum", "sin", "sum", "where")}
    )
    found = images
    for i, axis in enumerate(spatial_dims):
        given, wanted = found.shape[axis], output_shape[axis]
        weights = kernel_weights(functions, given, wanted, scale[i], translation[i], name, antialias)
        found = _along(found, weights, axis)
    return found
