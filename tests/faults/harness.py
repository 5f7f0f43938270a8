"""What every fault trial shares: starting and killing runs, what must be the same afterwards, and
the count of it all, which the terminal shows at the end.
"""

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

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
from tests.faults.orphans import compacted
from tests.faults.points import VARIABLE, Fault

DEADLINE = 120.0  # seconds until an event has to have come
MARK = "PDRAY_TEST_RUN"  # Ray's processes inherit it, wherever in the process tree they end up
TICK = threading.Event()
_HERE = Path(__file__).parent

Event = Callable[[Path, int], bool]  # of the workspace and the driver's process id


# --- the command line


def environment(mark: str, fault: Fault | None = None, **more: str) -> dict[str, str]:
    """An environment whose mark finds every process of the run again, and that arms it."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("PDRAY_", "RAY"))
    }
    kept |= {MARK: mark, **more}
    if fault is not None:
        Path(fault.folder).mkdir(exist_ok=True)
        places = [str(_HERE / "armed"), str(_HERE.parent.parent), kept.get("PYTHONPATH", "")]
        kept |= {VARIABLE: fault.to_json(), "PYTHONPATH": os.pathsep.join(filter(None, places))}
    return kept


def words(photos: Path, workspace: object) -> list[str]:
    """The command under trial."""
    call = ["index", str(photos), "-w", str(workspace), "--model", "builtin", "--json"]
    return [sys.executable, "-m", "pdray", *call]


def start(photos: Path, workspace: object, environ: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Starts it in a session of its own."""
    return subprocess.Popen(
        words(photos, workspace),
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def finish(photos: Path, workspace: object, environ: dict[str, str]) -> dict[str, object]:
    """Runs it to its end; gives its report."""
    ended = subprocess.run(
        words(photos, workspace),
        env=environ,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    report: dict[str, object] = json.loads(ended.stdout)
    return report


def pdray(*arguments: object, **more: str) -> "subprocess.CompletedProcess[str]":
    """Any other command."""
    return subprocess.run(
        [sys.executable, "-m", "pdray", *map(str, arguments)],
        env=environment("look", **more),
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


def tidied(where: dict[str, str], expected: State) -> None:
    """After `pdray compact` there is no orphan, and all that can be found is as it was."""
    assert compacted(where) == set()
    found = look(**where)
    assert max(found.rows.values()) == 1
    compare(_unnumbered(found), replace(_unnumbered(expected), rows=found.rows))


def _unnumbered(state: State) -> State:
    """A row whose thumbnail moves out of a pack that is mostly dead gets another number."""
    payloads = {
        image: {key: value for key, value in payload.items() if key != "seq"}
        for image, payload in state.payloads.items()
    }
    return replace(state, payloads=payloads)


def compare(found: State, expected: State, trial: "Trial | None" = None) -> None:
    """Same ids, payloads, vectors and failures; nothing twice. Counts before it judges."""
    if trial is not None:
        trial.lost = len(expected.payloads.keys() - found.payloads.keys())
        trial.lost += len(expected.failed.keys() - found.failed.keys())
        trial.duplicated = len(found.payloads.keys() - expected.payloads.keys())
        trial.duplicated += sum(number - 1 for number in found.rows.values())
    assert found.payloads.keys() == expected.payloads.keys()
    for image, payload in expected.payloads.items():
        assert found.payloads[image] == payload
    assert found.failed == expected.failed
    assert found.vectors.keys() == expected.vectors.keys()
    for image, vector in expected.vectors.items():
        other = found.vectors[image]
        cosine = vector @ other / (np.linalg.norm(vector) * np.linalg.norm(other))
        assert cosine >= 0.9999
    assert found.rows == expected.rows
    assert max(found.rows.values()) == 1


# --- the count of it all


@dataclass(slots=True)
class Trial:
    """One disturbed run with the clean run after it."""

    kind: str
    kills: int = 0
    lost: int = 0
    duplicated: int = 0
    rework: int = 0  # images whose decoding began once more than needed


TRIALS: list[Trial] = []


def counted(kind: str) -> Trial:
    """A new trial in the table."""
    TRIALS.append(Trial(kind))
    return TRIALS[-1]


def rework(faults: Iterable[Fault]) -> int:
    """How many images the runs of these faults decoded more than once, counted each time more."""
    decoded = [uri for fault in faults for uri in fault.decoded]
    return len(decoded) - len(set(decoded))


def table() -> list[str]:
    """The lines of the table."""
    if not TRIALS:
        return []
    kinds: dict[str, list[Trial]] = defaultdict(list)
    for trial in TRIALS:
        kinds[trial.kind].append(trial)
    head = ("trials", "kills", "lost", "duplicated", "images decoded again", "at most")
    wide = max(map(len, [*kinds, "all together"]))
    lines = [f"{'':{wide}}  {'  '.join(head)}"]
    for kind, trials in [*kinds.items(), ("all together", TRIALS)]:
        values = (
            len(trials),
            sum(t.kills for t in trials),
            sum(t.lost for t in trials),
            sum(t.duplicated for t in trials),
            sum(t.rework for t in trials),
            max(t.rework for t in trials),
        )
        cells = (f"{value:>{len(name)}}" for name, value in zip(head, values, strict=True))
        lines.append(f"{kind:{wide}}  {'  '.join(cells)}")
    return lines
