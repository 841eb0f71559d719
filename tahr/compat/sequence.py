"""`keras.preprocessing.sequence`: skip-grams and windows of series, as Keras 1 and 2 made them."""

import json
from typing import Any

import numpy as np

from tahr.compat.notices import notice
from tahr.random import host_generator, host_seed
from tahr.trainer.sources.py_dataset import PyDataset

__all__ = ["TimeseriesGenerator", "make_sampling_table", "remove_long_seq", "skipgrams"]


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """Return the share of the occurrences of each word, by rank, that is kept for `skipgrams`.

    The frequency of the word of rank r is taken as `1 / (r (ln r + 0.577) + 1/2 - 1/(12 r))` (Zipf's law); it is kept
    with probability `min(1, sqrt(sampling_factor / frequency))`. Source: T. Mikolov et al., "Distributed
    Representations of Words and Phrases and their Compositionality", 2013.

    Args:
        size: number of words.
        sampling_factor: the frequency from which on words are left out.

    >>> from tahr.preprocessing import sequence
    >>> sequence.make_sampling_table(3)
    [0.00315225, 0.00315225, 0.00547597]
    """
    rank = np.arange(size)
    rank[:1] = 1
    inverse = rank * (np.log(rank) + 0.577) + 0.5 - 1.0 / (12.0 * rank)
    return np.minimum(1.0, np.sqrt(sampling_factor * inverse))


def skipgrams(
    sequence: Any,
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Return pairs of a word and another one, and whether the other one stands near it.

    Args:
        sequence: numbers of words; 0 is no word.
        vocabulary_size: one more than the largest number.
        window_size: how far near is.
        negative_samples: pairs with a random word, for each pair of neighbours.
        shuffle: whether the pairs come in random order.
        categorical: whether labels are `[0, 1]` and `[1, 0]` instead of 1 and 0.
        sampling_table: share of each word's occurrences that is kept, or None.
        seed: of what is random; None takes the next one.

    >>> from tahr.preprocessing import sequence
    >>> sequence.skipgrams([1, 2], 3, negative_samples=0, shuffle=False)
    ([[1, 2], [2, 1]], [1, 1])
    """
    draw = host_generator(host_seed() if seed is None else seed)
    words = np.asarray(sequence)
    couples: list[list[int]] = []
    for i, word in enumerate(words):
        if not word or (sampling_table is not None and sampling_table[word] < draw.random()):
            continue
        near = range(max(0, i - window_size), min(len(words), i + window_size + 1))
        couples += [[int(word), int(words[j])] for j in near if j != i and words[j]]
    yes, no = ([0, 1], [1, 0]) if categorical else (1, 0)
    labels: list[Any] = [yes] * len(couples)
    count = int(len(couples) * negative_samples)
    if count:
        firsts = draw.permutation(np.array([first for first, _ in couples]))
        others = draw.integers(1, vocabulary_size, size=count)  # the last number is left out
        couples += [[int(firsts[i % len(firsts)]), int(others[i])] for i in range(count)]
        labels += [no] * count
    if shuffle:
        order = draw.permutation(len(couples))
        couples, labels = [couples[i] for i in order], [labels[i] for i in order]
    return couples, labels


def remove_long_seq(maxlen: int, seq: Any, label: Any) -> tuple[list[Any], list[Any]]:
    """Return the sequences shorter than `maxlen`, and their labels.

    >>> from tahr.compat.sequence import remove_long_seq
    >>> remove_long_seq(2, [[1], [2, 3]], ["a", "b"])
    ([[1]], ['a'])
    """
    kept = [(s, y) for s, y in zip(seq, label, strict=True) if len(s) < maxlen]
    return [s for s, _ in kept], [y for _, y in kept]


class TimeseriesGenerator(PyDataset):
    """Batches of windows of a series, with what comes after each.

    Args:
        data: array of shape (time, ...).
        targets: array of which element t belongs to the window that ends before time t.
        length: times that a window reaches back.
        sampling_rate: times from one row of a window to the next.
        stride: times from one window to the next.
        start_index: first time to be used.
        end_index: last time to be used; None is the last of all.
        shuffle: whether windows begin anywhere, instead of in order.
        reverse: whether windows go backwards in time.
        batch_size: windows a batch.

    Raises:
        ValueError: if data and targets differ in length, or no window fits.

    >>> from tahr.preprocessing import sequence
    >>> series = np.arange(5)
    >>> x, y = sequence.TimeseriesGenerator(series, series, length=2, batch_size=2)[0]
    >>> x.tolist(), y.tolist()
    ([[0, 1], [1, 2]], [2, 3])
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ):
        super().__init__()
        notice("preprocessing.sequence.TimeseriesGenerator", "use utils.timeseries_dataset_from_array")
        if len(data) != len(targets):
            raise ValueError(
                f"TimeseriesGenerator: expected as many targets as times; received {len(data)} times and "
                f"{len(targets)} targets."
            )
        self.data, self.targets = np.asarray(data), np.asarray(targets)
        self.length, self.sampling_rate, self.stride = length, sampling_rate, stride
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle, self.reverse, self.batch_size = shuffle, reverse, batch_size
        self._seed = host_seed() if shuffle else 0
        if self.start_index > self.end_index:
            raise ValueError(
                f"TimeseriesGenerator: no window of length {length} fits from {start_index} to {self.end_index}."
            )

    def __len__(self) -> int:
        step = self.batch_size * self.stride
        return (self.end_index - self.start_index + step) // step

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the windows of a batch and their targets."""
        if self.shuffle:
            draw = host_generator(self._seed * 2**32 + index)
            rows = draw.integers(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            first = self.start_index + self.batch_size * self.stride * index
            last = min(first + self.batch_size * self.stride, self.end_index + 1)
            rows = np.arange(first, last, self.stride)
        back = np.arange(-self.length, 0, self.sampling_rate)
        found = self.data[rows[:, None] + (back[::-1] if self.reverse else back)]
        return found, self.targets[rows]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data."""
        names = ("length", "sampling_rate", "stride", "start_index", "end_index", "shuffle", "reverse", "batch_size")
        return {"data": self.data.tolist(), "targets": self.targets.tolist(), **{n: getattr(self, n) for n in names}}

    def to_json(self, **kwargs: Any) -> str:
        """Return the generator as JSON text; `kwargs` are those of `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)
