"""`pdray models`: which there are, what they take, how they compare."""

from pathlib import Path
from typing import Annotated

import typer

from pdray.cli.options import AsJson

Precisions = Annotated[
    str, typer.Option("--precisions", metavar="P,P", help="fp32, bf16, fp16, int8, nf4, by commas.")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]


def list_models(as_json: AsJson = False) -> None:
    """Models that pdray knows and those that are here, and which to take for what."""
    from pdray.cli.modelling import run_list

    run_list(as_json)


def memory(
    names: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="builtin, folders or hub names.")
    ],
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images in one pass.")] = 16,
    precisions: Precisions = "fp32,bf16,int8",
    measure: Annotated[
        bool, typer.Option("--measure", help="Load it too, and measure its peak.")
    ] = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """What a model takes: weights and a batch, from its files, and as measured here."""
    from pdray.cli.modelling import run_memory

    run_memory(names, batch, precisions, measure, device, as_json)


def compare(
    names: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="builtin, folders or hub names.")
    ],
    precisions: Precisions = "fp32,bf16,int8",
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="DIR", help="Your images instead of drawn scenes."),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=12, help="Images, at most.")] = 200,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw it there.")
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads.")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Speed, memory and agreement of models and precisions, against the first in fp32."""
    from pdray.cli.modelling import run_compare

    run_compare(names, precisions, images, count, plot, threads, device, as_json)
