"""`pdray benchmark`."""

from pathlib import Path
from typing import Annotated

import typer

from pdray.cli.options import AsJson


def benchmark(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to work.")] = Path(
        "benchmark"
    ),
    parts: Annotated[
        str,
        typer.Option(
            "--parts",
            help="Any of builtin, vit, loop, loop12, plan, plan-compacted, serve, by commas.",
        ),
    ] = "builtin,vit,loop,loop12,plan",
    scale: Annotated[
        float, typer.Option("--scale", min=0.001, help="Of the numbers of images.")
    ] = 1.0,
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, help="Measure each so often; the median is shown.")
    ] = 1,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Keep the figures, as JSON."),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--compare", metavar="A.json B.json", help="Measure nothing: compare two kept files."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure ingestion against what this machine's cores allow, and planning at scale."""
    from pdray.cli.benchmark import compare_benchmarks, run_benchmark

    if compare:
        compare_benchmarks(*compare, as_json)
    else:
        wanted = [part.strip() for part in parts.split(",")]
        run_benchmark(out, wanted, scale, repeat, save, as_json)
