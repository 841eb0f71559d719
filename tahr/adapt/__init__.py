"""Adapt a trained model to a new task by training little of it."""

from tahr.adapt.lora import LowRank, enable_lora

__all__ = ["LowRank", "enable_lora"]
