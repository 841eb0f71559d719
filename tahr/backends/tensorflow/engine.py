"""The backend's duties: arrays, variables, compiled functions and loops."""

import contextlib
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import optree

from tahr import dtypes
from tahr.backends.backend import Backend, numpy_dtype, to_host
from tahr.backends.tensorflow.autodiff import Autodiff
from tahr.backends.tensorflow.loading import tf
from tahr.backends.tensorflow.random import Draws
from tahr.backends.tensorflow.recurrent import Recurrent
from tahr.backends.tensorflow.stateful import Stateful
from tahr.backends.tensorflow.trackable import Keeper, KeptVariable, catch_up
from tahr.backends.tensorflow.windows import Windows

DTYPES = {
    name: getattr(tf, name)
    for name in (*dtypes.BOOLEANS, *dtypes.INTEGERS, *dtypes.FLOATS, *dtypes.COMPLEXES)
    if hasattr(tf, name)
}
for _name in ("float8_e4m3fn", "float8_e5m2", "int4"):
    DTYPES[_name] = getattr(tf.dtypes.experimental, _name)
ALIGNED = 64  # where TensorFlow's kernels expect arrays to begin


class TensorFlow(Autodiff, Draws, Recurrent, Stateful, Windows, Backend):
    """Operations are functions of `tf` and its modules; a variable holds a `tf.Variable`."""

    name = "tensorflow"
    exports = {"tf_saved_model": "tahr.backends.tensorflow.beside.saved_model"}
    spaces = (tf.math, tf.nn, tf)
    names = {
        **{f"arc{name}": f"a{name}" for name in ("cos", "cosh", "sin", "sinh", "tan", "tan2", "tanh")},
        "i0": "bessel_i0",
    }
    avoid = {
        "elu": "takes no alpha",
        "leaky_relu": "calls the slope alpha",
    }
    numbers = frozenset(
        ("add", "subtract", "multiply", "divide", "floor_divide", "mod", "power", "maximum", "minimum")
        + ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    )
    compute_as = {"uint16": "int32", "uint32": "int64"}
    wider = {
        **dict.fromkeys(("bool", "uint8", "int8", "int16", "uint16"), "int32"),
        **dict.fromkeys(("float16", "bfloat16"), "float32"),
        "uint32": "int64",
    }
    trains = True
    reads = True
    _known: ClassVar[set[type]] = set()  # classes whose values TensorFlow's own functions take

    def tensor(self, x: Any, dtype: str | None = None) -> Any:
        if isinstance(x, tf.Tensor):
            if x.dtype is tf.string and dtype is None:  # for layers that read text
                return x
            wanted = dtype or dtypes.canonical(dtypes.of(x))
            return x if x.dtype is DTYPES[wanted] else tf.cast(x, DTYPES[wanted])
        if isinstance(x, (tf.Variable, tf.IndexedSlices)):
            return self.tensor(tf.convert_to_tensor(x), dtype)
        if hasattr(x, "handle"):  # a Variable
            return self.tensor(x.value, dtype)
        if isinstance(x, (tf.SparseTensor, tf.RaggedTensor)):
            raise TypeError(
                f"Expected a dense tensor; received a {type(x).__name__}. Use tf.sparse.to_dense(x) or x.to_tensor()."
            )
        if isinstance(x, (list, tuple)) and _holds_tensor(x):
            return self.tensor(tf.stack(self._alike(x)), dtype)
        if type(x) in (bool, int, float) and dtype is not None:  # also of 64 bits, which some sums are made in
            return tf.constant(np.asarray(x).astype(numpy_dtype(dtype)), DTYPES[dtype])
        array = to_host(x, dtype)
        return tf.constant(array, DTYPES[dtypes.of(array)])

    def _alike(self, parts: Any) -> list[Any]:
        made = [self.tensor(v) for v in parts]
        kind = dtypes.common([v if type(v) in (bool, int, float) else m for v, m in zip(parts, made, strict=True)])
        return [self.cast(m, kind) for m in made]

    def to_numpy(self, x: Any) -> np.ndarray:
        return np.asarray(x.numpy() if hasattr(x, "numpy") else x)  # of a scalar, `numpy` gives a number

    def sizes(self, x: Any) -> tuple[Any, ...]:
        return tuple(tf.shape(x)[i] if n is None else n for i, n in enumerate(x.shape))

    def cast(self, x: Any, dtype: str) -> Any:
        wanted = DTYPES[dtypes.canonical(dtype)]
        if x.dtype is wanted:
            return x
        if x.dtype.is_complex and not wanted.is_complex:
            x = tf.math.real(x)  # tf.cast does so with a warning
        return x != 0 if wanted is tf.bool and x.dtype is not tf.bool else tf.cast(x, wanted)

    def settler(self, dtype: str) -> Callable[[Any], Any]:
        wanted = DTYPES[dtypes.canonical(dtype)]

        def settle(out: Any) -> Any:
            if type(out) is tuple or type(out) is list or out.dtype is wanted:
                return out
            return self.cast(out, dtype)

        return settle

    def is_tensor(self, x: Any) -> bool:
        return isinstance(x, (tf.Tensor, tf.Variable))

    def know_variables(self, kind: type) -> None:
        if kind not in self._known:
            self._known.add(kind)
            tf.register_tensor_conversion_function(kind, _convert)
            kind._should_act_as_resource_variable = True  # tapes take it for a source then
            _derive(kind, KeptVariable)

    def know_keepers(self, kind: type) -> None:
        super().know_keepers(kind)
        _derive(kind, Keeper)

    know_layers = know_keepers

    def catch_up(self, keeper: Any) -> None:
        catch_up(keeper)

    def new_variable(self, value: Any, dtype: str, trainable: bool) -> Any:
        if is_symbol(value):
            return self.cast(value, dtype)
        with tf.init_scope():
            return tf.Variable(self.tensor(value, dtype), trainable=trainable)

    def adopt(self, array: np.ndarray, dtype: str, trainable: bool) -> Any:
        host = to_host(array, dtype)
        if host.ctypes.data % ALIGNED or host.dtype.kind not in "fiu":  # what DLPack of NumPy does not know
            return self.new_variable(host, dtype, trainable)
        with tf.init_scope():
            return tf.Variable(tf.experimental.dlpack.from_dlpack(host.__dlpack__()), trainable=trainable)

    def read(self, held: Any) -> Any:
        return held.value() if isinstance(held, tf.Variable) else held

    def handle(self, held: Any) -> Any:
        return held.handle if isinstance(held, tf.Variable) else held

    def assign(self, old: Any, new: Any) -> Any:
        if not isinstance(old, tf.Variable):
            return new
        if new is not old:
            old.assign(new, read_value=False)
        return old

    def set_trainable(self, value: Any, trainable: bool) -> None:
        if isinstance(value, tf.Variable):
            value._trainable = trainable  # which tapes ask each time

    def publish(self, variables: Any, values: Any) -> None:
        for variable, value in zip(variables, values, strict=True):
            variable.publish(self.assign(variable._value, value))

    def concrete(self) -> contextlib.AbstractContextManager[Any]:
        return tf.init_scope()

    def scalars(self, numbers: tuple[int, ...]) -> tuple[Any, ...]:
        return tuple([tf.constant(n, tf.int32) for n in numbers])

    def rows(self, array: Any, order: Any, start: Any, size: int) -> Any:
        if order is None:
            return self.part(array, [start, *[0] * (len(array.shape) - 1)], (size, *array.shape[1:]))
        return tf.gather(array, self.part(order, [start], (size,)))

    def part(self, x: Any, starts: Any, sizes: tuple[int, ...]) -> Any:
        """Return the part of `x` of known size that begins at `starts`."""
        return tf.slice(x, tf.stack([tf.cast(s, tf.int32) for s in starts]), sizes) if sizes else x

    def reorder(self, arrays: Any, order: Any) -> Any:
        return optree.tree_map(lambda x: tf.gather(x, order), arrays)

    def abstract(self, fn: Callable[..., Any], specs: Any) -> Any:
        arrays = optree.tree_map(
            lambda s: tf.TensorSpec(s[0], DTYPES[s[1]]), specs, is_leaf=lambda s: isinstance(s, tuple)
        )
        found = tf.function(fn, autograph=False).get_concrete_function(*arrays).structured_outputs
        return optree.tree_map(lambda t: (tuple(t.shape), dtypes.of(t)), found)

    def compiling(self) -> bool:
        return not tf.executing_eagerly()

    def devices(self) -> list[str]:
        found = [d.name.removeprefix("/physical_device:").lower() for d in tf.config.list_physical_devices()]
        return sorted(found, key=lambda name: name.startswith("cpu"))

    def device(self, name: str | None) -> contextlib.AbstractContextManager[Any]:
        if name is None:
            return contextlib.nullcontext()
        kind, _, number = name.lower().replace("cuda", "gpu").partition(":")
        if f"{kind}:{number or 0}" not in self.devices():
            raise ValueError(f"device: tensorflow has {', '.join(self.devices())}; received {name!r}.")
        return tf.device(f"{kind}:{number or 0}")

    def profiling(self, folder: str) -> contextlib.AbstractContextManager[Any]:
        return tf.profiler.experimental.Profile(folder)

    def reader(self, data: Any) -> Callable[[], Any] | None:
        from tahr.backends.tensorflow import datasets

        return datasets.reader(data)

    def seed_all(self, seed: int) -> None:
        tf.random.set_seed(seed)


def _convert(variable: Any, dtype: Any = None, name: Any = None, as_ref: bool = False) -> Any:
    value = variable.value
    if dtype is not None and not dtype.is_compatible_with(value.dtype):
        raise ValueError(f"{variable.path} holds {value.dtype.name}, which does not mix with {dtype.name}.")
    return value


def _derive(kind: type, base: type) -> None:
    if not issubclass(kind, base):
        kind.__bases__ = (*kind.__bases__, base)


def is_symbol(x: Any) -> bool:
    """Return whether `x` is a tensor of a graph, which has no value yet."""
    return isinstance(x, tf.Tensor) and not hasattr(x, "numpy")


def _holds_tensor(x: Any) -> bool:
    return any(_holds_tensor(v) if isinstance(v, (list, tuple)) else isinstance(v, (tf.Tensor, tf.Variable)) for v in x)


def _keep_as_written() -> None:
    """Let AutoGraph, which rewrites what a user's `tf.function` calls, leave this library's own code alone."""
    from tensorflow.python.autograph.core import config

    config.CONVERSION_RULES = (config.DoNotConvert("tahr"), *config.CONVERSION_RULES)


_keep_as_written()
backend = TensorFlow()
from tahr.backends.tensorflow import control, indexing, math, nn  # noqa: E402, F401  (they register themselves on `backend`)
