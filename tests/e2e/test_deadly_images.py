"""Images that end or hang the process that decodes them: set aside, listed, the rest indexed."""

from pathlib import Path

import pytest

from pdray.samples.collection import write_collection
from tests.decoder_faults import poisoned, write_poison

pytestmark = [pytest.mark.e2e, pytest.mark.ray]

FAULTS = {"crash": "crash", "hang": "timeout", "killed": "memory"}


def test_images_that_end_their_process_are_listed_and_cost_no_other(
    pdray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    photos = tmp_path / "photos"
    write_collection(photos, 30, seed=6)
    files = sorted(photos.glob("*.jpg"))
    for path, fault in zip(files[3::9], FAULTS, strict=True):
        path.rename(photos / f"{path.stem}-{fault}.jpg")
        bad = photos / f"{path.stem}-{fault}.jpg"
        bad.write_bytes(poisoned(bad.read_bytes(), fault))
    write_poison(tmp_path, monkeypatch)
    call = ("index", photos, "-w", tmp_path / "workspace", "--model", "builtin", "--json")
    # One unit and one worker: two deaths, and the third process looks at all of it with a guard.
    done = pdray(
        *call,
        PDRAY_INGEST_IMAGE_SECONDS="2",
        PDRAY_INGEST_UNIT_SIZE="30",
        PDRAY_INGEST_ENCODERS="1",
    )
    report = done.document
    assert (report["indexed"], report["failed"]) == (27, 3)
    assert report["rework"] == 30
    errors = pdray("errors", "-w", tmp_path / "workspace", "--json").document
    found = {
        row["uri"].rpartition("-")[2].removesuffix(".jpg"): (row["stage"], row["kind"])
        for row in errors["failures"]
    }
    assert found == {fault: ("decode", kind) for fault, kind in FAULTS.items()}
    assert not list((tmp_path / "workspace/attempts").rglob("*.json"))
    again = pdray(*call).document
    assert (again["unchanged"], again["rework"]) == (30, 0)
    # They are known by now: a guard from the start, and one process for all of the run.
    asked = pdray(*call, "--retry-failed", PDRAY_INGEST_IMAGE_SECONDS="2").document
    assert [asked[name] for name in ("read", "failed", "unchanged", "rework")] == [3, 3, 27, 0]
