"""Folders of texts as batches."""

from pathlib import Path
from typing import Any

import numpy as np

from tahr.utils.directories import FileSamples, Listing, list_files, make, parts_of
from tahr.utils.samples import Samples
from tahr.utils.timeseries import check_format

__all__ = ["TextFiles", "text_dataset_from_directory"]


def text_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: list[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Samples | tuple[Samples, Samples]:
    """Return the `.txt` files in a folder as batches of texts, a data source that needs no TensorFlow.

    Args:
        directory: folder, with a folder for each class if the labels are inferred.
        labels: `"inferred"` from the folders, None, or a list of a label for each file in the order of their paths.
        label_mode: `"int"`, `"categorical"`, `"binary"` or None, as for `image_dataset_from_directory`.
        class_names: folders in the order in which their classes are numbered; None takes the alphabetical order.
        batch_size: texts a batch; None gives single texts.
        max_length: characters after which a text is cut off, or None.
        shuffle: whether the texts come in a new order each epoch.
        seed: of the orders and of the parts.
        validation_split: share of the files kept for validation.
        subset: `"training"`, `"validation"`, or `"both"` for a pair of data sources.
        follow_links: whether linked folders are looked into.
        format: `"tf"` or `"grain"`, which make no difference.
        verbose: whether to print how many files there are.

    Returns:
        Batches of NumPy strings, or pairs of texts and labels, with the attributes `class_names` and `file_paths`.

    Raises:
        ValueError: if an argument is none of these or does not fit the files, or a file is no UTF-8 text.
        FileNotFoundError: if there is no such folder.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> written = (folder / "a.txt").write_text("To be")
    >>> data = keras.utils.text_dataset_from_directory(folder, labels=None, label_mode=None)
    Found 1 files.
    >>> data[0].tolist()
    ['To be']
    """
    check_format(format, "text_dataset_from_directory")
    if max_length is not None and max_length < 1:
        raise ValueError(f"max_length: expected None or a whole number >= 1; received {max_length!r}.")
    parts = parts_of(shuffle, seed, validation_split, subset)
    listing = list_files(directory, labels, label_mode, class_names, (".txt",), follow_links)
    return make(TextFiles, listing, label_mode, batch_size, parts, verbose, max_length=max_length)


class TextFiles(FileSamples):
    """Texts in files."""

    def __init__(self, listing: Listing, label_mode: str | None, batch_size: int | None, shuffle: bool, seed: int,
                 max_length: int | None):  # fmt: skip
        super().__init__(listing, label_mode, batch_size, shuffle, seed)
        self.max_length = max_length

    def read(self, path: str) -> str:
        try:
            return Path(path).read_text(encoding="utf-8")[: self.max_length]
        except UnicodeDecodeError as error:
            raise ValueError(f"{path!r} is no UTF-8 text ({error}). Convert it first.") from error

    def stack(self, contents: list[str]) -> np.ndarray:
        return np.array(contents)
