"""`pdray verify` and `rebuild`: whether index and catalog agree, and making the index anew."""

from pdray.cli.options import AsJson, Collection, Config, Workspace


def verify(
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Prove that index and catalog hold the same images; exit 1 where not."""
    from pdray.cli.mending import run_verify

    run_verify({"workspace": workspace, "collection": collection, "config": config}, as_json)


def rebuild(
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make the index anew from the catalog. No model and no GPU needed."""
    from pdray.cli.mending import run_rebuild

    run_rebuild({"workspace": workspace, "collection": collection, "config": config}, as_json)
