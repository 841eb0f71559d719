"""`keras.backend` as Keras 1 and 2 had it: operations under their old names, and functions of a graph."""

import contextlib
import importlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tahr import config, ops
from tahr.compat.notices import notice
from tahr.variables import Variable, stateless_scope

__all__ = ["find", "listed"]

# Functions that today's operations take the place of, argument by argument.
_SAME = {
    "abs": "abs", "cos": "cos", "dot": "dot", "elu": "elu", "equal": "equal", "exp": "exp", "eye": "eye",
    "greater": "greater", "greater_equal": "greater_equal", "in_top_k": "in_top_k", "less": "less",
    "less_equal": "less_equal", "log": "log", "logsumexp": "logsumexp", "maximum": "maximum", "minimum": "minimum",
    "ndim": "ndim", "not_equal": "not_equal", "ones_like": "ones_like", "permute_dimensions": "transpose",
    "pow": "power", "reshape": "reshape", "round": "round", "shape": "shape", "sigmoid": "sigmoid", "sign": "sign",
    "sin": "sin", "softmax": "softmax", "softplus": "softplus", "softsign": "softsign", "sqrt": "sqrt",
    "square": "square", "squeeze": "squeeze", "stack": "stack", "stop_gradient": "stop_gradient", "tanh": "tanh",
    "tile": "tile", "transpose": "transpose", "zeros_like": "zeros_like", "cast": "cast", "clip": "clip",
    "slice": "slice",
}  # fmt: skip
_REDUCTIONS = ("all", "any", "max", "mean", "min", "prod", "std", "sum", "var")
_TODAY = {"image_dim_ordering": "image_data_format", "set_image_dim_ordering": "set_image_data_format"}
_WITHOUT = {
    "get_session": "there are no sessions; values are there at once",
    "set_session": "there are no sessions; leave it out",
    "get_graph": "there is no graph of operations; a model is one of layers",
    "rnn": "use layers.RNN(cell), or ops.scan",
    "local_conv1d": "use ops.unfold and ops.einsum",
    "local_conv2d": "use ops.unfold and ops.einsum",
}


def find(name: str) -> Any:
    """Return what `keras.backend` had under a name in Keras 1 or 2.

    Raises:
        AttributeError: if it had nothing, or what has no counterpart; the message says what to use.

    >>> from tahr.compat import backend as K
    >>> K.find("mean")(np.array([[1.0, 2.0], [3.0, 5.0]]), axis=-1)
    [1.5, 4.0]
    """
    if name in _WITHOUT:
        raise AttributeError(f"keras.backend.{name} is not in tahr: {_WITHOUT[name]}.")
    if name in _FUNCTIONS:
        found = _FUNCTIONS[name]
    elif name in _SAME:
        found = getattr(ops, _SAME[name])
    elif name in _REDUCTIONS:
        found = _reduction(name)
    else:
        raise AttributeError(f"module 'keras.backend' has no attribute {name!r}")
    today = _TODAY.get(name) or (f"ops.{_SAME.get(name, name)}" if hasattr(ops, _SAME.get(name, name)) else None)
    notice(f"backend.{name}", f"use {today}" if today else "there are operations in ops and random", "keras.backend")
    return found


def listed() -> list[str]:
    """Return the names that `find` knows."""
    return sorted({*_FUNCTIONS, *_SAME, *_REDUCTIONS})


def _reduction(name: str) -> Callable[..., Any]:
    def run(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        axis = tuple(axis) if isinstance(axis, list) else axis
        return getattr(ops, name)(x, axis=axis, keepdims=keepdims)

    run.__name__ = name
    return run


# ---- variables ------------------------------------------------------------------------------------------------------


class _Recording(threading.local):
    """What the functions below do inside `get_updates` of an optimizer: nothing happens twice, nothing at once."""

    made: list[Variable] | None = None
    position = 0
    first = True


_recording = _Recording()


@contextlib.contextmanager
def recorded_state(made: list[Variable], first: bool) -> Iterator[None]:
    """Run code that makes variables each time as if it made them once: `made` holds them after the first run."""
    before = _recording.made, _recording.position, _recording.first
    _recording.made, _recording.position, _recording.first = made, 0, first
    try:
        yield
    finally:
        _recording.made, _recording.position, _recording.first = before


def variable(value: Any, dtype: Any = None, name: str | None = None, constraint: Any = None) -> Variable:
    """Return a variable that begins with a value."""
    if _recording.made is not None and not _recording.first:
        _recording.position += 1
        return _recording.made[_recording.position - 1]
    made = Variable(np.asarray(value) if not hasattr(value, "dtype") else value, dtype=dtype or config.floatx(),
                    trainable=_recording.made is None, name=name)  # fmt: skip
    made.constraint = constraint
    if _recording.made is not None:
        _recording.made.append(made)
    return made


def _filled(make: Callable[..., Any], shape: Any, dtype: Any, name: str | None) -> Any:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if _recording.made is None and stateless_scope() is not None:
        return getattr(ops, make.__name__)(shape, dtype=dtype or config.floatx())
    return variable(make(shape), dtype=dtype, name=name)


def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    return _filled(np.zeros, shape, dtype, name)


def ones(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    return _filled(np.ones, shape, dtype, name)


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    found = ops.convert_to_tensor(value, dtype=dtype or config.floatx())
    return found if shape is None else ops.broadcast_to(found, tuple(shape))


def get_value(x: Any) -> Any:
    return ops.convert_to_numpy(x)


def set_value(x: Any, value: Any) -> None:
    if not isinstance(x, Variable):
        raise TypeError(
            f"set_value: expected a variable; received {type(x).__name__}. A learning rate that follows a schedule "
            "cannot be set to a number."
        )
    x.assign(value)


def update(x: Any, new_x: Any) -> Any:
    """Set a variable; inside `get_updates`, return what to set after it."""
    if _recording.made is not None:
        return x, new_x
    x.assign(new_x)
    return x


def update_add(x: Any, increment: Any) -> Any:
    return update(x, x + ops.cast(increment, x.dtype))


def update_sub(x: Any, decrement: Any) -> Any:
    return update(x, x - ops.cast(decrement, x.dtype))


def moving_average_update(x: Any, value: Any, momentum: float) -> Any:
    return update(x, x * momentum + value * (1.0 - momentum))


# ---- shapes and values ----------------------------------------------------------------------------------------------


def int_shape(x: Any) -> Any:
    return tuple(x.shape) if hasattr(x, "shape") else None


def _concatenate(tensors: Any, axis: int = -1) -> Any:
    return ops.concatenate(tensors, axis=axis)


def expand_dims(x: Any, axis: int = -1) -> Any:
    return ops.expand_dims(x, axis)


def argmax(x: Any, axis: int = -1) -> Any:
    return ops.argmax(x, axis=axis)


def argmin(x: Any, axis: int = -1) -> Any:
    return ops.argmin(x, axis=axis)


def cumsum(x: Any, axis: int = 0) -> Any:
    return ops.cumsum(x, axis=axis)


def cumprod(x: Any, axis: int = 0) -> Any:
    return ops.cumprod(x, axis=axis)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = "int32") -> Any:
    return ops.arange(start, stop, step, dtype=dtype)


def flatten(x: Any) -> Any:
    return ops.reshape(x, (-1,))


def batch_flatten(x: Any) -> Any:
    return ops.reshape(x, (-1, int(np.prod(x.shape[1:]))))


def gather(reference: Any, indices: Any) -> Any:
    return ops.take(reference, ops.cast(indices, "int32"), axis=0)


def one_hot(indices: Any, num_classes: int) -> Any:
    return ops.one_hot(ops.cast(indices, "int32"), num_classes)


def repeat(x: Any, n: int) -> Any:
    """Return rows of shape (batch, features) n times over: (batch, n, features)."""
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    return ops.repeat(x, rep, axis=axis)


def reverse(x: Any, axes: Any) -> Any:
    return ops.flip(x, axis=axes)


def l2_normalize(x: Any, axis: Any = None) -> Any:
    x = ops.convert_to_tensor(x)
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))


def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    from tahr.layers import Dot

    if axes is None:
        axes = (len(x.shape) - 1, max(1, len(y.shape) - 2))
    return Dot(axes=axes if isinstance(axes, int) else tuple(axes))([x, y])


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    then, other = (e() if callable(e) else e for e in (then_expression, else_expression))
    condition = ops.cast(condition, "bool")
    while len(condition.shape) < len(getattr(then, "shape", ())):
        condition = ops.expand_dims(condition, -1)
    return ops.where(condition, then, other)


def map_fn(fn: Callable[[Any], Any], elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    return ops.map(fn, elems)


def foldl(fn: Callable[[Any, Any], Any], elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    start = elems[0] if initializer is None else initializer
    rest = elems[1:] if initializer is None else elems
    return ops.scan(lambda carry, x: (fn(carry, x), None), start, rest)[0]


def foldr(fn: Callable[[Any, Any], Any], elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    return foldl(fn, ops.flip(elems, axis=0), initializer)


def cast_to_floatx(x: Any) -> Any:
    return np.asarray(x, dtype=config.floatx()) if not hasattr(x, "dtype") or isinstance(x, np.ndarray) else ops.cast(
        x, config.floatx()
    )  # fmt: skip


def _eval(x: Any) -> Any:
    return ops.convert_to_numpy(x)


def print_tensor(x: Any, message: str = "") -> Any:
    if hasattr(x, "shape") and not hasattr(x, "history"):
        print(message, ops.convert_to_numpy(x))
    return x


# ---- networks -------------------------------------------------------------------------------------------------------


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    from tahr import activations

    return activations.relu(x, negative_slope=alpha, max_value=max_value, threshold=threshold)


def hard_sigmoid(x: Any) -> Any:
    from tahr.saving.legacy.arguments import legacy_hard_sigmoid

    return legacy_hard_sigmoid(x)


def dropout(x: Any, level: float, noise_shape: Any = None, seed: Any = None) -> Any:
    from tahr import random

    return random.dropout(x, level, noise_shape=noise_shape, seed=seed)


def _loss(name: str, argument: str = "axis") -> Callable[..., Any]:
    def run(target: Any, output: Any, from_logits: bool = False, **kwargs: Any) -> Any:
        return getattr(ops, name)(target, output, from_logits=from_logits, **kwargs)

    run.__name__ = name
    return run


def _conv(rank: int) -> Callable[..., Any]:
    def run(x: Any, kernel: Any, strides: Any = 1, padding: str = "valid", data_format: Any = None,
            dilation_rate: Any = 1) -> Any:  # fmt: skip
        return ops.conv(x, kernel, strides=strides, padding=padding, data_format=data_format,
                        dilation_rate=dilation_rate)  # fmt: skip

    run.__name__ = f"conv{rank}d"
    return run


def _pool(rank: int) -> Callable[..., Any]:
    def run(x: Any, pool_size: Any, strides: Any = 1, padding: str = "valid", data_format: Any = None,
            pool_mode: str = "max") -> Any:  # fmt: skip
        pool = ops.max_pool if pool_mode == "max" else ops.average_pool
        return pool(x, pool_size, strides=strides, padding=padding, data_format=data_format)

    run.__name__ = f"pool{rank}d"
    return run


def bias_add(x: Any, bias: Any, data_format: Any = None) -> Any:
    if config.standardize_data_format(data_format) == "channels_first" and len(x.shape) > 2:
        return x + ops.reshape(bias, (1, -1, *[1] * (len(x.shape) - 2)))
    return x + bias


def temporal_padding(x: Any, padding: Any = (1, 1)) -> Any:
    return ops.pad(x, [(0, 0), tuple(padding), (0, 0)])


def spatial_2d_padding(x: Any, padding: Any = ((1, 1), (1, 1)), data_format: Any = None) -> Any:
    sides = [tuple(side) for side in padding]
    first = config.standardize_data_format(data_format) == "channels_first"
    return ops.pad(x, [(0, 0), (0, 0), *sides] if first else [(0, 0), *sides, (0, 0)])


def resize_images(x: Any, height_factor: int, width_factor: int, data_format: Any = None,
                  interpolation: str = "nearest") -> Any:  # fmt: skip
    from tahr.layers import UpSampling2D

    return UpSampling2D((height_factor, width_factor), data_format=data_format, interpolation=interpolation)(x)


def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Any:
    """Return the CTC loss of each row, of shape (batch, 1); the last class is the blank."""
    lengths = [ops.cast(ops.reshape(n, (-1,)), "int32") for n in (label_length, input_length)]
    logits = ops.log(y_pred + config.epsilon())
    found = ops.ctc_loss(ops.cast(y_true, "int32"), logits, *lengths, mask_index=y_pred.shape[-1] - 1)
    return ops.expand_dims(found, 1)


def _random(name: str, *names: str) -> Callable[..., Any]:
    def run(shape: Any, *args: Any, dtype: Any = None, seed: Any = None, **kwargs: Any) -> Any:
        from tahr import random

        kwargs = {**dict(zip(names, args, strict=False)), **kwargs}
        return getattr(random, name)(tuple(shape), dtype=dtype or config.floatx(), seed=seed, **kwargs)

    return run


def random_bernoulli(shape: Any, p: float = 0.0, dtype: Any = None, seed: Any = None) -> Any:
    from tahr import random

    return ops.cast(random.uniform(tuple(shape), seed=seed) < p, dtype or config.floatx())


# ---- graphs ---------------------------------------------------------------------------------------------------------


def placeholder(shape: Any = None, ndim: int | None = None, dtype: Any = None, sparse: bool = False,
                name: str | None = None) -> Any:  # fmt: skip
    from tahr.layers import Input

    shape = tuple(shape) if shape is not None else (None,) * (ndim or 0)
    return Input(batch_shape=shape, dtype=dtype, name=name)


class _Phase:
    """Stands for whether layers are in training, also as an input of `function`."""

    def __bool__(self) -> bool:
        return bool(_layer_context().training)

    def __int__(self) -> int:
        return int(bool(self))

    __index__ = __int__


_phase = _Phase()


def _layer_context() -> Any:
    return importlib.import_module("tahr.layers.layer")._context


def learning_phase() -> Any:
    return _phase


def set_learning_phase(value: Any) -> None:
    """Say whether layers called from now on by this thread are in training, where nothing else says so."""
    _layer_context().training = bool(value)


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    chosen = x if (_phase if training is None else training) else alt
    return chosen() if callable(chosen) else chosen


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    return in_train_phase(alt, x, training)


class function:
    """Computes symbols from other symbols: `function([model.input], [layer.output])([x])[0]`.

    Args:
        inputs: symbols, of which one may be `learning_phase()`.
        outputs: symbols, or one.

    >>> from tahr.compat import backend as K
    >>> x = keras.Input((2,))
    >>> run = K.function([x, K.learning_phase()], [x * 2.0])
    >>> run([np.ones((1, 2)), 0])[0]
    [[2.0, 2.0]]
    """

    def __init__(self, inputs: Any, outputs: Any, updates: Any = None, **kwargs: Any):
        from tahr.models import Model

        if updates:
            raise ValueError("function: `updates` are not made by functions of a graph; assign the variables instead.")
        given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        self._phase_at = next((i for i, x in enumerate(given) if isinstance(x, _Phase)), None)
        self._single = not isinstance(outputs, (list, tuple))
        symbols = [x for x in given if not isinstance(x, _Phase)]
        self._model = Model(symbols, [outputs] if self._single else list(outputs))

    def __call__(self, inputs: Any) -> Any:
        values = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        training = bool(values.pop(self._phase_at)) if self._phase_at is not None else False
        found = self._model([np.asarray(v) for v in values], training=training)
        arrays = [ops.convert_to_numpy(x) for x in (found if isinstance(found, (list, tuple)) else [found])]
        return arrays[0] if self._single else arrays


def gradients(loss: Any, variables: Any) -> list[Any]:
    """Return symbols for the gradient of the sum of `loss`, a symbol, with respect to symbols that it depends on."""
    from tahr.compat.gradients import gradient

    several = variables if isinstance(variables, (list, tuple)) else [variables]
    return [gradient(loss, symbol) for symbol in several]


def _batch_set_value(tuples: Sequence[tuple[Any, Any]]) -> None:
    for x, value in tuples:
        set_value(x, value)


def _dim_ordering() -> str:
    return {"channels_first": "th", "channels_last": "tf"}[config.image_data_format()]


def _set_dim_ordering(order: str) -> None:
    config.set_image_data_format({"th": "channels_first", "tf": "channels_last"}[order])


def _name_scope(name: str) -> Any:
    from tahr import naming

    return naming.name_scope(name)


_OWN = (
    arange, argmax, argmin, batch_dot, batch_flatten, bias_add, cast_to_floatx, constant, ctc_batch_cost, cumprod,
    cumsum, dropout, expand_dims, flatten, foldl, foldr, function, gather, get_value, gradients, hard_sigmoid,
    in_test_phase, in_train_phase, int_shape, l2_normalize, learning_phase, map_fn, moving_average_update, one_hot,
    ones, placeholder, print_tensor, random_bernoulli, relu, repeat, repeat_elements, resize_images, reverse,
    set_learning_phase, set_value, spatial_2d_padding, switch, temporal_padding, update, update_add, update_sub,
    variable, zeros,
)  # fmt: skip
_FUNCTIONS: dict[str, Any] = {
    **{f.__name__: f for f in _OWN},
    **{f"conv{n}d": _conv(n) for n in (1, 2, 3)},
    **{f"pool{n}d": _pool(n) for n in (2, 3)},
    **{name: _loss(name) for name in ("binary_crossentropy", "categorical_crossentropy",
                                      "sparse_categorical_crossentropy")},
    "batch_get_value": lambda tensors: [get_value(x) for x in tensors],
    "batch_set_value": _batch_set_value,
    "concatenate": _concatenate,
    "count_params": lambda x: int(np.prod(x.shape)),
    "dtype": lambda x: str(x.dtype),
    "eval": _eval,
    "identity": lambda x, name=None: x + 0,
    "image_dim_ordering": _dim_ordering,
    "is_sparse": lambda tensor: False,
    "manual_variable_initialization": lambda value: None,
    "name_scope": _name_scope,
    "random_binomial": random_bernoulli,
    "random_normal": _random("normal", "mean", "stddev"),
    "random_normal_variable": lambda shape, mean, scale, dtype=None, name=None, seed=None: variable(
        _random("normal")(shape, mean=mean, stddev=scale, seed=seed), dtype, name),
    "random_uniform": _random("uniform", "minval", "maxval"),
    "random_uniform_variable": lambda shape, low, high, dtype=None, name=None, seed=None: variable(
        _random("uniform")(shape, minval=low, maxval=high, seed=seed), dtype, name),
    "set_image_dim_ordering": _set_dim_ordering,
    "to_dense": lambda tensor: tensor,
    "truncated_normal": _random("truncated_normal", "mean", "stddev"),
}  # fmt: skip
