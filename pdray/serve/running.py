"""Runs for the API: from a request to a wish, and from records to documents. All of it blocks."""

import re
from pathlib import Path

from pdray.catalog import lease, runs
from pdray.catalog.runs import Run
from pdray.catalog.view import live_records
from pdray.errors import PdrayError
from pdray.ingest.failures import grouped
from pdray.ingest.origins import open_sources
from pdray.records import Failure
from pdray.serve import cursor as cursors
from pdray.serve.engine import Engine
from pdray.serve.launching import Launcher, Wish
from pdray.serve.problems import Problem
from pdray.serve.run_shapes import (
    FailedImage,
    FailureGroup,
    RunDocument,
    RunFailures,
    RunList,
    RunRequest,
    run_document,
    unrecorded,
)
from pdray.sources.bucket import without_credentials
from pdray.sources.plugins import find as find_plugin

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def wish(engine: Engine, request: RunRequest) -> Wish:
    """What a request asks for. Raises Problem 400 for sources that can't be right."""
    for source in request.sources:
        _check_source(engine, source)
    return Wish(
        collection=request.collection or engine.settings.collection,
        sources=tuple(request.sources),
        model=request.model or _model(engine, request.collection),
        precision=request.precision,
        include=tuple(request.include),
        exclude=tuple(request.exclude),
        full=request.full,
        retry_failed=request.retry_failed,
        allow_deletes=request.allow_deletes,
        captions=request.captions,
    )


def again(engine: Engine, run_id: str) -> Wish:
    """What a run was asked for, with another try of what failed."""
    start = _record(engine, run_id).start
    return Wish(
        collection=str(start.get("collection", "")),
        sources=tuple(start.get("sources", ())),
        model=start.get("model"),
        precision=start.get("precision"),
        include=tuple(start.get("include", ())),
        exclude=tuple(start.get("exclude", ())),
        retry_failed=True,
    )


def _model(engine: Engine, collection: str | None) -> str | None:
    """None where the collection has one."""
    name = collection or engine.settings.collection
    return None if name in engine.collections() else engine.settings.model


def _check_source(engine: Engine, source: str) -> None:
    """What costs no network. The rest the run finds out."""
    if _URL.match(source) and not source.startswith("file:/"):
        if without_credentials(source) != source:
            raise _bad(
                "A source may not carry a user or a password: set them in the server's settings."
            )
        return
    if plugin := find_plugin(source):
        if source.startswith(f"{plugin[0]}="):
            raise _bad("A class can't be named over HTTP: install it under a name of its own.")
        return
    if not source.startswith(("file:/", "~")) and not Path(source).is_absolute():
        raise _bad(f"{source} is no whole path: begin it with / (or a URL with its scheme).")
    try:
        open_sources(engine.settings, [source])
    except PdrayError as error:
        raise _bad(str(error)) from error


def _bad(sentence: str) -> Problem:
    return Problem(400, "bad-source", sentence, "sources")


def begun(engine: Engine, launcher: Launcher, run_id: str) -> RunDocument | None:
    """A run that was just started, once it has a record. Raises Problem where it ended before."""
    started = launcher.fate(run_id)
    ended = started is not None and not started.alive
    run = runs.read(engine.catalog, run_id)
    if run is not None:
        return run_document(run)
    if started is None or not ended:
        return None
    busy = lease.holder(engine.catalog, started.wish.collection) is not None
    code = "collection-busy" if busy else "not-started"
    raise Problem(409, code, started.complaint)


def shown(engine: Engine, launcher: Launcher, run_id: str) -> RunDocument:
    """One run. Raises Problem 404."""
    run = runs.read(engine.catalog, run_id)
    if run is not None:
        return run_document(run)
    started = launcher.fate(run_id)
    if started is None:
        raise _unknown(run_id)
    return unrecorded(run_id, started)


def listed(
    engine: Engine, launcher: Launcher, collection: str | None, limit: int, cursor: str | None
) -> RunList:
    """A page of runs, newest first."""
    found = runs.recent(engine.catalog, limit + 1, collection, before=cursor)
    documents = [run_document(run) for run in found[:limit]]
    if cursor is None:
        recorded = {run.run_id for run in found}
        waiting = launcher.starting(recorded, collection)
        documents = [*(unrecorded(*one) for one in waiting), *documents][:limit]
    return RunList(
        runs=documents, next_cursor=found[limit - 1].run_id if len(found) > limit else None
    )


def ask(engine: Engine, launcher: Launcher, run_id: str, command: str) -> int:
    """Leaves a command for a run; gives its number. Raises Problem 409 where it doesn't go on."""
    run = runs.read(engine.catalog, run_id)
    if run is None:
        started = launcher.fate(run_id)
        if started is None:
            raise _unknown(run_id)
        if not started.alive:
            raise Problem(409, "run-over", f"Run {run_id} never began: {started.complaint}")
        return runs.ask(engine.catalog, run_id, command)
    if not run.live:
        raise Problem(
            409, "run-over", f"Run {run_id} is over: {run.state}. There is nothing to {command}."
        )
    if command != "cancel" and run.state == "cancelling":
        raise Problem(
            409, "run-ending", f"Run {run_id} is being cancelled: start another to go on."
        )
    return runs.ask(engine.catalog, run_id, command)


def failures(engine: Engine, run_id: str, limit: int, cursor: str | None) -> RunFailures:
    """A page of what a run could not index, as it stands now."""
    run = _record(engine, run_id)
    question = cursors.digest("failures", run_id)
    after = cursors.read(cursor, question, {"after": str})["after"] if cursor else ""
    rows = live_records(engine.catalog, run.collection, "failed")
    found = [row.failure for row in rows if row.run_id == run_id and row.failure]
    rest = [failure for failure in found if failure.uri > after]
    shown = rest[:limit]
    more = len(rest) > limit
    return RunFailures(
        run=run_id,
        collection=run.collection,
        total=len(found),
        groups=[
            FailureGroup(stage=one.stage, kind=one.kind, images=one.images, every_run=one.every_run)
            for one in grouped(found, 0)
        ],
        failures=[_failed(failure) for failure in shown],
        next_cursor=cursors.write(question, after=shown[-1].uri) if more else None,
    )


def _failed(failure: Failure) -> FailedImage:
    return FailedImage(
        uri=failure.uri, stage=failure.stage, kind=failure.kind, reason=failure.reason
    )


def _record(engine: Engine, run_id: str) -> Run:
    run = runs.read(engine.catalog, run_id)
    if run is None:
        raise _unknown(run_id)
    return run


def _unknown(run_id: str) -> Problem:
    return Problem(404, "no-run", f"There is no run {run_id}: GET /runs lists them.")
