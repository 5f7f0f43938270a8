"""How a server keeps a collection: chosen by size, made so, compared at every start."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pdray.config import load
from pdray.errors import IndexUnavailable
from pdray.index.layout import Layout, choose
from pdray.index.opening import open_index, rebuild_index
from pdray.index.points import Point
from pdray.index.target import IndexTarget
from pdray.ingest.target import index_target
from tests.qdrant_http import QdrantHttp

ID = "5f1f0b52-4be9-5a83-9d2b-8f2f6d1c7a10"


@pytest.fixture
def server() -> Iterator[QdrantHttp]:
    with QdrantHttp() as started:
        yield started


def target(server: QdrantHttp, path: Path, **more: object) -> IndexTarget:
    return IndexTarget(path, workspace=str(path), url=server.url, **more)  # type: ignore[arg-type]


def test_what_is_in_memory_follows_from_the_number_of_images() -> None:
    assert choose(100_000) == Layout()
    assert choose(10_000_000) == Layout(quantisation="int8", on_disk=True)
    assert choose(10**9) == Layout(shards=50, quantisation="binary", on_disk=True)
    assert choose(10**7, shards=6, quantisation="none", memory="ram") == Layout(shards=6)


def test_memory_and_disk_are_the_sum_of_vectors_and_graph() -> None:
    assert choose(10**5).memory(10**5, 512) == round(10**5 * (1024 + 140.8))
    assert choose(10**7).memory(10**7, 512) == round(10**7 * (512 + 140.8))
    assert choose(10**9).memory(10**9, 512) == round(10**9 * (64 + 140.8))
    assert choose(10**9, replicas=2).memory(10**9, 512) == 2 * choose(10**9).memory(10**9, 512)
    assert Layout(on_disk=True).memory(1000, 512) == 140_800
    assert choose(10**7).disk(10**7, 512) == round(10**7 * (1024 + 512 + 140.8))


def test_a_new_collection_is_made_as_the_settings_say(server: QdrantHttp, tmp_path: Path) -> None:
    flags = {"workspace": str(tmp_path), "qdrant_url": server.url, "qdrant_images": 30_000_000}
    settings = load({**flags, "qdrant_replicas": 2, "qdrant_write_consistency": 2}, environ={})
    open_index(index_target(settings), "x", 4).close()
    (made,) = server.client.get_collections().collections
    params = server.collection(None, made.name)["config"]["params"]
    assert (params["shard_number"], params["replication_factor"]) == (2, 2)
    assert params["write_consistency_factor"] == 2
    assert params["vectors"]["on_disk"] is True
    assert params["vectors"]["quantization_config"]["scalar"]["type"] == "int8"


def test_a_collection_that_is_otherwise_is_told_of_works_and_is_mended_by_a_rebuild(
    server: QdrantHttp, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_index(target(server, tmp_path), "x", 4).close()
    assert not caplog.records
    wanted = target(server, tmp_path, layout=choose(10**7, shards=3))
    with caplog.at_level(logging.WARNING), open_index(wanted, "x", 4) as index:
        assert index.count() == 0
    (said,) = [record.getMessage() for record in caplog.records]
    assert "shards 1, not 3, quantisation none, not int8, vectors in memory, not on disk" in said
    assert "`pdray rebuild` makes it anew" in said
    with rebuild_index(wanted, "x", 4):
        pass
    caplog.clear()
    open_index(wanted, "x", 4).close()
    assert not caplog.records


def test_a_key_that_may_only_read_searches_and_is_refused_when_it_writes(
    server: QdrantHttp, tmp_path: Path
) -> None:
    server.keys = {"writes": True, "reads": False}
    point = Point(ID, np.ones(4, np.float32), {})
    with open_index(target(server, tmp_path, api_key="writes"), "x", 4) as index:
        index.upsert([point])
    with open_index(target(server, tmp_path, api_key="reads"), "x", 4) as index:
        assert [hit.id for hit in index.search(np.ones(4, np.float32), limit=1)] == [ID]
        with pytest.raises(IndexUnavailable, match="refused the API key"):
            index.upsert([point])
    with pytest.raises(IndexUnavailable, match="refused the API key"):
        open_index(target(server, tmp_path, api_key="neither"), "x", 4)


def test_the_budget_of_tries_is_a_setting(server: QdrantHttp, tmp_path: Path) -> None:
    server.stop()
    with pytest.raises(IndexUnavailable, match="after 2 tries"):
        open_index(target(server, tmp_path, attempts=2), "x", 4)
