"""Losses: what training makes small. Each is a function of `(y_true, y_pred)`, and a class that reduces it."""

from collections.abc import Callable
from typing import Any

from tahr.losses.alignment import CTC, Circle, circle, ctc
from tahr.losses.crossentropy import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    sparse_categorical_crossentropy,
)
from tahr.losses.divergence import KLDivergence, Poisson, kl_divergence, poisson
from tahr.losses.hinge import CategoricalHinge, Hinge, SquaredHinge, categorical_hinge, hinge, squared_hinge
from tahr.losses.loss import FunctionLoss, Loss
from tahr.losses.overlap import Dice, Tversky, dice, tversky
from tahr.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from tahr.saving.serialization import deserialize_keras_object, find, serialize_keras_object

__all__ = [
    "CTC",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]

_SHORT: dict[str, Any] = {
    "mse": mean_squared_error,
    "mae": mean_absolute_error,
    "mape": mean_absolute_percentage_error,
    "msle": mean_squared_logarithmic_error,
    "bce": binary_crossentropy,
    "kld": kl_divergence,
    "logcosh": log_cosh,
    "huber_loss": huber,
    "kullback_leibler_divergence": kl_divergence,
}
_NAMES: dict[str, Any] = {
    name: globals()[name] for name in __all__ if name not in ("Loss", "deserialize", "get", "serialize")
}
_NAMES |= _SHORT | {name.upper(): fn for name, fn in _SHORT.items() if len(name) <= 4}


def get(identifier: Any) -> Callable[..., Any] | None:
    """Return the loss that a name, a config, a class or a callable stands for; None stands for itself.

    Raises:
        ValueError: if nothing of that name is known.

    >>> losses.get("mse").__name__
    'mean_squared_error'
    """
    return None if identifier is None else find(identifier, "a loss", _NAMES)


def serialize(loss: Any) -> Any:
    """Return a loss as data that `deserialize` reads.

    >>> losses.serialize(losses.Tversky(alpha=0.25))["config"]["alpha"]
    0.25
    """
    return serialize_keras_object(loss)


def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the loss that `serialize` wrote, or that a name stands for.

    >>> losses.deserialize(losses.serialize(losses.Tversky(alpha=0.25))).alpha
    0.25
    """
    return deserialize_keras_object(name, custom_objects, module_objects=_NAMES)


def __getattr__(name: str) -> Any:
    from tahr.compat.names import old_name

    return old_name("losses", name)
