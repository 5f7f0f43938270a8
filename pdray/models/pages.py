"""Weights in large pages of memory, so that reading them looks up few addresses.

A text reads all of the weights and does little with each, so where they lie matters: for ViT-B/32
in bf16 these are 19,000 pages of 4 KB, ten times what a core keeps the addresses of.
"""

import ctypes
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path

_SELF = Path("/proc/self")
_LARGE = 2 << 20
_COLLAPSE = 25  # MADV_COLLAPSE, from Linux 6.1 on
_PRESENT = 0x80  # in the last byte of an entry of pagemap
_MOST = _LARGE // mmap.PAGESIZE
_ENOUGH = _MOST * 9 // 10  # pages that are there, so that memory hardly grows


def enlarge() -> None:
    """Puts what this process holds in memory now into large pages, where the system can do it."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with suppress(OSError), (_SELF / "pagemap").open("rb", buffering=0) as pagemap:
        for start, length in _held(pagemap.fileno()):
            libc.madvise(start, length, _COLLAPSE)  # what can't be done stays as it is


def _held(pagemap: int) -> Iterator[tuple[int, int]]:
    """(address, bytes) of whole large pages that are in memory, neighbours in one."""
    for begin, end in _private():
        first, last = -(-begin // _LARGE), end // _LARGE
        for there, some in groupby(range(first, last), lambda n: _is_held(pagemap, n)):
            numbers = list(some)
            if there:
                yield numbers[0] * _LARGE, len(numbers) * _LARGE


def _is_held(pagemap: int, number: int) -> bool:
    entries = os.pread(pagemap, 8 * _MOST, 8 * _MOST * number)
    return sum(byte >= _PRESENT for byte in entries[7::8]) >= _ENOUGH


def _private() -> Iterator[tuple[int, int]]:
    """Address ranges of memory that was allocated, as opposed to files."""
    for line in (_SELF / "maps").read_text().splitlines():
        span, rights, _, _, inode, *name = line.split(maxsplit=5)
        if rights == "rw-p" and inode == "0" and (not name or name == ["[heap]"]):
            begin, end = (int(one, 16) for one in span.split("-"))
            yield begin, end
