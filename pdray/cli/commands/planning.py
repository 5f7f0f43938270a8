"""`pdray plan`."""

from typing import Annotated, Any

import typer

from pdray.cli.options import AsJson, Captioner, Config, Model, Precision, Workspace


def plan(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="As of `pdray index`."),
    ],
    gpus: Annotated[
        int, typer.Option("--gpus", min=0, help="Of the machine or cluster; 0: this machine.")
    ] = 0,
    gpu: Annotated[
        str | None, typer.Option("--gpu", metavar="CARD", help="Such as l4, a100, h100.")
    ] = None,
    gpu_rate: Annotated[
        float | None,
        typer.Option(
            "--gpu-rate", min=0.001, help="Images a second that one GPU embeds, if known."
        ),
    ] = None,
    cpus: Annotated[
        int | None,
        typer.Option("--cpus", min=1, help="Cores, all together. Default: 12 a GPU, else these."),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option("--images", min=1, help="How many there will be. Default: as many as listed."),
    ] = None,
    hourly: Annotated[
        float | None,
        typer.Option("--hourly", min=0, help="What all of it costs an hour, in any currency."),
    ] = None,
    sample: Annotated[int, typer.Option("--sample", min=16, help="Images to run, about.")] = 2048,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, help="No longer than about so many, running them.")
    ] = 60.0,
    most: Annotated[
        int | None,
        typer.Option("--list", metavar="N", min=1, help="List no more than so many; see --images."),
    ] = None,
    workspace: Workspace = None,
    model: Model = None,
    precision: Precision = None,
    config: Config = None,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="GLOB", help="Only these; may be said again."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="GLOB", help="Not these; may be said again."),
    ] = None,
    captions: Annotated[
        bool, typer.Option("--captions", help="Describe the images in words too.")
    ] = False,
    captioner: Captioner = None,
    as_json: AsJson = False,
) -> None:
    """Run a sample here; say how long all of it takes, on how much disk, and what sets the pace."""
    from pdray.cli.planning import Asked, run_plan

    flags: dict[str, Any] = {
        "workspace": workspace,
        "model": model,
        "precision": precision,
        "config": config,
    }
    flags |= {"captions_index": captions or None, "captions_model": captioner}
    asked = Asked(
        tuple(include or ()), tuple(exclude or ()),
        gpus, gpu, gpu_rate, cpus, images, hourly, sample, seconds, most,
    )  # fmt: skip
    run_plan(flags, sources, asked, as_json)
