"""The composition with Ray, in both of its shapes, against the same stages in a plain loop."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import ray
from PIL import Image

from pdray.catalog.catalog import Catalog
from pdray.catalog.units import Item, Unit, cut
from pdray.catalog.view import KnownContents, live_records
from pdray.index.opening import open_index
from pdray.index.target import IndexTarget
from pdray.ingest.compose import Cluster
from pdray.ingest.control import Control
from pdray.ingest.placement import Placement
from pdray.ingest.stages import Job, Worker
from pdray.models.resolve import resolve
from pdray.records import ImageRef, content_id
from pdray.sources.opening import open_source

pytestmark = pytest.mark.ray
ALONE = Placement(0, 1, 0, 1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # One GPU in name only: Ray schedules by it, the model runs on the CPU.
    ray.init(address="local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
    yield Cluster(2, 1)
    ray.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 pictures; the last unit of 8 holds nothing that decodes."""
    out = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(16):
        noise = rng.integers(0, 255, (90 + number, 120, 3), dtype=np.uint8)
        Image.fromarray(noise).save(out / f"{number:03d}.jpg")
    for number in range(16, 24):
        (out / f"{number:03d}.jpg").write_bytes(b"no picture")
    return out


def _job(folder: Path, workspace: Path) -> tuple[Job, list[Unit]]:
    source = open_source(str(folder))
    catalog = Catalog.open(str(workspace), create=True)
    job = Job(catalog, "c", "run", resolve("builtin"), (source,))
    items = [
        Item(e.uri, e.size, e.version, 1, 0, place=e.place)
        for e in source.list()
        if isinstance(e, ImageRef)
    ]
    return job, list(cut(items, collection="c", pipeline="1", images=8))


def _vectors(job: Job) -> dict[str, np.ndarray]:
    parts = job.catalog.embedding_parts(job.spec.space)
    contents, vectors = job.catalog.vectors(parts)
    return dict(zip(contents, vectors, strict=True))


@pytest.mark.parametrize(
    "placement",
    [Placement(0, 2, 0, 1), Placement(1, 1, 1, 1)],
    ids=["all in one process", "decode, embed and commit apart"],
)
def test_ray_commits_what_a_plain_loop_commits(
    cluster: Cluster, folder: Path, tmp_path: Path, placement: Placement
) -> None:
    plain, units = _job(folder, tmp_path / "plain")
    worker = Worker(plain, KnownContents.none())
    expected = [worker.process(unit) for unit in units]
    job, units = _job(folder, tmp_path / "ray")

    committed = list(cluster.run(job, KnownContents.none(), units, placement, Control()))

    assert sorted(c.part for c in committed) == sorted(c.part for c in expected)
    assert sum(c.counts["indexed"] for c in committed) == 16
    assert sum(c.counts["failed"] for c in committed) == 8
    rows = {r.uri: r for r in live_records(job.catalog, "c")}
    for row in live_records(plain.catalog, "c"):
        other = rows.pop(row.uri)
        assert (other.image_id, other.content_id, other.status, other.failure) == (
            row.image_id, row.content_id, row.status, row.failure,
        )  # fmt: skip
        if row.thumbnail and other.thumbnail:
            assert job.catalog.thumbnail(other.thumbnail) == plain.catalog.thumbnail(row.thumbnail)
    assert not rows
    found, wanted = _vectors(job), _vectors(plain)
    assert found.keys() == wanted.keys()
    assert all(float(found[content] @ wanted[content]) > 0.9999 for content in wanted)


def test_a_projection_applies_parts_in_a_process_of_its_own(
    cluster: Cluster, folder: Path, tmp_path: Path
) -> None:
    job, units = _job(folder, tmp_path / "w")
    target = IndexTarget(tmp_path / "state")
    projection = cluster.projection(job, target)
    for committed in cluster.run(
        job, KnownContents.none(), units, Placement(0, 1, 0, 1), Control()
    ):
        projection.apply(committed.part)
    projection.close()

    assert projection.broken is None
    with open_index(target, job.spec.space, job.spec.dim) as index:
        assert index.count("c") == 16
        assert index.ledger.applied() == set(job.catalog.parts("c"))


def test_members_of_a_tar_are_committed_as_files_are(
    cluster: Cluster, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "shards").mkdir()
    with tarfile.open(tmp_path / "shards/s.tar", "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    job, units = _job(tmp_path / "shards", tmp_path / "w")
    committed = list(cluster.run(job, KnownContents.none(), units, ALONE, Control()))
    assert sum(c.counts["indexed"] for c in committed) == 16
    rows = [row for row in live_records(job.catalog, "c") if row.status == "ok"]
    files = {path.name: content_id(path.read_bytes()) for path in folder.iterdir()}
    found = {row.uri.rpartition("/s.tar!/")[2]: row.content_id for row in rows}
    assert found == {name: files[name] for name in found}
    assert len(found) == 16


def test_an_unreachable_index_stops_the_projection_and_not_the_run(
    cluster: Cluster, folder: Path, tmp_path: Path
) -> None:
    job, units = _job(folder, tmp_path / "w")
    (tmp_path / "state").write_text("a file where the folder should be")
    projection = cluster.projection(job, IndexTarget(tmp_path / "state"))
    for committed in cluster.run(
        job, KnownContents.none(), units, Placement(0, 1, 0, 1), Control()
    ):
        projection.apply(committed.part)
    projection.close()

    assert projection.broken
    assert len(job.catalog.parts("c")) == len(units)
