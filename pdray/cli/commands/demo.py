"""`pdray demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="Your own images.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End after the searches, without the page.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to put it.")] = Path(
        "demo"
    ),
    count: Annotated[int, typer.Option("--count", min=10, help="Scenes of the sample.")] = 1000,
) -> None:
    """Make a sample collection (or take your images), index it, search it, look at it."""
    from pdray.cli.demo import run_demo

    run_demo(images, out, count, once)
