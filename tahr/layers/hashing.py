"""`Hashing` and `HashedCrossing`: a bin for every value there may ever be, without a vocabulary."""

from typing import Any

import numpy as np

from tahr import shapes
from tahr.layers.arguments import choice, who, whole
from tahr.layers.fingerprint import combine, farmhash, siphash
from tahr.layers.host import HostLayer, host_array, host_vectors, texts_of, vector_shape
from tahr.layers.tabular import refuse_sparse
from tahr.symbolic import KerasTensor

__all__ = ["HashedCrossing", "Hashing", "bins_of", "salt_of"]

CROSS_KEY = 0xDECAFCAFFE  # what TensorFlow starts the hash of a crossing with
FIX = "Round them to whole numbers, or put them into bins with `Discretization`, first."


def bins_of(x: np.ndarray, num_bins: int, salt: Any, layer: Any) -> np.ndarray:
    """Return the bin of each value, of int64: the hash of its text (its decimal digits for a number), modulo the bins.

    Args:
        x: text or whole numbers.
        num_bins: number of bins.
        salt: None for FarmHash, the two numbers of a key for SipHash.
        layer: the layer that asks, for errors.
    """
    if x.dtype.kind in "iub":
        texts = x.astype("int64" if x.dtype.kind == "b" else x.dtype).ravel().astype("S").tolist()
    else:
        texts = _raw(x, layer)
    hashes = farmhash(texts) if salt is None else siphash(texts, (salt[0], salt[1]))
    return (hashes % np.uint64(num_bins)).astype("int64").reshape(x.shape)


def _raw(x: np.ndarray, layer: Any) -> list[Any]:
    """Return text to hash: bytes as they are, whatever they are written in."""
    values = x.ravel().tolist()
    return values if all(type(v) in (bytes, str) for v in values) else texts_of(x, layer, fix=FIX)


def salt_of(salt: Any, layer: Any) -> list[int] | None:
    """Return a key of two numbers from one, two or None.

    Raises:
        ValueError: if `salt` is none of these.
    """
    if salt is None:
        return None
    found = list(salt) if isinstance(salt, (list, tuple)) else [salt, salt]
    if len(found) != 2 or not all(hasattr(s, "__index__") for s in found):
        raise ValueError(f"{who(layer)}: expected `salt` to be a whole number or two; received {salt!r}.")
    return [s.__index__() for s in found]


class _Hashed(HostLayer):
    """What both have: the type of the outputs, which says how bins are written."""

    output_mode: str
    num_bins: int

    def _write(self, bins: np.ndarray) -> np.ndarray:
        if self.output_mode == "int":
            return bins.astype(self.compute_dtype)
        return host_vectors(bins, self.output_mode, self.num_bins, self.compute_dtype)

    def _spec(self, shape: Any) -> KerasTensor:
        shape = shape if self.output_mode == "int" else vector_shape(shape, self.output_mode, self.num_bins)
        return KerasTensor(shape, self.compute_dtype, record_history=False)


def _kind(output_mode: Any, dtype: Any, layer: str) -> Any:
    if output_mode != "int":
        return dtype
    dtype = "int64" if dtype is None else dtype
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", str(dtype))
    if name not in ("int32", "int64"):
        raise ValueError(
            f"{layer}: output_mode='int' gives whole numbers; expected dtype 'int32' or 'int64', received {name!r}."
        )
    return dtype


class Hashing(_Hashed):
    """Return the bin that each text or whole number falls into by its hash, the same everywhere and forever.

    The hash is FarmHash's Fingerprint64, or SipHash-2-4 under a salt, of the text in UTF-8 or of the number's decimal
    digits; the bin is the hash modulo the number of bins. It is computed on the host.

    Args:
        num_bins: number of bins.
        mask_value: a value that has bin 0 for itself.
        salt: one whole number or two, the key of SipHash; it makes the bins hard to foresee.
        output_mode: `"int"` for bins, or as in `CategoryEncoding` `"one_hot"`, `"multi_hot"`, `"count"`.
        sparse: must be False; no backend holds sparse arrays here.

    Raises:
        ValueError: if there are no bins, or the salt is none.

    >>> keras.layers.Hashing(num_bins=3)(["A", "B", "C", "D", "E"])
    [1, 0, 1, 1, 2]
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ):
        kwargs["dtype"] = _kind(output_mode, kwargs.get("dtype"), "Hashing")
        super().__init__(**kwargs)
        refuse_sparse(self, sparse)
        self.num_bins = whole(num_bins, "num_bins", self)
        self.output_mode = choice(output_mode, ("int", "one_hot", "multi_hot", "count"), "output_mode", self)
        self.mask_value, self.sparse = mask_value, sparse
        self.salt = salt_of(salt, self)

    def call(self, inputs: Any) -> Any:
        """Return the bins of an array, as a NumPy array."""
        x = host_array(inputs, self)
        if self.mask_value is None:
            return self._write(bins_of(x, self.num_bins, self.salt, self))
        masked = _equal(x, self.mask_value, self)
        bins = bins_of(x, self.num_bins - 1, self.salt, self) + 1 if self.num_bins > 1 else np.zeros(x.shape, "int64")
        return self._write(np.where(masked, 0, bins))

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """Return a symbol for the outputs."""
        return self._spec(inputs.shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the outputs."""
        return tuple(self._spec(tuple(input_shape)).shape)


def _equal(x: np.ndarray, value: Any, layer: Any) -> np.ndarray:
    if x.dtype.kind in "iub":
        return np.asarray(x == value)
    value = value.decode() if isinstance(value, bytes) else str(value)
    return np.array([t == value for t in texts_of(x, layer, fix=FIX)], bool).reshape(x.shape)


class HashedCrossing(_Hashed):
    """Return the bin that each combination of several features falls into by its hash.

    The hash joins the features' hashes in order (for a text its Fingerprint64, for a number itself) as TensorFlow's
    `cross_hashed` does. It is computed on the host.

    Args:
        num_bins: number of bins.
        output_mode: `"int"` for bins, `"one_hot"` for a vector of each.
        sparse: must be False; no backend holds sparse arrays here.
        name: name.
        dtype: type of the outputs.

    Input shape: two or more features, each `()`, `(batch,)` or `(batch, 1)`, of text or whole numbers.

    >>> layer = keras.layers.HashedCrossing(num_bins=5)
    >>> layer((np.array(["A", "B", "A", "B", "A"]), np.array([101, 101, 101, 102, 102])))
    [1, 4, 1, 1, 3]
    """

    _brief_config = True

    def __init__(
        self,
        num_bins: int,
        output_mode: str = "int",
        sparse: bool = False,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, dtype=_kind(output_mode, dtype, "HashedCrossing"), **kwargs)
        refuse_sparse(self, sparse)
        self.num_bins = whole(num_bins, "num_bins", self)
        self.output_mode = choice(output_mode, ("int", "one_hot"), "output_mode", self)
        self.sparse = sparse

    def _to_host(self, x: Any) -> Any:
        return [super(HashedCrossing, self)._to_host(v) for v in x] if isinstance(x, (list, tuple)) else x

    def call(self, inputs: Any) -> Any:
        """Return the bins of the combinations, as a NumPy array."""
        self._check(inputs)
        features = [host_array(x, self) for x in inputs]
        total = np.full(features[0].size, np.uint64(CROSS_KEY))
        for x in features:
            if x.dtype.kind in "fc":
                raise TypeError(f"{who(self)}: expected text or whole numbers; received {x.dtype.name}. {FIX}")
            own = x.ravel().astype("int64").view("uint64") if x.dtype.kind in "iub" else farmhash(_raw(x, self))
            total = combine(total, own)
        bins = (total % np.uint64(self.num_bins)).astype("int64").reshape(features[0].shape)
        return self._write(bins)

    def _check(self, inputs: Any) -> list[tuple[int | None, ...]]:
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise ValueError(f"{who(self)}: expected a list of two or more features; received {inputs!r:.80}.")
        found = [tuple(shapes.of(x)) if hasattr(x, "shape") else np.shape(x) for x in inputs]
        if any(len(s) > 2 or (len(s) == 2 and s[1] != 1) for s in found) or len(set(found)) > 1:
            raise ValueError(
                f"{who(self)}: expected features of one shape, (), (batch,) or (batch, 1); received {found}."
            )
        return found

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """Return a symbol for the outputs."""
        return self._spec(self._check(inputs)[0])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the outputs."""
        return tuple(self._spec(tuple(input_shape[0])).shape)
