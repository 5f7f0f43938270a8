"""Another model for a collection, beside the one that serves and then in its place.

What the new model has not seen is embedded into a space of its own, which is resumable like any
run; an index is made of it; both are compared; and one record moves the collection over. Whoever
answers queries takes that up by itself (serve/succession.py). Vectors and index of the old model
stay, so that going back is a switch to it that finds almost all done.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from pdray.catalog import attempts, lease, pointer, runs
from pdray.catalog.catalog import Catalog
from pdray.catalog.view import known_contents
from pdray.config import Settings
from pdray.errors import CatalogError, RunCancelled
from pdray.index.opening import open_index
from pdray.index.protocol import Index
from pdray.ingest import streaming
from pdray.ingest.control import Control
from pdray.ingest.current import Options, Run, Watch
from pdray.ingest.deriving import count, lacking, reach
from pdray.ingest.judging import Agreement, judge
from pdray.ingest.maintain import serving
from pdray.ingest.project import Projector
from pdray.ingest.recorder import recorded
from pdray.ingest.report import Progress, Report
from pdray.ingest.tally import Tally
from pdray.library.library import opened
from pdray.models.resolve import resolve
from pdray.records import ModelSpec

Reach = Callable[..., Index]  # as open_index


@dataclass(frozen=True, slots=True)
class Switched:
    """What came of it. `missing`: images that have no vector by the new model, which would be gone
    from searches; `agreement` is None where nothing could be compared."""

    report: Report
    before: str
    after: str
    switched: bool
    missing: int
    agreement: Agreement | None


def previous(catalog: Catalog, collection: str) -> ModelSpec:
    """The model before the one that serves. Raises CatalogError where there was none."""
    now = serving(catalog, collection).spec
    for one in reversed(pointer.history(catalog, collection)):
        if one.spec.space != now.space:
            return one.spec
    raise CatalogError(f"Collection {collection!r} never had another model than {now.name}.")


def switch(
    settings: Settings,
    model: str | None,
    *,
    allow_missing: bool = False,
    watch: Watch = lambda p: None,
    control: Control | None = None,
    reached: Reach = open_index,
) -> Switched:
    """Moves the collection over to a model, None for the one before. Idempotent; raises PdrayError.

    Where images would go missing nothing is moved, unless that is allowed. `reached` opens an
    index, which a server may hold.
    """
    began, started = time.time(), time.perf_counter()
    catalog = Catalog.open(settings.workspace)
    old = serving(catalog, settings.collection).spec
    new = (
        previous(catalog, settings.collection)
        if model is None
        else resolve(model, offline=settings.offline)
    )
    report = Report(runs.new_run_id(), settings.collection, new.name)
    if new.space == old.space:
        return Switched(report, old.name, new.name, False, 0, None)
    tally, control = Tally(report), control or Control()
    run = Run(settings, Options(), catalog, (), new, report, watch, control, tally, began)
    with ExitStack() as stack:
        stack.enter_context(run.memory)
        run.held = stack.enter_context(lease.hold(catalog, run.collection, report.run_id))
        run.left = attempts.left(catalog, run.collection)
        record = {"collection": run.collection, "sources": [], "model": new.name}
        runs.start(catalog, report.run_id, {**record, "space": new.space, "switch": old.name})
        stack.enter_context(recorded(settings, catalog, report, tally, control))
        try:
            missing = _embed(run)
            _project(run, reached)
            agreement = judge(settings, catalog, old, new, control.check)
            control.check()
        except RunCancelled:
            report.state, missing, agreement = "cancelled", 0, None
        moved = report.state == "completed" and (allow_missing or not missing)
        if moved:
            pointer.advance(catalog, run.collection, new)
            if library := opened(run.target.library):
                with library:  # what was said meanwhile reached the old index alone
                    library.wait_again(began)
        report.seconds = time.perf_counter() - started
        report.peak_bytes = run.memory.look()
        report.images_per_second = report.read / (report.seconds - tally.paused)
    return Switched(report, old.name, new.name, moved, missing, agreement)


def _embed(run: Run) -> int:
    """How many images lack a vector at the end of it."""
    readable = reach(run, lacking(run, known_contents(run.catalog, run.spec.space)))
    if not run.report.seen:
        return 0
    if len(readable):
        streaming.embed(run, readable)
    run.control.check()
    return count(lacking(run, known_contents(run.catalog, run.spec.space)))


def _project(run: Run, reached: Reach) -> None:
    """The index of the new space, up to all that is committed. Raises IndexUnavailable."""
    run.show(Progress("projecting", total=run.tally.progress.total))
    spec = run.spec
    index = reached(run.target, spec.space, spec.dim)
    projector = Projector(run.catalog, index, spec, opened(run.target.library))
    try:
        if projector.catch_up(run.collection):
            projector.index.optimise()
        projector.say_again(run.collection)
    finally:
        projector.close()
