"""Models that come from the hub: how far they are, on standard error."""

import sys
import time

from pdray.cli.output import memory

_EVERY = 10.0  # seconds between lines


def line(name: str, done: int, total: int) -> str:
    """As a person reads it."""
    of = f"{memory(done)} of {memory(total)}" if total else memory(done)
    return f"Fetching {name} from the hub: {of}"


class Lines:
    """A plain line at once, every ten seconds, and at the end."""

    def __init__(self) -> None:
        self._told: tuple[str, float, int] | None = None

    def __call__(self, name: str, done: int, total: int) -> None:
        """See pdray.models.hub.Watch."""
        now = time.monotonic()
        if self._told is not None and self._told[0] == name:
            _, last, before = self._told
            ended = done == total and before != total
            if not ended and now - last < _EVERY:
                return
        self._told = (name, now, done)
        sys.stderr.write(line(name, done, total) + "\n")
        sys.stderr.flush()
