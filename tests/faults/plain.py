"""`pdray index` in one process, without Ray: the product's own run, stages, catalog and index.

Ray only places units; what makes a run right after a kill is not in it. A trial without it takes a
second or two instead of half a minute, so that every named point can be tried at many calls.
Each run is forked from a process that has everything imported.
"""

import os
import resource
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.points import Fault, arm
from tests.forking import forking, joined


@dataclass(frozen=True, slots=True)
class Call:
    """One run: which folders into which workspace, and what befalls it."""

    photos: str
    workspace: str
    state: str
    fault: Fault
    environment: dict[str, str] = field(default_factory=dict)
    unit_size: int = 3
    largest_file: int | None = None  # bytes; a write beyond them fails as on a full disk


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: the exit code (minus a signal's number), and the report or the error."""

    code: int
    report: dict[str, Any]
    error: str


def run(call: Call, limit: float = 120.0) -> Ended:
    """Runs a call in a process of its own, to its end or its death."""
    context = forking()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(call, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        said: dict[str, Any] = ours.recv() if ours.poll(limit) else {}
    except EOFError:
        said = {}
    code = joined(process, limit)
    return Ended(code, said.get("report", {}), said.get("error", ""))


def _child(call: Call, pipe: Any) -> None:
    from pdray.config import load
    from pdray.errors import PdrayError
    from pdray.ingest import compose
    from pdray.ingest.current import Options
    from pdray.ingest.run import index

    os.environ.update(call.environment)
    arm(call.fault)
    compose.cluster = _cluster
    if call.largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (call.largest_file, call.largest_file))
    settings = load(
        {
            "workspace": call.workspace,
            "state_dir": call.state,
            "model": "builtin",
            "precision": "fp32",
            "ingest_unit_size": call.unit_size,
            "ingest_thumbnail_side": 64,
            "ingest_encoders": 1,
            "ingest_threads": 1,
        }
    )
    try:
        report = index(settings, [call.photos], Options())
    except PdrayError as error:
        pipe.send({"error": str(error)})
        sys.exit(1)
    pipe.send({"report": asdict(report)})


class _OneProcess:
    """Places units where Ray would, one after the other, here."""

    cpus, gpus, free = 1, 0, None

    def run(
        self,
        job: Any,
        known: Any,
        units: Iterable[Any],
        placement: Any,
        control: Any,
        described: Any = None,
    ) -> Iterator[Any]:
        from pdray.ingest.stages import Worker

        worker = Worker(job, known, described)
        for unit in units:
            yield worker.process(unit)

    def projection(self, job: Any, target: Any) -> "_Projection":
        return _Projection(job, target)

    def exporter(self, collection: str) -> Any:
        from pdray.ingest.compose import Exporter

        return Exporter(None)  # nobody watches


class _Projection:
    """Compose's, but here: an index that fails stops the projection, not the run."""

    waiting, retries = 0, 0

    def __init__(self, job: Any, target: Any) -> None:
        from pdray.ingest.projecting import Projecting

        self.projector = Projecting(job, target)
        self.projector.open()

    def apply(self, part: str) -> None:
        self.projector.apply(part)

    def close(self) -> None:
        self.projector.close()


@contextmanager
def _cluster(address: str | None, log: Path, known_bytes: int = 0) -> Iterator[_OneProcess]:
    yield _OneProcess()
