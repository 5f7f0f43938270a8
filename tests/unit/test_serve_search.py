"""Searches of every kind through the API, over a real small workspace."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from starlette.testclient import TestClient

from pdray.ingest.target import index_target
from pdray.serve.app import build_app
from pdray.serve.engine import Engine
from tests.served import Made, settings_of
from tests.unit.test_serve_api import API, post, problem


def ids(answer: Any) -> list[str]:
    return [hit["id"] for hit in answer["hits"]]


def test_a_mix_leans_to_what_weighs_more(client: TestClient, made: Made) -> None:
    everything = {"limit": made.count}
    red, blue = ({"text": f"a {colour} circle"} for colour in ("red", "blue"))
    alone = ids(post(client, mix=[red], **everything))
    assert alone == ids(post(client, text="a red circle", **everything))
    mostly = ids(post(client, mix=[{**red, "weight": 3}, blue], **everything))
    less = ids(post(client, mix=[red, {**blue, "weight": 3}], **everything))
    assert set(mostly) == set(less) == set(alone)
    top = alone[:5]
    assert sum(map(mostly.index, top)) < sum(map(less.index, top))


def test_a_negative_image_pushes_itself_down(client: TestClient, made: Made) -> None:
    words = "a picture of a large shape"
    first = ids(post(client, text=words, limit=made.count))
    disliked = first[0]
    less = {"image_id": disliked, "weight": -1}
    found = ids(post(client, text=words, mix=[less], limit=made.count))
    assert set(found) == set(first)
    assert found.index(disliked) > 3


def test_an_image_and_words_both_count(client: TestClient) -> None:
    image = client.get(f"{API}/images", params={"limit": 1}).json()["images"][0]
    found = post(client, mix=[{"image_id": image["id"]}, {"text": "anything"}], limit=5)
    assert image["id"] in ids(found)


@pytest.mark.parametrize(
    ("sort", "key", "descending"),
    [("newest", "taken", True), ("oldest", "taken", False), ("largest", "size", True)],
)
def test_the_most_relevant_are_put_in_another_order(
    client: TestClient, made: Made, sort: str, key: str, descending: bool
) -> None:
    found = post(client, text="a red circle", sort=sort, limit=made.count)["hits"]
    assert len(found) == made.count
    values = [hit[key] for hit in found if hit[key] is not None]
    assert values == sorted(values, reverse=descending)
    assert all(hit[key] is None for hit in found[len(values) :])
    pages: list[str] = []
    cursor = None
    while True:
        more = {"cursor": cursor} if cursor else {}
        answer = post(client, text="a red circle", sort=sort, limit=10, **more)
        pages += ids(answer)
        if (cursor := answer["next_cursor"]) is None:
            break
    assert pages == [hit["id"] for hit in found]


@pytest.mark.parametrize("sort", ["newest", "oldest", "largest", "smallest"])
def test_browsing_and_conditions_alone_agree_in_every_order(
    client: TestClient, made: Made, sort: str
) -> None:
    browsed: list[str] = []
    searched: list[str] = []
    ranks: list[int] = []
    cursor = None
    while True:
        params = {"sort": sort, "limit": 4, **({"cursor": cursor} if cursor else {})}
        page = client.get(f"{API}/images", params=params).json()
        browsed += [image["id"] for image in page["images"]]
        if (cursor := page["next_cursor"]) is None:
            break
    while True:
        more = {"cursor": cursor} if cursor else {}
        answer = post(client, sort=sort, filters={}, limit=7, **more)
        searched += ids(answer)
        ranks += [hit["rank"] for hit in answer["hits"]]
        if (cursor := answer["next_cursor"]) is None:
            break
    assert browsed == searched
    assert len(set(browsed)) == made.count
    assert ranks == list(range(1, made.count + 1))


def test_filters_say_what_the_language_says(client: TestClient, made: Made) -> None:
    everything = post(client, filters={}, limit=100)["hits"]
    cameras = sorted({hit["camera"] for hit in everything if hit["camera"]})[:2]
    found = post(client, filters={"cameras": cameras}, limit=100)["hits"]
    assert {hit["camera"] for hit in found} == set(cameras)
    dated = sorted(hit["taken"] for hit in everything if hit["taken"])
    middle = dated[len(dated) // 2][:10]
    pairs = [
        ({"iso": {"min": 400}}, "iso:>=400"),
        ({"taken_from": middle}, f"taken:>={middle}"),
        ({"taken_to": middle}, f"taken:<{middle}"),
        ({"formats": ["png"]}, "format:png"),
        ({"orientations": ["landscape"]}, "orientation:landscape"),
        ({"has": ["camera"]}, "has:camera"),
        ({"lacks": ["date"]}, "-has:date"),
        ({"lacks": ["caption"]}, "-has:caption"),
        ({"has": ["caption"]}, "has:caption"),
        ({"width": {"max": 150}}, "width:<=150"),
        ({"bytes": {"min": 5000}}, "size:>=5000"),
        ({"folders": [made.photos.as_uri()]}, f"folder:{made.photos.name}"),
        ({"near": {"latitude": 40, "longitude": 0, "km": 2000}}, "near:40,0,2000km"),
        ({"box": {"south": -90, "west": -180, "north": 90, "east": 10}}, "box:-90,-180,90,10"),
    ]
    for filters, text in pairs:
        structured = ids(post(client, filters=filters, limit=100))
        assert structured == ids(post(client, text=text, limit=100)), filters
    narrowed = post(client, text="red", filters={"formats": ["png"]}, facets=["format"], limit=100)
    assert [one["value"] for one in narrowed["facets"]["format"]] == ["png"]
    assert {hit["format"] for hit in narrowed["hits"]} == {"png"}


def test_many_questions_are_answered_as_each_alone_is(client: TestClient) -> None:
    image = client.get(f"{API}/images", params={"limit": 1}).json()["images"][0]
    asked: list[dict[str, Any]] = [
        {"text": "a red circle", "limit": 3},
        {"text": "iso:nonsense"},
        {"image_id": image["id"], "limit": 2},
        {"text": "format:png", "limit": 2},
        {"text": "a blue square on a yellow background", "limit": 3, "facets": ["camera"]},
        {"text": "x", "collection": "none"},
    ]
    answered = client.post(f"{API}/search/batch", json={"searches": asked}).json()["answers"]
    for number, one in enumerate(asked):
        alone = client.post(f"{API}/search", json=one).json()
        if "hits" in alone:
            alone.pop("took_ms"), answered[number].pop("took_ms")
        assert answered[number] == alone
    assert [one.get("code") for one in answered] == [
        None, "bad-query", None, None, None, "no-collection",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"mix": [{}]}, 422, "invalid"),
        ({"mix": [{"text": "x", "weight": 0}]}, 422, "invalid"),
        ({"mix": [{"text": "x", "image_url": "http://x"}]}, 422, "invalid"),
        ({"mix": [{"text": " "}]}, 422, "invalid"),
        ({"mix": [{"text": "x", "weight": 1e300}]}, 422, "invalid"),
        ({"filters": {"iso": {}}}, 422, "invalid"),
        ({"filters": {"iso": {"min": 2, "max": 1}}}, 422, "invalid"),
        ({"filters": {"taken_from": "yesterday"}}, 422, "invalid"),
        ({"filters": {"box": {"south": 1, "north": 0, "west": 0, "east": 0}}}, 422, "invalid"),
        ({"filters": {"colour": "red"}}, 422, "invalid"),
        ({"sort": "best"}, 422, "invalid"),
        ({"text": "box:1,2,3"}, 400, "bad-query"),
        ({"text": "has:nothing"}, 400, "bad-query"),
    ],
)
def test_a_wrong_part_is_named(
    client: TestClient, asked: dict[str, Any], status: int, code: str
) -> None:
    answered = client.post(f"{API}/search", json=asked)
    assert problem(answered) == (status, code)
    said = answered.json()
    assert said["field"]


def test_a_form_may_hold_a_mix_and_filters(client: TestClient, made: Made) -> None:
    data = next(made.photos.glob("*.png")).read_bytes()
    fields = {"mix": json.dumps([{"text": "red"}]), "filters": json.dumps({"formats": ["png"]})}
    files = {"image": ("x.png", data, "image/png")}
    found = client.post(f"{API}/search", data={**fields, "limit": "3"}, files=files).json()
    assert {hit["format"] for hit in found["hits"]} == {"png"}
    wrong = client.post(f"{API}/search", data={"mix": "[[[["}, files=files)
    assert problem(wrong) == (422, "invalid")
    assert wrong.json()["field"] == "mix"


def test_a_mix_weighs_several_images_that_come_with_it(client: TestClient, made: Made) -> None:
    photos = sorted(made.photos.glob("*.jpg"))[:2]
    files = [("image", (photo.name, photo.read_bytes(), "image/jpeg")) for photo in photos]
    form = {"limit": str(made.count)}

    def sent(*weights: float) -> list[str]:
        mix = [{"upload": at, "weight": weight} for at, weight in enumerate(weights)]
        data = {**form, "mix": json.dumps(mix)}
        answered = client.post(f"{API}/search", data=data, files=files)
        assert answered.status_code == 200, answered.text
        return [hit["name"] for hit in answered.json()["hits"]]

    assert sent(9, 1)[0] == photos[0].name
    assert sent(1, 9)[0] == photos[1].name
    assert sent(1, -1)[0] == photos[0].name
    assert sent(1, -1).index(photos[1].name) > sent(1, 1).index(photos[1].name)


@pytest.mark.parametrize("mix", [[], [{"upload": 0}, {"upload": 2}], [{"upload": 0, "text": "a"}]])
def test_each_image_of_a_form_has_to_have_its_place(
    client: TestClient, made: Made, mix: object
) -> None:
    data = sorted(made.photos.glob("*.jpg"))[0].read_bytes()
    files = [("image", (name, data, "image/jpeg")) for name in ("a.jpg", "b.jpg")]
    answered = client.post(f"{API}/search", data={"mix": json.dumps(mix)}, files=files)
    assert problem(answered) == (422, "invalid")


def test_suggestions_come_from_what_there_is(client: TestClient) -> None:
    camera = client.get(f"{API}/facets", params={"field": "camera"}).json()["facets"]["camera"][0]
    typed = f"a dog camera:{camera['value'][:3]}"
    found = client.get(f"{API}/suggest", params={"q": typed}).json()["completions"]
    assert found[0]["value"] == camera["value"]
    assert found[0]["count"] == camera["count"]
    assert found[0]["query"].startswith("a dog camera:")
    narrowed = post(client, text=found[0]["insert"], limit=100)["hits"]
    assert len(narrowed) >= camera["count"]


def test_the_timeline_counts_each_image_once(client: TestClient, made: Made) -> None:
    found = client.get(f"{API}/timeline").json()
    months = [one["month"] for one in found["months"]]
    assert months == sorted(months, reverse=True)
    assert sum(one["count"] for one in found["months"]) + found["undated"] == made.count
    for one in found["months"][:3]:
        params = {"q": f"taken:{one['month']}"}
        assert len(client.get(f"{API}/images", params=params).json()["images"]) == one["count"]
    none = client.get(f"{API}/timeline", params={"q": "taken:1900"}).json()
    assert (none["months"], none["undated"]) == ([], 0)


class Web(BaseHTTPRequestHandler):
    """Serves one image, and what no client should swallow."""

    image = b""

    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "/image")
        elif self.path == "/round":
            self.send_response(302)
            self.send_header("Location", "/round")
        else:
            self.send_response(200 if self.path in ("/image", "/endless") else 404)
        self.end_headers()
        if self.path == "/image":
            self.wfile.write(self.image)
        try:
            while self.path == "/endless":
                self.wfile.write(b"\0" * 100_000)
        except OSError:
            pass  # the client had enough

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def web(made: Made) -> Iterator[str]:
    Web.image = next(made.photos.glob("*.png")).read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_image_at_a_private_address_is_never_asked_for(client: TestClient, web: str) -> None:
    port = web.rpartition(":")[2]
    for url in (f"{web}/image", f"http://localhost:{port}/image", f"http://[::1]:{port}/image",
                f"http://2130706433:{port}/", "http://169.254.169.254/latest/"):  # fmt: skip
        for asked in ({"image_url": url}, {"mix": [{"image_url": url}]}):
            answered = client.post(f"{API}/search", json=asked)
            assert problem(answered) == (400, "bad-image-url")
            said = answered.json()
            assert "private" in said["detail"] or "reached" in said["detail"], url
    for url in ("file:///etc/passwd", "ftp://x/y", "http://", "x", "http://u:p@example.com/"):
        answered = client.post(f"{API}/search", json={"image_url": url})
        assert problem(answered) == (400, "bad-image-url")
        said = answered.json()
        assert said["field"] == "image_url"


def test_an_image_at_a_url_finds_itself_where_private_addresses_are_allowed(
    made: Made, web: str
) -> None:
    settings = settings_of(
        made,
        state_dir=str(made.workspace / "url-state"),
        sources_private_hosts=True,
        serve_upload_mb=1,
    )
    with (
        Engine(settings, index_target(settings)) as engine,
        TestClient(build_app(engine), base_url="http://127.0.0.1") as client,
    ):
        for path in ("/image", "/away"):
            found = post(client, image_url=web + path, limit=1)["hits"]
            assert found[0]["name"].endswith(".png")
            assert found[0]["score"] > 0.99
        for path, words in {"/endless": "larger", "/none": "404", "/round": "leads on"}.items():
            asked = {"image_url": web + path}
            answered = client.post(f"{API}/search", json=asked)
            assert problem(answered) == (400, "bad-image-url")
            said = answered.json()
            assert words in said["detail"]


def test_words_and_an_image_count_by_their_weights(client: TestClient, made: Made) -> None:
    words = "a red circle"
    image = post(client, text="a blue square", limit=1)["hits"][0]["id"]
    everything = {"text": words, "image_id": image, "limit": made.count}
    by_words = ids(post(client, text=words, limit=made.count))
    like_it = [image, *ids(client.get(f"{API}/images/{image}/similar").json())]
    assert ids(post(client, **everything)) == ids(post(client, **everything, weights={}))
    words_count = ids(post(client, **everything, weights={"text": 10, "image": 0.1}))
    image_counts = ids(post(client, **everything, weights={"text": 0.1, "image": 10}))
    assert words_count[:3] == by_words[:3]
    assert image_counts[:3] == like_it[:3]
    less = ids(post(client, **everything, weights={"image": -1}))
    assert less.index(image) > ids(post(client, **everything)).index(image)


def test_unwanted_words_push_as_far_as_they_are_told(client: TestClient, made: Made) -> None:
    # Nothing says "shadow", so that nothing is left out: it only pushes.
    asked = {"text": "a red circle -shadow", "limit": made.count}
    alone = ids(post(client, text="a red circle", limit=made.count))
    little = ids(post(client, **asked, weights={"without": 0.01}))
    far = ids(post(client, **asked, weights={"without": 3}))

    def moved(found: list[str]) -> int:
        return sum(abs(at - alone.index(id)) for at, id in enumerate(found))

    assert set(far) == set(alone)
    assert moved(little) < moved(far)


@pytest.mark.parametrize("weights", [{"image": 0}, {"text": 0}, {"without": -1}, {"words": 1}, 3])
def test_weights_that_say_nothing_are_refused(client: TestClient, weights: object) -> None:
    answered = client.post(f"{API}/search", json={"text": "red", "weights": weights})
    assert problem(answered) == (422, "invalid")


def test_a_form_weighs_too(client: TestClient, made: Made) -> None:
    photo = sorted(made.photos.glob("*.jpg"))[2]
    form = {"text": "a red circle", "weights": '{"image": 10}', "limit": "3"}
    sent = client.post(f"{API}/search", data=form, files={"image": photo.read_bytes()})
    assert sent.status_code == 200, sent.text
    assert sent.json()["hits"][0]["name"] == photo.name
    broken = client.post(
        f"{API}/search", data={"weights": "{"}, files={"image": photo.read_bytes()}
    )
    assert problem(broken) == (422, "invalid")
