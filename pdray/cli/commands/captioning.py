"""`pdray caption`."""

from typing import Annotated

import typer

from pdray.cli.options import AsJson, Captioner, Collection, Config, Precision, Workspace


def caption(
    captioner: Captioner = None,
    beams: Annotated[
        int | None,
        typer.Option(
            "--beams", "--captions-beams", metavar="N", help="Captions weighed; 1 is fastest."
        ),
    ] = None,
    precision: Precision = None,
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Describe in words what is indexed already. Nothing is embedded again."""
    from pdray.cli.captioning import run_caption

    flags = {"workspace": workspace, "collection": collection, "config": config}
    own = {"captions_model": captioner, "captions_beams": beams, "precision": precision}
    run_caption({**flags, **own}, as_json)
