"""`pdray samples` and `pdray models train-builtin`: making what pdray needs."""

import sys
from pathlib import Path
from typing import Any

from pdray.cli.output import console, print_json, stderr
from pdray.errors import UsageError


def run_samples(
    out: Path, count: int, seed: int, sides: tuple[int, int], spanish: bool, as_json: bool
) -> None:
    """The command `samples`."""
    from pdray.samples.collection import write_collection

    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: name a folder to write the scenes to.")
    with stderr.status("Drawing scenes") as status:

        def drawn(done: int, total: int) -> None:
            if done % 50 == 0:
                status.update(f"Drawing scenes: {done} of {total}")

        made = write_collection(out, count, seed, sides=sides, spanish=spanish, on_progress=drawn)
    if as_json:
        print_json({"folder": str(made.folder), "captions": str(made.captions), "count": count})
    else:
        console.print(f"Wrote {made.count} scenes and {made.captions}.")


def run_train_builtin(
    out: Path,
    seed: int,
    minutes: float | None,
    steps: int | None,
    threads: int | None,
    captioner: bool,
    as_json: bool,
) -> None:
    """The command `models train-builtin`."""

    def told(progress: object) -> None:
        sys.stderr.write(f"{progress}\n")

    limits: dict[str, Any] = {"steps": steps, "minutes": minutes, "threads": threads}
    if captioner:
        from pdray.training.captioning import train_captioner

        figures = train_captioner(out, seed=seed, on_progress=told, **limits)
    else:
        from pdray.training.builtin import train_builtin

        figures = train_builtin(out, seed=seed, on_progress=told, **limits)
    if as_json:
        print_json(figures)
    else:
        for name, value in figures.items():
            console.print(f"{name}: {value:.3f}")
        console.print(f"The model is in {out}.")
