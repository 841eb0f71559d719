"""What IMDB and Reuters share: texts as lists of word numbers, the most frequent word first."""

import numpy as np

from tahr.datasets.source import Arrays


def with_start(texts: np.ndarray, start_char: int | None, index_from: int) -> list[list[int]]:
    """Return the texts with every number raised by `index_from`, and `start_char` in front unless it is None."""
    start = [] if start_char is None else [start_char]
    return [start + [word + index_from for word in text] for text in texts]


def shorter_than(texts: list[list[int]], labels: np.ndarray, maxlen: int | None) -> tuple[list[list[int]], np.ndarray]:
    """Return the texts of fewer than `maxlen` numbers with their labels; all if `maxlen` is None."""
    if not maxlen:
        return texts, labels
    kept = [i for i, text in enumerate(texts) if len(text) < maxlen]
    if not kept:
        raise ValueError(f"No text is shorter than maxlen={maxlen}. Raise maxlen.")
    return [texts[i] for i in kept], labels[kept]


def within_vocabulary(
    texts: list[list[int]], num_words: int | None, skip_top: int, oov_char: int | None
) -> list[list[int]]:
    """Return the texts with numbers from `skip_top` up to but without `num_words`, others replaced by `oov_char`.

    With `oov_char` None the others are left out. With `num_words` None only the highest number is out, as in Keras.
    """
    limit = num_words or max((max(text, default=0) for text in texts), default=0)
    if oov_char is None:
        return [[word for word in text if skip_top <= word < limit] for text in texts]
    return [[word if skip_top <= word < limit else oov_char for word in text] for text in texts]


def shuffled(texts: np.ndarray, labels: np.ndarray, random: np.random.RandomState) -> Arrays:
    """Return texts and labels in one random order."""
    order = np.arange(len(texts))
    random.shuffle(order)
    return texts[order], labels[order]


def as_objects(texts: list[list[int]]) -> np.ndarray:
    """Return a NumPy array of shape `(len(texts),)` whose elements are the lists."""
    array = np.empty(len(texts), "object")
    array[:] = texts
    return array
