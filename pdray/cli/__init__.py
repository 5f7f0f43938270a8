"""The command line: parse, call, print. Each command imports what it needs when it runs."""

from pdray.cli.entry import main

__all__ = ["main"]
