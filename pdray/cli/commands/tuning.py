"""`pdray finetune`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pdray.cli.options import AsJson, Captioner, Model


def finetune(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="captions.jsonl, or a Karpathy split's .json.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the new model.")],
    model: Model = None,
    captioner: Captioner = None,
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="Where FILE's files are.")
    ] = None,
    rehearse: Annotated[
        Path | None,
        typer.Option("--rehearse", metavar="FILE", help="Captions of what it must not forget."),
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="One split of a .json.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="1,000 by default.")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Of training.")] = None,
    batch: Annotated[int, typer.Option("--batch", min=4, help="Pairs in a step.")] = 128,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="By the model's size if not given.")
    ] = None,
    lora: Annotated[
        int | None, typer.Option("--lora", min=1, metavar="RANK", help="Adapters alone learn.")
    ] = None,
    held_out: Annotated[
        float, typer.Option("--held-out", min=0.01, max=0.9, help="Part that judges.")
    ] = 0.1,
    seed: Annotated[int, typer.Option("--seed", help="Of batches and of what is held out.")] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads.")] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, metavar="N", help="Processes of Ray that learn together."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Teach a CLIP, or with --captioner a BLIP, what people say of their own images; the new model
    is a folder for --model or --captioner."""
    from pdray.cli.tuning import run_finetune

    taught = {"batch": batch, "learning_rate": learning_rate, "lora": lora, "held_out": held_out}
    limits: dict[str, Any] = {
        "steps": steps,
        "minutes": minutes,
        "threads": threads,
        "device": device,
    }
    files = {"images": images, "split": split}
    limits["seed"] = seed
    run_finetune(file, out, model, captioner, rehearse, files, taught, limits, workers, as_json)
