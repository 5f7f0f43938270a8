"""`pdray finetune`: losses while it goes on, what it gained at its end."""

from pathlib import Path
from typing import Any

from rich.markup import escape

from pdray.cli.output import console, duration, print_json, stderr
from pdray.config import DEFAULT_MODEL
from pdray.errors import UsageError
from pdray.evaluation.reading import read_captions
from pdray.models.resolve import resolve


def run_finetune(
    file: Path,
    out: Path,
    model: str | None,
    rehearse: Path | None,
    files: dict[str, Any],
    taught: dict[str, Any],
    limits: dict[str, Any],
    as_json: bool,
) -> None:
    """The command; `taught` are fields of Tuning."""
    from pdray.training.finetuning import Tuning, finetune
    from pdray.training.loop import Progress

    if out.is_file():
        raise UsageError(f"{out} is a file: name a folder for the new model.")
    read = read_captions(file, files["images"], files["split"])
    also = read_captions(rehearse) if rehearse else None
    spec = resolve(model or DEFAULT_MODEL)
    with stderr.status("Reading the images") as status:

        def told(progress: Progress) -> None:
            losses = ", ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
            status.update(
                f"Step {progress.step}, {100 * progress.fraction:.0f}%, loss {losses}, "
                f"{duration(progress.seconds)}"
            )

        found = finetune(
            spec, read, out, rehearse=also, on_progress=told, tuning=Tuning(**taught), **limits
        )
    if as_json:
        print_json({"model": str(out), **found})
        return
    console.print(
        f"R@1 over {found['held_out']} images held out: {found['taught_before']:.3f} before, "
        f"[bold]{found['taught_after']:.3f}[/] after {found['steps']} steps."
    )
    if "rehearsed_before" in found:
        console.print(
            f"Of what was rehearsed: {found['rehearsed_before']:.3f} before, "
            f"{found['rehearsed_after']:.3f} after."
        )
    console.print(f"The model is in {escape(str(out))}: pdray models switch {escape(str(out))}")
