"""The line to a server by gRPC: what goes wrong there is told, and tried again, as by REST."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pdray.errors import IndexUnavailable
from pdray.index.connection import connect
from pdray.index.points import Point
from pdray.index.retry import Retry
from pdray.index.server import ServerIndex, open_server
from pdray.index.target import IndexTarget
from tests.qdrant_grpc import QdrantGrpc
from tests.qdrant_http import Fate, QdrantHttp

SPACE, DIM = "test-0123456789ab", 4
POINT = Point("5f1f0b52-4be9-5a83-9d2b-8f2f6d1c7a10", np.ones(DIM, np.float32), {"name": "a"})


@pytest.fixture
def home() -> Iterator[QdrantHttp]:
    with QdrantHttp() as home:
        yield home


@pytest.fixture
def server(home: QdrantHttp) -> Iterator[QdrantGrpc]:
    with QdrantGrpc(home) as server:
        yield server


@pytest.fixture
def target(home: QdrantHttp, server: QdrantGrpc, tmp_path: Path) -> IndexTarget:
    return IndexTarget(tmp_path, str(tmp_path / "workspace"), home.url, server.port, timeout=5.0)


def opened(target: IndexTarget, retry: Retry | None = None) -> ServerIndex:
    line = connect(target, retry or Retry(4, sleep=lambda _: None))
    return open_server(line, target, SPACE, DIM)


@pytest.mark.parametrize("fate", [Fate.REFUSED, Fate.LOST])
def test_a_write_that_is_refused_or_lost_is_tried_again(
    home: QdrantHttp, target: IndexTarget, fate: Fate
) -> None:
    pauses: list[float] = []
    home.trouble = lambda number: fate if number <= 2 else Fate.ANSWERED
    with opened(target, Retry(4, sleep=pauses.append, jitter=lambda: 0.0)) as index:
        index.upsert([POINT])
        assert index.count() == 1
    assert pauses == [0.2, 0.4]


def test_a_server_that_stays_busy_is_given_up_in_one_sentence(
    home: QdrantHttp, target: IndexTarget
) -> None:
    home.trouble = lambda number: Fate.REFUSED
    with opened(target) as index:
        with pytest.raises(
            IndexUnavailable, match=r"gRPC, port \d+. .* after 4 tries .overloaded."
        ) as caught:
            index.upsert([POINT])
        assert "\n" not in str(caught.value)
    assert home.writes == 4


def test_a_server_that_comes_back_is_found(server: QdrantGrpc, target: IndexTarget) -> None:
    starts = [server.start]

    def come_back() -> float:  # before the first pause, which is as long as it really is
        while starts:
            starts.pop()()
        return 0.0

    with opened(target, Retry(jitter=come_back)) as index:
        server.stop()
        index.upsert([POINT])
        assert index.count() == 1


def test_a_key_that_may_only_read_reads(home: QdrantHttp, target: IndexTarget) -> None:
    home.keys = {"write": True, "read": False}
    with opened(replace(target, api_key="write")) as index:
        index.upsert([POINT])
    with opened(replace(target, api_key="read")) as index:
        assert [each.id for each in index.search(POINT.vector, limit=3)] == [POINT.id]
        with pytest.raises(IndexUnavailable, match="refused the API key: check it"):
            index.upsert([POINT])
    with pytest.raises(IndexUnavailable, match="refused the API key"):
        opened(replace(target, api_key="wrong"))


def test_a_collection_that_is_gone_is_named(home: QdrantHttp, target: IndexTarget) -> None:
    with opened(target) as index:
        for each in home.client.get_collections().collections:
            home.client.delete_collection(each.name)
        with pytest.raises(IndexUnavailable, match="was removed from the Qdrant server"):
            index.count()


def test_tls_trusts_the_named_authority_and_no_stranger(
    home: QdrantHttp, tmp_path: Path, certificate: Callable[[], tuple[Path, Path]]
) -> None:
    authority, chain = certificate()
    stranger, _ = certificate()
    with QdrantGrpc(home, chain) as server:
        url = home.url.replace("http://", "https://")
        target = IndexTarget(tmp_path, str(tmp_path / "w"), url, server.port, ca=authority)
        with opened(target) as index:
            assert index.count() == 0
        with pytest.raises(IndexUnavailable, match=r"isn't trusted .*: name its authority's PEM"):
            opened(replace(target, ca=stranger))
        with pytest.raises(IndexUnavailable, match="gRPC can't leave the certificate"):
            opened(replace(target, verify=False))
        with pytest.raises(IndexUnavailable, match="can't be read"):
            opened(replace(target, ca=tmp_path / "none.pem"))
