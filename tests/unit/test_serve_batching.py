"""Work of requests that wait at the same time: done together, each gets its own."""

import threading
from collections.abc import Sequence

import pytest

from pdray.errors import IndexUnavailable
from pdray.serve.batching import Batcher


class Held:
    """Work that waits until it may go on, once it has said that it has begun."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Semaphore(0), threading.Event()
        self.seen: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.seen.append(list(items))
        self.begun.release()
        assert self.go_on.wait(30)
        return [10 * item for item in items]


def test_what_gathers_while_the_work_goes_on_goes_together_next() -> None:
    work = Held()
    batcher = Batcher(work, most=4)
    first = batcher.submit([1])
    work.begun.acquire()
    rest = [batcher.submit([number, number + 1]) for number in (2, 4, 6)]
    work.go_on.set()
    assert [one.result(30) for one in (first, *rest)] == [[10], [20, 30], [40, 50], [60, 70]]
    assert work.seen == [[1], [2, 3, 4, 5], [6, 7]]
    assert batcher.calls == 3
    batcher.close()


def test_threads_work_side_by_side_and_all_of_them_end() -> None:
    work = Held()
    batcher = Batcher(work, threads=2)
    waiting = [batcher.submit([1])]
    work.begun.acquire()
    waiting.append(batcher.submit([2]))
    work.begun.acquire()  # while the first is at it still
    waiting.append(batcher.submit([3]))
    work.go_on.set()
    batcher.close()
    assert [one.result(0) for one in waiting] == [[10], [20], [30]]


def test_what_its_asker_has_given_up_is_not_done_and_stops_nobody() -> None:
    work = Held()
    batcher = Batcher(work)
    first = batcher.submit([1])
    work.begun.acquire()
    given_up, kept = batcher.submit([2]), batcher.submit([3])
    assert given_up.cancel()
    assert not first.cancel()  # too late: it is being done
    work.go_on.set()
    assert (first.result(30), kept.result(30)) == ([10], [30])
    assert work.seen == [[1], [3]]
    batcher.close()


def test_what_comes_after_the_end_waits_for_nobody() -> None:
    batcher = Batcher(list[int])
    batcher.close()
    with pytest.raises(IndexUnavailable, match="try again"):
        batcher([1])


def test_a_fault_is_told_to_all_that_it_concerns_and_the_next_go_on() -> None:
    def work(items: Sequence[int]) -> list[int]:
        if 0 in items:
            raise ValueError("nought")
        return list(items)

    batcher = Batcher(work)
    with pytest.raises(ValueError, match="nought"):
        batcher([0])
    assert batcher([1, 2]) == [1, 2]
    batcher.close()
