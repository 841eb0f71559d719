"""`StringLookup` and `IntegerLookup`: values as their places in a vocabulary, and back."""

import itertools
from typing import Any

import numpy as np

from tahr import backends, dtypes, ops
from tahr.layers.arguments import who, whole
from tahr.layers.hashing import bins_of
from tahr.layers.host import host_array, texts_of
from tahr.layers.index_lookup import OOV, IndexLookup
from tahr.layers.tabular import encode

__all__ = ["IntegerLookup", "StringLookup"]


class StringLookup(IndexLookup):
    """Return the index of each text in a vocabulary.

    It is computed on the host. The indices are: the mask token's (0, if there is one), those for unknown tokens, then
    the vocabulary's in order.

    Args:
        max_tokens: most tokens the vocabulary may have, special ones included.
        num_oov_indices: number of indices for unknown texts, chosen by their FarmHash (SipHash with a salt); with 0
            an unknown text is an error.
        mask_token: the text that stands for nothing: index 0, and no part of vectors.
        oov_token: what unknown texts are called in `get_vocabulary` and by the inverse.
        vocabulary: tokens in order, or the path of a text file with one a line; instead of `adapt`.
        idf_weights: for `"tf_idf"` with a given vocabulary, the weight of each token.
        invert: whether to return texts for indices instead.
        output_mode: `"int"` for indices; `"one_hot"` for a vector of each; for one of each row `"multi_hot"` (which
            are in it), `"count"` (how often) or `"tf_idf"` (counts times the token's weight: the logarithm of 1 plus
            rows over 1 plus rows that hold it).
        pad_to_max_tokens: whether vectors have `max_tokens` values though the vocabulary is smaller.
        sparse: must be False; no backend holds sparse arrays here.
        encoding: what inputs of bytes, and a vocabulary's file, are written in.
        name: name.
        salt: one whole number or two, the key of SipHash for unknown texts.

    >>> layer = keras.layers.StringLookup(vocabulary=["a", "b", "c"])
    >>> layer([["a", "c"], ["d", "b"]])
    [[1, 3], [0, 2]]
    >>> layer = keras.layers.StringLookup(output_mode="count")
    >>> layer.adapt(["tea", "coffee", "tea"])
    >>> layer.get_vocabulary(), layer([["tea", "tea", "milk"]]).tolist()
    (['[UNK]', 'tea', 'coffee'], [[1.0, 2.0, 0.0]])
    """

    _tokens_are = "string"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: Any = None,
        **kwargs: Any,
    ):
        oov_method = kwargs.pop("oov_method", "floormod")
        super().__init__(name=name, **kwargs)
        self.mask_token, self.oov_token, self.encoding = mask_token, oov_token, encoding
        for token in (mask_token, oov_token):
            if token is not None and not isinstance(token, str):
                raise TypeError(f"{who(self)}: expected special tokens to be text; received {token!r}.")
        self._start(
            max_tokens,
            num_oov_indices,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            sparse,
            pad_to_max_tokens,
            oov_method,
            salt,
        )

    def _tokens(self, x: np.ndarray) -> list[str]:
        return texts_of(x, self, self.encoding, "Use `IntegerLookup` for whole numbers.")

    def _found(self, x: np.ndarray) -> np.ndarray:
        tokens = self._tokens(x)
        return np.fromiter(map(self._known.table.get, tokens, itertools.repeat(OOV)), np.int64, len(tokens))

    def _unknown_bins(self, values: np.ndarray) -> np.ndarray:
        return bins_of(np.array(self._tokens(values), object), self.num_oov_indices, self.salt, self)

    def _on_device(self, x: Any) -> Any:
        return self.call(self._fetched(x))

    def _read_token(self, line: str) -> str:
        return line


class IntegerLookup(IndexLookup):
    """Return the index of each whole number in a vocabulary.

    The indices are: the mask token's (0, if there is one), those for unknown numbers, then the vocabulary's in order.
    NumPy arrays are looked up on the host, in 64 bits; tensors on the device, also in compiled models.

    Args:
        max_tokens: most tokens the vocabulary may have, special ones included.
        num_oov_indices: number of indices for unknown numbers; with 0 an unknown number is an error (on the device,
            where nothing can be raised, index -1).
        mask_token: the number that stands for nothing: index 0, and no part of vectors.
        oov_token: what unknown numbers are called in `get_vocabulary` and by the inverse.
        vocabulary: tokens in order, or the path of a text file with one a line; instead of `adapt`.
        vocabulary_dtype: must be `"int64"`.
        idf_weights: for `"tf_idf"` with a given vocabulary, the weight of each token.
        invert: whether to return numbers for indices instead.
        output_mode: as in `StringLookup`.
        sparse: must be False; no backend holds sparse arrays here.
        pad_to_max_tokens: whether vectors have `max_tokens` values though the vocabulary is smaller.
        oov_method: how an unknown number gets its index: `"floormod"` by the remainder, `"farmhash"` by the hash of
            its digits.
        salt: for `"farmhash"`, one whole number or two, the key of SipHash, used instead.
        name: name.

    >>> layer = keras.layers.IntegerLookup(vocabulary=[12, 36, 1138])
    >>> layer(np.array([[12, 1138], [0, 36]]))
    [[1, 3], [0, 2]]
    >>> keras.layers.IntegerLookup(vocabulary=[12, 36], invert=True)(np.array([1, 2, 0]))
    [12, 36, -1]
    """

    _tokens_are = "int64"
    _takes_native, _needs_values = True, "wide"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        if vocabulary_dtype != "int64":
            raise ValueError(f"{who(self)}: expected vocabulary_dtype='int64'; received {vocabulary_dtype!r}.")
        if salt is not None and oov_method != "farmhash":
            raise ValueError(f"{who(self)}: `salt` needs oov_method='farmhash'; received {oov_method!r}.")
        self.vocabulary_dtype = vocabulary_dtype
        self.mask_token = None if mask_token is None else whole(mask_token, "mask_token", self, -(2**63))
        self.oov_token = whole(oov_token, "oov_token", self, -(2**63))
        self._start(
            max_tokens,
            num_oov_indices,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            sparse,
            pad_to_max_tokens,
            oov_method,
            salt,
        )

    def _numbers(self, x: np.ndarray) -> np.ndarray:
        """Return values as int64.

        Raises:
            TypeError: if they are no numbers.
            ValueError: if some are not whole.
        """
        x = np.asarray(x.tolist()) if x.dtype.kind == "O" else x
        if x.dtype.kind in "iub":
            return x.astype("int64")
        try:
            found = x.astype("int64") if x.dtype.kind in "SU" else x.astype("float64")
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{who(self)}: expected whole numbers; received {x.ravel()[:3].tolist()!r}. Use `StringLookup` for "
                "text."
            ) from error
        if found.dtype.kind == "f":
            wrong = found[~(np.isfinite(found) & (np.trunc(found) == found))]
            if wrong.size:
                raise ValueError(
                    f"{who(self)}: expected whole numbers; received {wrong[0]!r}. Round them, put them into bins "
                    "with `Discretization`, or replace what is missing by a number of its own."
                )
        return found.astype("int64")

    def _tokens(self, x: np.ndarray) -> list[int]:
        return self._numbers(x).ravel().tolist()

    def update_state(self, data: Any) -> None:
        """Take a batch into account; for `"tf_idf"` a row of it is a document."""
        if self.output_mode == "tf_idf":
            return super().update_state(data)
        values, counts = np.unique(self._numbers(host_array(data, self)), return_counts=True)
        self._seen.tokens.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        return None

    def _found(self, x: np.ndarray) -> np.ndarray:
        known, values = self._known, self._numbers(x).ravel()
        places = np.minimum(np.searchsorted(known.sorted, values), known.sorted.size - 1)
        return np.where(known.sorted[places] == values, known.places[places], OOV)

    def _unknown_bins(self, values: np.ndarray) -> np.ndarray:
        numbers = self._numbers(values)
        if self.oov_method == "floormod":
            return numbers % self.num_oov_indices
        return bins_of(numbers, self.num_oov_indices, self.salt, self)

    def _read_token(self, line: str) -> int:
        try:
            return int(line)
        except ValueError as error:
            raise ValueError(f"{who(self)}: expected a whole number in each line; received {line!r:.60}.") from error

    @property
    def refuses_values(self) -> bool:
        """Whether some values have no index, which only the host can say."""
        return self.num_oov_indices == 0 and not self.invert

    def check_inputs(self, values: Any) -> None:
        """Check that all values on the host have an index.

        Raises:
            ValueError: if one has none.
        """
        if self.refuses_values:
            self._require()
            self._indices(host_array(values, self))

    def _on_device(self, x: Any) -> Any:
        """Look up a tensor by ops, so that it compiles."""
        if self.refuses_values and not backends.current().compiling():
            self.check_inputs(self._fetched(x))
        if not dtypes.is_int(ops.dtype(x)):
            x = ops.cast(x, "int32")
        if self.invert:
            tokens = self._narrow([*self.get_vocabulary(), self.oov_token])
            inside = ops.logical_and(x >= 0, x < tokens.size - 1)
            return ops.take(tokens, ops.where(inside, x, tokens.size - 1), axis=0)
        indices = self._indices_on_device(x)
        if self.output_mode == "int":
            return indices
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        found = encode(indices, mode, self._depth(), self._vector_dtype)
        return found * ops.cast(self._weights(), self._vector_dtype) if self.output_mode == "tf_idf" else found

    def _indices_on_device(self, x: Any) -> Any:
        tokens, places = self._narrow(self._known.sorted), self._narrow(self._known.places)
        place = ops.minimum(ops.searchsorted(tokens, x), tokens.size - 1)
        first = self._offset - self.num_oov_indices
        if self.num_oov_indices <= 1:
            unknown: Any = first if self.num_oov_indices else -1
        elif self.oov_method == "floormod":
            unknown = first + ops.mod(x, self.num_oov_indices)
        else:
            raise ValueError(
                f"{who(self)}: oov_method='farmhash' hashes on the host. Give it NumPy arrays, before the model, or "
                "use oov_method='floormod'."
            )
        found = ops.where(ops.take(tokens, place, axis=0) == x, ops.take(places, place, axis=0), unknown)
        return ops.maximum(found, -1)

    def _narrow(self, values: Any) -> np.ndarray:
        wide = np.asarray(values, np.int64)
        if dtypes.canonical("int64") == "int32" and wide.size and not (wide.min() >= -(2**31) and wide.max() < 2**31):
            raise ValueError(
                f"{who(self)}: the vocabulary has numbers beyond 32 bits, which tensors do not hold. Look them up in "
                "NumPy arrays, before the model."
            )
        return wide.astype(dtypes.canonical("int64"))
