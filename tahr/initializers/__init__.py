"""First values of weights."""

from collections.abc import Mapping
from typing import Any

from tahr.initializers.constant import STFT, Constant, Identity, Ones, Zeros
from tahr.initializers.initializer import Initializer
from tahr.initializers.sampled import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)
from tahr.saving import serialization

constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
IdentityInitializer = identity = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
ones = Ones
OrthogonalInitializer = orthogonal = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
STFTInitializer = stft = STFT
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros

__all__ = [
    "STFT",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "STFTInitializer",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "stft",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

_SHORT = {"normal": RandomNormal, "one": Ones, "uniform": RandomUniform, "zero": Zeros}  # names of older files
_NAMES = {name: globals()[name] for name in __all__ if name not in ("deserialize", "get", "serialize", "Initializer")}


def get(identifier: Any) -> Any:
    """Return the initializer that a name, class, function, object, array or written form stands for; None stays None.

    Raises:
        ValueError: if it stands for none.

    >>> initializers.get("zeros")((2,))
    [0.0, 0.0]
    """
    if hasattr(identifier, "shape") and hasattr(identifier, "dtype"):
        return Constant(identifier)
    return None if identifier is None else deserialize(identifier)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the initializer that `serialize` wrote.

    >>> initializers.deserialize(initializers.serialize(initializers.Constant(2.0)))((1,))
    [2.0]
    """
    return serialization.find(config, "an initializer", {**_NAMES, **_SHORT}, custom_objects)


def serialize(initializer: Any) -> Any:
    """Return an initializer as data.

    >>> initializers.serialize(initializers.Zeros())["class_name"]
    'Zeros'
    """
    return serialization.serialize_keras_object(initializer)


def __getattr__(name: str) -> Any:
    from tahr.compat.names import old_name

    return old_name("initializers", name)
