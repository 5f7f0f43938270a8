"""`pdray eval` as a user has it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pdray.catalog.catalog import Catalog
from pdray.ingest.project import Projector
from pdray.ingest.target import index_target
from pdray.models.resolve import resolve
from pdray.samples.collection import write_collection
from tests.command import Done, environment, forked
from tests.served import Made, settings_of

COUNT = 40


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_collection(folder, COUNT, 12, sides=(160, 240))
    return folder


def evaluated(*arguments: object, expect: int = 0) -> Done:
    done = forked(["eval", *arguments], environment())
    assert done.code == expect, done.err
    return done


def line(document: Any, asked: str, number: int = 0) -> Any:
    """The figures of one direction."""
    return [one for one in document["measured"] if one["asked"] == asked][number]["figures"]


def test_captions_find_their_images_and_a_model_does_not_differ_from_itself(scenes: Path) -> None:
    call = ("captions", scenes / "captions.jsonl", "builtin", "--precisions", "fp32,bf16")
    found = evaluated(*call, "--json").document
    assert (found["images"], found["texts"], found["missing"]) == (COUNT, COUNT, 0)
    for asked in ("text to image", "image to text"):
        figures = line(found, asked)
        assert 0.8 <= figures["recall_at_1"]["mean"] <= figures["recall_at_10"]["mean"] <= 1
        for one in figures.values():
            assert one["low"] <= one["mean"] <= one["high"]
    assert [one["precision"] for one in found["measured"]] == ["fp32", "fp32", "bf16", "bf16"]
    assert len(found["differences"]) == 10
    for one in found["differences"]:
        assert (one["first"], one["second"]) == ("builtin fp32", "builtin bf16")
        assert abs(one["mean"]) <= 0.1
        assert one["p"] > 0.05


def test_captions_of_other_images_find_nothing(scenes: Path, tmp_path: Path) -> None:
    lines = (scenes / "captions.jsonl").read_text("utf-8").splitlines()
    entries = [json.loads(one) for one in lines]
    moved = [
        {"file": one["file"], "caption": entries[at - COUNT // 2]["caption"]}
        for at, one in enumerate(entries)
    ]
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text("\n".join(map(json.dumps, moved)))
    found = evaluated("captions", wrong, "builtin", "--images", scenes, "--json").document
    assert line(found, "text to image")["recall_at_1"]["mean"] <= 0.1


def test_missing_images_are_told_and_left_out(scenes: Path, tmp_path: Path) -> None:
    shutil.copytree(scenes, tmp_path / "some")
    for number in (1, 2):
        (tmp_path / "some" / f"scene-{number:06d}.jpg").unlink()
    file, plot = tmp_path / "some" / "captions.jsonl", tmp_path / "plot.png"
    done = evaluated("captions", file, "builtin", "--limit", 10, "--plot", plot)
    assert "scene-000001.jpg" in done.err.replace("\n", "")
    assert "8 images, 8 texts, 2 missing" in done.out
    with Image.open(plot) as picture:
        assert picture.size[0] == 960
    said = evaluated("captions", file, "builtin", "--images", tmp_path, expect=2).sentence
    assert said.startswith(f"None of {COUNT} images can be read")


def test_classes_are_told_by_their_names(scenes: Path, tmp_path: Path) -> None:
    lines = (scenes / "captions.jsonl").read_text("utf-8").splitlines()
    for entry in map(json.loads, lines):
        for kind in ("striped", "checkered", "fading"):
            if f"{kind} background" in entry["caption"] or f"background {kind}" in entry["caption"]:
                folder = tmp_path / f"{kind}_background"
                folder.mkdir(exist_ok=True)
                shutil.copy(scenes / entry["file"], folder)
    call = ("classes", tmp_path, "builtin", "--template", "a {}", "--template", "on a {}")
    found = evaluated(*call, "--json").document
    assert found["classes"] == 3
    assert line(found, "zero-shot")["top_1"]["mean"] >= 0.7
    said = evaluated("classes", tmp_path, "builtin", "--template", "a", expect=2).sentence
    assert said.startswith("The template 'a' has no {}")


def test_an_index_is_held_against_an_exact_search(made: Made) -> None:
    projector = Projector.open(
        Catalog.open(str(made.workspace)), index_target(settings_of(made)), resolve("builtin")
    )
    projector.catch_up("default")
    projector.close()
    found = evaluated("index", "-w", made.workspace, "--queries", 5, "--json").document
    assert (found["images"], found["queries"]) == (made.count, 5)
    assert [one["recall"] for one in found["lines"]] == [1.0] * 5
    left = [one["images"] for one in found["lines"]]
    assert left[0] == made.count
    assert left == sorted(left, reverse=True)
    assert left[1] < 0.7 * made.count
