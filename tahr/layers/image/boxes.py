"""`MaxNumBoundingBoxes`: as many boxes for each image as for any other."""

from typing import Any

from tahr import ops
from tahr.layers.arguments import whole
from tahr.layers.image.base import BaseImageLayer

__all__ = ["MaxNumBoundingBoxes"]


class MaxNumBoundingBoxes(BaseImageLayer):
    """Keep a fixed number of bounding boxes: the first ones of many, and few of them with others that mean nothing.

    Args:
        max_number: how many.
        fill_value: coordinates and labels of those that mean nothing.

    >>> boxes = {"boxes": np.ones((1, 1, 4)), "labels": np.array([[3]])}
    >>> data = {"images": np.ones((1, 1, 1, 1)), "bounding_boxes": boxes}
    >>> keras.layers.MaxNumBoundingBoxes(2)(data)["bounding_boxes"]
    {'boxes': [[[1.0, 1.0, 1.0, 1.0], [-1.0, -1.0, -1.0, -1.0]]], 'labels': [[3, -1]]}
    """

    _keeps_integers = True

    def __init__(self, max_number: int, fill_value: float = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.max_number, self.fill_value = whole(max_number, "max_number", self), fill_value

    def _change_images(self, images: Any, transformation: Any) -> Any:
        return images

    def _box_count(self, count: Any) -> Any:
        return self.max_number

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """Return the first boxes, and others that mean nothing behind them."""
        return {key: self._filled(ops.convert_to_tensor(part)) for key, part in bounding_boxes.items()}

    def _filled(self, x: Any) -> Any:
        kept = x[:, : self.max_number]
        widths = [(0, 0)] * len(x.shape)
        widths[1] = (0, self.max_number - kept.shape[1])
        return ops.pad(kept, widths, constant_values=self.fill_value)
