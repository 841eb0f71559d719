"""Windows over a series as batches."""

from typing import Any

import numpy as np

from tahr.utils.samples import Samples

__all__ = ["check_format", "timeseries_dataset_from_array"]


def check_format(given: str, what: str) -> None:
    """Refuse an unknown `format`; both of Keras's lead to the same data source.

    Raises:
        ValueError: if it is neither `"tf"` nor `"grain"`.
    """
    if given not in ("tf", "grain"):
        raise ValueError(f"{what}: expected format to be 'tf' or 'grain'; received {given!r}.")


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Samples:
    """Return batches of windows of a series, a data source that needs no TensorFlow.

    Args:
        data: array of shape (time, ...).
        targets: array whose element i belongs to the window that begins at time i, or None.
        sequence_length: times in a window.
        sequence_stride: times between the beginnings of windows.
        sampling_rate: times between the elements of a window.
        batch_size: windows a batch; None gives single windows.
        shuffle: whether the windows come in a new order each epoch.
        seed: of the orders.
        start_index: first time that is used.
        end_index: time before which the last one that is used is.
        format: `"tf"` or `"grain"`, which make no difference.

    Returns:
        Batches of windows (batch, sequence_length, ...), or pairs of windows and targets.

    Raises:
        ValueError: if a number is out of range.

    >>> windows = keras.utils.timeseries_dataset_from_array(np.arange(5), None, sequence_length=3)
    >>> windows[0].tolist()
    [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    """
    check_format(format, "timeseries_dataset_from_array")
    series = np.asanyarray(data)  # a file mapped into memory stays one
    start, stop = _span(len(series), start_index, end_index)
    for name, number in (
        ("sequence_length", sequence_length),
        ("sequence_stride", sequence_stride),
        ("sampling_rate", sampling_rate),
    ):
        if not 0 < number <= max(len(series), 1):
            raise ValueError(
                f"{name}: expected a number from 1 to the length of data, {len(series)}; received {number}."
            )
    wanted = None if targets is None else np.asanyarray(targets)
    last = stop - start - (sequence_length - 1) * sampling_rate
    if wanted is not None:
        last = min(last, len(wanted) - start)
    if last <= 0:
        raise ValueError(
            f"There is no window: {stop - start} times are used, and a window of {sequence_length} with a "
            f"sampling_rate of {sampling_rate} takes {(sequence_length - 1) * sampling_rate + 1}."
        )
    first = start + np.arange(0, last, sequence_stride)
    return Windows(series, wanted, first, np.arange(sequence_length) * sampling_rate, batch_size, shuffle, seed)


def _span(length: int, start_index: int | None, end_index: int | None) -> tuple[int, int]:
    start, stop = start_index or 0, length if end_index is None else end_index
    if not 0 <= start < length:
        raise ValueError(f"start_index: expected a number from 0 to {length - 1}; received {start_index}.")
    if not start < stop <= length:
        raise ValueError(f"end_index: expected a number from {start + 1} to {length}; received {end_index}.")
    return start, stop


class Windows(Samples):
    """The windows that begin at given times, read when they are asked for."""

    def __init__(self, data: Any, targets: Any, first: np.ndarray, offsets: np.ndarray, batch_size: int | None,
                 shuffle: bool, seed: int | None):  # fmt: skip
        super().__init__(len(first), batch_size, shuffle, seed)
        self.data, self.targets, self.first, self.offsets = data, targets, first, offsets

    def batch_of(self, indices: np.ndarray) -> Any:
        first = self.first[indices]
        windows = self.data[first[:, None] + self.offsets]
        return windows if self.targets is None else (windows, self.targets[first])

    def sample(self, index: int) -> Any:
        window = self.data[self.first[index] + self.offsets]
        return window if self.targets is None else (window, self.targets[self.first[index]])
