"""Schedules: learning rates as functions of the number of updates made."""

from typing import Any

from tahr.optimizers.schedules.decay import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from tahr.optimizers.schedules.schedule import LearningRateSchedule
from tahr.saving.serialization import deserialize_keras_object, serialize_keras_object

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]

_NAMES: dict[str, Any] = {name: globals()[name] for name in __all__ if name[0].isupper()}


def serialize(learning_rate_schedule: LearningRateSchedule) -> Any:
    """Return a schedule as data that `deserialize` reads.

    >>> optimizers.schedules.serialize(optimizers.schedules.CosineDecay(0.1, 10))["config"]["decay_steps"]
    10
    """
    return serialize_keras_object(learning_rate_schedule)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the schedule that `serialize` wrote.

    >>> optimizers.schedules.deserialize(
    ...     optimizers.schedules.serialize(optimizers.schedules.CosineDecay(0.1, 10))
    ... ).decay_steps
    10
    """
    return deserialize_keras_object(config, custom_objects, module_objects=_NAMES)
