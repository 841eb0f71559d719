"""`keras.preprocessing.text`: words to numbers, as Keras 1 and 2 did it."""

import hashlib
import json
import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tahr.compat.notices import notice

__all__ = ["Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"]

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def text_to_word_sequence(text: str, filters: str = FILTERS, lower: bool = True, split: str = " ") -> list[str]:
    """Return the words of a text.

    Args:
        text: the text.
        filters: characters that stand between words.
        lower: whether words are in lower case.
        split: what else stands between words.

    >>> from tahr.preprocessing import text
    >>> text.text_to_word_sequence("Good night, world!")
    ['good', 'night', 'world']
    """
    text = text.lower() if lower else text
    return [word for word in text.translate({ord(c): split for c in filters}).split(split) if word]


def _stable(word: str) -> int:
    return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)


def hashing_trick(
    text: str,
    n: int,
    hash_function: Any = None,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], Iterable[str]] | None = None,
) -> list[int]:
    """Return a number from 1 to n - 1 for each word of a text; words may share one.

    Args:
        text: the text.
        n: one more than the largest number.
        hash_function: function of a word that returns an integer; None or `"md5"` is the MD5 sum, which is the same
            in every process (Python's `hash`, which Keras 2 took for None, is not).
        filters: as for `text_to_word_sequence`.
        lower: as for `text_to_word_sequence`.
        split: as for `text_to_word_sequence`.
        analyzer: function that returns the words of a text, or None.

    >>> from tahr.preprocessing import text
    >>> text.hashing_trick("one two one", 10)
    [3, 6, 3]
    """
    number = _stable if hash_function in (None, "md5") else hash_function
    words = text_to_word_sequence(text, filters, lower, split) if analyzer is None else analyzer(text)
    return [number(word) % (n - 1) + 1 for word in words]


def one_hot(
    input_text: str,
    n: int,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], Iterable[str]] | None = None,
) -> list[int]:
    """Return a number from 1 to n - 1 for each word of a text: `hashing_trick` under another name.

    >>> from tahr.preprocessing import text
    >>> text.one_hot("one two one", 10)
    [3, 6, 3]
    """
    return hashing_trick(input_text, n, None, filters, lower, split, analyzer)


class Tokenizer:
    """Numbers words by how often they occur in texts, from 1 for the most frequent one.

    Args:
        num_words: numbers from this one on are left out; None keeps all.
        filters: as for `text_to_word_sequence`.
        lower: as for `text_to_word_sequence`.
        split: as for `text_to_word_sequence`.
        char_level: whether characters are numbered instead of words.
        oov_token: what stands for words without a number, itself number 1; None leaves them out.
        analyzer: function that returns the words of a text, or None.

    Attributes:
        word_index: the number of each word.
        index_word: the word of each number.
        word_counts: how often each word occurred.
        word_docs: in how many texts each word occurred.
        document_count: number of texts.

    >>> from tahr.preprocessing import text
    >>> tokenizer = text.Tokenizer()
    >>> tokenizer.fit_on_texts(["the cat", "the dog"])
    >>> tokenizer.texts_to_sequences(["the dog barks"])
    [[1, 3]]
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        analyzer: Callable[[str], Iterable[str]] | None = None,
        **kwargs: Any,
    ):
        notice("preprocessing.text.Tokenizer", "use layers.TextVectorization")
        if "nb_words" in kwargs:
            num_words = kwargs.pop("nb_words")
        self.document_count = kwargs.pop("document_count", 0)
        if kwargs:
            raise TypeError(f"Tokenizer: unexpected arguments {sorted(kwargs)}.")
        self.num_words, self.filters, self.lower, self.split = num_words, filters, lower, split
        self.char_level, self.oov_token, self.analyzer = char_level, oov_token, analyzer
        self.word_counts: OrderedDict[str, int] = OrderedDict()
        self.word_docs: defaultdict[str, int] = defaultdict(int)
        self.index_docs: defaultdict[int, int] = defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def _words(self, text: Any) -> list[str]:
        if self.char_level or isinstance(text, list):
            parts = text.lower() if isinstance(text, str) and self.lower else text
            return [p.lower() for p in parts] if self.lower else list(parts)
        if self.analyzer is not None:
            return list(self.analyzer(text))
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable[Any]) -> None:
        """Count the words of texts, or of lists of words, and number them."""
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in set(words):
                self.word_docs[word] += 1
        ordered = sorted(self.word_counts, key=lambda word: -self.word_counts[word])
        listed = ordered if self.oov_token is None else [self.oov_token, *ordered]
        self.word_index = {word: i for i, word in enumerate(listed, 1)}
        self.index_word = {i: word for word, i in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Iterable[Iterable[int]]) -> None:
        """Count texts and the numbers in them, for `sequences_to_matrix` without texts."""
        for sequence in sequences:
            self.document_count += 1
            for number in set(sequence):
                self.index_docs[number] += 1

    def texts_to_sequences(self, texts: Iterable[Any]) -> list[list[int]]:
        """Return the numbers of the words of each text."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Any]) -> Iterator[list[int]]:
        """Yield the numbers of the words of each text."""
        unknown = self.word_index.get(self.oov_token) if self.oov_token is not None else None
        for text in texts:
            found = [self.word_index.get(word) for word in self._words(text)]
            kept = [unknown if i is None or (self.num_words and i >= self.num_words) else i for i in found]
            yield [i for i in kept if i is not None]

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """Return the words of each list of numbers, with blanks between them."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """Yield the words of each list of numbers, with blanks between them."""
        for sequence in sequences:
            found = [self.index_word.get(i) for i in sequence]
            most = self.num_words or math.inf
            kept = [self.oov_token if w is None or i >= most else w for i, w in zip(sequence, found, strict=True)]
            yield " ".join(word for word in kept if word is not None)

    def texts_to_matrix(self, texts: Iterable[Any], mode: str = "binary") -> np.ndarray:
        """Return a row for each text; see `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Any, mode: str = "binary") -> np.ndarray:
        """Return a row for each list of numbers, with a column for each number.

        Args:
            sequences: lists of numbers.
            mode: `"binary"`, `"count"`, `"freq"` (share of the text) or `"tfidf"`, which is
                `(1 + ln count) * ln(1 + texts / (1 + texts with the word))`.

        Raises:
            ValueError: for another mode, or if no text has been seen that says how many columns there are.
        """
        if mode not in ("binary", "count", "freq", "tfidf"):
            raise ValueError(f"Tokenizer: expected mode 'binary', 'count', 'freq' or 'tfidf'; received {mode!r}.")
        if not self.num_words and not self.word_index:
            raise ValueError(
                "Tokenizer: give num_words, or call fit_on_texts first, to say how many columns there are."
            )
        if mode == "tfidf" and not self.document_count:
            raise ValueError("Tokenizer: mode 'tfidf' needs texts to count in; call fit_on_texts or fit_on_sequences.")
        width = self.num_words or len(self.word_index) + 1
        found = np.zeros((len(sequences), width))
        for row, sequence in zip(found, sequences, strict=True):
            if len(sequence):
                row += np.bincount([i for i in sequence if i < width], minlength=width)
                row /= len(sequence) if mode == "freq" else 1
        if mode == "binary":
            return (found > 0).astype(found.dtype)
        if mode == "tfidf":
            texts = np.array([self.index_docs.get(i, 0) for i in range(width)])
            weights = np.log(1 + self.document_count / (1 + texts))
            found = np.where(found > 0, 1 + np.log(np.maximum(found, 1)), 0.0) * weights
        return found

    def get_config(self) -> dict[str, Any]:
        """Return the arguments and the counts as plain data."""
        counts = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
        return {
            **{name: getattr(self, name) for name in ("num_words", "filters", "lower", "split", "char_level",
                                                      "oov_token", "document_count")},
            **{name: json.dumps(getattr(self, name)) for name in counts},
        }  # fmt: skip

    def to_json(self, **kwargs: Any) -> str:
        """Return the tokenizer as JSON text, for `tokenizer_from_json`; `kwargs` are those of `json.dumps`."""
        return json.dumps({"class_name": "Tokenizer", "config": self.get_config()}, **kwargs)


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """Return the tokenizer that `Tokenizer.to_json` wrote, in Keras 2 or here.

    >>> from tahr.preprocessing import text
    >>> tokenizer = text.Tokenizer(num_words=5)
    >>> text.tokenizer_from_json(tokenizer.to_json()).num_words
    5
    """
    config = dict(json.loads(json_string)["config"])
    counts = {name: json.loads(config.pop(name)) for name in ("word_counts", "word_docs", "index_docs", "index_word",
                                                              "word_index")}  # fmt: skip
    made = Tokenizer(**config)
    made.word_counts = OrderedDict(counts["word_counts"])
    made.word_docs.update(counts["word_docs"])
    made.index_docs.update({int(i): n for i, n in counts["index_docs"].items()})
    made.index_word = {int(i): word for i, word in counts["index_word"].items()}
    made.word_index = counts["word_index"]
    return made
