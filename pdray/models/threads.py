"""How many of torch's threads to use for work that takes milliseconds: what served best of late.

On idle cores two threads take 0.6 of the time of one for a text. Where others want the cores too,
each of a hundred steps waits until the second thread has its turn, and the same text takes ten
times as long. So both are tried now and then, and the quicker one is used.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar("T")
_WEIGHT = 0.2  # of the last time in the mean
_FIRST, _LONGEST = 32, 1024  # calls between two tries of what is slower


class Adaptive:
    """Runs work in the thread that calls, always the same one: torch counts threads by thread."""

    def __init__(self, most: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._choices, self._clock = sorted({1, most}), clock
        self._sizes: dict[int, _Size] = {}

    def __call__(self, size: int, work: Callable[[], T]) -> T:
        """What the work gives. Times of sizes that are about alike are compared."""
        if len(self._choices) == 1:
            return work()
        known = self._sizes.setdefault(size.bit_length(), _Size(self._choices))
        threads = known.choose()
        torch.set_num_threads(threads)
        began = self._clock()
        try:
            return work()
        finally:
            known.note(threads, (self._clock() - began) / max(size, 1))
            torch.set_num_threads(self._choices[-1])


class _Size:
    def __init__(self, choices: list[int]) -> None:
        self._untried = 2 * list(choices)  # the first time of each is spent on building kernels
        self._means: dict[int, float] = {}
        self._calls, self._pause = 0, _FIRST
        self._trying = False

    def choose(self) -> int:
        if self._untried:
            return self._untried.pop()
        self._calls += 1  # from here on
        self._trying = self._calls >= self._pause
        ordered = sorted(self._means, key=self._means.__getitem__)
        return ordered[-1] if self._trying else ordered[0]

    def note(self, threads: int, seconds: float) -> None:
        before = self._means.get(threads)
        if before is None or self._trying or not self._calls:
            self._means[threads] = seconds  # what was long ago, or the first time, says nothing
        else:
            self._means[threads] = before + _WEIGHT * (seconds - before)
        if self._trying:
            better = min(self._means, key=self._means.__getitem__) == threads
            self._pause = _FIRST if better else min(2 * self._pause, _LONGEST)
            self._calls, self._trying = 1, False
