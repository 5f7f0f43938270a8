"""The API over a real small workspace, without Ray."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pdray.ingest.target import index_target
from pdray.serve.app import build_app
from pdray.serve.engine import Engine
from tests.served import Made, settings_of

API = "/api/v1"


def post(client: TestClient, **asked: Any) -> Any:
    answered = client.post(f"{API}/search", json=asked)
    assert answered.status_code == 200, answered.text
    return answered.json()


def problem(answered: Any) -> tuple[int, str]:
    """Status and code of an answer that says in a sentence what is wrong."""
    assert answered.headers["content-type"] == "application/problem+json", answered.text
    document = answered.json()
    assert document["status"] == answered.status_code
    assert document["detail"].endswith((".", "?"))
    return answered.status_code, document["code"]


def test_it_is_alive_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_words_find_what_they_describe(client: TestClient, made: Made) -> None:
    uri, caption = next(iter(made.captions.items()))
    found = post(client, text=caption, limit=5)
    assert uri in [hit["uri"] for hit in found["hits"]]
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3, 4, 5]
    assert found["took_ms"]["total"] > 0


def test_a_hit_says_what_the_page_shows(client: TestClient, made: Made) -> None:
    hit = post(client, text="has:camera", limit=1)["hits"][0]
    assert hit["collection"] == "default"
    assert hit["uri"].endswith(hit["name"])
    assert hit["width"] > 0
    assert hit["height"] > 0
    assert hit["camera"]
    assert hit["taken"]
    assert hit["folder"] == made.photos.as_uri()
    assert hit["thumbnail"].startswith(f"{API}/images/{hit['id']}/thumbnail?v=")


def test_conditions_narrow(client: TestClient) -> None:
    camera = client.get(f"{API}/facets", params={"field": "camera"}).json()["facets"]["camera"][0]
    found = post(client, text=f'camera:"{camera["value"]}"', limit=100, facets=["camera", "format"])
    assert len(found["hits"]) == camera["count"]
    assert {hit["camera"] for hit in found["hits"]} == {camera["value"]}
    assert found["facets"]["camera"] == [camera]


def test_pages_of_a_search_are_the_whole_of_it(client: TestClient, made: Made) -> None:
    whole = [hit["id"] for hit in post(client, text="a red circle", limit=made.count)["hits"]]
    seen: list[str] = []
    ranks: list[int] = []
    cursor = None
    while True:
        page = post(client, text="a red circle", limit=7, **({"cursor": cursor} if cursor else {}))
        seen += [hit["id"] for hit in page["hits"]]
        ranks += [hit["rank"] for hit in page["hits"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == whole
    assert len(set(seen)) == made.count
    assert ranks == list(range(1, made.count + 1))


def test_browsing_shows_every_image_once_newest_first(client: TestClient, made: Made) -> None:
    seen: list[Any] = []
    cursor = None
    while True:
        params = {"limit": 5, **({"cursor": cursor} if cursor else {})}
        page = client.get(f"{API}/images", params=params).json()
        seen += page["images"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len({image["id"] for image in seen}) == len(seen) == made.count
    dates = [image["taken"] for image in seen if image["taken"]]
    assert dates == sorted(dates, reverse=True)
    assert 0 < len(dates) < made.count  # both kinds were there
    assert not any(image["taken"] for image in seen[len(dates) :])


def test_an_image_is_shown_with_its_neighbours(client: TestClient) -> None:
    hit = post(client, text="a blue square", limit=1)["hits"][0]
    image = client.get(f"{API}/images/{hit['id']}").json()
    assert image == {key: value for key, value in hit.items() if key not in ("rank", "score")}
    similar = client.get(f"{API}/images/{hit['id']}/similar", params={"limit": 4}).json()["hits"]
    assert len(similar) == 4
    assert hit["id"] not in [other["id"] for other in similar]
    scores = [other["score"] for other in similar]
    assert scores == sorted(scores, reverse=True)


def test_an_image_finds_itself_by_id_and_by_upload(client: TestClient, made: Made) -> None:
    image = client.get(f"{API}/images", params={"limit": 1}).json()["images"][0]
    by_id = post(client, image_id=image["id"], limit=3)["hits"]
    assert by_id[0]["id"] == image["id"]
    data = (made.photos / image["name"]).read_bytes()
    answered = client.post(
        f"{API}/search", data={"limit": "3"}, files={"image": ("x.jpg", data, "image/jpeg")}
    )
    assert answered.json()["hits"][0]["id"] == image["id"]
    assert answered.json()["hits"][0]["score"] > 0.99


def test_a_thumbnail_may_be_kept_for_ever(client: TestClient) -> None:
    hit = post(client, text="a blue square", limit=1)["hits"][0]
    first = client.get(hit["thumbnail"])
    assert first.headers["content-type"] == "image/jpeg"
    assert first.content.startswith(b"\xff\xd8")
    assert "immutable" in first.headers["cache-control"]
    again = client.get(hit["thumbnail"], headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    old = client.get(hit["thumbnail"].partition("?")[0])
    assert "immutable" not in old.headers["cache-control"]


def test_the_original_comes_whole_and_by_ranges(client: TestClient, made: Made) -> None:
    hit = post(client, text="a blue square", limit=1)["hits"][0]
    data = (made.photos / hit["name"]).read_bytes()
    whole = client.get(hit["file"])
    assert whole.content == data
    assert whole.headers["content-type"] == f"image/{hit['format']}"
    for asked, expected in (
        ("bytes=10-19", data[10:20]),
        ("bytes=10-", data[10:]),
        ("bytes=-7", data[-7:]),
        (f"bytes=0-{10**9}", data),
    ):
        part = client.get(hit["file"], headers={"Range": asked})
        assert (part.status_code, part.content) == (206, expected)
        assert part.headers["content-range"].endswith(f"/{len(data)}")
    for odd in ("bytes=5-1", "lines=1-2", "bytes=-", "bytes=0-1,5-6", "bytes=x"):
        assert client.get(hit["file"], headers={"Range": odd}).content == data
    assert problem(client.get(hit["file"], headers={"Range": f"bytes={len(data)}-"})) == (
        416,
        "bad-range",
    )
    again = client.get(hit["file"], headers={"If-None-Match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    stale = {"Range": "bytes=0-1", "If-Range": '"older"'}
    assert client.get(hit["file"], headers=stale).content == data


def test_an_original_that_changed_or_is_gone_is_refused_with_the_reason(
    client: TestClient, made: Made
) -> None:
    image = client.get(f"{API}/images", params={"limit": 1}).json()["images"][0]
    path = made.photos / image["name"]
    kept = path.with_suffix(".kept")
    path.rename(kept)
    try:
        said = client.get(image["file"])
        assert problem(said) == (409, "original-unreachable")
        assert "does not exist" in said.json()["detail"]
        path.symlink_to("/etc/hostname")
        assert problem(client.get(image["file"])) == (409, "original-changed")
        assert client.get(image["thumbnail"]).status_code == 200
    finally:
        path.unlink(missing_ok=True)
        kept.rename(path)


def test_collections_are_listed(client: TestClient, made: Made) -> None:
    found = client.get(f"{API}/collections").json()
    assert found["default"] == "default"
    (one,) = found["collections"]
    assert (one["name"], one["images"], one["model"]) == ("default", made.count, "builtin")


NOBODY = "00000000-0000-5000-8000-000000000000"


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({}, 400, "bad-query"),
        ({"text": "  "}, 400, "bad-query"),
        ({"text": "iso:many"}, 400, "bad-query"),
        ({"text": "taken:0000"}, 400, "bad-query"),
        ({"text": "x", "collection": "none"}, 404, "no-collection"),
        ({"text": "x", "limit": 0}, 422, "invalid"),
        ({"text": "x", "limit": 10**9}, 422, "invalid"),
        ({"text": "x", "surplus": 1}, 422, "invalid"),
        ({"text": "x", "cursor": "nonsense"}, 400, "bad-cursor"),
        ({"text": "x", "cursor": "é"}, 400, "bad-cursor"),
        ({"text": "x", "facets": ["uri"]}, 400, "bad-facet"),
        ({"image_id": NOBODY}, 404, "no-image"),
        ({"image_id": "no"}, 422, "invalid"),
    ],
)
def test_a_wrong_question_is_answered_with_what_is_wrong(
    client: TestClient, asked: dict[str, Any], status: int, code: str
) -> None:
    assert problem(client.post(f"{API}/search", json=asked)) == (status, code)


def test_bodies_that_are_no_question_are_refused(client: TestClient) -> None:
    url = f"{API}/search"
    json_kind = {"content-type": "application/json"}
    for body in (b"[", b"[]", b'"x"', b'{"text": "\\ud800"}', b"\xff"):
        assert problem(client.post(url, content=body, headers=json_kind)) == (422, "invalid")
    plain = client.post(url, content=b"x", headers={"content-type": "text/plain"})
    assert problem(plain) == (415, "bad-content")
    damaged = client.post(url, files={"image": ("x.jpg", b"no image", "image/jpeg")})
    assert problem(damaged) == (400, "bad-query")
    assert "can't be used" in damaged.json()["detail"]
    form = {"content-type": "multipart/form-data"}
    assert client.post(url, content=b"x", headers=form).status_code == 400
    assert problem(client.get(f"{API}/nothing")) == (404, "http-404")


def test_a_cursor_of_another_question_is_refused(client: TestClient) -> None:
    cursor = post(client, text="a red circle", limit=3)["next_cursor"]
    asked = {"text": "a blue circle", "limit": 3, "cursor": cursor}
    assert problem(client.post(f"{API}/search", json=asked)) == (400, "bad-cursor")


def test_other_names_are_refused_so_that_a_rebound_page_reads_nothing(client: TestClient) -> None:
    said = client.get(f"{API}/collections", headers={"Host": "evil.example:8000"})
    assert problem(said) == (403, "foreign-host")


def test_large_bodies_are_refused(made: Made, client: TestClient) -> None:
    body = b"x" * 33_000_000
    assert problem(client.post(f"{API}/search", content=body)) == (413, "too-large")

    def stream() -> Iterator[bytes]:
        for _ in range(33):
            yield b" " * 1_000_000

    said = client.post(
        f"{API}/search", content=stream(), headers={"content-type": "application/json"}
    )
    assert problem(said) == (413, "too-large")


def test_an_index_that_another_process_holds_is_503_until_it_is_let_go(made: Made) -> None:
    settings = settings_of(made, state_dir=str(made.workspace / "other-state"))
    target = index_target(settings)
    with Engine(settings, target) as holder, TestClient(build_app(holder)) as _:
        second = Engine(settings, target)
        second.refresh()
        with TestClient(build_app(second), base_url="http://127.0.0.1") as client:
            said = client.post(f"{API}/search", json={"text": "a circle"})
            assert problem(said) == (503, "index-unavailable")
            assert "in use by" in said.json()["detail"]
            assert int(said.headers["retry-after"]) > 0
            assert problem(client.get("/readyz")) == (503, "not-ready")
            assert client.get("/healthz").status_code == 200
            holder.close()
            second.refresh()
            assert client.get("/readyz").status_code == 200
            assert post(client, text="a circle", limit=1)["hits"]
        second.close()


def test_keys_are_asked_for_where_they_are_set(made: Made) -> None:
    state = str(made.workspace / "keyed-state")
    settings = settings_of(made, state_dir=state, serve_read_key="look", serve_write_key="change")
    with (
        Engine(settings, index_target(settings)) as engine,
        TestClient(build_app(engine), base_url="http://127.0.0.1") as client,
    ):
        url = f"{API}/collections"
        said = client.get(url)
        assert problem(said) == (401, "no-key")
        assert said.headers["www-authenticate"] == "Bearer"
        for wrong in ("loo", "é", "change "[:-2]):
            header = {"X-API-Key": wrong.encode()}
            assert problem(client.get(url, headers=header)) == (401, "wrong-key")
        assert client.get(url, headers={"Authorization": "Bearer look"}).status_code == 200
        assert client.get(url, headers={"X-API-Key": "change"}).status_code == 200
        assert client.get("/healthz").status_code == 200


def test_the_page_is_served_where_it_was_built(made: Made, tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<p>page</p>")
    (tmp_path / "assets" / "a.js").write_text("1")
    settings = settings_of(made)
    engine = Engine(settings, index_target(settings))
    with TestClient(build_app(engine, tmp_path), base_url="http://127.0.0.1") as client:
        assert client.get("/").text == "<p>page</p>"
        assert client.get("/image/x").text == "<p>page</p>"
        assert "immutable" in client.get("/assets/a.js").headers["cache-control"]
        assert client.get("/assets/b.js").status_code == 404
        assert problem(client.get("/api/v1/none")) == (404, "http-404")
        assert problem(client.get("/api/v1/images")) == (503, "index-unavailable")
    plain = build_app(engine, tmp_path / "none")
    with TestClient(plain, base_url="http://127.0.0.1") as client:
        assert "not built" in client.get("/").text


def test_the_openapi_document_is_whole(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    kinds = document["paths"][f"{API}/search"]["post"]["requestBody"]["content"]
    assert set(kinds) == {"application/json", "multipart/form-data"}
    assert json.dumps(document).count("problem+json") > 10
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    for path in document["paths"]:
        noun = path.removeprefix(API).split("/")[1]
        assert re.search(rf"/{noun}\b", readme), path
