"""Texts, or images, of requests that wait at the same time go through the model together."""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pdray.serve import metrics

Vectors = NDArray[np.float32]
T = TypeVar("T")
_MOST = 256  # that go together


class Batcher(Generic[T]):
    """Encodes in one thread of its own. A request never waits for company: what has gathered while
    the model worked goes next, all of it together.
    """

    def __init__(self, encode: Callable[[Sequence[T]], Vectors], most: int = _MOST) -> None:
        self._encode, self._most = encode, most
        self._waiting: queue.SimpleQueue[tuple[list[T], Future[Vectors]] | None] = (
            queue.SimpleQueue()
        )
        self.calls = 0  # of the model
        self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)
        self._thread.start()

    def __call__(self, items: Sequence[T]) -> Vectors:
        """Vectors of the items, (n, dim); waits, so call it from a thread."""
        return self.submit(items).result()

    def submit(self, items: Sequence[T]) -> Future[Vectors]:
        """The same, not waited for."""
        done: Future[Vectors] = Future()
        self._waiting.put((list(items), done))
        return done

    def close(self) -> None:
        """Ends when what waits is done."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, ended = [first], False
            while sum(len(items) for items, _ in batch) < self._most and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    ended = True
                    break
                batch.append(following)
            self._answer(batch)
            if ended:
                return

    def _answer(self, batch: list[tuple[list[T], Future[Vectors]]]) -> None:
        self.calls += 1
        together = [item for items, _ in batch for item in items]
        metrics.BATCH_SIZE.observe(len(together))
        try:
            vectors = self._encode(together)
        except Exception as error:
            for _, done in batch:
                done.set_exception(error)
            return
        start = 0
        for items, done in batch:
            done.set_result(vectors[start : start + len(items)])
            start += len(items)
