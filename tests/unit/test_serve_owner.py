"""The owner of embedded indexes in a process of its own, and those who share it. Without Ray."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pdray.config import Settings
from pdray.ingest.target import index_target
from pdray.serve import metrics
from pdray.serve.app import build_app
from pdray.serve.engine import Engine
from pdray.serve.meeting import place
from pdray.serve.shared import Shared
from tests.served import Made, commit, copied, settings_of
from tests.waiting import until

SEARCH = "/api/v1/search"
_OWNER = """
import sys, threading
from pdray.config import load
from pdray.ingest.target import index_target
from pdray.serve.owner import Owner
settings = load({"workspace": sys.argv[1]}, environ={})
owner = Owner(settings, index_target(settings))
print("ready", flush=True)
sys.stdin.read()
owner.close()
"""


@contextmanager
def owning(settings: Settings) -> "Iterator[subprocess.Popen[str]]":
    """The owner of a workspace's indexes, until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, settings.workspace],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.communicate()  # which closes its input


@contextmanager
def replica(settings: Settings) -> Iterator[TestClient]:
    """One that shares the owner's indexes."""
    target = index_target(settings)
    folder = place(target)
    with (
        Engine(settings, target, Shared(folder), meeting=folder) as engine,
        TestClient(build_app(engine), base_url="http://127.0.0.1") as client,
    ):
        yield client


@pytest.fixture
def own(made: Made, tmp_path: Path) -> Made:
    return copied(made, tmp_path)


def test_replicas_answer_alike_and_see_what_is_committed_meanwhile(own: Made, tmp_path: Path):
    settings = settings_of(own)
    with owning(settings), replica(settings) as one, replica(settings) as other:
        until(lambda: one.get("/readyz").status_code == other.get("/readyz").status_code == 200)
        asked = {"text": "a red circle", "limit": 50}
        found = [client.post(SEARCH, json=asked).json() for client in (one, other)]
        for answer in found:
            answer.pop("took_ms")
        assert found[0] == found[1]
        assert len(found[0]["hits"]) == own.count
        assert one.post(SEARCH, json=asked).headers["x-cache"] == "hit"
        more = tmp_path / "more"
        more.mkdir()
        picture = next(own.photos.glob("*.jpg"))
        (more / "new.jpg").write_bytes(picture.read_bytes() + b"\0")
        commit(more, own.workspace)

        def seen() -> bool:
            counts = {len(c.post(SEARCH, json=asked).json()["hits"]) for c in (one, other)}
            return counts == {own.count + 1}

        until(seen, "what was committed", 5.0)


def test_a_killed_owner_is_a_bounded_503_and_the_next_one_answers(own: Made):
    settings = settings_of(own)
    with owning(settings) as first, replica(settings) as client:
        until(lambda: client.get("/readyz").status_code == 200)
        asked = {"text": "a blue square", "limit": 5}
        before = client.post(SEARCH, json=asked).json()["hits"]
        first.kill()
        first.wait()
        began = time.monotonic()
        said = client.post(SEARCH, json={"text": "something new"})
        assert said.status_code == 503
        assert said.json()["code"] == "index-unavailable"
        assert int(said.headers["retry-after"]) > 0
        assert time.monotonic() - began < 8.0
        until(lambda: client.get("/readyz").status_code == 503)
        with owning(settings):
            until(lambda: client.get("/readyz").status_code == 200)
            assert client.post(SEARCH, json=asked).json()["hits"] == before


def test_metrics_of_all_processes_are_one_page(own: Made):
    settings = settings_of(own)
    folder = place(index_target(settings))
    with owning(settings), replica(settings) as client:
        until(lambda: client.get("/readyz").status_code == 200)
        client.post(SEARCH, json={"text": "a circle"})
        hits = 'pdray_cache_total{result="hit"}'
        metrics.CACHE.add(result="hit")
        before = client.get("/metrics").text.partition(f"{hits} ")[2].split()[0]
        other = folder / "1.json"
        other.write_text(
            '{"pdray_cache_total": {"pdray_cache_total{result=\\"hit\\"}": 40},'
            ' "pdray_follow_lag_seconds": {"pdray_follow_lag_seconds": 99}}'
        )
        text = client.get("/metrics").text
        assert f"{hits} {int(before) + 40}" in text
        assert "pdray_follow_lag_seconds 99" in text  # process 1 lives
        other.rename(folder / "4194305.json")  # above the most that a process has as its number
        text = client.get("/metrics").text
        assert f"{hits} {int(before) + 40}" in text
        assert "pdray_follow_lag_seconds 99" not in text
        assert 'route="/api/v1/search",method="POST",status="200"' in text


def test_a_second_server_of_a_workspace_shares_the_first_ones_owner(own: Made):
    settings = settings_of(own)
    with owning(settings) as first, replica(settings) as client:
        until(lambda: client.get("/readyz").status_code == 200)
        with owning(settings):
            assert client.post(SEARCH, json={"text": "a red star"}).status_code == 200
            first.communicate()  # ends it
            until(lambda: client.post(SEARCH, json={"text": "new"}).status_code == 200)
            until(lambda: client.get("/readyz").status_code == 200)
