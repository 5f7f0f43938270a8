"""Three nodes that ingest and serve at once, and one of them is lost."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pdray.catalog import runs
from pdray.catalog.catalog import Catalog
from pdray.catalog.view import live_records
from pdray.ingest.maintain import serving
from pdray.ingest.project import Projector
from pdray.ingest.target import index_target
from pdray.samples.collection import write_collection
from pdray.serve import compose
from tests.cluster.conftest import DEADLINE, Head, free_port, joined, started, wait_until
from tests.cluster.deployed import INSTALLED, KEY, Asking, deploy, production, replicas
from tests.cluster.test_jobs import state, submit
from tests.qdrant_http import QdrantHttp
from tests.served import Made, make, settings_of
from tests.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
IMAGES, UNIT = 320, 10
# So Ray calls a process of the run; with .submit, while it works on a unit or waits to be let.
_PROCESS = "ray::MapWorker(MapBatches(Process))"
# A condition keeps what is added meanwhile out of the answers.
TEXTS = [
    f'a {colour} {shape} folder:"photos"'
    for colour in ("red", "blue")
    for shape in ("circle", "star")
]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return make(tmp_path)


@pytest.fixture
def head(made: Made) -> Iterator[Head]:
    """A head, and a Qdrant server with what is in the workspace already."""
    with QdrantHttp() as qdrant:
        catalog = Catalog.open(str(made.workspace))
        target = index_target(settings_of(made, qdrant_url=qdrant.url))
        projector = Projector.open(catalog, target, serving(catalog, "default").spec)
        projector.catch_up("default")
        projector.close()
        place = {
            "PDRAY_WORKSPACE": str(made.workspace),
            "PDRAY_QDRANT_URL": qdrant.url,
            "PDRAY_SERVE_WRITE_KEY": KEY,
        }
        with started({**compose.FAST, **INSTALLED, **place}, (KEY,), cpus=1) as one:
            yield one


def test_searches_and_a_run_outlive_the_loss_of_one_of_three_nodes(
    head: Head, made: Made, tmp_path: Path
) -> None:
    catalog, new = Catalog.open(str(made.workspace)), tmp_path / "new"
    write_collection(new, IMAGES, 9, sides=(200, 300))
    with joined(head) as first, joined(head) as second:
        port = free_port()
        deploy(head, production(tmp_path / "serve.yaml", port, nodes=3))
        wait_until(lambda: len(replicas(head)) == 2, "two replicas")
        lost = first if first.id in replicas(head).values() else second
        assert lost.id in replicas(head).values()
        asking = Asking(port, TEXTS, at_a_time=2)
        wait_until(lambda: asking.search(TEXTS[0]).status == 200, "the first answer")
        right = {text: asking.search(text).ids for text in TEXTS}
        assert all(right.values())
        with asking:
            words = ["jobs/ingest.py", str(new), "--model", "builtin", "--json"]
            submit(head, "three", *words, "--ingest-unit-size", str(UNIT))
            # Held until a process of it is on each, so that it goes on on all nodes at once.
            nodes = (first, second)
            wait_until(lambda: any(node.runs(_PROCESS) for node in nodes), "the run on a node")
            (run,) = runs.recent(catalog, 1, None)
            runs.ask(catalog, run.run_id, "pause")
            for node in nodes:
                wait_until(partial(node.runs, f"{_PROCESS}.submit"), "the run on each node")
            runs.ask(catalog, run.run_id, "resume")
            until(lambda: in_hand(made) >= 2, "units in hand", DEADLINE, 0.01)
            lost.lose()
            killed = time.monotonic()
            assert state(head, "three") == "RUNNING"
            wait_until(lambda: lost.id not in head.nodes(), "the loss to be seen")
            wait_until(
                lambda: len(now := replicas(head)) == 2 and lost.id not in now.values(),
                "two replicas again, elsewhere",
            )
            back = time.monotonic()
            wait_until(lambda: state(head, "three") in ("SUCCEEDED", "FAILED"), "the run's end")
            ended = time.monotonic()
            known = len(asking.answers)
            wait_until(lambda: len(asking.answers) > known + 50, "answers after it all")
        said = head.ray("job", "logs", "three")
        assert state(head, "three") == "SUCCEEDED", said
        report = runs.recent(catalog, 1, None)[0].report
        assert report is not None
        took = [one.answered - one.asked for one in asking.answers if one.answered > killed]
        figures = {
            "answers": len(asking.answers),
            "statuses": Counter(asking.statuses),
            "longest_s": round(max(took), 1),
            "replicas_back_after_s": round(back - killed, 1),
            "run_went_on_for_s": round(ended - killed, 1),
            "rework": report["rework"],
        }
        print(f"\n{json.dumps(figures)}")

        # The run lost nothing and did nothing twice, but for what the node had in hand.
        assert (report["indexed"], report["failed"]) == (IMAGES, 0), report
        assert report["rework"] <= 2 * UNIT
        verified = submit(head, "verified", "jobs/verify.py", wait=True)
        assert f"{IMAGES + made.count} images of default" in verified
        # Every search was answered, and rightly: what the lost replica had in hand was asked again.
        assert set(asking.statuses) == {200}
        assert [one for one in asking.answers if one.ids != right[one.text]] == []
        # What is new is found, through whichever replica.
        rows = live_records(catalog, "default", "ok")
        found = {row.image_id for row in rows if row.uri.startswith(new.as_uri())}
        for _ in range(10):
            assert set(asking.search('folder:"new"', 1000).ids) == found
        assert len(found) == IMAGES


def in_hand(made: Made) -> int:
    """How many units are begun and not yet committed; a process has one at a time."""
    return len(list(made.workspace.glob("attempts/default/*.json")))
