"""A run that dies at a named point of its commits, on local disk and on S3: the clean run after it
leaves what an undisturbed run leaves.

Ray is not among these (see plain.py); test_kill_index.py has it.
"""

import os
import random
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pytest

from tests.conftest import S3Server
from tests.faults.harness import State, differences, flags, look, pdray, untidy
from tests.faults.plain import Call, Ended, run
from tests.faults.points import Fault
from tests.faults.trials import counted, rework

UNIT = 3
REQUESTS = 90  # what every run here makes of a bucket, at least


@dataclass(frozen=True, slots=True)
class Story:
    """A folder as it is now, a workspace that knows it as it was, and what undisturbed runs leave:
    from nothing, and from that workspace.
    """

    photos: Path
    before: Path
    fresh: State
    changed: State


def plain(
    photos: Path, workspace: object, state: Path, fault: Fault, environ: dict[str, str] | None
) -> Ended:
    """A run over the folder."""
    Path(fault.folder).mkdir()
    return run(Call(str(photos), str(workspace), str(state), fault, environ or {}, UNIT))


def undisturbed(photos: Path, home: Path) -> State:
    """Runs in `home/workspace` as nobody disturbs it."""
    fault = Fault(str(home / f"undisturbed-{len(list(home.iterdir()))}"))
    ended = plain(photos, home / "workspace", home / "workspace" / "state", fault, None)
    assert ended.code == 0, ended.error
    assert rework([fault]) == 0
    return look(home / "workspace")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    home = tmp_path_factory.mktemp("story")
    photos = home / "photos"
    assert pdray("samples", photos, "--count", 24, "--seed", 9, "--max-side", 320).code == 0
    scene = [photos / f"scene-{number:06d}.jpg" for number in range(1, 25)]
    later = home / "later"
    later.mkdir()
    for path in scene[14:]:
        path.rename(later / path.name)
    (photos / "broken.jpg").write_bytes(b"no picture")
    os.utime(scene[0], (1_700_000_000, 1_700_000_000))
    (home / "old").mkdir()
    undisturbed(photos, home / "old")
    change(scene, later, photos)
    shutil.copytree(home / "old", home / "new")
    (home / "fresh").mkdir()
    return Story(
        photos,
        home / "old" / "workspace",
        undisturbed(photos, home / "fresh"),
        undisturbed(photos, home / "new"),
    )


def change(scene: list[Path], later: Path, photos: Path) -> None:
    """Two images go, two are renamed, two swap names, two change, eight and a copy come."""
    for path in scene[:2]:
        path.unlink()
    for path in scene[2:4]:
        path.rename(path.with_name(f"renamed-{path.name}"))
    aside = photos / "aside"
    scene[4].rename(aside)
    scene[5].rename(scene[4])
    aside.rename(scene[5])
    new = sorted(later.iterdir())
    for old, path in zip(scene[6:8], new[:2], strict=True):
        shutil.copy(path, old)
    for path in new[2:]:
        shutil.copy(path, photos)
    shutil.copy(new[5], photos / "copy.jpg")
    (photos / "broken-too.jpg").write_bytes(new[5].read_bytes()[:300])


Place = Callable[[bool], tuple[str, Path]]


@pytest.fixture
def on_disk(story: Story, tmp_path: Path) -> Place:
    """A workspace (and its state folder) for a trial: a copy of the earlier one, or none yet."""

    def place(earlier: bool) -> tuple[str, Path]:
        workspace = tmp_path / "workspace"
        if earlier:
            shutil.copytree(story.before, workspace)
        return str(workspace), workspace / "state"

    return place


@pytest.fixture
def on_s3(story: Story, tmp_path: Path, s3: S3Server) -> Place:
    """The same in a bucket of its own; the embedded index is local."""

    def place(earlier: bool) -> tuple[str, Path]:
        system = fsspec.filesystem("s3", **s3.options)
        bucket = f"trial-{uuid.uuid4().hex}"
        system.mkdir(bucket)
        if earlier:
            for path in story.before.rglob("*"):
                name = path.relative_to(story.before)
                if path.is_file() and name.parts[0] != "state":
                    system.pipe_file(f"{bucket}/w/{name}", path.read_bytes())
            shutil.copytree(story.before / "state", tmp_path / "state")
        return f"s3://{bucket}/w", tmp_path / "state"

    return place


Moment = tuple[str, str, int]  # point, when, at which call


def trial(
    story: Story,
    place: Place,
    earlier: bool,
    moment: Moment,
    home: Path,
    s3: S3Server | None,
    *,
    tidy: bool = True,
) -> list[str]:
    """What is wrong after a run that is killed at the moment, a clean run, and a compaction."""
    workspace, state = place(earlier)
    environ = s3.environment if s3 else None
    fault = Fault(str(home / "first"), *moment)
    again = Fault(str(home / "second"))
    killed = plain(story.photos, workspace, state, fault, environ)
    assert fault.struck, f"the run ended before its fault: {killed}"
    assert killed.code == -9
    ended = plain(story.photos, workspace, state, again, environ)
    assert ended.code == 0, ended.error
    how = "at a random request" if "request" in moment[0] else "at a named point"
    counts = counted(f"killed {how}, {'S3' if s3 else 'local disk'}")
    counts.kills, counts.rework = 1, rework([fault, again])
    expected = story.changed if earlier else story.fresh
    wrong = differences(look(workspace, state), expected, counts)
    assert counts.rework <= UNIT
    assert ended.report["rework"] <= UNIT
    assert ended.report["pending"] == 0
    return wrong + untidy(flags(workspace, state), expected) if tidy else wrong


_BOTH = ("before", "after")
_STEPS = ["thumbnails written", "embeddings written", "unit committed"]
_TORN = ["temporary of rows", "temporary of vectors", "temporary of thumbnails"]
_ONCE = ["format written", "lease taken", "run recorded", "pointer advanced", "report recorded"]

FROM_NOTHING: list[Moment] = [
    *((point, when, 1) for point in _ONCE for when in _BOTH),
    *((point, when, nth) for point in _STEPS for when in _BOTH for nth in (1, 5)),
    *((point, "torn", nth) for point in _TORN for nth in (1, 4)),
    *(("rows linked", when, nth) for when in _BOTH for nth in (2, 6)),
    *((point, when, 1) for point in ("points written", "ledger entry written") for when in _BOTH),
    ("points written", "after", 4),
]
AFTER_CHANGES: list[Moment] = [
    *((point, when, 1) for point in ("moves committed", "tombstones written") for when in _BOTH),
    *(("rows linked", when, nth) for when in _BOTH for nth in (1, 2, 3)),
    *((point, when, 1) for point in ("points deleted", "ledger entry written") for when in _BOTH),
    *(("points written", when, nth) for when in _BOTH for nth in (1, 3)),
    ("ledger entry written", "after", 2),
    ("index flushed", "before", 2),
    ("temporary of rows", "torn", 1),
    ("unit committed", "after", 2),
]
ON_S3: list[tuple[bool, Moment]] = [
    *((False, ("object of rows", when, nth)) for when in _BOTH for nth in (1, 5)),
    *((False, ("object of vectors", when, 3)) for when in _BOTH),
    (False, ("thumbnails written", "after", 2)),
    (False, ("lease taken", "after", 1)),
    (False, ("pointer advanced", "after", 1)),
    *((True, ("object of rows", when, nth)) for when in _BOTH for nth in (1, 2)),
    (True, ("tombstones written", "after", 1)),
]
_FEW: list[tuple[bool, Moment]] = [
    (False, ("temporary of rows", "torn", 4)),
    (False, ("rows linked", "after", 6)),
    (False, ("embeddings written", "after", 5)),
    (True, ("moves committed", "after", 1)),
    (True, ("tombstones written", "before", 1)),
    (True, ("ledger entry written", "before", 1)),
]
_FEW_ON_S3 = [(False, ("object of rows", "after", 5)), (True, ("object of rows", "before", 2))]
_ON_DISK = [(False, m) for m in FROM_NOTHING] + [(True, m) for m in AFTER_CHANGES]


def _name(value: object) -> str | None:
    if isinstance(value, bool):
        return "after changes" if value else "from nothing"
    return " ".join(map(str, value)) if isinstance(value, tuple) else None


@pytest.mark.parametrize(("earlier", "moment"), _FEW, ids=_name)
def test_a_run_that_dies_at_a_named_point_leaves_no_trace(
    story: Story, on_disk: Place, tmp_path: Path, earlier: bool, moment: Moment
) -> None:
    tidy = moment == _FEW[3][1]
    assert trial(story, on_disk, earlier, moment, tmp_path, None, tidy=tidy) == []


@pytest.mark.parametrize(("earlier", "moment"), _FEW_ON_S3, ids=_name)
def test_a_run_that_dies_at_a_named_point_on_s3_leaves_no_trace(
    story: Story, on_s3: Place, s3: S3Server, tmp_path: Path, earlier: bool, moment: Moment
) -> None:
    assert trial(story, on_s3, earlier, moment, tmp_path, s3, tidy=earlier) == []


@pytest.mark.faults
@pytest.mark.parametrize(("earlier", "moment"), [m for m in _ON_DISK if m not in _FEW], ids=_name)
def test_no_run_that_dies_at_any_named_point_leaves_a_trace(
    story: Story, on_disk: Place, tmp_path: Path, earlier: bool, moment: Moment
) -> None:
    assert trial(story, on_disk, earlier, moment, tmp_path, None) == []


@pytest.mark.faults
@pytest.mark.parametrize(
    ("earlier", "moment"), [m for m in ON_S3 if m not in _FEW_ON_S3], ids=_name
)
def test_no_run_that_dies_at_any_named_point_on_s3_leaves_a_trace(
    story: Story, on_s3: Place, s3: S3Server, tmp_path: Path, earlier: bool, moment: Moment
) -> None:
    assert trial(story, on_s3, earlier, moment, tmp_path, s3) == []


@pytest.mark.faults
@pytest.mark.parametrize("number", range(12))
def test_no_run_that_dies_at_a_random_request_to_s3_leaves_a_trace(
    story: Story, on_s3: Place, s3: S3Server, tmp_path: Path, number: int
) -> None:
    rng = random.Random(number)
    moment = ("request to the bucket", "before", rng.randint(1, REQUESTS))
    assert trial(story, on_s3, number % 2 == 1, moment, tmp_path, s3) == []
