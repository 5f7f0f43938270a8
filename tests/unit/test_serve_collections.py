"""Collections, uploads, exports and models through the API, over a real small workspace."""

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from starlette.testclient import TestClient

from pdray.catalog import lease
from pdray.catalog.catalog import Catalog
from pdray.ingest.target import index_target
from pdray.serve import asking
from pdray.serve.app import build_app
from pdray.serve.engine import Engine
from tests.served import Made, commit, settings_of
from tests.unit.test_serve_api import API, post, problem
from tests.unit.test_serve_runs import ended
from tests.unit.test_sources_tar import pack
from tests.waiting import until


def picture(shade: int, side: int = 40) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, 30), (shade, 90, 30)).save(out, format="PNG")
    return out.getvalue()


def send(client: TestClient, name: str, *files: tuple[str, bytes]) -> Any:
    return client.post(
        f"{API}/collections/{name}/images", files=[("files", (one, data)) for one, data in files]
    )


def test_a_collection_is_made_filled_and_deleted_in_two_steps(
    client: TestClient, made: Made
) -> None:
    answered = client.post(f"{API}/collections", json={"name": "mine", "model": "builtin"})
    assert answered.status_code == 201, answered.text
    assert answered.headers["location"] == f"{API}/collections/mine"
    assert (answered.json()["images"], answered.json()["model"]) == (0, "builtin")
    again = client.post(f"{API}/collections", json={"name": "mine"})
    assert problem(again) == (409, "collection-exists")
    with lease.hold(Catalog.open(str(made.workspace)), "mine", "run"):
        sent = send(
            client, "mine", ("../../a b.png", picture(1)), ("same.png", picture(1)),
            ("two.png", picture(2)), ("notes.txt", b"no image"),
        ).json()  # fmt: skip
        states = [one["state"] for one in sent["images"]]
        assert states == ["stored", "known", "stored", "refused"]
        assert (sent["run"], sent["queued"]) == (None, True)
        asked = client.post(f"{API}/collections/mine/deletion").json()
        refused = client.delete(f"{API}/collections/mine", params={"token": asked["token"]})
        assert problem(refused) == (409, "collection-busy")
    listed = {"params": {"collection": "mine"}}
    runs = until(lambda: client.get(f"{API}/runs", **listed).json()["runs"], "the run after it")
    done = ended(client, runs[0])
    assert (done["state"], done["counts"]["indexed"]) == ("completed", 2)
    found = until(lambda: client.get(f"{API}/images", **listed).json()["images"], "the images")
    hits = {hit["name"].split(".")[0]: hit for hit in found}
    assert set(hits) == {"a_b", "two"}
    assert client.get(hits["a_b"]["file"]).content == picture(1)
    known = send(client, "mine", ("other name.png", picture(2)))
    assert known.json() == {
        "collection": "mine",
        "images": [{"name": "other name.png", "state": "known", "reason": None}],
        "run": None,
        "queued": False,
    }
    shown = client.get(f"{API}/collections/mine").json()
    assert (shown["images"], shown["uploaded"], shown["formats"]) == (2, 2, {"png": 2})
    assert shown["last_run"]["id"] == done["id"]

    url = f"{API}/collections/mine"
    assert problem(client.delete(url)) == (422, "invalid")
    assert problem(client.delete(url, params={"token": "0" * 32})) == (409, "not-confirmed")
    asked = client.post(f"{url}/deletion").json()
    assert (asked["images"], asked["uploaded"]) == (2, 2)
    assert client.get(url).json()["images"] == 2
    gone = client.delete(url, params={"token": asked["token"]})
    assert gone.json() == {"collection": "mine", "state": "deleted"}, gone.text
    assert problem(client.get(url)) == (404, "no-collection")
    assert problem(client.get(f"{API}/images/{hits['two']['id']}")) == (404, "no-image")
    assert not list((made.workspace / "uploads").rglob("*.png"))
    rest = client.get(f"{API}/collections").json()["collections"]
    assert [(one["name"], one["images"]) for one in rest] == [("default", made.count)]


def test_sends_that_can_not_be_right_are_refused(client: TestClient) -> None:
    url = f"{API}/collections/default/images"
    assert problem(client.post(url, json={})) == (415, "bad-content")
    assert problem(client.post(url, files=[("other", ("x.png", picture(1)))])) == (422, "invalid")
    answered = send(client, "default", ("x.jpg", b"\xff\xd8\xff"))
    assert problem(answered) == (400, "no-image")
    said = answered.json()
    assert "jpeg" in said["detail"]
    assert problem(send(client, "none", ("x.png", picture(1)))) == (404, "no-collection")
    assert problem(client.post(f"{API}/collections", json={"name": "no/no"})) == (422, "invalid")
    asked = {"name": "other", "model": "no/such"}
    refused = client.post(f"{API}/collections", json=asked)
    assert problem(refused) == (400, "no-model")
    assert refused.json()["field"] == "model"


def test_too_many_pixels_are_refused_before_they_are_decoded(made: Made) -> None:
    state = str(made.workspace / "pixel-state")
    settings = settings_of(made, state_dir=state, ingest_max_pixels=1_000)
    with (
        Engine(settings, index_target(settings)) as engine,
        TestClient(build_app(engine), base_url="http://127.0.0.1") as client,
    ):
        answered = send(client, "default", ("x.png", picture(1)))
        assert problem(answered) == (400, "no-image")
        said = answered.json()
        assert "1,000 pixels" in said["detail"]


def test_who_may_only_look_changes_nothing(made: Made) -> None:
    settings = settings_of(
        made, state_dir=str(made.workspace / "look"), serve_read_key="r", serve_write_key="w"
    )
    engine = Engine(settings, index_target(settings))
    with TestClient(build_app(engine), base_url="http://127.0.0.1") as client:
        client.headers["X-API-Key"] = "r"
        writing = [
            (method, path)
            for path, item in client.get("/openapi.json").json()["paths"].items()
            for method in item
            if method in ("post", "delete", "put", "patch")
            and path.removeprefix(API) not in ("/search", "/search/batch", "/export")
        ]
        assert len(writing) >= 7
        for method, path in writing:
            url = path.replace("{name}", "default").replace("{command}", "pause")
            said = client.request(method, url.replace("{id}", "20250101T000000.000Z-abcdef"))
            assert problem(said) == (403, "read-only")


def export(client: TestClient, **asked: Any) -> bytes:
    answered = client.post(f"{API}/export", json=asked)
    assert answered.status_code == 200, answered.text
    assert answered.headers["content-disposition"].startswith("attachment; filename=")
    return answered.content


def test_a_result_set_is_exported_as_a_table(client: TestClient, made: Made) -> None:
    found = post(client, text="a red circle", limit=10)["hits"]
    rows = list(
        csv.DictReader(
            io.StringIO(export(client, text="a red circle", limit=10, format="csv").decode())
        )
    )
    assert [row["id"] for row in rows] == [hit["id"] for hit in found]
    assert rows[0]["uri"] == found[0]["uri"]
    whole = list(csv.reader(io.StringIO(export(client, filters={}, format="csv").decode())))
    assert len(whole) == made.count + 1


def test_a_result_set_is_exported_with_its_embeddings(client: TestClient) -> None:
    found = post(client, text="a red circle", limit=10)["hits"]
    data = export(client, text="a red circle", limit=10, format="parquet")
    table = pq.read_table(io.BytesIO(data))
    assert table["id"].to_pylist() == [hit["id"] for hit in found]
    vectors = np.array(table["embedding"].to_pylist())
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert table.schema.metadata[b"pdray.model"] == b"builtin"
    empty = pq.read_table(io.BytesIO(export(client, text="taken:1900", format="parquet")))
    assert empty.num_rows == 0


def test_the_originals_of_a_result_set_come_in_one_archive(client: TestClient, made: Made) -> None:
    found = post(client, filters={"formats": ["png"]}, limit=100)["hits"]
    gone = made.photos / found[0]["name"]
    kept = gone.with_suffix(".kept")
    gone.rename(kept)
    try:
        data = export(client, filters={"formats": ["png"]}, format="zip")
    finally:
        kept.rename(gone)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {hit["name"] for hit in found[1:]} | {"left-out.txt"}
        assert found[0]["uri"] in archive.read("left-out.txt").decode()
        assert archive.read(found[1]["name"]) == (made.photos / found[1]["name"]).read_bytes()


def test_what_has_no_end_of_its_own_is_exported_page_by_page(
    client: TestClient, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "DEEPEST", 10)
    asked = {"filters": {}, "limit": made.count - 1}
    rows = list(csv.DictReader(io.StringIO(export(client, **asked, format="csv").decode())))
    assert [int(row["rank"]) for row in rows] == list(range(1, made.count))
    table = pq.read_table(io.BytesIO(export(client, **asked, format="parquet")))
    assert table["id"].to_pylist() == [row["id"] for row in rows]
    assert len(set(table["id"].to_pylist())) == made.count - 1


def test_what_is_like_an_image_that_was_sent_is_exported(client: TestClient, made: Made) -> None:
    photo = sorted(made.photos.glob("*.jpg"))[2]
    form = {"format": "csv", "limit": "3"}
    sent = client.post(f"{API}/export", data=form, files={"image": photo.read_bytes()})
    assert sent.status_code == 200, sent.text
    rows = list(csv.DictReader(io.StringIO(sent.text)))
    assert len(rows) == 3
    assert rows[0]["name"] == photo.name


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"text": "x"}, 422, "invalid"),
        ({"text": "x", "format": "pdf"}, 422, "invalid"),
        ({"text": "x", "format": "csv", "limit": 1_000_001}, 422, "invalid"),
        ({"format": "csv"}, 400, "bad-query"),
    ],
)
def test_a_wrong_export_is_refused(
    client: TestClient, asked: dict[str, Any], status: int, code: str
) -> None:
    assert problem(client.post(f"{API}/export", json=asked)) == (status, code)


def test_members_of_shards_come_by_ranges_too(
    client: TestClient, made: Made, tmp_path: Path
) -> None:
    pack(tmp_path / "shard.tar", {"a.png": picture(3), "b.png": picture(4)})
    commit(tmp_path, made.workspace, "shards")
    hits = until(
        lambda: client.get(f"{API}/images", params={"collection": "shards"}).json().get("images"),
        "the shard's images",
    )
    data = {"a.png": picture(3), "b.png": picture(4)}
    for hit in hits:
        whole = client.get(hit["file"])
        assert whole.content == data[hit["name"]]
        part = client.get(hit["file"], headers={"Range": "bytes=-9"})
        assert (part.status_code, part.content) == (206, whole.content[-9:])
    pack(tmp_path / "shard.tar", {"a.png": picture(5), "b.png": picture(4)})
    first = next(hit for hit in hits if hit["name"] == "a.png")
    assert problem(client.get(first["file"])) == (409, "original-changed")


def test_models_and_precisions_are_told(client: TestClient) -> None:
    found = client.get(f"{API}/models").json()
    builtin = next(one for one in found["models"] if one["name"] == "builtin")
    assert builtin["here"]
    assert "default" in builtin["collections"]
    assert 1_000_000 < builtin["parameters"] < 3_000_000
    assert builtin["weights"]["fp32"] == 4 * builtin["parameters"]
    assert builtin["weights"]["int8"] < builtin["weights"]["bf16"]
    assert [one["name"] for one in found["precisions"]] == ["fp32", "bf16", "fp16", "int8", "nf4"]
    assert sum(one["chosen"] for one in found["precisions"]) == 1
