"""`pdray samples` and `pdray models`: making what pdray needs."""

from pathlib import Path
from typing import Annotated

import typer

from pdray.cli.options import AsJson


def samples(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write to.")],
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, help="Scenes.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Other seed, other scenes.")] = 0,
    min_side: Annotated[int, typer.Option("--min-side", help="Pixels, at least 16.")] = 300,
    max_side: Annotated[int, typer.Option("--max-side", help="Pixels.")] = 1600,
    spanish: Annotated[bool, typer.Option("--spanish", help="Captions in Spanish.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the synthetic collection: scenes with captions and EXIF."""
    from pdray.cli.making import run_samples

    run_samples(out, count, seed, (min_side, max_side), spanish, as_json)


def train_builtin(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the model.")],
    seed: Annotated[int, typer.Option("--seed", help="Of scenes and weights.")] = 0,
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="Wall time of the training.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Steps instead.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads.")] = None,
    captioner: Annotated[
        bool, typer.Option("--captioner", help="The small BLIP instead of the small CLIP.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train one of the small models that ship with pdray, on rendered scenes."""
    from pdray.cli.making import run_train_builtin

    run_train_builtin(out, seed, minutes, steps, threads, captioner, as_json)
