"""`pdray verify` and `rebuild`: whether index and catalog agree, and making the index anew."""

import time
from dataclasses import asdict
from typing import Any

import typer
from rich.markup import escape

from pdray.cli.output import console, duration, print_json
from pdray.config import load
from pdray.ingest.target import index_target


def run_verify(flags: dict[str, Any], as_json: bool) -> None:
    """The command `verify`."""
    from pdray.ingest.maintain import verify
    from pdray.serve.reaching import reach

    settings = load(flags)
    found = verify(settings, index_target(settings), reach)
    if as_json:
        print_json({**asdict(found), "agrees": found.agrees})
    elif found.agrees:
        console.print(
            f"Index and catalog agree: {found.images} images of {found.collection}, same ids, "
            "versions and edits."
        )
    else:
        for line in found.examples:
            console.print(escape(line))
        console.print(
            f"Index and catalog differ: {found.missing} missing, {found.surplus} surplus, "
            f"{found.outdated} outdated, {found.shared_ids} ids used twice. "
            "[bold]pdray rebuild[/] makes the index anew."
        )
    if not found.agrees:
        raise typer.Exit(1)


def run_rebuild(flags: dict[str, Any], as_json: bool) -> None:
    """The command `rebuild`."""
    from pdray.ingest.maintain import rebuild

    settings = load(flags)
    started = time.perf_counter()
    points = rebuild(settings, index_target(settings))
    seconds = time.perf_counter() - started
    if as_json:
        print_json({"points": points, "seconds": round(seconds, 3)})
    else:
        console.print(f"Rebuilt the index: {points} images in {duration(seconds)}.")
