"""`pdray serve`."""

from typing import Annotated

import typer

from pdray.cli.options import AsJson, Collection, Config, Precision, Workspace


def serve(
    host: Annotated[
        str | None,
        typer.Option("--host", "--serve-host", metavar="H", help="Address to answer at."),
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", "--serve-port", metavar="P", help="Port to answer at.")
    ] = None,
    precision: Precision = None,
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Answer over HTTP, with a page to look at: http://127.0.0.1:8000."""
    from pdray.cli.serving import run_serve

    flags = {"workspace": workspace, "collection": collection, "config": config}
    own = {"serve_host": host, "serve_port": port, "precision": precision}
    run_serve({**flags, **own}, as_json)
