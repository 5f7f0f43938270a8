"""Logging: one place that decides where lines go. Standard output stays for results."""

import logging
import sys


def get(room: str) -> logging.Logger:
    """The logger of a room: `log.get("catalog")`."""
    return logging.getLogger(f"pdray.{room}")


def configure(verbose: bool = False) -> None:
    """Sends pdray's log lines to standard error, once."""
    root = logging.getLogger("pdray")
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbose else logging.WARNING)
    root.propagate = False
