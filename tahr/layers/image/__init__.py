"""Layers that resize, crop, turn, colour, mix and otherwise change images, with their labels, boxes and masks."""

__all__: list[str] = []  # `tahr.layers` offers the layers of these files
