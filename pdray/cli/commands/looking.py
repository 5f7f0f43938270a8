"""`pdray status`, `errors`, `doctor`: looking, without changing anything."""

from pdray.cli.options import AsJson, Collection, Config, Model, Workspace


def status(workspace: Workspace = None, config: Config = None, as_json: AsJson = False) -> None:
    """What is in the catalog and in the index, and what the last run did."""
    from pdray.cli.looking import run_status

    run_status({"workspace": workspace, "config": config}, as_json)


def errors(
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What could not be indexed and why, put together by kind."""
    from pdray.cli.looking import run_errors

    run_errors({"workspace": workspace, "collection": collection, "config": config}, as_json)


def doctor(
    workspace: Workspace = None, model: Model = None, config: Config = None, as_json: AsJson = False
) -> None:
    """This machine in words, and what would run on it and why."""
    from pdray.cli.looking import run_doctor

    run_doctor({"workspace": workspace, "model": model, "config": config}, as_json)
