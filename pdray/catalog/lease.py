"""One indexing run a collection: a lease with heartbeat, so that deletes have one writer.

Claims are numbered and created only if absent, so two runs can't both win. A holder on this machine
is asked of the operating system (a killed run blocks nobody); one elsewhere counts as gone when its
heartbeat is older than STALE_SECONDS. Claims stay: a slow run could take the number of one removed.

`alone` is the gate of whoever removes files that all collections share. Both sides claim first and
look at the other afterwards, so at least one of them sees the other: the remover then leaves the
shared files as they are, and a run that comes to a closed gate waits until it opens.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from pdray import log
from pdray.catalog.catalog import Catalog
from pdray.errors import LeaseHeld

BEAT_SECONDS = 10.0
STALE_SECONDS = 60.0
_GATE = ".gate"
_log = log.get("catalog")
_GATE_POLL_SECONDS = 0.2


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
    with _held(_claim(catalog, collection, run_id)) as lease:
        _wait_at_the_gate(catalog)
        yield lease


def _wait_at_the_gate(catalog: Catalog) -> None:
    told = False
    while keeper := holder(catalog, _GATE):
        if not told:
            _log.warning("Waiting until %s ends: it tidies the workspace up.", keeper["run_id"])
            told = True
        time.sleep(_GATE_POLL_SECONDS)


@contextlib.contextmanager
def alone(catalog: Catalog, run_id: str, own: Collection[str]) -> Iterator[str | None]:
    """Holds back every run that would start during the block. Raises LeaseHeld.

    Yields None, or the name of a collection beyond `own` that someone works on already: then
    nothing that collections share may be removed. Leases of one's own are taken before.
    """
    with _held(_claim(catalog, _GATE, run_id)):
        folders = [path.rsplit("/", 1)[-1] for path in catalog.store.list("leases")]
        others = (name for name in folders if name != _GATE and name not in own)
        yield next((name for name in others if holder(catalog, name) is not None), None)


@contextlib.contextmanager
def _held(lease: Lease) -> Iterator[Lease]:
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(lease, stop), daemon=True, name="pdray-lease")
    beat.start()
    try:
        yield lease
    finally:
        stop.set()
        beat.join()
        with contextlib.suppress(OSError):  # it goes stale by itself
            lease.catalog.store.create(f"{lease.folder}/{lease.number:08d}.released", b"")


def holder(catalog: Catalog, collection: str) -> dict[str, Any] | None:
    """Who indexes the collection now: run_id, host, pid. None where nobody does."""
    folder = f"leases/{collection}"
    number = _newest(catalog, folder)
    return _holder(catalog, folder, number) if number else None


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
        held = _holder(catalog, folder, number) if number else None
        if held:
            who = f"{held['run_id']} (process {held['pid']} on {held['host']})"
            if collection == _GATE:
                raise LeaseHeld(f"{who} tidies the workspace up now. Wait for it to end.")
            raise LeaseHeld(
                f"Run {who} is indexing collection {collection!r} now. Wait for it to end, or "
                "index another collection."
            )
        lease = Lease(catalog, folder, number + 1)
        if catalog.create(_path(lease, "json"), json.dumps(document).encode()):
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
