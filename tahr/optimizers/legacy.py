"""Optimizers by the names and arguments of Keras 2: `lr` and `decay` are understood, and today's classes come out."""

from typing import Any, NamedTuple

__all__ = ["SGD", "Adagrad", "Adam", "Decayed", "Ftrl", "Optimizer", "RMSprop", "modern_arguments"]


class Decayed(NamedTuple):
    """A learning rate that is divided by `1 + decay * updates`, and whose numerator can be set, as in Keras 1 and 2."""

    rate: Any
    decay: float


def modern_arguments(kwargs: dict[str, Any], learning_rate: float) -> dict[str, Any]:
    """Return arguments with `lr` and `decay` as `learning_rate`, and `epsilon=None` as the default.

    Args:
        kwargs: arguments as Keras 1 and 2 took them.
        learning_rate: the default of the optimizer.

    >>> optimizers.legacy.modern_arguments({"lr": 0.5}, 0.1)
    {'learning_rate': 0.5}
    """
    modern = {k: v for k, v in kwargs.items() if k not in ("lr", "decay") and not (k == "epsilon" and v is None)}
    if "lr" in kwargs:
        modern["learning_rate"] = kwargs["lr"]
    if kwargs.get("decay"):
        modern["learning_rate"] = Decayed(modern.get("learning_rate", learning_rate), kwargs["decay"])
    return modern


class _Legacy:
    """Makes the optimizer of the same name from arguments of Keras 2."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        from tahr import optimizers
        from tahr.recording import parameters_of

        modern = getattr(optimizers, cls.__name__)
        default = next(value for name, value, _ in parameters_of(modern) if name == "learning_rate")
        if args:
            kwargs, args = {"learning_rate": args[0], **kwargs}, args[1:]
        made = modern_arguments(kwargs, default)
        return modern(made.pop("learning_rate", default), *args, **made)


class SGD(_Legacy):
    """`optimizers.SGD`, from arguments of Keras 2.

    >>> float(optimizers.legacy.SGD(lr=0.5, decay=1.0).learning_rate)
    0.5
    """


class RMSprop(_Legacy):
    """`optimizers.RMSprop`, from arguments of Keras 2.

    >>> float(optimizers.legacy.RMSprop(lr=0.5, epsilon=None).learning_rate)
    0.5
    """


class Adam(_Legacy):
    """`optimizers.Adam`, from arguments of Keras 2.

    >>> float(optimizers.legacy.Adam(lr=0.5).learning_rate)
    0.5
    """


class Adagrad(_Legacy):
    """`optimizers.Adagrad`, from arguments of Keras 2.

    >>> float(optimizers.legacy.Adagrad(lr=0.5).learning_rate)
    0.5
    """


class Ftrl(_Legacy):
    """`optimizers.Ftrl`, from arguments of Keras 2.

    >>> float(optimizers.legacy.Ftrl(lr=0.5).learning_rate)
    0.5
    """


class Optimizer(_Legacy):
    """`optimizers.Optimizer`, from arguments of Keras 2.

    >>> float(optimizers.legacy.Optimizer(0.5).learning_rate)
    0.5
    """
