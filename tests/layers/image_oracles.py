"""What image layers compute, pixel by pixel, in NumPy and double precision."""

import colorsys
from collections.abc import Callable
from typing import Any

import numpy as np

Point = Callable[[float, float], tuple[float, float]]


def inside(i: int, size: int, mode: str) -> int | None:
    """Return the index that stands at a place possibly outside, None for the fill value."""
    if 0 <= i < size:
        return i
    if mode == "constant":
        return None
    if mode == "wrap":
        return i % size
    if mode == "nearest":
        return min(max(i, 0), size - 1)
    while not 0 <= i < size:
        i = -i - 1 if i < 0 else 2 * size - 1 - i
    return i


def looked_up(image: np.ndarray, source: Point, mode: str, fill: float, interpolation: str) -> np.ndarray:
    """Return the image whose pixel (x, y) is looked up at `source(x, y)`."""
    height, width, _ = image.shape
    found = np.zeros_like(image, dtype="float64")

    def at(row: int, column: int) -> Any:
        r, c = inside(row, height, mode), inside(column, width, mode)
        return fill if r is None or c is None else image[r, c].astype("float64")

    for y in range(height):
        for x in range(width):
            u, v = source(x, y)
            if interpolation == "nearest":
                column, row = (int(np.sign(n) * np.floor(abs(n) + 0.5)) for n in (u, v))
                found[y, x] = at(row, column)
                continue
            left, top = int(np.floor(u)), int(np.floor(v))
            across, down = u - left, v - top
            upper = (1 - across) * at(top, left) + across * at(top, left + 1)
            lower = (1 - across) * at(top + 1, left) + across * at(top + 1, left + 1)
            found[y, x] = (1 - down) * upper + down * lower
    return found


def turned(degrees: float, height: int, width: int) -> Point:
    """Return where pixels come from when an image turns around its middle, counter-clockwise."""
    angle = np.deg2rad(degrees)

    def source(x: float, y: float) -> tuple[float, float]:
        across, down = x - (width - 1) / 2, y - (height - 1) / 2
        return (
            (width - 1) / 2 + np.cos(angle) * across - np.sin(angle) * down,
            (height - 1) / 2 + np.sin(angle) * across + np.cos(angle) * down,
        )

    return source


def in_hsv(images: np.ndarray, change: Callable[..., tuple[float, float, float]], value_range: Any) -> np.ndarray:
    """Return images after a change of hue, saturation and value, each from 0 to 1."""
    low, high = value_range
    scaled = (images.astype("float64") - low) / (high - low)
    found = [colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel))) for pixel in scaled.reshape(-1, 3)]
    return np.array(found).reshape(images.shape) * (high - low) + low


def grey(images: np.ndarray) -> np.ndarray:
    """Return the brightness of RGB images, with one channel."""
    return (images.astype("float64") @ np.array([0.2989, 0.587, 0.114]))[..., None]


def blurred(images: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the correlation of each channel with a kernel; zeros are around the images."""
    rows, columns = kernel.shape
    sides = [(0, 0), (rows // 2, rows // 2), (columns // 2, columns // 2), (0, 0)]
    padded = np.pad(images.astype("float64"), sides)
    height, width = images.shape[1:3]
    return sum(
        kernel[i, j] * padded[:, i : i + height, j : j + width]
        for i in range(rows)
        for j in range(columns)  # type: ignore[return-value]
    )


def equalized(images: np.ndarray, bins: int) -> np.ndarray:
    """Return images of values from 0 to 255, each channel of the batch equalized."""
    found = np.empty(images.shape)
    for c in range(images.shape[-1]):
        place = (images[..., c] / 255 * (bins - 1)).astype(int)
        below = np.bincount(place.ravel(), minlength=bins).cumsum()
        least = below[below > 0].min()
        found[..., c] = np.round((below - least) / (below[-1] - least) * 255)[place]
    return found


def tiled(image: np.ndarray, limit: float, grid: tuple[int, int]) -> np.ndarray:
    """Return one channel of values from 0 to 255 after CLAHE, pixel by pixel."""
    height, width = image.shape
    rows, columns = grid
    tall, wide = -(-height // rows), -(-width // columns)
    padded = np.pad(image.astype(int), [(0, rows * tall - height), (0, columns * wide - width)], mode="symmetric")
    tables = np.empty((rows, columns, 256))
    for i in range(rows):
        for j in range(columns):
            tile = padded[i * tall : (i + 1) * tall, j * wide : (j + 1) * wide]
            counts = np.bincount(tile.ravel(), minlength=256).astype(float)
            if limit:
                most = limit * tall * wide / 256
                counts = np.minimum(counts, most) + np.maximum(counts - most, 0).sum() / 256
            below = counts.cumsum()
            tables[i, j] = (below - below[0]) * 255 / max(tall * wide - below[0], 1e-9)
    found = np.empty(image.shape)
    for y in range(height):
        for x in range(width):
            v = min(max(y / tall - 0.5, 0), rows - 1)
            u = min(max(x / wide - 0.5, 0), columns - 1)
            i, j = int(v), int(u)
            down, across = v - i, u - j
            k, m = min(i + 1, rows - 1), min(j + 1, columns - 1)
            value = int(image[y, x])
            upper = tables[i, j, value] * (1 - across) + tables[i, m, value] * across
            lower = tables[k, j, value] * (1 - across) + tables[k, m, value] * across
            found[y, x] = upper * (1 - down) + lower * down
    return found
