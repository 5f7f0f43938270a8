"""What happens, as it happens: progress of runs and changes of collections, for who listens.

A thread looks at the workspace as long as anybody listens. What it finds gets a number and its
time, and the last few hundred are kept for those who come back: they name the last that they saw.
Who comes from another replica is told again what happened since the time of that one, because all
replicas look at the same workspace, and an event says how things are, not what to add. Where they
share a Redis, the first that sees something has the others look at once (nudges.py). Who was away
for longer than this one has looked and kept is told that there is a gap.
"""

import asyncio
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool as in_thread

from pdray import log
from pdray.catalog import runs
from pdray.errors import PdrayError
from pdray.serve.engine import Engine
from pdray.serve.launching import Launcher
from pdray.serve.nudges import open_nudges
from pdray.serve.people import Told
from pdray.serve.run_shapes import RunDocument, run_document, unrecorded

LOOK_SECONDS, REMOTE_LOOK_SECONDS = 1.0, 3.0
KEPT = 512
# Replicas see the same thing up to a look apart, and their clocks differ.
_APART_SECONDS = 5.0
LISTENERS = 32  # each holds one of the 64 requests that a replica answers at a time
_WATCHED = 20  # the newest runs
_WAITING = 1_000  # events that a slow listener may be behind

Event = dict[str, Any]


_ID = re.compile("(?P<epoch>[0-9a-f]{8})-(?P<number>[0-9]{1,18})-(?P<at>[0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class _Kept:
    number: int
    at: float
    event: Event


@dataclass(eq=False, slots=True)
class _Listener:
    loop: asyncio.AbstractEventLoop
    queue: "asyncio.Queue[Event | None]"

    def tell(self, event: Event | None) -> None:
        """From any thread. One that is too far behind is sent away: it comes back and resumes."""
        with suppress(RuntimeError):  # its loop has ended
            self.loop.call_soon_threadsafe(self._put, event)

    def _put(self, event: Event | None) -> None:
        if self.queue.qsize() >= _WAITING:
            event = None
        self.queue.put_nowait(event)


class Happenings:
    """Numbers, keeps and tells what happens in one workspace."""

    def __init__(self, engine: Engine, launcher: Launcher) -> None:
        self._engine, self._launcher = engine, launcher
        self._epoch = secrets.token_hex(4)  # numbers of another process mean nothing here
        self._began = float("inf")  # what changed since, it has told or will at its next look
        self._kept: deque[_Kept] = deque(maxlen=KEPT)
        self._number = 0
        self._runs: dict[str, RunDocument] = {}
        self._collections: dict[str, tuple[int, str]] | None = None
        self._told = Told()
        self._listeners: set[_Listener] = set()
        self._turn = threading.Lock()
        self._nudges = open_nudges(engine.settings)
        self._wake, self._nudged = threading.Event(), False  # another replica saw something
        self._watching = False

    async def listen(self, after: str | None) -> AsyncIterator[Event]:
        """What happened after an event, then what happens. Ends where the listener is too slow."""
        listener = _Listener(asyncio.get_running_loop(), asyncio.Queue())
        missed = await in_thread(self._admit, listener, after)
        try:
            for event in missed:
                yield event
            while (told := await listener.queue.get()) is not None:
                yield told
        finally:
            self._listeners.discard(listener)

    @property
    def full(self) -> bool:
        """Whether no more may listen."""
        return len(self._listeners) >= LISTENERS

    def _admit(self, listener: _Listener, after: str | None) -> list[Event]:
        """From now on it is told; gives what comes before that."""
        with self._turn:
            if not self._watching:
                self._look()
                self._watching, self._began = True, min(self._began, time.time())
                threading.Thread(target=self._watch, name="happenings", daemon=True).start()
            self._listeners.add(listener)
            return self._since(after)

    def _since(self, after: str | None) -> list[Event]:
        hello = {"type": "hello", "id": self._name(self._number), "at": _now()}
        if after is None:
            return [hello]
        kept = self._missed(after)
        return [{**hello, "type": "gap"}] if kept is None else kept or [hello]

    def _missed(self, after: str) -> list[Event] | None:
        """What came after an event; None where that can't be told."""
        named = _ID.fullmatch(after)
        if named is None:
            return None
        number, at = int(named["number"]), int(named["at"]) / 1000
        oldest = self._kept[0].number if self._kept else self._number + 1
        if named["epoch"] == self._epoch:
            whole = oldest - 1 <= number <= self._number
            return [one.event for one in self._kept if one.number > number] if whole else None
        since = at - _APART_SECONDS
        complete = oldest == 1 or (self._kept and self._kept[0].at <= since)
        if not complete or not self._began <= since <= time.time():
            return None
        return [one.event for one in self._kept if one.at > since]

    def _watch(self) -> None:
        local = self._engine.catalog.store.filesystem()[0] is None
        every = LOOK_SECONDS if local else REMOTE_LOOK_SECONDS
        ended = threading.Event()
        if self._nudges:
            hear = (self._heard, ended)
            threading.Thread(
                target=self._nudges.hear, args=hear, name="nudges", daemon=True
            ).start()
        while True:
            self._wake.wait(every)
            self._wake.clear()
            nudged, self._nudged = self._nudged, False
            with self._turn:
                if not self._listeners:
                    self._watching = False
                    ended.set()
                    return
                before = self._number
                self._look()
                news = self._number > before
            # Who was nudged tells nobody: the one that nudged told them all.
            if news and self._nudges and not nudged:
                self._nudges.tell()

    def _heard(self, from_another: bool) -> None:
        self._nudged |= from_another
        self._wake.set()

    def _look(self) -> None:
        try:
            touched = self._look_at_runs()
            self._look_at_collections(touched)
            self._look_at_edits()
        except (PdrayError, OSError) as error:  # seen again a second later
            log.get("serve").warning("%s", error)

    def _look_at_runs(self) -> set[str]:
        """Tells what is new of runs; gives the collections that they may have changed."""
        catalog = self._engine.catalog
        live = [run_id for run_id, before in self._runs.items() if before.live]
        found: dict[str, RunDocument] = {}
        for run_id in dict.fromkeys([*runs.newest(catalog, _WATCHED), *live]):
            known = self._runs.get(run_id)
            if known is not None and known.ended_at:
                found[run_id] = known  # what has ended is written once
            elif run := runs.read(catalog, run_id):
                found[run_id] = run_document(run)
        found |= {
            run_id: unrecorded(run_id, one) for run_id, one in self._launcher.starting(found, None)
        }
        for run_id, before in self._runs.items():
            started = self._launcher.fate(run_id)
            if before.state in ("starting", "failed") and run_id not in found and started:
                found[run_id] = unrecorded(run_id, started)  # it ended before it had a record
        first, touched = not self._runs and self._collections is None, set()
        for run_id in sorted(found):
            document, before_ = found[run_id], self._runs.get(run_id)
            if document != before_ and not first:
                if before_ is None or (before_.done, before_.state) != (
                    document.done,
                    document.state,
                ):
                    touched.add(document.collection)
                self._tell("run", run=document.model_dump())
        self._runs = found
        return touched

    def _look_at_collections(self, touched: set[str]) -> None:
        engine = self._engine
        found = {
            name: (engine.changes[name], spec.space) for name, spec in engine.collections().items()
        }
        before = self._collections
        self._collections = found
        if before is None:
            return
        for name in sorted(before.keys() - found.keys()):
            self._tell("collection-gone", collection={"name": name})
        for name, state in found.items():
            by_run = name in touched and not engine.embedded
            if before.get(name) != state or by_run:
                self._tell("collection", collection=self._described(name))

    def _look_at_edits(self) -> None:
        """Tells which images people edited, once they are in the index."""
        self._told, rows = self._engine.people.news(self._told)
        for collection in dict.fromkeys(row.collection for row in rows):
            ids = [row.image_id for row in rows if row.collection == collection]
            self._tell("edited", collection={"name": collection}, images=ids)

    def _described(self, name: str) -> dict[str, Any]:
        try:
            return {"name": name, "images": self._engine.index(name).count(name)}
        except PdrayError:  # its index is being opened
            return {"name": name, "images": None}

    def _tell(self, kind: str, **what: Any) -> None:
        self._number += 1
        event = {"type": kind, "id": self._name(self._number), "at": _now(), **what}
        self._kept.append(_Kept(self._number, time.time(), event))
        for listener in tuple(self._listeners):
            listener.tell(event)

    def _name(self, number: int) -> str:
        return f"{self._epoch}-{number}-{round(1000 * time.time())}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
