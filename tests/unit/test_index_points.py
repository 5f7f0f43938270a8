"""A catalog row becomes a payload: every key right, nothing None, nothing that JSON can't hold."""

import json

import pytest

from pdray.index.overlay import OWN, PEOPLE
from pdray.index.points import MACHINE_KEYS, Derived, folders, instant, payload
from pdray.index.schema import PAYLOAD_INDEXES
from pdray.records import ImageRecord, Metadata, Thumbnail

FULL = ImageRecord(
    uri="file:///photos/2020/caf%C3%A9%20noir.jpg",
    size=1234,
    version="17-1234",
    seq=42,
    status="ok",
    run_id="run",
    image_id="5f1f0b52-4be9-5a83-9d2b-8f2f6d1c7a10",
    content_id="ab" * 16,
    phash="0123456789abcdef",
    width=640,
    height=480,
    format="jpeg",
    metadata=Metadata(
        taken_at="2020-05-01T12:00:00+02:00",
        camera_make="NIKON CORPORATION",
        camera_model="NIKON  D750",
        lens="50 mm",
        exposure_seconds=0.01,
        f_number=1.8,
        iso=100,
        focal_length_mm=50.0,
        latitude=52.5,
        longitude=13.4,
        altitude_m=34.0,
        title="A café",
        description="black",
        keywords=("coffee", "table"),
        rating=5,
        caption="Ein Kaffee",
        extra='{"shard": 7}',
    ),
    thumbnail=Thumbnail("thumbs/a.pack", 10, 200),
)
BARE = ImageRecord(uri="s3://b/x.png", size=1, version="v", seq=1, status="ok", run_id="run")


def test_a_full_row_fills_every_machine_key() -> None:
    found = payload("pets", FULL)
    assert found.keys() == MACHINE_KEYS - {"caption_by"}
    assert found["folders"] == ["file:///photos/2020", "file:///photos"]
    assert found["name"] == "café noir.jpg"
    assert found["text"].split("\n") == [
        "café noir",
        "A café",
        "black",
        "Ein Kaffee",
        "coffee",
        "table",
    ]
    assert (found["pixels"], found["orientation"]) == (307_200, "landscape")
    assert found["taken_at"] == "2020-05-01T10:00:00Z"
    assert found["taken_local"] == "2020-05-01T12:00:00+02:00"
    assert found["camera"] == "nikon d750"
    assert found["location"] == {"lon": 13.4, "lat": 52.5}
    assert found["thumb"] == {"pack": "thumbs/a.pack", "offset": 10, "length": 200}
    json.dumps(found, allow_nan=False)


def test_a_derived_caption_is_shown_where_the_source_says_none_and_searched_in_any_case() -> None:
    derived = Derived("a cup", "blip")
    alone, beside = payload("pets", BARE, derived), payload("pets", FULL, derived)
    assert (alone["caption"], alone["caption_by"]) == ("a cup", "blip")
    assert beside["caption"] == payload("pets", FULL)["caption"]
    assert "caption_by" not in beside
    assert all("a cup" in found["text"].split("\n") for found in (alone, beside))


def test_what_is_unknown_is_absent() -> None:
    assert payload("pets", BARE) == {
        "collection": "pets",
        "uri": "s3://b/x.png",
        "folders": ["s3://b"],
        "name": "x.png",
        "text": "x",
        "version": "v",
        "seq": 1,
        "size": 1,
    }


def test_every_indexed_field_is_one_that_ingestion_writes() -> None:
    assert PAYLOAD_INDEXES.keys() <= MACHINE_KEYS


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("file:///a/b/c.jpg", ("file:///a/b", "file:///a")),
        ("file:///c.jpg", ()),
        ("s3://bucket/x/c.jpg", ("s3://bucket/x", "s3://bucket")),
        ("c.jpg", ()),
    ],
)
def test_folders_are_the_parent_and_every_ancestor(uri: str, expected: tuple[str, ...]) -> None:
    assert folders(uri) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2020-05-01T12:00:00", "2020-05-01T12:00:00Z"),
        ("2020-05-01T12:00:00.250000-01:00", "2020-05-01T13:00:00.250000Z"),
        ("2020-05-01", "2020-05-01T00:00:00Z"),
        ("0001-01-01T00:00:00+14:00", None),
        ("0000:00:00 00:00:00", None),
        ("", None),
        (None, None),
    ],
)
def test_a_date_becomes_utc_or_nothing(written: str | None, expected: str | None) -> None:
    assert instant(written) == expected


@pytest.mark.parametrize(
    ("make", "model", "expected"),
    [
        ("Canon", "Canon EOS 5D", "canon eos 5d"),
        ("SONY", "ILCE-7M3", "sony ilce-7m3"),
        (None, "X100", "x100"),
        ("Leica", None, "leica"),
        (" ", None, None),
    ],
)
def test_a_camera_is_named_once(make: str | None, model: str | None, expected: str | None) -> None:
    metadata = Metadata(camera_make=make, camera_model=model)
    record = ImageRecord("u", 1, "v", 1, "ok", "run", metadata=metadata)
    assert payload("pets", record).get("camera") == expected


def test_values_that_would_refuse_their_batch_are_mended_or_left_out() -> None:
    odd = Metadata(
        f_number=float("nan"),
        exposure_seconds=float("inf"),
        iso=2**80,
        title="half \ud83d",
        keywords=("ok", "bad \udcff"),
        latitude=91.0,
        longitude=0.0,
    )
    found = payload("pets", ImageRecord("u", 1, "v", 1, "ok", "run", metadata=odd))
    assert not found.keys() & {"f_number", "exposure_seconds", "iso", "location"}
    assert found["title"] == "half ?"
    assert found["keywords"] == ["ok", "bad ?"]


def test_what_people_say_has_keys_of_its_own() -> None:
    assert not MACHINE_KEYS & {PEOPLE, OWN}
