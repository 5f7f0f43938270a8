"""What there is to do: the sources are listed and compared with the catalog."""

from pdray.catalog.plan import Plan
from pdray.catalog.planner import Planner
from pdray.ingest import moves
from pdray.ingest.current import Run
from pdray.ingest.report import Progress
from pdray.records import Failure, ImageRef
from pdray.sources.protocol import Source

_STEP = 1000


def plan(run: Run, planner: Planner) -> Plan:
    """Lists all sources, and notes in the report what was seen and what can't be."""
    seen = 0
    for number, source in enumerate(run.sources):
        seen += _list(run, planner, number, source, seen)
    found = planner.plan(full=run.options.full, failed=run.options.retry_failed, covers=run.covers)
    # What ended processes before is given no chance to do it again.
    run.set_aside = frozenset(planner.deadly())
    run.report.unchanged, run.report.retries = found.unchanged, found.retries
    run.report.seen = found.seen
    return found


def _list(run: Run, planner: Planner, number: int, source: Source, before: int) -> int:
    """How many entries it has; `before` are those of the sources that were listed already."""
    listing = source.list()
    found = 0
    for entry in listing:
        if not isinstance(entry, ImageRef | Failure):
            planner.unreadable(entry.prefix)
            run.note(
                f"{entry.prefix} can't be listed in full: {entry.reason} Nothing under it was "
                "deleted."
            )
            continue
        planner.add(entry, number)
        found += 1
        if (before + found) % _STEP == 0:
            run.show(Progress("listing", before + found))
            run.control.check()
    planner.listed(source.root)
    run.report.ignored += listing.ignored
    if not found:
        run.note(f"There are no images in {source.root}. Is the folder the right one, and mounted?")
    return found


def find_moves(run: Run, planner: Planner, planned: Plan) -> moves.Moves:
    """Which of the new images are old ones at another place."""
    if not planned.new and not planned.changed:
        return moves.Moves()
    return moves.find(planner, run.read_item)


def forecast(run: Run, planner: Planner, planned: Plan) -> None:
    """What a run would do, as far as it shows without reading content."""
    report = run.report
    moved = find_moves(run, planner, planned)
    report.moved = len(moved.pairs)
    report.indexed = planned.new - report.moved + moved.replaced + len(moved.anew)
    report.updated = planned.changed - moved.replaced - len(moved.anew)
    report.unchanged += planned.again
    report.failed = len(planned.failures)
    if may_delete(run, planned, moved):
        report.deleted = sum(1 for v in planned.vanished if v.uri not in moved.left)


def may_delete(run: Run, planned: Plan, moved: moves.Moves) -> bool:
    """Whether what vanished may go; says in the report why not."""
    doubt = planned.suspicious(moved.left)
    if doubt and not run.options.allow_deletes:
        run.note(f"Nothing was deleted: {doubt}. If that is meant, run again with --allow-deletes.")
    return run.options.allow_deletes or doubt is None
