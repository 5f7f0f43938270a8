"""Indexing runs that are started over the API: `pdray index` in processes of their own.

Such a run shares nothing with this process, which may end before it: it is nobody's child, and all
that is known of it is read from the workspace. What it says before its first record is in a file.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import psutil

from pdray import log
from pdray.catalog import lease, runs
from pdray.catalog.catalog import Catalog
from pdray.config import Settings, environment_of
from pdray.serve.problems import Problem

_KEPT_LOGS = 50
_SETTLE_SECONDS = 15.0
_LOOK_SECONDS = 0.2
_QUEUE_SECONDS = 1.0
# The shell ends at once and leaves its child to the first process of the machine: a parent that
# Ray ends takes its own children along.
_DETACHED = '"$@" >"$0" 2>&1 </dev/null & echo $!'
_OURS = "pdray: "  # what leads the sentence that ends a command


@dataclass(frozen=True, slots=True)
class Wish:
    """What a run is asked to do. None is what the collection has, or the settings say."""

    collection: str
    sources: tuple[str, ...]
    model: str | None = None
    precision: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    full: bool = False
    retry_failed: bool = False
    allow_deletes: bool = False
    captions: bool = False

    def arguments(self) -> list[str]:
        """The words of the command line behind `pdray index`."""
        words = ["--json", "--collection", self.collection]
        words += ["--model", self.model] if self.model else []
        words += [word for glob in self.include for word in ("--include", glob)]
        words += [word for glob in self.exclude for word in ("--exclude", glob)]
        flags = {
            "--full": self.full,
            "--retry-failed": self.retry_failed,
            "--allow-deletes": self.allow_deletes,
            "--captions": self.captions,
        }
        words += [flag for flag, asked in flags.items() if asked]
        return [*words, "--", *self.sources]


@dataclass(frozen=True, slots=True)
class Started:
    """A process that was started here. It has a record of its own as soon as it holds its lease."""

    wish: Wish
    log: Path
    pid: int
    created: float  # seconds since the epoch; 0 where it had ended already

    @property
    def alive(self) -> bool:
        """Whether it goes on."""
        try:
            process = psutil.Process(self.pid)
            going = process.status() != psutil.STATUS_ZOMBIE
            return bool(self.created) and going and process.create_time() == self.created
        except psutil.Error:
            return False

    @property
    def complaint(self) -> str:
        """The sentence that it ended with."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        said = [line.removeprefix(_OURS) for line in lines if line.startswith(_OURS)]
        return said[-1] if said else f"The run ended without a word: see {self.log.name}."


class Launcher:
    """Starts runs, one a collection, and knows those that have no record yet."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._started: dict[str, Started] = {}
        self._queued: dict[str, Wish] = {}
        self._queueing = False
        self._turn = threading.Lock()

    def start(self, catalog: Catalog, wish: Wish) -> str:
        """Starts a run and gives its id. Raises Problem 409 where the collection is in use."""
        with self._turn:
            self._refuse_second(catalog, wish.collection)
            run_id = runs.new_run_id()
            self._started[run_id] = self._spawn(run_id, wish)
            return run_id

    def fate(self, run_id: str) -> Started | None:
        """The process of a run that was started here."""
        return self._started.get(run_id)

    def starting(
        self, recorded: Collection[str], collection: str | None
    ) -> list[tuple[str, Started]]:
        """Runs, newest first, that go on and are not among these."""
        return [
            (run_id, started)
            for run_id, started in sorted(self._started.items(), reverse=True)
            if run_id not in recorded
            and collection in (None, started.wish.collection)
            and started.alive
        ]

    def _refuse_second(self, catalog: Catalog, collection: str) -> None:
        held = lease.holder(catalog, collection)
        name = held["run_id"] if held else self._starting(catalog, collection)
        if name is None:
            return
        run = runs.read(catalog, name)
        what = f"Run {name} is indexing" if run or not held else f"{name} is at work on"
        raise Problem(
            409,
            "collection-busy",
            f"{what} collection {collection!r} now: wait for it to end, or cancel it.",
            "collection",
        )

    def _starting(self, catalog: Catalog, collection: str) -> str | None:
        """A run that was started here, goes on and has no record yet."""
        for run_id, started in self._started.items():
            if started.wish.collection == collection and started.alive:
                run = runs.read(catalog, run_id)
                if run is None or run.live:
                    return run_id
        return None

    def _spawn(self, run_id: str, wish: Wish) -> Started:
        words = ["index", "--run-id", run_id, *wish.arguments()]
        return self._detached(run_id, words, wish)

    def forget(self, collection: str) -> Started:
        """Starts to delete a collection, in a process as well: it may take long."""
        words = ["forget", "--collection", collection, "--yes", "--json"]
        return self._detached(runs.new_run_id(), words, Wish(collection, ()))

    def _detached(self, name: str, words: list[str], wish: Wish) -> Started:
        logs = _logs(self._settings)
        logs.mkdir(parents=True, exist_ok=True)
        for old in sorted(logs.glob("*.log"))[: -_KEPT_LOGS + 1]:
            old.unlink(missing_ok=True)
        said = logs / f"{name}.log"
        # -P: what lies in the working folder is no part of the program.
        program = [sys.executable, "-P", "-m", "pdray", *words]
        done = subprocess.run(
            ["/bin/sh", "-c", _DETACHED, str(said), *program],
            env=self._environment(wish),
            cwd=logs,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=True,
        )
        pid = int(done.stdout)
        try:
            created = psutil.Process(pid).create_time()
        except psutil.Error:
            created = 0.0
        return Started(wish, said, pid, created)

    def start_later(self, catalog: Catalog, wish: Wish) -> str | None:
        """Starts a run, or else as soon as the collection is free: then there is no id yet."""
        try:
            return self.start(catalog, wish)
        except Problem:
            with self._turn:
                self._queued[wish.collection] = wish
                if not self._queueing:
                    self._queueing = True
                    threading.Thread(
                        target=self._work_off, args=(catalog,), name="queue", daemon=True
                    ).start()
            return None

    def _work_off(self, catalog: Catalog) -> None:
        while True:
            time.sleep(_QUEUE_SECONDS)
            for wish in list(self._queued.values()):
                try:
                    self.start(catalog, wish)
                    self._queued.pop(wish.collection, None)
                except (Problem, OSError) as error:
                    log.get("serve").debug("%s waits: %s", wish.collection, error)
            with self._turn:
                if not self._queued:
                    self._queueing = False
                    return

    def _environment(self, wish: Wish) -> dict[str, str]:
        """This process's, but for what steers pdray or names the Ray process that this one is."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PDRAY_", "RAY_")) or name.startswith("RAY_AUTH_")
        }
        ours = environment_of(self._settings)
        ours = {name: value for name, value in ours.items() if "_SERVE_" not in name}
        if wish.precision:
            ours["PDRAY_PRECISION"] = wish.precision
        ours.pop("PDRAY_MODEL", None)  # the wish says it, or else the collection does
        return {**kept, **ours}


def settle(settings: Settings, seconds: float = _SETTLE_SECONDS) -> None:
    """Cancels the runs that were started over the API on this machine, and waits until they have
    ended or the time is up: the Ray that they work on is about to end.
    """
    catalog = Catalog.open(settings.workspace, absent=True)
    newest = [log.stem for log in sorted(_logs(settings).glob("*.log"))[-_KEPT_LOGS:]]
    waiting = {run_id for run_id in newest if _goes_on(catalog, run_id)}
    for run_id in waiting:
        runs.ask(catalog, run_id, "cancel")
    end = time.monotonic() + seconds
    while waiting and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
        waiting = {run_id for run_id in waiting if _goes_on(catalog, run_id)}


def _goes_on(catalog: Catalog, run_id: str) -> bool:
    run = runs.read(catalog, run_id)
    return run is not None and run.live


def _logs(settings: Settings) -> Path:
    return settings.state_dir / "logs"
