"""A decoder with faults: images that end with a mark crash it, hang it, or eat its memory.

No image file does that to today's codecs on request. Python reads `sitecustomize` at its start, so
every process that a test starts has the faults, and the product has no hook for them.
"""

import os
from pathlib import Path

import pytest

_MARK = b"pdray-test-fault:"

_CODE = """
import importlib, os, signal, time

room = importlib.import_module("pdray.images.examine")
_real = room.examine


def examine(data, *args, **options):
    fault = data.rpartition(b"{mark}")[2].decode() if b"{mark}" in data[-40:] else ""
    if fault == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "exit":
        os._exit(3)
    if fault == "hang":
        time.sleep(3600)
    if fault == "memory":
        bytearray(3 * 2**30)
    return _real(data, *args, **options)


room.examine = examine
"""


def poisoned(data: bytes, fault: str) -> bytes:
    """The image with a mark at its end, which decoders pass over."""
    return data + _MARK + fault.encode()


def write_poison(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives the faults to every Python process started from here on."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_CODE.replace("{mark}", _MARK.decode()))
    paths = [str(site), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
