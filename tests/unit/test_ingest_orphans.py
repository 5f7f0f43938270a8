"""A process ends with the one that started it."""

import subprocess
import sys

import psutil
import pytest

CHILD = "from pdray.ingest.orphans import end_with_parent as end; end(); print('up', flush=True)"
PARENT = f"""
import subprocess, sys, time
child = [sys.executable, '-c', {CHILD + "; import time; time.sleep(600)"!r}]
process = subprocess.Popen(child, stdout=subprocess.PIPE)
process.stdout.readline()
print(process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone has it")
def test_a_process_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
    child.wait(10)
