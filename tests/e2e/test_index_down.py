"""The index can't be reached: what was read is committed, and the next run catches up."""

import shutil
import socket

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.ray]


@pytest.fixture
def closed_port():
    """A loopback port where nobody listens, and nobody else can while it is bound."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_a_run_without_its_index_commits_and_the_next_catches_up(
    indexed, copied, pdray, tmp_path, closed_port
):
    more = tmp_path / "more"
    more.mkdir()
    for path in sorted(copied.photos.glob("*.jpg"))[:20]:
        shutil.copy(path, more)
    call = ("index", more, "-w", copied.workspace, "--json")
    down = pdray(*call, expect=1, PDRAY_QDRANT_URL=f"http://127.0.0.1:{closed_port}")
    assert (down.document["indexed"], down.document["failed"]) == (20, 0)
    assert down.document["pending"] > 0
    assert str(closed_port) in down.sentence
    assert "the next `pdray index`" in down.sentence

    behind = pdray("verify", "-w", copied.workspace, "--json", expect=1).document
    assert (behind["missing"], behind["points"]) == (20, 150)

    up = pdray(*call).document
    assert (up["unchanged"], up["read"], up["pending"]) == (20, 0, 0)
    assert pdray("verify", "-w", copied.workspace, "--json").document["points"] == 170


def test_a_search_of_an_index_that_is_down_is_one_sentence(indexed, pdray, closed_port):
    down = {"PDRAY_QDRANT_URL": f"http://127.0.0.1:{closed_port}"}
    search = pdray("search", "red", "-w", indexed.workspace, expect=1, **down)
    assert str(closed_port) in search.sentence
