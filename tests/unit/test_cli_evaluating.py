"""`pdray eval` as a user has it."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pdray.catalog.catalog import Catalog
from pdray.index.points import Point
from pdray.index.protocol import Index
from pdray.ingest.project import Projector
from pdray.ingest.target import index_target
from pdray.models.resolve import resolve
from pdray.samples.collection import write_collection
from pdray.samples.scene import scenes as drawn
from tests.command import Done, environment, forked
from tests.served import Made, copied, settings_of

COUNT, SEED = 40, 12


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_collection(folder, COUNT, SEED, sides=(160, 240))
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
    assert said.startswith(f"None of {COUNT} images can be used")


def test_a_broken_image_is_told_and_left_out_of_every_model(scenes: Path, tmp_path: Path) -> None:
    shutil.copytree(scenes, tmp_path / "some")
    broken = tmp_path / "some" / "scene-000002.jpg"
    broken.write_bytes(broken.read_bytes()[:40])
    call = ("captions", tmp_path / "some" / "captions.jsonl", "builtin", "--precisions")
    done = evaluated(*call, "fp32,bf16", "--json")
    assert done.err.replace("\n", "").count("scene-000002.jpg") == 1
    assert (done.document["images"], done.document["missing"]) == (COUNT - 1, 1)
    assert {one["queries"] for one in done.document["measured"]} == {COUNT - 1}
    for figures in (line(done.document, "text to image", number) for number in (0, 1)):
        assert figures["recall_at_1"]["mean"] >= 0.8  # texts and images still belong together


def test_what_cannot_be_done_is_said_before_anything_is_embedded(
    scenes: Path, tmp_path: Path
) -> None:
    call = ("captions", scenes / "captions.jsonl", "builtin")
    for more, said in (
        (("--precisions", "fp32,fp7"), "There is no precision 'fp7'"),
        (("--precisions", ","), "There is no precision ','"),
        (("--plot", tmp_path / "plot.doc"), f"The plot {tmp_path / 'plot.doc'} is no .png"),
        (("--plot", tmp_path / "no" / "a.png"), f"The plot {tmp_path / 'no' / 'a.png'} has no"),
    ):
        done = evaluated(*call, *more, expect=2)
        assert done.sentence.startswith(said)
        assert "Embedding" not in done.err


def test_a_seed_draws_other_intervals_around_the_same_mean(scenes: Path, tmp_path: Path) -> None:
    # So few, and half of them wrong, that the interval is wide.
    lines = (scenes / "captions.jsonl").read_text("utf-8").splitlines()[:12]
    entries = [json.loads(one) for one in lines]
    for at in range(5):
        entries[at]["caption"], entries[at + 5]["caption"] = (
            entries[at + 5]["caption"],
            entries[at]["caption"],
        )
    file = tmp_path / "half.jsonl"
    file.write_text("\n".join(map(json.dumps, entries)))
    call = ("captions", file, "builtin", "--images", scenes, "--json", "--seed")
    found = [
        line(evaluated(*call, seed).document, "text to image")["reciprocal_rank"]
        for seed in (1, 1, 2)
    ]
    assert found[0] == found[1]
    assert found[0]["mean"] == found[2]["mean"]
    assert found[0]["low"] != found[2]["low"]


def sort_by_background(folder: Path, target: Path) -> list[str]:
    """Copies the scenes on one colour into a folder for each; gives the colours, most first."""
    files = sorted(folder.glob("*.jpg"))
    found: Counter[str] = Counter()
    for file, scene in zip(files, drawn(SEED), strict=False):
        if scene.ground.kind == "plain":
            found[scene.ground.first] += 1
            place = target / f"{scene.ground.first}_background"
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
    return [colour for colour, _ in found.most_common()]


def test_classes_are_told_by_their_names(scenes: Path, tmp_path: Path) -> None:
    colours = sort_by_background(scenes, tmp_path)
    call = ("classes", tmp_path, "builtin", "--template", "a {}", "--template", "on a {}")
    found = evaluated(*call, "--json").document
    assert found["classes"] == len(colours) > 5
    figures = line(found, "zero-shot")
    assert 0.8 <= figures["top_1"]["mean"] <= figures["top_5"]["mean"] <= 1
    told = found["measured"][0]["classes"]
    assert sum(one["images"] for one in told) == found["images"]
    right = sum(one["images"] * one["right"] for one in told) / found["images"]
    assert right == pytest.approx(figures["top_1"]["mean"])
    said = evaluated("classes", tmp_path, "builtin", "--template", "a", expect=2).sentence
    assert said.startswith("The template 'a' has no {}")


def test_the_class_that_another_is_taken_for_is_named(scenes: Path, tmp_path: Path) -> None:
    first, second = sort_by_background(scenes, tmp_path / "sorted")[:2]
    for colour, called in ((first, second), (second, first)):  # each under the other's name
        shutil.copytree(
            tmp_path / "sorted" / f"{colour}_background", tmp_path / "wrong" / f"{called}_ground"
        )
    call = ("classes", tmp_path / "wrong", "builtin", "--template", "on a {}")
    document = evaluated(*call, "--json").document
    assert line(document, "zero-shot")["top_1"]["mean"] <= 0.2
    told = {one["name"]: one for one in document["measured"][0]["classes"]}
    one = told[f"{first} ground"]
    assert one["taken_for"] == f"{second} ground"
    assert one["times"] == round(one["images"] * (1 - one["right"])) > 0
    assert re.search(rf"{first} ground +\d+ +0\.\d+ +{second} ground +\d", evaluated(*call).out)


@pytest.fixture
def projected(made: Made, tmp_path: Path) -> Made:
    """A workspace of one's own, with its index."""
    mine = copied(made, tmp_path)
    with_index(mine, lambda index: None)
    return mine


def with_index(made: Made, change: Callable[[Index], None]) -> None:
    """Brings the index up, then lets `change` at it behind the catalog's back."""
    catalog = Catalog.open(str(made.workspace))
    projector = Projector.open(catalog, index_target(settings_of(made)), resolve("builtin"))
    projector.catch_up("default")
    change(projector.index)
    projector.close()


def test_an_index_is_held_against_the_catalogs_vectors(projected: Made) -> None:
    done = evaluated("index", "-w", projected.workspace, "--queries", 5, "--json")
    found = done.document
    assert (found["images"], found["points"], found["queries"]) == (
        projected.count, projected.count, 5,
    )  # fmt: skip
    assert [one["recall"] for one in found["lines"]] == [1.0] * 5
    left = [one["images"] for one in found["lines"]]
    assert left[0] == projected.count
    assert left == sorted(left, reverse=True)
    assert left[1] < 0.7 * projected.count
    assert "Note" not in done.err
    assert "1.0000" in evaluated("index", "-w", projected.workspace, "--queries", 5).out


def test_what_the_index_has_lost_is_missed(projected: Made) -> None:
    """An exact search of the index itself would find nothing wrong."""
    with_index(
        projected, lambda index: index.delete([id for id, _ in index.scroll("default")][::2])
    )
    found = evaluated("index", "-w", projected.workspace, "--seed", 3, "--json").document
    assert (found["images"], found["queries"]) == (projected.count, projected.count)
    assert found["points"] == projected.count // 2
    # Half are there. The others' places go to images that are farther away.
    assert 0.3 < found["lines"][0]["recall"] < 0.7
    done = evaluated("index", "-w", projected.workspace)
    assert f"holds {projected.count // 2} of {projected.count} images" in done.err


def test_vectors_that_are_not_the_catalogs_are_missed(projected: Made) -> None:
    """As after a fault: all points are there, each at another's place."""

    def move(index: Index) -> None:
        stored = index.retrieve([id for id, _ in index.scroll("default")], with_vectors=True)
        for one, other in zip(stored, stored[1:] + stored[:1], strict=True):
            assert other.vector is not None
            index.upsert([Point(one.id, other.vector, one.payload)])

    with_index(projected, move)
    found = evaluated("index", "-w", projected.workspace, "--json").document
    assert found["points"] == found["images"]
    assert found["lines"][0]["recall"] < 0.7
