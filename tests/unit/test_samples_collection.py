"""The written collection: same bytes for a seed, stable prefix, readable EXIF."""

import json
from pathlib import Path

import exifread
import pytest
from PIL import Image

from pdray.errors import UsageError
from pdray.samples.collection import write_collection

SIDES = (64, 200)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.jpg")}


def test_a_larger_count_keeps_the_first_pictures_and_captions(tmp_path: Path) -> None:
    few = write_collection(tmp_path / "few", 6, 11, sides=SIDES)
    many = write_collection(tmp_path / "many", 12, 11, sides=SIDES)
    first, all_ = contents(few.folder), contents(many.folder)
    assert len(first) == 6
    assert len(all_) == 12
    assert first.items() <= all_.items()
    assert many.captions.read_text().startswith(few.captions.read_text())


def test_another_seed_writes_other_pictures(tmp_path: Path) -> None:
    one = contents(write_collection(tmp_path / "a", 4, 1, sides=SIDES).folder)
    two = contents(write_collection(tmp_path / "b", 4, 2, sides=SIDES).folder)
    assert not set(one.values()) & set(two.values())


def test_captions_name_the_files_in_order(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    written = write_collection(
        tmp_path, 5, 1, sides=SIDES, on_progress=lambda done, count: calls.append((done, count))
    )
    rows = [json.loads(line) for line in written.captions.read_text().splitlines()]
    assert [row["file"] for row in rows] == [f"scene-{n:06d}.jpg" for n in range(1, 6)]
    assert all(set(row) == {"file", "caption"} and row["caption"] for row in rows)
    assert calls == [(n, 5) for n in range(1, 6)]


def test_sizes_vary_within_the_sides_that_were_asked_for(tmp_path: Path) -> None:
    write_collection(tmp_path, 30, 5, sides=(300, 700))
    sizes = []
    for path in tmp_path.glob("*.jpg"):
        with Image.open(path) as image:
            sizes.append(image.size)
    assert all(300 <= side <= 700 for size in sizes for side in size)
    assert len(set(sizes)) > 15


def test_another_reader_finds_camera_date_exposure_and_position(tmp_path: Path) -> None:
    write_collection(tmp_path, 20, 7, sides=SIDES)
    offsets, lenses = set(), 0
    for path in sorted(tmp_path.glob("*.jpg")):
        with path.open("rb") as file:
            tags = exifread.process_file(file, details=False)
        assert str(tags["Image Make"])
        assert str(tags["Image Model"])
        assert str(tags["EXIF DateTimeOriginal"])[4] == ":"
        assert tags["EXIF ISOSpeedRatings"].values[0] >= 64
        assert 0 < float(tags["EXIF ExposureTime"].values[0]) < 1
        assert str(tags["GPS GPSLatitudeRef"]) in "NS"
        degrees, minutes, seconds = (float(value) for value in tags["GPS GPSLongitude"].values)
        assert 0 <= degrees <= 180
        assert 0 <= minutes < 60
        assert 0 <= seconds < 60
        offsets.add(str(tags["EXIF OffsetTimeOriginal"]))
        lenses += "EXIF LensModel" in tags
    assert len(offsets) > 2
    assert 0 < lenses < 20


@pytest.mark.parametrize(("count", "sides"), [(0, (300, 1600)), (3, (900, 300)), (3, (1, 300))])
def test_a_collection_that_makes_no_sense_is_a_usage_error(
    tmp_path: Path, count: int, sides: tuple[int, int]
) -> None:
    with pytest.raises(UsageError, match="can't be drawn"):
        write_collection(tmp_path, count, 1, sides=sides)
