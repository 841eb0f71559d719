"""Reuters: news wires as word numbers, in 46 topics."""

import json

import numpy as np

from tahr.datasets import sequences
from tahr.datasets.source import Arrays, fetch, read_npz

__all__ = ["get_label_names", "get_word_index", "load_data"]

HASH = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
WORD_INDEX_HASH = "4d44cc38712099c9e383dc6e5f11a921"
TOPICS = (
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton carcass "
    "crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi "
    "iron-steel rubber heat jobs lei bop zinc orange pet-chem dlr gas silver wpi hog lead"
)


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[Arrays, Arrays]:
    """Return 11,228 news wires as `(x_train, y_train), (x_test, y_test)`, downloaded once.

    A wire is a list of word numbers, the most frequent word having the lowest; `x_train` and `x_test` are arrays of
    lists. Labels are int64 from 0 to 45, named by `get_label_names`.

    Source: D. Lewis, Reuters-21578 text categorization collection, 1997.

    Args:
        path: name of the file in the cache.
        num_words: numbers from here on count as unknown; None keeps all but the highest.
        skip_top: numbers below count as unknown.
        maxlen: wires of this many numbers or more are left out.
        test_split: share of the wires that are for testing.
        seed: seed of the shuffle.
        start_char: number that begins each wire, or None.
        oov_char: number that stands for an unknown word, or None to leave unknown words out.
        index_from: added to the number of each word.

    Raises:
        ValueError: if no wire is shorter than `maxlen`.

    >>> (x_train, y_train), (x_test, y_test) = keras.datasets.reuters.load_data(num_words=10_000)
    >>> type(x_train[0]), x_train[0][0]
    (<class 'list'>, 1)
    """
    file = read_npz(fetch("reuters.npz", HASH, fname=path))
    x, labels = sequences.shuffled(file["x"], file["y"], np.random.RandomState(seed))
    texts, labels = sequences.shorter_than(sequences.with_start(x, start_char, index_from), labels, maxlen)
    known = sequences.as_objects(sequences.within_vocabulary(texts, num_words, skip_top, oov_char))
    cut = int(len(known) * (1 - test_split))
    return (known[:cut], labels[:cut]), (known[cut:], labels[cut:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """Return the number of each word, before `load_data` adds `index_from`; downloaded once.

    Args:
        path: name of the file in the cache.

    >>> keras.datasets.reuters.get_word_index()["the"]
    1
    """
    with open(fetch("reuters_word_index.json", WORD_INDEX_HASH, fname=path), encoding="utf-8") as file:
        return json.load(file)


def get_label_names() -> tuple[str, ...]:
    """Return the names of the 46 topics in the order of their labels.

    >>> keras.datasets.reuters.get_label_names()[3]
    'earn'
    """
    return tuple(TOPICS.split())
