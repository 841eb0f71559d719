"""What convolutions, poolings and images share: where the channels are, one number an axis, zeros around the edges."""

from typing import Any

from tahr import config, shapes


def channels_last(data_format: str | None) -> bool:
    """Return whether channels are the last axis rather than the second one."""
    return config.standardize_data_format(data_format) == "channels_last"


def per_axis(value: Any, rank: int, what: str) -> tuple[int, ...]:
    """Return one positive whole number for each of `rank` axes from a number or a sequence.

    Raises:
        ValueError: if there are too many or too few, or one is not positive.
    """
    if type(value) is tuple and len(value) == rank and all(type(n) is int and n > 0 for n in value):
        return value
    values: Any = tuple(value) if hasattr(value, "__iter__") else (value,) * rank
    if len(values) == 1:
        values = values * rank
    if len(values) != rank:
        raise ValueError(f"{what}: expected a whole number or {rank} of them; received {value!r}.")
    for number in values:
        if not hasattr(number, "__index__") or isinstance(number, bool) or number < 1:
            raise ValueError(f"{what}: expected positive whole numbers; received {value!r}.")
    return tuple(int(number) for number in values)


def split_shape(shape: shapes.Shape, last: bool, what: str) -> tuple[shapes.Shape, int | None]:
    """Return the sizes of the spatial axes and the number of channels of a batch.

    Raises:
        ValueError: if there are not one to three spatial axes.
    """
    if not 3 <= len(shape) <= 5:
        raise ValueError(
            f"{what}: expected a batch with one, two or three spatial axes and channels; received shape {shape}."
        )
    return (shape[1:-1], shape[-1]) if last else (shape[2:], shape[1])


def join_shape(batch: int | None, sizes: Any, channels: int | None, last: bool) -> shapes.Shape:
    """Return the shape of a batch from its parts."""
    return (batch, *sizes, channels) if last else (batch, channels, *sizes)


def check_padding(padding: Any, what: str, causal: bool = False) -> str:
    """Return `padding` in lower case.

    Raises:
        ValueError: if it is not `"valid"` or `"same"` (or `"causal"` where that has a meaning).
    """
    known = ("valid", "same", "causal") if causal else ("valid", "same")
    name = padding.lower() if isinstance(padding, str) else padding
    if name not in known:
        raise ValueError(f"{what}: expected padding to be one of {known}; received {padding!r}.")
    return name


def edges(
    sizes: Any, widths: tuple[int, ...], strides: tuple[int, ...], padding: str, dilation: tuple[int, ...] | None = None
) -> tuple[tuple[int, int], ...]:
    """Return how many zeros come before and after each axis of known size."""
    dilation = dilation or (1,) * len(widths)
    if padding == "valid":
        return ((0, 0),) * len(widths)
    if padding == "causal":
        return tuple((d * (w - 1), 0) for w, d in zip(widths, dilation, strict=True))
    return tuple(shapes.same_padding(*each) for each in zip(sizes, widths, strides, dilation, strict=True))


def window_sizes(
    sizes: shapes.Shape,
    widths: tuple[int, ...],
    strides: tuple[int, ...],
    padding: str,
    dilation: tuple[int, ...] | None = None,
    what: str = "window",
) -> shapes.Shape:
    """Return how many windows fit along each axis.

    Raises:
        ValueError: if an axis is shorter than a window.
    """
    dilation = dilation or (1,) * len(widths)
    found = tuple(  # a kernel may be a symbol, of unknown widths
        None if w is None and padding == "valid" else shapes.window(n, w or 1, s, padding, d)
        for n, w, s, d in zip(sizes, widths, strides, dilation, strict=True)
    )
    for size, count in zip(sizes, found, strict=True):
        if size and count is not None and count < 1:
            raise ValueError(
                f"{what}: a window of {widths} (dilation {dilation}) does not fit into sizes {sizes}; use "
                "padding='same', a smaller window, or larger inputs."
            )
    return found
