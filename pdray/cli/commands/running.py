"""`pdray runs`: what goes on and what went on."""

from typing import Annotated

import typer

from pdray.cli.options import AsJson, Collection, Config, Workspace
from pdray.errors import UsageError

RunId = Annotated[
    str, typer.Argument(metavar="ID", help="A run, by the start of its id or of its last 6 digits.")
]


def runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 20,
    collection: Collection = None,
    workspace: Workspace = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Runs, newest first: state, how far, how fast. What goes on can be paused and cancelled."""
    if context.invoked_subcommand is not None:
        given = (workspace, collection, config, as_json)
        if any(given):
            raise UsageError(
                f"Options go behind the command: pdray runs {context.invoked_subcommand} ID -w W."
            )
        return
    from pdray.cli.running import run_runs

    run_runs({"workspace": workspace, "config": config}, collection, limit, as_json)


def show(
    run: RunId, workspace: Workspace = None, config: Config = None, as_json: AsJson = False
) -> None:
    """One run, live or past: progress, folders, stages, failures."""
    from pdray.cli.running import run_show

    run_show({"workspace": workspace, "config": config}, run, as_json)


def pause(run: RunId, workspace: Workspace = None, config: Config = None) -> None:
    """Begin no new unit; those in flight are finished. The run keeps its processes and memory."""
    from pdray.cli.running import run_ask

    run_ask({"workspace": workspace, "config": config}, run, "pause")


def resume(run: RunId, workspace: Workspace = None, config: Config = None) -> None:
    """Let a paused run go on."""
    from pdray.cli.running import run_ask

    run_ask({"workspace": workspace, "config": config}, run, "resume")


def cancel(run: RunId, workspace: Workspace = None, config: Config = None) -> None:
    """Finish the units in flight, then end. Indexing again goes on from there."""
    from pdray.cli.running import run_ask

    run_ask({"workspace": workspace, "config": config}, run, "cancel")
