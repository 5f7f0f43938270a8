"""What ingestion reaches, beside what this machine's cores allow and beside a plain loop.

All in one run, because machines differ and are shared: only ratios carry over.

    decode, forward    the plain stage functions, one process a core, no Ray: images a second
    allowed            1 / (1/decode + 1/forward): both on the same cores, nothing else, no waiting
    steady             `pdray index` from its first unit's start to its last commit
    loop               transformers as its documentation shows it: PIL, CLIPImageProcessor, fp32
"""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing.synchronize import Barrier
from pathlib import Path

from pdray.catalog import attempts
from pdray.catalog.catalog import Catalog
from pdray.catalog.units import Item, Unit, cut
from pdray.catalog.view import KnownContents
from pdray.errors import IngestError
from pdray.ingest.stages import Job, build_encoder, decode, embed
from pdray.models.plain_loop import images_per_second
from pdray.models.resolve import resolve
from pdray.records import ImageRef
from pdray.samples.collection import write_collection
from pdray.samples.photos import photo
from pdray.sources.opening import open_source

_DISTINCT = 50  # pictures drawn; the rest are copies that differ in a comment
_UNIT = 128
_ready: Barrier  # in the measuring processes


@dataclass(frozen=True, slots=True)
class Rates:
    """Images a second of the plain stage functions on all cores, each stage alone."""

    decode: float
    forward: float

    @property
    def allowed(self) -> float:
        """What both stages on the same cores could reach at most."""
        return 1 / (1 / self.decode + 1 / self.forward)


@dataclass(frozen=True, slots=True)
class Steady:
    """A run of `pdray index`."""

    images: int
    steady: float  # images a second
    startup_seconds: float
    total_seconds: float
    peak_bytes: int  # of all its processes together


def scenes(folder: Path, count: int) -> Path:
    """`count` sample scenes with different bytes; every 1,000th is drawn, the others are copies."""
    base = folder.with_name(f"{folder.name}-drawn")
    drawn = min(count, 1000)
    if len(list(base.glob("*.jpg"))) < drawn:
        write_collection(base, drawn, seed=77)
    files = sorted(base.glob("*.jpg"))[:drawn]
    return _copies(folder, [file.read_bytes() for file in files], count)


def photos(folder: Path, count: int, size: tuple[int, int], target: int) -> Path:
    """`count` JPEGs of a size and of about `target` bytes, as busy as photos are."""
    if len(list(folder.glob("*.jpg"))) == count:  # of an earlier run: drawing takes minutes
        return folder
    pictures = [photo(seed, size, target) for seed in range(min(_DISTINCT, count))]
    return _copies(folder, pictures, count)


def _copies(folder: Path, pictures: Sequence[bytes], count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number:06d}.jpg"
        if not path.exists():
            comment = f"copy {number:06d}".encode()
            data = pictures[number % len(pictures)]
            mark = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
            path.write_bytes(data[:2] + mark + data[2:])
    for surplus in sorted(folder.glob("*.jpg"))[count:]:
        surplus.unlink()
    return folder


def plain(folder: Path, model: str, count: int, workspace: Path, precision: str = "auto") -> Rates:
    """The plain stage functions over the first `count` images, one process a core."""
    processes = len(os.sched_getaffinity(0))
    shutil.rmtree(workspace, ignore_errors=True)  # marks of an earlier call would look like deaths
    source = open_source(str(folder))
    spec = resolve(model)
    catalog = Catalog.open(str(workspace), create=True)
    job = Job(catalog, "plain", "plain", spec, (source,), precision=precision)
    refs = islice((e for e in source.list() if isinstance(e, ImageRef)), count)
    items = [Item(r.uri, r.size, r.version, 1, 0) for r in refs]
    images = min(_UNIT, -(-len(items) // (2 * processes)))
    units = list(cut(items, collection="plain", pipeline="plain", images=images))
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes, timeout=600)
    with ProcessPoolExecutor(processes, context, _share, (barrier,)) as pool:
        times = list(pool.map(_measure, [job] * processes, _shares(units, processes)))
    return Rates(*(len(items) / max(seconds) for seconds in zip(*times, strict=True)))


def _shares(units: list[Unit], processes: int) -> list[list[Unit]]:
    return [units[number::processes] for number in range(processes)]


def _share(barrier: Barrier) -> None:
    """Each process starts each stage when all are ready for it."""
    global _ready
    _ready = barrier


def _measure(job: Job, units: list[Unit]) -> tuple[float, float]:
    """Seconds of decoding, and of encoding, a process's share."""
    encoder = build_encoder(job)
    known = KnownContents.none()
    embed(encoder, job, decode(job, known, units[0], None))  # warm caches and kernels
    attempts.end(job.catalog, job.collection, units[0].unit_id)
    _ready.wait()
    started = time.perf_counter()
    decoded = [decode(job, known, unit, None) for unit in units]
    decoding = time.perf_counter() - started
    _ready.wait()
    started = time.perf_counter()
    for one in decoded:
        embed(encoder, job, one)
    return decoding, time.perf_counter() - started


def steady(folder: Path, model: str, workspace: Path, precision: str = "auto") -> Steady:
    """A whole `pdray index` into a fresh workspace, as a process of its own: so the memory is its
    own too. Raises IngestError where it fails.
    """
    shutil.rmtree(workspace, ignore_errors=True)
    words = ["index", str(folder), "-w", str(workspace), "--model", model, "--json"]
    ended = subprocess.run(
        [sys.executable, "-m", "pdray", *words],
        env={**os.environ, "PDRAY_PRECISION": precision},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise IngestError(f"The measured run failed: {ended.stderr.strip()[-300:]}")
    report = json.loads(ended.stdout)
    return Steady(
        report["read"],
        report["read"] / report["steady_seconds"],
        report["startup_seconds"],
        report["seconds"],
        report["peak_bytes"],
    )


def loop(folder: Path, model: Path, batch: int = 32) -> float:
    """Images a second of the plain transformers loop, first file touched to last vector stored."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:  # a process of its own: its threads and memory stay apart
        return pool.apply(images_per_second, (folder, model, batch))
