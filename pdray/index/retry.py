"""A bounded retry: the Qdrant client never retries, or retries for ever."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pdray.metrics import Counter

T = TypeVar("T")
RETRIES = Counter("pdray_index_retries_total", "Requests to Qdrant that were tried again.")


@dataclass(frozen=True, slots=True)
class Retry:
    """At most `attempts` tries, the pause between them doubling from `first` to `longest` seconds.

    Each pause is shortened at random by up to a half, so that many workers don't come back
    together. `sleep` and `jitter` (in [0, 1)) are there to be replaced in tests.
    """

    attempts: int = 7
    first: float = 0.2
    longest: float = 10.0
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def call(self, action: Callable[[], T], pause_of: Callable[[Exception], float | None]) -> T:
        """What `action` returns. `pause_of` tells of an error whether another try may help: None
        for no, else the least pause in seconds (capped at `longest`). The last error is raised.
        """
        for attempt in range(self.attempts):
            try:
                return action()
            except Exception as error:  # pause_of judges; what it doesn't know is raised again
                least = pause_of(error)
                if least is None or attempt + 1 == self.attempts:
                    raise
            RETRIES.add()
            self.sleep(max(min(least, self.longest), self.pause(attempt)))
        raise ValueError(f"attempts must be at least 1, not {self.attempts}.")

    def pause(self, attempt: int) -> float:
        """Seconds to wait after the given attempt (from 0)."""
        return min(self.longest, self.first * 2.0**attempt) * (1 - self.jitter() / 2)
