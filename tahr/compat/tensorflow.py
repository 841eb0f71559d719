"""The few parts of TensorFlow that programs of Keras use beside `tensorflow.keras`, by way of today's operations."""

import types
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import ops
from tahr.variables import Variable

__all__ = ["Part", "is_part", "missing"]

VERSION = "2.16.0"  # the first one whose `tensorflow.keras` is Keras 3

# Functions that an operation of the same arguments takes the place of, by position.
_OPS = {
    "abs": "abs", "add": "add", "argmax": "argmax", "argmin": "argmin", "argsort": "argsort", "cast": "cast",
    "ceil": "ceil", "clip_by_value": "clip", "cos": "cos", "cosh": "cosh", "cumsum": "cumsum", "divide": "divide",
    "einsum": "einsum", "equal": "equal", "erf": "erf", "exp": "exp", "expand_dims": "expand_dims", "eye": "eye",
    "floor": "floor", "greater": "greater", "greater_equal": "greater_equal", "less": "less",
    "less_equal": "less_equal", "linspace": "linspace", "log": "log", "log1p": "log1p", "logical_and": "logical_and",
    "logical_not": "logical_not", "logical_or": "logical_or", "maximum": "maximum", "minimum": "minimum",
    "multiply": "multiply", "negative": "negative", "norm": "norm", "not_equal": "not_equal", "one_hot": "one_hot",
    "ones_like": "ones_like", "pad": "pad", "pow": "power", "repeat": "repeat", "reshape": "reshape", "reverse": "flip",
    "round": "round", "rsqrt": "rsqrt", "shape": "shape", "sigmoid": "sigmoid", "sign": "sign", "sin": "sin",
    "sort": "sort", "sqrt": "sqrt", "square": "square", "squeeze": "squeeze", "stack": "stack",
    "stop_gradient": "stop_gradient", "subtract": "subtract", "tanh": "tanh", "tensordot": "tensordot",
    "tile": "tile", "unstack": "unstack", "where": "where", "zeros_like": "zeros_like",
}  # fmt: skip
_REDUCE = {f"reduce_{name}": name for name in ("all", "any", "max", "mean", "min", "prod", "std", "sum")}
_REDUCE |= {"reduce_variance": "var", "reduce_logsumexp": "logsumexp"}
_ACTIVATIONS = ("elu", "gelu", "leaky_relu", "log_softmax", "relu", "relu6", "selu", "sigmoid", "silu", "softmax",
                "softplus", "softsign", "swish", "tanh")  # fmt: skip
_DTYPES = ("bfloat16", "float16", "float32", "float64", "int16", "int32", "int64", "int8", "uint16", "uint32", "uint64",
           "uint8")  # fmt: skip


def _reduction(name: str) -> Callable[..., Any]:
    def run(input_tensor: Any, axis: Any = None, keepdims: bool = False, name_: Any = None, **kwargs: Any) -> Any:
        axis = tuple(axis) if isinstance(axis, list) else axis
        return getattr(ops, name)(input_tensor, axis=axis, keepdims=keepdims)

    return run


def _constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    found = ops.convert_to_tensor(value, dtype=dtype)
    return found if shape is None else ops.broadcast_to(found, tuple(shape))


def _variable(initial_value: Any, trainable: bool = True, dtype: Any = None, name: str | None = None,
              **kwargs: Any) -> Variable:  # fmt: skip
    value = initial_value() if callable(initial_value) else initial_value
    return Variable(value, trainable=trainable, dtype=dtype, name=name)


def _matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, **kwargs: Any) -> Any:
    a = ops.swapaxes(a, -1, -2) if transpose_a else a
    return ops.matmul(a, ops.swapaxes(b, -1, -2) if transpose_b else b)


def _seed(seed: int) -> None:
    from tahr.utils import set_random_seed

    set_random_seed(int(seed))


def _random(name: str) -> Callable[..., Any]:
    def run(shape: Any, *args: Any, **kwargs: Any) -> Any:
        from tahr import random

        return getattr(random, name)(tuple(int(n) for n in shape), *args, **kwargs)

    return run


def _devices(device_type: str | None = None) -> list[Any]:
    """Return the devices of the backend, of one kind if asked: "CPU" or "GPU"."""
    from tahr import backends

    found = [types.SimpleNamespace(name=name, device_type=_kind(name)) for name in backends.current().devices()]
    return [device for device in found if device_type in (None, device.device_type)]


def _kind(device: str) -> str:
    return "CPU" if device.lower().startswith("cpu") else "GPU"


def _function(func: Any = None, **kwargs: Any) -> Any:
    """Return a function as it is: the trainer compiles what it runs."""
    return func if func is not None else (lambda f: f)


def _nothing(*args: Any, **kwargs: Any) -> None:
    """Do nothing: what this set has no counterpart, and changes no result."""


def _table() -> dict[str, Any]:
    from tahr import activations

    flat: dict[str, Any] = {name: getattr(ops, today) for name, today in _OPS.items()}
    flat |= {name: _reduction(today) for name, today in _REDUCE.items()}
    flat |= {name: name for name in _DTYPES}
    flat |= {
        "Tensor": type(ops.zeros(())),
        "Variable": _variable,
        "__version__": VERSION,
        "bool": "bool",
        "concat": lambda values, axis=0, name=None: ops.concatenate(values, axis=axis),
        "constant": _constant,
        "convert_to_tensor": _constant,
        "fill": lambda dims, value: ops.full(tuple(dims), value),
        "function": _function,
        "gather": lambda params, indices, axis=0, **kwargs: ops.take(params, indices, axis=axis),
        "identity": lambda input, name=None: input,
        "is_tensor": ops.is_tensor,
        "matmul": _matmul,
        "ones": lambda shape, dtype="float32": ops.ones(tuple(shape), dtype=dtype),
        "range": ops.arange,
        "set_random_seed": _seed,
        "split": lambda value, num_or_size_splits, axis=0: ops.split(value, _cuts(num_or_size_splits), axis=axis),
        "transpose": lambda a, perm=None, **kwargs: ops.transpose(a, perm),
        "zeros": lambda shape, dtype="float32": ops.zeros(tuple(shape), dtype=dtype),
    }
    nested = {f"math.{name}": flat[name] for name in (*_OPS, *_REDUCE)}
    nested |= {f"nn.{name}": getattr(activations, name) for name in _ACTIVATIONS}
    nested |= {"linalg.matmul": _matmul, "linalg.norm": ops.norm}
    nested |= {
        "config.list_physical_devices": _devices,
        "config.experimental.list_physical_devices": _devices,
        "config.experimental.set_memory_growth": _nothing,
        "config.run_functions_eagerly": _nothing,
        "compat.v1.set_random_seed": _seed,
        "compat.v1.disable_eager_execution": _nothing,
        "compat.v1.disable_v2_behavior": _nothing,
        "compat.v1.logging.set_verbosity": _nothing,
        "compat.v1.logging.ERROR": 40,
        "executing_eagerly": lambda: True,
        "get_logger": _logger,
        "logging.set_verbosity": _nothing,
        "logging.ERROR": 40,
        "random.normal": _random("normal"),
        "random.set_seed": _seed,
        "random.uniform": _random("uniform"),
        "test.is_gpu_available": lambda *args, **kwargs: bool(_devices("GPU")),
        "version.VERSION": VERSION,
    }
    return flat | nested


def _cuts(pieces: Any) -> Any:
    """Return equal parts as their number, and sizes as the places between them."""
    return pieces if isinstance(pieces, int) else [int(n) for n in np.cumsum(pieces)[:-1]]


def _logger() -> Any:
    import logging

    return logging.getLogger("tahr")


_names: dict[str, Any] = {}
_PARTS = ("compat", "compat.v1", "compat.v1.logging", "compat.v2", "config", "config.experimental", "contrib", "linalg",
          "logging", "math", "nn", "python", "random", "test", "version")  # fmt: skip


def is_part(fullname: str) -> bool:
    """Return whether a module of TensorFlow is served, with what it has of it."""
    inner = fullname.partition(".")[2]
    return not inner or inner in _PARTS


def missing(name: str) -> str:
    """Return the message about a part of TensorFlow that is not served."""
    return (
        f"`tensorflow.{name}` is not served by tahr: of TensorFlow it offers `tensorflow.keras` and plain functions "
        f"such as tf.cast, tf.reduce_mean and tf.nn.softmax. Use keras.ops, keras.random or tahr.value_and_grad "
        f"instead of tf.{name}, or run the program on TensorFlow itself."
    )


class Part(types.ModuleType):
    """A module of TensorFlow as far as tahr stands in for it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        import importlib

        if not _names:
            _names.update(_table())
        inner = f"{self.__name__.partition('.')[2]}.{name}".removeprefix(".")
        for path in (inner, inner.removeprefix("compat.v1."), inner.removeprefix("compat.v2.")):
            if path in _names:
                return _names[path]
        if inner in _PARTS or (
            name == "keras" and inner in ("keras", "compat.v1.keras", "python.keras", "contrib.keras")
        ):
            return importlib.import_module(f"{self.__name__}.{name}")
        raise AttributeError(missing(inner))
