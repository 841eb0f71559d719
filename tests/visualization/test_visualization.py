"""Boxes and masks in images, and galleries of images."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from tahr import ops, visualization

matplotlib.use("Agg")
pytestmark = pytest.mark.once

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 20, 24, 3)).astype("float32")
BOXES = {
    "boxes": np.array([[[4, 6, 12, 15], [0, 0, 3, 3]]] * 3, "float32"),
    "labels": np.array([[1, -1], [0, 1], [1, 1]]),
}
RED = (255, 0, 0)


@pytest.mark.parametrize("thickness", [1, 2, 3])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_boxes_are_frames(thickness: int, data_format: str) -> None:
    images = IMAGES if data_format == "channels_last" else IMAGES.transpose(0, 3, 1, 2)
    drawn = visualization.draw_bounding_boxes(
        ops.convert_to_tensor(images), BOXES, "xyxy", color=RED, line_thickness=thickness, data_format=data_format
    )
    assert drawn.dtype == np.uint8 and drawn.shape == IMAGES.shape
    expected = np.zeros((20, 24), bool)
    o = thickness // 2
    expected[6 - o : 15 - o + thickness, 4 - o : 12 - o + thickness] = True
    expected[6 - o + thickness : 15 - o, 4 - o + thickness : 12 - o] = False
    changed = (drawn[0] != IMAGES[0]).any(axis=-1)
    np.testing.assert_array_equal((drawn[0] == RED).all(axis=-1) | changed, expected)
    assert (drawn[1, 0, 0] == RED).all()  # the second box counts where it has a label


@pytest.mark.parametrize("form", ["xywh", "rel_xyxy", "center_yxhw"])
def test_boxes_in_every_format(form: str) -> None:
    from tahr.utils import bounding_boxes

    other = {**BOXES, "boxes": bounding_boxes.convert_format(BOXES["boxes"], "xyxy", form, 20, 24)}
    expected = visualization.draw_bounding_boxes(IMAGES, BOXES, "xyxy")
    np.testing.assert_array_equal(visualization.draw_bounding_boxes(IMAGES, other, form), expected)


def test_boxes_outside_are_cut_off() -> None:
    boxes = {"boxes": np.array([[[-5, -5, 40, 40], [30, 30, 50, 50]]] * 3), "labels": np.zeros((3, 2))}
    np.testing.assert_array_equal(visualization.draw_bounding_boxes(IMAGES, boxes, "xyxy"), IMAGES)


def test_names_are_written() -> None:
    black = np.zeros((1, 60, 120, 3))
    boxes = {"boxes": np.array([[[20, 30, 90, 50]]]), "labels": np.array([[1]]), "confidences": np.array([[0.5]])}
    plain = visualization.draw_bounding_boxes(black, boxes, "xyxy", color=RED)
    named = visualization.draw_bounding_boxes(black, boxes, "xyxy", {1: "ant"}, RED)
    bold = visualization.draw_bounding_boxes(black, boxes, "xyxy", {1: "ant"}, RED, text_thickness=3, font_scale=1.2)
    over = [int((image[0, :28] > 0).sum()) for image in (plain, named, bold)]
    assert over[0] == 0 < over[1] < over[2]
    np.testing.assert_array_equal(named[0, 30:], plain[0, 30:])


def test_masks() -> None:
    mask = np.zeros((3, 20, 24), int)
    mask[:, :5], mask[:, 5:10], mask[:, 10:12] = 1, 2, 7
    colors = {1: (10, 20, 30), 2: (200, 0, 100)}
    drawn = visualization.draw_segmentation_masks(IMAGES, mask, 2, colors, alpha=0.25, ignore_index=7)
    np.testing.assert_allclose(drawn[:, :5], 0.25 * np.array(colors[1]) + 0.75 * IMAGES[:, :5], atol=0.51)
    np.testing.assert_array_equal(drawn[:, 10:], IMAGES[:, 10:])
    full = visualization.draw_segmentation_masks(IMAGES, mask[..., None], 2, colors, blend=False, ignore_index=7)
    assert (full[:, 5:10] == colors[2]).all()
    automatic = visualization.draw_segmentation_masks(IMAGES, mask, alpha=1.0)
    assert len({tuple(c) for c in (automatic[0, 0, 0], automatic[0, 6, 0], automatic[0, 11, 0])}) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: visualization.draw_bounding_boxes(IMAGES[0], BOXES, "xyxy"), "expected images of shape"),
        (lambda: visualization.draw_bounding_boxes(IMAGES[..., :2], BOXES, "xyxy"), "1, 3 or 4 channels"),
        (lambda: visualization.draw_bounding_boxes(IMAGES, BOXES, "abc"), "bounding box format"),
        (lambda: visualization.draw_bounding_boxes(IMAGES, BOXES["boxes"], "xyxy"), "'boxes' and 'labels'"),
        (lambda: visualization.draw_bounding_boxes(IMAGES[:2], BOXES, "xyxy"), r"labels of shape \(2, boxes\)"),
        (lambda: visualization.draw_bounding_boxes(IMAGES, BOXES, "xyxy", {0: "a"}), "no name for the label 1"),
        (lambda: visualization.draw_bounding_boxes(IMAGES, BOXES, "xyxy", color=(1, 2)), "a colour"),
        (lambda: visualization.draw_bounding_boxes(IMAGES, BOXES, "xyxy", line_thickness=0), "line_thickness"),
        (lambda: visualization.draw_segmentation_masks(IMAGES, np.ones((3, 2, 2))), "expected masks of shape"),
        (lambda: visualization.draw_segmentation_masks(IMAGES, np.ones((3, 20, 24)), alpha=2), "alpha"),
        (lambda: visualization.draw_segmentation_masks(IMAGES, np.full((3, 20, 24), 3), 2), "class 3"),
        (lambda: visualization.plot_image_gallery(IMAGES, y_true=[0, 1, 2]), "label_map"),
        (lambda: visualization.plot_image_gallery(IMAGES, y_true=[0], label_map={0: "a"}), "3 classes; received 1"),
        (lambda: visualization.plot_image_gallery(IMAGES, path="x.png", show=True), "choose one"),
        (lambda: visualization.plot_image_gallery(IMAGES, value_range=(1, 0)), "value_range"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("rows", "cols", "grid"), [(None, None, 4), (1, None, 3), (None, 1, 3), (2, 2, 4), (None, 3, 3)]
)
def test_galleries_have_rows_and_columns(rows: int | None, cols: int | None, grid: int) -> None:
    figure = visualization.plot_image_gallery(
        IMAGES / 255, [0, 1, 1], [0, 1, 0], ["ant", "bee"], rows, cols, value_range=(0, 1)
    )
    assert len(figure.axes) == grid
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), IMAGES[0])
    titles = [(axis.title.get_text(), axis.title.get_color()) for axis in figure.axes[:3]]
    assert titles[0] == ("true: ant\npredicted: ant", "black") and titles[2] == ("true: bee\npredicted: ant", "red")


def test_galleries_of_boxes_and_masks_are_written(tmp_path: Path) -> None:
    figure = visualization.plot_bounding_box_gallery(
        IMAGES, "xyxy", BOXES, BOXES, class_mapping={0: "ant", 1: "bee"}, legend=True, path=tmp_path / "boxes.png"
    )
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["true", "predicted"]
    masks = np.ones((3, 20, 24), int)
    figure = visualization.plot_segmentation_mask_gallery(
        IMAGES, 1, y_true=masks, y_pred=masks, path=tmp_path / "masks.svg", rows=3
    )
    assert figure.axes[0].images[0].get_array().shape == (20, 72, 3)
    assert (tmp_path / "boxes.png").read_bytes()[:4] == b"\x89PNG" and "<svg" in (tmp_path / "masks.svg").read_text()


def test_history(tmp_path: Path) -> None:
    history = {"loss": [3.0, 2.0, 1.0, 0.5], "val_loss": [2.5, 1.5], "mae": [1.0, 0.9, 0.8, 0.7]}
    figure = visualization.plot_history(history, path=tmp_path / "curves.svg")
    assert b"<svg" in (tmp_path / "curves.svg").read_bytes()
    training, validation = figure.axes[0].get_lines()
    assert list(training.get_xdata()) == [1, 2, 3, 4]
    assert list(validation.get_xdata()) == [2, 4] and list(validation.get_ydata()) == [2.5, 1.5]
    assert len(visualization.plot_history(history, ["mae"]).axes) == 1
    with pytest.raises(ValueError, match="no metric 'acc'"):
        visualization.plot_history(history, ["acc"])
    with pytest.raises(ValueError, match="no epoch"):
        visualization.plot_history({})
