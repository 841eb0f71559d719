"""Images: colours, edges, blocks and filters. Sizes and warping are in the files beside this one.

Images are arrays of shape (height, width, channels), or batches of them; with `channels_first` channels come before
height and width.
"""

from typing import Any

import numpy as np

from tahr import dtypes, shapes
from tahr.arithmetic import OPERATIONS
from tahr.dtypes import floating, moved, same
from tahr.ops import spatial
from tahr.ops.convolution import depthwise_conv
from tahr.ops.declare import op
from tahr.ops.elementwise import absolute, clip
from tahr.ops.image_resize import resize, scale_and_translate
from tahr.ops.image_warp import affine_transform, elastic_transform, map_coordinates, perspective_transform

__all__ = [
    "affine_transform",
    "crop_images",
    "elastic_transform",
    "extract_patches",
    "extract_patches_3d",
    "gaussian_blur",
    "hsv_to_rgb",
    "map_coordinates",
    "pad_images",
    "perspective_transform",
    "resize",
    "rgb_to_grayscale",
    "rgb_to_hsv",
    "scale_and_translate",
    "sobel_edges",
    "ssim",
]


def check_images(images: Any, data_format: str | None, what: str) -> tuple[shapes.Shape, bool, int]:
    """Return the shape, whether channels are last, and the axis of the height.

    Raises:
        ValueError: if `images` is neither an image nor a batch of images.
    """
    shape = shapes.of(images)
    if len(shape) not in (3, 4):
        raise ValueError(
            f"{what}: expected an image or a batch of images, of 3 or 4 dimensions; received shape {shape}."
        )
    last = spatial.channels_last(data_format)
    return shape, last, len(shape) - (3 if last else 2)


# ---- colours --------------------------------------------------------------------------------------------------------


def _colours(images: Any, data_format: Any, what: str) -> tuple[shapes.Shape, int]:
    shape, last, height = check_images(images, data_format, what)
    axis = len(shape) - 1 if last else height - 1
    if shape[axis] not in (None, 3):
        raise ValueError(f"{what}: expected 3 channels along axis {axis}; received shape {shape}.")
    return shape, axis


def _grey_shape(images: Any, data_format: Any = None) -> shapes.Shape:
    shape, axis = _colours(images, data_format, "rgb_to_grayscale")
    return (*shape[:axis], 1, *shape[axis + 1 :])


@op(same("images"), shape=_grey_shape, native=False)
def rgb_to_grayscale(images: Any, data_format: str | None = None) -> Any:
    """Return the brightness of images, `0.2989 red + 0.587 green + 0.114 blue` (ITU-R BT.601), as one channel.

    Raises:
        ValueError: if there are not 3 channels.

    >>> ops.image.rgb_to_grayscale([[[1.0, 1.0, 1.0]]])
    [[[0.9999]]]
    """
    _, axis = _colours(images, data_format, "rgb_to_grayscale")
    run, dtype = OPERATIONS, dtypes.of(images)
    wide = images if dtypes.is_float(dtype) else run["cast"](images, "float32")
    red, green, blue = run["unstack"](wide, 3, axis=axis)
    found = run["expand_dims"](0.2989 * red + 0.587 * green + 0.114 * blue, axis)
    return run["cast"](found, dtype)


def _colour_shape(images: Any, data_format: Any = None) -> shapes.Shape:
    if not dtypes.is_float(dtypes.of(images)):
        raise ValueError(f"Expected images of floats from 0 to 1; received {dtypes.of(images)}.")
    return _colours(images, data_format, "rgb_to_hsv or hsv_to_rgb")[0]


@op(same("images"), shape=_colour_shape, native=False)
def rgb_to_hsv(images: Any, data_format: str | None = None) -> Any:
    """Return hue, saturation and value, each from 0 to 1, of red, green and blue from 0 to 1.

    Raises:
        ValueError: if there are not 3 channels or the images are not floats.

    >>> ops.image.rgb_to_hsv([[[0.0, 1.0, 0.0]]])
    [[[0.33333334, 1.0, 1.0]]]
    """
    _colour_shape(images, data_format)
    _, axis = _colours(images, data_format, "rgb_to_hsv")
    run, where = OPERATIONS, OPERATIONS["where"]
    red, green, blue = run["unstack"](images, axis=axis)
    value = run["max"](images, axis=axis)
    spread = value - run["min"](images, axis=axis)
    grey = spread == 0
    per = 1 / where(grey, 1, spread)
    of_red = (green - blue) * per
    of_green = (blue - red) * per + 2
    of_blue = (red - green) * per + 4
    # not `value == red`: a compiler may compute both again, each with a rounding of its own
    sixths = where(red >= run["maximum"](green, blue), of_red, where(green >= blue, of_green, of_blue))
    hue = where(grey, 0, (sixths / 6) % 1)
    saturation = where(value > 0, spread / where(value > 0, value, 1), 0)
    return run["stack"]([hue, saturation, value], axis=axis)


@op(same("images"), shape=_colour_shape, native=False)
def hsv_to_rgb(images: Any, data_format: str | None = None) -> Any:
    """Return red, green and blue, from 0 to 1, of hue, saturation and value from 0 to 1.

    Raises:
        ValueError: if there are not 3 channels or the images are not floats.

    >>> ops.image.hsv_to_rgb([[[0.5, 1.0, 1.0]]])
    [[[0.0, 1.0, 1.0]]]
    """
    _colour_shape(images, data_format)
    _, axis = _colours(images, data_format, "hsv_to_rgb")
    run = OPERATIONS
    hue, saturation, value = run["unstack"](images, axis=axis)
    sixths = (hue % 1) * 6
    red = clip(absolute(sixths - 3) - 1, 0, 1)
    green = clip(2 - absolute(sixths - 2), 0, 1)
    blue = clip(2 - absolute(sixths - 4), 0, 1)
    return run["stack"]([(1 + saturation * (part - 1)) * value for part in (red, green, blue)], axis=axis)


# ---- edges ----------------------------------------------------------------------------------------------------------


def _sides(first: Any, second: Any, size: Any, target: Any, sign: int, what: str) -> tuple[int, int]:
    """Return how much is added (sign 1) or cut (sign -1) before and after; one of first, second, target may be None."""
    given = [first is not None, second is not None, target is not None]
    if given[2] and not (given[0] and given[1]) and size is None:
        raise ValueError(f"{what}: a target size needs images of known size.")
    if sum(given) == 3 and size is not None and size + sign * (first + second) != target:
        raise ValueError(f"{what}: {first} and {second} do not turn size {size} into {target}.")
    change = None if target is None else sign * (target - size)
    if first is None:
        first = 0 if change is None else change - (second or 0)
    if second is None:
        second = 0 if change is None else change - first
    if first < 0 or second < 0:
        raise ValueError(
            f"{what}: expected sizes >= 0 before and after; received {first} and {second} for size {size}."
        )
    return int(first), int(second)


def _framed_shape(images: Any, sign: int, what: str, vertical: Any, horizontal: Any, data_format: Any) -> Any:
    shape, _, height = check_images(images, data_format, what)
    sides = []
    sizes = list(shape)
    for axis, (first, second, target) in ((height, vertical), (height + 1, horizontal)):
        before, after = _sides(first, second, shape[axis], target, sign, what)
        sides.append((before, after))
        sizes[axis] = None if shape[axis] is None else shape[axis] + sign * (before + after)  # type: ignore[operator]
        if sizes[axis] is not None and sizes[axis] < 1:  # type: ignore[operator]
            raise ValueError(f"{what}: nothing is left of size {shape[axis]} without {before} and {after}.")
    return tuple(sizes), sides, height


def _pad_shape(
    images: Any,
    top_padding: Any = None,
    left_padding: Any = None,
    bottom_padding: Any = None,
    right_padding: Any = None,
    target_height: Any = None,
    target_width: Any = None,
    data_format: Any = None,
) -> shapes.Shape:
    vertical, horizontal = (top_padding, bottom_padding, target_height), (left_padding, right_padding, target_width)
    return _framed_shape(images, 1, "pad_images", vertical, horizontal, data_format)[0]


@op(moved("images"), shape=_pad_shape, native=False)
def pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Return images with zeros around them, as many as given or as a target size needs.

    Args:
        images: image or batch of images.
        top_padding: rows above.
        left_padding: columns to the left.
        bottom_padding: rows below.
        right_padding: columns to the right.
        target_height: height of the result, in place of one of the numbers of rows.
        target_width: width of the result, in place of one of the numbers of columns.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Raises:
        ValueError: if the numbers contradict one another or one is negative.

    >>> ops.image.pad_images([[[1.0]]], left_padding=1, target_width=3)
    [[[0.0], [1.0], [0.0]]]
    """
    vertical, horizontal = (top_padding, bottom_padding, target_height), (left_padding, right_padding, target_width)
    shape, sides, height = _framed_shape(images, 1, "pad_images", vertical, horizontal, data_format)
    widths = [(0, 0)] * len(shape)
    widths[height : height + 2] = sides
    return OPERATIONS["pad"](images, widths)


def _crop_shape(
    images: Any,
    top_cropping: Any = None,
    left_cropping: Any = None,
    bottom_cropping: Any = None,
    right_cropping: Any = None,
    target_height: Any = None,
    target_width: Any = None,
    data_format: Any = None,
) -> shapes.Shape:
    vertical, horizontal = (top_cropping, bottom_cropping, target_height), (left_cropping, right_cropping, target_width)
    return _framed_shape(images, -1, "crop_images", vertical, horizontal, data_format)[0]


@op(moved("images"), shape=_crop_shape, native=False)
def crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Return images without as many rows and columns at their edges as given, or as a target size needs.

    Args:
        images: image or batch of images.
        top_cropping: rows cut off above.
        left_cropping: columns cut off on the left.
        bottom_cropping: rows cut off below.
        right_cropping: columns cut off on the right.
        target_height: height of the result, in place of one of the numbers of rows.
        target_width: width of the result, in place of one of the numbers of columns.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Raises:
        ValueError: if the numbers contradict one another, one is negative, or nothing is left.

    >>> ops.image.crop_images([[[1.0], [2.0], [3.0]]], left_cropping=1, target_width=1)
    [[[2.0]]]
    """
    vertical, horizontal = (top_cropping, bottom_cropping, target_height), (left_cropping, right_cropping, target_width)
    _, sides, height = _framed_shape(images, -1, "crop_images", vertical, horizontal, data_format)
    places = [slice(None)] * len(images.shape)
    for i, (before, after) in enumerate(sides):
        places[height + i] = slice(before, images.shape[height + i] - after)
    return images[tuple(places)]


# ---- blocks ---------------------------------------------------------------------------------------------------------


def _patches_plan(
    images: Any, size: Any, strides: Any, dilation: Any, padding: Any, data_format: Any, rank: int
) -> Any:
    what = "extract_patches" if rank == 2 else "extract_patches_3d"
    shape, last = shapes.of(images), spatial.channels_last(data_format)
    if len(shape) not in (rank + 1, rank + 2):
        raise ValueError(f"{what}: expected an array of {rank + 1} or {rank + 2} dimensions; received shape {shape}.")
    whole = shape if len(shape) == rank + 2 else (1, *shape)
    sizes, channels = (whole[1:-1], whole[-1]) if last else (whole[2:], whole[1])
    widths = spatial.per_axis(size, rank, f"{what} size")
    steps = widths if strides is None else spatial.per_axis(strides, rank, f"{what} strides")
    dilation = spatial.per_axis(dilation, rank, f"{what} dilation_rate")
    padding = spatial.check_padding(padding, what)
    counts = spatial.window_sizes(sizes, widths, steps, padding, dilation, what)
    found = None if channels is None else channels * int(np.prod(widths))
    joined = spatial.join_shape(whole[0], counts, found, last)
    return joined if len(shape) == rank + 2 else joined[1:], (widths, steps, dilation, padding, last, sizes, counts)


def _patches_shape(
    images: Any, size: Any, strides: Any = None, dilation_rate: Any = 1, padding: str = "valid", data_format: Any = None
) -> shapes.Shape:
    return _patches_plan(images, size, strides, dilation_rate, padding, data_format, 2)[0]


def _volumes_shape(
    volumes: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: Any = None,
) -> shapes.Shape:
    return _patches_plan(volumes, size, strides, dilation_rate, padding, data_format, 3)[0]


def _patches(images: Any, size: Any, strides: Any, dilation: Any, padding: Any, data_format: Any, rank: int) -> Any:
    """Return the windows' elements as channels, those of one place in a window beside one another."""
    _, plan = _patches_plan(images, size, strides, dilation, padding, data_format, rank)
    widths, steps, dilation, padding, last, sizes, counts = plan
    single = len(images.shape) == rank + 1
    if single:
        images = OPERATIONS["expand_dims"](images, 0)
    edges = list(spatial.edges(sizes, widths, steps, padding, dilation))
    images = OPERATIONS["pad"](images, [(0, 0), *edges, (0, 0)] if last else [(0, 0), (0, 0), *edges])
    parts = []
    for offsets in np.ndindex(*widths):
        places = [
            slice(o * d, o * d + (n - 1) * s + 1, s)
            for o, d, n, s in zip(offsets, dilation, counts, steps, strict=True)
        ]
        rest = (slice(None),)
        parts.append(images[(*rest, *places, *rest) if last else (*rest, *rest, *places)])
    found = OPERATIONS["concatenate"](parts, axis=-1 if last else 1)
    return found[0] if single else found


@op(moved("images"), shape=_patches_shape, native=False)
def extract_patches(
    images: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Return the blocks of images, the pixels of each as channels.

    Args:
        images: image or batch of images.
        size: height and width of a block, one number or two.
        strides: distance between blocks; None takes `size`.
        dilation_rate: distance between the pixels of a block.
        padding: `"valid"` for blocks inside of the images, `"same"` for zeros around them.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Raises:
        ValueError: if a block does not fit into the images.

    >>> ops.image.extract_patches([[[1.0], [2.0]], [[3.0], [4.0]]], 2)
    [[[1.0, 2.0, 3.0, 4.0]]]
    """
    return _patches(images, size, strides, dilation_rate, padding, data_format, 2)


@op(moved("volumes"), shape=_volumes_shape, native=False)
def extract_patches_3d(
    volumes: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Return the blocks of volumes, the elements of each as channels.

    Args:
        volumes: array of shape (depth, height, width, channels), or a batch of such.
        size: depth, height and width of a block, one number or three.
        strides: distance between blocks; None takes `size`.
        dilation_rate: distance between the elements of a block.
        padding: `"valid"` for blocks inside of the volumes, `"same"` for zeros around them.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Raises:
        ValueError: if a block does not fit into the volumes.

    >>> ops.image.extract_patches_3d([[[[1.0], [2.0]]]], (1, 1, 2))
    [[[[1.0, 2.0]]]]
    """
    return _patches(volumes, size, strides, dilation_rate, padding, data_format, 3)


# ---- filters --------------------------------------------------------------------------------------------------------


def _unchanged(images: Any, data_format: Any = None, **_: Any) -> shapes.Shape:
    return check_images(images, data_format, "image filter")[0]


def gaussian(size: int, sigma: float) -> np.ndarray:
    """Return the values of a normal density at `size` places around its middle, brought to sum 1."""
    values = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / sigma) ** 2)
    return (values / values.sum()).astype("float32")


def filtered(images: Any, kernels: list[Any], padding: str, data_format: str | None) -> Any:
    """Return the convolution of every channel with the outer product of two vectors, one an axis; they are arrays."""
    run = OPERATIONS
    shape, last, _ = check_images(images, data_format, "image filter")
    batch = images if len(shape) == 4 else run["expand_dims"](images, 0)
    channels = batch.shape[-1 if last else 1]
    for axis, values in enumerate(kernels):
        count = values.shape[0]
        size = (count, 1) if axis == 0 else (1, count)
        kernel = run["reshape"](run["convert_to_tensor"](values, batch.dtype), (*size, 1, 1))
        kernel = run["broadcast_to"](kernel, (*size, channels, 1))
        batch = depthwise_conv(batch, kernel, 1, padding, data_format)
    return batch if len(shape) == 4 else batch[0]


def _two(value: Any, what: str) -> tuple[Any, Any]:
    pair = tuple(value) if hasattr(value, "__iter__") else (value, value)
    if len(pair) != 2 or min(pair) <= 0:
        raise ValueError(f"gaussian_blur: expected {what} to be a positive number or two; received {value!r}.")
    return pair


@op(floating("images"), shape=_unchanged, native=False)
def gaussian_blur(
    images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0), data_format: str | None = None
) -> Any:
    """Return images convolved with a normal density; what lies outside of them counts as 0.

    Args:
        images: image or batch of images.
        kernel_size: width and height of the window.
        sigma: standard deviations along width and height, in pixels.
        data_format: `"channels_last"` or `"channels_first"`; None is `"channels_first"` whatever the default is, as in
            Keras 3.15, so give it for images whose channels are last.

    Raises:
        ValueError: if a size or a deviation is not positive.

    >>> ops.image.gaussian_blur([[[1.0]]], kernel_size=(1, 3), data_format="channels_last")
    [[[0.45186275]]]
    """
    sizes, deviations = _two(kernel_size, "kernel_size"), _two(sigma, "sigma")
    kernels = [gaussian(int(n), float(s)) for n, s in zip(sizes, deviations, strict=True)]
    return filtered(images, kernels[::-1], "same", data_format or "channels_first")


def _sobel_shape(images: Any, data_format: Any = None) -> shapes.Shape:
    return (*check_images(images, data_format, "sobel_edges")[0], 2)


@op(floating("images"), shape=_sobel_shape, native=False)
def sobel_edges(images: Any, data_format: str | None = None) -> Any:
    """Return how fast images change downwards and to the right, by Sobel's filters, along a new last axis.

    What lies outside of the images counts as 0.

    Args:
        images: image or batch of images.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    >>> ops.image.sobel_edges([[[0.0], [1.0], [2.0]]])[0][1]
    [[0.0, 4.0]]
    """
    slope, mean = np.array([-1, 0, 1], "float32"), np.array([1, 2, 1], "float32")
    found = [filtered(images, kernels, "same", data_format) for kernels in ([slope, mean], [mean, slope])]
    return OPERATIONS["stack"](found, axis=-1)


def _ssim_shape(image1: Any, image2: Any, data_format: Any = None, **_: Any) -> shapes.Shape:
    shape = check_images(image1, data_format, "ssim")[0]
    if len(shapes.of(image2)) != len(shape):
        raise ValueError(f"ssim: expected images of equal shape; received {shape} and {shapes.of(image2)}.")
    return shape[:-3]


@op(floating("image1", "image2"), shape=_ssim_shape, native=False)
def ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Any:
    """Return the structural similarity of images, 1 for equal ones (Wang et al. 2004).

    Args:
        image1: image or batch of images.
        image2: images of the same shape.
        max_val: difference between the largest and the smallest possible value.
        filter_size: width of the window in which images are compared.
        filter_sigma: standard deviation of the window's weights.
        k1: keeps the comparison of means finite.
        k2: keeps the comparison of variances finite.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Raises:
        ValueError: if the shapes differ.

    >>> x = np.random.default_rng(0).random((12, 12, 1)).astype("float32")
    >>> ops.image.ssim(x, x)
    1.0
    """
    if tuple(image1.shape) != tuple(image2.shape):
        raise ValueError(f"ssim: expected images of equal shape; received {image1.shape} and {image2.shape}.")
    weights = gaussian(filter_size, filter_sigma)

    def local(x: Any) -> Any:
        return filtered(x, [weights, weights], "valid", data_format)

    mean1, mean2 = local(image1), local(image2)
    variance1, variance2 = local(image1 * image1) - mean1 * mean1, local(image2 * image2) - mean2 * mean2
    together = local(image1 * image2) - mean1 * mean2
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    brightness = (2 * mean1 * mean2 + c1) / (mean1 * mean1 + mean2 * mean2 + c1)
    structure = (2 * together + c2) / (variance1 + variance2 + c2)
    return OPERATIONS["mean"](brightness * structure, axis=(-3, -2, -1))
