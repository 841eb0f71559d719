"""`QuantileSketch`: quantiles of any number of values in bounded memory.

Values are kept in sorted blocks; a block of level i stands for `size << i` values. Two blocks of a level become one of
the next: every other value of both, in order (J. Munro and M. Paterson, "Selection and sorting with limited storage",
1980). Each level adds at most `1 / (2 * size)` to the error of a rank.
"""

import numpy as np

__all__ = ["QuantileSketch"]


class QuantileSketch:
    """Takes values a batch at a time and gives their quantiles; exact as long as all fit one block.

    Args:
        size: values a block; the memory is about `4 * size` bytes for each doubling of the number of values.

    >>> from tahr.layers.quantiles import QuantileSketch
    >>> sketch = QuantileSketch()
    >>> sketch.update(np.arange(10.0))
    >>> sketch.quantiles([0.25, 0.5])
    [1.5, 4.0]
    """

    def __init__(self, size: int = 1 << 18):
        self.size = size
        self.count = 0
        self._loose: list[np.ndarray] = []  # values that fill no block yet
        self._number_loose = 0
        self._blocks: dict[int, np.ndarray] = {}
        self._uneven = False  # which of each two values the next merge keeps: taking turns leaves no bias

    def update(self, values: np.ndarray) -> None:
        """Take values into account; those that are NaN have no place in the order and do not count."""
        values = np.ravel(np.asarray(values, "float32"))
        values = values[~np.isnan(values)]
        self.count += values.size
        self._loose.append(values.copy())
        self._number_loose += values.size
        if self._number_loose < self.size:
            return
        loose = np.concatenate(self._loose)
        whole = loose.size // self.size * self.size
        for i in range(0, whole, self.size):
            self._insert(0, np.sort(loose[i : i + self.size]))
        self._loose, self._number_loose = [loose[whole:].copy()], loose.size - whole

    def merge(self, other: "QuantileSketch") -> None:
        """Take into account all that another sketch of the same size has seen.

        Raises:
            ValueError: if its blocks have another size.
        """
        if other.size != self.size:
            raise ValueError(f"QuantileSketch: expected a sketch with blocks of {self.size}; received {other.size}.")
        for level, block in other._blocks.items():
            self.count += self.size << level
            self._insert(level, block)
        for values in other._loose:
            self.update(values)

    def _insert(self, level: int, block: np.ndarray) -> None:
        while (present := self._blocks.pop(level, None)) is not None:
            both = np.sort(np.concatenate([present, block]), kind="stable")
            block = both[int(self._uneven) :: 2].copy()
            self._uneven = not self._uneven
            level += 1
        self._blocks[level] = block

    def quantiles(self, shares: object) -> np.ndarray:
        """Return for each share the value that this share of all values does not exceed, linear between values.

        Of n values the k-th smallest is the quantile k / n.

        Raises:
            ValueError: if no value was seen.
        """
        if not self.count:
            raise ValueError("QuantileSketch: no values were seen, so there are no quantiles.")
        values = np.concatenate([*self._blocks.values(), *self._loose])
        weights = np.concatenate(
            [np.full(b.size, 1 << level) for level, b in self._blocks.items()] + [np.ones(self._number_loose, np.int64)]
        )
        order = np.argsort(values, kind="stable")
        weights = weights[order]
        ranks = np.cumsum(weights) - (weights - 1) / 2  # the middle of the ranks that a value stands for
        return np.interp(np.asarray(shares, "float64") * self.count, ranks, values[order].astype("float64"))
