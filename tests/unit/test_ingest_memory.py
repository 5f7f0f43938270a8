"""Memory of several processes together: real processes, real pages."""

import subprocess
import sys
from pathlib import Path

import pytest

from pdray.ingest.memory import tree_bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells shared pages apart")
_SIZE = 64 << 20
# Maps a file, or takes memory of its own, touches all of it, says so, and waits to be told to end.
_HOLD = """
import mmap, sys
size = int(sys.argv[1])
if len(sys.argv) > 2:
    file = open(sys.argv[2], "rb")
    held = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    sum(held[::4096])
else:
    held = b"1" * size
print("held", flush=True)
sys.stdin.read()
"""


def _held_by_two(*words: str) -> int:
    """Bytes that two processes below this one hold together, beyond what two idle ones do."""
    return _together(str(_SIZE), *words) - _together("1")


def _together(*words: str) -> int:
    command = [sys.executable, "-S", "-c", _HOLD, *words]
    pipe = subprocess.PIPE
    before = tree_bytes()
    running = [subprocess.Popen(command, stdin=pipe, stdout=pipe) for _ in range(2)]
    for one in running:
        assert one.stdout
        assert one.stdout.readline() == b"held\n"
    grown = tree_bytes() - before
    for one in running:
        one.communicate()
    return grown


def test_memory_of_their_own_counts_for_each_process() -> None:
    assert _held_by_two() == pytest.approx(2 * _SIZE, rel=0.1)


def test_memory_that_processes_share_counts_once(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.write_bytes(b"1" * _SIZE)
    assert _held_by_two(str(shared)) == pytest.approx(_SIZE, rel=0.1)


# In a small process of its own a look takes a millisecond, and nobody else's memory moves.
_PEAK = """
import sys, threading
from pdray.ingest.memory import PeakMemory, tree_bytes
size, tick = int(sys.argv[1]), threading.Event()
with PeakMemory(every=0.01) as peak:
    before = tree_bytes()
    block = b"1" * size
    while peak.bytes < before + 0.9 * size:
        tick.wait(0.01)
    del block
    print(peak.bytes - tree_bytes())
"""


def test_the_peak_outlives_what_made_it() -> None:
    command = [sys.executable, "-c", _PEAK, str(_SIZE)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert int(done.stdout) > 0.8 * _SIZE


def test_a_process_that_is_gone_has_no_memory() -> None:
    done = subprocess.Popen([sys.executable, "-S", "-c", ""])
    done.wait()
    assert tree_bytes(done.pid) == 0
