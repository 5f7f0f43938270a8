"""`pdray caption`: progress while it goes on, the report at its end."""

from typing import Any

from rich.markup import escape

from pdray.cli.indexing import progress
from pdray.cli.interrupt import interruptible
from pdray.cli.output import console, duration, memory, print_json, stderr
from pdray.config import load
from pdray.errors import IndexUnavailable, RunCancelled
from pdray.ingest.describing import caption


def run_caption(flags: dict[str, Any], as_json: bool) -> None:
    """The command."""
    settings = load(flags)
    with interruptible() as control, progress(control) as watch:
        report = caption(settings, watch, control)
    if as_json:
        print_json(report.to_json())
    else:
        for note in report.notes[:-1] if report.pending else report.notes:
            stderr.print(f"[yellow]Note:[/] {escape(note)}")
        rate = ""
        if report.read:
            rate = (
                f" ({report.images_per_second:.1f} images a second) and at most "
                f"{memory(report.peak_bytes)} of memory"
            )
        failed = f", {report.failed} could not be read" if report.failed else ""
        console.print(
            f"[bold]Captioned[/] {report.captioned} of {report.seen} images without a caption"
            f"{failed}, in {duration(report.seconds)}{rate}, model {escape(report.model)}."
        )
    if report.state == "cancelled":
        raise RunCancelled(
            f"Run {report.run_id} was cancelled after {report.read} images. What was committed "
            "stays; run the same command again to go on."
        )
    if report.pending:
        raise IndexUnavailable(report.notes[-1] if report.notes else "The index is behind.")
