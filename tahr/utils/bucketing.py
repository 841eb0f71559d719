"""Sequences of different lengths in batches of few shapes."""

from typing import Any

import numpy as np

from tahr.random import host_generator, host_seed
from tahr.trainer.sources.py_dataset import PyDataset
from tahr.utils.padding import pad_sequences

__all__ = ["BucketedSequences"]


class BucketedSequences(PyDataset):
    """Batches of sequences of similar length, filled up to one of a few lengths, so that few programs are compiled.

    Every batch has `batch_size` rows: where a bucket has fewer left, rows are repeated with weight 0. So there are at
    most as many shapes as boundaries.

    Args:
        sequences: list of sequences: of numbers, or of arrays of one shape.
        y: a target for each.
        boundaries: lengths to fill up to, ascending; the last is that of the longest sequence.
        batch_size: rows a batch.
        sample_weight: a weight for each sequence, or None.
        padding: `"post"` fills up after a sequence, `"pre"` before it.
        value: what is filled up with.
        dtype: type of the sequences.
        shuffle: whether each pass has an order of its own.
        seed: of the orders; None takes the next one.
        **kwargs: those of `PyDataset`.

    Raises:
        ValueError: if lengths of arguments differ, boundaries do not ascend, or a sequence is longer than the last one.

    >>> texts = [[1], [2, 3, 4], [5, 6]]
    >>> data = keras.utils.BucketedSequences(texts, np.arange(3), [2, 4], batch_size=2, shuffle=False)
    >>> x, y, weight = data[0]
    >>> x.tolist(), y.tolist(), weight.tolist()
    ([[1, 0], [5, 6]], [0, 2], [1.0, 1.0])
    >>> data[1][0].tolist(), data[1][2].tolist()
    ([[2, 3, 4, 0], [2, 3, 4, 0]], [1.0, 0.0])
    """

    def __init__(
        self,
        sequences: Any,
        y: Any,
        boundaries: Any,
        batch_size: int = 32,
        sample_weight: Any = None,
        padding: str = "post",
        value: Any = 0,
        dtype: Any = "int32",
        shuffle: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.sequences, self.y = sequences, np.asarray(y)
        self.boundaries = [int(n) for n in boundaries]
        self.batch_size, self.padding, self.value, self.dtype = batch_size, padding, value, dtype
        lengths = np.array([len(s) for s in sequences])
        self.weights = np.ones(len(lengths), "float32") if sample_weight is None else np.asarray(sample_weight)
        self._check(lengths)
        bucket = np.searchsorted(self.boundaries, lengths)
        self._members = [np.flatnonzero(bucket == i) for i in range(len(self.boundaries))]
        self.shuffle, self._epoch = shuffle, 0
        self.seed = host_seed() if seed is None else seed

    def _check(self, lengths: np.ndarray) -> None:
        for name, given in (("y", self.y), ("sample_weight", self.weights)):
            if len(given) != len(lengths):
                raise ValueError(
                    f"BucketedSequences: expected {name} for {len(lengths)} sequences; received {len(given)}."
                )
        if not self.boundaries or sorted(set(self.boundaries)) != self.boundaries:
            raise ValueError(
                f"BucketedSequences: expected boundaries to be ascending lengths; received {self.boundaries}."
            )
        if len(lengths) and lengths.max() > self.boundaries[-1]:
            raise ValueError(
                f"BucketedSequences: sequence {int(lengths.argmax())} has length {int(lengths.max())}, more than the "
                f"last boundary, {self.boundaries[-1]}. Add a longer one, or cut the sequence."
            )
        if self.batch_size < 1:
            raise ValueError(f"BucketedSequences: expected batch_size >= 1; received {self.batch_size!r}.")

    @property
    def number_of_shapes(self) -> int:
        """How many shapes batches have."""
        return sum(len(rows) > 0 for rows in self._members)

    def __len__(self) -> int:
        return sum(-(-len(rows) // self.batch_size) for rows in self._members)

    def batches_of(self, epoch: int) -> list[tuple[int, np.ndarray]]:
        """Return the bucket and the rows of each batch of a pass."""
        draw = host_generator(self.seed * 2**32 + epoch)
        found = []
        for bucket, members in enumerate(self._members):
            rows = draw.permutation(members) if self.shuffle else members
            found += [(bucket, rows[i : i + self.batch_size]) for i in range(0, len(rows), self.batch_size)]
        return [found[i] for i in draw.permutation(len(found))] if self.shuffle else found

    def batch_at(self, epoch: int, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a batch of a pass: sequences, targets, weights."""
        bucket, rows = self.batches_of(epoch)[index]
        filled = np.resize(rows, self.batch_size)
        weights = self.weights[filled] * (np.arange(self.batch_size) < len(rows))
        x = pad_sequences(
            [self.sequences[row] for row in filled],
            self.boundaries[bucket],
            self.dtype,
            self.padding,
            "post",
            self.value,
        )
        return x, self.y[filled], weights.astype("float32")

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a batch of the pass at work."""
        return self.batch_at(self._epoch, index)

    def on_epoch_end(self) -> None:
        """Go on to the next pass."""
        self._epoch += 1
