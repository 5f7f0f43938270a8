"""Texts of requests that wait at the same time go through the model together."""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
_MOST = 256  # texts that go together


class Batcher:
    """Encodes in one thread of its own. A request never waits for company: what has gathered while
    the model worked goes next, all of it together.
    """

    def __init__(self, encode: Callable[[Sequence[str]], Vectors]) -> None:
        self._encode = encode
        self._waiting: queue.SimpleQueue[tuple[list[str], Future[Vectors]] | None] = (
            queue.SimpleQueue()
        )
        self.calls = 0  # of the model
        self._thread = threading.Thread(target=self._run, name="text tower", daemon=True)
        self._thread.start()

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Vectors of the texts, (n, dim); waits, so call it from a thread."""
        done: Future[Vectors] = Future()
        self._waiting.put((list(texts), done))
        return done.result()

    def close(self) -> None:
        """Ends when what waits is done."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, ended = [first], False
            while sum(len(texts) for texts, _ in batch) < _MOST and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    ended = True
                    break
                batch.append(following)
            self._answer(batch)
            if ended:
                return

    def _answer(self, batch: list[tuple[list[str], Future[Vectors]]]) -> None:
        self.calls += 1
        try:
            vectors = self._encode([text for texts, _ in batch for text in texts])
        except Exception as error:
            for _, done in batch:
                done.set_exception(error)
            return
        start = 0
        for texts, done in batch:
            done.set_result(vectors[start : start + len(texts)])
            start += len(texts)
