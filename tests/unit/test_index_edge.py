"""The embedded index: kills, half-made shards, damage, owners, threads, graphs."""

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge
from numpy.typing import NDArray

import pdray.index.edge
import pdray.index.edge_shard
from pdray.errors import IndexUnavailable
from pdray.index.edge import open_edge
from pdray.index.filters import Filter, Range
from pdray.index.opening import open_index, rebuild_index
from pdray.index.points import Point
from pdray.index.schema import PAYLOAD_INDEXES
from pdray.index.target import IndexTarget

DIM = 16
SPACE = "test-0123456789ab"

FEW = {"collection": "tenant", "iso": "integer"}  # each index of a field costs time at creation

PRELUDE = f"""
import os, signal, sys, uuid
from pathlib import Path
import numpy as np
import pdray.index.edge as edge
import pdray.index.edge_shard
pdray.index.edge_shard.PAYLOAD_INDEXES = {FEW}
from pdray.index.opening import open_index, rebuild_index
from pdray.index.points import Point
from pdray.index.target import IndexTarget
target = IndexTarget(Path(sys.argv[1]))
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
def points(start, end):
    return [Point(str(uuid.uuid5(uuid.NAMESPACE_URL, str(i))), np.full({DIM}, i + 1, np.float32),
                  {{"collection": "pets"}}) for i in range(start, end)]
"""


@pytest.fixture(autouse=True)
def few_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdray.index.edge_shard, "PAYLOAD_INDEXES", FEW)


def killed(state: Path, code: str) -> None:
    """Runs code in a process that must end by its own SIGKILL."""
    done = subprocess.run([sys.executable, "-c", PRELUDE + code, str(state)], check=False)
    assert done.returncode == -signal.SIGKILL


def name(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))


def points(count: int) -> list[Point]:
    return [
        Point(name(i), np.full(DIM, i + 1, np.float32), {"collection": "pets"})
        for i in range(count)
    ]


def generation(state: Path) -> Path:
    space = state / "index" / SPACE
    return space / str(json.loads((space / "current.json").read_text())["generation"])


def test_a_killed_process_loses_nothing_acknowledged(tmp_path: Path) -> None:
    code = f"""
index = open_index(target, "{SPACE}", {DIM})
index.upsert(points(0, 600))
index.ledger.mark(["first"])
index.upsert(points(600, 700))
index.delete([points(0, 1)[0].id])
index.annotate({{points(1, 2)[0].id: {{"tags": ["cat"]}}}})
die()
"""
    killed(tmp_path, code)
    with open_index(IndexTarget(tmp_path), SPACE, DIM) as index:
        assert {point for point, _ in index.scroll("pets")} == {name(i) for i in range(1, 700)}
        assert index.retrieve([name(1)])[0].payload["keywords"] == ["cat"]
        assert index.ledger.applied() == {"first"}


def test_a_shard_whose_making_was_killed_is_made_again(tmp_path: Path) -> None:
    killed(tmp_path, f'edge.write_current = die\nopen_index(target, "{SPACE}", {DIM})')
    half = next((tmp_path / "index" / SPACE).glob("g-*"))
    with open_index(IndexTarget(tmp_path), SPACE, DIM) as index:
        index.upsert(points(3))
        assert index.count() == 3
    assert not half.exists()


def test_a_killed_rebuild_leaves_the_old_index(tmp_path: Path) -> None:
    with open_index(IndexTarget(tmp_path), SPACE, DIM) as index:
        index.upsert(points(3))
        index.ledger.mark(["old"])
    code = f"""
with rebuild_index(target, "{SPACE}", {DIM}) as index:
    index.upsert(points(0, 50))
    index.ledger.mark(["new"])
    edge.write_current = die
"""
    killed(tmp_path, code)
    with open_index(IndexTarget(tmp_path), SPACE, DIM) as index:
        assert index.count() == 3
        assert index.ledger.applied() == {"old"}
    assert list((tmp_path / "index" / SPACE).glob("g-*")) == [generation(tmp_path)]


def test_a_second_opener_is_told_who_holds_the_index(tmp_path: Path) -> None:
    with (
        open_index(IndexTarget(tmp_path, label="pdray serve"), SPACE, DIM),
        pytest.raises(IndexUnavailable, match=rf"process {os.getpid()} \(pdray serve\)"),
    ):
        open_index(IndexTarget(tmp_path), SPACE, DIM, wait_seconds=0)
    open_index(IndexTarget(tmp_path), SPACE, DIM, wait_seconds=0).close()


def test_an_index_that_fails_to_open_is_let_go(tmp_path: Path) -> None:
    open_index(IndexTarget(tmp_path), SPACE, DIM).close()
    with pytest.raises(IndexUnavailable, match="16 dimensions, not 32"):
        open_index(IndexTarget(tmp_path), SPACE, 32)
    open_index(IndexTarget(tmp_path), SPACE, DIM, wait_seconds=0).close()


@pytest.mark.parametrize("damage", ["segments", "config", "record", "format", "gone"])
def test_a_damaged_index_asks_for_a_rebuild_and_gets_well_by_it(
    tmp_path: Path, damage: str
) -> None:
    with open_index(IndexTarget(tmp_path), SPACE, DIM) as index:
        index.upsert(points(3))
        index.ledger.mark(["old"])
    shard = generation(tmp_path) / "shard"
    record = tmp_path / "index" / SPACE / "current.json"
    if damage == "segments":
        for path in shard.glob("segments/*/segment.json"):
            path.write_text("{")
    elif damage == "config":
        (shard / "edge_config.json").write_text("")
    elif damage == "record":
        record.write_text("{")
    elif damage == "format":
        record.write_text(json.dumps({**json.loads(record.read_text()), "format": 99}))
    else:
        shard.rename(tmp_path / "elsewhere")
    with pytest.raises(IndexUnavailable, match="pdray rebuild"):
        open_index(IndexTarget(tmp_path), SPACE, DIM)
    with rebuild_index(IndexTarget(tmp_path), SPACE, DIM) as index:
        index.upsert(points(2))
    with open_index(IndexTarget(tmp_path), SPACE, DIM) as index:
        assert index.count() == 2
        assert index.ledger.applied() == set()


def test_an_index_that_was_closed_says_so(tmp_path: Path) -> None:
    index = open_index(IndexTarget(tmp_path), SPACE, DIM)
    index.close()
    index.close()
    with pytest.raises(IndexUnavailable):
        index.count()


def test_a_field_that_a_new_release_filters_by_is_indexed_on_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_index(IndexTarget(tmp_path), SPACE, DIM).close()
    monkeypatch.setattr(pdray.index.edge_shard, "PAYLOAD_INDEXES", PAYLOAD_INDEXES)
    open_index(IndexTarget(tmp_path), SPACE, DIM).close()
    shard = qdrant_edge.EdgeShard.load(str(generation(tmp_path) / "shard"))
    assert shard.info().payload_schema.keys() == PAYLOAD_INDEXES.keys()
    shard.close()


def test_people_can_annotate_while_ingestion_writes(tmp_path: Path) -> None:
    with open_index(IndexTarget(tmp_path), SPACE, DIM) as index:
        index.upsert(points(50))

        def annotate() -> None:
            for turn in range(100):
                index.annotate({name(turn % 50): {"rating": turn // 50, "tags": [f"t{turn}"]}})

        thread = threading.Thread(target=annotate)
        thread.start()
        for _ in range(30):
            index.upsert(points(50))
        thread.join()
        kept = {(found["rating"], *found["keywords"]) for _, found in index.scroll()}
        assert kept == {(1, f"t{turn}") for turn in range(50, 100)}


@pytest.mark.parametrize("exact_up_to", [50_000, 0])
def test_a_filter_over_a_graph_still_finds_the_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact_up_to: int
) -> None:
    monkeypatch.setattr(pdray.index.edge, "EXACT_UP_TO", exact_up_to)
    count = 3_000
    rows = np.random.default_rng(0).standard_normal((count, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    target = IndexTarget(tmp_path)
    with open_edge(target, SPACE, DIM, wait_seconds=0, optimise_from=count) as index:
        index.upsert(
            [
                Point(name(i), row, {"collection": "pets", "iso": i % 100})
                for i, row in enumerate(rows)
            ]
        )
        index.optimise()
        kept = [i for i in range(count) if i % 100 < 15]
        everything = list(range(count))
        hit = 0
        for query in rows[:10] + rows[10:20]:
            narrow = index.search(query, limit=10, where=Filter("pets", (Range("iso", lt=15),)))
            wide = index.search(query, limit=10)
            hit += len({found.id for found in narrow} & _nearest(rows, query, kept))
            hit += len({found.id for found in wide} & _nearest(rows, query, everything))
        assert hit >= (200 if exact_up_to else 190)
    shard = qdrant_edge.EdgeShard.load(str(generation(tmp_path) / "shard"))
    assert shard.info().indexed_vectors_count == count
    shard.close()


def test_what_deleted_points_leave_behind_is_swept_away(tmp_path: Path) -> None:
    with open_index(IndexTarget(tmp_path), SPACE, DIM) as index:
        index.upsert(points(3_000))
        index.delete([name(i) for i in range(2_000)])
        segments = generation(tmp_path) / "shard" / "segments"
        before = set(segments.iterdir())
        index.optimise()
        assert {point for point, _ in index.scroll()} == {name(i) for i in range(2_000, 3_000)}
        index.upsert(points(10))
        assert index.count() == 1_010
    assert not before & set(segments.iterdir())


def _nearest(rows: NDArray[np.float32], query: NDArray[np.float32], among: list[int]) -> set[str]:
    best = sorted(among, key=lambda i: -float(rows[i] @ query))[:10]
    return {name(i) for i in best}
