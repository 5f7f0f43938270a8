"""`pdray plan` runs a sample of the real source and leaves nothing behind."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import Collection, Pdray

pytestmark = [pytest.mark.e2e, pytest.mark.ray]


def test_a_sample_is_run_and_all_of_it_foretold(
    pdray: Pdray, indexed: Collection, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for file in sorted(indexed.photos.glob("*.jpg"))[:60]:
        shutil.copy(file, photos)
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    place = tmp_path / "w"
    words = ["plan", photos, "-w", place, "--model", "builtin", "--images", 50_000_000]
    words += ["--gpus", 8, "--gpu", "h100", "--hourly", 40, "--json"]
    found = pdray(*words).document
    assert found["listed"]["images"] == 61
    sample, told = found["sample"], found["prediction"]
    assert (sample["images"], sample["failed"]) == (61, 1)
    assert sum(unit["images"] for unit in sample["units"]) == 61
    assert all(unit["seconds"]["decode"] > 0 for unit in sample["units"])
    assert sample["index_seconds"] > 0
    assert sample["startup_seconds"] > 0
    files = sum(file.stat().st_size for file in photos.glob("*.jpg")) / 61
    assert sample["read_bytes"] == pytest.approx(files)
    # What is stored was written: a thumbnail of a scene is some kilobytes.
    assert 500 < sample["stored"]["thumbnails"] < 50_000
    assert told["images"] == 50_000_000
    assert told["storage"]["thumbnails"] == 50_000_000 * sample["stored"]["thumbnails"]
    assert told["binds"] in told["stages"]
    assert told["cost"][1] == pytest.approx(told["seconds"][1] / 3600 * 40)
    assert found["index"]["shards"] == 3
    # Nothing is indexed, and nothing of the sample stays.
    assert [path for path in place.rglob("*") if path.is_file()] == []
