"""`pdray compact`, `forget`, `backup`, `restore`."""

from pathlib import Path
from typing import Annotated

import typer

from pdray.cli.options import AsJson, Collection, Config, Workspace


def compact(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    grace: Annotated[
        float,
        typer.Option("--grace", metavar="SECONDS", min=0, help="Leave younger shared files alone."),
    ] = 60.0,
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Merge small files into large ones and remove what nothing uses any more."""
    from pdray.cli.keeping import run_compact

    flags = {"workspace": workspace, "config": config}
    run_compact(flags, collection, dry_run, grace, as_json)


def forget(
    what: Annotated[
        str | None,
        typer.Argument(metavar="URI|SOURCE", help="An image, or what all of it lies under."),
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option("--collection", "-c", metavar="C", help="Where; alone, all of it."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    workspace: Workspace = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Remove an image, a source or a collection for good: rows, vectors, thumbnails, points."""
    from pdray.cli.keeping import run_forget

    run_forget({"workspace": workspace, "config": config}, what, collection, yes, as_json)


def corrections(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The captions.jsonl to write.")],
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write the captions that people corrected, for `finetune` and `eval`."""
    from pdray.cli.correcting import run_corrections

    flags = {"workspace": workspace, "collection": collection, "config": config}
    run_corrections(flags, out, as_json)


def backup(
    dest: Annotated[str, typer.Argument(metavar="DEST", help="Folder or URL of the copy.")],
    workspace: Workspace = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Copy the workspace, or bring its copy up to date. Runs may go on meanwhile."""
    from pdray.cli.keeping import run_backup

    run_backup({"workspace": workspace, "config": config}, dest, as_json)


def restore(
    source: Annotated[str, typer.Argument(metavar="SRC", help="What `backup` wrote to.")],
    workspace: Workspace = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a workspace from a backup. `pdray rebuild` then makes its index."""
    from pdray.cli.keeping import run_restore

    run_restore({"workspace": workspace, "config": config}, source, as_json)
