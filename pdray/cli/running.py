"""`pdray runs`: what goes on and what went on; pause, resume, cancel."""

import time
from typing import Any

from rich.markup import escape

from pdray.catalog import runs
from pdray.catalog.catalog import Catalog
from pdray.catalog.runs import Run
from pdray.cli.output import console, duration, print_json, shown, table
from pdray.config import load
from pdray.errors import CatalogError, UsageError

_ANSWER_SECONDS = 15.0
_LOOK_SECONDS = 0.25
_SAID = {
    "pause": "is paused: units in flight are finished and committed, no new one begins.",
    "resume": "goes on.",
    "cancel": "finishes the units in flight and ends. Index again to go on from there.",
}


def run_runs(flags: dict[str, Any], collection: str | None, limit: int, as_json: bool) -> None:
    """The command `runs`."""
    found = runs.recent(_catalog(flags), limit, collection)
    if as_json:
        print_json([run.to_json() for run in found])
        return
    if not found:
        console.print("No run is recorded yet: [bold]pdray index FOLDER[/] makes the first.")
        return
    rows = table("id", "collection", "state", "began", ">done", ">images/s", ">failed")
    for run in found:
        done, total, rate, failed = _figures(run)
        rows.add_row(
            _short(run),
            run.collection,
            run.state,
            _when(run.start.get("started_at")),
            f"{done} of {total}" if total not in (None, done) else str(done),
            f"{rate:.1f}" if rate else "",
            str(failed),
        )
    console.print(rows)


def run_show(flags: dict[str, Any], short: str, as_json: bool) -> None:
    """The command `runs show`."""
    run = runs.find(_catalog(flags), short)
    if as_json:
        print_json(run.to_json())
        return
    document = run.report or run.progress or {}
    console.print(f"Run [bold]{run.run_id}[/] of collection {run.collection}: {run.state}")
    console.print(escape(f"  {', '.join(map(shown, run.start.get('sources', [])))}"))
    console.print(
        f"  began {_when(run.start.get('started_at'))}, "
        f"model {escape(str(run.start.get('model')))}, "
        f"process {run.start.get('pid')} on {escape(str(run.start.get('host')))}"
    )
    if run.live and run.progress:
        console.print(f"  {_going(run.progress)}")
    elif run.state == "died" and run.progress:
        console.print(f"  {_going(run.progress)} when last heard of, {_when(run.progress['at'])}")
    _counts(run)
    if document.get("error"):
        console.print(escape(f"  {document['error']}"))
    for note in document.get("notes", []):
        console.print(escape(f"  Note: {note}"))
    _details(document)


def run_ask(flags: dict[str, Any], short: str, command: str) -> None:
    """The commands `runs pause`, `resume` and `cancel`: asks, and waits for the answer."""
    catalog = _catalog(flags)
    run = runs.find(catalog, short)
    if not run.live:
        raise UsageError(f"Run {run.run_id} is over: {run.state}. There is nothing to {command}.")
    if command != "cancel" and run.state == "cancelling":
        raise UsageError(f"Run {run.run_id} is being cancelled; index again to go on from there.")
    number = runs.ask(catalog, run.run_id, command)
    deadline = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < deadline:
        now = runs.read(catalog, run.run_id)
        if now is None or not now.live:
            console.print(f"Run {run.run_id} ended meanwhile: {now.state if now else 'died'}.")
            return
        if (now.progress or {}).get("heeded", 0) >= number:
            console.print(f"Run {run.run_id} {_SAID[command]}")
            return
        time.sleep(_LOOK_SECONDS)
    raise CatalogError(
        f"Run {run.run_id} was asked to {command} and has not answered yet: `pdray runs show "
        f"{_short(run)}` tells when it does."
    )


def _catalog(flags: dict[str, Any]) -> Catalog:
    return Catalog.open(load(flags).workspace)


def _short(run: Run) -> str:
    return run.run_id.rsplit("-", 1)[-1]


def _figures(run: Run) -> tuple[int, int | None, float | None, int]:
    """done, total, images a second, failed."""
    if run.report is not None:
        report, known = run.report, run.progress or {}
        return report["read"], known.get("total"), report["images_per_second"], report["failed"]
    known = run.progress or {}
    return known.get("done", 0), known.get("total"), known.get("rate"), known.get("failed", 0)


def _going(progress: dict[str, Any]) -> str:
    line = f"{progress['phase']}, {progress['done']}"
    if progress["total"] is not None:
        line += f" of {progress['total']}"
    line += f" images, {progress['failed']} failed"
    if progress["rate"]:
        line += f", {progress['rate']:.1f} images/s"
    if progress["eta_seconds"]:
        line += f", {duration(progress['eta_seconds'])} left"
    return line


def _counts(run: Run) -> None:
    document: dict[str, Any] = run.report or (run.progress or {}).get("counts", {})
    names = ("seen", "indexed", "updated", "moved", "deleted", "unchanged", "failed", "reused")
    counts = [f"{document[name]} {name}" for name in names if document.get(name)]
    if counts:
        console.print(f"  {', '.join(counts)}")
    if run.report:
        seconds = duration(run.report["seconds"])
        paused = run.report.get("paused_seconds")
        console.print(f"  took {seconds}" + (f", {duration(paused)} paused" if paused else ""))


def _details(document: dict[str, Any]) -> None:
    stages = document.get("stages") or {}
    if stages:
        console.print(
            "  workers' time: " + ", ".join(f"{n} {duration(s)}" for n, s in stages.items())
        )
    if document.get("folders"):
        rows = table("folder", ">done", ">failed")
        for one in document["folders"]:
            rows.add_row(escape(shown(one["folder"])), str(one["done"]), str(one["failed"]))
        console.print(rows)
    if document.get("failures"):
        rows = table("kind", "image", "why")
        for one in document["failures"]:
            rows.add_row(one["kind"], escape(shown(one["uri"])), escape(one["reason"]))
        console.print(rows)


def _when(stamp: str | None) -> str:
    return f"{stamp[:19].replace('T', ' ')} UTC" if stamp else ""
