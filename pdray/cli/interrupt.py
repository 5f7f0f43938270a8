"""Ctrl-C once finishes what is in flight, twice stops now; SIGTERM asks as Ctrl-C once does."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from pdray.ingest.control import Control

_ONCE = "\nFinishing the units in flight; once more to stop now.\n"
_STOPPED = "pdray: Stopped. What was committed stays; run the same command again to go on.\n"
_ASKED = "\nAsked to end: finishing the units in flight.\n"


@contextmanager
def interruptible(*, quiet: bool = False) -> Iterator[Control]:
    """A control that signals cancel in the block; a second Ctrl-C ends it with exit code 130.

    `quiet` where another process says what goes on.
    """
    control = Control()
    say = _nothing if quiet else _say

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        if control.interrupted:
            raise KeyboardInterrupt
        control.interrupt()
        say(_ONCE)

    def on_terminate(number: int, frame: FrameType | None) -> None:
        if not control.interrupted:
            control.interrupt()
            say(_ASKED)

    before = (
        signal.signal(signal.SIGINT, on_interrupt),
        signal.signal(signal.SIGTERM, on_terminate),
    )
    try:
        yield control
    except KeyboardInterrupt:
        say(_STOPPED)
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGINT, before[0] or signal.SIG_DFL)
        signal.signal(signal.SIGTERM, before[1] or signal.SIG_DFL)


def _say(words: str) -> None:
    # Past Python's buffers: the signal may have interrupted a write to the same stream.
    os.write(sys.stderr.fileno(), words.encode())


def _nothing(words: str) -> None:
    """Says nothing."""
