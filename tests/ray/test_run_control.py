"""Runs that are paused, resumed, cancelled and interrupted while a real Ray does the work."""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from pdray.catalog import runs
from pdray.catalog.catalog import Catalog
from pdray.catalog.runs import Run
from pdray.catalog.view import live_records
from tests.command import environment, forked, words
from tests.waiting import until

pytestmark = [pytest.mark.ray, pytest.mark.e2e]

IMAGES = 160
UNIT = 4
DEADLINE = 120.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that take some 60 ms each to decode and have contents of their own."""
    out = tmp_path_factory.mktemp("pictures")
    drawn = out / "first.png"
    Image.linear_gradient("L").resize((2600, 2100)).convert("RGB").save(drawn)
    data = drawn.read_bytes()
    drawn.unlink()
    for number in range(IMAGES):
        place = out / f"album-{number % 3}" / f"{number:03d}.png"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data + number.to_bytes(2, "big"))  # after the end: no decoder minds
    return out


def steered() -> dict[str, str]:
    """Small units, one after the other."""
    return environment(PDRAY_INGEST_UNIT_SIZE=str(UNIT), PDRAY_INGEST_ENCODERS="1")


class Indexing:
    """A real `pdray index`, in a process group of its own as a shell gives it."""

    def __init__(self, folder: Path, workspace: Path) -> None:
        self.workspace = workspace
        earlier = self._ids()
        self.process = subprocess.Popen(
            words("index", folder, "-w", workspace, "--model", "builtin", "--json"),
            env=steered(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.run_id = until(lambda: self._ids() - earlier, "the run's record", DEADLINE).pop()
        self.catalog = Catalog.open(str(workspace))
        self.run("the run's first words")

    def _ids(self) -> set[str]:
        return {path.parent.name for path in (self.workspace / "runs").glob("*/start.json")}

    def run(self, what: str, fits: Callable[[Run], Any] = lambda run: run.progress) -> Run:
        """The run's record, as soon as it fits."""

        def look() -> Run | None:
            run = runs.read(self.catalog, self.run_id)
            return run if run and fits(run) else None

        found: Run = until(look, what, DEADLINE)
        return found

    def signal(self, number: int) -> None:
        os.killpg(self.process.pid, number)  # as a terminal does: to the whole group

    def ended(self, code: int) -> tuple[str, str]:
        out, err = self.process.communicate(timeout=DEADLINE)
        assert self.process.returncode == code, err
        assert "Traceback" not in err
        return out, err


def called(*arguments: object) -> str:
    """What another process prints that reads the workspace."""
    done = forked(arguments, steered())
    assert done.code == 0, done.err
    return done.out


def committed(indexing: Indexing) -> Counter[str]:
    """How many row parts hold each image."""
    catalog = indexing.catalog
    parts = (catalog.read_part(path) for path in catalog.parts("default"))
    return Counter(record.uri for part in parts for record in part.records)


def done(run: Run) -> int:
    assert run.progress
    return int(run.progress["done"])


def test_a_run_is_paused_resumed_cancelled_interrupted_and_completed_without_loss(
    folder: Path, tmp_path: Path
) -> None:
    workspace = tmp_path / "w"
    first = Indexing(folder, workspace)
    first.run("some images", lambda run: run.progress and run.progress["done"] >= UNIT)
    runs.ask(first.catalog, first.run_id, "pause")
    # What was in flight is finished; then the record and the catalog agree and stay so.
    still = until(lambda: _stillness(first), "a pause of three seconds in which nothing happens")
    assert 0 < done(still) < IMAGES

    (told,) = json.loads(called("runs", "-w", workspace, "--json"))
    assert (told["state"], told["progress"]["done"]) == ("paused", done(still))
    said = called("runs", "show", first.run_id[-6:], "-w", workspace)
    assert f"{done(still)} of {IMAGES} images, 0 failed" in said
    assert "album-0" in said

    assert "goes on" in called("runs", "resume", first.run_id[-6:], "-w", workspace)
    runs.ask(first.catalog, first.run_id, "cancel")
    out, err = first.ended(1)
    report = json.loads(out)
    assert report["state"] == first.run("the end", lambda run: run.report).state == "cancelled"
    assert f"cancelled after {report['read']} images" in err
    assert done(still) < report["read"] == committed(first).total() < IMAGES
    assert report["pending"] == 0  # and all of it can be searched

    second = Indexing(folder, workspace)
    second.run("work", lambda run: run.progress and run.progress["done"])
    second.signal(signal.SIGINT)
    out, err = second.ended(1)
    assert "Finishing the units in flight; once more to stop now." in err
    assert "run the same command again to go on" in err
    assert json.loads(out)["state"] == "cancelled"

    third = Indexing(folder, workspace)
    third.ended(0)
    assert third.run("the end", lambda run: run.report).state == "completed"
    rows = committed(first)
    assert (len(rows), set(rows.values())) == (IMAGES, {1})  # none lost, none done twice
    records = live_records(first.catalog, "default")
    assert Counter(record.status for record in records) == {"ok": IMAGES}


def _stillness(indexing: Indexing) -> Run | None:
    """The paused run, if it has seen all that is committed and that stays so."""
    before, rows = indexing.run("a pause", lambda run: run.state == "paused"), committed(indexing)
    later = before.progress["paused_seconds"] + 3 if before.progress else 0
    after = indexing.run("a longer one", lambda run: run.progress["paused_seconds"] >= later)
    same = done(before) == done(after) == rows.total() == committed(indexing).total()
    return after if same else None


@pytest.mark.faults
def test_ctrl_c_twice_stops_at_once_and_leaves_no_process(folder: Path, tmp_path: Path) -> None:
    indexing = Indexing(folder, tmp_path / "w")
    indexing.run("work", lambda run: run.progress and run.progress["done"])
    called(
        "runs", "pause", indexing.run_id[-6:], "-w", tmp_path / "w"
    )  # so that it can't end by itself
    started = psutil.Process(indexing.process.pid).children(recursive=True)
    assert started
    indexing.signal(signal.SIGINT)
    assert indexing.process.stderr
    said = b""
    while b"once more" not in said:  # past its buffer, which communicate would not see
        said += os.read(indexing.process.stderr.fileno(), 1000)
    indexing.signal(signal.SIGINT)
    _, err = indexing.ended(130)
    assert "run the same command again" in err
    until(lambda: not any(one.is_running() for one in started), "the end of Ray's processes")
    assert indexing.run("the end", lambda run: run.report).state == "cancelled"


@pytest.mark.faults
def test_sigterm_ends_a_paused_run_as_a_cancelled_one(folder: Path, tmp_path: Path) -> None:
    indexing = Indexing(folder, tmp_path / "w")
    indexing.run("work", lambda run: run.progress and run.progress["done"])
    called("runs", "pause", indexing.run_id[-6:], "-w", tmp_path / "w")
    os.kill(indexing.process.pid, signal.SIGTERM)  # Ray has replaced SIGTERM's handler meanwhile
    out, err = indexing.ended(1)
    assert "Asked to end" in err
    report = json.loads(out)
    assert report["state"] == "cancelled"
    assert report["read"] == committed(indexing).total() < IMAGES
