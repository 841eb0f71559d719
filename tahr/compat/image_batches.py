"""Batches of transformed images from arrays, folders and tables, in Keras 2's form."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from tahr.random import host_generator, host_seed
from tahr.trainer.sources.py_dataset import PyDataset
from tahr.trainer.sources.workers import noting
from tahr.utils.images import array_to_img, img_to_array, load_img

__all__ = ["DataFrameIterator", "DirectoryIterator", "Iterator", "NumpyArrayIterator"]

EXTENSIONS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff", "gif", "webp")
_COLOURS = {"grayscale": 1, "rgb": 3, "rgba": 4}
_FOLDER_MODES = ("categorical", "binary", "sparse", "input", None)
_TABLE_MODES = ("binary", "categorical", "input", "multi_output", "raw", "sparse", None)


class Iterator(PyDataset):
    """Batches of rows by number, endless when asked for one after the other, as many as there are for `len`.

    Order and transformations are a function of the seed, the pass over the data and the row, whoever computes them.

    Args:
        n: number of rows.
        batch_size: rows a batch.
        shuffle: whether each pass has an order of its own.
        seed: of orders and transformations; None takes the next one.

    >>> from tahr.preprocessing import image
    >>> batches = image.ImageDataGenerator().flow(np.zeros((5, 2, 2, 1)), batch_size=2)
    >>> len(batches), next(batches).shape
    (3, (2, 2, 2, 1))
    """

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None, **kwargs: Any):
        super().__init__(**kwargs)
        self.n, self.batch_size, self.shuffle = n, batch_size, shuffle
        self.seed = host_seed() if seed is None else int(seed)
        self.epoch = 0
        self.batch_index = 0
        self.total_batches_seen = 0

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Return the numbers of the rows in the order of a pass."""
        return self.draws(epoch).permutation(self.n) if self.shuffle else np.arange(self.n)

    def draws(self, epoch: int, row: int | None = None) -> np.random.Generator:
        """Return what makes random numbers for a pass, or for a row in it."""
        return host_generator((self.seed * 2**32 + epoch) * 2**32 + (0 if row is None else row + 1))

    def batch_at(self, epoch: int, index: int) -> Any:
        """Return a batch of a pass."""
        if not 0 <= index < len(self):
            raise IndexError(f"{type(self).__name__}: expected a batch from 0 to {len(self) - 1}; received {index}.")
        rows = self.order(epoch)[index * self.batch_size : (index + 1) * self.batch_size]
        return self.rows_of(epoch, rows)

    def rows_of(self, epoch: int, rows: np.ndarray) -> Any:
        """Return rows as a batch."""
        raise NotImplementedError(f"{type(self).__name__} defines no `rows_of(self, epoch, rows)`.")

    def __getitem__(self, index: int) -> Any:
        """Return a batch of the pass at work."""
        return self.batch_at(self.epoch, index)

    def __iter__(self) -> "Iterator":
        return self

    def __next__(self) -> Any:
        found = self.batch_at(self.epoch, self.batch_index)
        self.batch_index += 1
        self.total_batches_seen += 1
        if self.batch_index >= len(self):
            self.batch_index, self.epoch = 0, self.epoch + 1
        return found

    def next(self) -> Any:
        """Return the next batch."""
        return self.__next__()

    def reset(self) -> None:
        """Begin with the first batch again."""
        self.batch_index = 0

    def on_epoch_end(self) -> None:
        """Go on to the next pass."""
        self.epoch += 1
        self.batch_index = 0


class _Transformed(Iterator):
    """What the three kinds share: images made by a generator, and kept as files if asked."""

    generator: Any
    save_to_dir: Any
    save_prefix: str
    save_format: str

    def _made(self, epoch: int, row: int, image: np.ndarray) -> np.ndarray:
        draw = self.draws(epoch, row)
        with noting(f"the image of row {row}"):
            parameters = self.generator.get_random_transform(image.shape, draw)
            return self.generator.standardize(self.generator.apply_transform(image, parameters))

    def _keep(self, epoch: int, rows: np.ndarray, images: np.ndarray) -> None:
        if not self.save_to_dir:
            return
        for row, image in zip(rows, images, strict=True):
            name = f"{self.save_prefix}_{row}_{self.draws(epoch, int(row)).integers(10**7)}.{self.save_format}"
            picture = array_to_img(image, self.generator.data_format, scale=True)
            picture.save(os.path.join(self.save_to_dir, name))


class NumpyArrayIterator(_Transformed):
    """Batches of transformed images from an array; `ImageDataGenerator.flow` makes one."""

    def __init__(
        self,
        x: Any,
        y: Any,
        image_data_generator: Any,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        ignore_class_split: bool = False,
        dtype: Any = None,
    ):
        several = isinstance(x, (tuple, list)) and len(x) == 2 and isinstance(x[1], (list, tuple))
        images, beside = (x[0], list(x[1])) if several else (x, [])
        images = np.asarray(images)
        if images.ndim != 4:
            raise ValueError(f"flow: expected images of 4 dimensions; received shape {images.shape}.")
        columns = {"y": y, "sample_weight": sample_weight, **{f"x[1][{i}]": a for i, a in enumerate(beside)}}
        for name, column in columns.items():
            if column is not None and len(column) != len(images):
                raise ValueError(f"flow: expected {name} of {len(images)} rows; received {len(column)}.")
        split = image_data_generator.part(subset, len(images), "flow")
        labels = None if y is None else np.asarray(y)
        if subset is not None and labels is not None and not ignore_class_split:
            cut = int(len(labels) * image_data_generator.validation_split)
            if not np.array_equal(np.unique(labels[:cut]), np.unique(labels[cut:])):
                raise ValueError(
                    "flow: training and validation would have different classes, since the first rows are for "
                    "validation. Shuffle the rows first, or pass ignore_class_split=True."
                )
        self.x = images[split]
        self.x_misc = [np.asarray(a)[split] for a in beside]
        self.y = None if labels is None else labels[split]
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)[split]
        self.generator, self.dtype = image_data_generator, np.dtype(dtype or image_data_generator.dtype)
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def rows_of(self, epoch: int, rows: np.ndarray) -> Any:
        """Return rows as `x`, `(x, y)` or `(x, y, sample_weight)`."""
        images = np.stack([self._made(epoch, int(row), self.x[row].astype(self.dtype)) for row in rows])
        self._keep(epoch, rows, images)
        x = [images, *(a[rows] for a in self.x_misc)] if self.x_misc else images
        if self.y is None:
            return x
        return (x, self.y[rows]) if self.sample_weight is None else (x, self.y[rows], self.sample_weight[rows])


class _Files(_Transformed):
    """Images in files, all brought to one size."""

    filepaths: list[str]
    targets: Any
    weights: Any
    class_mode: Any

    def _setup(self, generator: Any, options: dict[str, Any]) -> None:
        color_mode = options.pop("color_mode")
        if color_mode not in _COLOURS:
            raise ValueError(f"Images: expected color_mode of {', '.join(_COLOURS)}; received {color_mode!r}.")
        self.generator, self.color_mode = generator, color_mode
        self.target_size = tuple(options.pop("target_size"))
        channels = _COLOURS[color_mode]
        first = generator.data_format == "channels_first"
        self.image_shape = (channels, *self.target_size) if first else (*self.target_size, channels)
        for name, value in options.items():
            setattr(self, name, value)

    interpolation: str
    keep_aspect_ratio: bool

    def _read(self, row: int) -> np.ndarray:
        picture = load_img(self.filepaths[row], self.color_mode, self.target_size, self.interpolation,
                           self.keep_aspect_ratio)  # fmt: skip
        return img_to_array(picture, self.generator.data_format, self.generator.dtype)

    def rows_of(self, epoch: int, rows: np.ndarray) -> Any:
        """Return rows as `x`, `(x, y)` or `(x, y, sample_weight)`."""
        images = np.stack([self._made(epoch, int(row), self._read(int(row))) for row in rows])
        self._keep(epoch, rows, images)
        if self.class_mode is None:
            return images
        if self.class_mode == "input":
            y: Any = images.copy()
        elif self.class_mode == "multi_output":
            y = [column[rows] for column in self.targets]
        else:
            y = self.targets[rows]
        return (images, y) if self.weights is None else (images, y, self.weights[rows])

    @property
    def samples(self) -> int:
        """Number of images."""
        return self.n


def _numbered(labels: np.ndarray, mode: Any, classes: int) -> np.ndarray:
    """Return class numbers in the form of a class mode."""
    if mode == "categorical":
        return np.eye(classes, dtype="float32")[labels]
    return labels.astype("float32" if mode == "binary" else "int64" if mode == "raw" else "float32")


class DirectoryIterator(_Files):
    """Batches of transformed images from a folder with one folder for each class."""

    def __init__(
        self, directory: Any, image_data_generator: Any, classes: Any, class_mode: Any, batch_size: int, shuffle: bool,
        seed: int | None, subset: str | None, follow_links: bool, **options: Any,
    ):  # fmt: skip
        if class_mode not in _FOLDER_MODES:
            raise ValueError(f"flow_from_directory: expected class_mode of {_FOLDER_MODES}; received {class_mode!r}.")
        self._setup(image_data_generator, options)
        self.directory, self.class_mode, self.weights = os.fspath(directory), class_mode, None
        if not os.path.isdir(directory):
            raise FileNotFoundError(f"flow_from_directory: there is no folder {self.directory!r}.")
        names = list(classes) if classes else sorted(p.name for p in Path(directory).iterdir() if p.is_dir())
        self.class_indices = {name: i for i, name in enumerate(names)}
        self.filenames, numbers = [], []
        for name, number in self.class_indices.items():
            files = _images_under(os.path.join(self.directory, name), follow_links)
            files = files[image_data_generator.part(subset, len(files), "flow_from_directory")]
            self.filenames += [os.path.relpath(file, self.directory) for file in files]
            numbers += [number] * len(files)
        self.filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        self.classes = self.labels = np.array(numbers, "int32")
        self.num_classes = len(names)
        self.targets = _numbered(self.classes, class_mode, self.num_classes)
        print(f"Found {len(self.filepaths)} images belonging to {self.num_classes} classes.")
        super().__init__(len(self.filepaths), batch_size, shuffle, seed)


def _images_under(folder: str, follow_links: bool) -> list[str]:
    found = []
    for place, inner, files in os.walk(folder, followlinks=follow_links):
        inner.sort()
        found += [os.path.join(place, f) for f in sorted(files) if f.lower().rpartition(".")[2] in EXTENSIONS]
    return found


class DataFrameIterator(_Files):
    """Batches of transformed images whose files and targets stand in the columns of a pandas frame."""

    def __init__(
        self, dataframe: Any, directory: Any, image_data_generator: Any, x_col: str, y_col: Any, weight_col: Any,
        classes: Any, class_mode: Any, batch_size: int, shuffle: bool, seed: int | None, subset: str | None,
        validate_filenames: bool, **options: Any,
    ):  # fmt: skip
        if class_mode not in _TABLE_MODES:
            raise ValueError(f"flow_from_dataframe: expected class_mode of {_TABLE_MODES}; received {class_mode!r}.")
        self._setup(image_data_generator, options)
        self.directory, self.class_mode = "" if directory is None else os.fspath(directory), class_mode
        for column in [x_col, *(y_col if isinstance(y_col, list) else [y_col] if self._needs_y else [])]:
            if column not in dataframe.columns:
                raise ValueError(f"flow_from_dataframe: there is no column {column!r}; there are "
                                 f"{', '.join(map(str, dataframe.columns))}.")  # fmt: skip
        names = [str(name) for name in dataframe[x_col]]
        keep = np.array([not validate_filenames or self._is_image(name) for name in names], bool)
        if (lost := int((~keep).sum())) > 0:
            print(f"Left out {lost} rows: no image file is there.")
        rows = np.flatnonzero(keep)
        values = None if not self._needs_y else self._values(dataframe, y_col)
        if class_mode in ("binary", "categorical", "sparse"):
            rows = self._number(values, rows, classes)
        rows = rows[image_data_generator.part(subset, len(rows), "flow_from_dataframe")]
        self.filenames = [names[row] for row in rows]
        self.filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        self.weights = None if weight_col is None else np.asarray(dataframe[weight_col])[rows]
        self._set_targets(values, rows)
        ending = f" belonging to {len(self.class_indices)} classes" if hasattr(self, "class_indices") else ""
        print(f"Found {len(rows)} {'validated ' if validate_filenames else ''}image filenames{ending}.")
        super().__init__(len(rows), batch_size, shuffle, seed)

    @property
    def _needs_y(self) -> bool:
        return self.class_mode not in (None, "input")

    def _is_image(self, name: str) -> bool:
        path = os.path.join(self.directory, name)
        return path.lower().rpartition(".")[2] in EXTENSIONS and os.path.isfile(path)

    def _values(self, frame: Any, y_col: Any) -> Any:
        if self.class_mode == "multi_output":
            return [np.stack([np.asarray(v) for v in frame[column]]) for column in y_col]
        if isinstance(y_col, list):
            return np.asarray(frame[y_col])
        return list(frame[y_col]) if self.class_mode != "raw" else np.asarray(frame[y_col])

    def _number(self, values: Any, rows: np.ndarray, classes: Any) -> np.ndarray:
        """Number the classes, and return the rows that have one of them."""
        lists = [list(v) if isinstance(v, (list, tuple, np.ndarray)) else [v] for v in values]
        names = list(classes) if classes else sorted({name for row in rows for name in lists[row]})
        self.class_indices = {name: i for i, name in enumerate(names)}
        self._lists = lists
        if self.class_mode == "binary" and len(names) != 2:
            raise ValueError(f"flow_from_dataframe: expected two classes for class_mode='binary'; received {names}.")
        known = [row for row in rows if any(name in self.class_indices for name in lists[row])]
        return np.array(known, dtype=np.intp)

    def _set_targets(self, values: Any, rows: np.ndarray) -> None:
        if not self._needs_y:
            self.targets = None
        elif self.class_mode == "multi_output":
            self.targets = [column[rows] for column in values]
        elif self.class_mode == "raw":
            self.targets = np.asarray(values)[rows]
        else:
            numbers = [[self.class_indices[n] for n in self._lists[r] if n in self.class_indices] for r in rows]
            first = np.array([n[0] for n in numbers], "int32")
            several = any(len(n) > 1 for n in numbers)
            self.classes = self.labels = numbers if several else first
            self.targets = _numbered(first, self.class_mode, len(self.class_indices))
            if self.class_mode == "categorical":
                for row, found in zip(self.targets, numbers, strict=True):
                    row[found] = 1
            del self._lists
