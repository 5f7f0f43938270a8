"""One indexing run a collection: a lease with heartbeat, so that deletes have one writer.

Claims are numbered and created only if absent, so two runs can't both win. A holder on this machine
is asked of the operating system (a killed run blocks nobody); one elsewhere counts as gone when its
heartbeat is older than STALE_SECONDS. Claims stay: a slow run could take the number of one removed.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from pdray.catalog.catalog import Catalog
from pdray.errors import LeaseHeld

BEAT_SECONDS = 10.0
STALE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim that this process holds."""

    catalog: Catalog
    folder: str
    number: int

    def valid(self) -> bool:
        """Whether no later claim exists: ask before deleting anything."""
        return _newest(self.catalog, self.folder) == self.number


@contextlib.contextmanager
def hold(catalog: Catalog, collection: str, run_id: str) -> Iterator[Lease]:
    """Holds the collection for the block. Raises LeaseHeld, naming the holder."""
    lease = _claim(catalog, collection, run_id)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(lease, stop), daemon=True, name="pdray-lease")
    beat.start()
    try:
        yield lease
    finally:
        stop.set()
        beat.join()
        with contextlib.suppress(OSError):  # it goes stale by itself
            catalog.store.create(f"{lease.folder}/{lease.number:08d}.released", b"")


def _claim(catalog: Catalog, collection: str, run_id: str) -> Lease:
    folder = f"leases/{collection}"
    document = {
        "run_id": run_id,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "process_started": psutil.Process().create_time(),
        "at": time.time(),
    }
    while True:
        number = _newest(catalog, folder)
        holder = _holder(catalog, folder, number) if number else None
        if holder:
            raise LeaseHeld(
                f"Run {holder['run_id']} (process {holder['pid']} on {holder['host']}) is indexing "
                f"collection {collection!r} now. Wait for it to end, or index another collection."
            )
        lease = Lease(catalog, folder, number + 1)
        if catalog.store.create(_path(lease, "json"), json.dumps(document).encode()):
            return lease


def _newest(catalog: Catalog, folder: str) -> int:
    claims = catalog.store.list(folder, ".json")
    return int(claims[-1].rsplit("/", 1)[-1].split(".")[0]) if claims else 0


def _holder(catalog: Catalog, folder: str, number: int) -> dict[str, Any] | None:
    """The claim's document while its holder lives."""
    names = {path.rsplit("/", 1)[-1] for path in catalog.store.list(folder)}
    if f"{number:08d}.released" in names:
        return None
    document: dict[str, Any] = json.loads(catalog.store.read(f"{folder}/{number:08d}.json"))
    runs = _runs_here(document) if document["host"] == socket.gethostname() else None
    if runs is not None:
        return document if runs else None
    beaten = document["at"]
    if f"{number:08d}.beat" in names:
        beaten = json.loads(catalog.store.read(f"{folder}/{number:08d}.beat"))["at"]
    return document if time.time() - beaten < STALE_SECONDS else None


def _runs_here(document: dict[str, Any]) -> bool | None:
    """Whether the holder's process lives on this machine; None where that can't be told."""
    try:
        started = psutil.Process(document["pid"]).create_time()
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return None
    # Process ids are used again: the same process has the same start (seconds since the epoch).
    # Another start may be the same process after the clock was set; its heartbeat tells.
    return True if abs(started - document["process_started"]) < 1.0 else None


def _beat(lease: Lease, stop: threading.Event) -> None:
    while not stop.wait(BEAT_SECONDS):
        with contextlib.suppress(OSError):  # a missed beat is made up by the next one
            lease.catalog.store.replace(
                _path(lease, "beat"), json.dumps({"at": time.time()}).encode()
            )


def _path(lease: Lease, suffix: str) -> str:
    return f"{lease.folder}/{lease.number:08d}.{suffix}"
