"""The same images as a folder, in shards and in a bucket are the same contents to the catalog."""

import io
import json
import tarfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pdray.catalog.catalog import Catalog
from pdray.catalog.planner import Planner
from pdray.catalog.units import cut
from pdray.catalog.view import KnownContents
from pdray.ingest.stages import Job, commit, decode
from pdray.models.resolve import resolve
from pdray.records import Failure, ImageRecord, ImageRef
from pdray.sources import open_source
from pdray.sources.protocol import Source

SPEC = resolve("builtin")


@pytest.fixture(scope="module")
def pictures() -> Mapping[str, bytes]:
    found = {}
    for number in range(12):
        data = io.BytesIO()
        shades = np.random.default_rng(number).integers(0, 255, (40, 50, 3), np.uint8)
        Image.fromarray(shades).save(data, format="PNG" if number % 2 else "JPEG")
        found[f"sub/{number:03}.{'png' if number % 2 else 'jpg'}"] = data.getvalue()
    return found


@pytest.fixture(scope="module")
def plain(
    pictures: Mapping[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> list[ImageRecord]:
    """The rows of the images as files in a folder."""
    folder = tmp_path_factory.mktemp("plain")
    return rows_of(open_source(write_folder(folder, pictures)))


def caption_of(name: str) -> str:
    return f"the picture {name}"


def write_folder(root: Path, pictures: Mapping[str, bytes]) -> str:
    for name, data in pictures.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return str(root)


def write_tar(root: Path, pictures: Mapping[str, bytes]) -> str:
    root.mkdir()
    names = sorted(pictures)
    for number, some in enumerate((names[:5], names[5:])):
        with tarfile.open(root / f"{number}.tar", "w") as tar:
            for name in some:
                _add(tar, name, pictures[name])
                beside = json.dumps({"text": caption_of(name), "number": 7}).encode()
                _add(tar, f"{name.partition('.')[0]}.json", beside)
    return str(root)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def write_parquet(root: Path, pictures: Mapping[str, bytes]) -> str:
    root.mkdir()
    names = sorted(pictures)
    for number, some in enumerate((names[:5], names[5:])):
        values = [{"bytes": pictures[name], "path": name} for name in some]
        table = pa.table(
            {
                "image": values,
                "text": [caption_of(name) for name in some],
                "number": [7] * len(some),
            }
        )
        pq.write_table(table, root / f"{number}.parquet", row_group_size=3)
    return str(root)


def in_bucket(server: Any, folder: str) -> str:
    system = fsspec.filesystem("s3", **server.options)
    bucket = f"alike-{uuid.uuid4().hex}"
    system.mkdir(bucket)
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            system.pipe_file(f"{bucket}/{path.relative_to(folder)}", path.read_bytes())
    return f"s3://{bucket}"


def rows_of(source: Source) -> list[ImageRecord]:
    """What a run would commit of this source, by planner and stages as a run uses them."""
    catalog = Catalog.open(f"memory://{uuid.uuid4().hex}", create=True)
    with Planner(catalog, "c", SPEC.space, None) as planner:
        for entry in source.list():
            assert isinstance(entry, ImageRef | Failure)
            planner.add(entry, 0)
        planner.listed(source.root)
        planner.plan(covers=source.covers)
        items = list(planner.items())
    job = Job(catalog, "c", "run", SPEC, (source,), thumbnail_side=16)
    for unit in cut(items, collection="c", pipeline="1", images=5):
        decoded = decode(job, KnownContents.none(), unit, None)
        commit(job, decoded, np.ones((len(decoded.contents), SPEC.dim), np.float32))
    assert not list(replan(catalog, source)), "a second run finds nothing to do"
    return [row for part in catalog.parts("c") for row in catalog.read_part(part).records]


def replan(catalog: Catalog, source: Source) -> Iterator[Any]:
    with Planner(catalog, "c", SPEC.space, None) as planner:
        for entry in source.list():
            assert isinstance(entry, ImageRef | Failure)
            planner.add(entry, 0)
        planner.listed(source.root)
        plan = planner.plan(covers=source.covers)
        assert not plan.vanished
        yield from planner.items()


@pytest.mark.parametrize("form", ["tar", "parquet", "folder on S3", "tar on S3", "parquet on S3"])
def test_contents_are_the_same_in_whatever_form_they_come(
    form: str, tmp_path: Path, pictures: Mapping[str, bytes], plain: list[ImageRecord], s3: Any
) -> None:
    assert len({row.content_id for row in plain}) == len(pictures)
    location = write_folder(tmp_path / "folder", pictures)
    if form.startswith("tar"):
        location = write_tar(tmp_path / "tar", pictures)
    if form.startswith("parquet"):
        location = write_parquet(tmp_path / "parquet", pictures)
    if form.endswith("S3"):
        location = in_bucket(s3, location)
    rows = rows_of(open_source(location))
    assert [row.status for row in rows] == ["ok"] * len(pictures)
    assert {row.content_id for row in rows} == {row.content_id for row in plain}
    assert {row.size for row in rows} == {len(data) for data in pictures.values()}
    if form.startswith("tar"):
        for row in rows:
            name = row.uri.partition("!/")[2]
            assert row.metadata.caption == caption_of(name)
            key = name.partition(".")[0]
            assert json.loads(row.metadata.extra or "") == {"__key__": key, "number": 7}
    if form.startswith("parquet"):
        for row in rows:
            said = json.loads(row.metadata.extra or "")
            assert row.metadata.caption == caption_of(said["path"])
            assert said["number"] == 7
