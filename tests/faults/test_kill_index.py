"""`pdray index` killed at random moments: one clean run later everything is as if nothing happened.

A trial waits for an event of the run (so many committed units, the index being written), adds a
moment of its own, and kills every process that the run started, Ray's included.
"""

import os
import random
import signal
import uuid
from pathlib import Path

import fsspec
import pytest

from pdray.catalog.catalog import Catalog
from tests.conftest import S3Server
from tests.faults.harness import (
    TICK,
    Event,
    State,
    claimed,
    committed,
    differences,
    environment,
    finish,
    flags,
    kill_everything,
    look,
    noting,
    pdray,
    processes,
    projecting,
    row_parts,
    start,
    untidy,
    wait_for,
    writing,
)
from tests.faults.points import Fault
from tests.faults.scenes import IN_FLIGHT, SIZE, UNIT, UNITS
from tests.faults.trials import counted, rework

pytestmark = [pytest.mark.ray]


def moment(rng: random.Random, number: int) -> tuple[str, Event]:
    """When trial `number` kills: each kind of moment in turn, at a random place."""
    parts = rng.randint(1, UNITS - 1)
    moments: list[tuple[str, Event]] = [
        (f"after {parts} of {UNITS} commits", committed(parts)),
        ("while the index is written", projecting),
        ("while the first unit is written", writing),
        (f"after {UNITS} of {UNITS} commits", committed(UNITS)),
        ("before the first unit", claimed),
        ("when the index is noted as written", noting),
    ]
    return moments[number % len(moments)]


def trial(photos: Path, home: Path, undisturbed: State, number: int) -> list[str]:
    """What is wrong after a run that is killed at the moment that the number gives, and another."""
    rng = random.Random(number)
    name, event = moment(rng, number)
    delay = rng.choice((0.0, rng.uniform(0, 0.1), rng.uniform(0, 1.5)))
    workspace, faults = home / "workspace", [Fault(str(home / "first")), Fault(str(home / "again"))]
    counts = counted("whole process tree killed at random")
    run = start(photos, workspace, environment(str(home), faults[0], **SIZE))
    try:
        wait_for(event, run, workspace)
        TICK.wait(delay)
    finally:
        died = kill_everything(run, str(home))
    kept = len(row_parts(workspace))
    print(f"trial {number}: {died} processes killed {delay:.2f} s {name}; {kept} units kept")
    report = finish(photos, workspace, environment("again", faults[1], **SIZE))
    # What was committed is not done again.
    assert report["unchanged"] == rows_of_others(workspace, report["run_id"])
    counts.kills, counts.rework = died, rework(faults)
    wrong = differences(look(workspace), undisturbed, counts)
    assert counts.rework <= IN_FLIGHT
    assert int(str(report["rework"])) <= IN_FLIGHT  # and so the user is told
    verified = pdray("verify", "-w", workspace)
    assert verified.code == 0, verified.out
    # `make test` has the first three, and time to compact after one of them.
    return wrong + untidy(flags(workspace), undisturbed) if number > 1 else wrong


def rows_of_others(workspace: Path, run_id: object) -> int:
    """How many rows other runs than this one have committed."""
    catalog = Catalog.open(str(workspace))
    rows = (row for part in catalog.parts("default") for row in catalog.read_part(part).records)
    return sum(row.run_id != run_id for row in rows)


@pytest.mark.e2e
@pytest.mark.parametrize("number", range(3))
def test_a_killed_run_leaves_no_trace_after_the_next(
    photos: Path, undisturbed: State, tmp_path: Path, number: int
) -> None:
    assert trial(photos, tmp_path, undisturbed, number) == []


@pytest.mark.faults
@pytest.mark.parametrize("number", range(3, 23))
def test_no_killed_run_of_many_leaves_a_trace(
    photos: Path, undisturbed: State, tmp_path: Path, number: int
) -> None:
    assert trial(photos, tmp_path, undisturbed, number) == []


@pytest.mark.faults
@pytest.mark.parametrize("parts", [2, 5, 9, 12])
def test_no_run_on_s3_that_is_killed_leaves_a_trace(
    photos: Path, undisturbed: State, tmp_path: Path, s3: S3Server, parts: int
) -> None:
    """The whole process tree at a random moment after so many commits; the index is local."""
    system = fsspec.filesystem("s3", **s3.options)
    bucket = f"killed-{uuid.uuid4().hex}"
    system.mkdir(bucket)
    workspace, state, mark = f"s3://{bucket}/w", tmp_path / "state", str(tmp_path)
    at = {**SIZE, **s3.environment, "PDRAY_STATE_DIR": str(state)}
    faults = [Fault(str(tmp_path / "first")), Fault(str(tmp_path / "again"))]
    counts = counted("whole process tree killed at random, S3")

    def enough(_: Path, __: int) -> bool:
        system.invalidate_cache()
        return len(system.glob(f"{bucket}/w/collections/default/rows/*")) >= parts

    run = start(photos, workspace, environment(mark, faults[0], **at))
    try:
        wait_for(enough, run, tmp_path)
        TICK.wait(random.Random(parts).uniform(0, 0.5))
    finally:
        counts.kills = kill_everything(run, mark)
    report = finish(photos, workspace, environment("again", faults[1], **at))
    counts.rework = rework(faults)
    assert differences(look(workspace, state), undisturbed, counts) == []
    assert counts.rework <= IN_FLIGHT
    assert int(str(report["rework"])) <= IN_FLIGHT
    assert untidy(flags(workspace, state), undisturbed) == []


@pytest.mark.faults
@pytest.mark.parametrize("after", [1, 6])
def test_a_run_that_loses_only_its_driver_is_taken_over_at_once(
    photos: Path, undisturbed: State, tmp_path: Path, after: int
) -> None:
    """Its workers live on for seconds, commit, and hold the index: the next run bears with them."""
    workspace, mark = tmp_path / "workspace", str(tmp_path)
    faults = [Fault(str(tmp_path / "first")), Fault(str(tmp_path / "again"))]
    counts = counted("driver killed")
    run = start(photos, workspace, environment(mark, faults[0], **SIZE))
    try:
        wait_for(committed(after), run, workspace)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        finish(photos, workspace, environment("again", faults[1], **SIZE))
    finally:
        kill_everything(run, mark)
    # What its workers began before they learnt of its death, both runs may do.
    counts.kills, counts.rework = 1, rework(faults)
    assert differences(look(workspace), undisturbed, counts) == []
    assert pdray("verify", "-w", workspace).code == 0


@pytest.mark.faults
@pytest.mark.parametrize("title", ["ray::MapWorker", "ray::Projecting"])
def test_a_run_outlives_the_death_of_one_of_its_workers(
    photos: Path, undisturbed: State, tmp_path: Path, title: str
) -> None:
    workspace, mark = tmp_path / "workspace", str(tmp_path)
    fault = Fault(str(tmp_path / "fault"))
    counts = counted("a worker killed" if "Map" in title else "index owner killed")
    run = start(photos, workspace, environment(mark, fault, **SIZE))
    try:
        wait_for(committed(2), run, workspace)
        victims = [p for p in processes(mark) if " ".join(p.cmdline()).startswith(title)]
        assert victims, [p.cmdline() for p in processes(mark)]
        victims[0].kill()
        code = run.wait(timeout=240)
    finally:
        kill_everything(run, mark)
    assert code == 0
    counts.kills, counts.rework = 1, rework([fault])
    assert differences(look(workspace), undisturbed, counts) == []
    assert counts.rework <= UNIT
    assert pdray("verify", "-w", workspace).code == 0


@pytest.mark.faults
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "point",
    ["thumbnails written", "embeddings written", "rows linked", "unit committed", "points written"],
)
def test_a_run_outlives_a_worker_that_dies_at_a_named_point(
    photos: Path, undisturbed: State, tmp_path: Path, point: str, when: str
) -> None:
    """The unit is done again by another process of the same run, beside what the first one left."""
    workspace, mark = tmp_path / "workspace", str(tmp_path)
    fault = Fault(str(tmp_path / "fault"), point, when, 3)
    counts = counted("a worker of Ray's killed at a named point")
    finish(photos, workspace, environment(mark, fault, **SIZE))
    assert fault.struck
    counts.kills, counts.rework = 1, rework([fault])
    assert differences(look(workspace), undisturbed, counts) == []
    assert counts.rework <= UNIT
