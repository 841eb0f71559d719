"""From what users pass as data to a `Source`, with the checks that need the whole arguments."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tahr import backends, tree
from tahr.trainer.sources.arrays import ArraySource, to_arrays
from tahr.trainer.sources.rows import Rows
from tahr.trainer.sources.source import Source
from tahr.trainer.sources.stream import IterableSource
from tahr.trainer.step import pack

__all__ = ["make_source", "split_validation"]


def make_source(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    batch_size: int | None = None,
    shuffle: bool = False,
    class_weight: Any = None,
    steps: int | None = None,
    seed: int = 0,
    what: str = "x",
    entry: Callable[[Any], Any] | None = None,
) -> Source:
    """Return a source for arrays (nested, frames, tensors), generators, datasets or a ready source.

    `entry` changes `(x, y, sample_weight)`, the whole data or a batch, before they are used.

    Raises:
        ValueError: for a batch size below 1, numbers of rows that differ, targets beside a dataset.
        TypeError: for data of an unknown kind.
    """
    if batch_size is not None and (not isinstance(batch_size, (int, np.integer)) or batch_size < 1):
        raise ValueError(f"batch_size: expected a whole number >= 1; received {batch_size!r}.")
    if x is None:
        raise ValueError(f"No data: expected {what} to be arrays, a generator or a dataset; received None.")
    if isinstance(x, Source):
        return x
    if _is_stream(x):
        return _stream(x, y, sample_weight, batch_size, shuffle, class_weight, steps, seed, what, entry)
    data = (to_arrays(x, what), to_arrays(y, "y"), to_arrays(sample_weight, "sample_weight"))
    for change in _changes(entry, class_weight):
        data = change(data)
    data = pack(*data)
    _check_rows(data, what)
    return ArraySource(data, int(batch_size or 32), shuffle, seed, steps)


def _is_stream(x: Any) -> bool:
    table = hasattr(x, "columns") or hasattr(x, "column_names")
    if hasattr(x, "shape") or table or isinstance(x, (list, tuple, dict)):
        return False
    if isinstance(x, Sequence) and not hasattr(x, "batch"):  # such as a column of Hugging Face
        return False
    return isinstance(x, Iterable) or hasattr(x, "__getitem__")


def _changes(entry: Callable[[Any], Any] | None, class_weight: Any) -> list[Callable[[Any], Any]]:
    weigh = None if class_weight is None else weigh_classes(class_weight)
    return [change for change in (entry, weigh) if change is not None]


def _stream(x: Any, y: Any, sample_weight: Any, batch_size: Any, shuffle: bool, class_weight: Any, steps: Any,
            seed: int, what: str, entry: Callable[[Any], Any] | None) -> Source:  # fmt: skip
    name = type(x).__name__
    for given, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ValueError(f"{given}: a {name} yields (x, y, sample_weight) itself; leave {given} out.")
    if batch_size is not None:
        raise ValueError(f"batch_size: a {name} yields whole batches; set the batch size there and leave it out here.")
    changes = _changes(entry, class_weight)
    if (
        hasattr(x, "__getitem__")
        and (hasattr(x, "num_batches") or hasattr(x, "__len__"))
        and not hasattr(x, "batch_sampler")
    ):
        from tahr.trainer.sources.py_dataset import DatasetSource

        return DatasetSource(x, shuffle, seed, steps, changes)
    if not isinstance(x, Iterable):
        raise TypeError(f"{what}: expected arrays, a generator or a dataset; received {name}.")
    reader = backends.current().reader(x)
    if reader is not None:
        from tahr.trainer.sources.native import NativeSource

        return NativeSource(x, reader, steps, [change for change in changes if change is not entry])  # it holds no text
    return IterableSource(x, steps, changes)


def _check_rows(data: tuple[Any, ...], what: str) -> None:
    names = (what, "y", "sample_weight")
    counts = [
        (f"{name}{''.join(f'[{p!r}]' for p in path)}", len(leaf))
        for name, part in zip(names, data, strict=False)
        for path, leaf in tree.flatten_with_path(part)
        if leaf is not None
    ]
    if not counts:
        raise ValueError(f"No data: {what} holds no array.")
    if len({n for _, n in counts}) > 1:
        said = ", ".join(f"{name} has {n}" for name, n in counts)
        raise ValueError(f"All arrays need the same number of rows (their first axis); {said}.")
    if counts[0][1] == 0:
        raise ValueError(f"No data: {counts[0][0]} has 0 rows.")


def weigh_classes(class_weight: dict[int, float]) -> Any:
    """Return a function that multiplies the sample weights of `(x, y, w)` by the weight of each row's class.

    Raises:
        ValueError: where it is called, if there are several targets or a class has no weight.
    """
    if not isinstance(class_weight, dict):
        raise TypeError(f"class_weight: expected a dict from class index to weight; received {class_weight!r:.80}.")

    def weigh(data: tuple[Any, ...]) -> tuple[Any, ...]:
        x, y, weight = data
        if y is None or isinstance(y, (list, tuple, dict)):
            raise ValueError("class_weight needs exactly one target array; for several outputs use sample_weight.")
        labels = np.asarray(y)
        if labels.ndim > 1 and labels.shape[-1] > 1:
            labels = labels.argmax(axis=-1)
        elif labels.ndim > 1:
            labels = labels[..., 0]
        labels = np.round(labels).astype("int64")
        table = np.ones(int(max(labels.max(initial=0), max(class_weight))) + 1, "float32")
        for index, value in class_weight.items():
            table[int(index)] = value
        found = table[labels]
        if weight is not None:
            found = found * np.asarray(weight).reshape(len(found), *np.shape(weight)[1:])
        return x, y, found

    return weigh


def split_validation(x: Any, y: Any, sample_weight: Any, share: float) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return `(x, y, sample_weight)` of the first rows and of the last `share` of the rows.

    Raises:
        ValueError: if the share is not between 0 and 1, a part would be empty, or the data are no arrays.
    """
    if not 0 < share < 1:
        raise ValueError(f"validation_split: expected a number between 0 and 1; received {share!r}.")
    if _is_stream(x):
        raise ValueError(f"validation_split needs arrays; received a {type(x).__name__}. Pass validation_data instead.")
    data = (to_arrays(x, "x"), to_arrays(y, "y"), to_arrays(sample_weight, "sample_weight"))
    _check_rows(data, "x")
    rows = len(next(leaf for leaf in tree.flatten(data) if leaf is not None))
    cut = int(rows * (1.0 - share))
    if cut == 0 or cut == rows:
        raise ValueError(
            f"validation_split={share} of {rows} rows leaves {cut} for training and {rows - cut} for validation."
        )

    def part(span: slice) -> tuple[Any, ...]:
        def rows(a: Any) -> Any:
            return a if a is None else a.part(span) if isinstance(a, Rows) else a[span]

        return tree.map_structure(rows, data)

    return part(slice(None, cut)), part(slice(cut, None))
