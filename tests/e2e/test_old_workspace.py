"""A workspace that pdray wrote in format 1 opens, answers, goes on, and can be compacted."""

import io
import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from pdray.catalog.schema import FORMAT

pytestmark = [pytest.mark.e2e, pytest.mark.ray]

STORED = Path(__file__).parents[1] / "data" / "format-1"
WRITTEN_AT = "file:///tmp/w/f1/scenes/"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A copy of it, as if it had been made here: photos where the rows say, as old as they say."""
    home = tmp_path_factory.mktemp("old")
    shutil.copytree(STORED, home, dirs_exist_ok=True)
    photos = home / "photos"
    (part,) = (home / "workspace").glob("collections/default/rows/*.parquet")
    table = pq.read_table(io.BytesIO(part.read_bytes()))
    for row in table.to_pylist():
        written = int(row["version"].split("-")[0])
        os.utime(photos / row["uri"].removeprefix(WRITTEN_AT), ns=(written, written))
    uris = [uri.replace(WRITTEN_AT, f"{photos.as_uri()}/") for uri in table["uri"].to_pylist()]
    mapped = table.set_column(0, table.schema.field("uri"), pa.array(uris))
    part.unlink()
    pq.write_table(mapped.replace_schema_metadata(table.schema.metadata), part)
    assert json.loads((home / "workspace/format.json").read_text()) == {"format": 1}
    return home


@pytest.fixture(scope="module")
def looked(home, pdray, one_ray):
    """What the commands that only look and mend say of it."""
    at = ("-w", home / "workspace", "--json")
    return {
        "status": pdray("status", *at).document["collections"][0],
        "rebuild": pdray("rebuild", *at).document,
        "refused": pdray("search", "a red circle", "-n", 5, *at, expect=1).sentence,
        "switch": pdray("models", "switch", "builtin", *at, **one_ray).document,
        "search": pdray("search", "a red circle", "-n", 5, *at).document,
        "errors": pdray("errors", *at).document,
        "verify": pdray("verify", *at).document,
        "format": json.loads((home / "workspace/format.json").read_text()),
    }


@pytest.fixture(scope="module")
def indexed_again(home, looked, pdray, one_ray):
    """What runs make of it: with nothing changed, then with a change and something new."""
    call = ("index", home / "photos", "-w", home / "workspace", "--json")
    unchanged = pdray(*call).document
    with Image.open(home / "photos/scene-000001.jpg") as picture:
        mirrored = ImageOps.mirror(picture.convert("RGB"))
    mirrored.save(home / "photos/scene-000001.jpg")
    mirrored.crop((0, 0, 200, 200)).save(home / "photos/new.png")
    (home / "photos/scene-000002.jpg").unlink()
    changed = pdray(*call, **one_ray).document
    at = ("-w", home / "workspace", "--json")
    return {
        "unchanged": unchanged,
        "changed": changed,
        "verify": pdray("verify", *at).document,
        "compact": pdray("compact", "--grace", 0, *at).document,
        "compacted": pdray("verify", *at).document,
    }


def test_it_opens_and_says_what_it_holds(looked):
    status = looked["status"]
    assert (status["model"], status["committed"], status["failed"]) == ("builtin", 5, 1)
    assert looked["errors"]["kinds"] == {"not-an-image": 1}
    assert looked["format"] == {"format": 1}


def test_a_built_in_model_of_long_ago_is_replaced_by_todays(looked):
    assert looked["refused"].endswith("`pdray models switch builtin` gives it this one.")
    found = looked["switch"]
    assert (found["switched"], found["report"]["embedded"], found["missing"]) == (True, 5, 0)


def test_its_index_is_made_anew_and_answers(looked, home):
    assert looked["rebuild"]["points"] == 5
    assert looked["verify"]["agrees"]
    uris = {hit["uri"] for hit in looked["search"]["hits"]}
    assert uris == {(home / f"photos/scene-{n:06}.jpg").as_uri() for n in range(1, 6)}


def test_a_run_over_the_same_photos_finds_nothing_to_do(indexed_again):
    report = indexed_again["unchanged"]
    assert (report["seen"], report["unchanged"], report["read"]) == (6, 6, 0)


def test_a_run_after_changes_does_those_alone_and_raises_the_format(indexed_again, home):
    report = indexed_again["changed"]
    counts = {key: report[key] for key in ("updated", "indexed", "deleted", "unchanged")}
    assert counts == {"updated": 1, "indexed": 1, "deleted": 1, "unchanged": 4}
    assert indexed_again["verify"]["agrees"]
    assert json.loads((home / "workspace/format.json").read_text()) == {"format": FORMAT}


def test_old_and_new_parts_are_merged_into_one(indexed_again):
    found = indexed_again["compact"]["collections"]["default"]
    assert (found["parts_before"], found["parts_after"]) == (3, 1)
    assert indexed_again["compacted"]["agrees"]
    assert indexed_again["compacted"]["points"] == 5
