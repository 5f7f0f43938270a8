"""What a collection lacks of a model: found on disk, and reached wherever it came from."""

import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pdray.catalog.catalog import Catalog
from pdray.catalog.units import Item
from pdray.catalog.view import KnownContents, known_contents, live_versions
from pdray.ingest.control import Control
from pdray.ingest.current import Options, Run
from pdray.ingest.deriving import count, lacking, reach
from pdray.ingest.origins import Origins
from pdray.ingest.report import Report
from pdray.ingest.spilled import Spilled
from pdray.ingest.tally import Tally
from pdray.models.resolve import resolve
from pdray.records import Failure
from tests.served import Made, commit, make, settings_of


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return make(tmp_path)


def _run(made: Made) -> Run:
    settings, spec = settings_of(made), resolve("builtin")
    catalog, report = Catalog.open(str(made.workspace)), Report("1", "default", "builtin")
    return Run(
        settings, Options(), catalog, (), spec, report, lambda p: None, Control(), Tally(report), 0
    )


def test_items_come_back_from_disk_as_often_as_wanted(tmp_path: Path) -> None:
    items = [
        Item(f"file:///{n:05d}.jpg", n, "v", 2, n % 3, None if n % 2 else f"i{n}", "ab", n % 5, "p")
        for n in range(20_000)
    ]
    kept = Spilled.of(iter(items), tmp_path / "spill")
    assert len(kept) == 20_000
    assert list(kept) == items
    assert list(kept) == items
    assert list((tmp_path / "spill").iterdir()) == []  # its file has no name
    assert list(Spilled.of([], tmp_path)) == []


def test_one_row_of_each_content_that_is_not_known_is_lacking(made: Made) -> None:
    twin = made.photos / "a-twin.png"  # before its original, by name
    twin.write_bytes((made.photos / "plain-0.png").read_bytes())
    commit(made.photos, made.workspace, run_id="again")
    run = _run(made)
    everything = list(lacking(run, KnownContents.none()))
    assert len(everything) == made.count
    uris = [item.uri for item in everything]
    assert uris == sorted(uris)
    assert twin.as_uri() in uris
    assert (made.photos / "plain-0.png").as_uri() not in uris
    versions = {uri: (image, version, seq, content) for image, uri, version, seq, content in
                live_versions(run.catalog, "default")}  # fmt: skip
    assert {i.uri: (i.image_id, i.version, i.seq, i.content_id) for i in everything} == {
        uri: versions[uri] for uri in uris
    }
    known = known_contents(run.catalog, run.spec.space)
    assert count(lacking(run, known)) == 0
    some = KnownContents(known.ids[:5], known.part[:5], known.parts)
    assert count(lacking(run, some)) == made.count - 5


def test_what_no_source_reaches_is_counted_and_the_first_few_are_named(made: Made) -> None:
    run = _run(made)
    items = list(lacking(run, KnownContents.none()))
    gone = [replace(item, uri=f"https://127.0.0.1:1/{n}.jpg") for n, item in enumerate(items[:9])]
    kept = reach(run, iter([*items, *gone]))
    assert list(kept) == [replace(item, source=0) for item in items]
    assert (run.report.seen, run.report.failed) == (made.count + 9, 9)
    assert len(run.report.notes) == 3
    assert run.report.notes[0].startswith("https://127.0.0.1:1/0.jpg can't be read: ")
    assert run.tally.snapshot("running")["failure_kinds"] == {"unreachable": 9}
    assert run.sources[0].read(items[0].uri)


def test_images_of_shards_are_found_where_they_lie_now(made: Made, tmp_path: Path) -> None:
    shard = tmp_path / "shard.tar"
    files = sorted(made.photos.glob("*.jpg"))[:3]
    with tarfile.open(shard, "w") as archive:
        for file in files:
            archive.add(file, file.name)
    names = [file.name for file in files]
    items = [Item(f"{shard.as_uri()}!/{name}", 0, "v", 1, 0) for name in [*names, "zz-gone.jpg"]]
    lost = Item(f"{(tmp_path / 'no.tar').as_uri()}!/a.jpg", 0, "v", 1, 0)
    origins = Origins(settings_of(made))
    *found, gone, away = list(origins.reach([*items, lost]))
    assert all(isinstance(item, Item) and item.place for item in found)
    for item, file in zip(found, files, strict=True):
        assert isinstance(item, Item)
        assert origins.sources[item.source].read(item.uri, item.place) == file.read_bytes()
    assert isinstance(gone, Failure)
    assert isinstance(away, Failure)
    assert (gone.kind, away.kind) == ("gone", "unreachable")


def test_ids_that_end_in_zeros_are_told_apart() -> None:
    ids = np.array([b"a" * 15 + b"\0", b"a" * 14 + b"\0\0"], "S16")
    known = KnownContents(np.sort(ids[:1]), np.zeros(1, np.int32), ["p"])
    assert list(known.hold(ids)) == [True, False]
