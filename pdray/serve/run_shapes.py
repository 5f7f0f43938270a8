"""Runs, as the OpenAPI document says them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pdray.catalog.runs import Run
from pdray.serve.launching import Started

RunState = Literal[
    "starting", "running", "paused", "cancelling", "completed", "cancelled", "failed", "died"
]
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8", "nf4"]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4_096, pattern=r"^[^\x00]+$")]
CollectionName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$"),
    Field(description="1 to 63 of a-z, 0-9, dot, dash and underscore, led by a letter or digit."),
]
RUN_ID = r"^[0-9]{8}T[0-9]{6}\.[0-9]{3}Z-[0-9a-f]{6}$"


class RunRequest(BaseModel):
    """What is to be indexed, and how."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"sources": ["/home/me/Photos"], "collection": "photos", "model": "builtin"}
            ]
        },
    )

    sources: list[Text] = Field(
        min_length=1,
        max_length=1_000,
        description="Folders (whole paths), shards, globs or URLs such as s3://bucket/prefix.",
    )
    collection: CollectionName | None = Field(None, description="The server's own if left out.")
    model: Text | None = Field(
        None, description="See GET /models. The collection's own where it is left out."
    )
    precision: Precision | None = Field(None, description="The server's own if left out.")
    include: list[Text] = Field([], max_length=100, description="Globs: only these.")
    exclude: list[Text] = Field([], max_length=100, description="Globs: not these.")
    full: bool = Field(False, description="Read every image again.")
    retry_failed: bool = Field(False, description="Read again what failed before.")
    allow_deletes: bool = Field(False, description="Delete even if very many vanished.")
    captions: bool = Field(False, description="Describe the images in words too.")


class FolderProgress(BaseModel):
    """Images of a folder that were read, and how many of them failed."""

    folder: str
    done: int
    failed: int


class RunDocument(BaseModel):
    """A run: what was asked, how far it is, how it ended.

    `counts` has seen, indexed, updated, unchanged, moved, deleted, failed, reused, embedded and
    read; `stages` the seconds that all workers spent in each; `rate` is images a second in the last
    minute, and over the whole run once it has ended.
    """

    id: str
    collection: str
    state: RunState
    live: bool
    sources: list[str] = []
    include: list[str] = []
    exclude: list[str] = []
    model: str | None = None
    precision: str | None = None
    full: bool = False
    retry_failed: bool = False
    started_at: str | None = None
    ended_at: str | None = None
    heard_at: str | None = Field(default=None, description="When it last said how far it is.")
    phase: str | None = Field(default=None, description="listing, starting, indexing, projecting.")
    done: int = 0
    total: int | None = None
    failed: int = 0
    rate: float | None = None
    eta_seconds: float | None = None
    active_seconds: float | None = None
    paused_seconds: float | None = None
    counts: dict[str, int] = {}
    stages: dict[str, float] = {}
    folders: list[FolderProgress] = []
    failure_kinds: dict[str, int] = {}
    notes: list[str] = []
    error: str | None = Field(default=None, description="Why it failed.")


class RunList(BaseModel):
    """Runs, newest first."""

    runs: list[RunDocument]
    next_cursor: str | None = None


class FailedImage(BaseModel):
    """An image that could not be indexed, and why."""

    uri: str
    stage: str
    kind: str
    reason: str


class FailureGroup(BaseModel):
    """Failures of one stage and kind. `every_run`: each run tries them again, unasked."""

    stage: str
    kind: str
    images: int
    every_run: bool


class RunFailures(BaseModel):
    """What a run could not index and no later one has, in order of uri."""

    run: str
    collection: str
    total: int
    groups: list[FailureGroup]
    failures: list[FailedImage]
    next_cursor: str | None = None


_COUNTS = (
    "seen", "indexed", "updated", "unchanged", "moved", "deleted", "failed", "reused", "embedded",
    "read",
)  # fmt: skip


def run_document(run: Run) -> RunDocument:
    """The document of a run that has a record."""
    known = run.progress or {}
    fields = {**_asked(run.start), **_progress(known)}
    if run.report is not None:
        fields |= _ended(run.report, known)
    own = {"id": run.run_id, "collection": run.collection, "state": run.state, "live": run.live}
    return RunDocument.model_validate({**own, **fields})


def unrecorded(run_id: str, started: Started) -> RunDocument:
    """The document of a run that has no record yet, or ended before it had one."""
    wish, alive = started.wish, started.alive
    return RunDocument(
        id=run_id,
        collection=wish.collection,
        state="starting" if alive else "failed",
        live=alive,
        sources=list(wish.sources),
        include=list(wish.include),
        exclude=list(wish.exclude),
        model=wish.model,
        precision=wish.precision,
        full=wish.full,
        retry_failed=wish.retry_failed,
        error=None if alive else started.complaint,
    )


def _asked(start: dict[str, Any]) -> dict[str, Any]:
    names = ("sources", "include", "exclude", "model", "precision", "full", "retry_failed")
    return {name: start[name] for name in (*names, "started_at") if name in start}


def _progress(known: dict[str, Any]) -> dict[str, Any]:
    names = (
        "phase", "done", "total", "failed", "rate", "eta_seconds", "active_seconds",
        "paused_seconds", "counts", "stages", "folders", "failure_kinds", "notes",
    )  # fmt: skip
    return {"heard_at": known.get("at"), **{name: known[name] for name in names if name in known}}


def _ended(report: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    names = ("failed", "paused_seconds", "folders", "failure_kinds", "notes", "stages", "error")
    done = report.get("read", 0)
    return {
        **{name: report[name] for name in names if name in report},
        "ended_at": report.get("ended_at"),
        "done": done,
        "total": known.get("total") or done,
        "rate": report.get("images_per_second") or None,
        "eta_seconds": None,
        "active_seconds": report.get("seconds"),
        "counts": {name: report[name] for name in _COUNTS if name in report},
    }
