"""Whether a machine of the cluster sees what a run works on: the local folders among it.

A worker that doesn't would write a workspace of its own that nobody finds again, or take every
image for a missing one.
"""

import socket
from dataclasses import dataclass
from pathlib import Path

from pdray.errors import CatalogError, PdrayError, SourceError
from pdray.ingest.stages import Job
from pdray.sources.events import local_roots


@dataclass(frozen=True, slots=True)
class Landmarks:
    """What the driver sees on its own disks: files of the workspace, and what sources start from.

    Empty where workspace and sources are URLs. A file that was made for this run alone can't be
    mistaken for another machine's.
    """

    workspace: tuple[str, ...]
    sources: tuple[str, ...]


def landmarks(job: Job) -> Landmarks:
    """Those of a run; call it where the run is driven."""
    store = job.catalog.store
    record = f"runs/{job.run_id}/start.json"
    local, root = store.filesystem()
    workspace = (f"{root}{record}",) if local is None else ()
    roots = local_roots(job.sources)
    seen = [[mark for mark in marks if Path(mark).exists()] for marks in (workspace, roots)]
    return Landmarks(tuple(seen[0]), tuple(seen[1]))


def blind(marks: Landmarks) -> PdrayError | None:
    """Why this machine can't work for the run, as one sentence; None where it can."""
    here = f"Node {socket.gethostname()} of the Ray cluster can't see"
    for mark in marks.workspace:
        if not Path(mark).exists():
            folder = Path(mark).parents[2]
            return CatalogError(
                f"{here} the workspace {folder}: several machines need one that all of them reach, "
                "a shared folder or a URL such as s3://bucket/prefix."
            )
    for mark in marks.sources:
        if not Path(mark).exists():
            return SourceError(
                f"{here} {mark}: several machines need sources that all of them reach, a folder "
                "mounted on each or a URL such as s3://bucket/prefix."
            )
    return None
