"""`pdray index`: progress while it goes on, the report at its end."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from pdray.cli import fetching
from pdray.cli.interrupt import interruptible
from pdray.cli.output import console, duration, memory, print_json, stderr
from pdray.config import Settings, load
from pdray.errors import IndexUnavailable, RunCancelled, UsageError
from pdray.ingest.control import PAUSED, Control
from pdray.ingest.current import Options, Watch
from pdray.ingest.report import Progress, Report
from pdray.ingest.run import index
from pdray.models import hub

_EVERY = 10.0  # seconds between plain lines
_WAITING = "Some of what is committed is not in the index yet: run the same command again."
_COUNTED = ("indexing", "captioning")
_PHASES = {
    "listing": "Listing",
    "starting": "Starting Ray",
    "captioning": "Captioning",
    "projecting": "Updating the index",
}


def run_index(
    flags: dict[str, Any],
    sources: list[str],
    asked: dict[str, Any],
    as_json: bool,
) -> None:
    """The command; `asked` are the fields of Options."""
    settings = loaded(flags)
    with interruptible() as control:
        report = indexed(settings, sources, Options(**asked), control)
    if as_json:
        print_json(report.to_json())
    else:
        show(report)
    if report.state == "cancelled":
        raise RunCancelled(_cancelled(report))
    if report.pending:
        raise IndexUnavailable(report.notes[-1] if report.notes else _WAITING)


def loaded(flags: dict[str, Any]) -> Settings:
    """The settings of an indexing command. Raises UsageError."""
    settings = load(flags)
    if flags.get("captions_model") and not settings.captions.index:
        raise UsageError("A captioner was named, and no captions asked for: add --captions.")
    return settings


def indexed(
    settings: Settings, sources: list[str], options: Options, control: Control | None = None
) -> Report:
    """Runs with progress on standard error."""
    control = control or Control()
    with progress(control) as watch:
        return index(settings, sources, options, watch, control)


@contextmanager
def progress(control: Control) -> Iterator[Watch]:
    """Shows on standard error what it is told: a bar on a terminal, else a line now and then."""
    shown: AbstractContextManager[Any] = _Lines() if not sys.stderr.isatty() else _Live()
    with shown as watch, control.told(_Saying()), hub.watched(watch.fetching):
        yield watch


def _cancelled(report: Report) -> str:
    return (
        f"Run {report.run_id} was cancelled after {report.read} images. What was committed stays; "
        "run the same command again to go on."
    )


class _Saying:
    """Says when someone pauses a run or lets it go on."""

    def __init__(self) -> None:
        self.paused = False

    def __call__(self, state: str) -> None:
        paused = state == PAUSED
        if paused != self.paused:
            self.paused = paused
            stderr.print("Paused: `pdray runs resume` lets it go on." if paused else "Going on.")


def show(report: Report) -> None:
    """The report for a person."""
    # Where images wait for the index, the last note says why and becomes the run's error.
    for note in report.notes[:-1] if report.pending else report.notes:
        stderr.print(f"[yellow]Note:[/] {escape(note)}")
    verb = "Would index" if report.dry_run else "Indexed"
    parts = [f"{report.indexed} new"]
    for name in ("updated", "moved", "deleted", "unchanged", "failed"):
        number = getattr(report, name)
        if number:
            parts.append(f"{number} {name}")
    console.print(f"[bold]{verb}[/] {', '.join(parts)} of {report.seen} images", end="")
    if report.read:
        rate = f"{report.images_per_second:.1f} images a second"
        console.print(
            f" in {duration(report.seconds)} ({rate}) and at most {memory(report.peak_bytes)} of "
            f"memory, model {escape(report.model)}."
        )
    else:
        console.print(f" in {duration(report.seconds)}.")
    if report.failed:
        console.print("What failed and why: [bold]pdray errors[/]")


class _Lines:
    """A plain line every ten seconds: for logs and pipes."""

    def __enter__(self) -> "_Lines":
        self.started = self.last = time.monotonic()
        self.first: tuple[float, int] | None = None
        self.fetched = fetching.Lines()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.total and self.first is None and progress.done:
            self.first = (now, progress.done)
        if now - self.last < _EVERY:
            return
        self.last = now
        sys.stderr.write(f"{now - self.started:6.0f} s  {self._line(progress, now)}\n")
        sys.stderr.flush()

    def fetching(self, name: str, done: int, total: int) -> None:
        """See pdray.models.hub.Watch."""
        self.fetched(name, done, total)

    def _line(self, progress: Progress, now: float) -> str:
        if progress.phase not in _COUNTED or not progress.total:
            count = f" {progress.done}" if progress.done else ""
            return f"{_PHASES.get(progress.phase, progress.phase)}{count}"
        line = f"{progress.done} of {progress.total} images, {progress.failed} failed"
        if self.first and now > self.first[0] and progress.done > self.first[1]:
            rate = (progress.done - self.first[1]) / (now - self.first[0])
            left = (progress.total - progress.done) / rate
            line += f", {rate:.1f} images/s, {duration(left)} left"
        return line


class _Live:
    """A bar on a terminal."""

    def __enter__(self) -> "_Live":
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            console=stderr,
            transient=True,
        )
        self.bar.start()
        self.task = self.bar.add_task("Listing", total=None, rate="")
        self.lines = _Lines().__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def fetching(self, name: str, done: int, total: int) -> None:
        """See pdray.models.hub.Watch. Megabytes are counted, as images are elsewhere."""
        done, total = done // 10**6, total // 10**6
        words = f"Fetching {name}"
        self.bar.update(self.task, description=words, completed=done, total=total, rate="MB")

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        rate = ""
        if progress.phase in _COUNTED and progress.total:
            if self.lines.first is None and progress.done:
                self.lines.first = (now, progress.done)
            line = self.lines._line(progress, now)
            rate = line.partition(" images, ")[2]
        self.bar.update(
            self.task,
            description=_PHASES.get(progress.phase, "Indexing"),
            completed=progress.done,
            total=progress.total,
            rate=rate,
        )
