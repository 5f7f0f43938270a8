"""Ends a process in which an image never gets done: a death is counted and retried, a hang not."""

import faulthandler
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_STEP = 1.0  # seconds between looks
_EXIT_CODE = 70  # "internal software error" of sysexits.h


class Watchdog:
    """Watches over the images that are in work, by any thread, within its block.

    A thread looks once a second. Code that never gives up the interpreter (a regular expression
    that explodes) would stop that thread too, so it must also wind up a timer that needs none.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: dict[object, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="pdray-watchdog")

    def __enter__(self) -> "Watchdog":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()

    @contextmanager
    def image(self) -> Iterator[None]:
        """Around the work on one image."""
        key = object()
        self._since[key] = time.monotonic()
        try:
            yield
        finally:
            del self._since[key]

    def _watch(self) -> None:
        step = min(_STEP, self.seconds / 4)
        while not self._over.wait(step):
            faulthandler.dump_traceback_later(self.seconds + step, exit=True, file=2)
            now = time.monotonic()
            if any(now - since > self.seconds for since in list(self._since.values())):
                os._exit(_EXIT_CODE)
