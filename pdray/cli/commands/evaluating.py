"""`pdray eval`: how well models and indexes find what is known to be right."""

from pathlib import Path
from typing import Annotated

import typer

from pdray.cli.options import AsJson, Collection, Config, Workspace

ModelNames = Annotated[
    list[str], typer.Argument(metavar="MODEL...", help="builtin, folders or hub names.")
]
Precisions = Annotated[
    str, typer.Option("--precisions", metavar="P,P", help="auto, fp32, bf16, fp16, int8, nf4.")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Threads = Annotated[int | None, typer.Option("--threads", help="CPU threads.")]
Plot = Annotated[Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw it there.")]
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="S", help="Of all that is drawn.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Images, at most.")]


def captions(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="captions.jsonl, or a Karpathy split's .json.")
    ],
    models: ModelNames,
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="Where its files are.")
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="One split of a .json.")] = None,
    limit: Limit = None,
    precisions: Precisions = "auto",
    device: Device = "auto",
    threads: Threads = None,
    seed: Seed = 0,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Text to image and back: R@1, 5, 10, MRR, nDCG with intervals; which model is better."""
    from pdray.cli.evaluating import Models, run_captions
    from pdray.cli.evaluating_report import Report

    which = Models(models, precisions, device, threads)
    run_captions(file, images, split, limit, which, Report(seed, plot, as_json))


def classes(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder of images for each class.")
    ],
    models: ModelNames,
    template: Annotated[
        list[str] | None,
        typer.Option("--template", help='Words around the class, "{}"; several are averaged.'),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Images of a class.")] = None,
    precisions: Precisions = "auto",
    device: Device = "auto",
    threads: Threads = None,
    seed: Seed = 0,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Zero-shot accuracy: which class's words are nearest to an image."""
    from pdray.cli.evaluating import Models, run_classes
    from pdray.cli.evaluating_report import Report

    which = Models(models, precisions, device, threads)
    templates = template or ["a photo of a {}"]
    run_classes(folder, templates, limit, which, Report(seed, plot, as_json))


def index(
    queries: Annotated[int, typer.Option("--queries", min=1, help="How many to ask.")] = 200,
    seed: Seed = 0,
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What the index misses of the catalog's neighbours, under ever narrower filters."""
    from pdray.cli.evaluating_index import run_index

    flags = {"workspace": workspace, "collection": collection, "config": config}
    run_index(flags, queries, seed, as_json)
