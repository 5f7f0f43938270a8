"""Bringing the index up to what is committed."""

from pdray.errors import IndexUnavailable
from pdray.ingest import following
from pdray.ingest.current import Run
from pdray.ingest.project import Projector
from pdray.ingest.report import Progress


def left_to(run: Run) -> str | None:
    """The server that brings the run's index up to date by itself, where there is one."""
    return following.left_to(run.catalog, run.target, run.collection, run.spec)


def catch_up(run: Run, *, final: bool = False) -> None:
    """Applies what is committed but not in the index; a missing index stops no run."""
    report = run.report
    if who := left_to(run):
        report.pending = 0
        if final:
            run.note(f"{who} brings what this run committed into its index.")
        return
    try:
        projector = Projector.open(run.catalog, run.target, run.spec)
        try:
            _apply(run, projector, final)
        finally:
            projector.close()
    except IndexUnavailable as error:
        report.pending = len(run.catalog.parts(run.collection))
        if final:
            run.note(
                f"{error} Everything is committed; the next `pdray index` brings the index up to "
                "date."
            )


def _apply(run: Run, projector: Projector, final: bool) -> None:
    if projector.pending(run.collection):
        run.show(Progress("projecting", total=run.tally.progress.total))
        projector.catch_up(run.collection)
    projector.carry(run.collection)
    run.report.pending = len(projector.pending(run.collection))
    if final and projector.lacking:
        run.note(_lacking(projector.lacking, run.spec.name))
    if final and run.report.embedded:
        projector.index.optimise()


def _lacking(images: int, model: str) -> str:
    return (
        f"{images} images of the collection have no embedding by {model} yet: index their folders "
        f"with --model {model} too, and with --full if that leaves any."
    )
