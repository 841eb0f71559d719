"""Layers that resize, crop, turn, colour, mix and otherwise change images, with their labels, boxes and masks."""
