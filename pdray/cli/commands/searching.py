"""`pdray search`."""

from pathlib import Path
from typing import Annotated

import typer

from pdray.cli.options import AsJson, Collection, Config, Precision, Workspace


def search(
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help='Words and conditions: "beach iso:>=800 -people".'),
    ] = None,
    image: Annotated[
        Path | None, typer.Option("--image", metavar="PATH", help="An image to look for.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="Hits.")] = 10,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", metavar="FILE.png", help="Draw the hits there.")
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", metavar="FILE.jsonl", help='Many: {"text": ...} a line.'),
    ] = None,
    precision: Precision = None,
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Search by words, by an image, or by both (then both count)."""
    from pdray.cli.searching import run_search

    flags = {"workspace": workspace, "collection": collection, "config": config}
    run_search({**flags, "precision": precision}, text, image, limit, sheet, queries, as_json)
