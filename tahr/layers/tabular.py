"""Layers for columns of tables: normalised numbers, bins, and categories as vectors."""

from typing import Any

import numpy as np

from tahr import dtypes, ops
from tahr.layers.arguments import choice, known, who, whole
from tahr.layers.data_layer import DataLayer
from tahr.layers.host import batches_of, host_array
from tahr.layers.layer import Layer
from tahr.layers.quantiles import QuantileSketch
from tahr.symbolic import KerasTensor

__all__ = ["CategoryEncoding", "Discretization", "Normalization"]


def encode(ids: Any, output_mode: str, depth: int, dtype: str, count_weights: Any = None) -> Any:
    """Return ids as vectors of size `depth`: one for each id, or one for each row of ids.

    Args:
        ids: whole numbers; those below 0 count for nothing.
        output_mode: `"one_hot"`, `"multi_hot"` (which ids are there) or `"count"` (how often).
        depth: number of categories.
        dtype: type of the result.
        count_weights: how much each id counts.
    """
    if output_mode == "one_hot":
        if len(ids.shape) > 1 and ids.shape[-1] == 1:
            ids = ops.squeeze(ids, -1)
        return ops.one_hot(ids if len(ids.shape) else ops.reshape(ids, (1,)), depth, dtype=dtype)
    if len(ids.shape) == 0:
        ids = ops.reshape(ids, (1,))
    hot = ops.one_hot(ids, depth, dtype=dtype)
    if output_mode == "multi_hot":
        return ops.max(hot, axis=-2)
    if count_weights is not None:
        hot = hot * ops.expand_dims(ops.cast(count_weights, dtype), -1)
    return ops.sum(hot, axis=-2)


class CategoryEncoding(DataLayer):
    """Return whole numbers as vectors of zeros and ones, or of counts.

    Args:
        num_tokens: number of categories; ids go from 0 to `num_tokens - 1`.
        output_mode: `"one_hot"` for a vector of each id, `"multi_hot"` for one of each row that says which ids are in
            it, `"count"` for one that says how often.
        sparse: must be False; no backend holds sparse arrays here.

    Call arguments:
        inputs: ids.
        count_weights: for `"count"`, how much each id counts.

    >>> keras.layers.CategoryEncoding(4, output_mode="multi_hot")(np.array([[0, 2]]))
    [[1.0, 0.0, 1.0, 0.0]]
    """

    unrecorded = frozenset({"sparse"})

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ):
        super().__init__(**kwargs)
        refuse_sparse(self, sparse)
        self.num_tokens = whole(num_tokens, "num_tokens", self)
        self.output_mode = choice(output_mode, ("one_hot", "multi_hot", "count"), "output_mode", self)
        self.sparse = sparse

    def call(self, inputs: Any, count_weights: Any = None) -> Any:
        """Compute the outputs."""
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                f"{who(self)}: count_weights needs output_mode='count'; this layer has {self.output_mode!r}."
            )
        ids = inputs if dtypes.is_int(ops.dtype(inputs)) else ops.cast(inputs, "int32")
        return encode(ids, self.output_mode, self.num_tokens, self.compute_dtype, count_weights)

    def _convert(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        ids = args[0] if args else None
        if isinstance(ids, np.ndarray) and ids.size and not (ids.min() >= 0 and ids.max() < self.num_tokens):
            raise ValueError(
                f"{who(self)}: expected ids from 0 to {self.num_tokens - 1}; received {ids.min()} to {ids.max()}. Give "
                f"the layer num_tokens={int(ids.max()) + 1} or more."
            )
        return super()._convert(args, kwargs)


def refuse_sparse(layer: Layer, sparse: bool) -> None:
    """Raise if sparse outputs are asked for.

    Raises:
        ValueError: if `sparse`.
    """
    if sparse:
        raise ValueError(
            f"{who(layer)}: sparse=True needs sparse arrays, which this backend does not have; leave it out."
        )


class Normalization(DataLayer):
    """Subtract the mean and divide by the standard deviation, both taken from data before training.

    Args:
        axis: axis or axes that have a mean each; None takes one for everything.
        mean: the mean to use instead of `adapt`, a number or an array.
        variance: the variance to use instead of `adapt`.
        invert: whether to multiply and add instead, from normalised numbers back.

    >>> layer = keras.layers.Normalization()
    >>> layer.adapt(np.array([[1.0], [3.0]]))
    >>> layer(np.array([[1.0], [2.0]]))
    [[-1.0], [0.0]]
    """

    mean: Any = None
    variance: Any = None
    _count: Any = None

    def __init__(self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = () if axis is None else tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
        if (mean is None) != (variance is None):
            raise ValueError(f"{who(self)}: expected both `mean` and `variance`, or neither; received one.")
        self._given = None if mean is None else (mean, variance)
        self.invert = invert

    def build(self, input_shape: Any) -> None:
        """Make the mean and the variance, unless the constructor was told them."""
        rank = len(input_shape)
        axes = tuple(a % rank for a in self.axis)
        self._reduced = tuple(i for i in range(rank) if i not in axes)
        self._spread = tuple(known(input_shape, i, self) if i in axes else 1 for i in range(rank))
        if self._given is None:
            shape = [self._spread[a] for a in axes]
            self._mean = self.add_weight(shape, "zeros", trainable=False, name="mean")
            self._variance = self.add_weight(shape, "ones", trainable=False, name="variance")
            self._count = self.add_weight((), "zeros", dtype="int32", trainable=False, name="count")

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Take mean and variance from data, an array or a stream of batches, in one pass.

        Args:
            data: array, or iterable of batches.
            steps: how many batches to take.

        Raises:
            ValueError: if the constructor was told the mean, or the data holds nothing, or NaN.
        """
        if self._given is not None:
            raise ValueError(f"{who(self)}: the mean and the variance were given, so there is nothing to adapt.")
        count, mean, squares = 0, np.zeros(()), np.zeros(())
        for x in batches_of(data, self, steps, whole=0 in self.axis or -getattr(data, "ndim", 0) in self.axis):
            if not self.built:
                self.build(x.shape)
            x = self._numbers(x)
            number = int(np.prod([x.shape[i] for i in self._reduced]))
            if not number:
                continue
            new_mean = x.mean(self._reduced)
            difference, total = new_mean - mean, count + number
            new_squares = ((x - x.mean(self._reduced, keepdims=True)) ** 2).sum(self._reduced)
            squares = squares + new_squares + difference**2 * count * number / total
            mean, count = mean + difference * number / total, total
        if not count:
            raise ValueError(f"{who(self)}: adapt received no data.")
        self._mean.assign(mean.astype("float32"))
        self._variance.assign((squares / count).astype("float32"))
        self._count.assign(np.int32(min(count, 2**31 - 1)))

    def _numbers(self, x: np.ndarray) -> np.ndarray:
        try:
            x = x.astype("float64")
        except (TypeError, ValueError) as error:
            raise TypeError(f"{who(self)}: expected numbers to adapt to; received values of type {x.dtype}.") from error
        missing = int(np.isnan(x).sum())
        if missing:
            raise ValueError(
                f"{who(self)}: {missing} of {x.size} values to adapt to are missing (NaN), so there is no mean. Leave "
                "them out of what `adapt` sees, and put numbers in their place before calling the layer."
            )
        return x

    def finalize_state(self) -> None:
        """Do nothing: the mean and the variance are ready as soon as they are assigned."""

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        kind = self.compute_dtype
        x = ops.cast(inputs, kind)
        mean, variance = self._given if self._given is not None else (self._mean, self._variance)
        mean, deviation = self._fit(mean, kind), ops.sqrt(self._fit(variance, kind))
        deviation = ops.maximum(deviation, 1e-7 if kind != "float16" else 1e-4)
        return (
            ops.add(mean, ops.multiply(x, deviation)) if self.invert else ops.divide(ops.subtract(x, mean), deviation)
        )

    def _fit(self, value: Any, dtype: str) -> Any:
        value = ops.convert_to_tensor(value, dtype)
        return value if self._given is not None and not value.shape else _reshaped(value, self._spread)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, arrays as lists."""
        mean, variance = self._given or (None, None)
        return {**super().get_config(), "mean": _plain(mean), "variance": _plain(variance)}


def _reshaped(value: Any, shape: tuple[int, ...]) -> Any:
    size = int(np.prod(value.shape))
    return ops.reshape(value, shape) if size == int(np.prod(shape)) else value


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (int, float)):
        return value
    return np.asarray(ops.convert_to_numpy(value)).tolist()


class Discretization(DataLayer):
    """Return the number of the bin that each value falls into.

    Bin `i` holds values from the boundary before it (included) to the one after it.

    Args:
        bin_boundaries: rising numbers between the bins.
        num_bins: number of bins for `adapt`, which then hold equally many values.
        epsilon: for `adapt`, how far the share of values in a bin may be off; up to 262,144 values it is exact.
        output_mode: `"int"`, or as in `CategoryEncoding` `"one_hot"`, `"multi_hot"`, `"count"`.
        sparse: must be False; no backend holds sparse arrays here.
        dtype: type of the inputs' values and of vectors.
        name: name.

    >>> keras.layers.Discretization(bin_boundaries=[0.0, 1.0])(np.array([-0.5, 0.0, 2.0]))
    [0, 1, 2]
    """

    _brief_config = True

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ):
        super().__init__(name=name, dtype=dtype)
        refuse_sparse(self, sparse)
        if (bin_boundaries is None) == (num_bins is None):
            raise ValueError(f"{who(self)}: expected one of `bin_boundaries` and `num_bins`; received both or neither.")
        self.num_bins = whole(num_bins, "num_bins", self) if num_bins is not None else None
        self.bin_boundaries = [float(b) for b in bin_boundaries] if bin_boundaries is not None else None
        if self.bin_boundaries is not None and sorted(self.bin_boundaries) != self.bin_boundaries:
            raise ValueError(f"{who(self)}: expected `bin_boundaries` in rising order; received {bin_boundaries!r}.")
        self.epsilon, self.sparse = epsilon, sparse
        self.output_mode = choice(output_mode, ("int", "one_hot", "multi_hot", "count"), "output_mode", self)
        self.reset_state()

    @property
    def output_dtype(self) -> str:
        """The type of the outputs."""
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Choose boundaries between which equally many values of the data lie.

        Args:
            data: array, or iterable of batches.
            steps: how many batches to take.

        Raises:
            ValueError: if the constructor was told the boundaries, or the data holds nothing.
        """
        if self.num_bins is None:
            raise ValueError(f"{who(self)}: the boundaries were given, so there is nothing to adapt.")
        self.reset_state()
        for batch in batches_of(data, self, steps):
            self.update_state(batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget the values seen."""
        self._seen = QuantileSketch(max(1 << 18, int(1000 / max(self.epsilon, 1e-6))))

    def update_state(self, data: Any) -> None:
        """Take the values of a batch into account, except those that are missing (NaN)."""
        x = host_array(data, self)
        if x.dtype.kind not in "iubf":
            raise TypeError(f"{who(self)}: expected numbers to adapt to; received values of type {x.dtype}.")
        self._seen.update(x)

    def finalize_state(self) -> None:
        """Choose the boundaries for the values seen.

        Raises:
            ValueError: if there were none.
        """
        if not self._seen.count:
            raise ValueError(f"{who(self)}: adapt received no data.")
        shares = np.linspace(0, 1, whole(self.num_bins, "num_bins", self) + 1)[1:-1]
        self.bin_boundaries = self._seen.quantiles(shares).tolist()
        self.reset_state()

    def call(self, inputs: Any) -> Any:
        """Compute the outputs."""
        boundaries = self.bin_boundaries
        if boundaries is None:
            if not isinstance(inputs, KerasTensor):
                raise ValueError(f"{who(self)}: the boundaries are unknown yet. Call `adapt(data)` first.")
            boundaries = [0.0] * (whole(self.num_bins, "num_bins", self) - 1)
        found = ops.digitize(inputs, np.asarray(boundaries, "float32"))
        if self.output_mode == "int":
            return found
        return encode(found, self.output_mode, len(boundaries) + 1, self.compute_dtype)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """Return a new layer made from what `get_config` gave; that of an adapted layer has the boundaries, too."""
        adapted = config.get("bin_boundaries") is not None and config.get("num_bins") is not None
        made = super().from_config({**config, "bin_boundaries": None} if adapted else config, custom_objects)
        if adapted:
            made.bin_boundaries = [float(b) for b in config["bin_boundaries"]]
        return made
