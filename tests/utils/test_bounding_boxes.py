"""Bounding boxes against NumPy, box by box."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

import tahr as keras
from tahr import ops

boxes = keras.utils.bounding_boxes
RANDOM = np.random.default_rng(0)
HEIGHT, WIDTH = 24, 32
CORNERS = np.sort(RANDOM.uniform(0, 20, (3, 4, 2, 2)), axis=2).reshape(3, 4, 4).astype("float32")


def host(x: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(x))


def written(box: np.ndarray, name: str) -> list[float]:
    """Return a box in xyxy in another format, by its description."""
    left, top, right, bottom = (float(n) for n in box)
    if name.startswith("rel_"):
        left, top, right, bottom = left / WIDTH, top / HEIGHT, right / WIDTH, bottom / HEIGHT
    return {
        "xyxy": [left, top, right, bottom],
        "yxyx": [top, left, bottom, right],
        "xywh": [left, top, right - left, bottom - top],
        "center_xywh": [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top],
        "center_yxhw": [(top + bottom) / 2, (left + right) / 2, bottom - top, right - left],
    }[name.removeprefix("rel_")]


def in_format(name: str, given: np.ndarray = CORNERS) -> np.ndarray:
    flat = [written(box, name) for box in given.reshape(-1, 4)]
    return np.array(flat, "float32").reshape(given.shape)


FORMATS = ["xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh"]


@pytest.mark.parametrize(("source", "target"), list(itertools.product(FORMATS, FORMATS)))
def test_every_format_to_every_other(source: str, target: str) -> None:
    found = boxes.convert_format(in_format(source), source, target, HEIGHT, WIDTH)
    np.testing.assert_allclose(host(found), in_format(target), atol=1e-4)


def test_conversion_of_dicts_types_and_case() -> None:
    given = {"boxes": CORNERS, "labels": np.ones((3, 4)), "more": 1}
    found = boxes.convert_format(given, "XYXY", "xywh")
    assert found["labels"] is given["labels"] and found["more"] == 1
    np.testing.assert_allclose(host(found["boxes"]), in_format("xywh"), atol=1e-5)
    assert ops.dtype(boxes.convert_format([[1, 2, 3, 4]], "xyxy", "yxyx", dtype="float16")) == "float16"


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    whole = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / whole if whole else 0.0


@pytest.mark.parametrize("name", FORMATS)
def test_iou(name: str) -> None:
    image = (HEIGHT, WIDTH, 3) if name.startswith("rel_") else None
    first, second = in_format(name)[0], in_format(name)[1]
    found = host(boxes.compute_iou(first, second, name, image_shape=image))
    expected = [[iou(a, b) for b in CORNERS[1]] for a in CORNERS[0]]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    batch = host(boxes.compute_iou(first[None], second, name, image_shape=image))
    np.testing.assert_allclose(batch[0], expected, atol=1e-4)


def test_iou_of_nothing() -> None:
    given = np.array([[2, 3, 6, 9], [-1, -1, -1, -1]], "float32")
    np.testing.assert_array_equal(host(boxes.compute_iou(given, given, "xyxy")), [[1, 0], [0, 0]])
    masked = boxes.compute_iou(given, given, "xyxy", use_masking=True, mask_val=-5)
    np.testing.assert_array_equal(host(masked), [[1, -5], [-5, -5]])


def ciou(a: np.ndarray, b: np.ndarray) -> float:
    overlap = iou(a, b)
    apart = ((a[0] + a[2] - b[0] - b[2]) / 2) ** 2 + ((a[1] + a[3] - b[1] - b[3]) / 2) ** 2
    diagonal = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
    v = 4 / math.pi**2 * (math.atan((a[2] - a[0]) / (a[3] - a[1])) - math.atan((b[2] - b[0]) / (b[3] - b[1]))) ** 2
    return overlap - apart / diagonal - v * v / (1 - overlap + v)


@pytest.mark.parametrize("name", FORMATS)
def test_ciou(name: str) -> None:
    image = (HEIGHT, WIDTH, 3) if name.startswith("rel_") else None
    given = in_format(name)
    found = host(boxes.compute_ciou(given[0], given[1], name, image_shape=image))
    np.testing.assert_allclose(found, [ciou(a, b) for a, b in zip(CORNERS[0], CORNERS[1], strict=True)], atol=1e-4)
    np.testing.assert_allclose(host(boxes.compute_ciou(given, given, name, image_shape=image)), 1, atol=1e-5)


@pytest.mark.parametrize("name", FORMATS)
def test_clipping(name: str) -> None:
    large = CORNERS * 3 - 20
    labels = np.arange(12).reshape(3, 4).astype("int32")
    expected = np.clip(large, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    gone = (expected[..., 2] <= expected[..., 0]) | (expected[..., 3] <= expected[..., 1])
    assert gone.any() and not gone.all()
    given = {"boxes": in_format(name, large), "labels": labels}
    found = boxes.clip_to_image_size(given, HEIGHT, WIDTH, name)
    np.testing.assert_allclose(host(found["boxes"]), in_format(name, expected), atol=1e-4)
    np.testing.assert_array_equal(host(found["labels"]), np.where(gone, -1, labels))


@pytest.mark.parametrize("name", FORMATS[:5])
def test_crop_and_pad(name: str) -> None:
    shifted = CORNERS - [2, 1, 2, 1]
    found = boxes.crop(in_format(name), top=1, left=2, height=12, width=11, bounding_box_format=name)
    expected = np.clip(shifted, 0, [11, 12, 11, 12])
    np.testing.assert_allclose(host(found), in_format(name, expected), atol=1e-4)
    back = boxes.pad(in_format(name, shifted), top=1, left=2, bounding_box_format=name)
    np.testing.assert_allclose(host(back), in_format(name), atol=1e-4)


def affine(box: np.ndarray, i: int, drawn: dict[str, np.ndarray], middle: tuple[float, float]) -> list[float]:
    angle, across, down = (math.radians(float(drawn[key][i])) for key in ("angle", "shear_x", "shear_y"))
    matrix = float(drawn["scale"][i]) * np.array(
        [
            [
                math.cos(angle) + math.sin(angle - down) * math.tan(across) / math.cos(down),
                math.cos(angle - down) * math.tan(across) / math.cos(down) + math.sin(angle),
            ],
            [-math.sin(angle - down) / math.cos(down), math.cos(angle - down) / math.cos(down)],
        ]
    )
    shift = np.array([drawn["translate_x"][i] * (WIDTH - 1), drawn["translate_y"][i] * (HEIGHT - 1)])
    points = [matrix @ (np.array([x, y]) + shift - middle) + middle for x in box[[0, 2]] for y in box[[1, 3]]]
    return [*np.min(points, axis=0), *np.max(points, axis=0)]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("center", [None, 0.25])
def test_affine_transform(name: str, center: float | None) -> None:
    drawn = {
        "angle": np.array([20.0, -70.0, 0.0], "float32"),
        "translate_x": np.array([0.1, 0.0, -0.5], "float32"),
        "translate_y": np.array([0.0, 0.2, 0.3], "float32"),
        "scale": np.array([0.7, 1.0, 1.5], "float32"),
        "shear_x": np.array([0.0, 15.0, 5.0], "float32"),
        "shear_y": np.array([10.0, -5.0, 0.0], "float32"),
    }
    share = 0.5 if center is None else center
    middle = (share * (WIDTH - 1), share * (HEIGHT - 1))
    expected = np.array([[affine(b, i, drawn, middle) for b in row] for i, row in enumerate(CORNERS)])
    found = boxes.affine_transform(
        in_format(name), **drawn, height=HEIGHT, width=WIDTH, center_x=center, center_y=center, bounding_box_format=name
    )
    np.testing.assert_allclose(host(found), in_format(name, expected), atol=2e-3)


@pytest.mark.parametrize("encoding", ["center_yxhw", "center_xywh"])
@pytest.mark.parametrize("variance", [None, [0.1, 0.1, 0.2, 0.2]])
def test_deltas_there_and_back(encoding: str, variance: Any) -> None:
    anchors, wanted = in_format("xywh")[0], in_format("rel_yxyx")[1]
    image = (HEIGHT, WIDTH, 3)
    deltas = host(boxes.encode_box_to_deltas(anchors, wanted, "xywh", "rel_yxyx", encoding, variance, image))
    a, b = in_format(encoding)[0], in_format(encoding)[1]
    expected = np.concatenate([(b[:, :2] - a[:, :2]) / a[:, 2:], np.log(b[:, 2:] / a[:, 2:])], axis=1)
    np.testing.assert_allclose(deltas, expected / (1 if variance is None else variance), rtol=2e-3, atol=1e-3)
    back = boxes.decode_deltas_to_boxes(anchors, deltas, "xywh", "rel_yxyx", encoding, variance, image)
    np.testing.assert_allclose(host(back), wanted, atol=1e-4)
    levels = boxes.decode_deltas_to_boxes(
        {"p3": anchors, "p4": anchors}, {"p3": deltas, "p4": deltas}, "xywh", "rel_yxyx", encoding, variance, image
    )
    np.testing.assert_allclose(host(levels["p4"]), wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: boxes.convert_format(CORNERS, "xyxy", "corners"), "target"),
        (lambda: boxes.convert_format(CORNERS, "xyxy", "rel_xyxy"), "`height` and `width`"),
        (lambda: boxes.convert_format(np.ones((3, 5)), "xyxy", "xywh"), r"\(\.\.\., 4\)"),
        (lambda: boxes.compute_iou(CORNERS[0], CORNERS[0], "rel_xyxy"), "image_shape"),
        (lambda: boxes.compute_iou(CORNERS[None], CORNERS, "xyxy"), "batch"),
        (lambda: boxes.clip_to_image_size({"boxes": CORNERS, "labels": np.ones((3, 4))}), "`height`"),
        (lambda: boxes.crop(CORNERS, 1, 1, 5, 5, "rel_xyxy"), "absolute"),
        (lambda: boxes.pad(CORNERS, 1, 1, bounding_box_format="rel_xyxy"), "absolute"),
        (lambda: boxes.encode_box_to_deltas(CORNERS, CORNERS, "xyxy", "xyxy", "xyxy"), "encoding"),
        (lambda: boxes.encode_box_to_deltas(CORNERS, CORNERS, "xyxy", "xyxy", variance=[0.1]), "variance"),
        (lambda: boxes.decode_deltas_to_boxes(CORNERS, CORNERS, "rel_xyxy", "xyxy"), "image_shape"),
    ],
)
def test_bad_arguments(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_boxes_without_labels() -> None:
    with pytest.raises(TypeError, match="`labels`"):
        boxes.clip_to_image_size(CORNERS, 3, 3)
