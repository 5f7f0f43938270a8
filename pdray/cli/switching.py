"""`pdray models switch`: progress while it goes on, what was compared, what serves now."""

from dataclasses import asdict
from typing import Any

import typer
from rich.markup import escape

from pdray.cli.indexing import progress
from pdray.cli.interrupt import interruptible
from pdray.cli.output import console, duration, print_json, stderr
from pdray.config import load
from pdray.errors import RunCancelled, UsageError
from pdray.ingest.judging import Agreement
from pdray.ingest.switching import Switched, switch


def run_switch(
    flags: dict[str, Any], model: str | None, rollback: bool, allow_missing: bool, as_json: bool
) -> None:
    """The command."""
    if (model is None) != rollback:
        raise UsageError("Name the model to switch to, or --rollback alone for the one before.")
    from pdray.serve.reaching import reach

    settings = load(flags)
    with interruptible() as control, progress(control) as watch:
        found = switch(
            settings, model, allow_missing=allow_missing, watch=watch, control=control,
            reached=reach,
        )  # fmt: skip
    report = found.report
    if as_json:
        print_json({**asdict(found), "report": report.to_json()})
    else:
        for note in report.notes:
            stderr.print(f"[yellow]Note:[/] {escape(note)}")
        _show(found)
    if report.state == "cancelled":
        raise RunCancelled(
            f"Run {report.run_id} was cancelled and {found.before} goes on serving. What was "
            "embedded stays; run the same command again to go on."
        )
    if found.missing and not found.switched:
        raise typer.Exit(1)


def _show(found: Switched) -> None:
    report, new = found.report, escape(found.after)
    if report.state == "completed" and not (found.switched or found.missing):
        console.print(f"[bold]{new}[/] serves {escape(report.collection)} already.")
    if report.embedded:
        rate = f"{report.images_per_second:.1f} images a second"
        console.print(f"Embedded {report.embedded} images in {duration(report.seconds)} ({rate}).")
    if found.agreement:
        _compare(found.agreement, found)
    if found.switched:
        console.print(
            f"[bold]{new}[/] serves {escape(report.collection)} now; "
            f"{escape(found.before)} stays for --rollback."
        )
    elif found.missing:
        console.print(
            f"{found.missing} images have no vector by {new} and would be gone from searches, so "
            f"{escape(found.before)} goes on serving: bring them back and run this again, or add "
            "--allow-missing."
        )


def _compare(agreement: Agreement, found: Switched) -> None:
    console.print(
        f"Of an image's ten nearest both models name {100 * agreement.neighbours:.0f}% "
        f"({agreement.images} images)."
    )
    if agreement.recall_before is not None and agreement.recall_after is not None:
        console.print(
            f"A caption finds its image among the first ten by {escape(found.before)} in "
            f"{100 * agreement.recall_before:.1f}%, by {escape(found.after)} in "
            f"{100 * agreement.recall_after:.1f}% ({agreement.captions} captions)."
        )
