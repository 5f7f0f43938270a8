"""Three nodes that ingest and serve at once, and one of them is lost."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pdray.catalog.catalog import Catalog
from pdray.catalog.view import live_records
from pdray.ingest.maintain import serving
from pdray.ingest.project import Projector
from pdray.ingest.target import index_target
from pdray.samples.collection import write_collection
from pdray.serve import compose
from tests.cluster.conftest import Head, free_port, joined, lose, started, wait_until
from tests.cluster.deployed import KEY, Asking, deploy, production, replicas
from tests.cluster.test_jobs import state, submit
from tests.qdrant_http import QdrantHttp
from tests.served import Made, make, settings_of

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
IMAGES, UNIT = 160, 4


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("three"))


@pytest.fixture(scope="module")
def head(made: Made) -> Iterator[Head]:
    """A head, and a Qdrant server with what is in the workspace already."""
    with QdrantHttp() as qdrant:
        settings = settings_of(made, qdrant_url=qdrant.url)
        catalog = Catalog.open(str(made.workspace))
        spec = serving(catalog, "default").spec
        projector = Projector.open(catalog, index_target(settings), spec)
        projector.catch_up("default")
        projector.close()
        place = {
            "PDRAY_WORKSPACE": str(made.workspace),
            "PDRAY_QDRANT_URL": qdrant.url,
            "PDRAY_SERVE_WRITE_KEY": KEY,
        }
        with started({**compose.FAST, **place}, (KEY,), cpus=1) as one:
            yield one


def test_searches_and_a_run_outlive_the_loss_of_one_of_three_nodes(
    head: Head, made: Made, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    write_collection(photos, IMAGES, 9, sides=(200, 300))
    with ExitStack() as stack:
        nodes = []
        for number in (2, 3):  # one by one: of two at the same moment one may not come up
            nodes.append(stack.enter_context(joined(head, number)))
            wait_until(lambda number=number: alive(head) == number, f"{number} nodes")
        port = free_port()
        deploy(head, production(tmp_path / "serve.yaml", port, lambda search: None, nodes=3))
        wait_until(lambda: len(replicas(head)) == 2, "two replicas")
        asking = Asking(port)
        wait_until(lambda: asking.search("a blue square") == 200, "the first answer")
        with asking:
            words = ["jobs/ingest.py", str(photos), "--collection", "more", "--model", "builtin"]
            submit(head, "three", *words, "--ingest-unit-size", str(UNIT))
            wait_until(lambda: committed(made) >= 2, "two units")
            assert committed(made) < IMAGES // UNIT
            lose(nodes[0])
            wait_until(lambda: state(head, "three") in ("SUCCEEDED", "FAILED"), "the run")
            wait_until(lambda: len(replicas(head)) == 2, "two replicas again")
            known = len(asking.statuses)
            wait_until(lambda: len(asking.statuses) > known + 5, "answers after it all")
        said = head.ray("job", "logs", "three")
        assert state(head, "three") == "SUCCEEDED", said
        rows = list(live_records(Catalog.open(str(made.workspace)), "more"))
        assert len({row.uri for row in rows if row.status == "ok"}) == IMAGES
        submit(head, "verified", "jobs/verify.py", "--collection", "more", wait=True)
    assert len(asking.statuses) > 20
    # What the lost replica had in hand was asked again elsewhere.
    assert set(asking.statuses) == {200}


def alive(head: Head) -> int:
    """How many nodes live."""
    said = head.ray("list", "nodes", "--filter", "state=ALIVE", "--format", "json")
    return len(json.loads(said[said.index("[") :]))


def committed(made: Made) -> int:
    """Units of the new collection."""
    return len(list(made.workspace.glob("collections/more/rows/*.parquet")))
