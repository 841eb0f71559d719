"""IMDB: film reviews as word numbers, liked or not."""

import json

import numpy as np

from tahr.datasets import sequences
from tahr.datasets.source import Arrays, fetch, read_npz

__all__ = ["get_word_index", "load_data"]

HASH = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
WORD_INDEX_HASH = "bfafd718b763782e994055a2d397834f"


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: object,
) -> tuple[Arrays, Arrays]:
    """Return 25,000 + 25,000 film reviews as `(x_train, y_train), (x_test, y_test)`, downloaded once.

    A review is a list of word numbers, the most frequent word having the lowest; `x_train` and `x_test` are arrays of
    lists. Labels are int64: 0 for a bad and 1 for a good opinion.

    Source: A. Maas et al., Learning Word Vectors for Sentiment Analysis, ACL 2011.

    Args:
        path: name of the file in the cache.
        num_words: numbers from here on count as unknown; None keeps all but the highest.
        skip_top: numbers below count as unknown.
        maxlen: reviews of this many numbers or more are left out.
        seed: seed of the shuffle.
        start_char: number that begins each review, or None.
        oov_char: number that stands for an unknown word, or None to leave unknown words out.
        index_from: added to the number of each word.

    Raises:
        ValueError: if no review is shorter than `maxlen`.
        TypeError: if other arguments are given.

    >>> (x_train, y_train), (x_test, y_test) = keras.datasets.imdb.load_data(num_words=10_000)
    >>> type(x_train[0]), x_train[0][0]
    (<class 'list'>, 1)
    """
    if kwargs:
        hint = " nb_words is called num_words now." if "nb_words" in kwargs else ""
        raise TypeError(f"imdb.load_data has no argument {', '.join(map(repr, kwargs))}.{hint}")
    file = read_npz(fetch("imdb.npz", HASH, fname=path))
    random = np.random.RandomState(seed)
    texts, labels = [], []
    for part in ("train", "test"):
        x, y = sequences.shuffled(file[f"x_{part}"], file[f"y_{part}"], random)
        found = sequences.shorter_than(sequences.with_start(x, start_char, index_from), y, maxlen)
        texts.append(found[0])
        labels.append(found[1])
    known = sequences.within_vocabulary(texts[0] + texts[1], num_words, skip_top, oov_char)
    cut = len(texts[0])
    return (sequences.as_objects(known[:cut]), labels[0]), (sequences.as_objects(known[cut:]), labels[1])


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """Return the number of each word, before `load_data` adds `index_from`; downloaded once.

    Args:
        path: name of the file in the cache.

    >>> keras.datasets.imdb.get_word_index()["the"]
    1
    """
    with open(fetch("imdb_word_index.json", WORD_INDEX_HASH, fname=path), encoding="utf-8") as file:
        return json.load(file)
