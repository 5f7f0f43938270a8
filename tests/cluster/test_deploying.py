"""serve_configs/production.yaml on a real head: deployed, then deployed again after a change."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pdray.serve import compose
from tests.cluster.conftest import Head, free_port, started, wait_until
from tests.cluster.deployed import INSTALLED, KEY, Asking, deploy, production, replicas
from tests.served import Made, make

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("deployed"))


@pytest.fixture(scope="module")
def head(made: Made) -> Iterator[Head]:
    """A head whose environment says what production.yaml leaves to it."""
    place = {"PDRAY_WORKSPACE": str(made.workspace), "PDRAY_SERVE_WRITE_KEY": KEY}
    with started({**compose.FAST, **INSTALLED, **place}, (KEY,)) as one:
        yield one


@pytest.mark.timeout(600)
def test_a_changed_file_rolls_without_a_failed_search(head: Head, tmp_path: Path) -> None:
    port = free_port()
    deploy(head, production(tmp_path / "first.yaml", port))
    wait_until(lambda: len(replicas(head)) == 2, "two replicas")
    before, asking = replicas(head), Asking(port)
    wait_until(lambda: asking.search("a blue square").status == 200, "the first answer")
    with asking:
        change = {"num_cpus": 0.11}  # what only a new process can have
        changed = production(
            tmp_path / "changed.yaml",
            port,
            lambda search: search["ray_actor_options"].update(change),
        )
        deploy(head, changed)
        wait_until(
            lambda: len(now := replicas(head)) == 2 and not now.keys() & before, "two replicas anew"
        )
        known = len(asking.statuses)
        wait_until(lambda: len(asking.statuses) > known + 5, "answers of the new ones")
    assert len(asking.statuses) > 20
    assert set(asking.statuses) == {200}
