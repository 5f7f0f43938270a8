"""Images that end or hang the process that decodes them: set aside, listed, the rest indexed."""

from pathlib import Path

import pytest

from pdray.samples.collection import write_collection
from tests.decoder_faults import poisoned, write_poison
from tests.ray_head import ray_head

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
    at = {"PDRAY_INGEST_IMAGE_SECONDS": "2", "PDRAY_INGEST_ENCODERS": "1"}
    with ray_head() as joined:
        # One unit, one worker: two deaths, and the third process looks at it all with a guard.
        report = pdray(*call, PDRAY_INGEST_UNIT_SIZE="30", **at, **joined).document
        # They are known now: a guard from the start, and one process for all of the run.
        asked = pdray(*call, "--retry-failed", **at, **joined).document
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
    assert [asked[name] for name in ("read", "failed", "unchanged", "rework")] == [3, 3, 27, 0]
