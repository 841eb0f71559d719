"""Optimizers: from gradients to new weights."""

from typing import Any

from tahr.optimizers import legacy, schedules
from tahr.optimizers.adafactor import Adafactor
from tahr.optimizers.adam import Adam, Adamax, AdamW, Lamb, Nadam
from tahr.optimizers.adaptive import Adadelta, Adagrad, Ftrl, Lion
from tahr.optimizers.loss_scale import LossScaleOptimizer
from tahr.optimizers.multi import MultiOptimizer, OptimizerMap
from tahr.optimizers.muon import Muon
from tahr.optimizers.optimizer import Optimizer
from tahr.optimizers.rmsprop import RMSprop
from tahr.optimizers.schedule_free import ScheduleFreeAdamW
from tahr.optimizers.sgd import SGD
from tahr.saving.serialization import deserialize_keras_object, find, serialize_keras_object

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "MultiOptimizer",
    "Muon",
    "Nadam",
    "Optimizer",
    "OptimizerMap",
    "RMSprop",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "legacy",
    "schedules",
    "serialize",
]

_CLASSES: dict[str, Any] = {name: globals()[name] for name in __all__ if name[0].isupper() and name != "Optimizer"}
_NAMES = _CLASSES | {name.lower(): cls for name, cls in _CLASSES.items()}


def get(identifier: Any) -> Optimizer | None:
    """Return the optimizer that a name, a config, a class or an object stands for; None stands for itself.

    Raises:
        ValueError: if nothing of that name is known.

    >>> type(optimizers.get("adam")).__name__
    'Adam'
    """
    if identifier is None:
        return None
    found = find(identifier, "an optimizer", _NAMES)
    if not isinstance(found, Optimizer):
        raise ValueError(f"Expected an optimizer; received {identifier!r} of type {type(identifier).__name__}.")
    return found


def serialize(optimizer: Optimizer) -> Any:
    """Return an optimizer as data that `deserialize` reads; its state is not part of it.

    >>> optimizers.serialize(optimizers.SGD(momentum=0.5))["config"]["momentum"]
    0.5
    """
    return serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the optimizer that `serialize` wrote.

    >>> optimizers.deserialize(optimizers.serialize(optimizers.SGD(momentum=0.5))).momentum
    0.5
    """
    return deserialize_keras_object(config, custom_objects, module_objects=_NAMES)


def __getattr__(name: str) -> Any:
    from tahr.compat.names import old_name

    return old_name("optimizers", name)
