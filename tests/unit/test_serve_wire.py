"""Calls over a socket: what goes over it, and what happens when the other side goes."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdray.errors import IndexUnavailable
from pdray.index.target import IndexTarget
from pdray.serve.meeting import place
from pdray.serve.wire import Caller, Listener


def add(left: int, right: int = 0) -> int:
    return left + right


def pieces(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield bytes([number]) * 300_000
    if count > 3:
        raise ValueError("four is too many")


def broken() -> None:
    raise ZeroDivisionError


METHODS = {"add": add, "pieces": pieces, "broken": broken}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return place(IndexTarget(state_dir=tmp_path)) / "test.sock"


def test_calls_from_many_threads_get_their_own_answers(path: Path):
    listener, caller = Listener(path, METHODS), Caller(path)
    wrong: list[int] = []

    def ask(start: int) -> None:
        wrong.extend(
            number
            for number in range(start, start + 200)
            if caller.call("add", number, right=start) != number + start
        )

    threads = [threading.Thread(target=ask, args=(1000 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    listener.close()


def test_large_answers_come_in_pieces(path: Path):
    listener, caller = Listener(path, METHODS), Caller(path)
    got = [piece for piece in caller.stream("pieces", 3) if piece]
    assert [piece[:1] for piece in got] == [b"\0", b"\1", b"\2"]
    assert {len(piece) for piece in got} == {300_000}
    listener.close()


def test_errors_are_those_of_the_other_side_and_break_nothing(path: Path):
    listener, caller = Listener(path, METHODS), Caller(path)
    with pytest.raises(ValueError, match="four is too many"):
        list(caller.stream("pieces", 4))
    with pytest.raises(IndexUnavailable, match="ZeroDivisionError"):
        caller.call("broken")
    assert caller.call("add", 1) == 1
    listener.close()


def test_a_listener_that_starts_anew_is_found_without_an_error(path: Path):
    first, caller = Listener(path, METHODS), Caller(path)
    assert caller.call("add", 1) == 1
    first.close()
    second: list[Listener] = []
    late = threading.Timer(0.3, lambda: second.append(Listener(path, METHODS)))
    late.start()
    assert caller.call("add", 2) == 2
    late.join()
    second[0].close()


def test_a_listener_that_stays_away_is_one_sentence_in_bounded_time(path: Path):
    with pytest.raises(IndexUnavailable, match="doesn't answer"):
        Caller(path, patience=0.1).call("add", 1)


def test_only_this_user_may_enter_the_meeting_place(path: Path):
    for folder in (path.parent, path.parent.parent):
        assert folder.stat().st_mode & 0o077 == 0
