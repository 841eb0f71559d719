"""Files in folders as samples with labels: which files, which labels, which part of them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tahr.random import host_generator, host_seed
from tahr.utils.samples import Samples

__all__ = ["FileSamples", "Listing", "Parts", "list_files", "parts_of"]

LABEL_MODES = ("int", "categorical", "binary", None)


@dataclass(frozen=True)
class Listing:
    """Files, the number of each file's class (None without labels) and the names of the classes."""

    paths: list[str]
    labels: np.ndarray | None
    class_names: list[str]

    def part(self, numbers: np.ndarray) -> "Listing":
        """Return the files of given numbers."""
        labels = None if self.labels is None else self.labels[numbers]
        return Listing([self.paths[i] for i in numbers], labels, self.class_names)


def list_files(
    directory: Any,
    labels: Any,
    label_mode: str | None,
    class_names: Sequence[str] | None,
    endings: tuple[str, ...],
    follow_links: bool,
) -> Listing:
    """Return the files of a folder with given endings, in alphabetical order, with their labels.

    Args:
        directory: folder; with `labels="inferred"` of one folder for each class.
        labels: `"inferred"`, None, or a list of one label for each file in the order of their paths.
        label_mode: `"int"`, `"categorical"`, `"binary"` or None.
        class_names: order of the classes, or None for the alphabetical order.
        endings: of the names of the files, in small letters with their dots.
        follow_links: whether linked folders are looked into.

    Raises:
        ValueError: if the arguments contradict one another or the files.
        FileNotFoundError: if there is no such folder.
    """
    root = Path(os.fspath(directory))
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {str(root)!r}. Check the path; it is relative to {os.getcwd()!r}.")
    if label_mode not in LABEL_MODES:
        raise ValueError(f"label_mode: expected 'int', 'categorical', 'binary' or None; received {label_mode!r}.")
    if isinstance(labels, str) and labels != "inferred" or not isinstance(labels, (str, list, tuple, type(None))):
        raise ValueError(
            f"labels: expected 'inferred', None or a list of a label for each file; received {labels!r:.80}."
        )
    if labels != "inferred" and class_names is not None:
        raise ValueError(
            "class_names goes with labels='inferred' only; leave it out, or let the folders be the labels."
        )
    if labels is None and label_mode is not None:
        raise ValueError(f"labels=None gives no labels, and label_mode is {label_mode!r}; pass label_mode=None, too.")
    listing = (
        _by_folder(root, class_names, endings, follow_links)
        if labels == "inferred"
        else _with_labels(root, labels, endings, follow_links)
    )
    if not listing.paths:
        raise ValueError(f"No file in {str(root)!r} ends with {', '.join(endings)}.")
    if label_mode == "binary" and len(listing.class_names) != 2:
        raise ValueError(f"label_mode='binary' needs exactly 2 classes; there are {listing.class_names}.")
    return Listing(listing.paths, None, listing.class_names) if label_mode is None else listing


def _found(root: Path, endings: tuple[str, ...], follow_links: bool) -> list[str]:
    found = []
    for folder, inner, names in os.walk(root, followlinks=follow_links):
        inner.sort()
        found += [os.path.join(folder, name) for name in sorted(names) if name.lower().endswith(endings)]
    return sorted(found, key=lambda path: os.path.split(path))


def _by_folder(root: Path, class_names: Sequence[str] | None, endings: tuple[str, ...], follow_links: bool) -> Listing:
    folders = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if class_names is not None and sorted(class_names) != folders:
        raise ValueError(
            f"class_names: expected the names of the folders in {str(root)!r}, {folders}; received {list(class_names)}."
        )
    names = list(class_names) if class_names is not None else folders
    if not names:
        raise ValueError(
            f"{str(root)!r} holds no folder to take labels from. Put the files of each class into a folder, or pass "
            "labels=None with label_mode=None."
        )
    parts = [_found(root / name, endings, follow_links) for name in names]
    counts = [len(part) for part in parts]
    return Listing(
        [path for part in parts for path in part], np.repeat(np.arange(len(names), dtype="int32"), counts), names
    )


def _with_labels(root: Path, labels: Any, endings: tuple[str, ...], follow_links: bool) -> Listing:
    paths = _found(root, endings, follow_links)
    if labels is None:
        return Listing(paths, None, [])
    if len(labels) != len(paths):
        raise ValueError(
            f"labels: expected one for each of the {len(paths)} files that end with {', '.join(endings)}; received "
            f"{len(labels)}. Files in folders below {str(root)!r} count as well."
        )
    given = np.asarray(labels)
    kind = "int32" if given.dtype.kind in "iub" else "float32"
    return Listing(paths, given.astype(kind), [str(label) for label in sorted(set(labels))])


# ---- parts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parts:
    """What to do with a listing: how to shuffle it, and which part to take."""

    shuffle: bool
    seed: int
    validation_split: float | None
    subset: str | None


def parts_of(shuffle: bool, seed: int | None, validation_split: float | None, subset: str | None) -> Parts:
    """Return how to part a listing.

    Raises:
        ValueError: if only one of `validation_split` and `subset` is given, or one is out of range, or parts of a
            shuffled listing have no seed, so that they could overlap.
    """
    validation_split = validation_split or None
    if (validation_split is None) != (subset is None):
        raise ValueError(
            f"validation_split and subset go together; received validation_split={validation_split} and "
            f"subset={subset!r}."
        )
    if validation_split is not None and not 0 < validation_split < 1:
        raise ValueError(f"validation_split: expected a number between 0 and 1; received {validation_split!r}.")
    if subset not in ("training", "validation", "both", None):
        raise ValueError(f"subset: expected 'training', 'validation' or 'both'; received {subset!r}.")
    if subset in ("training", "validation") and shuffle and seed is None:
        raise ValueError(
            "With shuffle=True, validation_split needs a seed, so that training and validation share no file."
        )
    return Parts(shuffle, host_seed() if seed is None else int(seed), validation_split, subset)


def part_listing(listing: Listing, parts: Parts, verbose: bool) -> list[Listing]:
    """Return the listing of the asked part, or those of training and of validation for `"both"`, and say how large."""
    total = len(listing.paths)
    numbers = np.arange(total)
    if parts.shuffle:
        numbers = host_generator(parts.seed * 2**32).permutation(numbers)
    if verbose:
        classes = f" belonging to {len(listing.class_names)} classes" if listing.labels is not None else ""
        print(f"Found {total} files{classes}.")
    if parts.subset is None or parts.validation_split is None:
        return [listing.part(numbers)]
    cut = total - int(parts.validation_split * total)
    both = {"training": numbers[:cut], "validation": numbers[cut:]}
    asked = list(both) if parts.subset == "both" else [parts.subset]
    for name in asked:
        if not len(both[name]):
            raise ValueError(f"validation_split={parts.validation_split} of {total} files leaves none for {name}.")
        if verbose:
            print(f"Using {len(both[name])} files for {name}.")
    return [listing.part(both[name]) for name in asked]


# ---- samples ---------------------------------------------------------------------------------------------------------


class FileSamples(Samples):
    """The contents of files with their labels; subclasses define `read`."""

    def __init__(self, listing: Listing, label_mode: str | None, batch_size: int | None, shuffle: bool, seed: int):
        super().__init__(len(listing.paths), batch_size, shuffle, seed, workers=min(8, os.cpu_count() or 1))
        self.file_paths, self.class_names = listing.paths, listing.class_names
        self.labels = _as_targets(listing.labels, label_mode, len(listing.class_names))

    def read(self, path: str) -> Any:
        """Return what a file holds."""
        raise NotImplementedError(f"{type(self).__name__} defines no `read(self, path)`.")

    def stack(self, contents: list[Any]) -> np.ndarray:
        """Return what several files hold as one batch."""
        return np.stack(contents)

    def sample(self, index: int) -> Any:
        content = self.read(self.file_paths[index])
        return content if self.labels is None else (content, self.labels[index])

    def batch_of(self, indices: np.ndarray) -> Any:
        contents = self.stack([self.read(self.file_paths[i]) for i in indices])
        return contents if self.labels is None else (contents, self.labels[indices])


def _as_targets(labels: np.ndarray | None, label_mode: str | None, classes: int) -> np.ndarray | None:
    if labels is None or label_mode == "int":
        return labels
    if label_mode == "binary":
        return labels.astype("float32")[:, None]
    if labels.dtype.kind == "f" or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"label_mode='categorical' needs labels from 0 to {classes - 1}; received {labels!r:.80}.")
    return np.eye(classes, dtype="float32")[labels]


def make(kind: Any, listing: Listing, label_mode: str | None, batch_size: int | None, parts: Parts, verbose: bool,
         **options: Any) -> Any:  # fmt: skip
    """Return the samples of the asked part of a listing, or a pair of them for `subset="both"`."""
    found = [
        kind(part, label_mode, batch_size, parts.shuffle and number == 0, parts.seed, **options)
        for number, part in enumerate(part_listing(listing, parts, verbose))  # of both, only training is shuffled anew
    ]
    return tuple(found) if parts.subset == "both" else found[0]
