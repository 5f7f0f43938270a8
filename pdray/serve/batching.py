"""Work of requests that wait at the same time is done together: texts and images go through a model
in one, questions to the index in one.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, Protocol, Self, TypeVar

from pdray.errors import IndexUnavailable


class Sliced(Protocol):
    """Results in the order of what they are of, such as a list or an array."""

    def __getitem__(self, part: slice, /) -> Self: ...


T = TypeVar("T")
R = TypeVar("R", bound=Sliced)
_Waiting = tuple[list[T], Future[R]]


class Batcher(Generic[T, R]):
    """Works in threads of its own, of which each takes what waits, `most` at once. A request never
    waits for company: what has gathered while the threads worked goes next, all of it together.
    """

    def __init__(self, work: Callable[[Sequence[T]], R], most: int = 256, threads: int = 1) -> None:
        self._work, self._most = work, most
        self._waiting: queue.SimpleQueue[_Waiting[T, R] | None] = queue.SimpleQueue()
        self._turn, self._closed = threading.Lock(), False
        self.calls = 0  # of the work
        self._threads = [
            threading.Thread(target=self._run, name="batcher", daemon=True) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def __call__(self, items: Sequence[T]) -> R:
        """Results of the items, in their order; waits, so call it from a thread."""
        return self.submit(items).result()

    def submit(self, items: Sequence[T]) -> "Future[R]":
        """The same, not waited for. What is cancelled before its turn is not done; what comes after
        the end is IndexUnavailable.
        """
        done: Future[R] = Future()
        with self._turn:
            if self._closed:
                done.set_exception(IndexUnavailable("What answers is ending: try again."))
            else:
                self._waiting.put((list(items), done))
        return done

    def close(self) -> None:
        """Ends when what waits is done."""
        with self._turn:
            self._closed = True
            for _ in self._threads:
                self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            while sum(len(items) for items, _ in batch) < self._most:
                try:
                    following = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    self._waiting.put(None)  # for this thread, when it has answered
                    break
                batch.append(following)
            self._answer([one for one in batch if one[1].set_running_or_notify_cancel()])

    def _answer(self, batch: list[_Waiting[T, R]]) -> None:
        if not batch:
            return
        self.calls += 1
        try:
            results = self._work([item for items, _ in batch for item in items])
        except Exception as error:
            for _, done in batch:
                done.set_exception(error)
            return
        start = 0
        for items, done in batch:
            done.set_result(results[start : start + len(items)])
            start += len(items)
