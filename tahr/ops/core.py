"""What an array is: making, casting and reading arrays, their shape and type, and stopping gradients."""

from typing import Any

import numpy as np

from tahr import backends, dtypes, shapes
from tahr.dtypes import free, moved
from tahr.ops.declare import op
from tahr.symbolic import KerasTensor


def _cast_spec(x: Any, dtype: Any) -> Any:
    return KerasTensor(shapes.of(x), dtypes.canonical(dtypes.standardize_dtype(dtype)), record_history=False)


@op(free, arrays=("x",), shape=_cast_spec, native=False)
def cast(x: Any, dtype: Any) -> Any:
    """Return `x` as `dtype`.

    >>> ops.cast([1.7, 0.0], "int32"), ops.cast([1.7, 0.0], "bool")
    ([1, 0], [True, False])
    """
    return backends.current().cast(x, dtypes.standardize_dtype(dtype))


def as_type(x: Any, dtype: str) -> Any:
    """Return `x` as `dtype`, or `x` itself, also if it is a variable, where it is of that type: no operation then."""
    return x if dtypes.of(x) == dtype else cast(x, dtype)


@op(free, arrays=("x",), shape=_cast_spec, native=False)
def saturate_cast(x: Any, dtype: Any) -> Any:
    """Return `x` as `dtype`, with numbers outside of its range brought to its ends.

    >>> ops.saturate_cast([-5.0, 300.0], "uint8")
    [0, 255]
    """
    from tahr.ops.elementwise import clip

    wanted, given = dtypes.canonical(dtypes.standardize_dtype(dtype)), dtypes.of(x)
    low, high = dtypes.limits(wanted)
    lowest, highest = dtypes.limits(given)
    if low <= lowest and high >= highest:
        return cast(x, wanted)
    return cast(clip(x, *(_inside(bound, given, wanted) for bound in (low, high))), wanted)


def _inside(bound: float, given: str, wanted: str) -> float:
    """Return the number nearest to `bound` that both types can hold."""
    if not dtypes.is_float(given) or not dtypes.is_int(wanted):
        return bound
    from tahr.backends.backend import numpy_dtype

    kind = numpy_dtype(given).type
    found = kind(bound)
    if int(found) > bound:  # the largest int32 is no float32; the next float above it would overflow
        found = np.nextafter(np.float32(bound), np.float32(0)) if given == "float32" else kind(bound * (1 - 2**-7))
    return float(found)


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """Return `x` (array of any library, Variable, number or nested lists) as an array of the backend.

    Args:
        x: what to convert; a symbol stays one.
        dtype: data type; None keeps that of arrays, and takes `floatx` for Python floats and int32 for ints.
        sparse: False asks for a dense array; None and True leave a sparse one (on JAX) as it is.
        ragged: False asks for an array that is not ragged.

    Raises:
        TypeError: if `x` holds text or objects.
        ValueError: if nested lists differ in length.

    >>> ops.convert_to_tensor([1, 2.5])
    [1.0, 2.5]
    """
    wanted = None if dtype is None else dtypes.canonical(dtypes.standardize_dtype(dtype))
    if isinstance(x, KerasTensor):
        x = x if wanted in (None, x.dtype) else cast(x, wanted)
        return _to_dense(x) if sparse is False and x.sparse else x
    engine = backends.current()
    return engine.tensor(x, wanted) if sparse is not False else engine.dense(engine.tensor(x, wanted))


@op(free, shape=shapes.unary, native=False)
def _to_dense(x: Any) -> Any:
    return x


def array(x: Any, dtype: Any = None) -> Any:
    """Return `x` as an array of the backend, of `dtype` if given.

    >>> ops.array([1, 2], dtype="float32")
    [1.0, 2.0]
    """
    return convert_to_tensor(x, dtype)


def convert_to_numpy(x: Any) -> np.ndarray:
    """Return `x` as a NumPy array on the host.

    >>> ops.convert_to_numpy(ops.ones((2,)))
    array([1., 1.], dtype=float32)
    """
    if isinstance(x, KerasTensor):
        x._refuse()
    x = getattr(x, "value", x) if hasattr(x, "handle") else x
    if isinstance(x, (list, tuple)):
        return np.array([convert_to_numpy(v) for v in x])
    return backends.current().to_numpy(x)


def is_tensor(x: Any) -> bool:
    """Return whether `x` is an array of the backend.

    >>> ops.is_tensor(ops.ones((2,))), ops.is_tensor([1.0])
    (True, False)
    """
    return backends.current().is_tensor(x)


def shape(x: Any) -> shapes.Shape:
    """Return the shape of `x` as a tuple, with None for unknown sizes of symbols.

    What a graph of TensorFlow's own leaves open, such as that of a `tf.function`, is an integer scalar of that graph.

    >>> ops.shape(ops.ones((2, 3))), ops.shape(keras.KerasTensor((None, 3)))
    ((2, 3), (None, 3))
    """
    known = shapes.of(x)
    is_open = any(n is None for n in known) and not isinstance(x, KerasTensor)
    return backends.current().sizes(x) if is_open else known


def dtype(x: Any) -> str:
    """Return the name of the data type of `x`.

    >>> ops.dtype(ops.ones((2,)))
    'float32'
    """
    return dtypes.of(x if hasattr(x, "dtype") else convert_to_tensor(x))


def ndim(x: Any) -> Any:
    """Return the number of dimensions of `x`.

    As Keras does, it answers with a symbol for a symbol of a functional graph, where `x.ndim` is the number.

    >>> ops.ndim(ops.ones((2, 3)))
    2
    """
    if isinstance(x, KerasTensor) and x.record_history:
        return KerasTensor((x.ndim,), x.dtype)
    return len(shapes.of(x))


@op(free, arrays=(), shape=lambda x: KerasTensor((), "int32", record_history=False), native=False)
def size(x: Any) -> Any:
    """Return the number of elements of `x`; of a symbol, a symbol for it.

    >>> ops.size(ops.ones((2, 3)))
    6
    """
    return shapes.known_size(shapes.of(x))


@op(moved, shape=shapes.unary)
def copy(x: Any) -> Any:
    """Return a copy of `x` with memory of its own.

    >>> ops.copy([1, 2])
    [1, 2]
    """
    ...


def _as_variable(variable: Any) -> shapes.Shape:
    return shapes.of(variable)


@op(free, shape=_as_variable, native=False)
def stop_gradient(variable: Any) -> Any:
    """Return `variable` as a constant: no gradient flows through it.

    >>> ops.stop_gradient([1.0, 2.0])
    [1.0, 2.0]
    """
    return backends.current().stop_gradient(variable)
