"""The collection of the trials with Ray, and what an undisturbed run leaves of it."""

import shutil
from pathlib import Path

import pytest

from tests.faults.harness import State, environment, finish, look, pdray

UNIT = 8
GOOD = 92
UNITS = 13  # of 92 scenes, two copies and three broken files
IN_FLIGHT = 2 * UNIT  # on each core a unit
SIZE = {"PDRAY_INGEST_UNIT_SIZE": str(UNIT)}


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes, two copies of one of them, and three files that fail."""
    folder = tmp_path_factory.mktemp("kill") / "photos"
    made = pdray("samples", folder, "--count", GOOD, "--seed", 5, "--max-side", 400)
    assert made.code == 0, made.err
    for name in ("copy.jpg", "zz-copy.jpg"):
        shutil.copy(folder / "scene-000050.jpg", folder / name)
    whole = (folder / "scene-000060.jpg").read_bytes()
    for number in range(3):
        (folder / f"scene-00006{number}-cut.jpg").write_bytes(whole[: 300 * number])
    return folder


@pytest.fixture(scope="session")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> State:
    """The state that a run leaves which nobody disturbs."""
    workspace = tmp_path_factory.mktemp("undisturbed") / "workspace"
    finish(photos, workspace, environment("undisturbed", **SIZE))
    state = look(workspace)
    assert len(state.payloads) == GOOD + 2
    assert len(state.failed) == 3
    assert len(list(workspace.glob("collections/default/rows/*"))) == UNITS
    return state
