"""A disk that is full, and what dead runs have left lying about."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import State, differences, look, pdray
from tests.faults.plain import Call, run
from tests.faults.points import Fault
from tests.faults.trials import counted, rework

UNIT = 4


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk") / "photos"
    assert pdray("samples", folder, "--count", 24, "--seed", 3, "--max-side", 400).code == 0
    return folder


@pytest.fixture(scope="module")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> State:
    home = tmp_path_factory.mktemp("undisturbed")
    assert run(call(photos, home, home / "workspace")).code == 0
    return look(home / "workspace", home / "state")


def call(photos: Path, home: Path, workspace: Path, largest: int | None = None) -> Call:
    """A run whose fault is none."""
    fault = Fault(str(home / f"fault-{len(list(home.glob('fault-*')))}"))
    Path(fault.folder).mkdir()
    return Call(str(photos), str(workspace), str(home / "state"), fault, {}, UNIT, largest)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_one_sentence_and_the_next_run_completes(
    photos: Path, undisturbed: State, small_disk: Path, tmp_path: Path
) -> None:
    workspace = small_disk / "workspace"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(200_000))
    first = call(photos, tmp_path, workspace)
    full = run(first)
    assert full.code == 1, full
    assert "No space left on device" in full.error
    assert "workspace" in full.error
    assert "\n" not in full.error
    kept = len(list(workspace.glob("collections/*/rows/*.parquet")))
    assert not list(workspace.rglob(".tmp-*"))

    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    ballast.unlink()
    again = call(photos, tmp_path, workspace)
    ended = run(again)
    assert ended.code == 0, ended.error
    assert ended.report["unchanged"] == kept * UNIT
    counts = counted("disk full")
    counts.rework = rework([first.fault, again.fault])
    assert differences(look(workspace, tmp_path / "state"), undisturbed, counts) == []
    assert counts.rework <= UNIT


@pytest.mark.faults
def test_an_index_that_can_grow_no_more_costs_no_row(
    photos: Path, undisturbed: State, tmp_path: Path
) -> None:
    """Only large files are refused here: Edge's segments, and none of the catalog's."""
    workspace = tmp_path / "workspace"
    first = call(photos, tmp_path, workspace, 100_000)
    refused = run(first)
    assert refused.code == 1 or refused.report["pending"], refused
    again = call(photos, tmp_path, workspace)
    ended = run(again)
    assert ended.code == 0, ended.error
    counts = counted("disk full")
    counts.rework = rework([first.fault, again.fault])
    assert differences(look(workspace, tmp_path / "state"), undisturbed, counts) == []


@pytest.mark.faults
def test_what_dead_writers_left_is_never_read(
    photos: Path, undisturbed: State, tmp_path: Path
) -> None:
    """Half a part under a temporary name in each folder, and half a thumbnail pack."""
    workspace = tmp_path / "workspace"
    first = call(photos, tmp_path, workspace)
    assert run(first).code == 0
    for path in [*workspace.rglob("*.parquet"), *workspace.rglob("*.pack")]:
        path.with_name(f".tmp-{path.stem}").write_bytes(
            path.read_bytes()[: path.stat().st_size // 2]
        )
    for path in [*workspace.rglob("*.json")]:
        path.with_name(f".tmp-{path.stem}").write_bytes(b'{"format')
    again = run(call(photos, tmp_path, workspace))
    assert again.code == 0, again.error
    assert (again.report["unchanged"], again.report["read"]) == (24, 0)
    counts = counted("truncated temporary files")
    assert differences(look(workspace, tmp_path / "state"), undisturbed, counts) == []
    verified = pdray("verify", "-w", workspace, PDRAY_STATE_DIR=str(tmp_path / "state"))
    assert verified.code == 0, verified.out
    rebuilt = pdray("rebuild", "-w", workspace, PDRAY_STATE_DIR=str(tmp_path / "state"))
    assert rebuilt.code == 0, rebuilt.err
    assert differences(look(workspace, tmp_path / "state"), undisturbed) == []
