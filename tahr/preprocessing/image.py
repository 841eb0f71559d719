"""Keras's older names for images in files and as arrays, and generators of transformed batches."""

import importlib
from typing import TYPE_CHECKING, Any

from tahr.utils.images import array_to_img, img_to_array, load_img, save_img
from tahr.utils.resizing import smart_resize

if TYPE_CHECKING:
    from tahr.compat.image import ImageDataGenerator

__all__ = ["ImageDataGenerator", "array_to_img", "img_to_array", "load_img", "save_img", "smart_resize"]


def __getattr__(name: str) -> Any:
    for module in ("tahr.compat.image", "tahr.compat.image_batches", "tahr.compat.image_transforms"):
        found = importlib.import_module(module)
        if name in found.__all__:
            return getattr(found, name)
    raise AttributeError(f"module 'tahr.preprocessing.image' has no attribute {name!r}")
