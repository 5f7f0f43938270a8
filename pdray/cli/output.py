"""What commands print: results on standard output, everything else on standard error."""

import json
import sys
from typing import Any
from urllib.parse import unquote

from rich.console import Console
from rich.table import Table

console = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


def print_json(document: Any) -> None:
    """One JSON document."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def table(*headings: str) -> Table:
    """A plain table; a heading that starts with ">" is of a column of numbers."""
    made = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        made.add_column(
            heading.lstrip(">"), justify="right" if heading.startswith(">") else "left",
            overflow="fold",
        )  # fmt: skip
    return made


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def memory(size: int) -> str:
    """Bytes as a person says them."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def shown(uri: str) -> str:
    """A local file as its path, anything else as its uri."""
    return unquote(uri.removeprefix("file://")) if uri.startswith("file://") else uri
