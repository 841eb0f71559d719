"""What constructors' arguments were called in Keras 1 and 2, put into today's names."""

from typing import Any

from tahr.compat.notices import notice
from tahr.recording import own_class, parameters_of
from tahr.saving.legacy.arguments import BY_CLASS, REMOVED, RENAMED

__all__ = ["kernel_axes", "modern_arguments", "only_keras_1", "today_of"]

# What files never hold, but programs said.
_RENAMED_IN_PROGRAMS = {
    "alpha": "negative_slope", "beta_init": "beta_initializer", "bins": "num_bins", "input": "inputs",
    "filter_size": "kernel_size", "m": "max_value", "max_tokens": "num_tokens", "output": "outputs",
    "pad": "padding", "stride_length": "strides", "theta": "threshold", "thresholds": "threshold",
    "lambda1": "l1", "lambda2": "l2", "beta1": "beta_1", "beta2": "beta_2", "epsilon": "min_delta",
}  # fmt: skip
_DROPPED = {
    "adjustment", "batch_size", "distribute", "embeddings_data", "embeddings_freq_data", "embeddings_layer_names",
    "input_tensor", "lambda_", "period", "load_weights_on_restart", "schedule_decay", "share_weights", "sparse_labels",
    "tensor", "write_grads",
}  # fmt: skip
_SHAPES = ("input_shape", "batch_input_shape", "input_dim")
_SERIES = {"Conv1D", "GRU", "LSTM", "RNN", "SeparableConv1D", "SimpleRNN"}
# How many axes of the kernel Keras 1 took as arguments of their own: `Convolution2D(32, 3, 3)`.
_KERNEL_AXES = {"Conv2D": ("nb_row", "nb_col"), "Conv2DTranspose": ("nb_row", "nb_col"),
                "Conv3D": ("kernel_dim1", "kernel_dim2", "kernel_dim3"),
                "SeparableConv2D": ("nb_row", "nb_col")}  # fmt: skip
_ONLY_KERAS_1 = {
    "W_constraint", "W_regularizer", "atrous_rate", "b_constraint", "b_regularizer", "bias", "border_mode",
    "dim_ordering", "init", "subsample",
}  # fmt: skip


def modern_arguments(made: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
    """Return the arguments of a constructor of tahr with today's names; what nobody knows stays for it to refuse.

    Args:
        made: the object that is being made.
        args: its positional arguments.
        kwargs: its keyword arguments.

    >>> keras.layers.Dense(output_dim=3, W_regularizer="l2").units
    3
    """
    from tahr.layers.layer import Layer
    from tahr.optimizers.optimizer import Optimizer

    cls = own_class(type(made))
    accepted = {name for name, _, _ in parameters_of(cls)}
    before = args, dict(kwargs)
    if isinstance(made, Optimizer):
        args, kwargs = _optimizer(cls, accepted, args, kwargs)
    elif isinstance(made, Layer):
        args, kwargs = _kernel(cls.__name__, args, kwargs)
        kwargs = _layer(made, cls.__name__, accepted, kwargs)
    found: dict[str, Any] = {}
    for key, value in kwargs.items():
        if key == "period" and key not in accepted and value != 1:
            raise ValueError(
                f"{cls.__name__}: period={value!r} counted epochs; today save_freq counts batches. Pass "
                f"save_freq={value!r} * batches_per_epoch."
            )
        today = key if key in accepted or key in _SHAPES else _today(cls.__name__, key, accepted)
        if today is not None:
            found[today] = value
    recorded = made.__dict__.get("_recorded")
    if recorded is not None and len(recorded[0]) == len(before[0]) and recorded[1].keys() == before[1].keys():
        made.__dict__["_recorded"] = args, {k: v for k, v in found.items() if k in accepted}
    return args, found


def today_of(cls: type, key: str) -> tuple[str | None, bool]:
    """Return today's name of an argument of a class, and whether it is known; None stands for none any more.

    >>> from tahr.compat.arguments import today_of
    >>> today_of(layers.Dense, "output_dim"), today_of(layers.Dense, "units")
    (('units', True), ('units', True))
    """
    accepted = {name for name, _, _ in parameters_of(cls)}
    if key in accepted:
        return key, True
    renamed = {"dim_ordering": "data_format", "lr": "learning_rate"}.get(key) or _renamed(cls.__name__, key, accepted)
    if renamed in accepted:
        return renamed, True
    return (None, True) if key in REMOVED - {"decay"} else (key, False)


def kernel_axes(cls: str) -> tuple[str, ...]:
    """Return what Keras 1 called the sizes of a kernel that were arguments of their own."""
    return _KERNEL_AXES.get(cls, ())


def only_keras_1() -> set[str]:
    """Return arguments that say that a call is one of Keras 1."""
    return _ONLY_KERAS_1


def _renamed(cls: str, key: str, accepted: set[str]) -> str | None:
    candidates = [BY_CLASS.get(cls, {}).get(key), RENAMED.get(key), _RENAMED_IN_PROGRAMS.get(key)]
    if key.endswith("_init"):
        candidates.append(f"{key}ializer")
    return next((today for today in candidates if today in accepted), None)


def _today(cls: str, key: str, accepted: set[str]) -> str | None:
    """Return today's name of an argument, None if it says nothing any more, or the name itself if it is unknown."""
    today = _renamed(cls, key, accepted)
    if today is not None:
        notice(f"{cls}({key}=...)", f"write {today}=...", f"{key} {today}")
        return today
    if key in REMOVED or key in _DROPPED:
        notice(f"{cls}({key}=...)", "leave it out: it changes nothing", key)
        return None
    return key


def _optimizer(cls: type, accepted: set[str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from tahr.optimizers.legacy import modern_arguments as modern

    if kwargs.get("epsilon", 0) is None:
        notice(f"{cls.__name__}(epsilon=None)", "leave it out for the default", "epsilon=None")
    if "decay" in kwargs and "decay" not in accepted:
        if kwargs["decay"]:
            notice(f"{cls.__name__}(decay=...)", "pass schedules.InverseTimeDecay(rate, 1, decay)", "decay")
        else:
            notice(f"{cls.__name__}(decay=0.0)", "leave it out", "decay=0")
    if "lr" in kwargs:
        notice(f"{cls.__name__}(lr=...)", "write learning_rate=...", "lr")
    if args and kwargs.get("decay"):
        args, kwargs = args[1:], {"learning_rate": args[0], **kwargs}
        if args:
            names = [name for name, _, _ in parameters_of(cls) if name != "learning_rate"]
            kwargs = {**dict(zip(names, args, strict=False)), **kwargs}
        args = ()
    default = next((value for name, value, _ in parameters_of(cls) if name == "learning_rate"), 0.01)
    return args, modern(kwargs, default)


def _kernel(cls: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Put the sizes of a kernel together that Keras 1 took one by one."""
    axes = _KERNEL_AXES.get(cls, ())
    if axes and all(axis in kwargs for axis in axes):
        notice(f"{cls}({', '.join(f'{axis}=...' for axis in axes)})", "write kernel_size=(...)")
        kwargs = {"kernel_size": tuple(kwargs[a] for a in axes), **{k: v for k, v in kwargs.items() if k not in axes}}
    elif axes and len(args) == 1 + len(axes) and all(isinstance(a, int) for a in args) and _ONLY_KERAS_1 & set(kwargs):
        notice(f"{cls}{args}", f"write {cls}({args[0]}, {args[1:]})")
        args = args[0], args[1:]
    return args, kwargs


def _layer(layer: Any, cls: str, accepted: set[str], kwargs: dict[str, Any]) -> dict[str, Any]:
    kwargs = dict(kwargs)
    if "weights" in kwargs and "weights" not in accepted:
        notice(f"{cls}(weights=...)", "call layer.set_weights(...) once the model is built")
        start = kwargs.pop("weights")
        if start is not None:
            layer.__dict__["_start_weights"] = list(start)
    if "dim_ordering" in kwargs:
        notice(f"{cls}(dim_ordering=...)", "write data_format='channels_first' for 'th', 'channels_last' for 'tf'")
        order = kwargs.pop("dim_ordering")
        if order not in ("th", "tf", "default"):
            raise ValueError(f"{cls}: expected dim_ordering to be 'th', 'tf' or 'default'; received {order!r}.")
        if order != "default":
            kwargs["data_format"] = {"th": "channels_first", "tf": "channels_last"}[order]
    if "forget_bias_init" in kwargs:
        notice(f"{cls}(forget_bias_init=...)", "write unit_forget_bias=True for 'one', False for others")
        kwargs["unit_forget_bias"] = kwargs.pop("forget_bias_init") in ("one", "ones")
    if "input_length" in kwargs and "input_length" not in accepted:
        _input_length(cls, kwargs)
    if cls == "Concatenate" and "concat_axis" in kwargs:
        kwargs["axis"] = kwargs.pop("concat_axis")
    for key in _SHAPES:
        if key in kwargs and key not in accepted:
            notice(f"{cls}({key}=...)", "let the model begin with keras.Input(shape)", "input shape")
    return kwargs


def _input_length(cls: str, kwargs: dict[str, Any]) -> None:
    """Turn the length of the rows that a layer takes into the shape of its input."""
    notice(f"{cls}(input_length=...)", "let the model begin with keras.Input(shape)", "input shape")
    length = kwargs.pop("input_length")
    sizes = (length,) if isinstance(length, int) or length is None else tuple(length)
    if cls == "Embedding":
        kwargs.setdefault("batch_input_shape", (kwargs.pop("batch_size", None), *sizes))
    elif cls in _SERIES and "input_dim" in kwargs:
        kwargs["input_shape"] = (*sizes, kwargs.pop("input_dim"))
