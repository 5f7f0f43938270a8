"""`pdray index` killed at random moments: one clean run later everything is as if nothing happened.

A trial waits for an event of the run (so many committed units, the index being written), adds a
moment of its own, and kills every process that the run started, Ray's included.
"""

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from pdray.catalog.catalog import Catalog
from pdray.catalog.pointer import current
from pdray.catalog.view import live_records
from pdray.config import load
from pdray.index.opening import open_index
from pdray.ingest.run import index_target
from pdray.records import Thumbnail

pytestmark = [pytest.mark.ray]

UNIT = 8
GOOD = 92
UNITS = 13  # of 92 scenes, two copies and three broken files
DEADLINE = 120.0  # seconds until an event has to have come
MARK = "PDRAY_TEST_RUN"  # Ray's processes inherit it, wherever in the process tree they end up
_TICK = threading.Event()

Event = Callable[[Path, int], bool]  # of the workspace and the driver's process id


def environment(run: str) -> dict[str, str]:
    """An environment whose mark finds every process of the run again."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("PDRAY_", "RAY"))
    }
    return {**kept, MARK: run, "PDRAY_INGEST_UNIT_SIZE": str(UNIT)}


def words(photos: Path, workspace: Path) -> list[str]:
    """The command under trial."""
    call = ["index", str(photos), "-w", str(workspace), "--model", "builtin", "--json"]
    return [sys.executable, "-m", "pdray", *call]


def start(photos: Path, workspace: Path) -> "subprocess.Popen[bytes]":
    """Starts it in a session of its own; its mark is the workspace."""
    return subprocess.Popen(
        words(photos, workspace),
        env=environment(str(workspace)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def finish(photos: Path, workspace: Path) -> dict[str, object]:
    """Runs it to its end; gives its report."""
    ended = subprocess.run(
        words(photos, workspace),
        env=environment(f"{workspace} again"),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    report: dict[str, object] = json.loads(ended.stdout)
    return report


def pdray(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Any other command."""
    return subprocess.run(
        [sys.executable, "-m", "pdray", *map(str, arguments)],
        env=environment("look"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# --- what a run does, as seen from outside


def claimed(workspace: Path, _: int) -> bool:
    """The run has begun: it holds its lease."""
    return any(workspace.glob("leases/*/*.json"))


def committed(number: int) -> Event:
    """So many row parts are there."""
    return lambda workspace, _: len(row_parts(workspace)) >= number


def row_parts(workspace: Path) -> list[Path]:
    """What is committed."""
    return list(workspace.glob("collections/*/rows/*.parquet"))


def writing(workspace: Path, _: int) -> bool:
    """Some attempt has written a file that its unit doesn't name yet."""
    return any(workspace.glob("embeddings/*/*.parquet"))


def projecting(workspace: Path, driver: int) -> bool:
    """A process of Ray's owns the index, and writes to it."""
    for path in workspace.glob("state/index/*/owner.json"):
        try:
            return int(json.loads(path.read_text())["pid"]) != driver
        except ValueError:
            return False
    return False


def noting(workspace: Path, _: int) -> bool:
    """Applied parts are noted in the ledger."""
    return any(workspace.glob("state/index/*/*/ledger/*"))


def processes(run: str) -> list[psutil.Process]:
    """Every living process that carries the mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == run and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def wait_for(event: Event, run: "subprocess.Popen[bytes]", workspace: Path) -> None:
    """Returns when the event has come, or when the run was faster than that."""
    end = time.monotonic() + DEADLINE
    while not event(workspace, run.pid) and run.poll() is None:
        assert time.monotonic() < end, "the run never got so far"
        _TICK.wait(0.01)


def kill_everything(run: "subprocess.Popen[bytes]", mark: str) -> int:
    """kill -9 to the driver and all that it started; returns how many died by it."""
    number = 0
    while living := processes(mark):  # those born while others died come in the next round
        number += len(living)
        for process in living:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        run.poll()
        psutil.wait_procs(living, timeout=10)
    run.wait()
    return number


# --- what must be the same afterwards


@dataclass(frozen=True, slots=True)
class State:
    """All that a workspace holds, by image id; `failed` by uri."""

    payloads: dict[str, dict[str, object]]
    vectors: dict[str, np.ndarray]
    failed: dict[str, str]
    rows: Counter[tuple[str, int]]


def look(workspace: Path) -> State:
    """Reads catalog and index; every thumbnail has to open."""
    settings = load({"workspace": str(workspace)})
    catalog = Catalog.open(settings.workspace)
    pointer = current(catalog, "default")
    assert pointer is not None
    with open_index(index_target(settings), pointer.spec.space, pointer.spec.dim) as index:
        scrolled = list(index.scroll("default"))
        payloads = dict(scrolled)
        assert len(scrolled) == len(payloads) == index.count()
        stored = index.retrieve(list(payloads), with_vectors=True)
    for payload in payloads.values():
        data = catalog.thumbnail(Thumbnail(**payload.pop("thumb")))
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            payload["thumb"] = picture.size
    rows = Counter(
        (record.uri, record.seq)
        for part in catalog.parts("default")
        for record in catalog.read_part(part).records
    )
    failed = {
        record.uri: record.failure.kind
        for record in live_records(catalog, "default", "failed")
        if record.failure
    }
    return State(payloads, {one.id: one.vector for one in stored}, failed, rows)


def compare(found: State, expected: State) -> None:
    """Same ids, payloads, vectors and failures; nothing twice."""
    assert found.payloads == expected.payloads
    assert found.failed == expected.failed
    assert found.vectors.keys() == expected.vectors.keys()
    for image, vector in expected.vectors.items():
        other = found.vectors[image]
        cosine = vector @ other / (np.linalg.norm(vector) * np.linalg.norm(other))
        assert cosine >= 0.9999
    assert found.rows == expected.rows
    assert max(found.rows.values()) == 1


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes, two copies of one of them, and three files that fail."""
    folder = tmp_path_factory.mktemp("kill") / "photos"
    made = pdray("samples", folder, "--count", GOOD, "--seed", 5, "--max-side", 400)
    assert made.returncode == 0, made.stderr
    for name in ("copy.jpg", "zz-copy.jpg"):
        shutil.copy(folder / "scene-000050.jpg", folder / name)
    whole = (folder / "scene-000060.jpg").read_bytes()
    for number in range(3):
        (folder / f"scene-00006{number}-cut.jpg").write_bytes(whole[: 300 * number])
    return folder


@pytest.fixture(scope="module")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> State:
    """The state that a run leaves which nobody disturbs."""
    workspace = tmp_path_factory.mktemp("undisturbed") / "workspace"
    finish(photos, workspace)
    state = look(workspace)
    assert len(state.payloads) == GOOD + 2
    assert len(state.failed) == 3
    assert len(list(workspace.glob("collections/default/rows/*"))) == UNITS
    return state


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


def trial(photos: Path, workspace: Path, undisturbed: State, number: int) -> None:
    """Kills a run at the moment that the number gives, runs again, compares."""
    rng = random.Random(number)
    name, event = moment(rng, number)
    delay = rng.choice((0.0, rng.uniform(0, 0.1), rng.uniform(0, 1.5)))
    run = start(photos, workspace)
    try:
        wait_for(event, run, workspace)
        _TICK.wait(delay)
    finally:
        died = kill_everything(run, str(workspace))
    kept = len(row_parts(workspace))
    print(f"trial {number}: {died} processes killed {delay:.2f} s {name}; {kept} units kept")
    report = finish(photos, workspace)
    # What was committed is not done again.
    assert report["unchanged"] == rows_of_others(workspace, report["run_id"])
    compare(look(workspace), undisturbed)
    verified = pdray("verify", "-w", workspace)
    assert verified.returncode == 0, verified.stdout


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
    trial(photos, tmp_path / "workspace", undisturbed, number)


@pytest.mark.faults
@pytest.mark.parametrize("number", range(3, 23))
def test_no_killed_run_of_many_leaves_a_trace(
    photos: Path, undisturbed: State, tmp_path: Path, number: int
) -> None:
    trial(photos, tmp_path / "workspace", undisturbed, number)


@pytest.mark.faults
@pytest.mark.parametrize("after", [1, 6])
def test_a_run_that_loses_only_its_driver_is_taken_over_at_once(
    photos: Path, undisturbed: State, tmp_path: Path, after: int
) -> None:
    """Its workers live on for seconds, commit, and hold the index: the next run bears with them."""
    workspace = tmp_path / "workspace"
    run = start(photos, workspace)
    try:
        wait_for(committed(after), run, workspace)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        finish(photos, workspace)
    finally:
        kill_everything(run, str(workspace))
    compare(look(workspace), undisturbed)
    assert pdray("verify", "-w", workspace).returncode == 0


@pytest.mark.faults
@pytest.mark.parametrize("title", ["ray::MapWorker", "ray::_Projector"])
def test_a_run_outlives_the_death_of_one_of_its_workers(
    photos: Path, undisturbed: State, tmp_path: Path, title: str
) -> None:
    workspace = tmp_path / "workspace"
    run = start(photos, workspace)
    try:
        wait_for(committed(2), run, workspace)
        victims = [p for p in processes(str(workspace)) if " ".join(p.cmdline()).startswith(title)]
        assert victims, [p.cmdline() for p in processes(str(workspace))]
        victims[0].kill()
        code = run.wait(timeout=240)
    finally:
        kill_everything(run, str(workspace))
    assert code == 0
    compare(look(workspace), undisturbed)
    assert pdray("verify", "-w", workspace).returncode == 0
