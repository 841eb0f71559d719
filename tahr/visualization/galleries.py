"""Rows and columns of images, drawn by Matplotlib."""

import importlib
import math
from typing import Any

import numpy as np

from tahr.visualization.drawing import draw_bounding_boxes, draw_segmentation_masks, host, pixels

__all__ = ["plot_bounding_box_gallery", "plot_image_gallery", "plot_segmentation_mask_gallery"]


def _pyplot(what: str) -> Any:
    try:
        return importlib.import_module("matplotlib.pyplot")
    except ImportError as error:
        raise ImportError(f"{what} needs Matplotlib. Install it with: pip install 'tahr[plot]'") from error


def _scaled(images: Any, value_range: Any) -> np.ndarray:
    low, high = value_range
    if not low < high:
        raise ValueError(f"value_range: expected two numbers, the smaller first; received {value_range!r}.")
    return (host(images).astype("float32") - low) * (255 / (high - low))


def plot_image_gallery(
    images: Any,
    y_true: Any = None,
    y_pred: Any = None,
    label_map: Any = None,
    rows: int | None = None,
    cols: int | None = None,
    value_range: Any = (0, 255),
    scale: float = 2,
    path: Any = None,
    show: bool | None = None,
    transparent: bool = True,
    dpi: int = 60,
    legend_handles: Any = None,
    data_format: str | None = None,
) -> Any:
    """Return a figure of images in rows and columns, and write it to a file or show it.

    Args:
        images: array of shape (batch, height, width, channels), channels first for `channels_first`.
        y_true: true class of each image, or None.
        y_pred: predicted class of each image, or None; wrong ones are red.
        label_map: dict (or list) from classes to names; needed with classes.
        rows: rows of images; None takes as many as are needed.
        cols: columns of images; None takes as many as are needed, or makes about a square.
        value_range: smallest and largest value of the images.
        scale: width of an image in inches.
        path: file to write; None writes none.
        show: whether to show the figure; None shows it if it is not written and Matplotlib has a window for it.
        transparent: whether the file's background is transparent.
        dpi: dots an inch in the file.
        legend_handles: what Matplotlib's legend explains, or None.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.

    Returns:
        Matplotlib's figure.

    Raises:
        ValueError: if shapes do not fit, classes have no names, or a file is both written and shown.
        ImportError: if Matplotlib is missing.

    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> figure = keras.visualization.plot_image_gallery(np.zeros((5, 8, 8, 3)), cols=3)
    >>> len(figure.axes)
    6
    """
    plt = _pyplot("plot_image_gallery")
    if path is not None and show:
        raise ValueError("plot_image_gallery: path writes the figure and show=True shows it; choose one of them.")
    found = pixels(_scaled(images, value_range), data_format, "plot_image_gallery")
    titles = _titles(len(found), y_true, y_pred, label_map)
    rows, cols = _grid(len(found), rows, cols)
    height = scale * found.shape[1] / found.shape[2]
    figure, axes = plt.subplots(
        rows, cols, squeeze=False, figsize=(cols * scale, rows * (height + (0.3 if titles else 0))), frameon=True
    )
    for i, axis in enumerate(axes.flat):
        axis.axis("off")
        if i < len(found):
            axis.imshow(found[i])
            if titles:
                axis.set_title(titles[i][0], color=titles[i][1], fontsize="small")
    figure.tight_layout(pad=0.3)
    if legend_handles is not None:
        figure.legend(handles=legend_handles, loc="lower center", ncols=len(legend_handles))
    if path is not None:
        figure.savefig(path, transparent=transparent, dpi=dpi, bbox_inches="tight", pad_inches=0.05)
        plt.close(figure)
    elif show or (
        show is None and plt.get_backend().lower() not in ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")
    ):
        plt.show()
    else:
        plt.close(figure)  # it stays with the caller, and Matplotlib forgets it
    return figure


def _grid(count: int, rows: int | None, cols: int | None) -> tuple[int, int]:
    if rows is None and cols is None:
        cols = math.ceil(math.sqrt(count))
    if rows is None:
        rows = math.ceil(count / cols)  # type: ignore[operator]
    return max(rows, 1), max(math.ceil(count / rows) if cols is None else cols, 1)


def _titles(count: int, y_true: Any, y_pred: Any, label_map: Any) -> list[tuple[str, str]]:
    """Return a title and its colour for each image; an empty list without classes."""
    given = [None if y is None else host(y).reshape(-1).astype(int) for y in (y_true, y_pred)]
    if y_true is None and y_pred is None:
        return []
    if label_map is None:
        raise ValueError("plot_image_gallery: y_true and y_pred need a label_map from classes to names.")
    for name, y in zip(("y_true", "y_pred"), given, strict=True):
        if y is not None and len(y) != count:
            raise ValueError(f"plot_image_gallery: expected {name} to have {count} classes; received {len(y)}.")
    titles = []
    for i in range(count):
        texts = [
            f"{word}: {label_map[int(y[i])]}"
            for word, y in zip(("true", "predicted"), given, strict=True)
            if y is not None
        ]
        wrong = given[0] is not None and given[1] is not None and given[0][i] != given[1][i]
        titles.append(("\n".join(texts), "red" if wrong else "black"))
    return titles


def plot_bounding_box_gallery(
    images: Any,
    bounding_box_format: str,
    y_true: Any = None,
    y_pred: Any = None,
    value_range: Any = (0, 255),
    true_color: Any = (0, 188, 212),
    pred_color: Any = (255, 235, 59),
    line_thickness: int = 2,
    font_scale: float = 1.0,
    text_thickness: int | None = None,
    class_mapping: Any = None,
    ground_truth_mapping: Any = None,
    prediction_mapping: Any = None,
    legend: bool = False,
    legend_handles: Any = None,
    rows: int | None = None,
    cols: int | None = None,
    data_format: str | None = None,
    **kwargs: Any,
) -> Any:
    """Return a figure of images with true and predicted boxes in rows and columns.

    Args:
        images: array of shape (batch, height, width, channels), channels first for `channels_first`.
        bounding_box_format: format of the boxes.
        y_true: true boxes as for `draw_bounding_boxes`, or None.
        y_pred: predicted boxes as for `draw_bounding_boxes`, or None.
        value_range: smallest and largest value of the images.
        true_color: colour of the true boxes.
        pred_color: colour of the predicted boxes.
        line_thickness: thickness of the lines in pixels.
        font_scale: size of the letters.
        text_thickness: thickness of the letters in pixels; None takes that of the lines.
        class_mapping: dict from labels to names; None writes none.
        ground_truth_mapping: the same for the true boxes alone.
        prediction_mapping: the same for the predicted boxes alone.
        legend: whether to explain the colours.
        legend_handles: what the legend explains besides.
        rows: rows of images.
        cols: columns of images.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        **kwargs: further arguments of `plot_image_gallery`.

    Returns:
        Matplotlib's figure.

    Raises:
        ValueError: if shapes do not fit.
        ImportError: if Matplotlib is missing.

    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> boxes = {"boxes": np.array([[[1, 1, 6, 6]]]), "labels": np.array([[0]])}
    >>> figure = keras.visualization.plot_bounding_box_gallery(np.zeros((1, 8, 8, 3)), "xyxy", boxes, legend=True)
    >>> len(figure.axes)
    1
    """
    _pyplot("plot_bounding_box_gallery")
    drawn: Any = pixels(_scaled(images, value_range), data_format, "plot_bounding_box_gallery")
    handles = list(legend_handles or [])
    for boxes, color, mapping, name in (
        (y_true, true_color, ground_truth_mapping or class_mapping, "true"),
        (y_pred, pred_color, prediction_mapping or class_mapping, "predicted"),
    ):
        if boxes is None:
            continue
        drawn = draw_bounding_boxes(
            drawn,
            boxes,
            bounding_box_format,
            mapping,
            color,
            line_thickness,
            text_thickness,
            font_scale,
            "channels_last",
        )
        if legend:
            patches = importlib.import_module("matplotlib.patches")
            handles.append(patches.Patch(color=np.array(color) / 255, label=name))
    return plot_image_gallery(
        drawn, rows=rows, cols=cols, legend_handles=handles or None, data_format="channels_last", **kwargs
    )


def plot_segmentation_mask_gallery(
    images: Any,
    num_classes: int,
    value_range: Any = (0, 255),
    y_true: Any = None,
    y_pred: Any = None,
    color_mapping: Any = None,
    blend: bool = True,
    alpha: float = 0.8,
    ignore_index: int = -1,
    data_format: str | None = None,
    **kwargs: Any,
) -> Any:
    """Return a figure of images, beside each the same with its true and with its predicted mask.

    Args:
        images: array of shape (batch, height, width, channels), channels first for `channels_first`.
        num_classes: largest class.
        value_range: smallest and largest value of the images.
        y_true: true masks as for `draw_segmentation_masks`, or None.
        y_pred: predicted masks as for `draw_segmentation_masks`, or None.
        color_mapping: dict from classes to colours; None takes colours far from each other.
        blend: whether the images shine through the masks.
        alpha: share of the masks' colours.
        ignore_index: class of pixels that keep their colour.
        data_format: `"channels_last"`, `"channels_first"`, or None for the default.
        **kwargs: further arguments of `plot_image_gallery`.

    Returns:
        Matplotlib's figure.

    Raises:
        ValueError: if shapes do not fit.
        ImportError: if Matplotlib is missing.

    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> masks = np.ones((2, 8, 8), int)
    >>> figure = keras.visualization.plot_segmentation_mask_gallery(np.zeros((2, 8, 8, 3)), 1, y_true=masks)
    >>> len(figure.axes)
    2
    """
    _pyplot("plot_segmentation_mask_gallery")
    plain = pixels(_scaled(images, value_range), data_format, "plot_segmentation_mask_gallery")
    parts = [plain] + [
        draw_segmentation_masks(plain, masks, num_classes, color_mapping, alpha, blend, ignore_index, "channels_last")
        for masks in (y_true, y_pred)
        if masks is not None
    ]
    return plot_image_gallery(np.concatenate(parts, axis=2), data_format="channels_last", **kwargs)
