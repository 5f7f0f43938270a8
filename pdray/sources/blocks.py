"""A remote file as one that seeks, for readers that hop from header to header."""

import io
from collections.abc import Callable, Sequence
from typing import Any

from pdray.sources.shards import Span

_SMALL, _LARGE = 16 * 2**10, 4 * 2**20
_FAR = 2**20


class Blocks(io.RawIOBase):
    """Reads a file of `size` bytes in blocks through `ranges`; holds one block.

    A hop of more than a mebibyte gets a small block, for only a header is wanted there. Where
    headers lie closer, one large block with many of them costs less than a request for each.
    """

    def __init__(self, ranges: Callable[[Sequence[Span]], Sequence[bytes]], size: int) -> None:
        self._ranges, self._size = ranges, size
        self._at = 0
        self._start, self._block = 0, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size:
            return 0
        if not self._start <= self._at < self._start + len(self._block):
            self._load(len(buffer))
        at = self._at - self._start
        data = self._block[at : at + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _load(self, wanted: int) -> None:
        """Raises OSError where the file can't be read, or is shorter than it was."""
        hop = self._at - (self._start + len(self._block))
        block = max(wanted, _LARGE if 0 <= hop <= _FAR and self._at else _SMALL)
        (self._block,) = self._ranges([Span(self._at, min(block, self._size - self._at))])
        self._start = self._at
        if not self._block:
            raise OSError("it is shorter than when it was listed")
