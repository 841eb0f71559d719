"""`IndexLookup`: what lookups of text and of numbers share; the two are in `lookup`."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tahr.layers.arguments import choice, who, whole
from tahr.layers.hashing import salt_of
from tahr.layers.host import HostLayer, batches_of, host_array, host_vectors, is_native, vector_shape
from tahr.layers.tabular import refuse_sparse
from tahr.symbolic import KerasTensor

__all__ = ["OOV", "IndexLookup"]

MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
OOV, NOTHING = -1, -2  # what a token not in the vocabulary, and the mask where it has no index, are looked up as
LINES, EXACT = "vocabulary.txt", "vocabulary.json"  # the second only if a token holds a line break


class _Vocabulary:
    """The tokens in order, and how to find one; an object of its own so that nobody searches it for layers."""

    def __init__(self, tokens: list[Any], offset: int, mask: Any, mask_index: int, idf: np.ndarray | None = None):
        self.tokens, self.offset, self.idf = tokens, offset, idf
        self.table = {token: i for i, token in enumerate(tokens, offset)}
        if mask is not None:
            self.table[mask] = mask_index
        if tokens and isinstance(tokens[0], int):
            self.sorted = np.array(sorted(self.table), np.int64)
            self.places = np.array([self.table[t] for t in self.sorted.tolist()], np.int64)


class _Seen:
    """How often tokens were seen, and in how many rows."""

    def __init__(self) -> None:
        self.tokens: Counter[Any] = Counter()
        self.rows_with: Counter[Any] = Counter()
        self.rows = 0


class IndexLookup(HostLayer):
    """What lookups of text and of numbers share: the vocabulary, where it comes from, and how indices are written."""

    _untracked = HostLayer._untracked | {"vocabulary", "idf_weights"}
    _tokens_are: str  # data type of the tokens, as Keras calls it
    mask_token: Any
    oov_token: Any

    def _start(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        output_mode: str,
        sparse: bool,
        pad_to_max_tokens: bool,
        oov_method: str,
        salt: Any,
    ) -> None:
        """Check and keep the arguments; the tokens that stand for others are there already."""
        refuse_sparse(self, sparse)
        self.max_tokens = None if max_tokens is None else whole(max_tokens, "max_tokens", self, 2)
        self.num_oov_indices = whole(num_oov_indices, "num_oov_indices", self, 0)
        self.output_mode = choice(output_mode, MODES, "output_mode", self)
        self.oov_method = choice(oov_method, ("floormod", "farmhash"), "oov_method", self)
        self.invert, self.sparse, self.pad_to_max_tokens = invert, sparse, pad_to_max_tokens
        self.salt = salt_of(salt, self)
        if invert and self.output_mode != "int":
            raise ValueError(f"{who(self)}: invert=True needs output_mode='int'; received {output_mode!r}.")
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError(f"{who(self)}: pad_to_max_tokens=True needs `max_tokens`, the size to pad to.")
        if idf_weights is not None and self.output_mode != "tf_idf":
            raise ValueError(f"{who(self)}: `idf_weights` need output_mode='tf_idf'; received {output_mode!r}.")
        self.vocabulary, self.idf_weights = None, None
        self._seen = _Seen()
        self._given = False
        self._known = _Vocabulary([], self._offset, self._mask, self._mask_index)
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)
            if not isinstance(vocabulary, (str, Path)):
                self.vocabulary = [_plain(token) for token in vocabulary]
                self.idf_weights = None if idf_weights is None else np.asarray(idf_weights, float).tolist()
        elif idf_weights is not None:
            raise ValueError(f"{who(self)}: `idf_weights` need the `vocabulary` that they belong to.")

    # ---- the vocabulary -----------------------------------------------------------------------------------------

    @property
    def _mask(self) -> Any:
        return self.mask_token

    @property
    def _special(self) -> list[Any]:
        mask = [self.mask_token] if self.mask_token is not None and self.output_mode == "int" else []
        return mask + [self.oov_token] * self.num_oov_indices

    @property
    def _offset(self) -> int:
        return len(self._special)

    @property
    def _mask_index(self) -> int:
        return 0 if self.output_mode == "int" else NOTHING

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Return the tokens in the order of their indices.

        Args:
            include_special_tokens: whether the mask token and those for unknown tokens are among them.
        """
        return [*self._special, *self._known.tokens] if include_special_tokens else list(self._known.tokens)

    def vocabulary_size(self) -> int:
        """Return the number of tokens, the mask token and those for unknown tokens included."""
        return len(self._known.tokens) + self._offset

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Use the tokens given, instead of `adapt`.

        Args:
            vocabulary: tokens in the order of their indices, with or without the special ones at the start; or the
                path of a text file that holds one a line.
            idf_weights: for `"tf_idf"`, the weight of each token.

        Raises:
            ValueError: if tokens repeat, are too many, or special ones stand elsewhere.
        """
        if isinstance(vocabulary, (str, Path)):
            vocabulary = self._read_lines(Path(vocabulary))
        tokens = self._tokens(np.array(list(vocabulary), object)) if len(vocabulary) else []
        self._adopt(tokens, idf_weights)
        self._given = True
        self.vocabulary = self.idf_weights = None

    def _adopt(self, tokens: list[Any], idf_weights: Any) -> None:
        if not tokens:
            raise ValueError(f"{who(self)}: expected a vocabulary of at least one token; received an empty one.")
        if self.output_mode == "tf_idf" and idf_weights is None:
            raise ValueError(f"{who(self)}: output_mode='tf_idf' needs `idf_weights` with the vocabulary.")
        if idf_weights is not None and self.output_mode != "tf_idf":
            raise ValueError(f"{who(self)}: `idf_weights` need output_mode='tf_idf'; it is {self.output_mode!r}.")
        if idf_weights is not None and len(idf_weights) != len(tokens):
            raise ValueError(
                f"{who(self)}: expected a weight for each of {len(tokens)} tokens; received {len(idf_weights)}."
            )
        special = self._special
        weights = None if idf_weights is None else np.asarray(idf_weights, "float32")
        if special and tokens[: len(special)] == special:
            tokens, weights = tokens[len(special) :], None if weights is None else weights[len(special) :]
        self._check(tokens, special)
        if weights is not None:
            unknown = np.full(self.num_oov_indices, weights.mean() if weights.size else 0, "float32")
            weights = np.concatenate([unknown, weights])
        self._known = _Vocabulary(tokens, len(special), self.mask_token, self._mask_index, weights)

    def _check(self, tokens: list[Any], special: list[Any]) -> None:
        if len(set(tokens)) != len(tokens):
            repeated = [t for t, n in Counter(tokens).items() if n > 1]
            raise ValueError(f"{who(self)}: tokens of the vocabulary repeat: {repeated[:10]!r}. Give each once.")
        if self.mask_token is not None and self.mask_token in tokens:
            raise ValueError(
                f"{who(self)}: the mask token {self.mask_token!r} stands at place {tokens.index(self.mask_token)} of "
                f"the vocabulary. Leave the special tokens out, or begin with all of them: {special!r}."
            )
        if self.num_oov_indices and tokens and tokens[0] == self.oov_token:
            raise ValueError(
                f"{who(self)}: the vocabulary begins with the token for unknown ones, {self.oov_token!r}. Leave the "
                f"special tokens out, or begin with all of them: {special!r}."
            )
        if self.max_tokens is not None and len(tokens) + len(special) > self.max_tokens:
            raise ValueError(
                f"{who(self)}: {len(tokens)} tokens and {len(special)} special ones are more than "
                f"max_tokens={self.max_tokens}. Give fewer, or raise `max_tokens`."
            )

    # ---- adapting -----------------------------------------------------------------------------------------------

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Take the vocabulary from data: the most frequent tokens first, later ones in alphabetical order first.

        Args:
            data: array, list or pandas column, or an iterable of batches.
            steps: how many batches of an iterable to take.

        Raises:
            ValueError: if the layer was given a vocabulary, or the data holds no token.
        """
        if self._given:
            raise ValueError(f"{who(self)}: the vocabulary was given, so there is nothing to adapt.")
        self.reset_state()
        for batch in batches_of(data, self, steps):
            self.update_state(batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget what was seen since the last `finalize_state`; the vocabulary stays."""
        self._seen = _Seen()

    def update_state(self, data: Any) -> None:
        """Take a batch into account; for `"tf_idf"` a row of it is a document."""
        x = host_array(data, self)
        rows = self._rows(x)
        self._count(itertools.chain.from_iterable(rows) if rows is not None else self._tokens(x), rows)

    def _rows(self, x: np.ndarray) -> list[list[Any]] | None:
        """Return the documents of a batch, if they matter."""
        if self.output_mode != "tf_idf":
            return None
        width = x.shape[-1] if x.ndim > 1 else 1
        tokens = self._tokens(x)
        return [tokens[i : i + width] for i in range(0, len(tokens), max(width, 1))]

    def _count(self, tokens: Iterable[Any], rows: Sequence[Sequence[Any]] | None) -> None:
        self._seen.tokens.update(tokens)
        if rows is not None:
            self._seen.rows += len(rows)
            for row in rows:
                self._seen.rows_with.update(set(row))

    def finalize_state(self) -> None:
        """Make the vocabulary of the tokens seen.

        Raises:
            ValueError: if there were none.
        """
        counts = self._seen.tokens
        for token in (self.mask_token, self.oov_token):
            counts.pop(token, None)
        if not counts:
            raise ValueError(f"{who(self)}: adapt received no data, or no token but special ones.")
        room = None if self.max_tokens is None else max(self.max_tokens - self._offset, 0)
        tokens = sorted(counts, reverse=True)
        tokens.sort(key=counts.__getitem__, reverse=True)  # a stable sort: equally frequent ones keep their order
        tokens = tokens[:room]
        weights = None
        if self.output_mode == "tf_idf":
            documents = np.array([self._seen.rows_with[t] for t in tokens])
            weights = np.log(1 + self._seen.rows / (1 + documents))
        self._adopt(tokens, weights)
        self.reset_state()

    # ---- looking up ---------------------------------------------------------------------------------------------

    def call(self, inputs: Any) -> Any:
        """Return indices, vectors or, inverted, tokens, as a NumPy array; tensors for tensors."""
        self._require()
        if is_native(inputs):
            return self._on_device(inputs)
        x = host_array(inputs, self)
        if self.invert:
            return self._inverted(x)
        return self._write(self._indices(x))

    def _require(self) -> None:
        if not self._known.tokens:
            raise ValueError(
                f"{who(self)}: has no vocabulary yet. Call `adapt(data)` first, or give it `vocabulary=...`."
            )

    def _write(self, indices: np.ndarray) -> np.ndarray:
        """Return indices as the layer's outputs."""
        if self.output_mode == "int":
            return indices
        weights = self._weights() if self.output_mode == "tf_idf" else None
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        return host_vectors(indices, mode, self._depth(), self._vector_dtype, weights)

    @property
    def _vector_dtype(self) -> str:
        return self.dtype_policy.compute_dtype

    def _depth(self) -> int:
        if self.pad_to_max_tokens and self.max_tokens is not None:
            return self.max_tokens
        return self.vocabulary_size()

    def _weights(self) -> np.ndarray:
        weights = np.zeros(self._depth(), "float32")
        if self._known.idf is not None:
            weights[: self._known.idf.size] = self._known.idf
        return weights

    def _indices(self, x: np.ndarray) -> np.ndarray:
        found = self._found(x)
        unknown = np.flatnonzero(found == OOV)
        if unknown.size:
            found[unknown] = self._unknown(x, unknown)
        return np.where(found == NOTHING, -1, found).reshape(x.shape) if self._mask_index else found.reshape(x.shape)

    def _unknown(self, x: np.ndarray, places: np.ndarray) -> Any:
        first = self._offset - self.num_oov_indices
        if self.num_oov_indices == 1:
            return first
        values = x.ravel()[places]
        if not self.num_oov_indices:
            raise ValueError(
                f"{who(self)}: {places.size} values are not in the vocabulary, the first of them "
                f"{list(dict.fromkeys(values[:10].tolist()))!r}, and num_oov_indices=0 leaves no index for them. Use "
                "num_oov_indices=1, or adapt to data that holds them."
            )
        return first + self._unknown_bins(values)

    def _inverted(self, x: np.ndarray) -> np.ndarray:
        if x.dtype.kind not in "iub":
            raise TypeError(f"{who(self)}: inverted, it expects indices; received values of type {x.dtype.name}.")
        tokens = np.array([*self.get_vocabulary(), self.oov_token], None if self._tokens_are == "string" else np.int64)
        return tokens[np.where((x >= 0) & (x < len(tokens) - 1), x, len(tokens) - 1)]

    # what differs between text and numbers

    def _tokens(self, x: np.ndarray) -> list[Any]:
        raise NotImplementedError

    def _found(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _unknown_bins(self, values: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _on_device(self, x: Any) -> Any:
        raise NotImplementedError

    def _read_token(self, line: str) -> Any:
        raise NotImplementedError

    # ---- shapes, types, config ----------------------------------------------------------------------------------

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """Return a symbol for the outputs."""
        if self.output_mode == "int":
            dtype = self._tokens_are if self.invert else "int64"
            return KerasTensor(inputs.shape, dtype, record_history=False)
        return KerasTensor(self.compute_output_shape(inputs.shape), self._vector_dtype, record_history=False)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the outputs; the size of vectors is None before there is a vocabulary."""
        if self.output_mode == "int":
            return tuple(input_shape)
        depth = self._depth() if self._known.tokens or self.pad_to_max_tokens else None
        return vector_shape(tuple(input_shape), self.output_mode, depth)

    @property
    def compute_dtype(self) -> str:
        """The type of the tokens."""
        return self._tokens_are

    @property
    def variable_dtype(self) -> str:
        """The type of the tokens."""
        return self._tokens_are

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, and the number of tokens."""
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size(), "oov_method": self.oov_method}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """Return a new layer made from what `get_config` gave; its vocabulary may come later, from a file's assets.

        Raises:
            ValueError: if the config names a file to read the vocabulary from.
        """
        return super().from_config(without_path(config, cls.__name__), custom_objects)

    def get_build_config(self) -> dict[str, Any]:
        """Return nothing: no shape matters."""
        return {}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Do nothing: no shape matters."""

    # ---- files --------------------------------------------------------------------------------------------------

    def save_assets(self, dir_path: str) -> None:
        """Write the vocabulary into a folder, one token a line, unless the config holds it."""
        if self.vocabulary is not None or not self._known.tokens:
            return
        tokens = self.get_vocabulary()
        lines = [str(t) for t in tokens]
        Path(dir_path, LINES).write_text("\n".join(lines), encoding="utf-8", newline="\n")
        if any("\n" in line for line in lines):
            Path(dir_path, EXACT).write_text(json.dumps(tokens), encoding="utf-8")

    def load_assets(self, dir_path: str) -> None:
        """Read what `save_assets` wrote."""
        exact, lines = Path(dir_path, EXACT), Path(dir_path, LINES)
        if exact.is_file():
            found = json.loads(exact.read_text(encoding="utf-8"))
        elif lines.is_file():
            with open(lines, encoding="utf-8", newline="\n") as file:
                found = file.read().split("\n")
        else:
            return
        weights = self._known.idf  # they were in the file of weights, those of special tokens among them
        self._adopt([self._read_token(str(t)) for t in found], None if weights is None else np.ones(len(found)))
        self._known.idf = weights

    def _read_lines(self, path: Path) -> list[Any]:
        with open(path, encoding=getattr(self, "encoding", "utf-8"), newline=None) as file:
            return [self._read_token(line.removesuffix("\n")) for line in file]

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Put the weights of `"tf_idf"` into `store`."""
        if self._known.idf is not None and self.vocabulary is None:
            store["idf_weights"] = self._weights()

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Take the weights of `"tf_idf"` from `store`."""
        if "idf_weights" in store.keys():  # noqa: SIM118  a group of a file has no cheaper test
            self._known.idf = np.asarray(store["idf_weights"], "float32")


def without_path(config: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a lookup's config as its constructor takes it.

    Raises:
        UnsafeFileError: if it names a file to read the vocabulary from, which a stranger's file might choose.
    """
    if isinstance(config.get("vocabulary"), str):
        from tahr.saving.errors import UnsafeFileError

        raise UnsafeFileError(
            f"{name}: the config names the file {config['vocabulary']!r} as its vocabulary; files named by a config "
            f"are not read. Read it yourself: config['vocabulary'] = open(path).read().splitlines()."
        )
    return {k: v for k, v in config.items() if k != "vocabulary_size"}


def _plain(token: Any) -> Any:
    if isinstance(token, bytes):
        return token.decode()
    return token.item() if isinstance(token, np.generic) else token
