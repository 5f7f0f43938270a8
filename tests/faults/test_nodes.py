"""Clusters of several machines, as Ray plays them on one: a machine is lost, one sees no folder,
and the processes that share the work of a GPU die one at a time.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray.cluster_utils import Cluster

from tests.command import forked
from tests.faults.harness import (
    DEADLINE,
    TICK,
    State,
    call,
    committed,
    differences,
    environment,
    flags,
    kill_everything,
    look,
    pdray,
    processes,
    projecting,
    start,
    untidy,
    wait_for,
)
from tests.faults.points import Fault
from tests.faults.scenes import SIZE, UNIT
from tests.faults.trials import counted, rework

pytestmark = [pytest.mark.ray]

STORE = 100 * 2**20
# What Ray in this process turned on earlier, its other processes here would not know of.
OPEN = {"RAY_AUTH_MODE": "disabled"}
Nodes = Callable[..., Cluster]


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """`nodes(fault, **head)`: a cluster of one node, whose processes carry mark and fault."""
    made: list[Cluster] = []

    def start_head(fault: Fault, **head: Any) -> Cluster:
        for name, value in environment(str(tmp_path), fault, **OPEN).items():
            monkeypatch.setenv(name, value)
        options = {"include_dashboard": False, "object_store_memory": STORE, **head}
        made.append(Cluster(initialize_head=True, head_node_args=options))
        return made[-1]

    yield start_head
    for cluster in made:
        cluster.shutdown()


@contextmanager
def running(photos: Path, home: Path, cluster: Cluster, fault: Fault) -> Iterator[Any]:
    """A run on the cluster, from its second commit on."""
    at = {"PDRAY_RAY_ADDRESS": cluster.address, **SIZE, **OPEN}
    run = start(photos, home / "workspace", environment(f"{home}-run", fault, **at))
    try:
        wait_for(committed(2), run, home / "workspace")
        assert run.poll() is None
        yield run
    finally:
        kill_everything(run, f"{home}-run")


def begun(workspace: Path) -> int:
    """How many units are in hand: begun, and not committed yet."""
    return len(list(workspace.glob("attempts/*/*.json")))


def held(node: Any) -> list[str]:
    """The titles of the processes that a node runs."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    return [" ".join(child.cmdline()) for child in raylet.children(recursive=True)]


def lose_a_node(
    photos: Path, undisturbed: State, nodes: Nodes, home: Path, embedder: str, **shape: Any
) -> list[str]:
    """What is wrong after one of two nodes was killed in mid-run, and the other ended the run."""
    fault = Fault(str(home / "fault"))
    cluster = nodes(fault, **shape)
    lost = cluster.add_node(object_store_memory=STORE, **shape)
    counts = counted("a node killed")
    with running(photos, home, cluster, fault) as run:
        titles = held(lost)
        assert any(title.startswith(embedder) for title in titles), titles
        assert not any(title.startswith("ray::Projecting") for title in titles), titles
        assert projecting(home / "workspace", run.pid)
        in_hand = begun(home / "workspace")
        cluster.remove_node(lost, allow_graceful=False)
        assert run.wait(timeout=240) == 0
    counts.kills, counts.rework = 1, rework([fault])
    wrong = differences(look(home / "workspace"), undisturbed, counts)
    # What was begun when it died, and what its last process began before it knew.
    assert counts.rework <= (in_hand + 1) * UNIT
    assert pdray("verify", "-w", home / "workspace").code == 0
    return wrong + untidy(flags(home / "workspace"), undisturbed)


def test_a_run_outlives_the_loss_of_a_node_that_embeds(
    photos: Path, undisturbed: State, nodes: Nodes, tmp_path: Path
) -> None:
    title = "ray::MapWorker(MapBatches(Process))"
    assert lose_a_node(photos, undisturbed, nodes, tmp_path, title, num_cpus=1) == []


@pytest.mark.faults
def test_a_run_outlives_the_loss_of_a_node_with_a_gpu(
    photos: Path, undisturbed: State, nodes: Nodes, tmp_path: Path
) -> None:
    """A GPU in name only: Ray schedules by it, the model runs on the CPU."""
    title = "ray::MapWorker(MapBatches(Embed))"
    shape = {"num_cpus": 2, "num_gpus": 1}
    assert lose_a_node(photos, undisturbed, nodes, tmp_path, title, **shape) == []


@pytest.mark.faults
@pytest.mark.parametrize("stage", ["Decode", "Embed", "Commit"])
def test_a_run_on_a_gpu_outlives_the_death_of_one_of_its_processes(
    photos: Path, undisturbed: State, nodes: Nodes, tmp_path: Path, stage: str
) -> None:
    fault = Fault(str(tmp_path / "fault"))
    cluster = nodes(fault, num_cpus=2, num_gpus=1)
    counts = counted(f"a worker beside a GPU killed: {stage}")
    with running(photos, tmp_path, cluster, fault) as run:
        title = f"ray::MapWorker(MapBatches({stage}))"
        found = [p for p in processes(str(tmp_path)) if " ".join(p.cmdline()).startswith(title)]
        assert found
        found[0].kill()
        assert run.wait(timeout=240) == 0
    counts.kills, counts.rework = 1, rework([fault])
    assert differences(look(tmp_path / "workspace"), undisturbed, counts) == []
    assert counts.rework <= UNIT
    assert untidy(flags(tmp_path / "workspace"), undisturbed) == []


@contextmanager
def another_machine(cluster: Cluster, hidden: Path, environ: dict[str, str]) -> Iterator[None]:
    """A second node, in a mount namespace of its own with an empty disk over a folder."""
    script = f"mount -t tmpfs tmpfs '{hidden}' || exit 99; exec \"$@\""
    alone = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1"]
    ray += [f"--address={cluster.address}", f"--object-store-memory={STORE}"]
    log = hidden.parent / "node.log"
    with log.open("wb") as file:
        node = subprocess.Popen([*alone, *ray], env=environ, stdout=file, stderr=file)
    try:
        end = time.monotonic() + DEADLINE
        while sum(one["Alive"] for one in cluster.global_state.node_table()) < 2:
            if node.poll() in (1, 99):  # unshare's own code, and that of a mount
                pytest.skip("this machine lets nobody mount a disk of their own")
            assert node.poll() is None, log.read_text()
            assert time.monotonic() < end, "the second node never came"
            TICK.wait(0.05)
        yield
    finally:
        node.terminate()
        node.wait()


@pytest.mark.parametrize("hidden", ["workspace", pytest.param("photos", marks=pytest.mark.faults)])
def test_a_machine_that_does_not_see_a_folder_ends_the_run_in_one_sentence(
    nodes: Nodes, tmp_path: Path, hidden: str
) -> None:
    photos = tmp_path / "photos" / "inside"
    assert pdray("samples", photos, "--count", 2, "--max-side", 320).code == 0
    (tmp_path / "workspace").mkdir()
    cluster = nodes(Fault(str(tmp_path / "fault")), num_cpus=0)
    environ = environment(str(tmp_path), None, PDRAY_RAY_ADDRESS=cluster.address, **OPEN)
    with another_machine(cluster, tmp_path / hidden, environ):
        ended = forked(call(photos, tmp_path / "workspace"), environ)
    assert ended.code == 1, ended
    seen = photos if hidden == "photos" else tmp_path / "workspace"
    assert f"can't see {'the workspace ' if hidden == 'workspace' else ''}{seen}" in ended.sentence
    assert "s3://" in ended.sentence
