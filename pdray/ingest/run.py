"""An indexing run from end to end: list, plan, catch up, move, index, delete, project, report.

What needs no model never starts Ray: a run that finds nothing new takes as long as its listing.
"""

import os
import socket
import time
from contextlib import ExitStack

from pdray import tracing
from pdray.catalog import attempts, captions, lease, pointer, runs
from pdray.catalog.catalog import Catalog
from pdray.catalog.plan import Plan
from pdray.catalog.planner import Planner
from pdray.catalog.view import KnownContents, known_contents
from pdray.config import DEFAULT_MODEL, Settings
from pdray.errors import RunCancelled
from pdray.ingest import listing, moves, streaming
from pdray.ingest.catching_up import catch_up
from pdray.ingest.control import Control
from pdray.ingest.current import Options, Run, Watch
from pdray.ingest.describing import choose_captioner, describe, remaining
from pdray.ingest.origins import open_sources
from pdray.ingest.recorder import recorded
from pdray.ingest.report import Report
from pdray.ingest.tally import Tally
from pdray.models.resolve import BUILTIN, resolve
from pdray.records import ModelSpec
from pdray.sources.bucket import without_credentials


def index(
    settings: Settings,
    locations: list[str],
    options: Options,
    watch: Watch = lambda p: None,
    control: Control | None = None,
) -> Report:
    """Indexes what is new or changed under the locations. Raises PdrayError where it can't go on.

    Idempotent. Whatever it had committed when it was killed stays; the next run does the rest.
    A run cancelled by its control or from elsewhere (catalog.runs.ask) ends with a report whose
    state is "cancelled".
    """
    began, started = time.time(), time.perf_counter()
    sources = open_sources(settings, locations, options.include, options.exclude)
    catalog = Catalog.open(settings.workspace, create=not options.dry_run, absent=options.dry_run)
    serving = pointer.current(catalog, settings.collection)
    spec = choose_model(settings, serving)
    captioner = choose_captioner(settings, catalog) if settings.captions.index else None
    run_id = options.run_id or runs.new_run_id()
    report = Report(run_id, settings.collection, spec.name, dry_run=options.dry_run)
    tally, control = Tally(report), control or Control()
    run = Run(
        settings, options, catalog, sources, spec, report, watch, control, tally, began,
        captioner=captioner,
    )  # fmt: skip
    with ExitStack() as stack:
        stack.enter_context(run.memory)
        if not options.dry_run:
            claim = lease.hold(catalog, settings.collection, report.run_id)
            run.held = stack.enter_context(claim)
            run.left = attempts.left(catalog, settings.collection)
            runs.start(catalog, report.run_id, _start_record(settings, locations, options, spec))
            stack.enter_context(recorded(settings, catalog, report, tally, control))
        planner = Planner(catalog, settings.collection, spec.space, run.spill)
        _execute(run, stack.enter_context(planner))
        report.seconds = time.perf_counter() - started
        report.peak_bytes = run.memory.look()
        report.images_per_second = report.read / (report.seconds - tally.paused)
    return report


def choose_model(settings: Settings, serving: pointer.Pointer | None) -> ModelSpec:
    """The model asked for, else the collection's own, else the default; of the built-in model the
    one of this version, because no other is here. Raises ModelUnavailable.
    """
    if settings.model is None and serving and serving.spec.location != BUILTIN:
        return serving.spec
    name = settings.model or (serving.spec.name if serving else DEFAULT_MODEL)
    return resolve(name, offline=settings.offline)


def _execute(run: Run, planner: Planner) -> None:
    """All of it, or what had been done when the run was cancelled."""
    try:
        _phases(run, planner)
    except RunCancelled:
        run.report.state = "cancelled"
        if run.report.moved or run.report.read:
            catch_up(run, final=True)


def _phases(run: Run, planner: Planner) -> None:
    with tracing.span("list and plan"):
        planned = listing.plan(run, planner)
    if run.options.dry_run:
        listing.forecast(run, planner, planned)
        return
    catalog, collection, control = run.catalog, run.collection, run.control
    if pointer.current(catalog, collection) is None:
        pointer.advance(catalog, collection, run.spec)
    if run.captioner and captions.serving(catalog, collection) is None:
        captions.serve(catalog, collection, run.captioner)
    control.check()
    catch_up(run)
    control.check()
    known = known_contents(catalog, run.spec.space) if planned.work else KnownContents.none()
    moved = _move(run, planner, planned, known)
    run.report.failed += moves.commit_failures(
        catalog, collection, run.report.run_id, planned.failures
    )
    with tracing.span("index"):
        streaming.read(run, planner, planned, moved, known)
    control.check()
    _delete(run, planned, moved)
    if run.captioner and run.second_pass:
        describe(run)
    elif run.captioner:
        captions.serve(catalog, collection, run.captioner)
        run.report.notes += remaining(run)
    with tracing.span("catch up"):
        catch_up(run, final=True)
    if not run.report.pending:
        pointer.advance(catalog, collection, run.spec)
    if run.left is not None:
        # Looked for anew: a node that was lost may have left marks of units done elsewhere.
        attempts.left(catalog, collection).remove()


def _move(run: Run, planner: Planner, planned: Plan, known: KnownContents) -> moves.Moves:
    moved = listing.find_moves(run, planner, planned)
    run_id, space = run.report.run_id, run.spec.space
    moves.commit(run.catalog, run.collection, run_id, known, space, moved)
    run.report.moved = len(moved.pairs)
    run.report.reused += len(moved.pairs)
    return moved


def _delete(run: Run, planned: Plan, moved: moves.Moves) -> None:
    left = moved.left
    if all(v.uri in left for v in planned.vanished):
        return
    if not listing.may_delete(run, planned, moved):
        return
    if run.held is not None and not run.held.valid():
        run.note("Nothing was deleted: another run took the collection over meanwhile.")
        return
    gone = (v for v in planned.vanished if v.uri not in left)
    run_id = run.report.run_id
    run.report.deleted = moves.commit_tombstones(run.catalog, run.collection, run_id, gone)


def _start_record(
    settings: Settings, locations: list[str], options: Options, spec: ModelSpec
) -> dict[str, object]:
    return {
        "collection": settings.collection,
        "sources": [without_credentials(location) for location in locations],
        "include": list(options.include),
        "exclude": list(options.exclude),
        "model": spec.name,
        "space": spec.space,
        "precision": settings.precision,
        "full": options.full,
        "retry_failed": options.retry_failed,
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
