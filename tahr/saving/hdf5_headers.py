"""The lengths that texts in an HDF5 file are declared to have.

HDF5 takes memory for a text before it looks whether the file holds one as long, and tells no length without reading the
text. So the numbers are read here from where they stand: in the attributes of an object's header, or in the raw data of
a data set. Source: HDF5's file format specification, sections III.E, IV.A.1, IV.A.2.m and IV.A.2.q.
"""

import struct
from collections.abc import Iterator
from typing import Any

__all__ = ["attribute_values", "text_lengths"]

ATTRIBUTE, CONTINUATION = 0x0C, 0x10
MOST_BLOCKS = 4096


def text_lengths(values: bytes, offset_size: int) -> Iterator[int]:
    """Yield the length of each text; beside it stand the collection that holds it, and its number there."""
    for (length,) in struct.iter_unpack(f"<I{offset_size + 4}x", values):
        yield length


def attribute_values(file: Any, base: int, address: int, offset_size: int, length_size: int) -> dict[bytes, bytes]:
    """Return the raw values of the attributes in the header of the object at an address, by name.

    Args:
        file: the open file.
        base: where HDF5's content begins in it.
        address: of the object's header, from there.
        offset_size, length_size: bytes of an address and of a length in this file.
    """
    found = {}
    for kind, shared, message in _messages(file, base, address, offset_size, length_size):
        if kind == ATTRIBUTE and not shared and len(message) > 9:
            name, value = _attribute(message)
            found[name] = value
    return found


def _messages(file: Any, base: int, address: int, *sizes: int) -> Iterator[tuple[int, bool, bytes]]:
    """Yield type, whether it stands elsewhere, and content of each message of an object's header."""
    prefix = _read(file, base + address, 64)
    if len(prefix) < 64:
        return
    newer = prefix[:4] == b"OHDR"
    if newer:
        flags, at = prefix[5], 6
        at += 16 if flags & 0x20 else 0
        at += 4 if flags & 0x10 else 0
        width = 1 << (flags & 3)
        blocks = [(address + at + width, int.from_bytes(prefix[at : at + width], "little"))]
        head = struct.Struct("<BHB2x" if flags & 4 else "<BHB")
    else:
        blocks, head = [(address + 16, *struct.unpack_from("<I", prefix, 8))], struct.Struct("<HHB3x")
    for start, size in blocks:  # which grow on the way
        block, at = _read(file, base + start, size), 0
        while at + head.size <= len(block):
            kind, length, flags = head.unpack_from(block, at)
            message = block[at + head.size : at + head.size + length]
            at += head.size + length
            if kind == CONTINUATION and len(blocks) < MOST_BLOCKS and len(message) >= sum(sizes):
                place = int.from_bytes(message[: sizes[0]], "little")
                extent = int.from_bytes(message[sizes[0] : sum(sizes)], "little")
                blocks.append((place + 4, max(0, extent - 8)) if newer else (place, extent))
            yield kind, bool(flags & 2), message


def _attribute(message: bytes) -> tuple[bytes, bytes]:
    version, _, *sizes = struct.unpack_from("<BBHHH", message)
    at = 9 if version == 3 else 8
    name = message[at : at + sizes[0]].partition(b"\0")[0]
    return name, message[at + sum(-(-size // 8) * 8 if version == 1 else size for size in sizes) :]


def _read(file: Any, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(min(size, 1 << 24))
