"""Thumbnails of what was just found come without a thread, and are what the route gives."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pdray.serve.engine import Engine
from pdray.serve.picturing import Packs


def test_what_was_just_found_has_the_thumbnail_that_its_route_gives(
    client: TestClient, monkeypatch: Any
):
    hit = client.post("/api/v1/search", json={"text": "a blue square", "limit": 1}).json()["hits"][
        0
    ]
    engine: Engine = client.app.state.engine  # type: ignore[attr-defined]
    assert engine.shown(hit["id"]) is not None
    quick = client.get(hit["thumbnail"])
    known = engine.shown
    monkeypatch.setattr(engine, "shown", lambda _: None)
    routed = client.get(hit["thumbnail"])
    monkeypatch.setattr(engine, "shown", known)
    assert quick.status_code == routed.status_code == 200
    assert quick.content == routed.content
    for name in ("etag", "cache-control", "content-type", "x-content-type-options"):
        assert quick.headers[name] == routed.headers[name]
    again = client.get(hit["thumbnail"], headers={"If-None-Match": quick.headers["etag"]})
    assert again.status_code == 304
    old = client.get(hit["thumbnail"].partition("?")[0])
    assert old.headers["cache-control"] == "private, no-cache"


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder on a disk: of files in memory Linux can't say what reading would wait for."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


def test_packs_give_what_is_there_and_leave_the_rest_to_others(disk: Path):
    packs = Packs()
    for number in range(100):
        (disk / str(number)).write_bytes(b"0123456789" * 10)
        assert packs.read(disk / str(number), 12, 3) == b"234"
    assert packs.read(disk / "gone", 0, 1) is None
    assert packs.read(disk / "0", 95, 10) is None
