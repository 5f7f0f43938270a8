"""What replicas tell each other through a Redis that is there, and one that is not."""

import logging
import socket
import threading

import pytest

from pdray.serve.nudges import Nudges


def test_a_nudge_reaches_the_others_over_the_same_workspace_and_nobody_else(redis_url: str) -> None:
    one, other, stranger = (Nudges(redis_url, name) for name in ("/a", "/a", "/b"))
    ended, began, heard = threading.Event(), threading.Barrier(4), threading.Event()
    told: dict[Nudges, list[bool]] = {}

    def listen(who: Nudges) -> None:
        def tell(from_another: bool) -> None:
            told.setdefault(who, []).append(from_another)
            if from_another:
                heard.set()
            else:
                began.wait(20)  # it hears from now on

        who.hear(tell, ended)

    threads = [threading.Thread(target=listen, args=(who,)) for who in (one, other, stranger)]
    for thread in threads:
        thread.start()
    began.wait(20)
    one.tell()
    assert heard.wait(20)
    ended.set()
    for thread in threads:
        thread.join(20)
    assert told == {one: [False], other: [False, True], stranger: [False]}


def test_a_redis_that_is_away_is_said_once_without_its_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # bound and never listening: nobody else gets it
        nudges = Nudges(f"redis://:secret@127.0.0.1:{probe.getsockname()[1]}/0", "/a")
        with caplog.at_level(logging.WARNING, "pdray"):
            nudges.tell()
            nudges.tell()
    assert [record.message for record in caplog.records] == [
        "Redis can't be reached (ConnectionError): events of other replicas come some seconds "
        "later."
    ]
