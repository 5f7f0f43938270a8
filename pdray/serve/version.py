"""A number that moves with every change of an index, so that what was found before is told apart.

Who writes the index moves it after the write and before it says that the write is done. An answer
is kept with the number that stood before it was looked for: from the moment a write is done no
answer from before it is given again. Processes of one machine share the number through a file.
"""

import mmap
import os
import struct
import threading
import time
from pathlib import Path

_NUMBER = struct.Struct("<Q")


class Version:
    """The number of a process that writes alone, with others who read it."""

    def __init__(self, path: Path | None = None) -> None:
        self._turn = threading.Lock()
        self._memory: mmap.mmap | bytearray = bytearray(_NUMBER.size)
        if path is not None:
            self._memory = _mapped(path)
        # No number of an earlier process comes again: none makes 10^9 changes a second.
        _NUMBER.pack_into(self._memory, 0, max(time.time_ns(), self.now + 1))

    @property
    def now(self) -> int:
        """The number; an aligned word of memory, so never half of one."""
        return int(_NUMBER.unpack_from(self._memory)[0])

    def become(self, number: int) -> None:
        """What has changed elsewhere is seen: another number from here on, the same one for all
        who see the same.
        """
        with self._turn:
            _NUMBER.pack_into(self._memory, 0, number)

    def move(self) -> None:
        """Something has changed."""
        with self._turn:
            _NUMBER.pack_into(self._memory, 0, self.now + 1)


class SeenVersion:
    """The number that another process of this machine moves."""

    def __init__(self, path: Path) -> None:
        self._memory = _mapped(path)

    @property
    def now(self) -> int:
        """The number."""
        return int(_NUMBER.unpack_from(self._memory)[0])


def _mapped(path: Path) -> mmap.mmap:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(handle, _NUMBER.size)
        return mmap.mmap(handle, _NUMBER.size)
    finally:
        os.close(handle)
