"""The index can't be reached, at first or in mid-run: what was read is committed all the same, and
the next run catches up.
"""

import shutil
import socket
from collections.abc import Iterator

import pytest

from tests.qdrant_http import Fate, QdrantHttp

pytestmark = [pytest.mark.e2e, pytest.mark.ray]


@pytest.fixture
def closed_port():
    """A loopback port where nobody listens, and nobody else can while it is bound."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def server() -> Iterator[QdrantHttp]:
    with QdrantHttp() as server:
        yield server


def test_a_server_that_goes_away_in_mid_run_costs_nothing(
    indexed, pdray, server, one_ray, tmp_path
):
    workspace, at = tmp_path / "workspace", {**one_ray, "PDRAY_QDRANT_URL": server.url}
    call = ("index", indexed.photos, "-w", workspace, "--model", "builtin", "--json")
    # The second write is a unit's; it arrives, and nobody hears of it.
    server.trouble = lambda number: Fate.DOWN_AFTER if number == 2 else Fate.ANSWERED
    down = pdray(*call, expect=1, PDRAY_INGEST_UNIT_SIZE="10", **at)
    assert server.down.is_set()
    assert (down.document["indexed"], down.document["failed"]) == (150, 0)
    assert down.document["pending"] > 0
    assert server.url in down.sentence
    assert "the next `pdray index`" in down.sentence

    server.start()
    (behind,) = pdray("status", "-w", workspace, "--json", **at).document["collections"]
    assert (behind["committed"], behind["points"]) == (150, 20)
    assert behind["pending"] >= 13
    up = pdray(*call, **at).document
    assert (up["unchanged"], up["read"], up["pending"]) == (150, 0, 0)
    assert pdray("verify", "-w", workspace, "--json", **at).document["points"] == 150
    caption = indexed.captions["scene-000007.jpg"]
    hits = pdray("search", caption, "-w", workspace, "--limit", 10, "--json", **at).document
    assert any(hit["uri"].endswith("/scene-000007.jpg") for hit in hits["hits"])


def test_a_server_that_refuses_loses_and_delays_is_written_to_again(
    indexed, pdray, server, one_ray, tmp_path
):
    fates = {1: Fate.REFUSED, 2: Fate.REFUSED, 3: Fate.REFUSED, 5: Fate.LOST, 7: Fate.LATE}
    server.trouble = lambda number: fates.get(number, Fate.ANSWERED)
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in sorted(indexed.photos.glob("*.jpg"))[:24]:
        shutil.copy(path, photos)
    workspace = tmp_path / "workspace"
    at = {**one_ray, "PDRAY_QDRANT_URL": server.url, "PDRAY_QDRANT_TIMEOUT": "2"}
    call = ("index", photos, "-w", workspace, "--model", "builtin", "--json")
    report = pdray(*call, PDRAY_INGEST_UNIT_SIZE="6", **at).document
    assert (report["indexed"], report["failed"], report["pending"]) == (24, 0, 0)
    assert server.writes == 4 + len(fates)
    assert pdray("verify", "-w", workspace, "--json", **at).document["points"] == 24


@pytest.mark.faults
def test_a_run_without_its_index_commits_and_the_next_catches_up(
    indexed, copied, pdray, one_ray, tmp_path, closed_port
):
    more = tmp_path / "more"
    more.mkdir()
    for path in sorted(copied.photos.glob("*.jpg"))[:20]:
        shutil.copy(path, more)
    call = ("index", more, "-w", copied.workspace, "--json")
    gone = {**one_ray, "PDRAY_QDRANT_URL": f"http://127.0.0.1:{closed_port}"}
    down = pdray(*call, expect=1, **gone)
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
