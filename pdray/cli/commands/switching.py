"""`pdray models switch`."""

from typing import Annotated

import typer

from pdray.cli.options import AsJson, Collection, Config, Precision, Workspace


def switch(
    model: Annotated[
        str | None, typer.Argument(metavar="NEW", help="builtin, a local folder or a hub name.")
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Back to the model before this one.")
    ] = False,
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Even where images can't be read for it any more."),
    ] = False,
    precision: Precision = None,
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Give a collection another model, under running queries; the old one stays for --rollback."""
    from pdray.cli.switching import run_switch

    flags = {"workspace": workspace, "collection": collection, "config": config}
    run_switch({**flags, "precision": precision}, model, rollback, allow_missing, as_json)
