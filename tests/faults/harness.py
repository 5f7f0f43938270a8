"""What fault trials share: starting and killing runs, and what must be the same afterwards."""

import io
import json
import operator
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from pdray.catalog.catalog import Catalog
from pdray.catalog.pointer import current
from pdray.catalog.view import live_records
from pdray.config import load
from pdray.index.opening import open_index
from pdray.ingest.target import index_target
from pdray.records import Thumbnail
from tests import command
from tests.faults.orphans import compacted
from tests.faults.points import VARIABLE, Fault
from tests.faults.trials import Trial

DEADLINE = 120.0  # seconds until an event has to have come
MARK = "PDRAY_TEST_RUN"  # Ray's processes inherit it, wherever in the process tree they end up
TICK = threading.Event()
_HERE = Path(__file__).parent

Event = Callable[[Path, int], bool]  # of the workspace and the driver's process id


# --- the command line


def environment(mark: str, fault: Fault | None = None, **more: str) -> dict[str, str]:
    """An environment whose mark finds every process of the run again, and that arms it."""
    made = command.environment(**{MARK: mark, **more})
    if fault is not None:
        Path(fault.folder).mkdir(exist_ok=True)
        places = [str(_HERE / "armed"), str(_HERE.parent.parent), made.get("PYTHONPATH", "")]
        made |= {VARIABLE: fault.to_json(), "PYTHONPATH": os.pathsep.join(filter(None, places))}
    return made


def call(photos: Path, workspace: object) -> list[object]:
    """The command under trial."""
    return ["index", photos, "-w", workspace, "--model", "builtin", "--json"]


def start(photos: Path, workspace: object, environ: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Starts it in a session of its own."""
    return subprocess.Popen(
        command.words(*call(photos, workspace)),
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def finish(photos: Path, workspace: object, environ: dict[str, str]) -> dict[str, object]:
    """Runs it to its end; gives its report. Its Ray's processes are armed, the driver isn't."""
    done = command.forked(call(photos, workspace), environ)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    report: dict[str, object] = done.document
    return report


def pdray(*arguments: object, **more: str) -> command.Done:
    """Any other command."""
    return command.forked(arguments, environment("look", **more))


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
        TICK.wait(0.01)


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


def look(workspace: object, state_dir: object = None, **more: object) -> State:
    """Reads catalog and index; every thumbnail has to open."""
    settings = load(flags(workspace, state_dir, **more))
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


def flags(workspace: object, state_dir: object = None, **more: object) -> dict[str, str]:
    """What `load` needs to know of a trial's places; `more` are settings too."""
    said = {"workspace": workspace, "state_dir": state_dir, **more}
    return {name: str(value) for name, value in said.items() if value is not None}


def untidy(where: dict[str, str], expected: State) -> list[str]:
    """What `pdray compact` leaves behind or changes: no orphan, and all is found as it was."""
    left = [f"orphan {path}" for path in sorted(compacted(where))]
    found = look(**where)
    return left + differences(_unnumbered(found), replace(_unnumbered(expected), rows=found.rows))


def _unnumbered(state: State) -> State:
    """A row whose thumbnail moves out of a pack that is mostly dead gets another number."""
    payloads = {
        image: {key: value for key, value in payload.items() if key != "seq"}
        for image, payload in state.payloads.items()
    }
    return replace(state, payloads=payloads)


def differences(found: State, expected: State, trial: Trial | None = None) -> list[str]:
    """What isn't the same: ids, payloads, vectors, failures; and what is there twice. The trial
    counts what was lost and duplicated.
    """
    lost = expected.payloads.keys() - found.payloads.keys()
    more = found.payloads.keys() - expected.payloads.keys()
    twice = [row for row, number in found.rows.items() if number > 1]
    if trial is not None:
        trial.lost = len(lost) + len(expected.failed.keys() - found.failed.keys())
        trial.duplicated = len(more) + sum(found.rows[row] - 1 for row in twice)
    return [
        *(f"lost: {image}" for image in sorted(lost)),
        *(f"one too many: {image}" for image in sorted(more)),
        *(f"committed twice: {row}" for row in twice),
        *(f"other row: {row}" for row in set(found.rows.items()) ^ set(expected.rows.items())),
        *_unlike("payload", found.payloads, expected.payloads, operator.eq),
        *_unlike("failure", found.failed, expected.failed, operator.eq),
        *_unlike("vector", found.vectors, expected.vectors, _same_direction),
    ]


def _unlike(
    what: str,
    found: dict[str, Any],
    expected: dict[str, Any],
    same: Callable[[Any, Any], bool],
) -> list[str]:
    return [
        f"other {what} of {key}: {found.get(key)} for {expected.get(key)}"
        for key in sorted(found.keys() | expected.keys())
        if key not in found or key not in expected or not same(found[key], expected[key])
    ]


def _same_direction(one: np.ndarray, other: np.ndarray) -> bool:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other))) >= 0.9999
