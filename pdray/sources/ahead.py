"""Reading ahead with threads, where waiting for a network is most of the work."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(calls: Iterable[Callable[[], T]], depth: int) -> Iterator[T]:
    """The results of the calls, in order, with up to `depth` of them under way beforehand.

    No more than depth + 1 results are held at a time. What a call raises, its turn raises.
    """
    waiting: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(depth, "pdray-ahead")
    try:
        for call in calls:
            waiting.append(pool.submit(call))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
