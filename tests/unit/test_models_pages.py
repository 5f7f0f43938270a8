import mmap
import platform
import sys
from pathlib import Path

import numpy as np
import pytest

from pdray.models.pages import enlarge

_MB = 1 << 20
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of Linux alone")


def megabytes(name: str) -> float:
    """A line of what the system says of this process's memory."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def can_collapse() -> bool:
    release = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
    return release >= (6, 1) and Path("/sys/kernel/mm/transparent_hugepage").exists()


def test_what_is_held_stays_as_it_is_in_larger_pages():
    memory = mmap.mmap(-1, 64 * _MB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)  # or the system gives large pages by itself
    weights = np.frombuffer(memory, np.int64)
    weights[:] = np.arange(len(weights))
    memory.madvise(mmap.MADV_HUGEPAGE)
    before = megabytes("AnonHugePages")
    enlarge()
    assert np.array_equal(weights, np.arange(len(weights)))
    if can_collapse():
        assert megabytes("AnonHugePages") >= before + 40


def test_memory_that_is_hardly_used_does_not_grow():
    enlarge()  # what was held already
    sparse = np.empty(256 * _MB, dtype=np.uint8)
    sparse[:: 2 * _MB] = 1
    before = megabytes("Rss")
    enlarge()
    assert megabytes("Rss") <= before + 32
    assert sparse[:: 2 * _MB].all()
