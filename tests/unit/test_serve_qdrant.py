"""The API over an index on a Qdrant server: what it answers, and how often it asks."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from pdray.catalog.catalog import Catalog
from pdray.index.opening import open_index
from pdray.ingest.maintain import rebuild, serving, verify
from pdray.ingest.project import Projector
from pdray.ingest.target import index_target
from pdray.serve.app import build_app
from pdray.serve.engine import Engine
from tests.qdrant_http import QdrantHttp
from tests.served import SCENES, Made, settings_of
from tests.unit.test_serve_api import API, post


@pytest.fixture(scope="module")
def qdrant() -> Iterator[QdrantHttp]:
    with QdrantHttp() as server:
        yield server


@pytest.fixture(scope="module")
def client(made: Made, qdrant: QdrantHttp) -> Iterator[TestClient]:
    """The API, whose index a run has written to the server."""
    settings = settings_of(made, qdrant_url=qdrant.url)
    target, catalog = index_target(settings), Catalog.open(str(made.workspace))
    projector = Projector.open(catalog, target, serving(catalog, "default").spec)
    projector.catch_up("default")
    projector.close()
    with (
        Engine(settings, target) as engine,
        TestClient(build_app(engine), base_url="http://127.0.0.1") as client,
    ):
        yield client


def asked(qdrant: QdrantHttp) -> list[str]:
    """What was asked of the points since the last look, by the ends of the paths."""
    some = [path.partition("/points")[2] for path in qdrant.asked if "/points" in path]
    qdrant.asked.clear()
    return some


def test_a_server_finds_what_words_describe(client: TestClient, made: Made) -> None:
    uri, caption = next(iter(made.captions.items()))
    found = post(client, text=caption, limit=5, facets=["format"])
    assert uri in [hit["uri"] for hit in found["hits"]]
    assert {one["value"]: one["count"] for one in found["facets"]["format"]} == {
        "jpeg": SCENES,
        "png": made.count - SCENES,
    }
    narrowed = post(client, text=f"{caption} format:png", limit=100)["hits"]
    assert len(narrowed) == made.count - SCENES
    first = found["hits"][0]["id"]
    assert client.get(f"{API}/images/{first}").json()["uri"] == found["hits"][0]["uri"]
    like = client.get(f"{API}/images/{first}/similar", params={"limit": 5}).json()["hits"]
    assert first not in [hit["id"] for hit in like]
    assert len(like) == 5


def test_a_server_is_browsed_counted_and_dated(client: TestClient, made: Made) -> None:
    pages: list[str] = []
    cursor = None
    while True:
        params = {"limit": 10, **({"cursor": cursor} if cursor else {})}
        page = client.get(f"{API}/images", params=params).json()
        pages += [image["id"] for image in page["images"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert len(set(pages)) == len(pages) == made.count
    dated = client.get(f"{API}/timeline").json()
    assert sum(month["count"] for month in dated["months"]) + dated["undated"] == made.count
    facets = client.get(f"{API}/facets").json()
    assert facets["total"] == made.count
    folders = client.get(f"{API}/folders").json()["folders"]
    assert [(one["folder"], one["count"]) for one in folders] == [
        (made.photos.as_uri(), made.count)
    ]


def test_a_batch_is_one_request_to_the_server(client: TestClient, qdrant: QdrantHttp) -> None:
    images = client.get(f"{API}/images", params={"limit": 3}).json()["images"]
    texts: list[dict[str, Any]] = [
        {"text": "a red circle"},
        {"text": "a blue square iso:>=100", "limit": 5},
        {"text": "green -red", "sort": "newest"},
        {"mix": [{"text": "a red circle"}, {"text": "blue", "weight": -0.5}]},
    ]
    post(client, text="anything")  # which tags there are is asked once
    asked(qdrant)
    many = client.post(f"{API}/search/batch", json={"searches": texts}).json()["answers"]
    assert asked(qdrant) == ["/query/batch"]
    alone = [post(client, **one) for one in texts]
    for together, one in zip(many, alone, strict=True):
        assert [hit["id"] for hit in together["hits"]] == [hit["id"] for hit in one["hits"]]
    asked(qdrant)
    like = [{"image_id": image["id"], "limit": 5} for image in images]
    unknown = {"image_id": "00000000-0000-0000-0000-000000000000"}
    body = {"searches": [*texts, *like, unknown]}
    many = client.post(f"{API}/search/batch", json=body).json()["answers"]
    # All vectors of known images come in one request before.
    assert asked(qdrant) == ["", "/query/batch"]
    firsts = [one["hits"][0]["id"] for one in many[len(texts) : -1]]
    assert firsts == [image["id"] for image in images]
    assert many[-1]["code"] == "no-image"


def test_an_edit_by_one_replica_is_what_the_others_answer_by(
    client: TestClient, made: Made, qdrant: QdrantHttp, postgres_url: str
) -> None:
    settings = settings_of(made, qdrant_url=qdrant.url, library_url=postgres_url)
    target = index_target(settings)
    with Engine(settings, target) as here, Engine(settings, target) as there:
        one, other = (
            TestClient(build_app(engine), base_url="http://127.0.0.1") for engine in (here, there)
        )
        question = {"text": "tag:lisbon"}
        assert post(other, **question)["hits"] == []
        image = post(other, text="a red circle", limit=1)["hits"][0]["id"]
        edit = {"add_tags": ["lisbon"]}
        assert one.patch(f"{API}/images/{image}", json=edit).status_code == 200
        assert [hit["id"] for hit in post(one, **question)["hits"]] == [image]
        there.refresh()  # it does each second
        assert [hit["id"] for hit in post(other, **question)["hits"]] == [image]
        assert verify(settings, target).agrees
        spec = serving(Catalog.open(str(made.workspace)), "default").spec
        rebuild(settings, target)
        with open_index(target, spec.space, spec.dim) as index:
            assert "lisbon" in index.retrieve([image])[0].payload["keywords"]
        one.patch(f"{API}/images/{image}", json={"reset": True})
