"""`pdray index`."""

from typing import Annotated, Any

import typer

from pdray.cli.options import AsJson, Captioner, Collection, Config, Model, Precision, Workspace
from pdray.errors import UsageError


def index(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Folders, images, shards, globs or URLs."),
    ],
    workspace: Workspace = None,
    collection: Collection = None,
    model: Model = None,
    precision: Precision = None,
    config: Config = None,
    full: Annotated[bool, typer.Option("--full", help="Read every image again.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Read again what could not be indexed before.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    allow_deletes: Annotated[
        bool, typer.Option("--allow-deletes", help="Delete even if very many vanished.")
    ] = False,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="GLOB", help="Only these; may be said again."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="GLOB", help="Not these; may be said again."),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Go on: index what changes until Ctrl-C. JSON: a line a run."),
    ] = False,
    captions: Annotated[
        bool, typer.Option("--captions", help="Describe the images in words too.")
    ] = False,
    captioner: Captioner = None,
    every: Annotated[
        float | None,
        typer.Option(
            "--every",
            "--ingest-watch-seconds",
            metavar="SECONDS",
            help="With --watch: look again so often.",
        ),
    ] = None,
    as_json: AsJson = False,
    run_id: Annotated[str | None, typer.Option("--run-id", hidden=True)] = None,
) -> None:
    """Index what is new or changed. Run it again whenever you like."""
    flags: dict[str, Any] = {
        "workspace": workspace,
        "collection": collection,
        "model": model,
        "precision": precision,
        "config": config,
    }
    flags |= {"captions_index": captions or None, "captions_model": captioner}
    asked = {
        "full": full,
        "retry_failed": retry_failed,
        "dry_run": dry_run,
        "allow_deletes": allow_deletes,
        "include": tuple(include or ()),
        "exclude": tuple(exclude or ()),
        "run_id": run_id,
    }
    if watch:
        from pdray.cli.watching import run_watch

        run_watch({**flags, "ingest_watch_seconds": every}, sources, asked, as_json)
        return
    if every is not None:
        raise UsageError("--every says how often to look again: add --watch.")
    from pdray.cli.indexing import run_index

    run_index(flags, sources, asked, as_json)
