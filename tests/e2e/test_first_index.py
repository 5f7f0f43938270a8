"""A folder is indexed, and everything that only looks at the result."""

import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

pytestmark = [pytest.mark.e2e, pytest.mark.ray]

REPORTED = {
    "run_id", "seen", "indexed", "updated", "unchanged", "moved", "deleted", "failed", "reused",
    "seconds", "images_per_second", "model",
}  # fmt: skip
QUERIES = 100


@pytest.fixture(scope="module")
def queries(indexed, tmp_path_factory):
    """A file of captions to look for, and the name of the scene that each was written for."""
    wanted = dict(list(indexed.captions.items())[:QUERIES])
    path = tmp_path_factory.mktemp("queries") / "queries.jsonl"
    path.write_text("".join(json.dumps({"text": c}) + "\n" for c in wanted.values()), "utf-8")
    return path, list(wanted)


def hits_of(done):
    """(uri, id) of the hits of each answer line."""
    return [
        [(hit["uri"], hit["id"]) for hit in json.loads(line)["hits"]]
        for line in done.out.splitlines()
    ]


def name(uri):
    return unquote(uri).rsplit("/", 1)[-1]


def test_every_scene_is_indexed_and_the_report_says_so(indexed):
    report = indexed.report
    assert report.keys() >= REPORTED
    assert (report["seen"], report["indexed"]) == (150, 150)
    assert [report[n] for n in ("updated", "unchanged", "moved", "deleted", "failed")] == [0] * 5
    assert report["model"] == "builtin"
    assert report["peak_bytes"] > 1e9  # torch in each of several processes: more than the driver
    assert {name(uri) for uri in indexed.ids} == set(indexed.captions)
    assert len(set(indexed.ids.values())) == 150


def test_standard_error_holds_progress_and_nothing_of_rays(indexed):
    lines = indexed.said.splitlines()
    assert [line for line in lines if not re.match(r" *\d+ s  \S", line)] == []


def test_a_second_run_finds_all_unchanged_and_never_starts_ray(copied, pdray, without):
    again = pdray("index", copied.photos, "-w", copied.workspace, "--json", **without("ray"))
    assert again.document["unchanged"] == again.document["seen"] == 150
    assert again.document["read"] == 0


def test_the_stand_in_for_a_package_ends_whoever_imports_it(pdray, without, tmp_path, copied):
    """Else the tests that forbid an import would prove nothing."""
    more = tmp_path / "more"
    more.mkdir()
    Image.new("RGB", (20, 20), "red").save(more / "a.png")
    done = pdray("index", more, "-w", copied.workspace, expect=1, **without("ray"))
    assert "ray was imported" in done.err


def test_captions_find_their_scenes(indexed, queries, pdray):
    path, wanted = queries
    answers = hits_of(pdray("search", "--queries", path, "-w", indexed.workspace, "--json"))
    ranks = [[name(uri) for uri, _ in hits] for hits in answers]
    assert all(len(hits) == 10 for hits in ranks)
    found = sum(file in hits for file, hits in zip(wanted, ranks, strict=True))
    assert found >= 0.9 * QUERIES


def test_a_search_answer_has_the_documented_shape(indexed, pdray):
    done = pdray("search", "a red circle", "-w", indexed.workspace, "--limit", 3, "--json")
    answer = done.document
    assert answer["query"] == "a red circle"
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3]
    for hit in answer["hits"]:
        assert indexed.ids[hit["uri"]] == hit["id"]
        assert -1 <= hit["score"] <= 1
        assert hit["size"] == Path(unquote(hit["uri"].removeprefix("file://"))).stat().st_size
        assert hit["width"] <= 400
        assert hit["taken_at"][:2] == "20"
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert set(answer["took_ms"]) >= {"encode", "index", "total"}
    assert done.err == ""


def test_an_image_finds_itself_and_a_sheet_shows_it(indexed, pdray, tmp_path):
    sheet = tmp_path / "sheet.png"
    photo = indexed.photos / "scene-000007.jpg"
    done = pdray("search", "--image", photo, "-w", indexed.workspace, "--sheet", sheet, "--json")
    first = done.document["hits"][0]
    assert name(first["uri"]) == photo.name
    assert first["score"] > 0.98
    with Image.open(sheet) as drawn:
        assert drawn.format == "PNG"
        # A sheet of grey tiles alone would mean that no thumbnail could be read.
        assert len(drawn.convert("RGB").resize((64, 64)).getcolors(4096)) > 50


def test_words_and_an_image_together_mean_both(indexed, pdray):
    photo, words = indexed.photos / "scene-000007.jpg", indexed.captions["scene-000031.jpg"]

    def ranks(*asked):
        at = ("-w", indexed.workspace, "--limit", 150, "--json")
        hits = pdray("search", *asked, *at).document["hits"]
        names = [name(hit["uri"]) for hit in hits]
        return [names.index(one) for one in ("scene-000007.jpg", "scene-000031.jpg")]

    shown, said = ranks(words, "--image", photo)
    assert shown < ranks(words)[0]
    assert said < ranks("--image", photo)[1]


def test_status_doctor_and_errors_print_one_document_each(indexed, pdray):
    at = ("-w", indexed.workspace, "--json")
    status = pdray("status", *at).document
    assert status["workspace"].endswith("/workspace")
    (one,) = status["collections"]
    wanted = {
        "name": "default", "model": "builtin", "committed": 150, "points": 150, "pending": 0,
        "failed": 0,
    }  # fmt: skip
    assert {key: one[key] for key in wanted} == wanted
    assert one["last_run"]["report"]["indexed"] == 150
    assert pdray("errors", *at).document["failures"] == []
    doctor = pdray("doctor", *at).document
    keys = {"python", "cpu", "memory", "disk", "gpu", "torch", "hub", "model", "precision"}
    assert doctor.keys() >= keys | {"problems"}
    assert doctor["model"]["name"] == "builtin"


def test_rebuild_gives_the_same_hits_and_never_imports_torch(copied, queries, pdray, without):
    path, _ = queries
    ask = ("search", "--queries", path, "-w", copied.workspace, "--json")
    before = hits_of(pdray(*ask))
    (index,) = copied.workspace.glob("state/index")
    shutil.rmtree(index)
    missing = pdray("verify", "-w", copied.workspace, "--json", expect=1).document
    assert (missing["missing"], missing["agrees"]) == (150, False)
    rebuilt = pdray("rebuild", "-w", copied.workspace, "--json", **without("torch")).document
    assert rebuilt["points"] == 150
    assert hits_of(pdray(*ask)) == before
    assert pdray("verify", "-w", copied.workspace, "--json").document["agrees"] is True


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("search", "", "-w", "{workspace}"), 2, "empty"),
        (("search", "red", "-w", "{workspace}", "-c", "other"), 1, "pdray index"),
        (("search", "red", "-w", "{workspace}/none"), 1, "--workspace"),
        (("search", "--image", "{workspace}/none.jpg", "-w", "{workspace}"), 2, "none.jpg"),
        (("search", "red", "-w", "{workspace}", "--sheet", "{workspace}/no/a.png"), 2, "folder"),
        (("index", "{workspace}/none", "-w", "{workspace}"), 1, "exist"),
        (("index", "{workspace}", "-w", "{workspace}", "-c", "Bad Name"), 2, "--collection"),
        (("index", "{photos}", "-w", "{workspace}", "-m", "no/such-model"), 1, "builtin"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_sentence(indexed, pdray, arguments, code, word):
    filled = [a.format(workspace=indexed.workspace, photos=indexed.photos) for a in arguments]
    offline = {"HF_HUB_OFFLINE": "1"} if "no/such-model" in arguments else {}
    done = pdray(*filled, expect=code, **offline)
    assert word in done.sentence
    assert done.out == ""


@pytest.mark.parametrize("arguments", [("search", "--no-such"), ("index",), ("nonsense",)])
def test_wrong_usage_ends_with_2(pdray, arguments):
    assert "Usage: pdray" in pdray(*arguments, expect=2).err


def test_help_lists_every_command(pdray):
    shown = pdray("--help").out
    commands = "index search status errors verify rebuild samples doctor demo benchmark models"
    assert [word for word in commands.split() if f"  {word} " not in shown] == []


@pytest.mark.parametrize("line", ['["red"]', '{"text": 3}', '{"words": "red"}', "red"])
def test_a_line_that_is_no_query_is_named(indexed, pdray, tmp_path, line):
    path = tmp_path / "queries.jsonl"
    path.write_text('{"text": "blue"}\n\n' + line + "\n")
    done = pdray("search", "--queries", path, "-w", indexed.workspace, "--json", expect=2)
    assert done.sentence.startswith(f"Line 3 of {path}")
    assert done.out == ""
