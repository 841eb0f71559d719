"""Boxes and masks drawn into images, which are NumPy arrays."""

import colorsys
import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tahr import backends, config
from tahr.utils.bounding_boxes import convert_format

__all__ = ["draw_bounding_boxes", "draw_segmentation_masks", "host", "pixels"]

FONT_SIZE = 16  # in pixels, at a scale of 1


def host(x: Any) -> np.ndarray:
    """Return an array or tensor as a NumPy array."""
    return x if isinstance(x, np.ndarray) else np.asarray(backends.current().to_numpy(x))


def pixels(images: Any, data_format: str | None, what: str) -> np.ndarray:
    """Return a batch of images as new uint8 values of shape (batch, height, width, 3), greys and alpha as colours.

    Raises:
        ValueError: if it is no batch of images.
    """
    found = host(images)
    if found.ndim != 4:
        raise ValueError(f"{what}: expected images of shape (batch, height, width, channels); received {found.shape}.")
    if config.standardize_data_format(data_format) == "channels_first":
        found = found.transpose(0, 2, 3, 1)
    if found.shape[-1] not in (1, 3, 4):
        raise ValueError(f"{what}: expected images of 1, 3 or 4 channels; received {found.shape[-1]}.")
    found = np.clip(np.nan_to_num(found.astype("float32")), 0, 255).round().astype("uint8")
    return np.repeat(found, 3, axis=-1) if found.shape[-1] == 1 else np.ascontiguousarray(found[..., :3])


def _color(given: Any, what: str) -> np.ndarray:
    found = np.asarray(given)
    if found.shape != (3,) or found.min() < 0 or found.max() > 255:
        raise ValueError(f"{what}: expected a colour of three numbers from 0 to 255; received {given!r}.")
    return found


def draw_bounding_boxes(
    images: Any,
    bounding_boxes: Any,
    bounding_box_format: str,
    class_mapping: Any = None,
    color: Any = (128, 128, 128),
    line_thickness: int = 2,
    text_thickness: int | None = 1,
    font_scale: float = 1.0,
    data_format: str | None = None,
) -> np.ndarray:
    """Return images with boxes drawn into them.

    Args:
        images: array of shape (batch, height, width, channels) with values from 0 to 255, channels first for
            `channels_first`.
        bounding_boxes: dict of `boxes` (batch, boxes, 4), `labels` (batch, boxes) and, if there are, `confidences`
            (batch, boxes); boxes with the label -1 are left out.
        bounding_box_format: format of the boxes, see `keras.utils.bounding_boxes.convert_format`.
        class_mapping: dict from labels to names that are written over the boxes, which takes Pillow; None writes none.
        color: red, green and blue from 0 to 255.
        line_thickness: thickness of the lines in pixels.
        text_thickness: thickness of the letters in pixels; None takes that of the lines.
        font_scale: size of the letters; 1 is 16 pixels.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Returns:
        NumPy array of the type uint8 of shape (batch, height, width, 3).

    Raises:
        ValueError: if shapes, formats or colours are none of these.
        ImportError: if names are asked for and Pillow is missing.

    >>> boxes = {"boxes": np.array([[[1, 1, 3, 3]]]), "labels": np.array([[0]])}
    >>> drawn = keras.visualization.draw_bounding_boxes(np.zeros((1, 5, 5, 3)), boxes, "xyxy", line_thickness=1)
    >>> drawn[0, :, :, 0].tolist()
    [[0, 0, 0, 0, 0], [0, 128, 128, 128, 0], [0, 128, 0, 128, 0], [0, 128, 128, 128, 0], [0, 0, 0, 0, 0]]
    """
    what = "draw_bounding_boxes"
    found, shade = pixels(images, data_format, what), _color(color, what)
    if not isinstance(bounding_boxes, Mapping) or not {"boxes", "labels"} <= set(bounding_boxes):
        raise ValueError(f"{what}: expected a dict with 'boxes' and 'labels'; received {bounding_boxes!r:.80}.")
    height, width = found.shape[1:3]
    boxes = host(convert_format(bounding_boxes["boxes"], bounding_box_format, "xyxy", height, width))
    labels = host(bounding_boxes["labels"]).astype(int)
    given = bounding_boxes.get("confidences")
    confidences = None if given is None else host(given)
    if boxes.ndim != 3 or len(boxes) != len(found) or labels.shape != boxes.shape[:2]:
        raise ValueError(
            f"{what}: expected boxes of shape ({len(found)}, boxes, 4) and labels of shape ({len(found)}, boxes); "
            f"received {boxes.shape} and {labels.shape}."
        )
    if line_thickness < 1:
        raise ValueError(f"{what}: expected a line_thickness >= 1; received {line_thickness!r}.")
    for image, own, classes in zip(found, boxes, labels, strict=True):
        for box, label in zip(own, classes, strict=True):
            if label != -1:
                _frame(image, box, shade, line_thickness)
    if class_mapping is not None:
        for i, own in enumerate(boxes):
            names = [
                "" if label == -1 else _name(class_mapping, label, None if confidences is None else confidences[i, j])
                for j, label in enumerate(labels[i])
            ]
            found[i] = _written(found[i], own, names, shade, text_thickness or line_thickness, font_scale)
    return found


def _frame(image: np.ndarray, box: np.ndarray, shade: np.ndarray, thickness: int) -> None:
    left, top, right, bottom = np.round(box).astype(int) - thickness // 2
    height, width = image.shape[:2]

    def fill(x: int, y: int, end_x: int, end_y: int) -> None:
        image[max(y, 0) : max(min(end_y, height), 0), max(x, 0) : max(min(end_x, width), 0)] = shade

    for y in (top, bottom):
        fill(left, y, right + thickness, y + thickness)
    for x in (left, right):
        fill(x, top, x + thickness, bottom + thickness)


def _name(class_mapping: Any, label: int, confidence: Any) -> str:
    try:
        name = class_mapping[int(label)]
    except (KeyError, IndexError):
        raise ValueError(f"draw_bounding_boxes: class_mapping has no name for the label {int(label)}.") from None
    return f"{name}" if confidence is None else f"{name} {float(confidence):.2f}"


def _written(image: np.ndarray, boxes: np.ndarray, names: list[str], shade: np.ndarray, thickness: int,
             scale: float) -> np.ndarray:  # fmt: skip
    """Return an image with a name over each box, or in it where there is no place over it."""
    try:
        pil, draw, fonts = (importlib.import_module(f"PIL.{part}") for part in ("Image", "ImageDraw", "ImageFont"))
    except ImportError as error:
        raise ImportError("Names over boxes need Pillow. Install it with: pip install 'tahr[image]'") from error
    canvas = pil.fromarray(image)
    pen, font = draw.Draw(canvas), fonts.load_default(max(1.0, FONT_SIZE * scale))
    for box, name in zip(boxes, names, strict=True):
        if name:
            left, top = float(box[0]), float(box[1])
            height = pen.textbbox((0, 0), name, font=font, stroke_width=thickness - 1)[3] + 2
            at = (max(left, 0), top - height if top >= height else max(top, 0) + 2)
            pen.text(at, name, fill=tuple(int(v) for v in shade), font=font, stroke_width=thickness - 1)
    return np.asarray(canvas)


def palette(count: int) -> dict[int, tuple[int, ...]]:
    """Return a colour for each number from 1 to `count`, neighbours far from each other."""
    golden = (5**0.5 - 1) / 2
    return {
        i: tuple(round(255 * v) for v in colorsys.hsv_to_rgb((i - 1) * golden % 1, 0.75, 0.95))
        for i in range(1, count + 1)
    }


def draw_segmentation_masks(
    images: Any,
    segmentation_masks: Any,
    num_classes: int | None = None,
    color_mapping: Any = None,
    alpha: float = 0.8,
    blend: bool = True,
    ignore_index: int = -1,
    data_format: str | None = None,
) -> np.ndarray:
    """Return images with the classes of their pixels as colours over them.

    Args:
        images: array of shape (batch, height, width, channels) with values from 0 to 255, channels first for
            `channels_first`.
        segmentation_masks: whole numbers of shape (batch, height, width) or (batch, height, width, 1): the class of
            each pixel, 0 for the background, which keeps its colour.
        num_classes: largest class; None takes the largest in the masks.
        color_mapping: dict from classes to red, green and blue from 0 to 255; None takes colours far from each other.
        alpha: share of the mask's colour, from 0 to 1.
        blend: whether the image shines through; if not, `alpha` does not count.
        ignore_index: class of pixels that keep their colour.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Returns:
        NumPy array of the type uint8 of shape (batch, height, width, 3).

    Raises:
        ValueError: if shapes, classes, colours or `alpha` are none of these.

    >>> mask = np.array([[[0, 1]]])
    >>> keras.visualization.draw_segmentation_masks(
    ...     np.full((1, 1, 2, 3), 100), mask, color_mapping={1: (200, 0, 0)}, alpha=0.5
    ... ).tolist()
    [[[[100, 100, 100], [150, 50, 50]]]]
    """
    what = "draw_segmentation_masks"
    found, masks = pixels(images, data_format, what), host(segmentation_masks)
    if masks.ndim == 4:
        first = masks.shape[1] == 1 and masks.shape[-1] != 1
        masks = masks[:, 0] if first else masks[..., 0]
    if masks.shape != found.shape[:3]:
        raise ValueError(
            f"{what}: expected masks of shape {found.shape[:3]}; received {host(segmentation_masks).shape}."
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"{what}: expected alpha from 0 to 1; received {alpha!r}.")
    masks = masks.astype(int)
    count = int(masks.max(initial=0)) if num_classes is None else num_classes
    colors = palette(count) if color_mapping is None else color_mapping
    share = alpha if blend else 1.0
    for number in np.unique(masks):
        if number in (0, ignore_index):
            continue
        if number not in colors:
            raise ValueError(
                f"{what}: the masks hold class {number}, for which there is no colour; expected classes from 1 to "
                f"{count} and colours for {sorted(colors)}."
            )
        here = masks == number
        mixed = share * _color(colors[number], what) + (1 - share) * found[here]
        found[here] = mixed.round().astype("uint8")
    return found
