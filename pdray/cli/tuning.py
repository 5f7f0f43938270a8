"""`pdray finetune`: losses while it goes on, what it gained at its end."""

from pathlib import Path
from typing import Any

from rich.markup import escape

from pdray.cli.output import console, duration, print_json, stderr
from pdray.config import DEFAULT_MODEL, load
from pdray.errors import UsageError
from pdray.evaluation.reading import Captioned, read_captions
from pdray.models.captioners import resolve_captioner
from pdray.models.resolve import resolve
from pdray.records import CaptionerSpec, ModelSpec


def _trained(
    workers: int | None,
    spec: ModelSpec | CaptionerSpec,
    read: Captioned,
    out: Path,
    options: dict[str, Any],
) -> dict[str, Any]:
    """By this process, or by several of Ray's where so many are asked for."""
    if workers is None or workers == 1:
        from pdray.training.finetuning import finetune

        return finetune(spec, read, out, **options)
    from pdray.ingest.joining import connected
    from pdray.training.compose import finetune_together

    batch = options["tuning"].batch
    if batch // (2 if options["rehearse"] else 1) < workers:
        raise UsageError(f"A batch of {batch} pairs is too small for {workers} workers.")
    with connected(load({}).ray_address):
        return finetune_together(workers, spec, read, out, **options)


def run_finetune(
    file: Path,
    out: Path,
    model: str | None,
    captioner: str | None,
    rehearse: Path | None,
    files: dict[str, Any],
    taught: dict[str, Any],
    limits: dict[str, Any],
    workers: int | None,
    as_json: bool,
) -> None:
    """The command; `taught` are fields of Tuning."""
    from pdray.training.finetuning import Tuning
    from pdray.training.loop import Progress

    if out.is_file():
        raise UsageError(f"{out} is a file: name a folder for the new model.")
    if model and captioner:
        raise UsageError("One model learns at a time: leave --model or --captioner out.")
    read = read_captions(file, files["images"], files["split"])
    also = read_captions(rehearse) if rehearse else None
    spec = resolve_captioner(captioner) if captioner else resolve(model or DEFAULT_MODEL)
    with stderr.status("Reading the images") as status:

        def told(progress: Progress) -> None:
            losses = ", ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
            status.update(
                f"Step {progress.step}, {100 * progress.fraction:.0f}%, loss {losses}, "
                f"{duration(progress.seconds)}"
            )

        options = {"rehearse": also, "on_progress": told, "tuning": Tuning(**taught), **limits}
        found = _trained(workers, spec, read, out, options)
    if as_json:
        print_json({"model": str(out), **found})
        return
    _tell(found)
    where = escape(str(out))
    use = f"pdray caption --captioner {where}" if captioner else f"pdray models switch {where}"
    console.print(f"The model is in {where}: {use}")


_NAMES = {
    "r1": "R@1 of text to image",
    "loss": "Loss of a token",
    "exact": "Captions right word for word",
    "words": "Words of captions right (F1)",
}


def _tell(found: dict[str, Any]) -> None:
    for kind, figures in found["before"].items():
        which = f"{found['held_out']} images held out" if kind == "taught" else "what was rehearsed"
        for name, before in figures.items():
            after = found["after"][kind][name]
            console.print(f"{_NAMES[name]}, of {which}: {before:.3f} before, [bold]{after:.3f}[/].")
    console.print(f"{found['steps']} steps.")
