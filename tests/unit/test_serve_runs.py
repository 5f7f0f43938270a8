"""Runs and events of the API over a real small workspace. The runs are real processes; they find
little to do, so that only one starts Ray.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from pdray.catalog import lease, runs
from pdray.catalog.catalog import Catalog
from pdray.config import environment_of, load
from pdray.index.following import follower
from pdray.index.owner import owned_by
from pdray.ingest.target import index_target
from pdray.ingest.upkeep import compact
from pdray.serve import happenings
from pdray.serve.app import build_app
from pdray.serve.engine import Engine
from pdray.serve.launching import Wish
from tests.served import Made, settings_of
from tests.unit.test_serve_api import API, problem
from tests.waiting import until

DEADLINE = 180.0
WS = f"ws://127.0.0.1{API}"


def start(client: TestClient, *sources: Path | str, **more: Any) -> Any:
    asked = {"sources": [str(source) for source in sources], **more}
    answered = client.post(f"{API}/runs", json=asked)
    assert answered.status_code == 201, answered.text
    assert answered.headers["location"] == f"{API}/runs/{answered.json()['id']}"
    return answered.json()


def ended(client: TestClient, run: Any) -> Any:
    def look() -> Any:
        found = client.get(f"{API}/runs/{run['id']}").json()
        return None if found["live"] else found

    return until(look, "the end of the run", DEADLINE)


def test_a_run_is_started_followed_and_ends(client: TestClient, made: Made) -> None:
    begun = start(client, made.photos, exclude=["*.tmp"])
    assert begun["sources"] == [str(made.photos)]
    assert begun["model"] == "builtin"
    done = ended(client, begun)
    assert (done["state"], done["error"]) == ("completed", None)
    assert done["counts"]["unchanged"] == made.count
    assert done["exclude"] == ["*.tmp"]
    assert done["ended_at"] >= done["started_at"]
    listed = client.get(f"{API}/runs", params={"limit": 1}).json()["runs"]
    assert listed == [done]
    for command in ("pause", "resume", "cancel"):
        answered = client.post(f"{API}/runs/{done['id']}/{command}")
        assert problem(answered) == (409, "run-over")
        said = answered.json()
        assert "completed" in said["detail"]


def test_a_run_beside_the_server_is_seen_as_it_goes_on_and_searchable_at_once(
    client: TestClient, made: Made, tmp_path: Path
) -> None:
    for number in range(30):
        Image.new("RGB", (64, 48), (8 * number, 99, 30)).save(tmp_path / f"new-{number:02}.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no image")
    with client.websocket_connect(f"{WS}/events") as events:
        assert events.receive_json()["type"] == "hello"
        begun = start(client, tmp_path, model="builtin", collection="fresh")
        again = client.post(f"{API}/runs", json={"sources": [str(tmp_path)], "collection": "fresh"})
        assert problem(again) == (409, "collection-busy")
        assert begun["id"] in again.json()["detail"]
        paused = client.post(f"{API}/runs/{begun['id']}/pause").json()
        assert paused["state"] == "paused"
        seen = [events.receive_json()]
        while seen[-1]["type"] != "run" or seen[-1]["run"]["state"] != "paused":
            seen.append(events.receive_json())
        assert client.post(f"{API}/runs/{begun['id']}/resume").json()["state"] == "running"
        seen.append(events.receive_json())
        while seen[-1]["type"] != "collection" or seen[-1]["collection"]["images"] != 30:
            seen.append(events.receive_json())
    states = {one["run"]["state"] for one in seen if one["type"] == "run"}
    assert states >= {"running", "paused"}
    numbers = [place(one) for one in seen]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    done = ended(client, begun)
    assert done["state"] == "completed"
    assert done["failure_kinds"] == {"corrupt": 1}
    assert [(one["done"], one["failed"]) for one in done["folders"]] == [(31, 1)]
    assert "into its index" in done["notes"][-1]
    found = client.get(f"{API}/images", params={"collection": "fresh", "limit": 100}).json()
    assert len(found["images"]) == 30
    failed = client.get(f"{API}/runs/{begun['id']}/failures").json()
    assert failed["total"] == 1
    assert failed["failures"][0]["uri"].endswith("broken.jpg")
    assert failed["groups"] == [
        {"stage": "decode", "kind": "corrupt", "images": 1, "every_run": False}
    ]
    resumed = after(client, seen[0]["id"])
    assert [one["id"] for one in resumed[: len(seen) - 1]] == [one["id"] for one in seen[1:]]
    (tmp_path / "broken.jpg").unlink()  # so that there is no work for another Ray
    retried = client.post(f"{API}/runs/{begun['id']}/retry")
    assert retried.status_code == 201, retried.text
    assert retried.json()["retry_failed"] is True
    assert ended(client, retried.json())["counts"]["unchanged"] == 30
    assert client.get(f"{API}/runs/{begun['id']}/failures").json()["total"] == 0


def after(client: TestClient, last: str) -> list[Any]:
    """What a listener gets that comes back: all that happened since, or that it is lost."""
    with client.websocket_connect(f"{WS}/events?last_event_id={last}") as events:
        found = [events.receive_json()]
        if found[0]["type"] in ("gap", "hello"):
            return found
        with client.websocket_connect(f"{WS}/events") as now:
            newest = place(now.receive_json())
        while place(found[-1]) != newest:
            found.append(events.receive_json())
        return found


def place(event: Any) -> int:
    """Of an event, or of the one before a hello."""
    return int(event["id"].split("-")[1])


@contextmanager
def replica(made: Made, name: str, **settings_too: Any) -> Iterator[TestClient]:
    """One more server over the same workspace, with an index of its own."""
    settings = settings_of(made, state_dir=str(made.workspace / name), **settings_too)
    with (
        Engine(settings, index_target(settings)) as engine,
        TestClient(build_app(engine), base_url="http://127.0.0.1") as client,
    ):
        yield client


def test_another_replica_goes_on_where_one_left_off(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(happenings, "_APART_SECONDS", 0.0)  # it is one clock
    catalog = Catalog.open(str(made.workspace))

    def begin() -> str:
        run_id = runs.new_run_id()
        runs.start(catalog, run_id, {"collection": "default", "sources": [], "model": "m"})
        return run_id

    def told(events: Any, run_id: str) -> Any:
        while (event := events.receive_json())["type"] != "run" or event["run"]["id"] != run_id:
            pass
        return event

    with replica(made, "one") as one, replica(made, "other") as other:
        with other.websocket_connect(f"{WS}/events") as there:
            assert there.receive_json()["type"] == "hello"  # it looks from now on
            with one.websocket_connect(f"{WS}/events") as here:
                assert here.receive_json()["type"] == "hello"
                last = told(here, begin())
            later = begin()
            told(there, later)
            resumed = after(other, last["id"])
            assert resumed[0]["type"] not in ("gap", "hello")
            assert [e["run"]["id"] for e in resumed if e["type"] == "run"][-1] == later
        with replica(made, "new") as new:  # it has not looked since then
            assert [event["type"] for event in after(new, last["id"])] == ["gap"]


def test_what_one_replica_sees_the_others_see_at_once_through_redis(
    made: Made, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog.open(str(made.workspace))
    with ExitStack() as open_ones:

        def listening(name: str, look_seconds: float) -> Any:
            monkeypatch.setattr(happenings, "LOOK_SECONDS", look_seconds)
            client = open_ones.enter_context(replica(made, name, serve_cache_url=redis_url))
            line = open_ones.enter_context(client.websocket_connect(f"{WS}/events"))
            assert line.receive_json()["type"] == "hello"
            return line

        asleep = listening("asleep", 3600.0)
        listening("awake", 0.05)
        run_id = runs.new_run_id()
        runs.start(catalog, run_id, {"collection": "default", "sources": [], "model": "m"})
        while (event := asleep.receive_json())["type"] != "run" or event["run"]["id"] != run_id:
            pass


@pytest.mark.parametrize(
    "last", ["nonsense", "", "00000000-1", "-", "x-١-1", "00000000-1-1", 3 * ("0" * 8 + "-")]
)
def test_a_listener_from_elsewhere_is_told_of_the_gap(client: TestClient, last: str) -> None:
    assert [one["type"] for one in after(client, last)] == ["gap"]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"sources": []}, 422, "invalid"),
        ({"sources": ["/nowhere/at/all"]}, 400, "bad-source"),
        ({"sources": ["photos"]}, 400, "bad-source"),
        ({"sources": ["s3://key:secret@bucket/x"]}, 400, "bad-source"),
        ({"sources": ["os:path=/"]}, 400, "bad-source"),
        ({"sources": ["a\x00b"]}, 422, "invalid"),
        ({"sources": ["/none"], "collection": "../x"}, 422, "invalid"),
        ({"sources": ["/none"], "model": ""}, 422, "invalid"),
        ({"sources": ["/none"], "precision": "fp8"}, 422, "invalid"),
        ({"sources": ["/none"], "run_id": "x"}, 422, "invalid"),
        ({"sources": ["memory://nothing"], "collection": "odd"}, 409, "not-started"),
    ],
)
def test_a_wish_that_can_not_be_right_starts_nothing(
    client: TestClient, asked: dict[str, Any], status: int, code: str
) -> None:
    before = client.get(f"{API}/runs").json()
    answered = client.post(f"{API}/runs", json=asked)
    assert problem(answered) == (status, code)
    said = answered.json()
    assert "secret" not in said["detail"]
    assert client.get(f"{API}/runs").json() == before


def test_a_collection_that_something_else_holds_is_refused_in_words(
    client: TestClient, made: Made
) -> None:
    with lease.hold(Catalog.open(str(made.workspace)), "default", "compact"):
        said = client.post(f"{API}/runs", json={"sources": [str(made.photos)]})
        assert problem(said) == (409, "collection-busy")
        assert "compact is at work" in said.json()["detail"]


def test_unknown_runs_are_not_there(client: TestClient) -> None:
    unknown = "20250101T000000.000Z-abcdef"
    for call in (
        client.get(f"{API}/runs/{unknown}"),
        client.get(f"{API}/runs/{unknown}/failures"),
        client.post(f"{API}/runs/{unknown}/pause"),
        client.post(f"{API}/runs/{unknown}/retry"),
    ):
        assert problem(call) == (404, "no-run")
    assert problem(client.get(f"{API}/runs/other")) == (422, "invalid")


def test_pages_of_runs_are_all_of_them(client: TestClient, made: Made) -> None:
    catalog = Catalog.open(str(made.workspace))
    names = [f"20240101T00000{n}.000Z-abcde{n}" for n in range(5)]
    for name in names:
        runs.start(catalog, name, {"collection": "paged"})
    seen: list[str] = []
    cursor = None
    while True:
        params = {"collection": "paged", "limit": 2, **({"cursor": cursor} if cursor else {})}
        found = client.get(f"{API}/runs", params=params).json()
        seen += [run["id"] for run in found["runs"]]
        if (cursor := found["next_cursor"]) is None:
            break
    assert seen == names[::-1]
    assert {run["state"] for run in found["runs"]} == {"died"}


def test_a_page_of_another_site_starts_and_hears_nothing(client: TestClient) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:5"):
        said = client.post(f"{API}/runs", json={"sources": ["/none"]}, headers={"Origin": origin})
        assert problem(said) == (403, "foreign-origin")
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect(f"{WS}/events", headers={"Origin": origin}),
        ):
            pass
    ours = {"Origin": "http://127.0.0.1"}
    assert client.post(f"{API}/search", json={"text": "x"}, headers=ours).status_code == 200


def test_a_key_that_may_only_look_starts_nothing_and_listens(made: Made) -> None:
    state = str(made.workspace / "keyed-state")
    settings = settings_of(made, state_dir=state, serve_read_key="look", serve_write_key="change")
    with (
        Engine(settings, index_target(settings)) as engine,
        TestClient(build_app(engine), base_url="http://127.0.0.1") as client,
    ):
        look = {"Authorization": "Bearer look"}
        run = {"sources": [str(made.photos)]}
        assert problem(client.post(f"{API}/runs", json=run)) == (401, "no-key")
        assert problem(client.post(f"{API}/runs", json=run, headers=look)) == (403, "read-only")
        assert client.get(f"{API}/runs", headers=look).status_code == 200
        with client.websocket_connect(f"{WS}/events", headers=look) as events:
            assert events.receive_json()["type"] == "hello"
        with client.websocket_connect(f"{WS}/events") as events:
            events.send_json({"key": "look"})
            assert events.receive_json()["type"] == "hello"
        for wrong in ({"key": "wrong"}, {"kee": 1}, [], "look"):
            with client.websocket_connect(f"{WS}/events") as events:
                events.send_json(wrong)
                with pytest.raises(WebSocketDisconnect) as refused:
                    events.receive_json()
                assert refused.value.code == 4401


def test_settings_reach_a_run_whole_and_their_secrets_only_by_its_environment(
    made: Made, tmp_path: Path
) -> None:
    settings = load(
        {
            "workspace": str(made.workspace),
            "qdrant_url": "https://there:6333",
            "qdrant_api_key": "hidden",
            "qdrant_verify": False,
            "precision": "fp32",
            "serve_write_key": "w",
        },
        environ={},
        cwd=tmp_path,
    )
    assert load({}, environ=environment_of(settings), cwd=tmp_path) == settings
    words = Wish("c", ("--full",), "m", include=("*.jpg",), full=True, captions=True).arguments()
    assert words[-2:] == ["--", "--full"]
    assert "--captions" in words
    assert "hidden" not in " ".join(words)


def test_a_compaction_beside_the_server_leaves_the_index_to_it(
    client: TestClient, made: Made
) -> None:
    settings = settings_of(made)
    done = compact(settings, index_target(settings), settle_seconds=0)
    assert done.notes == []
    found = client.get(f"{API}/images", params={"limit": 100}).json()["images"]
    assert len(found) == made.count


def test_who_follows_an_index_can_be_told_until_it_ends(made: Made, tmp_path: Path) -> None:
    settings = settings_of(made, state_dir=str(tmp_path))
    target = index_target(settings)
    assert follower(target) is None
    with Engine(settings, target):
        assert "process" in str(follower(target))
        assert owned_by(tmp_path / "index") is not None
        assert owned_by(tmp_path) is None
    assert follower(target) is None
    assert follower(replace(target, url="http://there")) is None
