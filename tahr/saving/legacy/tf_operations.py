"""TensorFlow functions in the graphs of tf.keras models (`TFOpLambda`, `SlicingOpLambda`), said with operations.

The names are a closed list: a file chooses among these functions and brings none of its own.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tahr import ops
from tahr.saving import registry

__all__ = ["MODULE", "find_tf_function", "upgrade_tf_call"]

MODULE = "tahr.saving.legacy.tf_operations"
CONSTANT = "_CONSTANT_VALUE"  # in the place of a layer: the first argument is a number

_UNARY = """abs acos:arccos acosh:arccosh asin:arcsin asinh:arcsinh atan:arctan atanh:arctanh ceil cos cosh erf exp
    expm1 floor imag is_finite:isfinite is_inf:isinf is_nan:isnan log log1p logical_not negative real reciprocal round
    rsqrt sigmoid sign sin sinh softplus sqrt square tan tanh"""
_BINARY = """add atan2:arctan2 divide divide_no_nan:_divide_no_nan equal floordiv:floor_divide floormod:mod greater
    greater_equal less less_equal logical_and logical_or logical_xor maximum minimum mod multiply not_equal pow:power
    squared_difference:_squared_difference subtract truediv:divide"""
_OPERATORS = """add and:logical_and eq:equal floordiv:floor_divide ge:greater_equal gt:greater le:less_equal
    lt:less matmul mod mul:multiply ne:not_equal or:logical_or pow:power sub:subtract truediv:divide xor:logical_xor"""
_REDUCTIONS = "all any max mean min prod std sum variance:var logsumexp"
_ACTIVATIONS = "relu relu6 elu selu sigmoid silu softplus softsign swish:silu tanh"


def _squared_difference(x: Any, y: Any) -> Any:
    return ops.square(ops.subtract(x, y))


def _divide_no_nan(x: Any, y: Any) -> Any:
    return ops.divide_no_nan(x, y)


def _index(tensor: Any, slice_spec: Any) -> Any:
    return ops.get_item(tensor, _key(slice_spec))


def _key(spec: Any) -> Any:
    if isinstance(spec, Mapping):
        return slice(spec.get("start"), spec.get("stop"), spec.get("step"))
    if isinstance(spec, (list, tuple)):
        return tuple(_key(member) for member in spec)
    return Ellipsis if spec in ("Ellipsis", "...") else spec


def _split(value: Any, num_or_size_splits: Any, axis: int = 0) -> Any:
    if isinstance(num_or_size_splits, int):
        return ops.split(value, num_or_size_splits, axis)
    ends = [sum(num_or_size_splits[: i + 1]) for i in range(len(num_or_size_splits) - 1)]
    return ops.split(value, ends, axis)


def _reshape(tensor: Any, shape: Any) -> Any:
    sizes = [n if isinstance(n, int) else -1 for n in shape]
    if sizes.count(-1) > 1:
        raise ValueError(
            f"A reshape to sizes of which {sizes.count(-1)} are computed cannot be read; received {shape!r}."
        )
    return ops.reshape(tensor, sizes)


def _squeeze(input: Any, axis: Any = None, squeeze_dims: Any = None) -> Any:
    axis = squeeze_dims if axis is None else axis
    return ops.squeeze(input, tuple(axis) if isinstance(axis, list) else axis)


def _matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    a = ops.swapaxes(a, -1, -2) if transpose_a else a
    return ops.matmul(a, ops.swapaxes(b, -1, -2) if transpose_b else b)


def _where(condition: Any, x: Any, y: Any) -> Any:
    return ops.where(condition, x, y)


def _gather(params: Any, indices: Any, axis: Any = None, batch_dims: int = 0) -> Any:
    if batch_dims:
        raise ValueError(f"tf.gather with batch_dims={batch_dims} cannot be read.")
    return ops.take(params, indices, 0 if axis is None else axis)


def _l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12) -> Any:
    axis = tuple(axis) if isinstance(axis, list) else axis
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), epsilon))


def _pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    mode = mode.lower()
    return ops.pad(tensor, paddings, mode, constant_values if mode == "constant" else None)


def _cumsum(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Any:
    if exclusive or reverse:
        raise ValueError("tf.cumsum with exclusive or reverse cannot be read.")
    return ops.cumsum(x, axis)


def _leaky_relu(features: Any, alpha: float = 0.2) -> Any:
    return ops.leaky_relu(features, alpha)


def _gelu(features: Any, approximate: bool = False) -> Any:
    return ops.gelu(features, approximate)


def _bias_add(value: Any, bias: Any) -> Any:
    return ops.add(value, bias)


def _add_n(inputs: Any) -> Any:
    total = inputs[0]
    for x in inputs[1:]:
        total = total + x
    return total


def _resize(images: Any, size: Any, method: str = "bilinear", antialias: bool = False) -> Any:
    return ops.image.resize(images, tuple(size), method, antialias, data_format="channels_last")


def _norm(tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: bool = False) -> Any:
    axis = tuple(axis) if isinstance(axis, list) else axis
    return ops.norm(tensor, None if ord == "euclidean" else ord, axis, keepdims)


def _tf(parameters: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes TensorFlow's names for the leading parameters of one of ours."""
    names = parameters.split()

    def call(*args: Any, **kwargs: Any) -> Any:
        given = dict(zip(names, args, strict=False)) | kwargs
        if unknown := sorted(set(given) - set(names)):
            raise TypeError(f"unexpected arguments {unknown}")
        last = max(names.index(name) for name in given)
        defaults = list(inspect.signature(function).parameters.values())
        values = [given.get(n, defaults[i].default) for i, n in enumerate(names[: last + 1])]
        return function(*[tuple(v) if isinstance(v, list) and i else v for i, v in enumerate(values)])

    return call


def _table() -> dict[str, Callable[..., Any]]:
    """Return the functions by TensorFlow's name without `tf.`."""
    table: dict[str, Callable[..., Any]] = {}

    def put(prefix: str, names: str, parameters: str | None = None) -> None:
        for entry in names.split():
            theirs, _, ours = entry.partition(":")
            function = globals().get(ours) or getattr(ops, ours or theirs)
            table[prefix + theirs] = _tf(parameters, function) if parameters else function

    put("math.", _UNARY, "x")
    put("math.", _BINARY, "x y")
    put("__operators__.", _OPERATORS, "x y")
    put("math.reduce_", _REDUCTIONS, "input_tensor axis keepdims")
    put("nn.", _ACTIVATIONS, "features")
    put("nn.", "softmax log_softmax", "logits axis")
    put("", "expand_dims", "input axis")
    put("", "concat:concatenate", "values axis")
    put("", "stack", "values axis")
    put("", "unstack", "value num axis")
    put("", "tile", "input multiples")
    put("", "repeat", "input repeats axis")
    put("", "reverse:flip", "tensor axis")
    put("", "roll", "input shift axis")
    put("", "transpose", "a perm")
    put("", "cast", "x dtype")
    put("", "broadcast_to", "input shape")
    put("", "clip_by_value:clip", "t clip_value_min clip_value_max")
    put("", "one_hot", "indices depth axis")
    put("", "zeros_like", "input dtype")
    put("", "ones_like", "input dtype")
    put("", "identity:copy", "input")
    put("", "stop_gradient", "input")
    put("", "tensordot", "a b axes")
    put("math.", "argmax argmin", "input axis")
    table |= {
        "__operators__.getitem": _index, "add_n": _add_n, "gather": _gather, "image.resize": _resize,
        "linalg.matmul": _matmul, "linalg.norm": _norm, "math.add_n": _add_n, "math.cumsum": _cumsum,
        "math.l2_normalize": _l2_normalize, "math.softplus": ops.softplus, "nn.bias_add": _bias_add, "nn.gelu": _gelu,
        "nn.leaky_relu": _leaky_relu, "pad": _pad, "reshape": _reshape, "split": _split, "squeeze": _squeeze,
        "strided_slice": _index, "where": _where,
    }  # fmt: skip
    return table


# Arguments that change no value.
_NO_MATTER = (
    "name",
    "conjugate",
    "validate_indices",
    "num_cores",
    "adjoint_a",
    "adjoint_b",
    "a_is_sparse",
    "b_is_sparse",
)
_found: dict[str, Callable[..., Any]] = {}


def find_tf_function(name: str) -> Callable[..., Any]:
    """Return what computes the TensorFlow function of that name, such as `math.reduce_mean`.

    Raises:
        TypeError: if it is not known; `custom_objects` may give it.
    """
    custom = registry.get_registered_object(f"tf.{name}")
    if custom is not None:
        return custom
    if not _found:
        _found.update(_table())
    plain = next((name.removeprefix(p) for p in ("compat.v1.", "compat.v2.") if name.startswith(p)), name)
    plain = plain.removesuffix("_v2")
    for candidate in (plain, *(f"{prefix}{plain.rsplit('.', 1)[-1]}" for prefix in ("", "math.", "nn.", "linalg."))):
        if candidate in _found:
            return _found[candidate]
    raise TypeError(
        f"Unknown function 'tf.{name}' in the graph of a tf.keras model. Write it with `keras.ops`, taking "
        f"TensorFlow's argument names, and pass custom_objects={{'tf.{name}': your_function}}."
    )


def upgrade_tf_call(node: Any, read: Callable[[Any], Any]) -> dict[str, Any]:
    """Return one call of a TensorFlow function in Keras 3's form: all arguments by position or by TensorFlow's names.

    Args:
        node: `[layer, call, output, keyword arguments]`, or a list of such for a function of a list.
        read: turns an argument, which may refer to layers, into Keras 3's form.
    """
    several = bool(node) and isinstance(node[0], (list, tuple))
    references = list(node) if several else [node]
    kwargs = dict(references[0][3]) if len(references[0]) > 3 else {}
    first = [r[2] if r[0] == CONSTANT else read(list(r[:3])) for r in references]
    kwargs = {key: read(value) for key, value in kwargs.items() if key not in _NO_MATTER}
    return {"args": [first if several else first[0]], "kwargs": kwargs}
