"""Keras's older names for images in files and as arrays."""

from tahr.utils.images import array_to_img, img_to_array, load_img, save_img
from tahr.utils.resizing import smart_resize

__all__ = ["array_to_img", "img_to_array", "load_img", "save_img", "smart_resize"]
