"""Images bent, turned and seen from elsewhere: every pixel of the result is looked up somewhere in the original."""

import itertools
from typing import Any

import numpy as np

from tahr import dtypes, shapes
from tahr.arithmetic import OPERATIONS
from tahr.dtypes import same
from tahr.ops import spatial
from tahr.ops.declare import op
from tahr.ops.elementwise import absolute, floor, minimum, sign
from tahr.ops.elementwise import round as round_

FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


def _inside(index: Any, size: int, mode: str) -> Any:
    """Return the index of the element that stands at a place possibly outside."""
    if mode == "wrap":
        return index % size
    if mode == "mirror":  # d c b | a b c d | c b a
        if size == 1:
            return index * 0
        turn = 2 * (size - 1)
        folded = absolute(index) % turn
        return minimum(folded, turn - folded)
    if mode == "reflect":  # d c b a | a b c d | d c b a
        folded = index % (2 * size)
        return minimum(folded, 2 * size - 1 - folded)
    return OPERATIONS["clip"](index, 0, size - 1)


def _neighbours(coordinate: Any, order: int) -> list[tuple[Any, Any]]:
    """Return the indices that a coordinate lies at or between, and their weights."""
    run = OPERATIONS
    if order == 0:
        nearest = sign(coordinate) * floor(absolute(coordinate) + 0.5)  # halves away from zero
        return [(run["cast"](nearest, "int32"), 1)]
    below = floor(coordinate)
    part = coordinate - below
    index = run["cast"](below, "int32")
    return [(index, 1 - part), (index + 1, part)]


def _coordinates_shape(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0
) -> shapes.Shape:
    rank, given = len(shapes.of(inputs)), shapes.of(coordinates)
    if not given or given[0] not in (None, rank):
        raise ValueError(
            f"map_coordinates: inputs of shape {shapes.of(inputs)} need coordinates of shape ({rank}, ...); "
            f"received {given}."
        )
    if order not in (0, 1):
        raise ValueError(f"map_coordinates: expected order 0 (nearest) or 1 (linear); received {order!r}.")
    if fill_mode not in FILL_MODES:
        raise ValueError(f"map_coordinates: expected fill_mode of {', '.join(FILL_MODES)}; received {fill_mode!r}.")
    return given[1:]


@op(same("inputs"), arrays=("coordinates",), shape=_coordinates_shape, native=False)
def map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0
) -> Any:
    """Return the values of an array at places between its elements.

    Args:
        inputs: array.
        coordinates: array whose first axis holds the place along each axis of `inputs`.
        order: 0 for the nearest element, 1 for linear interpolation.
        fill_mode: what stands outside: `"constant"`, the `"nearest"` element, the array over again (`"wrap"`), or
            mirrored at its last element (`"mirror"`) or behind it (`"reflect"`).
        fill_value: what stands outside for `"constant"`.

    Raises:
        ValueError: if an argument is none of these.

    >>> ops.image.map_coordinates([1.0, 3.0], [[0.0, 0.5, 1.0]], 1)
    [1.0, 2.0, 3.0]
    """
    _coordinates_shape(inputs, coordinates, order, fill_mode)
    run, dtype = OPERATIONS, dtypes.of(inputs)
    coordinates = coordinates if dtypes.is_float(dtypes.of(coordinates)) else run["cast"](coordinates, "float32")
    sizes = inputs.shape
    flat = run["reshape"](inputs if dtypes.is_float(dtype) else run["cast"](inputs, "float32"), (-1,))
    axes = [_neighbours(coordinates[i], order) for i in range(len(sizes))]
    total: Any = 0
    for corner in itertools.product(*axes):
        place, valid, weight = None, None, 1
        for (index, share), size in zip(corner, sizes, strict=True):
            known = _inside(index, size, fill_mode)
            place = known if place is None else place * size + known
            weight = weight * share
            if fill_mode == "constant":
                within = run["logical_and"](index >= 0, index < size)
                valid = within if valid is None else run["logical_and"](valid, within)
        value = run["take"](flat, place)
        if valid is not None:
            value = run["where"](valid, value, fill_value)
        total = total + (value if isinstance(weight, int) else value * run["cast"](weight, flat.dtype))
    return total if dtypes.is_float(dtype) else run["cast"](round_(total), dtype)


def warp(images: Any, rows: Any, columns: Any, order: int, fill_mode: str, fill_value: Any, last: bool) -> Any:
    """Return a batch of images, channels last or first, whose pixels come from the given rows and columns."""
    run = OPERATIONS
    n, channels = images.shape[0], images.shape[-1 if last else 1]
    numbers = run["arange"](n, dtype="float32")
    height, width = rows.shape[1:]

    def spread(x: Any, shape: tuple[int, ...]) -> Any:
        return run["broadcast_to"](run["reshape"](x, shape), full)

    colours = run["arange"](channels, dtype="float32")
    if last:
        full = (n, height, width, channels)
        parts = [
            spread(numbers, (n, 1, 1, 1)),
            spread(rows, (n, height, width, 1)),
            spread(columns, (n, height, width, 1)),
        ]
        parts.append(spread(colours, (1, 1, 1, channels)))
    else:
        full = (n, channels, height, width)
        parts = [spread(numbers, (n, 1, 1, 1)), spread(colours, (1, channels, 1, 1))]
        parts += [spread(rows, (n, 1, height, width)), spread(columns, (n, 1, height, width))]
    return _sample(images, parts, order, fill_mode, fill_value, last)


def _sample(images: Any, parts: list[Any], order: int, fill_mode: str, fill_value: Any, last: bool) -> Any:
    """Interpolate over rows and columns only, at the whole-numbered batch entries and channels that `parts` name."""
    run = OPERATIONS
    axes = (1, 2) if last else (2, 3)
    sizes = images.shape
    flat = run["reshape"](images, (-1,))
    neighbours = [
        _neighbours(part, order) if i in axes else [(run["cast"](part, "int32"), 1)] for i, part in enumerate(parts)
    ]
    total: Any = 0
    for corner in itertools.product(*neighbours):
        place, valid, weight = None, None, 1
        for i, ((index, share), size) in enumerate(zip(corner, sizes, strict=True)):
            known = _inside(index, size, fill_mode) if i in axes else index
            place = known if place is None else place * size + known
            if i in axes:
                weight = weight * share
                within = run["logical_and"](index >= 0, index < size)
                valid = within if valid is None else run["logical_and"](valid, within)
        value = run["take"](flat, place)
        if fill_mode == "constant":
            value = run["where"](valid, value, fill_value)
        total = total + (value if isinstance(weight, int) else value * run["cast"](weight, flat.dtype))
    return total


def _batched(images: Any, data_format: Any, what: str) -> tuple[Any, bool, tuple[int, int]]:
    """Return images as a batch of floats, whether channels are last, and height and width."""
    shape, last = tuple(images.shape), spatial.channels_last(data_format)
    if len(shape) not in (3, 4):
        raise ValueError(
            f"{what}: expected an image or a batch of images, of 3 or 4 dimensions; received shape {shape}."
        )
    batch = images if len(shape) == 4 else OPERATIONS["expand_dims"](images, 0)
    if not dtypes.is_float(dtypes.of(batch)):
        batch = OPERATIONS["cast"](batch, "float32")
    height, width = batch.shape[1:3] if last else batch.shape[2:]
    return batch, last, (height, width)


def _order(interpolation: str, what: str) -> int:
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f"{what}: expected interpolation 'nearest' or 'bilinear'; received {interpolation!r}.")
    return ("nearest", "bilinear").index(interpolation)


def _grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return rows.astype("float32"), columns.astype("float32")


def _finished(found: Any, images: Any) -> Any:
    found = found if len(images.shape) == 4 else found[0]
    dtype = dtypes.of(images)
    return found if dtypes.is_float(dtype) else OPERATIONS["saturate_cast"](round_(found), dtype)


def _warp_shape(images: Any, *_: Any, data_format: Any = None, **__: Any) -> shapes.Shape:
    if len(shapes.of(images)) not in (3, 4):
        raise ValueError(f"Expected an image or a batch of images; received shape {shapes.of(images)}.")
    return shapes.of(images)


def _projected(batch: Any, transform: Any, last: bool, size: Any, order: int, fill_mode: str, fill_value: Any) -> Any:
    """Look every (x, y) up at ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k) with k = c0 x + c1 y + 1."""
    run = OPERATIONS
    y, x = (run["convert_to_tensor"](part) for part in _grid(*size))
    transform = run["cast"](transform, "float32")
    a0, a1, a2, b0, b1, b2, c0, c1 = (run["reshape"](transform[:, i], (-1, 1, 1)) for i in range(8))
    k = c0 * x + c1 * y + 1
    columns, rows = (a0 * x + a1 * y + a2) / k, (b0 * x + b1 * y + b2) / k
    return warp(batch, rows, columns, order, fill_mode, fill_value, last)


@op(same("images"), arrays=("transform",), shape=_warp_shape, native=False)
def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Return images whose pixel (x, y) comes from ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k).

    Args:
        images: image or batch of images.
        transform: for each image the eight numbers a0, a1, a2, b0, b1, b2, c0, c1; k is `c0 x + c1 y + 1`.
        interpolation: `"nearest"` or `"bilinear"`.
        fill_mode: what stands outside of the images, as for `map_coordinates`.
        fill_value: what stands outside for `"constant"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Raises:
        ValueError: if an argument is none of these.

    >>> ops.image.affine_transform([[[1.0], [2.0]]], [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    [[[2.0], [0.0]]]
    """
    what = "affine_transform"
    if fill_mode not in FILL_MODES:
        raise ValueError(f"{what}: expected fill_mode of {', '.join(FILL_MODES)}; received {fill_mode!r}.")
    batch, last, size = _batched(images, data_format, what)
    rank = 1 if len(images.shape) == 3 else 2
    if len(transform.shape) != rank or transform.shape[-1] != 8:
        raise ValueError(
            f"{what}: expected 8 numbers for each image, of shape {'(8,)' if rank == 1 else '(batch, 8)'}; "
            f"received shape {tuple(transform.shape)}."
        )
    transform = OPERATIONS["reshape"](transform, (-1, 8))
    order = _order(interpolation, what)
    return _finished(_projected(batch, transform, last, size, order, fill_mode, fill_value), images)


@op(same("images"), arrays=("start_points", "end_points"), shape=_warp_shape, native=False)
def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Return images seen from elsewhere, so that four points come to four others.

    Args:
        images: image or batch of images.
        start_points: four points (x, y) of each image, of shape (4, 2) or (batch, 4, 2).
        end_points: where they come to.
        interpolation: `"nearest"` or `"bilinear"`.
        fill_value: what stands outside of the images.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Raises:
        ValueError: if an argument is none of these.

    >>> corners = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    >>> ops.image.perspective_transform([[[1.0], [2.0]], [[3.0], [4.0]]], corners, corners)
    [[[1.0], [2.0]], [[3.0], [4.0]]]
    """
    what = "perspective_transform"
    batch, last, size = _batched(images, data_format, what)
    for name, points in (("start_points", start_points), ("end_points", end_points)):
        if tuple(points.shape[-2:]) != (4, 2) or len(points.shape) != len(images.shape) - 1:
            raise ValueError(
                f"{what}: expected {name} of 4 points (x, y) an image; received shape {tuple(points.shape)}."
            )
    run = OPERATIONS
    start, end = (run["reshape"](run["cast"](p, "float32"), (-1, 4, 2)) for p in (start_points, end_points))
    transform = homography(end, start)
    order = _order(interpolation, what)
    return _finished(_projected(batch, transform, last, size, order, "constant", fill_value), images)


def homography(given: Any, wanted: Any) -> Any:
    """Return the eight numbers that take four points to four others, for each image."""
    run = OPERATIONS
    x, y, u, v = given[:, :, 0], given[:, :, 1], wanted[:, :, 0], wanted[:, :, 1]
    one, zero = run["ones_like"](x), run["zeros_like"](x)
    first = run["stack"]([x, y, one, zero, zero, zero, -u * x, -u * y], axis=-1)
    second = run["stack"]([zero, zero, zero, x, y, one, -v * x, -v * y], axis=-1)
    matrix = run["concatenate"]([first, second], axis=1)
    right = run["concatenate"]([u, v], axis=1)
    return run["solve"](matrix, run["expand_dims"](right, -1))[..., 0]


@op(same("images"), shape=_warp_shape, native=False)
def elastic_transform(
    images: Any,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Any:
    """Return images bent by random shifts that vary smoothly (Simard et al. 2003).

    Args:
        images: image or batch of images.
        alpha: how far pixels are shifted at most, before smoothing.
        sigma: over how many pixels shifts are smoothed.
        interpolation: `"nearest"` or `"bilinear"`.
        fill_mode: what stands outside of the images, as for `map_coordinates`.
        fill_value: what stands outside for `"constant"`.
        seed: number, `SeedGenerator`, or None.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Raises:
        ValueError: if an argument is none of these.

    >>> ops.image.elastic_transform([[[1.0], [1.0]]], seed=1)
    [[[1.0], [1.0]]]
    """
    from tahr.ops.image import filtered, gaussian

    what = "elastic_transform"
    if fill_mode not in FILL_MODES:
        raise ValueError(f"{what}: expected fill_mode of {', '.join(FILL_MODES)}; received {fill_mode!r}.")
    batch, last, (height, width) = _batched(images, data_format, what)
    run = OPERATIONS
    from tahr import random

    shifts = random.uniform((batch.shape[0], height, width, 2), -1.0, 1.0, seed=seed)
    weights = gaussian(2 * int(3 * sigma) + 1, sigma)
    shifts = alpha * filtered(shifts, [weights, weights], "same", "channels_last")
    rows, columns = (run["convert_to_tensor"](part) for part in _grid(height, width))
    order = _order(interpolation, what)
    found = warp(batch, rows + shifts[..., 0], columns + shifts[..., 1], order, fill_mode, fill_value, last)
    return _finished(run["cast"](found, batch.dtype), images)
