"""What happens to a unit, as plain functions and objects: read and decode, embed, commit.

Nothing here knows Ray. `compose.py` places these on a cluster, the benchmark runs them in a loop.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pdray.catalog import attempts, captions
from pdray.catalog.catalog import Catalog, new_attempt
from pdray.catalog.units import Item, Unit
from pdray.catalog.view import KnownContents
from pdray.errors import IngestError
from pdray.ingest.guarded import DEATHS, Limits
from pdray.ingest.looking import Family, Looked, look_at
from pdray.ingest.reading import read
from pdray.ingest.tally import Outcome
from pdray.records import CaptionerSpec, Failure, ImageRecord, ModelSpec, image_id
from pdray.sources.protocol import Source

if TYPE_CHECKING:
    from pdray.models.captioners import Captioner
    from pdray.models.encoder import DualEncoder

# Attempts at a unit in one run: two until its images are suspects, the rest for what comes after.
_MOST_LOST = 6


# A worker that was suspended or cut off may wake after its run was taken for dead (60 s) and its
# files were swept away. Half of that, so that no slow clock matters.
_SUSPENDED_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker of a run needs to know; small, and it travels."""

    catalog: Catalog
    collection: str
    run_id: str
    spec: ModelSpec
    sources: tuple[Source, ...]
    captioner: CaptionerSpec | None = None  # None: nothing is described
    # Of images that have rows already: vectors are all that is written.
    vectors_only: bool = False
    max_pixels: int = 256_000_000
    thumbnail_side: int = 320
    device: str = "auto"
    precision: str = "auto"
    captions_precision: str = "auto"
    batch_size: int | None = None
    threads: int = 1  # of one worker, for decoding and for torch
    compile: bool = False
    limits: Limits = field(default_factory=Limits)
    suspects: attempts.Deaths = field(default_factory=dict)
    # (uri, version) of images that failed by ending their process, asked for again.
    set_aside: frozenset[tuple[str, str]] = frozenset()


@dataclass(slots=True)
class Decoded:
    """A unit after reading: rows all but committed, and the pixels that still need a model.

    `pixels` is (n, height, width, 3) uint8, row i belongs to contents[i]; contents are distinct
    and unknown to the space. `reused` names the embedding parts of the contents that are known.
    """

    unit: Unit
    attempt: str
    records: list[ImageRecord]
    contents: list[str]
    pixels: NDArray[np.uint8]
    reused: set[str]
    bytes_read: int
    began: float
    seconds: dict[str, float] = field(default_factory=dict)
    rework: int = 0  # images that a dead process had begun
    # The same for the captioner, where the run has one.
    undescribed: list[str] = field(default_factory=list)
    views: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0, 0, 3), np.uint8))
    batch_size: int = 0  # of the model
    gpu_bytes: int = 0  # the most that its process held


@dataclass(frozen=True, slots=True)
class Committed:
    """The summary of a unit that is in the catalog, by whichever attempt."""

    part: str
    # indexed, updated, unchanged, failed, embedded, reused, captioned, rework
    counts: dict[str, int]
    images: int
    bytes_read: int
    seconds: dict[str, float]  # by stage, of this unit's worker
    began: float  # seconds since the epoch, by the workers' clocks
    ended: float
    outcome: Outcome = field(default_factory=Outcome)
    batch_size: int = 0  # of the model, where it had anything to do
    gpu_bytes: int = 0  # the most that its process held


def decode(
    job: Job,
    known: KnownContents,
    unit: Unit,
    pool: ThreadPoolExecutor | None,
    described: KnownContents | None = None,
) -> Decoded:
    """Reads and decodes every image of a unit, each on its own: a bad one becomes a failed row.

    `known` has a vector, `described` a caption: of other contents there are pixels for the models.
    """
    # torch takes seconds to import, and a run that only plans, moves or deletes needs none.
    from pdray.models.resizing import fast_resize

    began, started = time.time(), time.perf_counter()
    attempt = new_attempt()
    deaths = begin(job, unit, attempt)
    looked = look_at(
        read(job.sources, unit.items),
        _families(job, known, described),
        pool,
        thumbnail_side=job.thumbnail_side,
        max_pixels=job.max_pixels,
        resize=fast_resize(),
        limits=job.limits,
        deaths={**deaths, **_set_aside(job, unit)},
    )
    taken = _Taken(job, len(unit.items))
    for item, found in zip(unit.items, looked, strict=True):
        taken.add(item, found)
    rows = taken.records
    if not job.vectors_only:
        places = iter(job.catalog.write_thumbnails(unit.unit_id, attempt, taken.thumbnails))
        rows = [replace(r, thumbnail=next(places)) if r.status == "ok" else r for r in rows]
    views = list(taken.views.values())
    return Decoded(
        unit,
        attempt,
        rows,
        list(taken.contents),
        taken.pixels[: len(taken.contents)],
        taken.reused,
        taken.bytes_read,
        began,
        {"decode": time.perf_counter() - started},
        len(deaths),
        list(taken.views),
        np.stack(views) if views else np.zeros((0, 0, 0, 3), np.uint8),
    )


class _Taken:
    """What of a unit's images goes on: rows of all, pixels of what a model has yet to see."""

    def __init__(self, job: Job, images: int) -> None:
        self._job = job
        prepared = job.spec.preprocessing
        self.pixels = np.empty((images, prepared.height, prepared.width, 3), np.uint8)
        self.records: list[ImageRecord] = []
        self.thumbnails: list[bytes] = []
        self.contents: dict[str, None] = {}
        self.views: dict[str, NDArray[np.uint8]] = {}  # of the captioner, by content
        self.reused: set[str] = set()
        self.bytes_read = 0

    def add(self, item: Item, found: Looked | Failure) -> None:
        """One image."""
        job = self._job
        if isinstance(found, Failure):
            self.records.append(failed_row(job.run_id, item, found))
            return
        examined = found.examined
        self.bytes_read += found.size
        if job.vectors_only and examined.content_id != item.content_id:
            changed = Failure(
                item.uri, "read", "changed", "Its file is no longer what was indexed."
            )
            self.records.append(failed_row(job.run_id, item, changed))
            return
        self.records.append(_row(job, item, found))
        self.thumbnails.append(examined.thumbnail)
        if found.parts[0]:
            self.reused.add(found.parts[0])
        elif examined.content_id not in self.contents:
            view = examined.pixels[job.spec.preprocessing.pixel_key]
            self.pixels[len(self.contents)] = view
            self.contents[examined.content_id] = None
        if job.captioner and found.parts[1] is None:
            view = examined.pixels[job.captioner.preprocessing.pixel_key]
            self.views.setdefault(examined.content_id, view)


def _families(job: Job, known: KnownContents, described: KnownContents | None) -> list[Family]:
    families = [(job.spec.preprocessing, known)]
    if job.captioner:
        families.append((job.captioner.preprocessing, described or KnownContents.none()))
    return families


def _set_aside(job: Job, unit: Unit) -> Mapping[str, int]:
    known = (item.uri for item in unit.items if (item.uri, item.version) in job.set_aside)
    return dict.fromkeys(known, DEATHS)


def begin(job: Job, unit: Unit, attempt: str) -> Mapping[str, int]:
    """Marks an attempt; gives the deaths of the unit's images. IngestError after too many."""
    deaths, lost = attempts.begin(
        job.catalog, job.collection, job.run_id, unit, attempt, job.suspects
    )
    if lost >= _MOST_LOST:
        raise IngestError(
            f"{lost} processes died one after the other over the images from {unit.items[0].uri} "
            f"to {unit.items[-1].uri}, though each of them decodes or is set aside: most likely "
            "memory is short; free some, or set ingest.encoders or ingest.unit_size lower."
        )
    return deaths


def failed_row(run_id: str, item: Item, failure: Failure) -> ImageRecord:
    """The row of an image that could not be indexed; it keeps the id that the image had."""
    return ImageRecord(
        item.uri, item.size, item.version, item.seq, "failed", run_id, item.image_id,
        failure=failure,
    )  # fmt: skip


def _row(job: Job, item: Item, found: Looked) -> ImageRecord:
    examined = found.examined
    return ImageRecord(
        uri=item.uri,
        size=found.size,  # a Parquet file's listing can only estimate it
        version=item.version,
        seq=item.seq,
        status="ok",
        run_id=job.run_id,
        image_id=item.image_id or new_id(job.collection, item, examined.content_id),
        content_id=examined.content_id,
        phash=examined.phash,
        width=examined.width,
        height=examined.height,
        format=examined.format,
        space=job.spec.space,
        metadata=examined.metadata,
    )


def new_id(collection: str, item: Item, content: str) -> str:
    """The id of an image at first sight. No uri holds a "#", so an id with `born` is its own."""
    name = f"{item.uri}#{item.born}" if item.born else item.uri
    return image_id(collection, name, content)


def embed(encoder: "DualEncoder", job: Job, decoded: Decoded) -> NDArray[np.float32]:
    """Vectors (n, dim) of the pixels, in the order of decoded.contents."""
    started = time.perf_counter()
    if len(decoded.contents):
        vectors = encoder.encode_pixels(decoded.pixels, batch_size=job.batch_size)
        decoded.batch_size = encoder.image_batch(job.batch_size)
        decoded.gpu_bytes = encoder.gpu_bytes()
    else:
        vectors = np.zeros((0, job.spec.dim), np.float32)
    decoded.seconds["embed"] = time.perf_counter() - started
    return vectors


def describe(captioner: "Captioner", decoded: Decoded) -> Sequence[str]:
    """Captions of the views, in the order of decoded.undescribed."""
    started = time.perf_counter()
    said = captioner.caption(decoded.views) if decoded.undescribed else ()
    decoded.seconds["caption"] = time.perf_counter() - started
    return said


def commit(
    job: Job, decoded: Decoded, vectors: NDArray[np.float32], said: Sequence[str] = ()
) -> Committed:
    """Writes what the unit's rows need, then the rows: the commit point."""
    started = time.perf_counter()
    unit_id = decoded.unit.unit_id
    own = {r.thumbnail.pack for r in decoded.records if r.thumbnail}
    parts = sorted(decoded.reused)
    if decoded.contents:
        path = job.catalog.write_embeddings(
            unit_id, decoded.attempt, job.spec, decoded.contents, vectors
        )
        parts.insert(0, path)
    if job.captioner and decoded.undescribed:
        captions.write(job.catalog, job.captioner, unit_id, decoded.undescribed, said)
    if time.time() - decoded.began > _SUSPENDED_SECONDS:
        job.catalog.require([*parts, *own])
    if not job.vectors_only:
        job.catalog.commit(job.collection, unit_id, decoded.records, {job.spec.space: parts}, own)
    attempts.end(job.catalog, job.collection, unit_id)
    decoded.seconds["commit"] = time.perf_counter() - started
    return Committed(
        part=job.catalog.part_path(job.collection, unit_id),
        counts=_counts(decoded),
        images=len(decoded.records),
        bytes_read=decoded.bytes_read,
        seconds=decoded.seconds,
        began=decoded.began,
        ended=time.time(),
        outcome=Outcome.of(decoded.records),
        batch_size=decoded.batch_size,
        gpu_bytes=decoded.gpu_bytes,
    )


def _counts(decoded: Decoded) -> dict[str, int]:
    found = {"indexed": 0, "updated": 0, "unchanged": 0, "failed": 0}
    for item, record in zip(decoded.unit.items, decoded.records, strict=True):
        found[_outcome(item, record)] += 1
    whole = len(decoded.records) - found["failed"]
    return {
        **found,
        "embedded": len(decoded.contents),
        "reused": whole - len(decoded.contents),
        "captioned": len(decoded.undescribed),
        "rework": decoded.rework,
    }


def _outcome(item: Item, record: ImageRecord) -> str:
    if record.status == "failed":
        return "failed"
    if item.image_id is None:
        return "indexed"
    return "unchanged" if item.content_id == record.content_id else "updated"


class Worker:
    """Decodes, embeds and commits in one process: no pixel travels. Right where CPUs do it all."""

    def __init__(
        self, job: Job, known: KnownContents, described: KnownContents | None = None
    ) -> None:
        self.job, self.known, self.described = job, known, described
        self.pool = ThreadPoolExecutor(job.threads) if job.threads > 1 else None
        self.encoder = build_encoder(job)

    def process(self, unit: Unit) -> Committed:
        """The whole way of a unit."""
        return commit(self.job, *self.prepare(unit))

    def prepare(self, unit: Unit) -> tuple[Decoded, NDArray[np.float32]]:
        """All but captions and commit."""
        decoded = decode(self.job, self.known, unit, self.pool, self.described)
        return decoded, embed(self.encoder, self.job, decoded)


def build_describer(job: Job) -> "Captioner":
    """The job's captioner, where this is called."""
    from pdray.models.captioners import build_captioner

    assert job.captioner is not None
    return build_captioner(
        job.captioner,
        device=job.device,
        precision=job.captions_precision,
        threads=job.threads,
    )


def build_encoder(job: Job) -> "DualEncoder":
    """The image tower of the job's model, where this is called, ready to go."""
    from pdray.models.encoder import DualEncoder

    encoder = DualEncoder(
        job.spec,
        device=job.device,
        precision=job.precision,
        threads=job.threads,
        compile=job.compile,
        towers="image",
    )
    encoder.warm_up()
    return encoder
