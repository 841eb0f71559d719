"""`TextVectorization`: texts as the indices of their words, or as vectors of the words' counts."""

import string
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tahr.layers.arguments import choice, who, whole
from tahr.layers.host import HostLayer, batches_of, host_array, row_vectors, texts_of
from tahr.layers.index_lookup import without_path
from tahr.layers.lookup import StringLookup
from tahr.layers.tabular import refuse_sparse
from tahr.symbolic import KerasTensor

__all__ = ["TextVectorization"]

STANDARDIZE = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
PUNCTUATION = string.punctuation.encode()
FIX = "Turn numbers into text first, or use `IntegerLookup`."


class TextVectorization(HostLayer):
    """Split texts into words, or other tokens, and return their places in a vocabulary. It is computed on the host.

    Args:
        max_tokens: most tokens the vocabulary may have, special ones included.
        standardize: what happens to each text first: `"lower_and_strip_punctuation"`, `"lower"`,
            `"strip_punctuation"` (all of ASCII only), a function from an array of texts to one of the same shape, or
            None.
        split: how texts become tokens: `"whitespace"` (of ASCII), `"character"`, a function from an array of texts
            to a list of tokens for each, or None where each text is a token.
        ngrams: None; n for runs of 1 to n tokens; or a tuple of such lengths. Runs are joined by spaces.
        output_mode: `"int"` for indices, padded by 0 to the longest text; `"multi_hot"`, `"count"` or `"tf_idf"` for
            a vector of each text, as in `StringLookup`.
        output_sequence_length: for `"int"`, the length to pad or cut to.
        pad_to_max_tokens: whether vectors have `max_tokens` values though the vocabulary is smaller.
        vocabulary: tokens in order, or the path of a text file with one a line; instead of `adapt`.
        idf_weights: for `"tf_idf"` with a given vocabulary, the weight of each token.
        sparse: must be False; no backend holds sparse arrays here.
        ragged: must be False; no backend holds ragged arrays here.
        encoding: what inputs of bytes, and a vocabulary's file, are written in.
        name: name.

    Input shape: `(batch,)` or `(batch, 1)`; a single text gives outputs without the batch.

    >>> layer = keras.layers.TextVectorization(output_sequence_length=4)
    >>> layer.adapt(["The cat sat.", "The dog sat, too!"])
    >>> layer.get_vocabulary()
    ['', '[UNK]', 'the', 'sat', 'too', 'dog', 'cat']
    >>> layer(["the cat", "A dog sat there today"])
    [[2, 6, 0, 0], [1, 5, 3, 1]]
    """

    _untracked = HostLayer._untracked | {"vocabulary", "idf_weights"}

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: str | Callable[..., Any] | None = "lower_and_strip_punctuation",
        split: str | Callable[..., Any] | None = "whitespace",
        ngrams: int | tuple[int, ...] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        refuse_sparse(self, sparse)
        if ragged:
            raise ValueError(
                f"{who(self)}: ragged=True needs ragged arrays, which this backend does not have. Leave it out: rows "
                "are padded by 0, and `Embedding(mask_zero=True)` tells the padding from tokens."
            )
        if standardize is not None and not callable(standardize):
            standardize = choice(standardize, STANDARDIZE, "standardize", self)
        if split is not None and not callable(split):
            split = choice(split, ("whitespace", "character"), "split", self)
        self.standardize, self.split, self.encoding = standardize, split, encoding
        self.sparse, self.ragged, self.pad_to_max_tokens = sparse, ragged, pad_to_max_tokens
        self.ngrams, self._lengths = ngrams, _lengths_of(ngrams, self)
        self.output_mode = choice(output_mode, ("int", "multi_hot", "count", "tf_idf"), "output_mode", self)
        self.output_sequence_length = output_sequence_length
        if output_sequence_length is not None:
            whole(output_sequence_length, "output_sequence_length", self)
            if self.output_mode != "int":
                raise ValueError(
                    f"{who(self)}: `output_sequence_length` needs output_mode='int'; it is {output_mode!r}."
                )
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens,
            mask_token="",
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            output_mode=self.output_mode,
            pad_to_max_tokens=pad_to_max_tokens,
            encoding=encoding,
            name=self.name,
            dtype=self.dtype_policy,
        )

    max_tokens = property(lambda self: self._lookup_layer.max_tokens)
    vocabulary = property(lambda self: self._lookup_layer.vocabulary)
    idf_weights = property(lambda self: self._lookup_layer.idf_weights)

    # ---- tokens -------------------------------------------------------------------------------------------------

    def _rows(self, x: np.ndarray) -> list[Sequence[str]]:
        """Return the tokens of each text, or of each row of tokens if nothing is split."""
        if self.split is None:
            texts = self._standardized(x)
            width = x.shape[-1] if x.ndim else 1
            rows: Iterable[Sequence[str]] = [texts[i : i + width] for i in range(0, len(texts), max(width, 1))]
        else:
            if x.ndim > 1 and x.shape[-1] == 1:
                x = x[..., 0]
            if x.ndim > 1:
                raise ValueError(
                    f"{who(self)}: expected texts of shape (batch,) or (batch, 1); received {x.shape}. Apply the layer "
                    "to each column, or use split=None if the values are tokens already."
                )
            rows = self._split(self._standardized(x))
        return [self._runs(row) for row in rows] if self._lengths is not None else list(rows)

    def _standardized(self, x: np.ndarray) -> list[str]:
        texts = texts_of(x, self, self.encoding, FIX)
        how = self.standardize
        if how is None:
            return texts
        if callable(how):
            found = host_array(how(np.array(texts, object).reshape(x.shape)), self)
            if found.shape != x.shape:
                raise ValueError(
                    f"{who(self)}: `standardize` made an array of shape {found.shape} of one of {x.shape}."
                )
            return texts_of(found, self, self.encoding)
        lower, strip = "lower" in how, "strip" in how
        changed = []
        for text in texts:  # bytes, because only ASCII letters and signs change
            coded = text.encode("utf-8", "surrogatepass")
            coded = coded.lower() if lower else coded
            changed.append((coded.translate(None, PUNCTUATION) if strip else coded).decode("utf-8", "surrogatepass"))
        return changed

    def _split(self, texts: list[str]) -> list[Sequence[str]]:
        if self.split == "whitespace":
            return [_words(text) for text in texts]
        if self.split == "character":
            return [list(text) for text in texts]
        rows = self.split(np.array(texts, object))  # type: ignore[operator]
        rows = rows.to_list() if hasattr(rows, "to_list") else list(rows)
        if len(rows) != len(texts):
            raise ValueError(f"{who(self)}: `split` made {len(rows)} lists of tokens of {len(texts)} texts.")
        return [[t.decode(self.encoding) if isinstance(t, bytes) else str(t) for t in row] for row in rows]

    def _runs(self, row: Sequence[str]) -> list[str]:
        return [" ".join(row[i : i + n]) for n in self._lengths or () for i in range(len(row) - n + 1)]

    # ---- the vocabulary -----------------------------------------------------------------------------------------

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Take the vocabulary from texts: the most frequent tokens first.

        Args:
            data: array, list or pandas column of texts, or an iterable of batches of them.
            batch_size: kept for Keras's sake: arrays are read in parts anyway.
            steps: how many batches of an iterable to take.

        Raises:
            ValueError: if the layer was given a vocabulary, or the data holds no token.
        """
        if self._lookup_layer._given:
            raise ValueError(f"{who(self)}: the vocabulary was given, so there is nothing to adapt.")
        self.reset_state()
        for batch in batches_of(data, self, steps):
            self.update_state(batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget what was seen since the last `finalize_state`; the vocabulary stays."""
        self._lookup_layer.reset_state()

    def update_state(self, data: Any) -> None:
        """Take a batch of texts into account."""
        rows = self._rows(host_array(data, self))
        self._lookup_layer._count((t for row in rows for t in row), rows if self.output_mode == "tf_idf" else None)

    def finalize_state(self) -> None:
        """Make the vocabulary of the tokens seen."""
        self._lookup_layer.finalize_state()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """Return the tokens in the order of their indices.

        Args:
            include_special_tokens: whether those for padding and for unknown tokens are among them.
        """
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """Return the number of tokens, special ones included."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Use the tokens given, as `StringLookup.set_vocabulary` does."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    # ---- calling ------------------------------------------------------------------------------------------------

    def call(self, inputs: Any) -> Any:
        """Return indices or vectors of texts, as a NumPy array."""
        lookup = self._lookup_layer
        lookup._require()
        x = host_array(inputs, self)
        if self.split is None and self._lengths is None:
            return lookup.call(np.array(self._standardized(x), object).reshape(x.shape))
        rows = self._rows(x)
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        indices = lookup._indices(np.array([t for row in rows for t in row], object))
        places = np.repeat(np.arange(len(rows)), lengths)
        if self.output_mode == "int":
            found = self._padded(indices, places, lengths)
        else:
            weights = lookup._weights() if self.output_mode == "tf_idf" else None
            mode = "count" if self.output_mode == "tf_idf" else self.output_mode
            found = row_vectors(indices, places, len(rows), mode, lookup._depth(), lookup._vector_dtype, weights)
        return found[0] if x.ndim == 0 or (self.split is None and x.ndim == 1) else found

    def _padded(self, indices: np.ndarray, rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        width = self.output_sequence_length
        width = int(lengths.max(initial=0)) if width is None else width
        columns = np.arange(indices.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        kept = columns < width
        found = np.zeros((lengths.size, width), np.int64)
        found[rows[kept], columns[kept]] = indices[kept]
        return found

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """Return a symbol for the outputs."""
        dtype = "int64" if self.output_mode == "int" else self._lookup_layer._vector_dtype
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype, record_history=False)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the outputs; a size that depends on the texts or the vocabulary is None."""
        shape = tuple(input_shape)
        if self.split is None and self._lengths is None:
            return self._lookup_layer.compute_output_shape(shape)
        if self.split is None or (len(shape) > 1 and shape[-1] == 1):
            shape = shape[:-1]
        if self.output_mode == "int":
            return (*shape, self.output_sequence_length)
        return self._lookup_layer.compute_output_shape((*shape, 1))

    compute_dtype = property(lambda self: "string")
    variable_dtype = property(lambda self: "string")

    # ---- config and files ---------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, and the number of tokens."""
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:  # type: ignore[override]
        """Return a new layer made from what `get_config` gave; its vocabulary may come later, from a file's assets.

        Raises:
            ValueError: if the config names a file to read the vocabulary from.
        """
        return super().from_config(without_path(config, cls.__name__))

    def save_assets(self, dir_path: str) -> None:
        """Write the vocabulary into a folder, unless the config holds it."""
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path: str) -> None:
        """Read what `save_assets` wrote."""
        self._lookup_layer.load_assets(dir_path)

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Put the weights of `"tf_idf"` into `store`."""
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Take the weights of `"tf_idf"` from `store`."""
        self._lookup_layer.load_own_variables(store)

    def build(self, input_shape: Any = None) -> None:
        """Make nothing: the layer has no weights."""


def _words(text: str) -> list[str]:
    """Return what stands between white space of ASCII: only that separates words, as in TensorFlow."""
    if text.isascii() and text.isprintable():
        return text.split()
    words = b" ".join(text.encode("utf-8", "surrogatepass").split())
    return words.decode("utf-8", "surrogatepass").split(" ") if words else []


def _lengths_of(ngrams: Any, layer: Any) -> tuple[int, ...] | None:
    if ngrams is None:
        return None
    if hasattr(ngrams, "__index__"):
        return tuple(range(1, whole(ngrams, "ngrams", layer) + 1))
    if not isinstance(ngrams, (list, tuple)) or not ngrams:
        raise ValueError(
            f"{who(layer)}: expected `ngrams` to be None, a whole number or a tuple of them; received {ngrams!r}."
        )
    return tuple(whole(n, "ngrams", layer) for n in ngrams)
