"""Options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

Workspace = Annotated[
    str | None,
    typer.Option("--workspace", "-w", metavar="W", help="Folder or URL that holds everything."),
]
Collection = Annotated[
    str | None, typer.Option("--collection", "-c", metavar="C", help="Which collection.")
]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings file (pdray.toml).")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON document on standard output, nothing else there.")
]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="M", help="builtin, a local folder or a hub name."),
]
Captioner = Annotated[
    str | None,
    typer.Option(
        "--captioner",
        "--captions-model",
        metavar="M",
        help="builtin, a BLIP's folder or hub name, or package.module:Class.",
    ),
]
Precision = Annotated[
    str | None,
    typer.Option("--precision", metavar="P", help="auto, fp32, bf16, fp16, int8 or nf4."),
]
