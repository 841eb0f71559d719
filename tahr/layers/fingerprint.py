"""Hashes of texts that are the same everywhere and forever: FarmHash Fingerprint64 and SipHash-2-4, many at a time.

FarmHash: G. Pike, github.com/google/farmhash, the 64-bit fingerprint. SipHash: J.-P. Aumasson and D. Bernstein,
"SipHash: a fast short-input PRF", 2012. All arithmetic is modulo 2**64, which NumPy's uint64 does by itself.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["Texts", "combine", "farmhash", "siphash"]

U = np.uint64
K0, K1, K2 = U(0xC3A5C85C97CB3127), U(0xB492B66FBE98F273), U(0x9AE16A3B2F90404F)
CAT = U(0xC6A4A7935BD1E995)  # the multiplier of TensorFlow's FingerprintCat64


class Texts:
    """Many byte strings in one buffer, read eight bytes at a time from any place.

    Args:
        values: the texts; `str` counts as UTF-8.
    """

    def __init__(self, values: Sequence[bytes | str]):
        joined, self.lengths = _join(values)
        buffer = np.frombuffer(joined + bytes(8), np.uint8)
        self._bytes = buffer
        self._words = np.ndarray((buffer.size - 7,), "<u8", buffer, strides=(1,))
        self.starts = np.cumsum(self.lengths) - self.lengths

    def word(self, at: np.ndarray) -> np.ndarray:
        """Return the eight bytes from each place as a number, the first byte lowest."""
        return self._words[at].astype(np.uint64, copy=False)

    def half(self, at: np.ndarray) -> np.ndarray:
        """Return the four bytes from each place as a number."""
        return self.word(at) & U(0xFFFFFFFF)

    def byte(self, at: np.ndarray) -> np.ndarray:
        """Return the byte at each place."""
        return self._bytes[at].astype(np.uint64)


def _join(values: Sequence[bytes | str]) -> tuple[bytes, np.ndarray]:
    try:
        text = "".join(values)  # type: ignore[arg-type]
        if text.isascii():
            return text.encode(), np.fromiter(map(len, values), np.int64, len(values))
    except TypeError:  # not all are str
        pass
    encoded = [v.encode() if isinstance(v, str) else v for v in values]
    return b"".join(encoded), np.fromiter(map(len, encoded), np.int64, len(encoded))


def _rotate(x: np.ndarray, by: int) -> np.ndarray:
    return (x >> U(by)) | (x << U(64 - by))


def _mix(x: np.ndarray) -> np.ndarray:
    return x ^ (x >> U(47))


def _pair(u: np.ndarray, v: np.ndarray, factor: np.ndarray) -> np.ndarray:
    a = _mix((u ^ v) * factor)
    return _mix((v ^ a) * factor) * factor


def farmhash(texts: Sequence[bytes | str]) -> np.ndarray:
    """Return FarmHash's Fingerprint64 of each text, as uint64.

    >>> from tahr.layers.fingerprint import farmhash
    >>> [hex(h) for h in farmhash(["", "abc"]).tolist()]
    ['0x9ae16a3b2f90404f', '0x24a5b3a074e7f369']
    """
    data = Texts(texts)
    hashes = np.full(len(texts), K2)
    bounds: list[tuple[int, int, Callable[..., np.ndarray]]] = [
        (1, 3, _farm_to_3),
        (4, 7, _farm_to_7),
        (8, 16, _farm_to_16),
        (17, 32, _farm_to_32),
        (33, 64, _farm_to_64),
        (65, 1 << 62, _farm_long),
    ]
    with np.errstate(over="ignore"):
        for least, most, function in bounds:
            chosen = np.flatnonzero((data.lengths >= least) & (data.lengths <= most))
            if chosen.size:
                hashes[chosen] = function(data, data.starts[chosen], data.lengths[chosen])
    return hashes


def _farm_to_3(data: Texts, start: np.ndarray, length: np.ndarray) -> np.ndarray:
    first, middle, last = data.byte(start), data.byte(start + length // 2), data.byte(start + length - 1)
    y = first + (middle << U(8))
    z = length.astype(np.uint64) + (last << U(2))
    return _mix(y * K2 ^ z * K0) * K2


def _farm_to_7(data: Texts, start: np.ndarray, length: np.ndarray) -> np.ndarray:
    n = length.astype(np.uint64)
    return _pair(n + (data.half(start) << U(3)), data.half(start + length - 4), K2 + n * U(2))


def _farm_to_16(data: Texts, start: np.ndarray, length: np.ndarray) -> np.ndarray:
    factor = K2 + length.astype(np.uint64) * U(2)
    a, b = data.word(start) + K2, data.word(start + length - 8)
    return _pair(_rotate(b, 37) * factor + a, (_rotate(a, 25) + b) * factor, factor)


def _ends(data: Texts, start: np.ndarray, length: np.ndarray, first: Any) -> tuple[np.ndarray, ...]:
    """Return what texts of 17 to 64 bytes share: the factor and two mixtures of both ends."""
    factor = K2 + length.astype(np.uint64) * U(2)
    end = start + length
    a, b = data.word(start) * first, data.word(start + 8)
    c, d = data.word(end - 8) * factor, data.word(end - 16) * K2
    return factor, _rotate(a + b, 43) + _rotate(c, 30) + d, a + _rotate(b + K2, 18) + c, a


def _farm_to_32(data: Texts, start: np.ndarray, length: np.ndarray) -> np.ndarray:
    factor, u, v, _ = _ends(data, start, length, K1)
    return _pair(u, v, factor)


def _farm_to_64(data: Texts, start: np.ndarray, length: np.ndarray) -> np.ndarray:
    factor, y, v, a = _ends(data, start, length, K2)
    z = _pair(y, v, factor)
    end = start + length
    e, f = data.word(start + 16) * factor, data.word(start + 24)
    g, h = (y + data.word(end - 32)) * factor, (z + data.word(end - 24)) * factor
    return _pair(_rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g, factor)


def _farm_long(data: Texts, start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Hash texts of more than 64 bytes: 64 bytes a round, the last round overlapping the one before it."""
    rounds = (length - 1) // 64
    y = np.full(start.size, U(81) * K1 + U(113))
    z, zero = _mix(y * K2 + U(113)) * K2, np.zeros(start.size, np.uint64)
    state = np.stack([U(81) * K2 + data.word(start), y, z, zero, zero, zero, zero])  # x y z v0 v1 w0 w1
    for i in range(int(rounds.max())):
        going = np.flatnonzero(rounds > i)
        state[:, going] = _farm_round(data, start[going] + 64 * i, state[:, going], K1, U(1))
    x, y, z, v0, v1, w0, w1 = state
    factor = K1 + ((z & U(0xFF)) << U(1))
    w0 = w0 + ((length - 1) & 63).astype(np.uint64)
    v0 = v0 + w0
    w0 = w0 + v0
    x, y, z, v0, v1, w0, w1 = _farm_round(data, start + length - 64, np.stack([x, y, z, v0, v1, w0, w1]), factor, U(9))
    return _pair(_pair(v0, w0, factor) + _mix(y) * K0 + z, _pair(v1, w1, factor) + x, factor)


def _farm_round(data: Texts, at: np.ndarray, state: np.ndarray, factor: Any, weight: Any) -> np.ndarray:
    x, y, z, v0, v1, w0, w1 = state
    x = _rotate(x + y + v0 + data.word(at + 8), 37) * factor
    y = _rotate(y + v1 + data.word(at + 48), 42) * factor
    x = x ^ (w1 * weight)
    y = y + v0 * weight + data.word(at + 40)
    z = _rotate(z + w0, 33) * factor
    v0, v1 = _farm_block(data, at, v1 * factor, x + w0)
    w0, w1 = _farm_block(data, at + 32, z + w1, y + data.word(at + 16))
    return np.stack([z, y, x, v0, v1, w0, w1])


def _farm_block(data: Texts, at: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, last = data.word(at), data.word(at + 24)
    a = a + first
    b = _rotate(b + a + last, 21)
    total = a + data.word(at + 8) + data.word(at + 16)
    return total + last, b + _rotate(total, 44) + a


def siphash(texts: Sequence[bytes | str], key: tuple[int, int]) -> np.ndarray:
    """Return SipHash-2-4 of each text under a key of two 64-bit numbers, as uint64.

    >>> from tahr.layers.fingerprint import siphash
    >>> key = int.from_bytes(bytes(range(8)), "little"), int.from_bytes(bytes(range(8, 16)), "little")
    >>> hex(siphash([bytes(range(15))], key)[0])
    '0xa129ca6149be45e5'
    """
    data = Texts(texts)
    k0, k1 = (U(k & 0xFFFFFFFFFFFFFFFF) for k in key)
    magic = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    state = np.stack([np.full(len(texts), k ^ U(m)) for k, m in zip((k0, k1, k0, k1), magic, strict=True)])
    words = data.lengths // 8
    with np.errstate(over="ignore"):
        for i in range(int(words.max(initial=0))):
            going = np.flatnonzero(words > i)
            state[:, going] = _sip_take(state[:, going], data.word(data.starts[going] + 8 * i))
        left = (data.lengths - 8 * words).astype(np.uint64)
        tail = data.word(data.starts + 8 * words) & ((U(1) << (U(8) * left)) - U(1))
        state = _sip_take(state, tail | (data.lengths.astype(np.uint64) << U(56)))
        state[2] ^= U(0xFF)
        for _ in range(4):
            state = _sip_round(state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _sip_take(state: np.ndarray, word: np.ndarray) -> np.ndarray:
    state = state.copy()
    state[3] ^= word
    state = _sip_round(_sip_round(state))
    state[0] ^= word
    return state


def _left(x: np.ndarray, by: int) -> np.ndarray:
    return (x << U(by)) | (x >> U(64 - by))


def _sip_round(state: np.ndarray) -> np.ndarray:
    a, b, c, d = state
    a, c = a + b, c + d
    b, d = _left(b, 13) ^ a, _left(d, 16) ^ c
    a = _left(a, 32)
    c, a = c + b, a + d
    b, d = _left(b, 17) ^ c, _left(d, 21) ^ a
    return np.stack([a, b, _left(c, 32), d])


def combine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return one fingerprint of two, in which their order counts (TensorFlow's FingerprintCat64)."""
    with np.errstate(over="ignore"):
        result = (first ^ CAT) ^ (_mix(second * CAT) * CAT)
        return _mix(_mix(result * CAT) * CAT)
