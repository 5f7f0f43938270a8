"""Captions through Ray: beside embeddings in one run, on CPUs and on GPUs, and alone afterwards."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import ray

from pdray.catalog import captions
from pdray.catalog.catalog import Catalog
from pdray.catalog.units import Item, Unit, cut
from pdray.catalog.view import KnownContents
from pdray.ingest.compose import Cluster
from pdray.ingest.control import Control
from pdray.ingest.placement import Placement
from pdray.ingest.stages import Job
from pdray.models.captioners import resolve_captioner
from pdray.models.resolve import resolve
from pdray.records import ImageRef, content_id
from pdray.samples.captions import simple_caption
from pdray.samples.collection import samples, write_collection
from pdray.sources.opening import open_source
from pdray.sources.uri import to_path

pytestmark = pytest.mark.ray
COUNT = 12


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # One GPU in name only: Ray schedules by it, the models run on the CPU.
    ray.init(address="local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
    yield Cluster(2, 1)
    ray.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scenes")
    write_collection(out, COUNT, 9, sides=(160, 200))
    (out / "broken.jpg").write_bytes(b"no picture")
    return out


def _job(folder: Path, workspace: Path) -> tuple[Job, list[Unit]]:
    source = open_source(str(folder))
    catalog = Catalog.open(str(workspace), create=True)
    spec, captioner = resolve("builtin"), resolve_captioner("builtin")
    job = Job(catalog, "c", "run", spec, (source,), captioner)
    listed = (entry for entry in source.list() if isinstance(entry, ImageRef))
    items = [Item(e.uri, e.size, e.version, 1, 0, place=e.place) for e in listed]
    return job, list(cut(items, collection="c", pipeline="1", images=5))


def _said(job: Job) -> list[str]:
    assert job.captioner is not None
    parts = captions.parts(job.catalog, job.captioner.key)
    return sorted(text for path in parts for text in captions.read(job.catalog, path).values())


@pytest.mark.parametrize(
    "placement",
    [Placement(0, 1, 0, 1, 2, 1), Placement(1, 1, 1, 1, 2, 1)],
    ids=["captions beside the rest", "decode, embed, describe and commit apart"],
)
def test_a_run_describes_what_it_embeds_once(
    cluster: Cluster, folder: Path, tmp_path: Path, placement: Placement
) -> None:
    job, units = _job(folder, tmp_path)
    assert job.captioner is not None
    none = KnownContents.none()
    done = list(cluster.run(job, none, units, placement, Control()))
    assert sum(one.counts["captioned"] for one in done) == COUNT
    assert sum(one.counts["embedded"] for one in done) == COUNT
    assert sum(one.counts["failed"] for one in done) == 1
    wanted = {simple_caption(sample.scene) for sample in islice(samples(9), COUNT)}
    assert len(wanted.intersection(_said(job))) >= COUNT - 3
    # Another collection of the same images: both families are known by content.
    known = captions.known(job.catalog, job.captioner.key)
    other = replace(job, collection="d")
    units = list(cut(units[0].items, collection="d", pipeline="1", images=5))
    done = list(cluster.run(other, none, units, placement, Control(), known))
    assert sum(one.counts["captioned"] for one in done) == 0


def test_what_is_indexed_is_described_afterwards_and_changed_files_are_left(
    cluster: Cluster, folder: Path, tmp_path: Path
) -> None:
    job, units = _job(folder, tmp_path)
    shown = [item for unit in units for item in unit.items if "broken" not in item.uri]
    items = [replace(item, content_id=_content(item)) for item in shown]
    items[0] = replace(items[0], content_id="0" * 32)
    units = list(cut(items, collection="c", pipeline="captions", images=8))
    done = list(cluster.describe(job, units, Placement(0, 1, 0, 1), Control()))
    assert sum(one.captioned for one in done) == COUNT - 1
    assert sum(one.changed for one in done) == 1
    assert len(_said(job)) == COUNT - 1
    assert not job.catalog.embedding_parts(job.spec.space)


def _content(item: Item) -> str:
    return content_id(Path(to_path(item.uri)).read_bytes())
