"""HDF5 files as nested groups of arrays: what is opened here is checked to hold plain data and nothing else."""

import contextlib
import functools
import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from tahr.saving.errors import UnreadableFileError, UnsafeFileError
from tahr.saving.hdf5_headers import attribute_values, text_lengths
from tahr.variables import LARGE, Loaded

__all__ = [
    "Pages", "Stored", "declared_size", "h5_reading", "h5_writing", "is_hdf5", "read_array", "text_list", "write_array",
]  # fmt: skip

SIGNATURE = b"\x89HDF\r\n\x1a\n"
FILTERS = {1, 2, 3, 5, 6, 32000}  # deflate, shuffle, checksum, n-bit, scale-offset, lzf: all part of HDF5 or h5py
RATIO, FREE = 1000, 1 << 20  # how much larger than stored data may be, and a size that needs no such look
DEPTH = 256
LEAST = 16 << 20  # what variables may take in any case
ALIGNED = 64  # arrays begin at multiples of it, so that they can be mapped


def is_hdf5(head: bytes) -> bool:
    """Return whether a file that starts with `head` is HDF5."""
    return head.startswith(SIGNATURE)


@contextlib.contextmanager
def h5_reading(source: Any, where: str) -> Iterator[Any]:
    """Open a path or a binary file for reading, after a check of everything in it.

    Raises:
        UnreadableFileError: if it is no HDF5 file, or damaged.
        UnsafeFileError: if it reaches outside itself or declares far more data than it holds.
    """
    import h5py

    try:
        file = h5py.File(source, "r")
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise UnreadableFileError(
            f"{where}: not a readable HDF5 file; it is damaged, cut off or of another kind ({error})."
        ) from error
    with file:
        try:
            with contextlib.ExitStack() as scope:
                _Check(file, where, source, scope).run()
            yield file
        except Exception as error:
            if isinstance(error, UnreadableFileError) or not _raised_by_h5py(error):
                raise
            raise UnreadableFileError(f"{where}: the HDF5 content is damaged ({error}).") from error


def _raised_by_h5py(error: BaseException) -> bool:
    """Return whether an error came up inside h5py, and not in what uses it."""
    *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
    return str(innermost.f_globals.get("__name__")).startswith("h5py.")


@contextlib.contextmanager
def h5_writing(target: Any) -> Iterator[Any]:
    """Open an HDF5 file to write."""
    import h5py

    form: Any = {"libver": ("earliest", "v110"), "alignment_threshold": 1024, "alignment_interval": ALIGNED}
    with h5py.File(target, "w", **form) as file:
        yield file


class _Check:
    """One walk over all groups, links, data sets and attributes of a file."""

    def __init__(self, file: Any, where: str, source: Any, scope: contextlib.ExitStack):
        self.file, self.where, self.source, self.scope = file, where, source, scope
        self.seen: set[Any] = set()
        self.size = file.id.get_filesize()
        self.base, (self.offset_size, self.length_size) = file.userblock_size, file.id.get_create_plist().get_sizes()

    def run(self) -> None:
        self.attributes(self.file)
        self.group(self.file, 0)

    def refuse(self, item: str, what: str) -> None:
        raise UnsafeFileError(
            f"{self.where}: {item} {what}. Files of weights hold plain arrays only, so it is not opened."
        )

    def name(self, name: Any, owner: Any) -> None:
        if not isinstance(name, str):  # so h5py gives bytes that are no UTF-8
            raise UnreadableFileError(f"{self.where}: {owner.name} holds something of the name {name!r}, not a text.")

    def group(self, group: Any, depth: int) -> None:
        import h5py

        if depth > DEPTH:
            self.refuse(group.name, f"is nested more than {DEPTH} deep")
        for name in group:
            self.name(name, group)
            link = group.get(name, getlink=True)
            item = f"{group.name.rstrip('/')}/{name}"
            if isinstance(link, h5py.ExternalLink):
                self.refuse(item, f"is a link to the file {link.filename!r}")
            if isinstance(link, h5py.SoftLink):
                self.refuse(item, f"is a link to {link.path!r}")
            thing = group[name]
            info = h5py.h5o.get_info(thing.id)  # pyright: ignore[reportAttributeAccessIssue]
            key = (info.fileno, info.addr)
            if key in self.seen:
                continue
            self.seen.add(key)
            self.attributes(thing)
            if isinstance(thing, h5py.Group):
                self.group(thing, depth + 1)
            elif isinstance(thing, h5py.Dataset):
                self.data(thing, item)

    def data(self, data: Any, item: str) -> None:
        plist = data.id.get_create_plist()
        if data.is_virtual:
            self.refuse(item, "is a virtual data set, put together from other files")
        if plist.get_external_count():
            self.refuse(item, f"keeps its data in another file, {plist.get_external(0)[0]!r}")
        foreign = [f[0] for f in map(plist.get_filter, range(plist.get_nfilters())) if f[0] not in FILTERS]
        if foreign:
            self.refuse(item, f"needs the filters {foreign}, which are code from elsewhere")
        if data.shape is None:
            raise UnreadableFileError(f"{self.where}: {item} is empty, where an array is expected.")
        self.type(data.id.get_type(), item, data.size)
        stored = data.id.get_storage_size()
        if data.id.get_space().get_simple_extent_type() < 0:
            self.refuse(item, "has no known extent")
        if data.size and _is_text(data.id.get_type()):
            place, size = data.id.get_offset(), data.size * (self.offset_size + 8)
            if place is None or size > self.size:
                self.refuse(item, "holds texts of any length in pieces")
            self.lengths(self.raw(place, size), item)
        declared = int(np.prod(data.shape, dtype=object)) * data.dtype.itemsize
        if declared > max(FREE, RATIO * stored):
            self.refuse(item, f"declares {declared:,} bytes but holds {stored:,}")
        if plist.get_layout() == 2 and data.chunks:  # one chunk is unpacked as a whole
            chunk = int(np.prod(data.chunks, dtype=object)) * data.dtype.itemsize
            if chunk > max(FREE, RATIO * stored):
                self.refuse(item, f"declares chunks of {chunk:,} bytes but holds {stored:,}")

    def type(self, kind: Any, item: str, count: int | None) -> None:
        """Refuse a type that leads elsewhere or that has any size; `count` is how many of it there are."""
        from h5py import h5t

        group = kind.get_class()
        if group == h5t.REFERENCE:
            self.refuse(item, "holds references")
        if group == h5t.VLEN:
            self.refuse(item, "holds lists, each of any length")
        if group == h5t.COMPOUND:
            for i in range(kind.get_nmembers()):
                self.type(kind.get_member_type(i), item, None)
        if group == h5t.ARRAY:
            self.type(kind.get_super(), item, None)
        # texts lie apart from the list of them, and one may be listed any number of times
        texts = count if _is_text(kind) else 0
        if texts is None or texts > RATIO and texts * self.longest_text > max(FREE, RATIO * self.size):
            self.refuse(item, "holds texts of any length, which may take far more than the file")

    @functools.cached_property
    def content(self) -> Any:
        """The file, to be read beside HDF5."""
        return self.source if hasattr(self.source, "read") else self.scope.enter_context(open(self.source, "rb"))

    def raw(self, start: Any, size: int) -> bytes:
        self.content.seek(start)
        return self.content.read(size)

    def lengths(self, values: bytes, item: str) -> None:
        """Refuse texts that are declared to be longer than the file; HDF5 would take memory for them."""
        declared = max(text_lengths(values, self.offset_size), default=0)
        if declared > self.size:
            self.refuse(item, f"declares a text of {declared:,} bytes, more than the file has")

    @functools.cached_property
    def longest_text(self) -> int:
        """The size of the largest collection of texts in the file. Source: HDF5's file format, section III.E."""
        self.content.seek(0)
        largest, rest = 0, b""
        while piece := self.content.read(1 << 20):
            rest = rest[-15:] + piece
            for found in re.finditer(rb"GCOL....(.{8})", rest, re.DOTALL):
                largest = max(largest, min(self.size, int.from_bytes(found[1], "little")))
        return largest

    def attributes(self, thing: Any) -> None:
        import h5py

        values: dict[bytes, bytes] | None = None
        for name in thing.attrs:
            self.name(name, thing)
            attribute = h5py.h5a.open(thing.id, name.encode("utf-8"))
            item = f"the attribute {name!r} of {thing.name}"
            count, kind = attribute.get_space().get_simple_extent_npoints(), attribute.get_type()
            self.type(kind, item, count)
            declared = count * kind.get_size()
            if declared > max(FREE, self.size):
                self.refuse(item, f"declares {declared:,} bytes, more than the file has")
            if count and _is_text(kind):
                if values is None:
                    place = h5py.h5o.get_info(thing.id).addr  # pyright: ignore[reportAttributeAccessIssue]
                    values = attribute_values(self.content, self.base, place, self.offset_size, self.length_size)
                value = values.get(name.encode("utf-8"), b"")[: count * (self.offset_size + 8)]
                if len(value) < count * (self.offset_size + 8):
                    self.refuse(item, "holds texts of any length outside of the header")
                self.lengths(value, item)


def _is_text(kind: Any) -> bool:
    """Return whether a type is that of texts of any length."""
    from h5py import h5t

    return kind.get_class() == h5t.STRING and kind.is_variable_str()


def declared_size(h5: Any) -> int:
    """Return how many bytes the variables of a model may take whose weights are in a file: slots of optimizers, too."""
    import h5py

    sizes: list[int] = []

    def visit(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset) and thing.shape is not None:
            sizes.append(int(np.prod(thing.shape, dtype=object)) * max(4, thing.dtype.itemsize))

    h5.visititems(visit)
    return LEAST + 8 * sum(sizes)


def text_list(values: Any) -> list[str]:
    """Return an HDF5 attribute that lists names as Python strings."""
    return [v.decode("utf-8") if isinstance(v, bytes) else str(v) for v in np.asarray(values).ravel().tolist()]


def text(value: Any) -> str:
    """Return an HDF5 attribute that holds one text as a Python string."""
    if isinstance(value, np.ndarray):
        value = value.item()
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


class Pages(NamedTuple):
    """Where an HDF5 file lies uncompressed: a path or an open file, and the place in it."""

    file: Any
    start: int


class Stored(Mapping[str, Any]):
    """The data sets of one group by name, read when asked for, or mapped where `pages` says they are."""

    def __init__(self, *groups: Any, pages: Pages | None = None):
        import h5py

        self._items = {n: g for g in groups for n in g if isinstance(g[n], h5py.Dataset)}
        self._pages = pages

    def __getitem__(self, name: str) -> np.ndarray:
        data = self._items[name][name]
        mapped = None if self._pages is None else map_array(data, self._pages)
        return (read_array(data) if mapped is None else mapped).view(Loaded)

    def __contains__(self, name: object) -> bool:
        return name in self._items  # without reading it

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a data set without reading it."""
        return tuple(self._items[name][name].shape)


def map_array(data: Any, pages: Pages) -> np.ndarray | None:
    """Return a data set as an array over the pages of its file; None if it is small, packed, or not aligned.

    Pages that are written to become the process's own; the file stays as it is.
    """
    dtype, offset = _dtype_of(data), data.id.get_offset()
    plain = dtype.kind in "fiubV" and dtype.isnative and not dtype.hasobject and data.size >= LARGE
    if not plain or offset is None or (pages.start + offset) % dtype.itemsize:
        return None
    if offset + data.size * dtype.itemsize > data.file.id.get_filesize():
        raise UnreadableFileError(f"{data.file.filename}: {data.name} is cut off.")
    return np.memmap(pages.file, dtype, "c", pages.start + offset, data.shape)


def read_array(data: Any) -> np.ndarray:
    """Return a data set as an array; a large one begins aligned, so that frameworks can take its memory as it is."""
    dtype = _dtype_of(data)
    if data.size is None or data.size < LARGE or data.dtype.hasobject:
        array = np.asarray(data[()])
    else:
        room = np.empty(data.nbytes + ALIGNED, "u1")
        start = -room.ctypes.data % ALIGNED
        array = room[start : start + data.nbytes].view(data.dtype).reshape(data.shape)
        data.read_direct(array)
    return array if dtype == data.dtype else array.view(dtype)


def _dtype_of(data: Any) -> np.dtype:
    """Return the type of a data set's numbers; types that HDF5 lacks are named in an attribute.

    In `.h5` files Keras leaves the attribute out; two bytes are bfloat16 there.
    """
    named = data.attrs.get("dtype", "bfloat16" if data.dtype.str == "|V2" else None)
    if named is None or data.dtype.kind != "V":
        return data.dtype
    import ml_dtypes

    kind = getattr(ml_dtypes, text(named), None)
    if not isinstance(kind, type) or np.dtype(kind).itemsize != data.dtype.itemsize:
        raise UnreadableFileError(f"{data.file.filename}: {data.name} has the unknown type {text(named)!r}.")
    return np.dtype(kind)


def write_array(group: Any, name: str, value: Any) -> None:
    """Write an array as a data set; types that HDF5 lacks as raw bytes with the type's name."""
    array = np.asarray(value)
    if array.dtype.name in _extended():
        raw = np.ascontiguousarray(array).view(f"V{array.dtype.itemsize}").reshape(array.shape)
        group.create_dataset(name, data=raw).attrs["dtype"] = array.dtype.name
        return
    if array.dtype.kind == "U":
        import h5py

        group.create_dataset(name, data=array.astype(object), dtype=h5py.string_dtype())
        return
    group.create_dataset(name, data=array)


@functools.cache
def _extended() -> frozenset[str]:
    """Return the names of the types that NumPy has from ml_dtypes."""
    import ml_dtypes

    kinds = ("bfloat", "float", "int", "uint")
    return frozenset(n for n in dir(ml_dtypes) if n.startswith(kinds) and isinstance(getattr(ml_dtypes, n), type))
