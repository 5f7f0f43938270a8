"""The same images as a folder, as tar shards, as Parquet and on S3: whoever searches can't tell.

Each form has a workspace of its own, so that each is really read, decoded and embedded. Ray is left
out (see tests/faults/plain.py); that it commits the same is held in tests/ray.
"""

import tarfile
import uuid
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pdray.catalog.catalog import Catalog
from pdray.catalog.view import live_records
from pdray.cli.searching import answered
from pdray.config import load
from pdray.search.query import Query
from tests.faults.harness import look
from tests.faults.plain import Call, run
from tests.faults.points import Fault

pytestmark = [pytest.mark.e2e]

SCENES = 32
HITS = 6


@pytest.fixture(scope="module")
def scenes(tmp_path_factory, indexed):
    """The scenes as a folder and in shards, and what people ask for."""
    home = tmp_path_factory.mktemp("alike")
    for form in ("folder", "tar", "parquet"):
        (home / form).mkdir()
    names = sorted(indexed.captions)[:SCENES]
    data = {name: (indexed.photos / name).read_bytes() for name in names}
    for name in names:
        (home / "folder" / name).write_bytes(data[name])
    for number, some in enumerate((names[:10], names[10:])):
        with tarfile.open(home / "tar" / f"{number}.tar", "w") as tar:
            for name in some:
                tar.add(indexed.photos / name, name)
        table = pa.table({"image": [data[name] for name in some]})
        pq.write_table(table, home / "parquet" / f"{number}.parquet", row_group_size=7)
    texts = [*(indexed.captions[name] for name in names[:12]), "a red star", "night"]
    asked = [Query(text, None, HITS) for text in texts]
    asked += [Query(None, data[name], HITS) for name in names[:4]]
    return home, asked


def put_on_s3(folder: Path, s3) -> str:
    system = fsspec.filesystem("s3", **s3.options)
    bucket = f"alike-{uuid.uuid4().hex}"
    system.mkdir(bucket)
    for path in folder.iterdir():
        system.pipe_file(f"{bucket}/{path.name}", path.read_bytes())
    return f"s3://{bucket}"


def found(home: Path, location: str, asked: list[Query], environ) -> tuple[dict, list]:
    """(vector by content, the contents and scores that each query finds)."""
    place = home / f"of-{uuid.uuid4().hex}"
    place.mkdir()
    workspace, state = place / "workspace", place / "state"
    call = Call(location, str(workspace), str(state), Fault(str(place)), environ, unit_size=9)
    ended = run(call)
    assert ended.code == 0, ended.error
    assert (ended.report["indexed"], ended.report["failed"]) == (SCENES, 0)
    rows = live_records(Catalog.open(str(workspace)), "default")
    content = {row.uri: row.content_id for row in rows}
    vectors = look(workspace, state).vectors
    settings = load({"workspace": str(workspace), "state_dir": str(state)})
    answers = answered(settings, asked)
    told = [[(content[hit.uri], hit.score) for hit in answer.hits] for answer in answers]
    return {row.content_id: vectors[row.image_id] for row in rows}, told


def test_a_folder_shards_and_a_bucket_give_the_same_vectors_and_the_same_answers(scenes, s3):
    home, asked = scenes
    plain, wanted = found(home, str(home / "folder"), asked, {})
    assert len(plain) == SCENES
    assert [len(hits) for hits in wanted] == [HITS] * len(wanted)
    for location in (str(home / "tar"), str(home / "parquet"), put_on_s3(home / "folder", s3)):
        vectors, answers = found(home, location, asked, s3.environment)
        assert vectors.keys() == plain.keys(), location
        for content, vector in vectors.items():
            other = plain[content]
            cosine = vector @ other / (np.linalg.norm(vector) * np.linalg.norm(other))
            assert cosine >= 0.9999, location
        for hits, expected in zip(answers, wanted, strict=True):
            assert {content for content, _ in hits} == {content for content, _ in expected}
            scores = [[score for _, score in one] for one in (hits, expected)]
            assert scores[0] == pytest.approx(scores[1], abs=1e-3)
