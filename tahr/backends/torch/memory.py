"""Memory that arrays have left is kept for the next ones: to give it back and have it filled with zeros page by page,
step after step, takes a tenth of the time that training takes on a CPU."""

import ctypes
import os
import sys

__all__ = ["keep_freed_memory"]

LARGEST = 1 << 28  # bytes of the largest array whose memory is kept
KEPT = 1 << 30  # bytes of free memory beyond which it goes back to the system
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # as glibc's malloc.h numbers them


def keep_freed_memory() -> bool:
    """Tell glibc to keep free memory, and return whether it does; who has told it something else is obeyed."""
    told = [name for name in os.environ if name.startswith("MALLOC_")]
    if told or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "") or not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # which musl does not have
    return mallopt is not None and bool(mallopt(MMAP_THRESHOLD, LARGEST) and mallopt(TRIM_THRESHOLD, KEPT))
