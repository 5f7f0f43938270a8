"""Waiting for an event that another process or thread brings about."""

import threading
import time
from collections.abc import Callable
from typing import Any

_TICK = threading.Event()


def until(
    happened: Callable[[], Any], what: str = "an event", seconds: float = 90.0, every: float = 0.05
) -> Any:
    """What it gives as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < end, f"waited in vain for: {what}"
        _TICK.wait(every)
    return found
