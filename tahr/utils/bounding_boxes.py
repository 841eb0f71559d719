"""Boxes around things in images: their formats, overlaps, and what becomes of them when images change.

Boxes are arrays of shape (..., 4), in one of these formats; those that begin with `rel_` are parts of the image's size:

- `xyxy`: left, top, right, bottom; `yxyx`: top, left, bottom, right
- `xywh`: left, top, width, height
- `center_xywh`: middle (x, y), width, height; `center_yxhw`: middle (y, x), height, width

Coordinates count pixels from the image's upper left corner, so an image of width 7 reaches from x = 0 to x = 7.
"""

import math
from typing import Any

from tahr import config, dtypes, ops

__all__ = [
    "affine_transform",
    "clip_to_image_size",
    "compute_ciou",
    "compute_iou",
    "convert_format",
    "crop",
    "decode_deltas_to_boxes",
    "encode_box_to_deltas",
    "pad",
]

FORMATS = (
    "xyxy",
    "yxyx",
    "xywh",
    "center_xywh",
    "center_yxhw",
    "rel_xyxy",
    "rel_yxyx",
    "rel_xywh",
    "rel_center_xywh",
)


# ---- formats --------------------------------------------------------------------------------------------------------


def check_format(name: Any, what: str) -> str:
    """Return the name of a format in lower case.

    Raises:
        ValueError: if there is no such format.
    """
    found = name.lower() if isinstance(name, str) else name
    if found not in FORMATS:
        raise ValueError(f"{what}: expected a bounding box format of {', '.join(FORMATS)}; received {name!r}.")
    return found


def _join(parts: list[Any]) -> Any:
    return ops.stack(parts, axis=-1)


def _to_xyxy(boxes: Any, source: str) -> Any:
    """Return boxes of an absolute format, or a relative one without `rel_`, as left, top, right, bottom."""
    a, b, c, d = ops.unstack(boxes, 4, axis=-1)
    if source == "yxyx":
        return _join([b, a, d, c])
    if source == "xywh":
        return _join([a, b, a + c, b + d])
    if source == "center_yxhw":
        a, b, c, d = b, a, d, c
    if source.startswith("center"):
        return _join([a - c / 2, b - d / 2, a + c / 2, b + d / 2])
    return boxes


def _from_xyxy(boxes: Any, target: str) -> Any:
    left, top, right, bottom = ops.unstack(boxes, 4, axis=-1)
    width, height = right - left, bottom - top
    if target == "yxyx":
        return _join([top, left, bottom, right])
    if target == "xywh":
        return _join([left, top, width, height])
    if target == "center_xywh":
        return _join([left + width / 2, top + height / 2, width, height])
    if target == "center_yxhw":
        return _join([top + height / 2, left + width / 2, height, width])
    return boxes


def _sizes(height: Any, width: Any, dtype: str) -> Any:
    """Return what coordinates of the whole image's far corner are, in order of xyxy."""
    return ops.stack([ops.cast(n, dtype) for n in (width, height, width, height)])


def _checked(boxes: Any, dtype: Any, what: str) -> Any:
    boxes = ops.convert_to_tensor(boxes, dtype)
    if not boxes.shape or boxes.shape[-1] != 4:
        raise ValueError(f"{what}: expected boxes of shape (..., 4); received shape {tuple(boxes.shape)}.")
    return boxes


def convert_format(
    boxes: Any, source: str, target: str, height: Any = None, width: Any = None, dtype: Any = "float32"
) -> Any:
    """Return boxes in another format.

    Args:
        boxes: array of shape (..., 4), or a dict whose entry "boxes" is one.
        source: format that they are in.
        target: format wanted.
        height: of the image; needed between relative and absolute formats.
        width: of the image, as well.
        dtype: type of the result.

    Raises:
        ValueError: if a format is unknown, boxes have another shape, or a size is needed and missing.

    >>> keras.utils.bounding_boxes.convert_format([[1.0, 2.0, 4.0, 6.0]], "xyxy", "center_xywh")
    [[2.5, 4.0, 3.0, 4.0]]
    """
    source, target = check_format(source, "convert_format source"), check_format(target, "convert_format target")
    if isinstance(boxes, dict):
        return {**boxes, "boxes": convert_format(boxes["boxes"], source, target, height, width, dtype)}
    relative = [name.startswith("rel_") for name in (source, target)]
    if relative[0] != relative[1] and (height is None or width is None):
        raise ValueError(
            f"convert_format: {source!r} to {target!r} needs the image's `height` and `width`; "
            f"received {height} and {width}."
        )
    boxes = _checked(boxes, dtype, "convert_format")
    if source == target:
        return boxes
    found = _to_xyxy(boxes, source.removeprefix("rel_"))
    if relative[0] and not relative[1]:
        found = found * _sizes(height, width, found.dtype)
    elif relative[1] and not relative[0]:
        found = found / _sizes(height, width, found.dtype)
    return ops.cast(_from_xyxy(found, target.removeprefix("rel_")), dtype)


# ---- overlaps -------------------------------------------------------------------------------------------------------


def _image_sizes(image_shape: Any, formats: tuple[str, ...], what: str) -> tuple[Any, Any]:
    """Return height and width, or (None, None) where no format is relative to them."""
    if image_shape is not None:
        last = config.image_data_format() == "channels_last" or len(image_shape) < 3
        return tuple(image_shape[:2] if last else image_shape[1:3])  # type: ignore[return-value]
    if any(name.startswith("rel_") for name in formats):
        raise ValueError(
            f"{what}: relative formats need `image_shape`, the shape (height, width, channels) of the image."
        )
    return None, None


def _area(boxes: Any) -> Any:
    left, top, right, bottom = ops.unstack(boxes, 4, axis=-1)
    return (right - left) * (bottom - top)


def _overlap(first: Any, second: Any) -> Any:
    """Return the area that boxes in xyxy share; the leading axes broadcast."""
    near = ops.maximum(first[..., :2], second[..., :2])
    far = ops.minimum(first[..., 2:], second[..., 2:])
    sides = ops.maximum(far - near, 0)
    return sides[..., 0] * sides[..., 1]


def _ratio(part: Any, whole: Any) -> Any:
    """Return `part / whole`, and 0 where there is nothing to divide by."""
    return ops.where(whole == 0, 0, part / ops.where(whole == 0, 1, whole))


def compute_iou(
    boxes1: Any,
    boxes2: Any,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: int = -1,
    image_shape: Any = None,
) -> Any:
    """Return for each pair of boxes the area they share, divided by the area they cover.

    Args:
        boxes1: array of shape (n, 4) or (batch, n, 4).
        boxes2: array of shape (m, 4) or (batch, m, 4).
        bounding_box_format: format of both.
        use_masking: whether pairs with a box of which all coordinates are negative get `mask_val`.
        mask_val: what they get.
        image_shape: shape (height, width, channels) of the image; relative formats need it.

    Returns:
        Array of shape (n, m) or (batch, n, m).

    Raises:
        ValueError: if boxes are of another rank, or a relative format comes without `image_shape`.

    >>> keras.utils.bounding_boxes.compute_iou([[0.0, 0.0, 2.0, 2.0]], [[1.0, 0.0, 3.0, 2.0]], "xyxy")
    [[0.33333334]]
    """
    name = check_format(bounding_box_format, "compute_iou")
    size = _image_sizes(image_shape, (name,), "compute_iou")
    given = [_checked(boxes, "float32", "compute_iou") for boxes in (boxes1, boxes2)]
    if any(len(boxes.shape) not in (2, 3) for boxes in given):
        raise ValueError(
            "compute_iou: expected boxes of shape (n, 4) or (batch, n, 4); "
            f"received {[tuple(boxes.shape) for boxes in given]}."
        )
    first, second = (convert_format(boxes, name, "xyxy", *size) for boxes in given)
    shared = _overlap(first[..., :, None, :], second[..., None, :, :])
    covered = _area(first)[..., :, None] + _area(second)[..., None, :] - shared
    found = _ratio(shared, covered)
    if not use_masking:
        return found
    absent = [ops.all(boxes < 0, axis=-1) for boxes in given]
    return ops.where(ops.logical_or(absent[0][..., :, None], absent[1][..., None, :]), mask_val, found)


def compute_ciou(boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Any = None) -> Any:
    """Return the overlap of boxes that stand at the same place, less what middles and proportions differ by.

    Args:
        boxes1: array of shape (..., 4).
        boxes2: array of the same shape.
        bounding_box_format: format of both.
        image_shape: shape (height, width, channels) of the image; relative formats need it.

    Returns:
        Array of shape (...).

    Raises:
        ValueError: if a relative format comes without `image_shape`.

    Source: Zheng et al., Distance-IoU Loss, 2020: `iou - d^2 / c^2 - a v`, with `d` the distance of the middles, `c`
    the diagonal of what encloses both, `v = 4 / pi^2 (atan(w1 / h1) - atan(w2 / h2))^2` and `a = v / (1 - iou + v)`.

    >>> keras.utils.bounding_boxes.compute_ciou([[0.0, 0.0, 2.0, 2.0]], [[0.0, 0.0, 2.0, 2.0]], "xyxy")
    [1.0]
    """
    name = check_format(bounding_box_format, "compute_ciou")
    size = _image_sizes(image_shape, (name,), "compute_ciou")
    first, second = (convert_format(boxes, name, "xyxy", *size) for boxes in (boxes1, boxes2))
    shared = _overlap(first, second)
    overlap = _ratio(shared, _area(first) + _area(second) - shared)
    middles = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2
    diagonal = ops.maximum(first[..., 2:], second[..., 2:]) - ops.minimum(first[..., :2], second[..., :2])
    apart = _ratio(ops.sum(middles**2, axis=-1), ops.sum(diagonal**2, axis=-1))
    angles = [ops.arctan2(boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]) for boxes in (first, second)]
    v = 4 / math.pi**2 * (angles[0] - angles[1]) ** 2
    return overlap - apart - _ratio(v * v, 1 - overlap + v)


# ---- changes of the image -------------------------------------------------------------------------------------------


def clip_to_image_size(
    bounding_boxes: Any, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> Any:
    """Return boxes without what lies outside of the image; a box of which nothing is left gets label -1.

    Args:
        bounding_boxes: dict of "boxes", of shape (..., n, 4), and "labels", of shape (..., n).
        height: of the image; relative formats need none.
        width: of the image, as well.
        bounding_box_format: format of the boxes.

    Raises:
        ValueError: if an absolute format comes without height and width.
        TypeError: if `bounding_boxes` is no such dict.

    >>> boxes = {"boxes": np.array([[-1.0, 0.0, 2.0, 2.0], [5.0, 5.0, 6.0, 6.0]]), "labels": np.array([3, 4])}
    >>> keras.utils.bounding_boxes.clip_to_image_size(boxes, height=4, width=4)["labels"]
    [3, -1]
    """
    name = check_format(bounding_box_format, "clip_to_image_size")
    if not isinstance(bounding_boxes, dict) or not {"boxes", "labels"} <= bounding_boxes.keys():
        raise TypeError("clip_to_image_size: expected a dict with `boxes` and `labels`.")
    relative = name.startswith("rel_")
    if not relative and (height is None or width is None):
        raise ValueError(f"clip_to_image_size: format {name!r} needs the image's `height` and `width`.")
    boxes, labels = bounding_boxes["boxes"], ops.convert_to_tensor(bounding_boxes["labels"])
    boxes = ops.convert_to_tensor(boxes)
    boxes = boxes if dtypes.is_float(ops.dtype(boxes)) else ops.cast(boxes, "float32")
    edges = "rel_xyxy" if relative else "xyxy"
    limits = _sizes(1 if relative else height, 1 if relative else width, boxes.dtype)
    clipped = ops.clip(convert_format(boxes, name, edges, dtype=boxes.dtype), 0, limits)
    labels = ops.where(_area(clipped) > 0, labels, ops.full_like(labels, -1))
    return {
        **bounding_boxes,
        "boxes": convert_format(clipped, edges, name, dtype=boxes.dtype),
        "labels": labels,
    }


def _corners(boxes: Any) -> Any:
    """Return the four corners of boxes in xyxy, of shape (..., 4, 2)."""
    left, top, right, bottom = ops.unstack(boxes, 4, axis=-1)
    return ops.stack([_join([x, y]) for y in (top, bottom) for x in (left, right)], axis=-2)


def around(points: Any) -> Any:
    """Return the boxes in xyxy around points of shape (..., n, 2)."""
    return ops.concatenate([ops.min(points, axis=-2), ops.max(points, axis=-2)], axis=-1)


def project(boxes: Any, matrices: Any) -> Any:
    """Return the boxes around where the corners of others come to.

    Args:
        boxes: array of shape (batch, n, 4), in xyxy.
        matrices: array of shape (batch, 3, 3) that takes (x, y, 1) to (x k, y k, k).
    """
    points = _corners(boxes)
    points = ops.concatenate([points, ops.ones_like(points[..., :1])], axis=-1)
    found = ops.einsum("bij,bncj->bnci", ops.cast(matrices, points.dtype), points)
    return around(found[..., :2] / found[..., 2:])


def affine_transform(
    boxes: Any,
    angle: Any,
    translate_x: Any,
    translate_y: Any,
    scale: Any,
    shear_x: Any,
    shear_y: Any,
    height: Any,
    width: Any,
    center_x: Any = None,
    center_y: Any = None,
    bounding_box_format: str = "xyxy",
) -> Any:
    """Return the boxes around where the corners of others are after shifting, turning, scaling and shearing.

    Args:
        boxes: array of shape (batch, n, 4).
        angle: of each image, in degrees, counter-clockwise; of shape (batch,).
        translate_x: shift to the right before all else, as part of the width less 1.
        translate_y: shift downwards before all else, as part of the height less 1.
        scale: factor of sizes.
        shear_x: angle in degrees by which vertical lines lean.
        shear_y: angle in degrees by which horizontal lines lean.
        height: of the image.
        width: of the image.
        center_x: what stays where it is, as part of the width less 1; None takes the middle.
        center_y: what stays where it is, as part of the height less 1; None takes the middle.
        bounding_box_format: format of the boxes, of those given and returned.

    >>> boxes, one = np.array([[[2.0, 3.0, 6.0, 9.0]]]), np.array([1.0])
    >>> keras.utils.bounding_boxes.affine_transform(boxes, 90 * one, 0 * one, 0 * one, one, 0 * one, 0 * one, 21, 23)
    [[[4.0, 15.0, 10.0, 19.0]]]
    """
    name = check_format(bounding_box_format, "affine_transform")
    corners = convert_format(boxes, name, "xyxy", height, width)
    kind = corners.dtype
    angle, shear_x, shear_y = (ops.cast(x, kind) * (math.pi / 180) for x in (angle, shear_x, shear_y))
    scale, translate_x, translate_y = (ops.cast(x, kind) for x in (scale, translate_x, translate_y))
    middle_x, middle_y = ((0.5 if c is None else c) * (n - 1) for c, n in ((center_x, width), (center_y, height)))
    # The sign of the term with tan(shear_x) in the first entry is Keras's; shears in both directions are no product.
    lean, share = ops.tan(shear_x), 1 / ops.cos(shear_y)
    a = scale * (ops.cos(angle) + ops.sin(angle - shear_y) * lean * share)
    b = scale * (ops.cos(angle - shear_y) * lean * share + ops.sin(angle))
    c, d = -scale * ops.sin(angle - shear_y) * share, scale * ops.cos(angle - shear_y) * share
    x, y = translate_x * (width - 1) - middle_x, translate_y * (height - 1) - middle_y
    rows = [
        [a, b, a * x + b * y + middle_x],
        [c, d, c * x + d * y + middle_y],
        [ops.zeros_like(a), ops.zeros_like(a), ops.ones_like(a)],
    ]
    found = project(corners, ops.stack([_join(row) for row in rows], axis=-2))
    return convert_format(found, "xyxy", name, height, width)


def crop(boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy") -> Any:
    """Return boxes of an image as boxes of the part of it that begins at (left, top) and has the given size.

    Args:
        boxes: array of shape (..., 4).
        top: rows cut off above.
        left: columns cut off on the left.
        height: rows of the part.
        width: columns of the part.
        bounding_box_format: an absolute format.

    Raises:
        ValueError: if the format is relative: sizes of the whole image would be needed.

    >>> keras.utils.bounding_boxes.crop([[2.0, 3.0, 9.0, 9.0]], top=1, left=2, height=4, width=5)
    [[0.0, 2.0, 5.0, 4.0]]
    """
    name = _absolute(bounding_box_format, "crop")
    found = pad(convert_format(boxes, name, "xyxy"), -top, -left)
    return convert_format(ops.clip(found, 0, _sizes(height, width, found.dtype)), "xyxy", name)


def pad(
    boxes: Any, top: Any, left: Any, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> Any:
    """Return boxes of an image as boxes of a larger one in which it begins at (left, top).

    Args:
        boxes: array of shape (..., 4).
        top: rows added above.
        left: columns added on the left.
        height: of the larger image; absolute formats do not depend on it.
        width: of the larger image; absolute formats do not depend on it.
        bounding_box_format: an absolute format.

    Raises:
        ValueError: if the format is relative: sizes of the whole image would be needed.

    >>> keras.utils.bounding_boxes.pad([[2.0, 3.0, 6.0, 9.0]], top=1, left=2)
    [[4.0, 4.0, 8.0, 10.0]]
    """
    name = _absolute(bounding_box_format, "pad")
    found = convert_format(boxes, name, "xyxy")
    shift = ops.stack([ops.cast(n, found.dtype) for n in (left, top, left, top)])
    return convert_format(found + shift, "xyxy", name)


def _absolute(name: str, what: str) -> str:
    found = check_format(name, what)
    if found.startswith("rel_"):
        raise ValueError(
            f"{what}: expected an absolute format; received {name!r}. Use convert_format(boxes, {name!r}, 'xyxy', "
            "height, width) before."
        )
    return found


# ---- regression targets ---------------------------------------------------------------------------------------------


def _variance(variance: Any, dtype: str, what: str) -> Any:
    found = ops.convert_to_tensor(variance, dtype)
    if found.shape[-1:] != (4,):
        raise ValueError(f"{what}: expected `variance` of 4 numbers; received shape {tuple(found.shape)}.")
    return found


def _encoding(name: Any, what: str) -> str:
    found = name.lower() if isinstance(name, str) else name
    if found not in ("center_xywh", "center_yxhw"):
        raise ValueError(f"{what}: expected 'center_xywh' or 'center_yxhw' as the encoding; received {name!r}.")
    return found


def encode_box_to_deltas(
    anchors: Any,
    boxes: Any,
    anchor_format: str,
    box_format: str,
    encoding_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """Return how boxes differ from anchors: shifts in sizes of the anchor, and logarithms of the sizes' ratios.

    Args:
        anchors: array of shape (n, 4).
        boxes: array of shape (n, 4) or (batch, n, 4).
        anchor_format: format of the anchors.
        box_format: format of the boxes.
        encoding_format: `"center_yxhw"` or `"center_xywh"`: the order of what is returned.
        variance: 4 numbers by which the differences are divided.
        image_shape: shape (height, width, channels) of the image; relative formats need it.

    Raises:
        ValueError: if a format is unknown, `variance` has another size, or `image_shape` is missing.

    Source: Girshick et al., Rich feature hierarchies, 2014.

    >>> keras.utils.bounding_boxes.encode_box_to_deltas([[0.0, 0.0, 2.0, 4.0]], [[1.0, 0.0, 3.0, 4.0]], "xyxy", "xyxy")
    [[0.0, 0.5, 0.0, 0.0]]
    """
    what = "encode_box_to_deltas"
    encoding = _encoding(encoding_format, what)
    size = _image_sizes(image_shape, (anchor_format, box_format), what)
    anchors = convert_format(anchors, anchor_format, encoding, *size)
    boxes = convert_format(boxes, box_format, encoding, *size)
    sizes = ops.maximum(anchors[..., 2:], config.epsilon())
    shifts = (boxes[..., :2] - anchors[..., :2]) / sizes
    ratios = ops.log(ops.maximum(boxes[..., 2:], config.epsilon()) / sizes)
    found = ops.concatenate([shifts, ratios], axis=-1)
    return found if variance is None else found / _variance(variance, found.dtype, what)


def decode_deltas_to_boxes(
    anchors: Any,
    boxes_delta: Any,
    anchor_format: str,
    box_format: str,
    encoded_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """Return the boxes that differ from anchors as `encode_box_to_deltas` says.

    Args:
        anchors: array of shape (n, 4), or a dict of such.
        boxes_delta: array of shape (n, 4) or (batch, n, 4), or a dict of such with the same keys.
        anchor_format: format of the anchors.
        box_format: format of the boxes that are returned.
        encoded_format: `"center_yxhw"` or `"center_xywh"`: the order of the differences.
        variance: 4 numbers by which the differences were divided.
        image_shape: shape (height, width, channels) of the image; relative formats need it.

    Raises:
        ValueError: if a format is unknown, `variance` has another size, or `image_shape` is missing.

    >>> keras.utils.bounding_boxes.decode_deltas_to_boxes(
    ...     [[0.0, 0.0, 2.0, 4.0]], [[0.0, 0.5, 0.0, 0.0]], "xyxy", "xyxy"
    ... )
    [[1.0, 0.0, 3.0, 4.0]]
    """
    what = "decode_deltas_to_boxes"
    encoding = _encoding(encoded_format, what)
    size = _image_sizes(image_shape, (anchor_format, box_format), what)

    def decode(anchor: Any, delta: Any) -> Any:
        anchor = convert_format(anchor, anchor_format, encoding, *size)
        delta = ops.convert_to_tensor(delta, anchor.dtype)
        if variance is not None:
            delta = delta * _variance(variance, delta.dtype, what)
        middles = delta[..., :2] * anchor[..., 2:] + anchor[..., :2]
        found = ops.concatenate([middles, ops.exp(delta[..., 2:]) * anchor[..., 2:]], axis=-1)
        return convert_format(found, encoding, box_format, *size)

    if isinstance(anchors, dict):
        return {key: decode(anchor, boxes_delta[key]) for key, anchor in anchors.items()}
    return decode(anchors, boxes_delta)
