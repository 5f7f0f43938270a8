"""Something heavy that is built when it is first needed, and let go when nobody needs it."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Loaded(Generic[T]):
    """`get` it from any thread. `rest` lets it go where it was idle for `idle_seconds`."""

    def __init__(
        self,
        build: Callable[[], T],
        idle_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._build, self._idle, self._clock = build, idle_seconds, clock
        self._there: T | None = None
        self._used = 0.0
        self._turn = threading.Lock()

    @property
    def loaded(self) -> bool:
        """Whether it is there now."""
        return self._there is not None

    def get(self) -> T:
        """It; raises what building it raises, and tries again the next time."""
        with self._turn:
            self._used = self._clock()
            if self._there is None:
                self._there = self._build()
            return self._there

    def rest(self) -> None:
        """Call it now and then."""
        with self._turn:
            if self._idle is not None and self._clock() - self._used >= self._idle:
                self._there = None
