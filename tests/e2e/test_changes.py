"""What a folder goes through after it was indexed, and what the next runs make of it."""

import shutil

import pytest
from PIL import Image, ImageOps

pytestmark = [pytest.mark.e2e, pytest.mark.ray]


@pytest.fixture(scope="module")
def changed(indexed, pdray, ids_of, one_ray, tmp_path_factory):
    """The collection after 10 of 150 images changed, 10 were renamed, 10 deleted and 10 added.

    The folder of `indexed` may not change, so a copy takes its place for the while.
    """
    home = tmp_path_factory.mktemp("changed")
    workspace, aside = home / "workspace", home / "aside"
    shutil.copytree(indexed.workspace, workspace)
    shutil.copytree(indexed.photos, aside)  # copy2: the times of the files come along
    try:
        files = sorted(indexed.photos.glob("*.jpg"))
        for path in files[:10]:
            with Image.open(path) as picture:
                mirrored = ImageOps.mirror(picture.convert("RGB"))
            mirrored.save(path, quality=88)
        (indexed.photos / "kept").mkdir()
        for path in files[10:20]:
            path.rename(indexed.photos / "kept" / f"renamed {path.name}")
        for path in files[20:30]:
            path.unlink()
        pdray("samples", home / "more", "--count", 10, "--seed", 78, "--max-side", 400)
        for path in (home / "more").glob("*.jpg"):
            path.rename(indexed.photos / f"new-{path.name}")
        call = ("index", indexed.photos, "-w", workspace, "--json")
        forecast = pdray(*call, "--dry-run").document
        report = pdray(*call, **one_ray).document
        verified = pdray("verify", "-w", workspace, "--json").document
        again = pdray(*call).document
        return {
            "forecast": forecast,
            "report": report,
            "verified": verified,
            "again": again,
            "ids": ids_of(workspace),
            "workspace": workspace,
        }
    finally:
        shutil.rmtree(indexed.photos)
        shutil.copytree(aside, indexed.photos)


COUNTS = {
    "seen": 150, "updated": 10, "moved": 10, "deleted": 10, "indexed": 10, "unchanged": 120,
    "failed": 0,
}  # fmt: skip


def test_the_run_reports_exactly_what_changed(changed):
    assert {key: changed["report"][key] for key in COUNTS} == COUNTS
    assert changed["again"]["unchanged"] == changed["again"]["seen"] == 150


def test_a_dry_run_forecasts_it(changed):
    assert {key: changed["forecast"][key] for key in COUNTS} == COUNTS
    assert changed["forecast"]["dry_run"] is True


def test_index_and_catalog_agree_afterwards(changed):
    verified = changed["verified"]
    assert (verified["agrees"], verified["images"], verified["points"]) == (True, 150, 150)


def test_a_rename_costs_no_model_run(changed):
    assert changed["report"]["reused"] == 10
    assert changed["report"]["embedded"] == 20


def test_renamed_and_changed_images_keep_their_ids(changed, indexed):
    old = {uri.rsplit("/", 1)[-1]: image for uri, image in indexed.ids.items()}
    new = {
        uri.rsplit("/", 1)[-1].removeprefix("renamed%20"): image
        for uri, image in changed["ids"].items()
    }
    assert {name for name in old if name not in new} == {
        f"scene-{number:06d}.jpg" for number in range(21, 31)
    }
    assert {name: new[name] for name in old if name in new} == {
        name: image for name, image in old.items() if name in new
    }
    assert len(set(new.values())) == 150
    assert sum("/kept/renamed%20" in uri for uri in changed["ids"]) == 10


def test_another_folder_in_the_same_collection_deletes_nothing(copied, pdray, one_ray, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in sorted(copied.photos.glob("*.jpg"))[:3]:
        shutil.copy(path, other / f"copy-{path.name}")
    report = pdray("index", other, "-w", copied.workspace, "--json", **one_ray).document
    assert (report["seen"], report["indexed"], report["deleted"]) == (3, 3, 0)
    assert (report["reused"], report["embedded"]) == (3, 0)
    status = pdray("status", "-w", copied.workspace, "--json").document
    assert status["collections"][0]["points"] == 153


def test_an_emptied_root_deletes_nothing_until_someone_says_so(copied, pdray, tmp_path):
    hidden = tmp_path / "hidden"
    copied.photos.rename(hidden)
    at = (copied.photos, "-w", copied.workspace)
    try:
        unmounted = pdray("index", *at, expect=1)
        assert str(copied.photos) in unmounted.sentence
        copied.photos.mkdir()
        emptied = pdray("index", *at, "--json").document
        assert (emptied["seen"], emptied["deleted"]) == (0, 0)
        assert any("--allow-deletes" in note for note in emptied["notes"])
        points = pdray("status", "-w", copied.workspace, "--json").document["collections"][0]
        assert (points["points"], points["committed"]) == (150, 150)
        meant = pdray("index", *at, "--allow-deletes", "--json").document
        assert meant["deleted"] == 150
        assert pdray("verify", "-w", copied.workspace, "--json").document["points"] == 0
    finally:
        shutil.rmtree(copied.photos, ignore_errors=True)
        hidden.rename(copied.photos)
