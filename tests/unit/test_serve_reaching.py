"""Commands that only look, while a server holds the embedded index."""

import os
from pathlib import Path

import pytest

from pdray.cli.searching import answered
from pdray.errors import IndexUnavailable
from pdray.index.opening import open_index
from pdray.ingest.maintain import status, verify
from pdray.ingest.target import index_target
from pdray.search.query import Query
from pdray.serve.meeting import place
from pdray.serve.owner import Owner
from pdray.serve.reaching import reach
from pdray.serve.shared import SOCKET
from tests.served import Made, make, settings_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("reached"))


def test_status_verify_and_search_ask_the_server_that_holds_the_index(made: Made) -> None:
    settings = settings_of(made)
    target = index_target(settings)
    owner = Owner(settings, target)
    try:
        with pytest.raises(IndexUnavailable):
            open_index(
                target, status(settings, target)["collections"][0]["space"], 64, wait_seconds=0.0
            )
        (found,) = status(settings, target, reach)["collections"]
        assert (found["points"], found["pending"], found["note"]) == (made.count, 0, None)
        assert verify(settings, target, reach).agrees
        (asked,) = answered(settings, [Query("a red shape", limit=5)])
    finally:
        owner.close()
    (alone,) = answered(settings, [Query("a red shape", limit=5)])
    assert [hit.id for hit in asked.hits] == [hit.id for hit in alone.hits]
    assert len(asked.hits) == 5


def test_what_a_killed_server_left_keeps_nobody_out(made: Made) -> None:
    settings = settings_of(made)
    target = index_target(settings)
    socket = place(target) / SOCKET
    if not socket.exists():
        os.mkfifo(socket)  # no socket that anyone listens at
    try:
        assert verify(settings, target, reach).agrees
    finally:
        Path(socket).unlink()
