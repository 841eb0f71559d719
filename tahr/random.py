"""Random numbers: a host stream for everything that happens once, and draws on the device for everything else.

Host draws (first weights, shuffles, splits) come from Philox, a counter-based generator, so a seed gives the same bits
on every backend. Device draws are functions of a seed state of two uint32 numbers and are the backend's own.
"""

import random as python_random
import threading
from typing import Any

import numpy as np

from tahr import backends, dtypes, ops, shapes
from tahr.naming import auto_name
from tahr.ops.declare import op
from tahr.recording import Recorded
from tahr.variables import Variable, stateless_scope

__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]


# ---- the host stream ------------------------------------------------------------------------------------------------


class _Host:
    """The stream of seeds that everything unseeded takes its own from."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.generator = host_generator(int.from_bytes(np.random.SeedSequence().generate_state(2).tobytes(), "little"))
        self.shared: SeedGenerator | None = None

    def restart(self, seed: int) -> None:
        with self.lock:
            self.generator = host_generator(seed)
            self.shared = None


def host_generator(seed: int) -> np.random.Generator:
    """Return a NumPy generator over Philox whose draws are a function of `seed` alone."""
    return np.random.Generator(np.random.Philox(key=seed % 2**128))


_host = _Host()


def host_seed() -> int:
    """Return a fresh seed of 32 bits from the host stream; the same ones in order after `set_seed`."""
    with _host.lock:
        return int(_host.generator.integers(0, 2**32, dtype=np.uint32))


def host_state() -> dict[str, Any]:
    """Return where the generators of the host are: the host stream, NumPy's and Python's."""
    with _host.lock:
        stream = _host.generator.bit_generator.state
    version, words, spare = python_random.getstate()
    python = {"version": version, "words": np.array(words, np.uint32), "spare": spare}
    return {"stream": stream, "numpy": np.random.get_state(legacy=False), "python": python}


def set_host_state(state: dict[str, Any]) -> None:
    """Put the generators of the host where they were when `host_state` returned `state`."""
    with _host.lock:
        _host.generator.bit_generator.state = state["stream"]
    np.random.set_state(state["numpy"])
    python = state["python"]
    python_random.setstate((python["version"], tuple(python["words"].tolist()), python["spare"]))


def set_seed(seed: int) -> None:
    """Restart every generator: Python's, NumPy's, the host stream, and the framework's own.

    Raises:
        ValueError: if `seed` is no whole number from 0 to 2**32 - 1.

    >>> keras.utils.set_random_seed(1)
    >>> first = random.uniform((2,))
    >>> keras.utils.set_random_seed(1)
    >>> bool(ops.all(random.uniform((2,)) == first))
    True
    """
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise ValueError(f"set_random_seed: expected a whole number from 0 to 2**32 - 1; received {seed!r}.")
    backends.current().seed_all(int(seed))  # first: a framework that is loaded now may draw numbers of NumPy
    python_random.seed(int(seed))
    np.random.seed(int(seed))
    _host.restart(int(seed))


# ---- seeds ----------------------------------------------------------------------------------------------------------


class SeedGenerator(Recorded):
    """Seeds for device draws, a new one at each `next()`, from a state that is saved and traced like weights.

    Args:
        seed: where it starts; None takes a seed from the host stream.
        name: name shown to people.

    Raises:
        ValueError: if `seed` is neither None nor a whole number.

    >>> generator = random.SeedGenerator(7)
    >>> generator.next(), generator.next()
    ([7, 0], [7, 1])
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any):
        kwargs.pop("custom_backend", None)
        if kwargs:
            raise TypeError(f"SeedGenerator: unexpected arguments {sorted(kwargs)}.")
        if seed is not None and (not hasattr(seed, "__index__") or isinstance(seed, bool)):
            raise ValueError(f"SeedGenerator: expected seed to be a whole number or None; received {seed!r}.")
        self.name = name or auto_name("seed_generator")
        self.seed = seed
        start = host_seed() if seed is None else int(seed)
        first = np.array([start % 2**32, start // 2**32 % 2**32], np.uint32)
        self.state = Variable(first, dtype="uint32", trainable=False, autocast=False, name="seed_generator_state")

    def next(self, ordered: bool = True) -> Any:
        """Return the current seed, an array of two uint32, and move on to the next one."""
        current, following = backends.current().split_seed(self.state.value)
        self.state.assign(following)
        return current


def global_seed_generator() -> SeedGenerator:
    """Return the generator that `seed=None` stands for where a compiled step keeps its state."""
    shared = _host.shared = _host.shared or SeedGenerator()
    return shared


def forget_shared() -> None:
    """Let `global_seed_generator` make a new one, on the backend that the process computes on now."""
    _host.shared = None


def draw_seed(seed: Any) -> Any:
    """Return the seed state that a `seed` argument means: of a `SeedGenerator`, of a number, or a new one for None.

    Raises:
        ValueError: if `seed` is something else, or None inside a compiled function, where it would be a constant.
    """
    if isinstance(seed, SeedGenerator):
        return seed.next()
    backend = backends.current()
    if seed is None:
        scope = stateless_scope()
        if scope is not None and _host.shared is not None and id(_host.shared.state) in scope.values:
            return _host.shared.next()
        if backend.compiling():
            raise ValueError(
                "A random function with seed=None inside a compiled function would draw the same numbers at every "
                "call. Make a `keras.random.SeedGenerator()` in the layer's constructor and pass it as `seed`."
            )
        seed = host_seed()
    if hasattr(seed, "__index__") and not isinstance(seed, bool) and not getattr(seed, "shape", ()):
        seed = int(seed)
        return backend.tensor(np.array([seed % 2**32, seed // 2**32 % 2**32], np.uint32))
    if getattr(seed, "shape", None) == (2,):
        return backend.tensor(seed, "uint32")
    raise ValueError(f"seed: expected a whole number, a SeedGenerator or None; received {seed!r}.")


# ---- draws ----------------------------------------------------------------------------------------------------------


def _float(dtype: Any, where: str) -> str:
    name = dtypes.canonical(dtypes.standardize_dtype(dtype))
    if not dtypes.is_float(name):
        raise ValueError(f"random.{where}: expected a floating-point dtype; received {dtype!r}.")
    return name


def _sizes(shape: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in shapes.standardize_shape(shape if hasattr(shape, "__iter__") else tuple(shape)))  # type: ignore[arg-type]


def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Return draws from the normal distribution.

    Args:
        shape: shape of the result.
        mean: its mean.
        stddev: its standard deviation.
        dtype: floating-point type, by default `floatx`.
        seed: number, `SeedGenerator`, or None for new numbers at every call.

    Raises:
        ValueError: if `dtype` is no floating-point type.

    >>> random.normal((2, 3), seed=1).shape
    (2, 3)
    """
    name = _float(dtype, "normal")
    draws = backends.current().random_normal(draw_seed(seed), _sizes(shape), name)
    return ops.cast(draws * stddev + mean, name)


def truncated_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Return draws from the normal distribution without what is more than two standard deviations from the mean.

    Raises:
        ValueError: if `dtype` is no floating-point type.

    >>> float(ops.max(ops.absolute(random.truncated_normal((1000,), seed=1)))) <= 2
    True
    """
    name = _float(dtype, "truncated_normal")
    wide = "float64" if name == "float64" else "float32"
    draws = backends.current().random_uniform(draw_seed(seed), _sizes(shape), wide)
    edge = 0.9544997361036416  # erf(sqrt(2)): the part of the distribution within two standard deviations
    z = ops.clip(ops.erfinv((draws * 2 - 1) * edge) * 2**0.5, -2.0, 2.0)
    return ops.cast(z * stddev + mean, name)


def uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Return draws that are equally likely anywhere from `minval` up to, but not including, `maxval`.

    Raises:
        ValueError: if `dtype` is no floating-point type.

    >>> random.uniform((2,), 3.0, 4.0, seed=1).shape
    (2,)
    """
    name = _float(dtype, "uniform")
    draws = backends.current().random_uniform(draw_seed(seed), _sizes(shape), name)
    return ops.cast(draws * (maxval - minval) + minval, name)


def randint(shape: Any, minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None) -> Any:
    """Return whole numbers, equally likely, from `minval` up to, but not including, `maxval`.

    Raises:
        ValueError: if `dtype` is no integer type.

    >>> ops.all(random.randint((100,), 0, 3, seed=1) < 3)
    True
    """
    name = dtypes.canonical(dtypes.standardize_dtype(dtype))
    if not dtypes.is_int(name):
        raise ValueError(f"random.randint: expected an integer dtype; received {dtype!r}.")
    return backends.current().random_integers(draw_seed(seed), _sizes(shape), minval, maxval, name)


def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Return draws from the gamma distribution of shape `alpha`, an array that broadcasts to `shape`, and scale 1.

    Raises:
        ValueError: if `dtype` is no floating-point type.

    >>> float(ops.min(random.gamma((100,), 2.0, seed=1))) > 0
    True
    """
    name = _float(dtype, "gamma")
    sizes = _sizes(shape)
    alpha = ops.broadcast_to(ops.convert_to_tensor(alpha, name), sizes)
    return backends.current().random_gamma(draw_seed(seed), alpha)


def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Return draws from the beta distribution, whose parameters broadcast to `shape`.

    Raises:
        ValueError: if `dtype` is no floating-point type.

    >>> float(ops.max(random.beta((100,), 2.0, 3.0, seed=1))) < 1
    True
    """
    name = _float(dtype, "beta")
    wide = name if name in ("float32", "float64") else "float32"
    both = ops.stack([ops.broadcast_to(ops.convert_to_tensor(p, wide), _sizes(shape)) for p in (alpha, beta)])
    a, b = ops.unstack(backends.current().random_gamma(draw_seed(seed), both))
    nothing = a + b == 0  # tiny parameters: both draws may be too small for a number other than 0
    return ops.cast(ops.where(nothing, both[0], a) / ops.where(nothing, both[0] + both[1], a + b), name)


def binomial(shape: Any, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Return how many of `counts` trials succeed, each with the given probability; both broadcast to `shape`.

    Raises:
        ValueError: if `dtype` is no floating-point type.

    >>> ops.all(random.binomial((50,), 10, 0.5, seed=1) <= 10)
    True
    """
    name = _float(dtype, "binomial")
    sizes = _sizes(shape)
    wide = name if name in ("float32", "float64") else "float32"
    counts = ops.broadcast_to(ops.cast(counts, wide), sizes)
    probabilities = ops.broadcast_to(ops.cast(probabilities, wide), sizes)
    return ops.cast(backends.current().random_binomial(draw_seed(seed), counts, probabilities), name)


def _categorical_shape(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Any:
    from tahr.symbolic import KerasTensor

    shape = shapes.of(logits)
    if len(shape) != 2:
        raise ValueError(f"random.categorical: expected logits of shape (batch, classes); received shape {shape}.")
    return KerasTensor((shape[0], num_samples), dtypes.canonical(dtypes.standardize_dtype(dtype)), record_history=False)


@op(dtypes.free, shape=_categorical_shape, arrays=("logits",), native=False)
def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Return `num_samples` class numbers for each row of unnormalised log-probabilities.

    Raises:
        ValueError: if `logits` is not of shape (batch, classes).

    >>> random.categorical([[0.0, -1e9]], 3, seed=1)
    [[0, 0, 0]]
    """
    wanted = _categorical_shape(logits, num_samples, dtype)
    rows, classes = logits.shape
    draws = backends.current().random_uniform(draw_seed(seed), (rows, num_samples, classes), "float32")
    noise = -ops.log(-ops.log(ops.maximum(draws, 1e-37)))  # Gumbel noise: the largest sum is a draw
    return ops.cast(ops.argmax(ops.expand_dims(logits, 1) + noise, axis=-1), wanted.dtype)


@op(dtypes.same("inputs"), shape=lambda inputs, **_: shapes.of(inputs), native=False)
def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """Return `inputs` with a part `rate` of its elements set to 0 and the others divided by `1 - rate`.

    Args:
        inputs: array.
        rate: probability from 0 to 1 of dropping an element.
        noise_shape: shape of the mask, which broadcasts to `inputs`; None in it or for it takes the size of `inputs`.
        seed: number, `SeedGenerator`, or None.

    Raises:
        ValueError: if `rate` is not between 0 and 1.

    >>> random.dropout([1.0, 2.0], 0.0)
    [1.0, 2.0]
    """
    if isinstance(rate, (int, float)) and not 0 <= rate <= 1:
        raise ValueError(f"random.dropout: expected a rate from 0 to 1; received {rate}.")
    state = draw_seed(seed)
    if isinstance(rate, (int, float)) and rate in (0, 1):
        return inputs if rate == 0 else ops.zeros_like(inputs)
    shape = tuple(inputs.shape)
    if noise_shape is not None:
        shape = tuple(n if m is None else int(m) for n, m in zip(shape, noise_shape, strict=True))
    kept = backends.current().random_mask(state, shape, 1 - rate)
    return ops.where(kept, inputs / (1 - rate), 0)


@op(dtypes.same("x"), shape=lambda x, **_: shapes.of(x), native=False)
def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """Return `x` with its slices along `axis` in random order.

    >>> sorted(np.asarray(random.shuffle([1, 2, 3], seed=1)).tolist())
    [1, 2, 3]
    """
    axis = shapes.axis_index(axis, len(x.shape))
    return ops.take(x, backends.current().random_permutation(draw_seed(seed), x.shape[axis]), axis=axis)
