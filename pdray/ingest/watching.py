"""Keeping a collection current: look, run where something changed, wait, look again.

A look is a run's own listing and plan without its record, its lease and Ray; so watching a
collection in which nothing happens costs a listing each time and leaves nothing behind.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pdray.catalog import lease
from pdray.catalog.catalog import Catalog
from pdray.config import Settings
from pdray.errors import PdrayError, UsageError
from pdray.ingest.control import Control
from pdray.ingest.current import Options
from pdray.ingest.origins import open_sources
from pdray.ingest.report import Report
from pdray.ingest.run import index
from pdray.sources.events import Events, local_roots

_TICK = 0.25  # seconds between looks for Ctrl-C
_QUIET, _MOST_QUIET = 1.0, 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 300.0
_LONGEST_RETRY = 3600.0
_SHARE = 2.0  # a look may take a third of the time

Run = Callable[[], Report | None]
Say = Callable[[str], None]


@dataclass(slots=True)
class Backoff:
    """Pauses that double from `first` seconds to `longest`, until something goes well."""

    first: float = _FIRST_PAUSE
    longest: float = _LONGEST_PAUSE
    failures: int = 0

    def pause(self) -> float:
        """The next pause."""
        self.failures += 1
        return float(min(self.longest, self.first * 2.0 ** min(self.failures - 1, 30)))

    def reset(self) -> None:
        """It went well."""
        self.failures = 0


class Watch:
    """Watches the sources of one collection until `control` is interrupted.

    `run` does a whole run and gives its report, or None where it ended with an error, which it has
    told already. `say` tells a person a sentence.
    """

    def __init__(
        self,
        settings: Settings,
        locations: list[str],
        options: Options,
        run: Run,
        say: Say,
        control: Control,
    ) -> None:
        self.settings, self.locations, self.options = settings, locations, options
        self.run, self.say, self.control = run, say, control
        self._due = True  # the first run also brings an index up that was left behind
        self._backoff = Backoff()
        self._retry = Backoff(settings.ingest.watch_seconds, _LONGEST_RETRY)
        self._retry_at = 0.0
        self._failed = 0  # what could not be listed
        self._told: list[str] = []

    def forever(self) -> None:
        """Returns when it is interrupted. Raises what is wrong with the very first look."""
        worked = False
        while not self.control.interrupted:
            sources = self._open(must=not worked)
            with Events(sources, self._own_folders()) as events:
                if not worked:
                    self._announce(events)
                    worked = True
                while not self.control.interrupted and self._once(events):
                    continue

    def _open(self, *, must: bool) -> list[str]:
        """The folders to have events of. What can't be opened now is told by the next look."""
        options = self.options
        try:
            return local_roots(
                open_sources(self.settings, self.locations, options.include, options.exclude)
            )
        except PdrayError:
            if must:
                raise
            return []

    def _own_folders(self) -> list[str]:
        workspace = self.settings.workspace
        local = [] if "://" in workspace else [str(Path(workspace).absolute())]
        return [*local, str(self.settings.state_dir)]

    def _announce(self, events: Events) -> None:
        every = f"every {self.settings.ingest.watch_seconds:g} s"
        how = f"by what the system tells, and {every}" if events.folders else every
        self.say(f"Watching {', '.join(self.locations)} {how}; Ctrl-C ends it.")

    def _once(self, events: Events) -> bool:
        """One look, a run where it is due, and the wait; False where the events may have ended."""
        began = time.monotonic()
        if not self._due:
            try:
                self._due = self._look()
                self._backoff.reset()
            except (PdrayError, OSError) as error:
                pause = self._backoff.pause()
                self.say(f"{_sentence(error)} Looking again in {pause:.0f} s.")
                self._wait(None, pause)
                return False
        took = time.monotonic() - began
        again = self._do() if self._due and not self.control.interrupted else None
        if again is not None:
            self._wait(None, again)
            return True
        if events.problem:
            every = f"{self.settings.ingest.watch_seconds:g} s"
            self.say(f"The system tells no changes ({events.problem}): looking every {every}.")
            events.problem = None
        self._wait(events, self.settings.ingest.watch_seconds, least=_SHARE * took)
        return True

    def _look(self) -> bool:
        """Whether a run would find something to do. Raises what keeps it from looking."""
        found = index(
            self.settings,
            self.locations,
            Options(
                dry_run=True,
                allow_deletes=self.options.allow_deletes,
                include=self.options.include,
                exclude=self.options.exclude,
            ),
            control=self.control,
        )
        if found.state == "cancelled":
            return False
        for note in found.notes:
            if note not in self._told:
                self.say(note)
        self._told = found.notes
        failed, self._failed = self._failed, found.failed
        if not found.retries:
            self._retry.reset()
        elif time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + self._retry.pause()
            return True
        changed = found.indexed + found.updated + found.moved + found.deleted
        return bool(changed) or failed != found.failed

    def _do(self) -> float | None:
        """A run; the seconds to wait before it is tried again, None where it went well."""
        other = self._other()
        if other:
            pause = self._backoff.pause()
            self.say(f"{other} Waiting for it to end.")
            return pause
        report = self.run()
        if self.control.interrupted:
            return None
        if report is None or report.pending or report.state != "completed":
            pause = self._backoff.pause()
            self.say(f"Running again in {pause:.0f} s.")
            return pause
        self._due = False
        self._backoff.reset()
        self._told = report.notes
        if report.failed:
            self._retry_at = max(self._retry_at, time.monotonic() + self._retry.first)
        return None

    def _other(self) -> str | None:
        """Who else works on the collection, as a sentence."""
        try:
            catalog = Catalog.open(self.settings.workspace, absent=True)
            held = lease.holder(catalog, self.settings.collection)
        except (PdrayError, OSError):
            return None  # the run tells it better
        if held is None:
            return None
        who = f"{held['run_id']} (process {held['pid']} on {held['host']})"
        return f"Run {who} works on collection {self.settings.collection!r} now."

    def _wait(self, events: Events | None, seconds: float, *, least: float = 0.0) -> None:
        """Waits so long, or with events until something changed and came to rest."""
        began = time.monotonic()
        idle = Events(())
        while not self.control.interrupted and time.monotonic() - began < seconds:
            left = seconds - (time.monotonic() - began)
            if (events or idle).wait(min(_TICK, left)) and events:
                events.settled(_QUIET, _MOST_QUIET)
                self._wait(None, least - (time.monotonic() - began))
                return


def check(options: Options) -> None:
    """Raises UsageError for what makes no sense together."""
    if options.dry_run:
        raise UsageError("--dry-run only counts, so there is nothing to --watch: leave one out.")


def _sentence(error: BaseException) -> str:
    if isinstance(error, PdrayError):
        return str(error)
    said = " ".join(str(error).split())[:300]
    return f"The machine refused: {said}."
