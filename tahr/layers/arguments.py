"""What constructors of layers share: normalised arguments, and weights that find their parts by name."""

from typing import Any

from tahr import activations, constraints, initializers, regularizers
from tahr.variables import Variable

_ROOMS = {
    "initializer": initializers.get,
    "regularizer": regularizers.get,
    "constraint": constraints.get,
    "activation": activations.get,
}


def who(layer: Any) -> str:
    """Return the class and path of a layer, as errors begin with."""
    return f"{type(layer).__name__} {layer.path!r}"


def keep(layer: Any, **given: Any) -> None:
    """Set attributes of `layer`; what is named `..._initializer`, `..._regularizer`... becomes such an object.

    >>> from tahr.layers.arguments import keep
    >>> layer = keras.layers.Identity()
    >>> keep(layer, kernel_initializer="zeros", units=3)
    >>> type(layer.kernel_initializer).__name__, layer.units
    ('Zeros', 3)
    """
    for name, value in given.items():
        room = _ROOMS.get(name.rsplit("_", 1)[-1])
        if room is not None and (value is not None or room is activations.get):
            value = room(value)
        setattr(layer, name, value)


def weight(
    layer: Any, name: str, shape: Any, of: str | None = None, initializer: Any = None, **options: Any
) -> Variable:
    """Add the weight `name` with the layer's `{of}_initializer`, `{of}_regularizer` and `{of}_constraint`."""
    of = of or name
    return layer.add_weight(
        shape,
        initializer or getattr(layer, f"{of}_initializer"),
        regularizer=getattr(layer, f"{of}_regularizer", None),
        constraint=getattr(layer, f"{of}_constraint", None),
        name=name,
        **options,
    )


def whole(value: Any, name: str, layer: Any, least: int = 1) -> int:
    """Return `value` as an int of at least `least`.

    Raises:
        ValueError: if it is no such number.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        wanted = "a positive whole number" if least == 1 else f"a whole number of at least {least}"
        raise ValueError(f"{who(layer)}: expected `{name}` to be {wanted}; received {value!r}.")
    return value.__index__()


def sizes(value: Any, rank: int, name: str, layer: Any, least: int = 1) -> tuple[int, ...]:
    """Return one whole number for each of `rank` axes; a single number stands for all of them.

    Raises:
        ValueError: if there are too few or too many, or one is too small.
    """
    found = (value,) * rank if hasattr(value, "__index__") else tuple(value) if hasattr(value, "__iter__") else None
    if found is None or len(found) != rank:
        raise ValueError(f"{who(layer)}: expected `{name}` to be a whole number or {rank} of them; received {value!r}.")
    return tuple(whole(n, name, layer, least) for n in found)


def pairs(value: Any, rank: int, name: str, layer: Any) -> tuple[tuple[int, int], ...]:
    """Return (before, after) for each of `rank` axes from one number, a number an axis, or a pair an axis.

    Raises:
        ValueError: if `value` is none of these.
    """
    if hasattr(value, "__index__"):
        value = (value,) * rank
    if rank == 1 and hasattr(value, "__len__") and len(value) == 2:
        value = (value,)
    if not hasattr(value, "__len__") or len(value) != rank:
        raise ValueError(
            f"{who(layer)}: expected `{name}` to be a whole number, {rank} of them, or {rank} "
            f"pairs (before, after); received {value!r}."
        )
    found = []
    for item in value:
        before, after = sizes(item, 2, name, layer, 0)
        found.append((before, after))
    return tuple(found)


def choice(value: Any, options: tuple[Any, ...], name: str, layer: Any) -> Any:
    """Return `value` (in lower case) if it is one of `options`.

    Raises:
        ValueError: if it is not.
    """
    found = value.lower() if isinstance(value, str) else value
    if found not in options:
        raise ValueError(
            f"{who(layer)}: expected `{name}` to be one of {', '.join(map(repr, options))}; received {value!r}."
        )
    return found


def fraction(value: Any, name: str, layer: Any) -> float:
    """Return a probability from 0 to 1 (as it is).

    Raises:
        ValueError: if it is no number between 0 and 1.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"{who(layer)}: expected `{name}` from 0 to 1; received {value!r}.")
    return value


def check_mask(mask: Any, shape: Any, layer: Any, name: str = "mask") -> None:
    """Check that a mask has a shape; None in it fits any size.

    Raises:
        ValueError: if it has another.
    """
    if mask is None:
        return
    given, wanted = tuple(mask.shape), tuple(shape)
    if len(given) != len(wanted) or any(None not in (a, b) and a != b for a, b in zip(given, wanted, strict=True)):
        raise ValueError(
            f"{who(layer)}: expected `{name}` to have the shape {wanted} of what it masks; received {given}."
        )


def known(shape: Any, axis: int, layer: Any, what: str = "the inputs") -> int:
    """Return the size of `axis` of an input shape.

    Raises:
        ValueError: if it is unknown.
    """
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"{who(layer)}: {what} of shape {tuple(shape)} have no axis {axis}.")
    size = shape[axis]
    if size is None:
        raise ValueError(
            f"{who(layer)}: the size of axis {axis} of {what} must be known to make weights; "
            f"received shape {tuple(shape)}. Give it in keras.Input(...)."
        )
    return size
