"""The cache of answers: in memory and in a real Redis; and never an answer from before an edit."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from starlette.testclient import TestClient

from pdray.catalog.catalog import Catalog
from pdray.config import Settings
from pdray.ingest.project import Projector
from pdray.ingest.target import index_target
from pdray.models.resolve import resolve
from pdray.serve.app import build_app
from pdray.serve.cache import Cache, MemoryCache, RedisCache
from pdray.serve.engine import Engine
from pdray.serve.version import SeenVersion, Version
from tests.qdrant_http import QdrantHttp
from tests.served import Made, commit, copied, settings_of

SEARCH = "/api/v1/search"


def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=["memory", "redis", pytest.param("service", marks=pytest.mark.server)])
def make_cache(request: pytest.FixtureRequest) -> Callable[[], Cache]:
    if request.param == "memory":
        return lambda: MemoryCache(10_000)
    if request.param == "service":
        service = os.environ.get("PDRAY_TEST_REDIS_URL")
        if not service:
            pytest.skip("PDRAY_TEST_REDIS_URL names no server")
        return lambda: RedisCache(service)
    url = request.getfixturevalue("redis_url")
    return lambda: RedisCache(url)


def test_an_answer_is_kept_for_its_version_alone(make_cache: Callable[[], Cache]):
    async def scenario() -> None:
        cache = make_cache()
        assert await cache.get(b"question", 7) is None
        await cache.put(b"question", 7, b"answer")
        assert await cache.get(b"question", 7) == b"answer"
        assert await cache.get(b"another", 7) is None
        assert await cache.get(b"question", 8) is None
        await cache.put(b"question", 8, b"newer")
        assert await cache.get(b"question", 8) == b"newer"
        assert await cache.get(b"question", 7) is None

    asyncio.run(scenario())


def test_memory_is_bounded_and_the_least_recently_used_goes_first():
    async def scenario() -> None:
        cache = MemoryCache(3_000)
        for name in (b"a", b"b"):
            await cache.put(name, 1, b"x" * 1_000)
        assert await cache.get(b"a", 1)
        await cache.put(b"c", 1, b"x" * 1_000)
        assert await cache.get(b"b", 1) is None
        assert await cache.get(b"a", 1)
        await cache.put(b"huge", 1, b"x" * 10_000)
        assert await cache.get(b"huge", 1) is None

    asyncio.run(scenario())


def test_a_redis_that_is_gone_only_means_that_nothing_is_kept():
    async def scenario() -> None:
        cache = RedisCache(f"redis://:secret@127.0.0.1:{port()}/0")
        await cache.put(b"question", 1, b"answer")
        assert await cache.get(b"question", 1) is None

    asyncio.run(scenario())


def test_a_version_never_comes_again_and_others_see_it(tmp_path: Path):
    path = tmp_path / "version"
    first = Version(path)
    seen = SeenVersion(path)
    before = seen.now
    first.move()
    assert before < seen.now == first.now
    again = Version(path)  # the process started anew
    assert again.now > before + 1
    assert seen.now == again.now


@pytest.mark.parametrize("where", ["memory", "redis"])
def test_no_answer_from_before_an_edit_is_given_after_it(
    made: Made, tmp_path: Path, where: str, request: pytest.FixtureRequest
):
    url = request.getfixturevalue("redis_url") if where == "redis" else None
    settings = settings_of(made, state_dir=str(tmp_path), serve_cache_url=url)
    with (
        Engine(settings, index_target(settings)) as engine,
        TestClient(build_app(engine), base_url="http://127.0.0.1") as client,
    ):
        asked = {"text": "has:date", "limit": 1}
        id = post(client, asked)["hits"][0]["id"]
        done = 0  # the last edit that its author was told of
        ended = threading.Event()
        behind: list[tuple[int, int]] = []
        cached = 0
        answers: SimpleQueue[int] = SimpleQueue()  # the edit after which each was asked for

        def ask() -> None:
            nonlocal cached
            while not ended.is_set():
                least = done
                answered = client.post(SEARCH, json=asked)
                cached += answered.headers["x-cache"] == "hit"
                shown = answered.json()["hits"][0]["rating"] or 0
                if shown < least:
                    behind.append((shown, least))
                answers.put(least)

        askers = [threading.Thread(target=ask) for _ in range(3)]
        for asker in askers:
            asker.start()
        for number in range(1, 21):
            # As a machine's key: people's own are not shown by the API yet.
            stored = engine.index("default").retrieve([id], with_vectors=True)[0]
            engine.index("default").upsert([rated(stored, number)])
            done = number
            for _ in range(2):  # asked for between two edits
                while answers.get(timeout=60) < number:
                    continue
        ended.set()
        for asker in askers:
            asker.join()
        assert behind == []
        assert cached > 0
        assert post(client, asked)["hits"][0]["rating"] == 20


def rated(stored: Any, rating: int) -> Any:
    from pdray.index.points import Point

    return Point(stored.id, stored.vector, {**stored.payload, "rating": rating})


def post(client: TestClient, asked: dict[str, Any]) -> Any:
    answered = client.post(SEARCH, json=asked)
    assert answered.status_code == 200, answered.text
    return answered.json()


def test_what_is_kept_and_what_is_not_can_be_seen(client: TestClient, made: Made):
    asked = {"text": "a red square", "limit": 3}
    first = client.post(SEARCH, json=asked)
    again = client.post(SEARCH, json=asked)
    assert [one.headers["x-cache"] for one in (first, again)] == ["miss", "hit"]
    one, other = first.json(), again.json()
    assert one.pop("took_ms")["encode"] > 0
    assert other.pop("took_ms")["encode"] == 0
    assert one == other
    image = next(made.photos.glob("*.jpg")).read_bytes()
    for _ in range(2):
        sent = client.post(SEARCH, files={"image": ("x.jpg", image, "image/jpeg")})
        assert sent.headers["x-cache"] == "none"


def projected(made: Made, settings: Settings) -> None:
    """Writes what is committed to the index, as a run does where a Qdrant server holds it."""
    catalog = Catalog.open(settings.workspace)
    projector = Projector.open(catalog, index_target(settings), resolve("builtin"))
    projector.catch_up("default")
    projector.close()


def test_with_a_qdrant_server_replicas_name_its_state_alike_and_a_run_changes_it(
    drawn: Made, tmp_path: Path
):
    made = copied(drawn, tmp_path)
    with QdrantHttp() as qdrant:
        settings = settings_of(made, qdrant_url=qdrant.url)
        projected(made, settings)
        target = index_target(settings)
        with Engine(settings, target) as one, Engine(settings, target) as other:
            before = one.version
            assert before == other.version
            for engine in (one, other):
                engine.refresh()
            assert one.version == other.version == before
            more = tmp_path / "more"
            more.mkdir()
            picture = next(made.photos.glob("*.jpg"))
            (more / "new.jpg").write_bytes(picture.read_bytes() + b"\0")
            commit(more, made.workspace)
            projected(made, settings)
            for engine in (one, other):
                engine.refresh()
            assert one.version == other.version != before
            assert one.index("default").count("default") == made.count + 1
