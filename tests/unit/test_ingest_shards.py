"""What runs after the first make of shards: unchanged, cut off, renamed, gone. Ray never starts."""

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pdray.catalog.catalog import Catalog
from pdray.catalog.planner import Planner
from pdray.catalog.units import cut
from pdray.catalog.view import KnownContents, live_records
from pdray.config import Settings, load
from pdray.ingest.current import Options
from pdray.ingest.report import Report
from pdray.ingest.run import index
from pdray.ingest.stages import Job, commit, decode
from pdray.models.resolve import resolve
from pdray.records import Failure, ImageRef
from pdray.sources import open_source

SPEC = resolve("builtin")


def pack(path: Path, shades: Mapping[str, int]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, shade in shades.items():
            data = io.BytesIO()
            Image.new("L", (20, 20), shade).save(data, format="PNG")
            info = tarfile.TarInfo(name)
            info.size = len(data.getvalue())
            tar.addfile(info, io.BytesIO(data.getvalue()))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two shards of five images each and one of one, committed as a run would."""
    shards, workspace = tmp_path / "shards", tmp_path / "workspace"
    shards.mkdir()
    for at, name in enumerate(("a.tar", "b.tar")):
        pack(shards / name, {f"in/{n}.png": 100 * at + n for n in range(5)})
    pack(shards / "z.tar", {"stays.png": 250})
    catalog = Catalog.open(str(workspace), create=True)
    source = open_source(str(shards))
    with Planner(catalog, "default", SPEC.space, None) as planner:
        for entry in source.list():
            assert isinstance(entry, ImageRef | Failure)
            planner.add(entry, 0)
        planner.plan()
        items = list(planner.items())
    job = Job(catalog, "default", "run", SPEC, (source,), thumbnail_side=16)
    for unit in cut(items, collection="default", pipeline="1", images=64):
        decoded = decode(job, KnownContents.none(), unit, None)
        vectors = np.random.default_rng(0).random((len(decoded.contents), SPEC.dim), np.float32)
        commit(job, decoded, vectors)
    return load({"workspace": str(workspace), "model": "builtin"})


def run(settings: Settings, tmp_path: Path) -> Report:
    return index(settings, [str(tmp_path / "shards")], Options())


def ids(settings: Settings) -> dict[str, str | None]:
    rows = live_records(Catalog.open(settings.workspace), settings.collection)
    return {r.uri.rpartition("/shards/")[2]: r.image_id for r in rows if r.status == "ok"}


def test_shards_that_are_unchanged_cut_off_mended_renamed_and_gone(
    settings: Settings, tmp_path: Path
) -> None:
    shards = tmp_path / "shards"
    first = ids(settings)
    assert len(first) == 11
    assert run(settings, tmp_path).unchanged == 11

    whole, stamp = (shards / "b.tar").read_bytes(), (shards / "b.tar").stat()
    (shards / "b.tar").write_bytes(whole[:512])
    cut_off = run(settings, tmp_path)
    assert (cut_off.unchanged, cut_off.failed, cut_off.deleted) == (6, 1, 0)
    assert any("b.tar!/" in note and "cut off" in note for note in cut_off.notes)
    assert ids(settings) == first, "what can't be seen is not gone"

    (shards / "b.tar").write_bytes(whole)
    os.utime(shards / "b.tar", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    mended = run(settings, tmp_path)
    assert (mended.unchanged, mended.failed) == (11, 0)
    assert ids(settings) == first
    assert not [r for r in live_records(Catalog.open(settings.workspace), "default") if r.failure]

    (shards / "a.tar").rename(shards / "c.tar")
    (shards / "b.tar").unlink()
    last = run(settings, tmp_path)
    assert (last.moved, last.read, last.deleted) == (5, 0, 5)
    kept = {uri.replace("a.tar", "c.tar"): i for uri, i in first.items() if uri[0] != "b"}
    assert ids(settings) == kept


def test_what_is_newly_excluded_stays(settings: Settings, tmp_path: Path) -> None:
    options = Options(exclude=("b.tar", "*4.png"))
    report = index(settings, [str(tmp_path / "shards")], options)
    assert (report.seen, report.deleted) == (5, 0)
    narrow = index(settings, [str(tmp_path / "shards" / "a*.tar")], Options())
    assert (narrow.seen, narrow.deleted) == (5, 0)
    assert len(ids(settings)) == 11
