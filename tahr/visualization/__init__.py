"""Pictures of images with their labels, boxes and masks, and curves of trainings.

Galleries and curves need the extra `plot`, texts the extra `image`.
"""

import importlib
from typing import TYPE_CHECKING, Any

_NAMES = {
    "draw_bounding_boxes": "tahr.visualization.drawing",
    "draw_segmentation_masks": "tahr.visualization.drawing",
    "plot_bounding_box_gallery": "tahr.visualization.galleries",
    "plot_history": "tahr.visualization.curves",
    "plot_image_gallery": "tahr.visualization.galleries",
    "plot_segmentation_mask_gallery": "tahr.visualization.galleries",
}

if TYPE_CHECKING:
    from tahr.visualization.curves import plot_history
    from tahr.visualization.drawing import draw_bounding_boxes, draw_segmentation_masks
    from tahr.visualization.galleries import (
        plot_bounding_box_gallery,
        plot_image_gallery,
        plot_segmentation_mask_gallery,
    )

__all__ = list(_NAMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'tahr.visualization' has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(_NAMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
