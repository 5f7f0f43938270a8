"""People's edits by the API: what is searched goes by them, whatever happens to the index."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from PIL import Image
from starlette.testclient import TestClient

from pdray.config import load
from pdray.errors import IndexUnavailable
from pdray.evaluation.reading import read_captions
from pdray.ingest.maintain import rebuild
from pdray.ingest.target import index_target, library_url
from pdray.library.edits import Edit
from pdray.library.library import Library
from pdray.serve.app import build_app
from pdray.serve.engine import Engine
from tests.command import environment, forked
from tests.ports import free_port
from tests.served import Made, commit, copied, settings_of

API = "/api/v1"


@pytest.fixture
def own(made: Made, tmp_path: Path) -> Made:
    return copied(made, tmp_path)


def opened(engine: Engine) -> TestClient:
    return TestClient(build_app(engine), base_url="http://127.0.0.1")


def pdray(*words: object, fails: bool = False, **environ: str) -> str:
    """What a command says."""
    done = forked(words, environment(**environ))
    assert (done.code != 0) == fails, done.err + done.out
    return done.out + done.err


def some(client: TestClient, count: int = 3) -> list[dict[str, Any]]:
    answer = client.get(f"{API}/images", params={"limit": count})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["images"])


def found(client: TestClient, q: str) -> set[str]:
    answer = client.post(f"{API}/search", json={"text": q})
    assert answer.status_code == 200, answer.text
    return {hit["id"] for hit in answer.json()["hits"]}


def test_tags_rating_and_caption_are_searched_counted_and_taken_back(client: TestClient) -> None:
    before = some(client, 1)[0]
    url = f"{API}/images/{before['id']}"
    assert not found(client, "tag:lisbon") | found(client, "rating:>=5")
    edit = {"add_tags": ["lisbon", " tram "], "rating": 5, "caption": "A yellow tram uphill"}
    answer = client.patch(url, json=edit)
    assert answer.status_code == 200, answer.text
    edited = answer.json()
    assert edited == client.get(url).json()
    assert edited["tags"] == [*before["tags"], "lisbon", "tram"]
    assert (edited["rating"], edited["caption"]) == (5, "A yellow tram uphill")
    assert edited["edited"] == ["tags", "rating", "caption"]
    assert found(client, "tag:lisbon rating:>=5") == {before["id"]}
    assert before["id"] in found(client, '"yellow tram"')
    facets = client.get(f"{API}/facets", params={"field": "keywords"}).json()["facets"]
    assert {"value": "lisbon", "count": 1} in facets["keywords"]
    client.patch(url, json={"remove_tags": ["tram"], "caption": None})
    now = client.get(url).json()
    assert (now["caption"], now["tags"]) == (before["caption"], [*before["tags"], "lisbon"])
    client.patch(url, json={"reset": True})
    assert client.get(url).json() == before
    assert not found(client, "tag:lisbon")


def test_many_images_are_edited_at_once(client: TestClient) -> None:
    ids = [image["id"] for image in some(client, 5)]
    gone = "6f1f0b52-4be9-5a83-9d2b-8f2f6d1c7a10"
    answer = client.post(f"{API}/images/edit", json={"ids": [*ids, gone], "add_tags": ["many"]})
    assert answer.json() == {"images": 5, "missing": [gone]}
    assert found(client, "tag:many") == set(ids)
    client.post(f"{API}/images/edit", json={"ids": ids, "reset": True})


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        ({}, None),
        ({"rating": 6}, "rating"),
        ({"add_tags": [""]}, "add_tags.0"),
        ({"caption": "two\nlines"}, "caption"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_edit_says_what_is_wrong(
    client: TestClient, edit: dict[str, Any], field: str | None
) -> None:
    answer = client.patch(f"{API}/images/{some(client, 1)[0]['id']}", json=edit)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    missing = client.patch(f"{API}/images/6f1f0b52-4be9-5a83-9d2b-8f2f6d1c7a10", json={"rating": 1})
    assert missing.status_code == 404


def test_a_reader_changes_nothing(own: Made) -> None:
    settings = settings_of(own, serve_read_key="reads", serve_write_key="writes")
    with Engine(settings, index_target(settings)) as engine, opened(engine) as client:
        client.headers["Authorization"] = "Bearer reads"
        url = f"{API}/images/{some(client, 1)[0]['id']}"
        assert client.patch(url, json={"rating": 1}).status_code == 403
        client.headers["Authorization"] = "Bearer writes"
        assert client.patch(url, json={"rating": 1}).status_code == 200


def test_edits_outlive_a_restart_a_rebuild_and_another_run(own: Made) -> None:
    settings = settings_of(own)
    target = index_target(settings)
    with Engine(settings, target) as engine, opened(engine) as client:
        first, second, _ = some(client)
        client.patch(f"{API}/images/{first['id']}", json={"rating": 4, "add_tags": ["kept"]})
        client.patch(f"{API}/images/{second['id']}", json={"caption": "Mine"})
    rebuild(settings, target)
    with Engine(settings, target) as engine, opened(engine) as client:
        assert found(client, "tag:kept rating:4") == {first["id"]}
        assert client.get(f"{API}/images/{second['id']}").json()["caption"] == "Mine"


def test_an_edit_whose_index_is_away_is_kept_and_carried_later(
    own: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(own)
    with Engine(settings, index_target(settings)) as engine, opened(engine) as client:
        image = some(client, 1)[0]

        def away(collection: str) -> Any:
            raise IndexUnavailable("It is away.")

        monkeypatch.setattr(engine.people, "_indexes", away)
        answer = client.patch(f"{API}/images/{image['id']}", json={"rating": 2})
        assert (answer.status_code, answer.json()["rating"]) == (200, 2)
        assert client.get(f"{API}/images/{image['id']}").json()["rating"] == image["rating"]
        monkeypatch.undo()
        engine.refresh()
        assert client.get(f"{API}/images/{image['id']}").json()["rating"] == 2


def test_a_database_that_is_away_changes_nothing_and_says_so(own: Made) -> None:
    url = f"postgresql://pdray:secret-word@127.0.0.1:{free_port()}/db"
    settings = settings_of(own, library_url=url)
    with Engine(settings, index_target(settings)) as engine, opened(engine) as client:
        images = client.get(f"{API}/images", params={"limit": 1})
        assert images.status_code in (200, 503)
        assert "secret-word" not in images.text + (engine.why_not_ready or "")


def test_edits_go_along_with_backups_and_out_as_captions_and_are_forgotten(
    own: Made, tmp_path: Path
) -> None:
    settings = settings_of(own)
    with Engine(settings, index_target(settings)) as engine, opened(engine) as client:
        first, second, _ = some(client)
        client.patch(f"{API}/images/{first['id']}", json={"caption": "Émile's tram"})
        client.patch(f"{API}/images/{second['id']}", json={"rating": 1})
    workspace, copy, other = own.workspace, tmp_path / "copy", tmp_path / "other"
    written = tmp_path / "captions.jsonl"
    pdray("corrections", written, "-w", workspace)
    assert read_captions(written).texts == ["Émile's tram"]
    assert read_captions(written).images == [Path(unquote(first["uri"].removeprefix("file://")))]
    pdray("verify", "-w", workspace)
    pdray("backup", copy, "-w", workspace)
    away = f"postgresql://pdray:secret-word@127.0.0.1:{free_port()}/db"
    said = pdray("restore", copy, "-w", other, fails=True, PDRAY_LIBRARY_URL=away)
    assert "can't be asked" in said
    assert "secret-word" not in said
    pdray("restore", copy, "-w", other)  # it goes on
    nowhere = tmp_path / "no" / "file"
    assert "can't be written" in pdray("corrections", nowhere, "-w", workspace, fails=True)
    pdray("rebuild", "-w", other)
    pdray("verify", "-w", other)
    with Library(library_url(load({"workspace": str(other)}, environ={}))) as library:
        assert library.said([first["id"], second["id"]]) == {
            first["id"]: {"caption": "Émile's tram"},
            second["id"]: {"rating": 1},
        }
        library.edit({first["id"]: "default"}, Edit(rating=3))
        assert "edited" in pdray("verify", "-w", other, fails=True)
        forget = ("forget", first["uri"], "--yes", "-w", other)
        assert "can't be asked" in pdray(*forget, fails=True, PDRAY_LIBRARY_URL=away)
        pdray(*forget)
        assert [row.image_id for row in library.all()] == [second["id"]]


def test_a_moved_image_keeps_what_people_said(tmp_path: Path) -> None:
    folder, workspace = tmp_path / "photos", tmp_path / "workspace"
    folder.mkdir()
    Image.new("RGB", (32, 24), "red").save(folder / "a.png")
    commit(folder, workspace)
    settings = load({"workspace": str(workspace)}, environ={})
    with Engine(settings, index_target(settings)) as engine, opened(engine) as client:
        [image] = some(client)
        client.patch(f"{API}/images/{image['id']}", json={"add_tags": ["mine"]})
    (folder / "a.png").rename(folder / "b.png")
    pdray("index", folder, "--model", "builtin", "-w", workspace)
    with Engine(settings, index_target(settings)) as engine, opened(engine) as client:
        [moved] = some(client)
        assert (moved["id"], moved["name"], moved["tags"]) == (image["id"], "b.png", ["mine"])
    pdray("forget", image["uri"], "--yes", "-w", workspace)  # where it lay before
    with Library(library_url(settings)) as library:
        assert library.said([image["id"]]) == {image["id"]: {"tags": ["mine"]}}


def test_edits_that_replicas_could_not_write_arrive_with_the_next_run(own: Made) -> None:
    settings = settings_of(own)
    target = index_target(settings)
    with Engine(settings, target) as engine, opened(engine) as client:
        image = some(client, 1)[0]
    with Library(library_url(settings)) as library:
        library.edit({image["id"]: "default"}, Edit(add=("late",)))
        pdray("index", own.photos, "--model", "builtin", "-w", own.workspace)
        assert library.waiting() == []
    with Engine(settings, target) as engine, opened(engine) as client:
        assert found(client, "tag:late") == {image["id"]}


def test_an_edit_waits_for_an_index_that_is_being_opened_and_for_none_that_is_gone(
    own: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(own)
    with Engine(settings, index_target(settings)) as engine:
        assert len(engine._holding("default")) == 1
        monkeypatch.setattr(engine._succession, "serving", {})
        with pytest.raises(IndexUnavailable, match="'default' is being opened"):
            engine._holding("default")
        assert engine._holding("gone") == []
