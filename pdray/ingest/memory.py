"""The memory of a run: of all its processes together, what they share counted once."""

import threading
import time
from typing import Self

import psutil

_EVERY = 1.0  # seconds
_SHARE = 0.003  # of a core, at most, is spent on looking: a large process takes milliseconds


class PeakMemory:
    """Looks at this process and all below it while it is entered; `bytes` is the most it saw.

    Each page counts for as many parts as processes map it (the kernel's proportional set size), so
    the object store and the libraries count once. Resident sizes stand in where the kernel tells
    none. Processes on other machines, and those of a Ray that ran before, are not below this one.
    """

    def __init__(self, every: float = _EVERY) -> None:
        self.bytes = 0
        self._every = every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def look(self) -> int:
        """Looks now; returns the peak so far."""
        self.bytes = max(self.bytes, tree_bytes())
        return self.bytes

    def _watch(self) -> None:
        wait = 0.0
        while not self._ended.wait(wait):
            before = time.thread_time()
            self.look()
            wait = max(self._every, (time.thread_time() - before) / _SHARE)


def tree_bytes(root: int | None = None) -> int:
    """Bytes of memory of a process (default: this one) and all that it started, now."""
    try:
        top = psutil.Process(root)
        family = [top, *top.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(map(_bytes, family))


def _bytes(process: psutil.Process) -> int:
    try:
        told = process.memory_full_info()
        return int(getattr(told, "pss", told.rss))
    except psutil.AccessDenied:  # of another owner, or on a system that tells only its own
        try:
            return int(process.memory_info().rss)
        except psutil.Error:
            return 0
    except psutil.Error:  # it has ended meanwhile
        return 0
